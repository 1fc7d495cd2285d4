"""The world of one run, as the wiring gets it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.model.ledger import Ledger
from core.ports import Broker, Clock, MarketData
from runner.api_health import ApiHealth

OpenBroker = Callable[[Ledger], Broker]
"""Open the account at the broker; a paper account is what the ledger says it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The money that a new ledger begins with, and what it is."""

    currency: str
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """
    Market, account and clock of a run.

    `account` tells apart what must not be mixed in one data directory; `is_virtual`: time passes only in waits;
    `ends_at`: when the data of a replay end; `note` says in words what the venue is. `opening` is asked once, by a new
    ledger. `owner_shares_account`: others may keep money and coins in the same account.

    `is_durable`: whether anything is synced; None: in real time only, as nothing depends on the disk in a rehearsal.

    `watch_until` tells the venue the moment, of the clock's `monotonic`, at which the present cycle's questions end.
    `health` is set when the transport counts every request itself; else the wiring counts the calls of the ports.
    `clock_skew` (seconds, ours minus the venue's; NaN: could not be read) and `rate_limit_use` (share by channel) are
    None where the venue has neither. `redact` takes this run's secrets out of a text, None where there are none.
    `close` ends connections.
    """

    clock: Clock
    market: MarketData
    open_broker: OpenBroker
    opening: Callable[[], Opening]
    account: str
    is_virtual: bool
    ends_at: datetime | None
    note: str
    owner_shares_account: bool = False
    is_durable: bool | None = None
    watch_until: Callable[[float], None] = lambda _moment: None
    health: ApiHealth | None = None
    clock_skew: Callable[[], float] | None = None
    rate_limit_use: Callable[[], Mapping[str, float]] | None = None
    redact: Callable[[str], str] | None = None
    close: Callable[[], None] = lambda: None
