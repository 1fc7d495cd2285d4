"""
What an order looks like on the wire (coinbase_api 2.9): pure, so that the same order is the same bytes, always.

Only fields that the exchange documents: it refuses a body with any other. Numbers are texts in plain notation.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from core.model.money import plain
from core.model.orders import Order, OrderType, Side

_CLIENT_ID_MAX = 128


def order_body(order: Order) -> Mapping[str, object]:
    """
    Return the body of POST /orders.

    Raises:
        ValueError: The order cannot be said in the exchange's words; nothing may be sent.
    """
    if not 0 < len(order.client_order_id) <= _CLIENT_ID_MAX:
        raise ValueError(f"a client_order_id has 1 to {_CLIENT_ID_MAX} characters")
    return {"client_order_id": order.client_order_id, **preview_body(order)}


def preview_body(order: Order) -> Mapping[str, object]:
    """
    Return the body of POST /orders/preview: the order without its id.

    Raises:
        ValueError: As `order_body`.
    """
    return {
        "product_id": str(order.product_id),
        "side": order.side.value,
        "order_configuration": {_NAMES[order.order_type]: _configuration(order)},
    }


def rfc3339(moment: datetime) -> str:
    """Print a time as the exchange reads it, e.g. 2026-01-05T12:00:00Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_NAMES = {
    OrderType.POST_ONLY: "limit_limit_gtd",
    OrderType.IOC: "sor_limit_ioc",
    OrderType.STOP_LIMIT: "stop_limit_stop_limit_gtc",
    OrderType.BRACKET: "trigger_bracket_gtc",
}


def _configuration(order: Order) -> Mapping[str, object]:
    _refuse_what_would_be_lost(order)
    fields: dict[str, object] = {
        "base_size": _amount(order.size, "size"),
        "limit_price": _amount(order.limit_price, "limit_price"),
    }
    if order.order_type is OrderType.POST_ONLY:
        if order.end_time is None or order.end_time.tzinfo is None:
            raise ValueError("a resting order has an end, in UTC")  # it is the dead-man switch (design 7)
        return {**fields, "end_time": rfc3339(order.end_time), "post_only": True}
    if order.order_type is OrderType.IOC:
        return fields
    if order.side is not Side.SELL:
        raise ValueError(f"a {order.order_type.value} order guards a lot: it sells")
    stop_price = _amount(order.stop_price, "stop_price")
    if order.order_type is OrderType.BRACKET:
        return {**fields, "stop_trigger_price": stop_price}
    return {**fields, "stop_price": stop_price, "stop_direction": "STOP_DIRECTION_STOP_DOWN"}


def _refuse_what_would_be_lost(order: Order) -> None:
    """An end or a stop that its kind has no field for: without it, it would be another order than was decided."""
    if order.end_time is not None and order.order_type is not OrderType.POST_ONLY:
        raise ValueError(f"a {order.order_type.value} order has no end")
    if order.stop_price is not None and order.order_type in (OrderType.POST_ONLY, OrderType.IOC):
        raise ValueError(f"a {order.order_type.value} order has no stop")


def _amount(number: Decimal | None, name: str) -> str:
    if number is None or not number.is_finite() or number <= 0:
        raise ValueError(f"{name} is not an amount: {number}")
    return plain(number)
