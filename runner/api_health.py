"""
How the outside answers: every call is counted here, one by one.

Where a transport counts its requests itself it calls `answered` and `failed`; else the ports' calls are counted.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeVar

from core.errors import BrokerUnavailable, MarketDataUnavailable, OrderOutcomeUnknown
from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import Balance, FeeRates, Fill, Order, OrderId, OrderKey, OrderReport
from core.ports import Broker, Clock, MarketData

T = TypeVar("T")


class Channel(Enum):
    """Whom we talk to. A broker that answers says nothing about a market that does not."""

    MARKET = "market"
    BROKER = "broker"


@dataclass(slots=True)
class ApiUse:
    """What was asked over the network since the last look: requests with their retries, bytes of bodies, seconds."""

    requests: int = 0
    errors: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0


class ApiHealth:
    """Errors of the last window, and how many calls in a row have failed, on the worse of the channels."""

    def __init__(self, clock: Clock, window_seconds: int) -> None:
        self.errors_total: dict[str, int] = {}
        self.last_error_at: datetime | None = None
        self._clock = clock
        self._window = timedelta(seconds=window_seconds)
        self._error_times: deque[datetime] = deque()
        self._in_a_row = dict.fromkeys(Channel, 0)
        self._in_a_row_before = dict.fromkeys(Channel, 0)
        self._use = ApiUse()

    @property
    def consecutive_errors(self) -> int:
        return max(self._in_a_row.values())

    def errors_in_window(self) -> int:
        oldest = self._clock.now() - self._window
        while self._error_times and self._error_times[0] < oldest:
            self._error_times.popleft()
        return len(self._error_times)

    def measured(self, channel: Channel, call: Callable[[], T]) -> T:
        """Make one call and count how it ended; its error goes on to the caller."""
        try:
            answer = call()
        except (MarketDataUnavailable, BrokerUnavailable, OrderOutcomeUnknown) as error:
            self.failed(channel, type(error).__name__)
            raise
        self.answered(channel)
        return answer

    def requested(self, *, seconds: float, bytes_sent: int, bytes_received: int, failed: bool) -> None:
        """Add one HTTP request to what was used."""
        use = self._use
        use.requests += 1
        use.errors += failed
        use.bytes_sent += bytes_sent
        use.bytes_received += bytes_received
        use.seconds += seconds
        use.slowest_seconds = max(use.slowest_seconds, seconds)

    def take_use(self) -> ApiUse:
        """Return what was used since this was last called."""
        used, self._use = self._use, ApiUse()
        return used

    def answered(self, channel: Channel) -> None:
        self._in_a_row_before[channel] = self._in_a_row[channel]
        self._in_a_row[channel] = 0

    def unusable(self, channel: Channel) -> None:
        """Take the last answer back: it came, and says nothing that can be read, e.g. a page of a gateway."""
        self._in_a_row[channel] = self._in_a_row_before[channel]
        self._use.errors += 1
        self.failed(channel, "unusable")

    def failed(self, channel: Channel, kind: str) -> None:
        self._in_a_row[channel] += 1
        self.errors_total[kind] = self.errors_total.get(kind, 0) + 1
        self.last_error_at = self._clock.now()
        self._error_times.append(self.last_error_at)


class MeasuredMarket:
    """A MarketData whose calls are counted."""

    def __init__(self, market: MarketData, health: ApiHealth) -> None:
        self._market = market
        self._health = health

    @property
    def venue(self) -> str:
        return self._market.venue

    def products(self) -> Sequence[Product]:
        return self._health.measured(Channel.MARKET, self._market.products)

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        return self._health.measured(Channel.MARKET, lambda: self._market.candles(product_ids, since))

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        return self._health.measured(Channel.MARKET, lambda: self._market.quotes(product_ids))

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        return self._health.measured(Channel.MARKET, lambda: self._market.books(product_ids))


class MeasuredBroker:
    """A Broker whose calls are counted."""

    def __init__(self, broker: Broker, health: ApiHealth) -> None:
        self._broker = broker
        self._health = health

    def submit(self, order: Order) -> OrderId:
        return self._health.measured(Channel.BROKER, lambda: self._broker.submit(order))

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        self._health.measured(Channel.BROKER, lambda: self._broker.cancel(order_ids))

    def preview(self, order: Order) -> str | None:
        return self._health.measured(Channel.BROKER, lambda: self._broker.preview(order))

    def find(self, key: OrderKey) -> OrderReport | None:
        return self._health.measured(Channel.BROKER, lambda: self._broker.find(key))

    def open_orders(self) -> Sequence[OrderReport]:
        return self._health.measured(Channel.BROKER, self._broker.open_orders)

    def fills(self, since: datetime) -> Sequence[Fill]:
        return self._health.measured(Channel.BROKER, lambda: self._broker.fills(since))

    def balances(self) -> Mapping[str, Balance]:
        return self._health.measured(Channel.BROKER, self._broker.balances)

    def fee_rates(self) -> FeeRates:
        return self._health.measured(Channel.BROKER, self._broker.fee_rates)
