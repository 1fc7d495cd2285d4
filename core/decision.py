"""
The pipeline on one screen: what a cycle decides, from facts and settings alone (design 3, L12).

    exits -> universe -> triggers -> breakers -> rules -> risk -> orders

The stages of the loop gather facts and call these steps one by one; `decide` takes them all at once, of a cycle whose
facts are known beforehand. Either way it is the same code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from core.breakers import Limits, Observation, judge, trading_state
from core.exits import ExitReview, due_exits
from core.model.guards import Breaker, BreakerState, TradingState
from core.model.market import Product, ProductId, Quote
from core.model.orders import LotId, Order
from core.model.portfolio import Lot
from core.model.records import BreakerChanged
from core.model.signals import Features, Proposal, Regime, Tier, Trigger
from core.model.verdicts import Approved, Assessment, Reason, Refusal
from core.order_plan import NotPlannable, plan_entry
from core.regime import regime_of
from core.risk.assess import assess
from core.risk.view import RiskView
from core.rules import RulesResult, propose
from core.settings import PolicySettings, Settings, UniverseSettings
from core.triggers import scan
from core.universe import Universe


class LotFacts(NamedTuple):
    """What exits are judged on."""

    lots: Mapping[LotId, Lot]
    quotes: Mapping[ProductId, Quote]
    now: datetime


class CandleFacts(NamedTuple):
    """What the candles of the eligible products showed (`runner.market_watch`)."""

    features: Mapping[ProductId, Features]
    stale: tuple[ProductId, ...]
    warming: tuple[ProductId, ...]


class Watched(NamedTuple):
    """What the market is doing; `reason` speaks against any entry."""

    regime: Regime | None
    triggers: tuple[Trigger, ...]
    stale_share: Decimal
    reason: Reason | None


class PlannedEntry(NamedTuple):
    """An approval with its order, or why it has none."""

    approved: Approved
    order: Order | NotPlannable


# --- the steps --------------------------------------------------------------------------------------------------------


def exits(facts: LotFacts, policy: PolicySettings) -> ExitReview:
    """Say which lots must be sold (L6)."""
    return due_exits(facts.lots.values(), facts.quotes, facts.now, policy)


def universe_reason(universe: Universe, settings: UniverseSettings) -> Reason | None:
    """Say whether too few products are eligible."""
    return Reason.EMPTY_UNIVERSE if len(universe.eligible) < settings.min_eligible_products else None


def triggers(universe: Universe, seen: CandleFacts, settings: Settings) -> Watched:
    """Say what just happened, and whether enough of the market was seen."""
    benchmark = next((one for one in universe.eligible if one.base == settings.signals.regime.benchmark), None)
    watched = len(universe.eligible)
    stale_share = Decimal(len(seen.stale)) / watched if watched else Decimal(0)
    reason = None
    if stale_share > settings.policy.circuit_breakers.max_stale_share_fraction:
        reason = Reason.STALE_DATA
    elif not seen.features and seen.warming:
        reason = Reason.WARMING_UP
    regime = regime_of(None if benchmark is None else seen.features.get(benchmark), settings.signals.regime)
    return Watched(regime, scan(seen.features, settings.signals.triggers), stale_share, reason)


def state_reason(state: TradingState) -> Reason | None:
    """Say whether the trading state forbids entries."""
    if state is TradingState.ARMED:
        return None
    return Reason.HALTED if state is TradingState.HALTED else Reason.BREAKER


def rules(
    found: Sequence[Trigger],
    features: Mapping[ProductId, Features],
    tiers: Mapping[ProductId, Tier],
    regime: Regime | None,
    settings: Settings,
) -> tuple[RulesResult | None, Reason | None]:
    """Ask the strategies what they would make of it."""
    if not found:
        return None, Reason.NO_TRIGGERS
    result = propose(found, features, tiers, regime, policy=settings.policy, settings=settings.signals)
    return result, None if result.proposals else Reason.NO_PROPOSALS


def risk(proposals: Sequence[Proposal], view: RiskView, policy: PolicySettings) -> tuple[Assessment, Reason | None]:
    """Ask risk what may be bought."""
    assessment = assess(proposals, view, policy)
    if assessment.approved:
        return assessment, None
    unknown = all(refused.reason is Refusal.UNKNOWN_ORDER for refused in assessment.refused)
    return assessment, Reason.UNKNOWN_ORDER if unknown else Reason.ALL_REFUSED


def entries(
    approved: Sequence[Approved],
    products: Mapping[ProductId, Product],
    quotes: Mapping[ProductId, Quote],
    *,
    account: str,
    slot: int,
    now: datetime,
    policy: PolicySettings,
) -> tuple[tuple[PlannedEntry, ...], Reason | None]:
    """Return a resting buy for each approval."""
    planned = tuple(
        PlannedEntry(
            one,
            plan_entry(
                one,
                products[one.product_id],
                quotes[one.product_id],
                account=account,
                slot=slot,
                now=now,
                policy=policy,
            ),
        )
        for one in approved
    )
    return planned, None if any(isinstance(one.order, Order) for one in planned) else Reason.NOT_PLANNABLE


# --- all of them ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    All that the decisions of one cycle are made of; None: not known, and what needs it is left undecided.

    `reason` is why nothing could be opened before the universe was looked at (the kill switch, an account or our own
    positions that could not be read). `view` and `observed` hold what is not decided here; what is, is put in.
    """

    reason: Reason | None
    lots: LotFacts | None
    universe: Universe | None
    universe_failed: bool
    candles: CandleFacts | None
    observed: Observation
    breakers: Mapping[Breaker, BreakerState]
    kill_on: bool
    quotes_failed: bool
    view: RiskView
    account: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided; None, or empty, where it did not come to it. `reason` is why nothing is to be bought."""

    exits: ExitReview | None
    universe: Universe | None
    watched: Watched | None
    changes: tuple[BreakerChanged, ...]
    state: TradingState
    reason: Reason | None
    rules: RulesResult | None = None
    assessment: Assessment | None = None
    entries: tuple[PlannedEntry, ...] = ()


def decide(facts: Facts, settings: Settings) -> Decision:
    """Decide one cycle, step by step, until something speaks against buying."""
    universe, seen, policy = facts.universe, facts.candles, settings.policy
    watched = None if universe is None or seen is None else triggers(universe, seen, settings)
    changes = judge(facts.breakers, _observed(facts, watched), Limits.of(settings), facts.view.now)
    states = {**facts.breakers, **{change.breaker: change.state for change in changes}}
    state = trading_state(states, kill_on=facts.kill_on)
    decision = Decision(
        exits=None if facts.lots is None else exits(facts.lots, policy),
        universe=universe,
        watched=watched,
        changes=changes,
        state=state,
        reason=_first_reason(facts, watched, state, settings.universe),
    )
    if decision.reason is not None or universe is None or watched is None or seen is None:
        return decision

    wished, reason = rules(watched.triggers, seen.features, universe.tiers, watched.regime, settings)
    decision = replace(decision, rules=wished, reason=reason)
    if wished is None or reason is not None:
        return decision
    if facts.quotes_failed:
        return replace(decision, reason=Reason.DATA_UNAVAILABLE)
    view = decided_view(facts, decision, settings)
    assessment, reason = risk(wished.proposals, view, policy)
    decision = replace(decision, assessment=assessment, reason=reason)
    if reason is not None:
        return decision
    planned, reason = entries(
        assessment.approved,
        view.products,
        view.quotes,
        account=facts.account,
        slot=facts.slot,
        now=view.now,
        policy=policy,
    )
    return replace(decision, entries=planned, reason=reason)


def _first_reason(
    facts: Facts, watched: Watched | None, state: TradingState, settings: UniverseSettings
) -> Reason | None:
    """Return what speaks against buying before anything was wished for; the first thing found stands."""
    if facts.reason is not None:
        return facts.reason
    if facts.universe_failed or facts.universe is None:
        return Reason.DATA_UNAVAILABLE
    reason = universe_reason(facts.universe, settings)
    if reason is None and watched is None:
        reason = Reason.DATA_UNAVAILABLE
    return reason or (None if watched is None else watched.reason) or state_reason(state)


def _observed(facts: Facts, watched: Watched | None) -> Observation:
    universe = None if facts.universe_failed else facts.universe
    return replace(
        facts.observed,
        stale_share_fraction=None if watched is None else watched.stale_share,
        eligible_products=None if universe is None else len(universe.eligible),
        regime=None if watched is None else watched.regime,
    )


def decided_view(facts: Facts, decision: Decision, settings: Settings) -> RiskView:
    """Return what risk looks at: the facts, with what was decided before it."""
    universe, watched = decision.universe, decision.watched
    return replace(
        facts.view,
        trading_state=decision.state,
        kill_switch_on=facts.kill_on,
        regime=None if watched is None else watched.regime,
        tiers={} if universe is None else universe.tiers,
        max_spread_fraction={tier: floors.max_spread_fraction for tier, floors in settings.universe.tiers.items()},
        themes=settings.universe.themes,
        stale=() if facts.candles is None else facts.candles.stale,
    )
