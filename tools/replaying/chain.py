"""The chain of gates between one product and an order in one cycle, as the cycle decides it again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from core.decision import Decision, Facts, decided_view
from core.exposure import exposure, free_cash
from core.model.market import ProductId
from core.model.money import plain, round_even
from core.model.signals import Features, TriggerKind
from core.model.verdicts import Refusal
from core.risk.assess import GATES
from core.risk.view import RiskView, worst_fee_fraction
from core.settings import Settings
from core.triggers import Reading, readings
from core.universe import Exclusion, Measure, measures
from tools.replaying.capture import Asked
from tools.replaying.gate_values import passed_with
from tools.replaying.link import Link
from tools.replaying.verdicts import verdicts_of

MEASURED: Mapping[Exclusion, tuple[str, str, bool]] = {
    Exclusion.VOLUME: ("volume of 24 h in USD", "at least", False),
    Exclusion.SPREAD: ("spread", "at most", True),
    Exclusion.DEPTH: ("depth in USD", "at least", False),
}
READ: Mapping[TriggerKind, tuple[str, str]] = {
    TriggerKind.PRICE_MOVE_15M: ("moved", " %"),
    TriggerKind.PRICE_MOVE_60M: ("moved", " %"),
    TriggerKind.BREAKOUT: ("beyond its range by", " %"),
    TriggerKind.MEAN_REVERSION: ("away from its mean by", " deviations"),
    TriggerKind.VOLUME_SPIKE: ("volume", " times the usual"),
    TriggerKind.MOMENTUM: ("moved", " %"),
}
ALSO: Mapping[TriggerKind, str] = {
    TriggerKind.VOLUME_SPIKE: "moved",
    TriggerKind.MOMENTUM: "minutes that way",
}
FLOORS_READ_HOURLY = "its floors were measured at the refresh before this file of the tape begins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What was measured of a product at the latest refresh of the universe that the tape shows."""

    measured: tuple[Measure, ...]
    cycle_at: str


def floors_of(product_id: ProductId, asked: Asked, settings: Settings, at: str) -> Floors | None:
    """Return what a refresh measured of a product; None when it was not measured."""
    product = next((one for one in asked.products or () if one.product_id == product_id), None)
    book = asked.books.get(product_id)
    tiers = settings.universe.tiers
    tier = next((tier for tier in tiers if product_id.base in tiers[tier].assets), None)
    if product is None or book is None or tier is None or not (book.bids and book.asks):
        return None
    return Floors(measured=tuple(measures(product, book, tiers[tier], settings.universe)), cycle_at=at)


def chain_of(
    product_id: ProductId, facts: Facts, decision: Decision, floors: Floors | None, settings: Settings
) -> Iterator[Link]:
    """Yield the links in their order, up to the first one that is shut."""
    yield from _cycle_links(facts, decision)
    is_eligible, links = _universe_links(product_id, decision, floors)
    yield from links
    if not is_eligible:
        return
    features = None if facts.candles is None else facts.candles.features.get(product_id)
    yield _candle_link(product_id, facts, features)
    if features is None:
        return
    yield from _trigger_links(product_id, features, decision, settings)
    yield from _rule_links(product_id, decision)
    yield from _risk_links(product_id, facts, decision, settings)


# --- before any product -----------------------------------------------------------------------------------------------


def _cycle_links(facts: Facts, decision: Decision) -> Iterator[Link]:
    if facts.reason is not None:
        yield Link(step="guard", is_open=False, words=f"{facts.reason.value}: nothing may be bought in this cycle")
    tripped = [change.breaker.value for change in decision.changes if change.state.tripped]
    tripped += [breaker.value for breaker, state in facts.breakers.items() if state.tripped]
    names = ", ".join(dict.fromkeys(tripped)) or "no breaker is tripped"
    is_armed = decision.state.name == "ARMED"
    yield Link(step="state", is_open=is_armed, words=f"{decision.state.name}, {names}")


