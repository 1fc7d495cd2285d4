"""The stages that look for something to buy: universe, triggers, rules, risk, executor."""

from datetime import timedelta

from core import rules as core_rules
from core import triggers as core_triggers
from core import universe as core_universe
from core.errors import MarketDataUnavailable
from core.model.market import ProductId
from core.model.verdicts import Refusal
from core.regime import regime_of
from core.risk.assess import assess
from runner.audit_line import has_traded
from runner.cycle import Cycle, Reason
from runner.desk import Desk
from runner.stages import planning, views


def universe(cycle: Cycle, desk: Desk) -> None:
    """Take the eligible products, refreshed when due."""
    memory, settings = desk.memory, desk.settings.universe
    if memory.universe is None or memory.universe.is_due(cycle.started_at, settings):
        try:
            products = desk.market.products()
            screened = core_universe.screen(products, settings)
            books = desk.market.books([product.product_id for product in screened])
        except MarketDataUnavailable as error:
            desk.log.warning("the universe could not be refreshed, nothing new this cycle: %s", error)
            cycle.end(Reason.DATA_UNAVAILABLE)
            return
        memory.learn_products(products)
        memory.universe = core_universe.refresh(memory.universe, products, books, settings, cycle.started_at)
        cycle.universe_refreshed = True
    cycle.universe = memory.universe
    if len(memory.universe.eligible) < settings.min_eligible_products:
        cycle.end(Reason.EMPTY_UNIVERSE)


def triggers(cycle: Cycle, desk: Desk) -> None:
    """Look at the closed candles of what is eligible and say what just happened."""
    memory, settings = desk.memory, desk.settings
    if memory.universe is None:
        return  # the universe stage has said why
    eligible = list(memory.universe.eligible)
    benchmark = _benchmark(eligible, settings.signals.regime.benchmark)
    until = cycle.started_at + timedelta(seconds=settings.app.loop.market_data_seconds)
    if not desk.is_virtual and memory.cycles_done == 0:
        desk.log.info(
            "reading a day of candles of %d products, up to %d s in this cycle",
            len(eligible),
            settings.app.loop.market_data_seconds,
        )
    try:
        seen = desk.watch.look(eligible, cycle.started_at, lambda: desk.clock.now() < until)
    except MarketDataUnavailable as error:
        desk.log.warning("no candles this cycle: %s", error)
        cycle.end(Reason.DATA_UNAVAILABLE)
        return
    cycle.stale = seen.stale
    cycle.features = memory.features = seen.features
    cycle.regime = regime_of(None if benchmark is None else seen.features.get(benchmark), settings.signals.regime)
    cycle.triggers = core_triggers.scan(seen.features, settings.signals.triggers)
    if views.stale_share(cycle, desk) > settings.policy.circuit_breakers.max_stale_share_fraction:
        cycle.end(Reason.STALE_DATA)
    elif not seen.features and seen.warming:
        cycle.end(Reason.WARMING_UP)


def _benchmark(eligible: list[ProductId], asset: str) -> ProductId | None:
    return next((product_id for product_id in eligible if product_id.base == asset), None)


def rules(cycle: Cycle, desk: Desk) -> None:
    """Ask the strategies what they would make of it."""
    if not cycle.triggers:
        cycle.end(Reason.NO_TRIGGERS)
        return
    tiers = {} if cycle.universe is None else cycle.universe.tiers
    cycle.rules = core_rules.propose(
        cycle.triggers,
        features=cycle.features,
        tiers=tiers,
        regime=cycle.regime,
        policy=desk.settings.policy,
        settings=desk.settings.signals,
    )
    if not cycle.rules.proposals:
        cycle.end(Reason.NO_PROPOSALS)


def risk(cycle: Cycle, desk: Desk) -> None:
    """Read fresh quotes for what is proposed and ask risk what may be bought."""
    proposals = cycle.rules.proposals if cycle.rules is not None else ()
    wanted = [proposal.product_id for proposal in proposals]
    try:
        desk.fetch_quotes(list(dict.fromkeys([*desk.held(), *wanted])), cycle)
    except MarketDataUnavailable as error:
        desk.log.warning("no quotes for what is proposed: %s", error)
        cycle.end(Reason.DATA_UNAVAILABLE)
        return
    cycle.assessment = assess(proposals, views.risk_view(cycle, desk), desk.settings.policy)
    if not cycle.assessment.approved:
        unknown = all(refused.reason is Refusal.UNKNOWN_ORDER for refused in cycle.assessment.refused)
        cycle.end(Reason.UNKNOWN_ORDER if unknown else Reason.ALL_REFUSED)


def execute(cycle: Cycle, desk: Desk) -> None:
    """Turn approvals into orders and see them through."""
    approved = cycle.assessment.approved if cycle.assessment is not None else ()
    planned = planning.entries(approved, cycle, desk)
    if not planned:
        cycle.end(Reason.NOT_PLANNABLE)
        return
    desk.orders.open_lots(planned, planning.Planner(cycle, desk), cycle)
    if not has_traded(desk.book.recent_events):
        cycle.end(Reason.ORDERS_REFUSED)
