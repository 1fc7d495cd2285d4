"""The stages that look for something to buy: universe, triggers, rules, risk, executor."""

from datetime import timedelta

from core import decision
from core import universe as core_universe
from core.errors import MarketDataUnavailable
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
    cycle.end_if(decision.universe_reason(memory.universe, settings))


def triggers(cycle: Cycle, desk: Desk) -> None:
    """Look at the closed candles of what is eligible and say what just happened."""
    memory, settings = desk.memory, desk.settings
    if memory.universe is None:
        return  # the universe stage has said why
    eligible = list(memory.universe.eligible)
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
    cycle.warming = seen.warming
    facts = decision.CandleFacts(seen.features, seen.stale, seen.warming)
    watched = decision.triggers(memory.universe, facts, settings)
    cycle.regime, cycle.triggers, cycle.stale_share = watched.regime, watched.triggers, watched.stale_share
    cycle.end_if(watched.reason)


def rules(cycle: Cycle, desk: Desk) -> None:
    """Ask the strategies what they would make of it."""
    tiers = {} if cycle.universe is None else cycle.universe.tiers
    cycle.rules, reason = decision.rules(cycle.triggers or (), cycle.features, tiers, cycle.regime, desk.settings)
    cycle.end_if(reason)


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
    cycle.view = views.risk_view(cycle, desk)
    cycle.assessment, reason = decision.risk(proposals, cycle.view, desk.settings.policy)
    cycle.end_if(reason)


def execute(cycle: Cycle, desk: Desk) -> None:
    """Turn approvals into orders and see them through."""
    approved = cycle.assessment.approved if cycle.assessment is not None else ()
    planned, reason = planning.entries(approved, cycle, desk)
    if reason is not None:
        cycle.end(reason)
        return
    desk.orders.open_lots(planned, planning.Planner(cycle, desk), cycle)
    if not has_traded(desk.book.recent_events):
        sent = (state for state in desk.book.ledger.open_orders.values() if state.slot == cycle.tick.slot)
        in_doubt = any(state.is_unknown for state in sent)  # which is not a no (L4)
        cycle.end(Reason.UNKNOWN_ORDER if in_doubt else Reason.ORDERS_REFUSED)
