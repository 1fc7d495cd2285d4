"""Orders as the exchange lists them (coinbase_api 2.13), as reports in our words."""

from dataclasses import dataclass
from decimal import Decimal

from core.model.money import ZERO
from core.model.orders import ClientOrderId, OrderReport, OrderStatus, OrderType, Side
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField, Row
from runner.adapters.coinbase.order_answers import order_id_of

_STATUSES = {
    "OPEN": OrderStatus.OPEN,
    "CANCEL_QUEUED": OrderStatus.OPEN,
    "EDIT_QUEUED": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "FAILED": OrderStatus.FAILED,
}
"""Everything else (PENDING, QUEUED, a status that we do not know) is not final: the order is looked up again."""

_SIDES = {side.value: side for side in Side}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What an order asks for; `order_type` None: a kind that we never send. `size` None: it is sized in money."""

    order_type: OrderType | None
    size: Decimal | None
    limit_price: Decimal
    stop_price: Decimal | None


def order_report(row: Row) -> OrderReport:
    """
    Read one order.

    A foreign order that is sized in money has as its size what is filled so far; a market order has limit price 0.

    Raises:
        BadField
    """
    terms = _terms(row)
    status = _STATUSES.get(fields.text_or_none(row, "status") or "", OrderStatus.PENDING)
    filled = fields.not_negative_or_none(row, "filled_size")
    if filled is None:
        if status.is_final:
            raise BadField("filled_size", "a number, the order being over", None)  # an order's fills end with it
        filled = ZERO
    size = filled if terms.size is None else terms.size
    if status.is_final and _is_premature(row, status, filled, terms.size):
        status = OrderStatus.OPEN
    return OrderReport(
        order_id=order_id_of(row),
        client_order_id=ClientOrderId(fields.text_or_none(row, "client_order_id") or ""),
        product_id=fields.product_id(row),
        side=side_of(row),
        size=size,
        limit_price=terms.limit_price,
        status=status,
        filled_size=filled,
        created_at=fields.moment(row, "created_time"),
        order_type=terms.order_type,
        stop_price=terms.stop_price,
    )


def side_of(row: Row) -> Side:
    """
    Return the side of an order or a fill.

    Raises:
        BadField
    """
    found = fields.text(row, "side")
    if found not in _SIDES:
        raise BadField("side", "BUY or SELL", found)
    return _SIDES[found]


def is_of_another_kind(row: Row) -> bool:
    """
    Tell whether an order or fill is of a derivative, e.g. `BIT-28NOV26-CDE`: never ours, and not for our types.

    Anything else that is not BASE-QUOTE stays an error.
    """
    parts = (fields.text_or_none(row, "product_id") or "").split("-")
    return len(parts) > 2 and all(part.isascii() and part.isalnum() for part in parts)


def _is_premature(row: Row, status: OrderStatus, filled: Decimal, size: Decimal | None) -> bool:
    """Tell whether an order is called over while its filled size lags behind: to close it now would lose fills."""
    if status is OrderStatus.FILLED:
        return filled == 0 or (size is not None and filled < size)
    return filled == 0 and (fields.decimal_or_none(row, "number_of_fills") or ZERO) > 0


def _terms(row: Row) -> _Terms:
    configuration = fields.row(row, "order_configuration")
    if len(configuration) != 1:
        raise BadField("order_configuration", "one kind of order", ", ".join(configuration))
    name = next(iter(configuration))
    terms = fields.row(configuration, name)
    order_type = _order_type(name, terms, side_of(row))
    if order_type is None:
        return _Terms(
            order_type=None,
            size=fields.not_negative_or_none(terms, "base_size"),
            limit_price=fields.not_negative_or_none(terms, "limit_price") or ZERO,
            stop_price=None,
        )
    return _Terms(
        order_type=order_type,
        size=fields.positive(terms, "base_size"),
        limit_price=fields.positive(terms, "limit_price"),
        stop_price=_stop_price(order_type, terms),
    )


def _order_type(name: str, terms: Row, side: Side) -> OrderType | None:
    """Return which of our kinds the terms are, exactly as we send it."""
    if fields.decimal_or_none(terms, "base_size") is None and fields.decimal_or_none(terms, "quote_size") is not None:
        return None  # sized in money
    if name == "limit_limit_gtd" and fields.flag_or_none(terms, "post_only"):
        return OrderType.POST_ONLY
    if name == "sor_limit_ioc":
        return OrderType.IOC
    if side is not Side.SELL:
        return None
    if name == "stop_limit_stop_limit_gtc" and terms.get("stop_direction") == "STOP_DIRECTION_STOP_DOWN":
        return OrderType.STOP_LIMIT
    return OrderType.BRACKET if name == "trigger_bracket_gtc" else None


def _stop_price(order_type: OrderType, terms: Row) -> Decimal | None:
    if order_type is OrderType.STOP_LIMIT:
        return fields.positive(terms, "stop_price")
    return fields.positive(terms, "stop_trigger_price") if order_type is OrderType.BRACKET else None