def _universe_links(product_id: ProductId, decision: Decision, floors: Floors | None) -> tuple[bool, list[Link]]:
    universe = decision.universe
    if universe is None:
        return False, [Link(step="universe", is_open=False, words="not known in this cycle")]
    at = f"refreshed {universe.refreshed_at:%H:%M}"
    excluded, eligible = universe.excluded.get(product_id), universe.eligible.get(product_id)
    links = []
    if excluded is not None:
        words = f"{excluded.reason.value}: {excluded.observed}, limit {excluded.limit} ({at})"
        links.append(Link(step="universe", is_open=False, words=words))
    elif eligible is not None:
        links.append(Link(step="universe", is_open=True, words=f"eligible, {eligible.tier.value} ({at})"))
    else:
        links.append(Link(step="universe", is_open=False, words=f"the venue did not list it ({at})"))
    if floors is not None:
        links += [Link(step="", is_open=seen.is_met, words=_floor_words(seen)) for seen in floors.measured]
    elif eligible is not None:
        links.append(Link(step="", is_open=None, words=FLOORS_READ_HOURLY))
    return eligible is not None, links


def _floor_words(seen: Measure) -> str:
    name, comparison, is_fraction = MEASURED[seen.found.reason]
    observed, limit = seen.found.observed, seen.found.limit
    if is_fraction:
        observed, limit = (f"{plain(Decimal(text) * 100)} %" for text in (observed, limit))
    return f"{name} {observed} ({comparison} {limit})"


def _candle_link(product_id: ProductId, facts: Facts, features: Features | None) -> Link:
    candles = facts.candles
    if candles is None:
        return Link(step="candles", is_open=False, words="none could be read in this cycle")
    if product_id in candles.stale:
        return Link(step="candles", is_open=False, words="stale: none is young enough")
    if features is None:
        return Link(step="candles", is_open=False, words="warming up: less than a day of them is known")
    return Link(step="candles", is_open=True, words=f"fresh, last close {features.last_close:.10g}")


# --- triggers and rules -----------------------------------------------------------------------------------------------


def _trigger_links(product_id: ProductId, features: Features, decision: Decision, settings: Settings) -> Iterator[Link]:
    found = [one for one in decision.watched.triggers if one.product_id == product_id] if decision.watched else []
    regime = decision.watched.regime if decision.watched is not None else None
    yield Link(
        step="triggers",
        is_open=bool(found),
        words=f"{len(found)} fired; regime {'unknown' if regime is None else regime.value}",
    )
    kept = [one.kind for one in found]
    for reading in readings(features, settings.signals.triggers):
        words = _reading_words(reading)
        if reading.fires and reading.kind not in kept:
            words += f"; left out: score below {settings.signals.triggers.min_score}, or too many products fired"
        yield Link(step="", is_open=reading.kind in kept, words=words)


def _reading_words(reading: Reading) -> str:
    what, unit = READ[reading.kind]
    percent = 100 if unit == " %" else 1
    words = f"{reading.kind.value}: {what} {reading.observed * percent:.4g}{unit}"
    words += f" (at least {reading.threshold * percent:.4g}{unit})"
    if reading.also is not None:
        also, least = (value * 100 for value in reading.also)
        words += f", {ALSO[reading.kind]} {also:.4g} % (at least {least:.4g} %)"
    return words


def _rule_links(product_id: ProductId, decision: Decision) -> Iterator[Link]:
    rules = decision.rules
    if rules is None:
        return
    for proposal in rules.proposals:
        if proposal.product_id == product_id:
            words = (
                f"{proposal.strategy}: conviction {proposal.conviction}, {plain(proposal.size_fraction * 100)} % wanted"
            )
            yield Link(step="rules", is_open=True, words=words)
    for refused in rules.not_proposed:
        if refused.product_id == product_id:
            name = f"{refused.strategy}: " if refused.strategy else ""
            words = f"{name}{refused.reason} ({refused.observed}, limit {refused.limit})"
            yield Link(step="rules", is_open=False, words=words)


# --- risk -------------------------------------------------------------------------------------------------------------


