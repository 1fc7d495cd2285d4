"""
The one place that builds adapters and passes them in.

DRY_RUN, PAPER and LIVE differ in what is wired here, never by an `if mode` inside the logic.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from core.errors import RecordNotDurable, TraderError
from core.model.ledger import Ledger
from core.ports import Broker
from core.settings import Mode, Settings
from core.settings_builder import Document
from runner.adapters.anchor_file import open_anchors
from runner.adapters.configuration.settings_files import ConfigWatch, document_hashes, load_documents, settings_of
from runner.adapters.instance_lock import InstanceLock
from runner.adapters.kill_switch import FileKillSwitch
from runner.adapters.log_files import close_log, open_log
from runner.adapters.log_notifier import LogNotifier
from runner.adapters.process_secrecy import censored_errors
from runner.adapters.record_file import OpenedAudit, fresh_name, open_audit, read_audit
from runner.adapters.state_store import StateStore
from runner.adapters.tape_files import FOLDER_NAME as TAPE_FOLDER
from runner.adapters.tape_files import TapeFiles
from runner.audit_line import AUDIT_NAME, RunFacts
from runner.audit_sections import Json
from runner.bookkeeper import Bookkeeper
from runner.desk import Desk, Tape
from runner.desk_building import DeskParts, build_desk
from runner.last_act import LastAct
from runner.options import RunOptions
from runner.ports_opening import open_ports
from runner.records.emergency import EmergencyFile
from runner.records.folders import take_folder
from runner.recovery import Finding, Identity, Recovered, leftovers_removed, open_records, read_records
from runner.resuming import resume_clock
from runner.run_records import (
    alert_findings,
    announce_run,
    begin_run,
    close_interrupted_cycle,
    events_without_line,
    finish_run,
    needs_opening,
    position_of,
    record_findings,
    run_facts,
    save_snapshot,
    segment_facts,
)
from runner.schedule import MinuteGrid
from runner.tape.header import TapeHeader, header_writer
from runner.tape.ports import Ports
from runner.tape.recorded import recorded
from runner.tape.recorder import Recorder
from runner.venues.choice import open_outside
from runner.venues.outside import Opening, Outside

StopReason = Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The settings of a run, and what the files that they came from looked like."""

    settings: Settings
    config_dir: Path
    hashes: Mapping[str, str]
    documents: Mapping[str, Document]


def load_configuration(config_dir: Path) -> Configuration:
    """
    Read and check the configuration.

    Raises:
        ConfigError: It cannot be used; the message names file, key, value and fix.
    """
    documents = load_documents(config_dir)
    return Configuration(
        settings=settings_of(documents),
        config_dir=config_dir,
        hashes=document_hashes(documents),
        documents=documents,
    )


@contextmanager
def open_desk(
    configuration: Configuration, options: RunOptions, stop_reason: StopReason, outside: Outside | None = None
) -> Iterator[Desk]:
    """
    Take the lock, recover the state, open all files, say so, and yield the desk; close everything afterwards.

    `outside` replaces market and clock (tests); None: as configured and asked.

    Raises:
        TraderError: The start is refused, or the run may not go on.
    """
    settings = _with_overrides(configuration.settings, options)
    mode = options.mode or settings.app.app.mode
    world = outside or open_outside(settings, options, mode)
    notes: list[str] = []
    with (
        _file_errors_named(),
        closing(world),
        _locked(options, notes) as lock,
        _text_log(settings, options, world) as log,
        _file_errors_named(),
    ):
        start = _Start(
            settings=settings,
            configuration=configuration,
            options=options,
            mode=mode,
            world=world,
            lock=lock,
            log=log,
            stop_reason=stop_reason,
            notes=notes,
        )
        with _records(start) as (recovered, opened, tape_files):
            desk, broker = _open(start, recovered, opened, tape_files)
            with (
                _last_act(start, lambda: desk.book.ledger, recovered.emergency, lambda: broker),
                _file_errors_named(),
                _tape_kept(desk.tape, start.log),
            ):
                yield desk
                finish_run(desk, desk.stop_reason() or "done")


@contextmanager
def _tape_kept(tape: Tape, log: logging.Logger) -> Iterator[None]:
    """Let the tape tell what led to the end of a run that may not go on."""
    try:
        yield
    except RecordNotDurable:
        raise
    except TraderError:
        try:
            tape.close()
        except RecordNotDurable as unended:
            log.warning("the tape of this run has no end: %s", unended)
        raise


