"""Whether a finished order is an order at all: it does not contradict itself, and the venue's rules allow it."""

from datetime import datetime
from decimal import Decimal

from core.model.market import Product
from core.model.money import plain
from core.model.orders import Order, OrderType, Purpose, Side
from core.model.verdicts import Breach, Refusal
from core.risk.view import shown
from core.venue_rules import is_on_grid, largest_notional, smallest_size

SIDES = {
    Purpose.ENTRY: Side.BUY,
    Purpose.COVER: Side.BUY,
    Purpose.EXIT: Side.SELL,
    Purpose.PROTECTION: Side.SELL,
}
KINDS = {
    Purpose.ENTRY: (OrderType.POST_ONLY, OrderType.IOC),
    Purpose.COVER: (OrderType.IOC,),
    Purpose.EXIT: (OrderType.IOC,),
    Purpose.PROTECTION: (OrderType.STOP_LIMIT, OrderType.BRACKET),
}


def form_breach(order: Order, now: datetime) -> Breach | None:
    """Refuse an order that contradicts itself: side, kind and purpose, numbers, stop, end."""
    if order.side is not SIDES[order.purpose]:
        return _invalid(f"{order.side.value} for {order.purpose.value}", SIDES[order.purpose].value)
    kinds = KINDS[order.purpose]
    if order.order_type not in kinds:
        limit = " or ".join(kind.value for kind in kinds)
        return _invalid(f"{order.order_type.value} for {order.purpose.value}", limit)
    for number in (order.size, order.limit_price):
        if not number.is_finite() or number <= 0:
            return _invalid(f"size {order.size} at {order.limit_price}", "finite and positive")
    return _stop_breach(order) or _end_breach(order, now)


def _stop_breach(order: Order) -> Breach | None:
    stop = order.stop_price
    if order.purpose is not Purpose.PROTECTION:
        return None if stop is None else _invalid(f"a stop at {stop}", f"none for {order.purpose.value}")
    if stop is None or not stop.is_finite() or stop <= 0:
        return _invalid(f"a stop at {stop}", "finite and positive")
    if order.order_type is OrderType.BRACKET and order.limit_price <= stop:
        return _invalid(f"a target at {order.limit_price}", f"above the stop at {stop}")
    if order.order_type is OrderType.STOP_LIMIT and order.limit_price > stop:
        return _invalid(f"a limit of {order.limit_price}", f"at most the stop at {stop}")
    return None


def _end_breach(order: Order, now: datetime) -> Breach | None:
    rests = order.order_type is OrderType.POST_ONLY
    if rests is not (order.end_time is not None):
        return _invalid(f"{order.order_type.value} until {order.end_time}", "an end if and only if it is post-only")
    if order.end_time is not None and order.end_time <= now:
        return _invalid(f"ends at {order.end_time}", f"after {now}")
    return None


def venue_breach(order: Order, product: Product, min_notional: Decimal) -> Breach | None:
    """Return which of the venue's rules the order breaks: post-only market, increments, least and largest size."""
    if product.post_only and order.order_type is not OrderType.POST_ONLY:
        return Breach(reason=Refusal.MARKET_CLOSED, observed="post_only", limit=order.order_type.value)
    if not is_on_grid(order.size, product.base_increment):
        return Breach(reason=Refusal.OFF_INCREMENT, observed=plain(order.size), limit=plain(product.base_increment))
    for price in (order.limit_price, order.limit_price if order.stop_price is None else order.stop_price):
        if not is_on_grid(price, product.price_increment):
            return Breach(reason=Refusal.OFF_INCREMENT, observed=plain(price), limit=plain(product.price_increment))
    least = smallest_size(product, order.limit_price, min_notional)
    if order.size < least:
        return Breach(reason=Refusal.VENUE_MIN, observed=plain(order.size), limit=plain(least))
    most = largest_notional(product, order.limit_price)
    if order.notional > most:
        return Breach(reason=Refusal.VENUE_MAX, observed=shown(order.notional), limit=shown(most))
    return None


def _invalid(observed: str, limit: str) -> Breach:
    return Breach(reason=Refusal.INVALID_ORDER, observed=observed, limit=limit)
