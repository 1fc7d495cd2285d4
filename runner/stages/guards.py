"""The stages that come before any idea: guard, reconcile, exits and upkeep, breakers."""

from collections.abc import Iterable
from datetime import timedelta

from core import decision
from core.breakers import Limits, judge
from core.decision import LotFacts
from core.errors import AlreadyRunning, BrokerUnavailable, MarketDataUnavailable
from core.exits import new_peaks
from core.model.guards import Breaker
from core.model.orders import LotId, Outcome, Purpose
from core.model.records import BreakerChanged, OutcomeKnown
from core.ports import KillCommand, Severity
from core.risk.restoring_hop import MAY_SEND
from runner.cycle import Cycle, Reason
from runner.desk import Desk
from runner.differences import ABSENT_ORDER_FILLED, Difference
from runner.stages import views
from runner.stages.planning import Planner

_SEVERITIES = {
    Breaker.STALE_DATA: Severity.WARNING,
    Breaker.API_ERRORS: Severity.WARNING,
    Breaker.CLOCK_JUMP: Severity.WARNING,
}


def must_own_lock(desk: Desk) -> None:
    """
    See that the data directory is still ours, before the cycle's first record goes into it (L14).

    Raises:
        AlreadyRunning
    """
    if not desk.lock.is_ours():
        raise AlreadyRunning(
            "the lock file, or its directory, was removed or replaced while running: another process may own it"
        )


def guard(cycle: Cycle, desk: Desk) -> None:
    """Check what must hold before anything is done: the clock, the configuration on disk, the kill switch."""
    desk.watch_until(cycle.began + desk.settings.app.loop.cycle_deadline_seconds)
    _measure_clock_jump(desk)
    _notice_config_drift(desk)
    if not watch_kill_switch(desk):
        cycle.end(Reason.KILL_SWITCH)


def watch_kill_switch(desk: Desk) -> bool:
    """Read the kill switch and act on it at once (L5); return whether it is off. Also called in every wait."""
    command = desk.kill_switch.read()
    if command is None:
        if desk.memory.kill_known:
            desk.memory.kill_known = False
            desk.notifier.resolve("kill_switch", "file", desk.clock.now())
        return True
    if not desk.memory.kill_known:
        desk.memory.kill_known = True
        desk.alert(
            "kill_switch",
            "file",
            Severity.CRITICAL,
            "kill switch is on: no order is sent, own buy orders are cancelled, guards at the exchange stay",
        )
    _cancel_for_kill(desk, command)
    return False


def _cancel_for_kill(desk: Desk, command: KillCommand) -> None:
    if not desk.orders.cancel_for_kill(command):
        desk.alert(
            "kill_cancel_unverified",
            "orders",
            Severity.CRITICAL,
            "own orders are not seen to be cancelled, trying again",
        )


def _measure_clock_jump(desk: Desk) -> None:
    """Hold the wall clock's progress since the last cycle against the monotonic clock's."""
    now, elapsed = desk.clock.now(), desk.clock.monotonic()
    before = desk.memory.clock_at
    desk.memory.clock_at = (now, elapsed)
    jumped = timedelta(0) if before is None else (now - before[0]) - timedelta(seconds=elapsed - before[1])
    desk.memory.clock_jump_seconds = jumped.total_seconds()


def _notice_config_drift(desk: Desk) -> None:
    """Say once that the files on disk are no longer what runs; the run goes on with what it loaded."""
    drift = desk.config_drift.changed()
    if drift is not None and not desk.memory.drift_known:
        desk.alert(
            "config_drift", "files", Severity.WARNING, f"{drift}; this run keeps the configuration it started with"
        )
    if drift is None and desk.memory.drift_known:
        desk.notifier.resolve("config_drift", "files", desk.clock.now())
    desk.memory.drift_known = drift is not None


def reconcile(cycle: Cycle, desk: Desk) -> None:
    """Settle what is unknown or open, book fills, compare the account with the ledger (L4, L10)."""
    try:
        found = desk.reconciler.run()
    except BrokerUnavailable as error:
        cycle.end(Reason.BROKER_UNAVAILABLE)
        desk.log.warning("the account could not be read, nothing new this cycle: %s", error)
        return
    cycle.reconciled = found
    desk.memory.mismatch_cycles = desk.memory.mismatch_cycles + 1 if found.differences else 0
    report_differences(found.differences, desk)


