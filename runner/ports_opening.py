"""Opening all that a run asks of the outside: the venue of its mode, and what this machine and its folders tell."""

from collections.abc import Callable
from pathlib import Path

from core.model.guards import DiskRoom
from core.ports import Broker, MarketData
from core.settings import LoopSection, Settings
from runner.adapters.kill_switch import FileKillSwitch
from runner.adapters.process_facts import disk_room, rss_mb
from runner.api_health import ApiHealth, MeasuredBroker, MeasuredMarket
from runner.bookkeeper import Bookkeeper
from runner.tape.ports import ConfigDrift, Lock, Ports
from runner.venues.outside import Outside

ROOM_ENOUGH = 5
"""So many times the least free disk is as good as any more."""


def open_ports(
    world: Outside,
    settings: Settings,
    folders: tuple[Path, Path],
    *,
    book: Bookkeeper,
    lock: Lock,
    config_drift: ConfigDrift,
    stop_reason: Callable[[], str | None],
) -> Ports:
    """Open the ports of a run; `folders` are those of data and logs."""
    health, market, broker = _measured(world, settings, book)
    return Ports(
        clock=world.clock,
        market=market,
        broker=broker,
        health=health,
        kill_switch=FileKillSwitch(folders[0]),
        lock=lock,
        config_drift=config_drift,
        disk_room=lambda: _capped(disk_room(*folders), settings.app.loop),
        clock_skew=world.clock_skew or _no_skew,
        rss_mb=None if world.is_virtual else rss_mb,
        rate_limit_use=world.rate_limit_use,
        stop_reason=stop_reason,
    )


def _capped(room: DiskRoom, limits: LoopSection) -> DiskRoom:
    """Leave out what is far above the limits: how full a disk is that has room would make two equal runs differ."""
    return DiskRoom(
        free_mb=None if room.free_mb is None else min(room.free_mb, limits.min_free_disk_mb * ROOM_ENOUGH),
        free_inodes=None if room.free_inodes is None else min(room.free_inodes, limits.min_free_inodes * ROOM_ENOUGH),
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
