"""The end of a cycle: mark the account, write journal and snapshot, one audit line, metrics."""

import logging
from dataclasses import replace

from core.errors import MarketDataUnavailable
from core.exposure import is_dust
from core.model.orders import LotId
from core.model.records import FillBooked, Intent, Marked
from core.ports import Severity
from runner.audit_line import audit_line, status_of
from runner.cycle import Cycle, Failure, Reason, Standing, Status
from runner.desk import Desk
from runner.stages import views
from runner.stages.guards import report_differences
from runner.tape.header import standing_of


def note_exception(cycle: Cycle, desk: Desk, error: Exception) -> None:
    """Keep an unexpected exception for the line and for the breaker; the traceback goes to the log."""
    cycle.error = Failure(kind=type(error).__name__, message=desk.redact(str(error)))
    cycle.end(Reason.EXCEPTION)
    desk.memory.exceptions.append(desk.clock.now())
    desk.log.error("cycle of slot %s ended by %s", cycle.tick.slot, type(error).__name__, exc_info=error)
    desk.alert("exception", type(error).__name__, Severity.CRITICAL, f"unexpected {type(error).__name__} in a cycle")


def store_and_audit(cycle: Cycle, desk: Desk) -> Status:
    """Write everything down: mark in the journal, snapshot when due, then the one line (L1)."""
    _refresh_marks(cycle, desk)
    _report_late_findings(cycle, desk)
    _report_open_exits(cycle, desk)
    _report_unguarded(cycle, desk)
    standing = views.standing(cycle, desk)
    desk.book.record(
        Marked(at=desk.clock.now(), slot=cycle.tick.slot, equity=standing.equity, peaks=cycle.peaks), durable=True
    )
    cycle.events = desk.book.take_events()
    _log_trades(cycle, desk)
    standing = replace(standing, ledger=desk.book.ledger)  # the mark has moved day, week and high-water mark
    cycle.alerts, desk.memory.pending_alerts = desk.memory.pending_alerts, []
    cycle.unprotected_seconds = desk.orders.take_unprotected_seconds()
    cycle.api_use = desk.health.take_use()
    cycle.total_seconds = desk.clock.monotonic() - cycle.began
    status = status_of(cycle)
    desk.metrics.count(cycle, status, standing)
    metrics = desk.metrics.values(cycle, standing)
    state = desk.state()
    cycle.facts_digest = desk.tape.end_cycle(cycle.tick.slot)
    _end_full_audit_file(desk)
    line = audit_line(
        cycle,
        desk.run,
        standing,
        trading_state=state,
        metrics=metrics,
        journal=desk.book.position,
        segment=desk.audit_segment.pop() if desk.audit_segment else None,
    )
    desk.anchors.note(desk.audit.append(line, durable=True))
    _log_cycle(cycle, status, standing, desk)
    _snapshot_when_due(desk)
    desk.memory.cycles_done += 1
    desk.tape.turn_over(lambda: standing_of(desk))
    return status


def _end_full_audit_file(desk: Desk) -> None:
    """Let this line begin a new file when the present one is full, and anchor the one that ends."""
    ended = desk.audit.end_if_full()
    if ended is not None:
        desk.audit_segment.append(ended)
        desk.anchors.write()


def _refresh_marks(cycle: Cycle, desk: Desk) -> None:
    """
    Read the quotes that the marks need again when the cycle traded: time has passed, and there may be new lots.

    A cycle that is late asks only for what it has just bought.
    """
    held = desk.held()
    traded = any(isinstance(event, Intent) for event in desk.book.recent_events)
    missing = any(product_id not in cycle.quotes for product_id in held)
    if not ((traded and missing) if cycle.is_late else (traded or missing)):
        return
    try:
        desk.fetch_quotes(held, cycle)
    except MarketDataUnavailable as error:
        desk.log.warning("no quotes to mark our positions with: %s", error)


def _report_late_findings(cycle: Cycle, desk: Desk) -> None:
    """Put into the line what was found wrong with our orders after the reconciliation, while they were followed."""
    found = desk.reconciler.take_noticed()
    if found and cycle.reconciled is not None:
        cycle.reconciled = replace(cycle.reconciled, differences=(*cycle.reconciled.differences, *found))
    report_differences(found, desk)


def _report_open_exits(cycle: Cycle, desk: Desk) -> None:
    """Alert about each lot that should be gone and is not."""
    lots = desk.book.ledger.lots
    for due in cycle.exits:
        if due.lot_id in lots:
            message = f"{lots[due.lot_id].product_id}: {due.reason.value} is due and the lot is not sold yet"
            desk.alert("exit_incomplete", due.lot_id, Severity.CRITICAL, message)
    for blocked in cycle.blocked_exits:
        if blocked.lot_id not in lots:
            continue
        message = f"{lots[blocked.lot_id].product_id}: {blocked.reason.value}, its stop cannot be judged"
        desk.alert("exit_blocked", blocked.lot_id, Severity.CRITICAL, message)


def _report_unguarded(cycle: Cycle, desk: Desk) -> None:
    """Alert about each lot above dust that is neither guarded nor on its way out, and say when that is over."""
    memory, dust_usd = desk.memory, desk.settings.policy.risk.dust_threshold_usd
    leaving = [due.lot_id for due in cycle.exits]
    unguarded: dict[LotId, None] = {}
    for lot in desk.book.ledger.lots.values():
        is_small = is_dust(lot, cycle.quotes.get(lot.product_id), dust_usd)
        why = None if is_small or lot.lot_id in leaving else desk.orders.why_unguarded(lot)
        if why is not None:
            unguarded[lot.lot_id] = None
            message = f"{lot.product_id} is not guarded ({desk.state().name}): {why}"
            desk.alert("unprotected", lot.lot_id, Severity.CRITICAL, message)
    for lot_id in memory.unguarded_known:
        if lot_id not in unguarded:
            desk.notifier.resolve("unprotected", lot_id, desk.clock.now())
    memory.unguarded_known = unguarded


def _log_trades(cycle: Cycle, desk: Desk) -> None:
    fills = [event.fill for event in cycle.events if isinstance(event, FillBooked)]
    if fills:
        desk.log.info("reconcile_fills: %d booked", len(fills))
    for fill in fills:
        desk.log.info(
            "fill %s %s %s at %s, fee %s (%s)",
            fill.side.value,
            fill.size,
            fill.product_id,
            fill.price,
            fill.fee,
            fill.liquidity.value,
        )


def _log_cycle(cycle: Cycle, status: Status, standing: Standing, desk: Desk) -> None:
    """Say in one line what the minute brought; in a fast rehearsal only to who asks for DEBUG."""
    desk.log.log(
        logging.DEBUG if desk.is_virtual else logging.INFO,
        "cycle %d: %s, equity %s, %d positions, %.2f s",
        cycle.tick.slot,
        status.value if cycle.reason is None else f"{status.value} ({cycle.reason.value})",
        "unknown" if standing.equity is None else f"{standing.equity:.2f}",
        len(standing.ledger.lots),
        cycle.total_seconds,
    )


def _snapshot_when_due(desk: Desk) -> None:
    """Spare the next start some folding; the journal alone is the truth."""
    memory = desk.memory
    memory.cycles_since_snapshot += 1
    if memory.cycles_since_snapshot >= desk.settings.app.state.snapshot_every_cycles:
        desk.save_snapshot()
        memory.cycles_since_snapshot = 0
