"""The records at the borders of a run: what a crash left to be said, the run's header, its end."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from core.errors import StateUnusable
from core.model.ledger import Ledger
from core.model.money import plain
from core.model.records import CashFlow, CycleStarted, Event, Noted, RunStarted, RunStopped
from core.ports import Position, RecordLog, Severity
from core.settings import Mode, Settings
from runner.adapters.kill_switch import FILE_NAME
from runner.adapters.log_files import LOG_NAME
from runner.adapters.process_facts import code_hash
from runner.adapters.record_file import OpenedAudit, RecordFile
from runner.adapters.state_store import STATE_NAME, StateStore
from runner.audit_line import AUDIT_NAME, RunFacts, interrupted_line
from runner.audit_sections import Json
from runner.banner import BannerFacts, banner
from runner.bookkeeper import Bookkeeper
from runner.desk import Desk
from runner.options import ROOT, RunOptions
from runner.records.chain import Place, Record
from runner.recovery import Finding, events_after
from runner.schedule import MinuteGrid, Tick
from runner.tape.recorder import Recorder
from runner.terminal import say
from runner.venues.outside import Opening, Outside


def run_facts(settings: Settings, mode: Mode, world: Outside) -> RunFacts:
    """Name the run after its start and what it is made of: in virtual time the same run has the same name."""
    now, code = world.clock.now(), code_hash(ROOT)
    facts = (settings.config_hash, code, world.account, world.market.venue, now.isoformat())
    digest = hashlib.sha256("|".join(facts).encode()).hexdigest()[:8]
    return RunFacts(
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{digest}",
        mode=mode.value,
        venue=world.market.venue,
        config_hash=settings.config_hash,
        code_hash=code,
    )


EMPTIED = "the audit file was emptied by hand"


class Untold(NamedTuple):
    """What the journal knows and no audit line tells; `lines_are_gone`: there were lines, and they were taken away."""

    events: list[Event]
    lines_are_gone: bool = False


def segment_facts(opened: OpenedAudit, untold: Untold) -> list[Json]:
    """Return what the next audit line must say about the file before it; nothing when it just goes on."""
    if opened.segment is not None:
        return [opened.segment.as_json()]
    if opened.was_emptied:
        return [{"begun_afresh": EMPTIED}]
    return [{"begun_afresh": "the audit file was moved away by hand"}] if untold.lines_are_gone else []


def position_of(journal: RecordFile) -> Position | None:
    """Return where a journal that was just opened ends; None for a new one."""
    place = journal.synced_place()
    return Position(seq=place.seq, hash=place.hash) if place.seq else None


def events_without_line(data_dir: Path, book: Bookkeeper, opened: OpenedAudit, since: Place) -> Untold:
    """
    Return what the journal knows and no audit line tells: it goes into the next line that is written.

    `since` is a place in the journal from which reading may begin.

    Raises:
        StateUnusable: The audit tells of a record that the journal does not have: records, and with them memories of
            orders and losses, were lost (L13).
    """
    if opened.was_emptied:
        return Untold([])
    told, hash_start = _told(opened)
    known = 0 if book.position is None else book.position.seq
    if told > known:
        raise StateUnusable(
            f"the audit's last line tells of record {told} of the journal in {data_dir}, which has {known}: they do "
            "not belong together, or the journal has lost records. Nothing was changed. Restore the journal from a "
            "backup; or, to begin afresh, move the data and the logs directory away together"
        )
    only_the_stop_is_new = known <= told + 1
    if only_the_stop_is_new:
        return Untold([])
    events = events_after(data_dir, told, hash_start, since)
    return (
        Untold(events)
        if opened.last is not None
        else for_a_first_line(events, is_cut=book.ledger.open_slot is not None)
    )


def for_a_first_line(events: list[Event], *, is_cut: bool) -> Untold:
    """
    Return all, or, where lines are gone, what a crash cut off: the history of a month would not fit into one line.

    `is_cut`: the last cycle of these events never came to its line.
    """
    ticks = [i for i, event in enumerate(events) if isinstance(event, CycleStarted)]
    if len(ticks) <= is_cut:
        return Untold(events)
    return Untold(events[ticks[-1] :] if is_cut else [], lines_are_gone=True)


def _told(opened: OpenedAudit) -> tuple[int, str]:
    """Return the seq of the last journal record that the audit knows of, and the beginning of its hash."""
    body = {} if opened.last is None else opened.last.body
    return body.get("journal_seq") or 0, body.get("journal_hash") or ""


def record_findings(findings: Sequence[Finding], book: Bookkeeper, now: datetime) -> None:
    """Write down what the start got over."""
    for finding in findings:
        book.record(Noted(at=now, code=finding.code, text=finding.text), durable=True)


def alert_findings(findings: Sequence[Finding], desk: Desk) -> None:
    """Tell the operator what the start got over."""
    for finding in findings:
        desk.alert(finding.code, "start", Severity.CRITICAL, finding.text)


def close_interrupted_cycle(
    book: Bookkeeper, audit: RecordLog, last: Record | None, grid: MinuteGrid, segment: list[Json]
) -> bool:
    """Write the line of a cycle that a crash cut off, unless the crash came after its line, the `last` one (L1)."""
    ledger, slot = book.ledger, book.ledger.open_slot
    last_slot = None if last is None else last.body.get("slot")
    if slot is None or last_slot == slot:
        return False
    run = RunFacts(
        run_id=ledger.run_id,
        mode=ledger.mode,
        venue=ledger.venue,
        config_hash=ledger.config_hash,
        code_hash=ledger.code_hash,
    )
    missed = 0 if last_slot is None else slot - last_slot - 1
    line = interrupted_line(
        Tick(slot=slot, starts_at=grid.start_of(slot), missed_slots=missed),
        run,
        ledger,
        book.take_events(),
        journal=book.position,
        segment=segment.pop() if segment else None,
    )
    audit.append(line, durable=True)
    return True


def needs_opening(ledger: Ledger) -> bool:
    """Tell whether a ledger has no money yet."""
    return not ledger.run_id or not ledger.cash


def begin_run(
    book: Bookkeeper, run: RunFacts, *, app_hash: str, account: str, now: datetime, opening: Opening | None
) -> None:
    """Write the run's header; a new ledger gets its money."""
    book.record(
        RunStarted(
            at=now,
            run_id=run.run_id,
            mode=run.mode,
            account=account,
            venue=run.venue,
            config_hash=run.config_hash,
            app_hash=app_hash,
            code_hash=run.code_hash,
        ),
        durable=True,
    )
    if opening is not None:
        book.record(
            CashFlow(at=now, currency=opening.currency, amount=opening.amount, reason=opening.reason), durable=True
        )


