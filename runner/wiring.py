"""
The one place that builds adapters and passes them in.

DRY_RUN, PAPER and LIVE differ in what is wired here, never by an `if mode` inside the logic.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import RecordNotDurable, TraderError
from core.model.ledger import Ledger
from core.model.money import plain
from core.ports import Broker, KillSwitch, MarketData, Severity
from core.settings import Mode, Settings
from runner.adapters.anchor_file import open_anchors
from runner.adapters.configuration.settings_files import ConfigWatch, document_hashes, load_documents, settings_of
from runner.adapters.instance_lock import InstanceLock
from runner.adapters.kill_switch import FILE_NAME, FileKillSwitch
from runner.adapters.log_files import LOG_NAME, close_log, open_log
from runner.adapters.log_notifier import LogNotifier
from runner.adapters.process_facts import disk_room, rss_mb
from runner.adapters.process_secrecy import censored_errors
from runner.adapters.record_file import OpenedAudit, fresh_name, open_audit
from runner.adapters.state_store import STATE_NAME, StateStore
from runner.api_health import ApiHealth, MeasuredBroker, MeasuredMarket
from runner.audit_line import AUDIT_NAME, RunFacts
from runner.audit_sections import Json
from runner.banner import BannerFacts, banner
from runner.bookkeeper import Bookkeeper
from runner.desk import Desk, OrderDesk
from runner.executor import Executor
from runner.last_act import LastAct
from runner.market_watch import MarketWatch
from runner.metrics import Metrics
from runner.options import RunOptions
from runner.reconcile import Reconciler
from runner.records.folders import take_folder
from runner.recovery import Identity, Recovered, leftovers_removed, recover
from runner.resuming import resume_clock
from runner.run_records import (
    begin_run,
    close_interrupted_cycle,
    events_without_line,
    finish_run,
    position_of,
    record_findings,
    run_facts,
    save_snapshot,
    segment_facts,
)
from runner.schedule import MinuteGrid
from runner.shadow_executor import ShadowExecutor
from runner.terminal import say
from runner.venues.choice import open_outside
from runner.venues.outside import Outside

StopReason = Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The settings of a run, and what the files that they came from looked like."""

    settings: Settings
    config_dir: Path
    hashes: Mapping[str, str]


def load_configuration(config_dir: Path) -> Configuration:
    """
    Read and check the configuration.

    Raises:
        ConfigError: It cannot be used; the message names file, key, value and fix.
    """
    documents = load_documents(config_dir)
    return Configuration(settings=settings_of(documents), config_dir=config_dir, hashes=document_hashes(documents))


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
        with _records(start) as (recovered, opened):
            desk = _open(start, recovered, opened)
            with _last_act(start, desk.book, recovered, lambda: desk.broker), _file_errors_named():
                yield desk
                finish_run(desk, stop_reason() or "done")


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
    notes += [note for note in map(take_folder, (options.data_dir, options.logs_dir)) if note is not None]
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
def _records(start: _Start) -> Iterator[tuple[Recovered, OpenedAudit]]:
    """Recover from the files and hold them open; closing them writes nothing more."""
    options, limits = start.options, start.settings.app.records
    identity = Identity(mode=start.mode.value, account=start.world.account, venue=start.world.market.venue)
    recovered = recover(options.data_dir, identity, synced=start.synced, bytes_max=limits.journal_max_bytes)
    with ExitStack() as stack:
        stack.callback(recovered.drop)
        start.notes.extend(leftovers_removed(fresh_name(options.logs_dir / AUDIT_NAME)))
        opened = open_audit(
            options.logs_dir / AUDIT_NAME,
            synced=start.synced,
            bytes_max=limits.audit_max_bytes,
            begin_file=AUDIT_NAME in recovered.unsynced_files,
        )
        stack.callback(opened.audit.drop)
        yield recovered, opened


@contextmanager
def _last_act(
    start: _Start, book: Bookkeeper, recovered: Recovered, open_broker: Callable[[], Broker]
) -> Iterator[None]:
    """When a record cannot be written, cancel what buys before the error ends the run."""
    try:
        yield
    except RecordNotDurable as error:
        act = LastAct(
            open_broker=open_broker,
            clock=start.world.clock,
            kill_switch=FileKillSwitch(start.options.data_dir),
            emergency=recovered.emergency,
            log=start.log,
            watch_until=start.world.watch_until,
        )
        try:
            act.play(error, book.ledger)
        finally:
            raise error  # whatever else went wrong, this is what the run ends with