def report_differences(differences: Iterable[Difference], desk: Desk) -> None:
    """Alert about each thing that the exchange and the ledger do not agree on; a fill of a dead order by its name."""
    for item in differences:
        desk.alert(
            item.code if item.code == ABSENT_ORDER_FILLED else "account_differs",
            f"{item.code}:{item.subject}",
            Severity.CRITICAL,
            f"{item.code} {item.subject}: ledger {item.ledger}, exchange {item.exchange}",
        )


def exits_and_upkeep(cycle: Cycle, desk: Desk) -> None:
    """Cancel entries that outlived their end, sell the lots whose time has come (L6), and guard the others."""
    if cycle.reason is not Reason.KILL_SWITCH:  # which has cancelled every buy already
        desk.orders.cancel_overdue()  # also when HALTED: nothing may still be bought then
    if cycle.reason is Reason.KILL_SWITCH or desk.state() not in MAY_SEND:
        _read_held_quotes(cycle, desk)
        return
    if not _read_held_quotes(cycle, desk):
        return
    planner = Planner(cycle, desk)
    _judge_lots(cycle, desk)
    desk.orders.close_lots(cycle.exits, planner, cycle)
    desk.orders.protect(planner, cycle, _on_their_way(cycle, desk))
    desk.memory.rules_in_doubt |= _was_an_exit_rejected(desk)


def _judge_lots(cycle: Cycle, desk: Desk) -> None:
    """Find out which lots are due, on the quotes of this moment."""
    policy = desk.settings.policy
    facts = cycle.lot_facts = LotFacts(desk.book.ledger.lots, dict(cycle.quotes), desk.clock.now())
    cycle.peaks = new_peaks(facts.lots.values(), facts.quotes, facts.now, policy)
    judged = decision.exits(facts, policy)
    cycle.exits, cycle.blocked_exits = judged.due, judged.blocked


def _on_their_way(cycle: Cycle, desk: Desk) -> list[LotId]:
    """Return the lots of which something was offered in this cycle: what is left of them goes on in the next one."""
    ledger = desk.book.ledger
    orders = (*ledger.open_orders.values(), *ledger.closed_orders.values())
    offered = [state for state in orders if state.slot == cycle.tick.slot and state.order.purpose is Purpose.EXIT]
    return [state.order.lot_id for state in offered]


def _was_an_exit_rejected(desk: Desk) -> bool:
    """Tell whether the venue refused a sell of this cycle: then its rules may have changed."""
    ledger = desk.book.ledger
    rejected = [
        event.client_order_id
        for event in desk.book.recent_events
        if isinstance(event, OutcomeKnown) and event.outcome is Outcome.REJECTED
    ]
    states = [ledger.closed_orders.get(key) for key in rejected]
    return any(state is not None and state.order.purpose is not Purpose.ENTRY for state in states)


def _read_held_quotes(cycle: Cycle, desk: Desk) -> bool:
    """Read fresh quotes, and the rules, of what we hold; return whether there is anything to judge."""
    held = desk.held()
    if not held:
        return False
    try:
        desk.fetch_quotes(held, cycle)
        if desk.memory.rules_in_doubt or _is_a_held_market_closed(desk):
            desk.memory.learn_products(desk.market.products())
    except MarketDataUnavailable as error:
        cycle.end(Reason.DATA_UNAVAILABLE)
        desk.log.warning("no quotes for our positions this cycle: %s", error)
    return True


def _is_a_held_market_closed(desk: Desk) -> bool:
    """
    Tell whether something that we hold cannot be sold by the rules as we know them, or we know none of its rules.

    The universe is refreshed rarely, and a market that opened again meanwhile would keep our lot until then. In the
    first cycle nothing is known yet: exits come before the universe.
    """
    known, dust_usd = desk.memory.catalogue, desk.settings.policy.risk.dust_threshold_usd
    held = (known.get(lot.product_id) for lot in desk.book.ledger.lots.values() if lot.cost >= dust_usd)
    return not known or any(product is None or product.blocked_by is not None or product.post_only for product in held)


def breakers(cycle: Cycle, desk: Desk) -> None:
    """Judge every circuit breaker on what this cycle saw; write down and report what changed."""
    seen = cycle.observed = views.observation(cycle, desk)
    for change in judge(desk.book.ledger.breakers, seen, Limits.of(desk.settings), desk.clock.now()):
        desk.book.record(change, durable=True)
        _report_breaker(change, desk)
    cycle.end_if(decision.state_reason(desk.state()))


def _report_breaker(change: BreakerChanged, desk: Desk) -> None:
    name = change.breaker.value
    if change.state.tripped:
        desk.alert(name, "breaker", _SEVERITIES.get(change.breaker, Severity.CRITICAL), change.state.detail)
    else:
        desk.notifier.resolve(name, "breaker", desk.clock.now())