def announce_run(desk: Desk, options: RunOptions, *, market_note: str, config_dir: Path, notes: Sequence[str]) -> None:
    """Say what runs, on what, and how to stop it: on the terminal and in the log."""
    run_mode = "loop" if options.cycles is None else "once" if options.cycles == 1 else f"{options.cycles} cycles"
    facts = BannerFacts(
        run_mode=f"{run_mode}, {'virtual time' if desk.is_virtual else 'real time'}",
        interval_seconds=desk.settings.app.loop.interval_seconds,
        market_note=market_note,
        account_note=_account_note(desk.book.ledger),
        profile=desk.settings.policy.profile,
        config_dir=config_dir,
        audit_file=options.logs_dir / AUDIT_NAME,
        log_file=options.logs_dir / LOG_NAME,
        state_file=options.data_dir / STATE_NAME,
        kill_file=options.data_dir / FILE_NAME,
        notes=tuple(notes),
    )
    run = desk.run
    say(banner(run, facts))
    desk.log.info("run %s starts: mode %s, venue %s, config %s", run.run_id, run.mode, run.venue, run.config_hash)
    for note in notes:
        desk.log.info("start: %s", note)


def _account_note(ledger: Ledger) -> str:
    cash = ", ".join(f"{plain(amount)} {currency}" for currency, amount in ledger.cash.items())
    return f"{ledger.account}: {cash}, {len(ledger.lots)} open positions"


def save_snapshot(store: StateStore, book: Bookkeeper, journal: RecordFile, audit: RecordFile, tape: Recorder) -> None:
    """
    Read back what was written since the last time, sync the tape, then replace the snapshot.

    Raises:
        RecordNotDurable: It could not be written; DiskFailed when the disk does not hold what was written.
    """
    audit.read_back()
    journal.read_back()
    tape.sync()
    store.save(book.ledger, journal.synced_place())


def finish_run(desk: Desk, reason: str) -> None:
    """End in an orderly way: what rests is known, the journal says so, the snapshot is up to date, all is read back."""
    desk.book.record(RunStopped(at=desk.clock.now(), reason=reason), durable=True)
    desk.tape.close()
    desk.save_snapshot()
    desk.anchors.write()
    desk.log.info("run %s stopped: %s; anchor %s", desk.run.run_id, reason, desk.anchors.latest())
    say(
        f"Stopped ({reason}) after {desk.memory.cycles_done} cycles: equity {desk.equity_words()}, "
        f"realised {desk.book.ledger.realised:.2f}, fees {desk.book.ledger.fees:.2f}, "
        f"{len(desk.book.ledger.lots)} open positions. The same command goes on from here."
    )
