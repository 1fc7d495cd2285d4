"""An order in the exchange's words: every kind that it takes, ours and those of others (coinbase_api 2.9)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum

from core.model.market import ProductId
from core.model.orders import ClientOrderId, Order, OrderType, Side


class Kind(Enum):
    """
    What an order does.

    LIMIT: trades at its limit or better. MARKET: takes what is shown. STOP_LIMIT: a limit order from the moment when a
    trade reaches `stop_price`, on its way down for a sell, up for a buy. BRACKET: a sell that rests at `limit_price`,
    its target, until a trade reaches `stop_price` and makes it a limit order about 5 % below that.
    """

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_LIMIT = "STOP_LIMIT"
    BRACKET = "BRACKET"


class TimeInForce(Enum):
    GTC = "GOOD_UNTIL_CANCELLED"
    GTD = "GOOD_UNTIL_DATE_TIME"
    IOC = "IMMEDIATE_OR_CANCEL"
    FOK = "FILL_OR_KILL"

    @property
    def may_rest(self) -> bool:
        return self in (TimeInForce.GTC, TimeInForce.GTD)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """
    One order as it reached the exchange; whether it is a legal one is the matter of `checks`.

    `base_size` in base currency; `quote_size`, for a MARKET buy in its place, is the money to spend, fee included.
    """

    client_order_id: ClientOrderId
    product_id: ProductId
    side: Side
    kind: Kind
    time_in_force: TimeInForce
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    post_only: bool = False
    end_time: datetime | None = None


_WORDS = {
    OrderType.POST_ONLY: (Kind.LIMIT, TimeInForce.GTD),
    OrderType.IOC: (Kind.LIMIT, TimeInForce.IOC),
    OrderType.STOP_LIMIT: (Kind.STOP_LIMIT, TimeInForce.GTC),
    OrderType.BRACKET: (Kind.BRACKET, TimeInForce.GTC),
}


def venue_order_of(order: Order) -> VenueOrder:
    """Translate one of the bot's orders."""
    kind, time_in_force = _WORDS[order.order_type]
    return VenueOrder(
        client_order_id=order.client_order_id,
        product_id=order.product_id,
        side=order.side,
        kind=kind,
        time_in_force=time_in_force,
        base_size=order.size,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        post_only=order.order_type is OrderType.POST_ONLY,
        end_time=order.end_time,
    )


def order_type_of(order: VenueOrder) -> OrderType | None:
    """Return which of the bot's kinds an order is; None for one that the bot never sends."""
    words = (order.kind, order.time_in_force)
    found = next((order_type for order_type, known in _WORDS.items() if known == words), None)
    if order.stop_price is not None and order.side is not Side.SELL:
        return None  # ours guard a lot
    return found if order.post_only == (found is OrderType.POST_ONLY) else None