@contextmanager
def _file_errors_named() -> Iterator[None]:
    """
    Let a file operation that failed where nobody has words for it end the run as one (exit 74), not with a traceback.

    Inside of whoever notes the error that ends a run or acts on it, and outside of all.
    """
    try:
        yield
    except OSError as error:
        raise RecordNotDurable(f"a file operation failed: {error}") from error


@contextmanager
def _locked(options: RunOptions, notes: list[str]) -> Iterator[InstanceLock]:
    """Take the folders and hold the data directory for as long as the run lasts (L14)."""
    notes += [
        note
        for note in map(take_folder, (options.data_dir, options.logs_dir, options.data_dir / TAPE_FOLDER))
        if note is not None
    ]
    lock = InstanceLock(options.data_dir)
    lock.acquire()
    notes += [] if lock.problem is None else [lock.problem]
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def _text_log(settings: Settings, options: RunOptions, world: Outside) -> Iterator[logging.Logger]:
    """Open the text log, note the error that ends the run, and close it."""
    log = open_log(
        options.logs_dir,
        level=settings.app.logging.level,
        max_bytes=settings.app.logging.max_bytes,
        backup_count=settings.app.logging.backup_count,
        now=world.clock.now,
        to_terminal=not world.is_virtual,
        redact=world.redact,
    )
    try:
        with censored_errors(world.redact):
            yield log
    except TraderError as error:
        log.critical("the run ends: %s: %s", type(error).__name__, error)
        raise
    finally:
        close_log(log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What a start has in hand, and in words what a person should know about it."""

    settings: Settings
    configuration: Configuration
    options: RunOptions
    mode: Mode
    world: Outside
    lock: InstanceLock
    log: logging.Logger
    stop_reason: StopReason
    notes: list[str]

    @property
    def synced(self) -> bool:
        """Nothing depends on the disk surviving a rehearsal in virtual time: it repeats to the byte."""
        is_durable = self.world.is_durable
        return not self.world.is_virtual if is_durable is None else is_durable


def _with_overrides(settings: Settings, options: RunOptions) -> Settings:
    if options.interval_seconds is None:
        return settings
    loop = replace(settings.app.loop, interval_seconds=options.interval_seconds)
    return replace(settings, app=replace(settings.app, loop=loop))


@contextmanager
def _records(start: _Start) -> Iterator[tuple[Recovered, OpenedAudit, TapeFiles]]:
    """Recover from the files and hold them open; closing them writes nothing more."""
    options, limits = start.options, start.settings.app.records
    identity = Identity(mode=start.mode.value, account=start.world.account, venue=start.world.market.venue)
    found = read_records(options.data_dir, identity, synced=start.synced)
    with ExitStack() as stack:
        stack.callback(found.emergency.drop)
        with (
            _last_act(start, lambda: found.ledger, found.emergency, lambda: start.world.open_broker(found.ledger)),
            _file_errors_named(),
        ):
            # Both chains are read and judged before either is written to: a refused start leaves both as they were.
            ended_slot = found.ledger.last_slot if found.ledger.open_slot is None else None
            audit = read_audit(options.logs_dir / AUDIT_NAME, synced=start.synced, ended_slot=ended_slot)
            recovered = open_records(found, bytes_max=limits.journal_max_bytes)
            stack.callback(recovered.drop)
            start.notes.extend(leftovers_removed(fresh_name(audit.path)))
            is_unsynced = AUDIT_NAME in recovered.unsynced_files
            opened = open_audit(audit, bytes_max=limits.audit_max_bytes, begin_file=is_unsynced)
            stack.callback(opened.audit.drop)
        tape = TapeFiles(options.data_dir / TAPE_FOLDER, start.settings.app.tape, start.log, synced=start.synced)
        stack.callback(tape.drop)
        yield recovered, opened, tape


@contextmanager
def _last_act(
    start: _Start, ledger: Callable[[], Ledger], emergency: EmergencyFile, open_broker: Callable[[], Broker]
) -> Iterator[None]:
    """When a record cannot be written, cancel what buys before the error ends the run."""
    try:
        yield
    except RecordNotDurable as error:
        act = LastAct(
            open_broker=open_broker,
            clock=start.world.clock,
            kill_switch=FileKillSwitch(start.options.data_dir),
            emergency=emergency,
            log=start.log,
            watch_until=start.world.watch_until,
        )
        try:
            act.play(error, ledger())
        finally:
            raise error  # whatever else went wrong, this is what the run ends with


def _open(start: _Start, recovered: Recovered, opened: OpenedAudit, tape_files: TapeFiles) -> tuple[Desk, Broker]:
    """Write the first records of the run; return also the broker itself, for orders that no tape has to explain."""
    options, world = start.options, start.world
    grid = MinuteGrid(start.settings.app.loop.interval_seconds)
    resume_clock(world, grid, recovered.ledger)
    book = Bookkeeper(recovered.ledger, recovered.journal, position_of(recovered.journal))
    run = run_facts(start.settings, start.mode, world)
    notes = [*start.notes, *recovered.facts]
    untold = events_without_line(options.data_dir, book, opened, recovered.since)
    book.recent_events += untold.events
    segment = segment_facts(opened, untold)
    with _last_act(start, lambda: book.ledger, recovered.emergency, lambda: world.open_broker(book.ledger)):
        if close_interrupted_cycle(book, opened.audit, opened.last, grid, segment):
            notes.append(f"the cycle of slot {book.ledger.open_slot} was cut off; its audit line is closed now")
        now = world.clock.now()
        # Asked first: a directory belongs to nobody yet when the exchange does not say what money there is.
        opening = world.opening() if needs_opening(book.ledger) else None
        header = _tape_header(start, recovered.findings, book=book, run=run, segment=segment, now=now, opening=opening)
        tape = Recorder(tape_files, header_writer(header), now, world.redact or str)
        begin_run(book, run, app_hash=start.settings.app_hash, account=world.account, now=now, opening=opening)
        record_findings(recovered.findings, book, now)
        recovered.put_aside()
    drift = ConfigWatch(start.configuration.config_dir, start.configuration.hashes)
    ports = open_ports(
        world,
        start.settings,
        (options.data_dir, options.logs_dir),
        book=book,
        lock=start.lock,
        config_drift=drift,
        stop_reason=start.stop_reason,
    )
    desk = _desk(start, ports, book=book, opened=opened, recovered=recovered, run=run, segment=segment, tape=tape)
    alert_findings(recovered.findings, desk)
    announce_run(desk, options, market_note=world.note, config_dir=start.configuration.config_dir, notes=notes)
    return desk, ports.broker


def _tape_header(
    start: _Start,
    findings: Sequence[Finding],
    *,
    book: Bookkeeper,
    run: RunFacts,
    segment: list[Json],
    now: datetime,
    opening: Opening | None,
) -> TapeHeader:
    """Return what the tape of the run begins with, right before the first record that it can be held against."""
    world, settings = start.world, start.settings
    return TapeHeader(
        run=run,
        account=world.account,
        documents=start.configuration.documents,
        interval_seconds=settings.app.loop.interval_seconds,
        cycles=start.options.cycles,
        ends_at=world.ends_at,
        is_virtual=world.is_virtual,
        owner_shares_account=world.owner_shares_account,
        measures_memory=not world.is_virtual,
        measures_limits=world.rate_limit_use is not None,
        at=now,
        journal=book.position,
        untold=len(book.recent_events),
        segment=tuple(segment),
        findings=tuple((finding.code, finding.text) for finding in findings),
        opening=None if opening is None else (opening.currency, str(opening.amount), opening.reason),
    )


def _desk(
    start: _Start,
    ports: Ports,
    *,
    book: Bookkeeper,
    opened: OpenedAudit,
    recovered: Recovered,
    run: RunFacts,
    segment: list[Json],
    tape: Recorder,
) -> Desk:
    settings, world, options = start.settings, start.world, start.options
    store = StateStore(options.data_dir, synced=start.synced)
    return build_desk(
        DeskParts(
            settings=settings,
            mode=start.mode,
            run=run,
            ports=recorded(ports, tape),
            book=book,
            audit=opened.audit,
            anchors=open_anchors(
                options.logs_dir / AUDIT_NAME, world.clock.now, start.log.warning, synced=start.synced
            ),
            audit_segment=segment,
            tape=tape,
            notifier=LogNotifier(start.log, settings.app.alerts.dedupe_seconds),
            log=start.log,
            save_snapshot=lambda: save_snapshot(store, book, recovered.journal, opened.audit, tape),
            is_virtual=world.is_virtual,
            ends_at=world.ends_at,
            owner_shares_account=world.owner_shares_account,
            watch_until=world.watch_until,
            redact=world.redact or str,
        )
    )
