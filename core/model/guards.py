"""Circuit breakers and the trading state, as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum


class TradingState(IntEnum):
    """
    What the bot may do; a higher number may do less (design section 4).

    ARMED trades; REDUCE_ONLY sells its own lots and cancels; CANCEL_ONLY only cancels; HALTED sends no order.
    """

    ARMED = 0
    REDUCE_ONLY = 1
    CANCEL_ONLY = 2
    HALTED = 3


class Breaker(Enum):
    """The circuit breakers. Values go to audit, metrics and alerts and are never renamed."""

    STALE_DATA = "stale_data"
    API_ERRORS = "api_errors"
    EMPTY_UNIVERSE = "empty_universe"
    DAILY_STOP = "daily_stop"
    WEEKLY_STOP = "weekly_stop"
    DRAWDOWN = "drawdown"
    EXCEPTION_BURST = "exception_burst"
    VOLATILITY_CRASH = "volatility_crash"
    RECONCILE_MISMATCH = "reconcile_mismatch"
    CLOCK_JUMP = "clock_jump"
    CLOCK_SKEW = "clock_skew"
    DISK_SPACE = "disk_space"


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """
    What is free where records are written, in MB (10^6 bytes) and inodes; None: could not be told.

    A file system that does not count inodes has `INODES_UNCOUNTED` of them.
    """

    free_mb: int | None
    free_inodes: int | None


INODES_UNCOUNTED = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """
    One breaker's memory. It survives a restart (L13).

    `level` is the trading state it demands while tripped; `until` the earliest recovery, None when
    only the condition itself decides; `trips` counts for the life of the data directory.
    """

    tripped: bool
    level: TradingState
    detail: str
    since: datetime | None
    until: datetime | None
    trips: int
