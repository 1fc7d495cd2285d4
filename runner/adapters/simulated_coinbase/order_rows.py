"""Rows of orders and fills as the exchange prints them (coinbase_api 2.13, 2.14)."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from core.model.money import ZERO, plain
from core.model.orders import Fill, OrderStatus, Side
from runner.matching.order_record import OrderRecord
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder

USER_ID = "5a7d1c0e-0000-5000-8000-000000000001"
PORTFOLIO_ID = "5a7d1c0e-0000-5000-8000-000000000002"
FILLS_NAMESPACE = uuid.UUID("5a7d1c0e-0000-5000-8000-000000000003")
_AVERAGE_PLACES = 12

_SAME_FOR_ALL: Mapping[str, object] = {
    "fee": "",
    "product_type": "SPOT",
    "reject_message": "",
    "order_placement_source": "RETAIL_ADVANCED",
    "is_liquidation": False,
    "edit_history": [],
    "leverage": "",
    "margin_type": "UNKNOWN_MARGIN_TYPE",
    "retail_portfolio_id": PORTFOLIO_ID,
    "originating_order_id": "",
    "attached_order_id": "",
    "attached_order_configuration": None,
    "current_pending_replace": None,
}

_KEYS = {
    (Kind.MARKET, TimeInForce.IOC): "market_market_ioc",
    (Kind.LIMIT, TimeInForce.IOC): "sor_limit_ioc",
    (Kind.LIMIT, TimeInForce.GTC): "limit_limit_gtc",
    (Kind.LIMIT, TimeInForce.GTD): "limit_limit_gtd",
    (Kind.LIMIT, TimeInForce.FOK): "limit_limit_fok",
    (Kind.STOP_LIMIT, TimeInForce.GTC): "stop_limit_stop_limit_gtc",
    (Kind.STOP_LIMIT, TimeInForce.GTD): "stop_limit_stop_limit_gtd",
    (Kind.BRACKET, TimeInForce.GTC): "trigger_bracket_gtc",
    (Kind.BRACKET, TimeInForce.GTD): "trigger_bracket_gtd",
}


def order_row(
    record: OrderRecord,
    *,
    client_order_id: str,
    configuration: Mapping[str, object],
    is_pending: bool,
    is_cancelling: bool,
) -> dict[str, object]:
    """
    Return one order.

    `is_pending`: accepted but not shown as working yet, so nothing of it is filled either. `is_cancelling`: a cancel
    was asked for and is not done.
    """
    order = record.order
    filled, value, fees = (ZERO, ZERO, ZERO) if is_pending else (record.filled_size, record.filled_value, record.fees)
    after_fees = value + fees if order.side is Side.BUY else value - fees
    is_over = record.status.is_final and not is_pending
    updated = record.created_at if is_pending else record.closed_at or record.last_fill_at or record.created_at
    is_quote_sized = order.quote_size is not None
    return {
        "order_id": record.order_id,
        "product_id": str(order.product_id),
        "user_id": USER_ID,
        "order_configuration": configuration,
        "side": order.side.value,
        "client_order_id": client_order_id,
        "status": shown_status(record, is_pending=is_pending, is_cancelling=is_cancelling),
        "time_in_force": order.time_in_force.value,
        "created_time": rfc3339(record.created_at),
        "completion_percentage": plain(round(filled / record.size * 100, 2)) if record.size else "0",
        "filled_size": plain(filled),
        "average_filled_price": plain(round(value / filled, _AVERAGE_PLACES)) if filled else "0",
        "number_of_fills": "0" if is_pending else str(record.fill_count),
        "filled_value": plain(value),
        "pending_cancel": is_cancelling,
        "size_in_quote": is_quote_sized,
        "total_fees": plain(fees),
        "size_inclusive_of_fees": is_quote_sized,
        "total_value_after_fees": plain(after_fees),
        "trigger_status": _trigger_status(record),
        "order_type": order.kind.value,
        "reject_reason": record.reject_reason or "REJECT_REASON_UNSPECIFIED",
        "settled": is_over and filled > 0,
        "cancel_message": "User requested cancel" if record.status is OrderStatus.CANCELLED and is_over else "",
        "outstanding_hold_amount": plain(record.hold),
        "last_fill_time": None if is_pending or record.last_fill_at is None else rfc3339(record.last_fill_at),
        "commission_detail_total": {"total_commission": plain(fees), "gst_commission": "0"},
        "last_update_time": rfc3339(updated),
        **_SAME_FOR_ALL,
    }


def fill_row(fill: Fill, *, in_quote: bool) -> dict[str, object]:
    """Return one fill; `in_quote`: its size is printed as money, as for an order that was sized in money."""
    at = rfc3339(fill.at)
    return {
        "entry_id": str(uuid.uuid5(FILLS_NAMESPACE, fill.fill_id)),
        "trade_id": str(uuid.uuid5(FILLS_NAMESPACE, f"trade {fill.fill_id}")),
        "order_id": fill.order_id,
        "trade_time": at,
        "trade_type": "FILL",
        "price": plain(fill.price),
        "size": plain(fill.size * fill.price if in_quote else fill.size),
        "commission": plain(fill.fee),
        "product_id": str(fill.product_id),
        "sequence_timestamp": at,
        "liquidity_indicator": fill.liquidity.value,
        "size_in_quote": in_quote,
        "user_id": USER_ID,
        "side": fill.side.value,
        "retail_portfolio_id": PORTFOLIO_ID,
        "fillSource": "FILL_SOURCE_CLOB",
        "commission_detail_total": {"total_commission": plain(fill.fee)},
        "order_data_source": "ORDER_DATA_SOURCE_EXCHANGE",
    }


def configuration_of(order: VenueOrder) -> dict[str, object]:
    """Return the configuration of an order that came another way than through a request."""
    stop = "stop_trigger_price" if order.kind is Kind.BRACKET else "stop_price"
    amounts: dict[str, Decimal | None] = {
        "base_size": order.base_size,
        "quote_size": order.quote_size,
        "limit_price": order.limit_price,
        stop: order.stop_price,
    }
    fields: dict[str, object] = {name: plain(amount) for name, amount in amounts.items() if amount is not None}
    if order.kind is Kind.STOP_LIMIT:
        fields["stop_direction"] = f"STOP_DIRECTION_STOP_{'UP' if order.side is Side.BUY else 'DOWN'}"
    if order.end_time is not None:
        fields["end_time"] = rfc3339(order.end_time)
    if order.post_only:
        fields["post_only"] = True
    return {_KEYS[order.kind, order.time_in_force]: fields}


def rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def shown_status(record: OrderRecord, *, is_pending: bool, is_cancelling: bool) -> str:
    """Return the status of an order as it is printed (see `order_row`)."""
    if is_pending:
        return "PENDING"
    if is_cancelling and not record.status.is_final:
        return "CANCEL_QUEUED"
    return record.status.value


def _trigger_status(record: OrderRecord) -> str:
    if record.order.kind not in (Kind.STOP_LIMIT, Kind.BRACKET):
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if record.is_triggered else "STOP_PENDING"
