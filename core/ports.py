"""
What we need from outside. Adapters match these by shape and know nothing of each other.

Each method names every error it may raise; whatever else comes out is a bug.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import (
    Balance,
    FeeRates,
    Fill,
    Order,
    OrderId,
    OrderKey,
    OrderReport,
)


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the wall clock in UTC. It may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        """
        Return at `moment`, or soon after `keep_waiting` answers False.

        It is asked at the start and then at least once a second of real waiting (L5).
        """
        ...


class MarketData(Protocol):
    @property
    def venue(self) -> str:
        """The name in every record: `coinbase`, `simulated`, `replay:<name>...`."""
        ...

    def products(self) -> Sequence[Product]:
        """
        Return every product that the venue lists.

        Raises:
            MarketDataUnavailable
        """
        ...

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        """
        Return closed one-minute candles with `start >= since` (epoch seconds), oldest first.

        A minute without trades has no candle. A product whose candles could not be read is absent
        from the answer (an empty list means: read, and there were none).

        Raises:
            MarketDataUnavailable: Nothing could be read at all.
        """
        ...

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        """
        Return the present best bid and ask. A product without a usable quote is absent.

        Raises:
            MarketDataUnavailable
        """
        ...

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        """
        Return the present books. A product without a readable book is absent.

        Raises:
            MarketDataUnavailable
        """
        ...


class Broker(Protocol):
    def submit(self, order: Order) -> OrderId:
        """
        Send one order. The same client_order_id opens one order at most (L3).

        Raises:
            OrderRejected: The exchange said no. Never send it again.
            OrderNotSent: Nothing left this process.
            OrderOutcomeUnknown: Sent, no usable answer. Look it up before anything else.
        """
        ...

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        """
        Ask for cancels. Success means asked, not done: look the orders up.

        Raises:
            BrokerUnavailable: Asking again is safe.
        """
        ...

    def preview(self, order: Order) -> str | None:
        """
        Ask whether the venue would take an order, without sending it: None when it would, else its reason.

        Raises:
            BrokerUnavailable: No answer is not a yes.
        """
        ...

    def find(self, key: OrderKey) -> OrderReport | None:
        """
        Look one of our orders up, whatever its status; None: not found (it may still appear).

        Raises:
            BrokerUnavailable
        """
        ...

    def open_orders(self) -> Sequence[OrderReport]:
        """
        Return all orders of the account that are not final, ours and foreign ones.

        Raises:
            BrokerUnavailable: An order list that cannot be read is not an empty list.
        """
        ...

    def fills(self, since: datetime) -> Sequence[Fill]:
        """
        Return the account's fills at or after `since`, oldest first, ours and foreign ones.

        A fill whose `client_order_id` is empty is known by its `order_id` only.

        Raises:
            BrokerUnavailable
        """
        ...

    def balances(self) -> Mapping[str, Balance]:
        """
        Return all balances of the account by currency.

        Raises:
            BrokerUnavailable
        """
        ...

    def fee_rates(self) -> FeeRates:
        """
        Return the account's present fee rates.

        Raises:
            BrokerUnavailable
        """
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands in its chain."""

    seq: int
    hash: str


class RecordLog(Protocol):
    """An append-only, hash-chained file of JSON records (journal, audit)."""

    def end_if_full(self) -> Mapping[str, object] | None:
        """
        End a file that is full; return what the next record must then carry as `segment`, None: it just goes on.

        Raises:
            RecordNotDurable: As `append`.
        """
        ...

    def append(self, body: Mapping[str, object], *, durable: bool) -> Position:
        """
        Write one record with one write call; when `durable`, return only after fsync.

        Raises:
            RecordNotDurable: Short write, full disk, failed fsync. Do not try again: end the process.
        """
        ...


class KillCommand(Enum):
    """What the kill file asks for beyond stopping (L5)."""

    STOP = "stop"
    CANCEL_ALL = "cancel-all"


class KillSwitch(Protocol):
    def read(self) -> KillCommand | None:
        """Return None only when the file is certainly not there; anything else stops trading."""
        ...


class Severity(Enum):
    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Notifier(Protocol):
    def alert(self, code: str, key: str, severity: Severity, message: str, at: datetime) -> bool:
        """Report a problem known as code + key. Return False when it repeats one within the window."""
        ...

    def resolve(self, code: str, key: str, at: datetime) -> None:
        """Report that the problem known as code + key is over; no effect when it was not reported."""
        ...
