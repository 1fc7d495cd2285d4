"""The records at the borders of a run: what a crash left to be said, the run's header, its end."""

import hashlib
from datetime import datetime
from pathlib import Path

from core.model.ledger import Ledger
from core.model.records import CashFlow, Event, RunStarted, RunStopped
from core.ports import Position
from core.settings import Mode, Settings
from runner.adapters.process_facts import code_hash
from runner.adapters.record_file import OpenedAudit, RecordFile
from runner.audit_line import RunFacts, interrupted_line
from runner.audit_sections import Json
from runner.bookkeeper import Bookkeeper
from runner.desk import Desk
from runner.options import ROOT
from runner.recovery import events_after
from runner.schedule import MinuteGrid, Tick
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


def segment_facts(opened: OpenedAudit) -> list[Json]:
    """Return what the next audit line must say about the file before it; nothing when it just goes on."""
    if opened.segment is not None:
        return [opened.segment.as_json()]
    return [{"begun_afresh": "the audit file was emptied by hand"}] if opened.was_emptied else []


def position_of(journal: RecordFile) -> Position | None:
    """Return where a journal that was just opened ends; None for a new one."""
    place = journal.synced_place()
    return Position(seq=place.seq, hash=place.hash) if place.seq else None


def events_without_line(data_dir: Path, book: Bookkeeper, opened: OpenedAudit) -> list[Event]:
    """Return what the journal knows and no audit line tells: it goes into the next line that is written."""
    if book.position is None or opened.was_emptied:
        return []
    told = 0 if opened.last is None else opened.last.body.get("journal_seq") or 0
    only_the_stop_is_new = book.position.seq <= told + 1
    return [] if only_the_stop_is_new else events_after(data_dir, told)


def close_interrupted_cycle(book: Bookkeeper, opened: OpenedAudit, grid: MinuteGrid, segment: list[Json]) -> bool:
    """Write the line of a cycle that a crash cut off, unless the crash came after its line (L1)."""
    ledger, slot = book.ledger, book.ledger.open_slot
    last_slot = None if opened.last is None else opened.last.body.get("slot")
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
    opened.audit.append(line, durable=True)
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


def finish_run(desk: Desk, reason: str) -> None:
    """End in an orderly way: what rests is known, the journal says so, the snapshot is up to date."""
    desk.book.record(RunStopped(at=desk.clock.now(), reason=reason), durable=True)
    desk.tape.close()
    desk.save_snapshot()
    desk.log.info("run %s stopped: %s", desk.run.run_id, reason)
    say(
        f"Stopped ({reason}) after {desk.memory.cycles_done} cycles: equity {desk.equity_words()}, "
        f"realised {desk.book.ledger.realised:.2f}, fees {desk.book.ledger.fees:.2f}, "
        f"{len(desk.book.ledger.lots)} open positions. The same command goes on from here."
    )