def _risk_links(product_id: ProductId, facts: Facts, decision: Decision, settings: Settings) -> Iterator[Link]:
    proposals = decision.rules.proposals if decision.rules is not None else ()
    proposal = next((one for one in proposals if one.product_id == product_id), None)
    if proposal is None:
        return
    if decision.assessment is None:
        yield Link(step="risk", is_open=False, words=f"not asked: {_reason(decision)}")
        return
    view = decided_view(facts, decision, settings)
    yield from (Link(step="", is_open=None, words=words) for words in _seen(product_id, view, settings))
    refused = next((one for one in decision.assessment.refused if one.proposal is proposal), None)
    before = GATES if refused is None or refused.reason not in GATES else GATES[: GATES.index(refused.reason)]
    words = f"passed all {len(GATES)} gates"
    if refused is not None:
        words = f"refused at gate {min(len(before) + 1, len(GATES))} of {len(GATES)}"
    yield Link(step="risk", is_open=refused is None, words=words)
    for words in _grouped(passed_with(proposal, view, settings.policy, before)):
        yield Link(step="", is_open=True, words=words)
    if refused is not None:
        words = f"{refused.reason.value}: {refused.observed}, limit {refused.limit}"
        yield Link(step="", is_open=False, words=words)
        return
    verdict = verdicts_of(decision)[product_id]
    yield Link(step="approved", is_open=True, words=_approved(product_id, decision))
    yield Link(step="order", is_open=verdict.code == "buy", words=verdict.text().removeprefix("order: "))


def _grouped(passed: Iterable[tuple[Refusal, str, str]]) -> Iterator[str]:
    """Yield gates with their values, and those without a number together."""
    without: list[str] = []
    for gate, observed, limit in passed:
        if not observed:
            without.append(gate.value)
            continue
        if without:
            yield ", ".join(without)
        without = []
        yield f"{gate.value}: {observed}, limit {limit}"
    if without:
        yield ", ".join(without)


def _reason(decision: Decision) -> str:
    return "nothing speaks against it" if decision.reason is None else decision.reason.value


def _approved(product_id: ProductId, decision: Decision) -> str:
    approved = decision.assessment.approved if decision.assessment is not None else ()
    one = next(item for item in approved if item.product_id == product_id)
    return f"{plain(round_even(one.notional))} to spend, bound by {one.bound_by.value}"


def _seen(product_id: ProductId, view: RiskView, settings: Settings) -> Iterator[str]:
    """Yield the values that most gates look at."""
    policy, quote = settings.policy, view.quotes.get(product_id)
    if quote is not None:
        age = (view.now - quote.at) / timedelta(seconds=1)
        spread = round_even(quote.spread_fraction * 10_000, Decimal("0.01"))
        yield f"bid {plain(quote.bid)}, ask {plain(quote.ask)}, {age:.1f} s old, spread {plain(spread)} bps"
    fee = worst_fee_fraction(view.fees)
    if view.equity is None or fee is None:
        yield "equity or fees unknown"
        return
    at_risk = exposure(view.ledger, view.quotes, view.themes, fee_fraction=fee, dust_usd=policy.risk.dust_threshold_usd)
    share = round_even(at_risk.total / view.equity * 100, Decimal("0.01")) if view.equity > 0 else Decimal(0)
    cash = round_even(free_cash(view.ledger, product_id.quote, fee), Decimal("0.01"))
    yield (
        f"equity {plain(round_even(view.equity, Decimal('0.01')))}, at risk {plain(share)} %, free cash {plain(cash)} "
        f"{product_id.quote}, {len(at_risk.positions)} positions, worst fee {plain(fee * 10_000)} bps"
    )


# --- what became of it ------------------------------------------------------------------------------------------------


def outcome_links(product_id: ProductId, body: Mapping[str, Any]) -> Iterator[Link]:
    """Yield what the line says of orders of the product in its cycle, and of what is held after it."""
    name = str(product_id)
    for order in body["execution"]["orders"]:
        if order["product"] == name:
            said = f" ({order['outcome_reason']})" if order["outcome_reason"] else ""
            what = f"{order['purpose']} {order['side']} {order['size']} at {order['limit_price']}"
            words = f"{what}: {order['outcome']}{said}"
            yield Link(step="sent", is_open=order["outcome"] == "ACCEPTED", words=words)
    for fill in body["execution"]["fills"]:
        if fill["product"] == name:
            words = f"{fill['side']} {fill['size']} at {fill['price']}, fee {fill['fee']} ({fill['liquidity']})"
            yield Link(step="filled", is_open=True, words=words)
    for note in body["execution"]["not_sent"]:
        if note["product"] == name:
            words = f"{note['purpose']} {note['reason']}: {note['observed']}, limit {note['limit']}"
            yield Link(step="not sent", is_open=False, words=words)
    for lot in body["portfolio"]["positions"]:
        if lot["product"] == name:
            yield Link(step="at the end", is_open=None, words=f"holds {lot['quantity']} that cost {lot['cost']}")
