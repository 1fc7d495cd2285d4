"""
The one place that builds adapters and passes them in.

DRY_RUN, PAPER and LIVE differ in what is wired here, never by an `if mode` inside the logic.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import RecordNotDurable, StartRefused, TraderError
from core.model.ledger import Ledger
from core.model.money import plain
from core.ports import Broker, MarketData
from core.settings import Mode, Settings
from core.settings_builder import Document
from runner.adapters.configuration.settings_files import ConfigWatch, document_hashes, load_documents, settings_of
from runner.adapters.instance_lock import InstanceLock
from runner.adapters.kill_switch import FILE_NAME, FileKillSwitch
from runner.adapters.log_files import LOG_NAME, close_log, open_log
from runner.adapters.log_notifier import LogNotifier
from runner.adapters.process_facts import free_disk_mb, rss_mb
from runner.adapters.process_secrecy import censored_errors
from runner.adapters.record_file import OpenedAudit, open_audit
from runner.adapters.state_store import STATE_NAME, StateStore
from runner.adapters.tape_files import FOLDER_NAME as TAPE_FOLDER
from runner.adapters.tape_files import TapeFiles
from runner.api_health import ApiHealth, MeasuredBroker, MeasuredMarket
from runner.audit_line import RunFacts
from runner.audit_sections import Json
from runner.banner import BannerFacts, banner
from runner.bookkeeper import Bookkeeper
from runner.desk import Desk
from runner.desk_building import DeskParts, build_desk
from runner.options import RunOptions
from runner.recovery import Identity, Recovered, recover
from runner.run_records import (
    begin_run,
    close_interrupted_cycle,
    events_without_line,
    finish_run,
    needs_opening,
    position_of,
    run_facts,
    segment_facts,
)
from runner.schedule import MinuteGrid
from runner.tape.header import TapeHeader, header_writer
from runner.tape.ports import Ports
from runner.tape.recorded import recorded
from runner.tape.recorder import Recorder
from runner.terminal import say
from runner.venues.choice import open_outside
from runner.venues.outside import Opening, Outside

AUDIT_NAME = "247trader-v2_audit.jsonl"

FAR_AHEAD = timedelta(hours=1)
"""A clock that was set back by less is waited for."""

ROOM_ENOUGH = 5
"""So many times the least free disk is as good as any more."""

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
    with closing(world), _locked(options) as lock, _text_log(settings, options, world) as log:
        start = _Start(
            settings=settings,
            configuration=configuration,
            options=options,
            mode=mode,
            world=world,
            lock=lock,
            log=log,
            stop_reason=stop_reason,
        )
        desk = _open(start)
        try:
            yield desk
        except TraderError as error:
            if not isinstance(error, RecordNotDurable):
                desk.tape.close()  # what was told up to it explains the end
            raise
        finish_run(desk, desk.stop_reason() or "done")


@contextmanager
def _locked(options: RunOptions) -> Iterator[InstanceLock]:
    """Make the folders and hold the data directory for as long as the run lasts (L14)."""
    _make_folders(options)
    lock = InstanceLock(options.data_dir)
    lock.acquire()
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
    """What a start has in hand."""

    settings: Settings
    configuration: Configuration
    options: RunOptions
    mode: Mode
    world: Outside
    lock: InstanceLock
    log: logging.Logger
    stop_reason: StopReason

    @property
    def synced(self) -> bool:
        """Nothing depends on the disk surviving a rehearsal in virtual time: it repeats to the byte."""
        return not self.world.is_virtual


def _with_overrides(settings: Settings, options: RunOptions) -> Settings:
    if options.interval_seconds is None:
        return settings
    loop = replace(settings.app.loop, interval_seconds=options.interval_seconds)
    return replace(settings, app=replace(settings.app, loop=loop))


def _make_folders(options: RunOptions) -> None:
    for folder in (options.data_dir, options.logs_dir, options.data_dir / TAPE_FOLDER):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartRefused(
                f"{folder} cannot be made: {error.strerror}; choose another --data-dir or --logs-dir"
            ) from error


def _open(start: _Start) -> Desk:
    """Recover, then write the first records of the run."""
    options, world = start.options, start.world
    grid = MinuteGrid(start.settings.app.loop.interval_seconds)
    identity = Identity(mode=start.mode.value, account=world.account, venue=world.market.venue)
    recovered = recover(options.data_dir, identity, synced=start.synced)
    _resume_clock(world, grid, recovered.ledger)
    opened = open_audit(options.logs_dir / AUDIT_NAME, synced=start.synced)
    book = Bookkeeper(recovered.ledger, recovered.journal, position_of(recovered.journal))
    run = run_facts(start.settings, start.mode, world)
    segment = segment_facts(opened)
    notes = list(recovered.facts)
    book.recent_events += events_without_line(options.data_dir, book, opened)
    if close_interrupted_cycle(book, opened, grid, segment):
        notes.append(f"the cycle of slot {book.ledger.open_slot} was cut off; its audit line is closed now")
    now = world.clock.now()
    # Asked first: a directory belongs to nobody yet when the exchange does not say what money there is.
    opening = world.opening() if needs_opening(book.ledger) else None
    tape = _tape(start, book=book, run=run, segment=segment, now=now, opening=opening)
    begin_run(book, run, app_hash=start.settings.app_hash, account=world.account, now=now, opening=opening)
    desk = _desk(start, book=book, opened=opened, recovered=recovered, run=run, segment=segment, tape=tape)
    _announce(start, desk, notes)
    return desk


def _resume_clock(world: Outside, grid: MinuteGrid, ledger: Ledger) -> None:
    """
    Let a virtual clock go on where the last run ended; a real one cannot go there.

    Raises:
        StartRefused: The next free slot is so far off that waiting for it would look like a bot that hangs.
    """
    if ledger.last_slot is None:
        return
    if world.ends_at is not None and not world.is_virtual:
        raise StartRefused("a replay in real time cannot go on from a state; use --speed max, or another --data-dir")
    # Counted in seconds: under a longer interval, the slot numbers of a shorter one lie past the end of the calendar.
    ahead = (ledger.last_slot + 1) * grid.interval_seconds - _last_known(world, ledger).timestamp()
    if ahead > grid.interval_seconds + FAR_AHEAD.total_seconds():
        raise StartRefused(
            f"the next free slot of this state begins {ahead / 86400:.1f} days ahead: its slots were of another length "
            "(--interval, app.yaml: loop.interval_seconds), or the clock was set back. Use the interval of before, "
            "correct the clock, or use another --data-dir"
        )
    if world.is_virtual:
        world.clock.wait_until(grid.start_of(ledger.last_slot + 1), lambda: True)


def _last_known(world: Outside, ledger: Ledger) -> datetime:
    """Return the time now; in virtual time, whose clock begins anew with each run, the end of the last marked day."""
    if not world.is_virtual or ledger.day is None:
        return world.clock.now()
    return datetime.fromisoformat(ledger.day.key).replace(tzinfo=UTC) + timedelta(days=1)


def _tape(
    start: _Start, *, book: Bookkeeper, run: RunFacts, segment: list[Json], now: datetime, opening: Opening | None
) -> Recorder:
    """Begin the tape of the run, right before the first record that it can be held against."""
    world, settings = start.world, start.settings
    header = TapeHeader(
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
        opening=None if opening is None else (opening.currency, str(opening.amount), opening.reason),
    )
    files = TapeFiles(start.options.data_dir / TAPE_FOLDER, settings.app.tape, start.log, synced=start.synced)
    return Recorder(files, header_writer(header), now, world.redact or str)


def _desk(
    start: _Start,
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
            ports=recorded(_ports(start, book), tape),
            book=book,
            audit=opened.audit,
            audit_segment=segment,
            tape=tape,
            notifier=LogNotifier(start.log, settings.app.alerts.dedupe_seconds),
            log=start.log,
            save_snapshot=lambda: store.save(book.ledger, recovered.journal.synced_place()),
            is_virtual=world.is_virtual,
            ends_at=world.ends_at,
            owner_shares_account=world.owner_shares_account,
            watch_until=world.watch_until,
            redact=world.redact or str,
        )
    )


def _ports(start: _Start, book: Bookkeeper) -> Ports:
    """Return everything that this run asks of the outside."""
    world, options = start.world, start.options
    health, market, broker = _measured(world, start.settings, book)
    return Ports(
        clock=world.clock,
        market=market,
        broker=broker,
        health=health,
        kill_switch=FileKillSwitch(options.data_dir),
        lock=start.lock,
        config_drift=ConfigWatch(start.configuration.config_dir, start.configuration.hashes),
        free_disk_mb=lambda: _room(free_disk_mb(options.data_dir), start.settings),
        clock_skew=world.clock_skew or _no_skew,
        rss_mb=None if world.is_virtual else rss_mb,
        rate_limit_use=world.rate_limit_use,
        stop_reason=start.stop_reason,
    )


def _room(free_mb: int | None, settings: Settings) -> int | None:
    """Leave out what is far above the limit: how full a disk is that has room would make two equal runs differ."""
    return None if free_mb is None else min(free_mb, settings.app.loop.min_free_disk_mb * ROOM_ENOUGH)


def _no_skew() -> None:
    """Answer for a venue without a clock of its own."""
    return


def _measured(world: Outside, settings: Settings, book: Bookkeeper) -> tuple[ApiHealth, MarketData, Broker]:
    """Return market and broker with whoever counts their calls: their transport, or a wrapper here."""
    broker = world.open_broker(book.ledger)
    if world.health is not None:
        return world.health, world.market, broker
    health = ApiHealth(world.clock, settings.policy.circuit_breakers.api_error_window_seconds)
    return health, MeasuredMarket(world.market, health), MeasuredBroker(broker, health)


def _announce(start: _Start, desk: Desk, notes: list[str]) -> None:
    options, app = start.options, start.settings.app
    run_mode = "loop" if options.cycles is None else "once" if options.cycles == 1 else f"{options.cycles} cycles"
    text = banner(
        desk.run,
        BannerFacts(
            run_mode=f"{run_mode}, {'virtual time' if desk.is_virtual else 'real time'}",
            interval_seconds=app.loop.interval_seconds,
            market_note=start.world.note,
            account_note=_account_note(desk.book.ledger),
            profile=start.settings.policy.profile,
            config_dir=start.configuration.config_dir,
            audit_file=options.logs_dir / AUDIT_NAME,
            log_file=options.logs_dir / LOG_NAME,
            state_file=options.data_dir / STATE_NAME,
            kill_file=options.data_dir / FILE_NAME,
            notes=tuple(notes),
        ),
    )
    say(text)
    desk.log.info("run %s starts: mode %s, venue %s, config %s", *_identity_words(desk.run))
    for note in notes:
        desk.log.info("start: %s", note)


def _identity_words(run: RunFacts) -> tuple[str, str, str, str]:
    return run.run_id, run.mode, run.venue, run.config_hash


def _account_note(ledger: Ledger) -> str:
    cash = ", ".join(f"{plain(amount)} {currency}" for currency, amount in ledger.cash.items())
    return f"{ledger.account}: {cash}, {len(ledger.lots)} open positions"