def _open(start: _Start, recovered: Recovered, opened: OpenedAudit) -> Desk:
    """Write the first records of the run."""
    options, world = start.options, start.world
    grid = MinuteGrid(start.settings.app.loop.interval_seconds)
    resume_clock(world, grid, recovered.ledger)
    book = Bookkeeper(recovered.ledger, recovered.journal, position_of(recovered.journal))
    run = run_facts(start.settings, start.mode, world)
    notes = [*start.notes, *recovered.facts]
    untold = events_without_line(options.data_dir, book, opened, recovered.since)
    book.recent_events += untold.events
    segment = segment_facts(opened, untold)
    with _last_act(start, book, recovered, lambda: world.open_broker(book.ledger)):
        if close_interrupted_cycle(book, opened, grid, segment):
            notes.append(f"the cycle of slot {book.ledger.open_slot} was cut off; its audit line is closed now")
        begin_run(start.settings, world, book, run)
        record_findings(recovered, book, world.clock.now())
    desk = _desk(start, grid=grid, book=book, opened=opened, recovered=recovered, run=run, segment=segment)
    for finding in recovered.findings:
        desk.alert(finding.code, "start", Severity.CRITICAL, finding.text)
    _announce(start, desk, notes)
    return desk


def _desk(
    start: _Start,
    *,
    grid: MinuteGrid,
    book: Bookkeeper,
    opened: OpenedAudit,
    recovered: Recovered,
    run: RunFacts,
    segment: list[Json],
) -> Desk:
    settings, world, options = start.settings, start.world, start.options
    policy = settings.policy
    health, market, broker = _measured(world, settings, book)
    kill_switch = FileKillSwitch(options.data_dir)
    reconciler = _reconciler(start, broker, book)
    store = StateStore(options.data_dir, synced=start.synced)
    return Desk(
        settings=settings,
        run=run,
        clock=world.clock,
        grid=grid,
        market=market,
        broker=broker,
        health=health,
        book=book,
        reconciler=reconciler,
        orders=_order_desk(start, broker, book, reconciler, kill_switch),
        watch=MarketWatch(market, settings.signals.triggers, policy.circuit_breakers.max_candle_age_seconds),
        kill_switch=kill_switch,
        lock=start.lock,
        config_drift=ConfigWatch(start.configuration.config_dir, start.configuration.hashes),
        disk_room=lambda: disk_room(options.data_dir, options.logs_dir),
        notifier=LogNotifier(start.log, settings.app.alerts.dedupe_seconds),
        metrics=Metrics(health, None if world.is_virtual else rss_mb, world.rate_limit_use),
        audit=opened.audit,
        anchors=open_anchors(options.logs_dir / AUDIT_NAME, world.clock.now, start.log.warning, synced=start.synced),
        audit_segment=segment,
        save_snapshot=lambda: save_snapshot(store, book, recovered.journal, opened.audit),
        log=start.log,
        is_virtual=world.is_virtual,
        ends_at=world.ends_at,
        watch_until=world.watch_until,
        clock_skew=world.clock_skew or _no_skew,
        redact=world.redact or str,
    )


def _reconciler(start: _Start, broker: Broker, book: Bookkeeper) -> Reconciler:
    return Reconciler(
        broker,
        book,
        start.world.clock,
        start.settings.policy.execution.unknown_settle_seconds,
        owner_shares_account=start.world.owner_shares_account,
    )


def _order_desk(
    start: _Start, broker: Broker, book: Bookkeeper, reconciler: Reconciler, kill_switch: KillSwitch
) -> OrderDesk:
    if start.mode is Mode.DRY_RUN:
        return ShadowExecutor()
    return Executor(
        broker=broker,
        book=book,
        reconciler=reconciler,
        clock=start.world.clock,
        kill_switch=kill_switch,
        policy=start.settings.policy,
        stop_reason=start.stop_reason,
        log=start.log,
    )


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
