"""What speaks for and against selling what is held of a product: its chain begins with it, since exits come first."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from core.decision import LotFacts
from core.model.market import ProductId
from core.model.money import plain, round_even
from core.model.portfolio import Lot
from core.settings import ExitPolicy
from tools.replaying.link import Link


def held_links(
    product_id: ProductId, facts: LotFacts | None, policy: ExitPolicy, body: Mapping[str, Any]
) -> Iterator[Link]:
    """Yield of each lot that was held when exits were judged its limits and the bid, and what was due by the line."""
    if facts is None:
        return
    for lot in facts.lots.values():
        if lot.product_id == product_id:
            due = [item for item in body["exits"] if item["lot"] == lot.lot_id]
            words = "; ".join(_due(item) for item in due) or "no exit is due"
            size = f"{plain(lot.quantity)} bought at {plain(round_even(lot.average_price))}"
            yield Link(step="held", is_open=None, words=f"{size}: {words}")
            yield Link(step="", is_open=None, words=_limits(lot, facts, policy))


def _due(item: Mapping[str, Any]) -> str:
    blocked = f" (cannot be judged: {item['blocked_by']})" if item["blocked_by"] else ""
    return f"{item['reason'] or 'exit'}: {item['observed']}, limit {item['limit']}{blocked}"


def _limits(lot: Lot, facts: LotFacts, policy: ExitPolicy) -> str:
    quote = facts.quotes.get(lot.product_id)
    bid = "unknown" if quote is None else plain(quote.bid)
    age = int((facts.now - lot.opened_at) / timedelta(seconds=1))
    words = f"bid {bid}, stop {plain(round_even(lot.stop_price))}, target {plain(round_even(lot.target_price))}"
    if policy.trailing_stop_enabled:
        arms = lot.average_price * (1 + policy.trailing_arms_at_fraction)
        trail = lot.peak_price * (1 - policy.trailing_stop_fraction)
        is_armed = lot.peak_price >= arms
        words += f", trailing stop {plain(round_even(trail)) if is_armed else f'arms at {plain(round_even(arms))}'}"
    return f"{words}, held {age} s of at most {lot.plan.max_hold_seconds} s"
