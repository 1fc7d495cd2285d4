"""All that a run asks of the outside, in one place: what is recorded on the tape, and what the tape plays back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.model.guards import DiskRoom
from core.ports import Broker, Clock, KillSwitch, MarketData
from runner.api_health import ApiUse


class Health(Protocol):
    """How the outside has answered so far (`runner.api_health`)."""

    @property
    def consecutive_errors(self) -> int: ...

    @property
    def last_error_at(self) -> datetime | None: ...

    @property
    def errors_total(self) -> Mapping[str, int]: ...

    def errors_in_window(self) -> int: ...

    def take_use(self) -> ApiUse: ...


class Lock(Protocol):
    def is_ours(self) -> bool: ...


class ConfigDrift(Protocol):
    def changed(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """
    Whatever gets into a decision, a record or a line and is neither a setting nor the journal.

    `rss_mb` and `rate_limit_use` are None where a run does not measure them.
    """

    clock: Clock
    market: MarketData
    broker: Broker
    health: Health
    kill_switch: KillSwitch
    lock: Lock
    config_drift: ConfigDrift
    disk_room: Callable[[], DiskRoom]
    clock_skew: Callable[[], float | None]
    rss_mb: Callable[[], float | None] | None
    rate_limit_use: Callable[[], Mapping[str, float]] | None
    stop_reason: Callable[[], str | None]
