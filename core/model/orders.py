"""Orders, their outcomes and fills, in our words; adapters translate from the exchange's."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NewType

from core.model.market import ProductId

ClientOrderId = NewType("ClientOrderId", str)
OrderId = NewType("OrderId", str)
LotId = NewType("LotId", str)
"""A lot is named after the entry order that opened it (its client_order_id)."""


class Side(Enum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(Enum):
    """The kinds we send. Values appear in the audit as `order_type`."""

    POST_ONLY = "limit_post_only"  # rests or is rejected; good till `end_time`
    IOC = "limit_ioc"  # takes what is there up to its limit; the rest is cancelled
    STOP_LIMIT = "stop_limit"  # a sell that wakes when a trade reaches `stop_price`; good till cancelled
    BRACKET = "bracket"  # a sell that rests at `limit_price` and, at `stop_price`, sells below it; good till cancelled


class Purpose(Enum):
    """
    Why an order exists.

    An ENTRY increases risk, an EXIT reduces it, a PROTECTION rests to guard a lot, a COVER buys back coins that were
    sold beyond a lot.
    """

    ENTRY = "entry"
    EXIT = "exit"
    PROTECTION = "protection"
    COVER = "cover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    One order exactly as it is sent. Sizes in base currency, price in quote per base.

    `lot_id`: the lot that an exit closes or a protection guards; for an entry the lot that it opens or grows; for a
    cover, which has none, its own name.
    `end_time`: when a resting entry dies by itself (L4); None for IOC, and for a protection, which must outlive us.
    `stop_price`: what wakes a STOP_LIMIT, or turns a BRACKET into a stop; None for all others. The `limit_price` of a
    STOP_LIMIT is the least it sells for once awake; that of a BRACKET is its target.
    """

    client_order_id: ClientOrderId
    product_id: ProductId
    side: Side
    order_type: OrderType
    purpose: Purpose
    lot_id: LotId
    size: Decimal
    limit_price: Decimal
    end_time: datetime | None = None
    stop_price: Decimal | None = None

    @property
    def notional(self) -> Decimal:
        return self.size * self.limit_price


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKey:
    """
    Where to look for one of our orders.

    `order_id` is the exchange's, None when it never told us; `since` is a moment before the order was sent.
    """

    client_order_id: ClientOrderId
    order_id: OrderId | None
    product_id: ProductId
    since: datetime


class OrderStatus(Enum):
    """Where an order stands at the exchange. The last four are final."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        return self not in (OrderStatus.PENDING, OrderStatus.OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """
    The exchange's view of one order, with what it returned for comparison with our intent.

    `client_order_id` is whatever its sender chose, also for a foreign order; `order_type` None is a kind we never send.
    """

    order_id: OrderId
    client_order_id: ClientOrderId
    product_id: ProductId
    side: Side
    size: Decimal
    limit_price: Decimal
    status: OrderStatus
    filled_size: Decimal
    created_at: datetime
    order_type: OrderType | None = None
    stop_price: Decimal | None = None


class Liquidity(Enum):
    MAKER = "MAKER"
    TAKER = "TAKER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """
    One execution. `fill_id` is unique for ever; `fee` is in quote currency, never negative.

    As a broker returns it, `client_order_id` may be empty: exchanges name only their own order id in a fill.
    """

    fill_id: str
    order_id: OrderId
    client_order_id: ClientOrderId
    product_id: ProductId
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    liquidity: Liquidity
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency of the account: what may be used, and what open orders hold."""

    currency: str
    available: Decimal
    hold: Decimal

    @property
    def total(self) -> Decimal:
        return self.available + self.hold


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """Fractions of the filled value, e.g. 0.006."""

    maker_fraction: Decimal
    taker_fraction: Decimal


class Outcome(Enum):
    """What became of an intent. Three-valued at the wire; ABSENT is UNKNOWN proven to be nothing."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    ABSENT = "ABSENT"
    NOT_SENT = "NOT_SENT"
