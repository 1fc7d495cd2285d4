"""
The desk of a run, put together from its ports: the same for a run and for its tape played back.

Nothing here knows where the ports come from; the wiring opens the real ones.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from core.ports import Notifier, RecordLog
from core.settings import Mode, Settings
from runner.audit_line import RunFacts
from runner.audit_sections import Json
from runner.bookkeeper import Bookkeeper
from runner.desk import Anchors, Desk, OrderDesk, Tape
from runner.executor import Executor
from runner.market_watch import MarketWatch
from runner.metrics import Metrics
from runner.reconcile import Reconciler
from runner.schedule import MinuteGrid
from runner.shadow_executor import ShadowExecutor
from runner.tape.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """What a desk is made of."""

    settings: Settings
    mode: Mode
    run: RunFacts
    ports: Ports
    book: Bookkeeper
    audit: RecordLog
    anchors: Anchors
    audit_segment: list[Json]
    tape: Tape
    notifier: Notifier
    log: logging.Logger
    save_snapshot: Callable[[], None]
    is_virtual: bool
    ends_at: datetime | None
    owner_shares_account: bool
    watch_until: Callable[[float], None]
    redact: Callable[[str], str]


def build_desk(parts: DeskParts) -> Desk:
    """Build everything that works on the ports, and the desk that holds it."""
    settings, ports, book = parts.settings, parts.ports, parts.book
    policy = settings.policy
    reconciler = Reconciler(
        ports.broker,
        book,
        ports.clock,
        policy.execution.unknown_settle_seconds,
        owner_shares_account=parts.owner_shares_account,
    )
    return Desk(
        settings=settings,
        run=parts.run,
        clock=ports.clock,
        grid=MinuteGrid(settings.app.loop.interval_seconds),
        market=ports.market,
        broker=ports.broker,
        health=ports.health,
        book=book,
        reconciler=reconciler,
        orders=_order_desk(parts, reconciler),
        watch=MarketWatch(ports.market, settings.signals.triggers, policy.circuit_breakers.max_candle_age_seconds),
        kill_switch=ports.kill_switch,
        lock=ports.lock,
        config_drift=ports.config_drift,
        disk_room=ports.disk_room,
        stop_reason=ports.stop_reason,
        tape=parts.tape,
        notifier=parts.notifier,
        metrics=Metrics(ports.health, ports.rss_mb, ports.rate_limit_use),
        audit=parts.audit,
        anchors=parts.anchors,
        audit_segment=parts.audit_segment,
        save_snapshot=parts.save_snapshot,
        log=parts.log,
        is_virtual=parts.is_virtual,
        ends_at=parts.ends_at,
        watch_until=parts.watch_until,
        clock_skew=ports.clock_skew,
        redact=parts.redact,
    )


def _order_desk(parts: DeskParts, reconciler: Reconciler) -> OrderDesk:
    if parts.mode is Mode.DRY_RUN:
        return ShadowExecutor()
    return Executor(
        broker=parts.ports.broker,
        book=parts.book,
        reconciler=reconciler,
        clock=parts.ports.clock,
        kill_switch=parts.ports.kill_switch,
        policy=parts.settings.policy,
        stop_reason=parts.ports.stop_reason,
        log=parts.log,
    )
