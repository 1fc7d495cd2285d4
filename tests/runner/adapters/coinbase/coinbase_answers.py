"""Answers of Coinbase for tests, in the shapes of coinbase_api 2.6 to 2.14; keywords change or (None) empty a field."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from core.model.orders import ClientOrderId, Order, OrderId, OrderKey, OrderType, Purpose, Side
from runner.adapters.coinbase.coinbase_broker import CoinbaseBroker
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import BTC, NOON, make_order
from tests.fakes.scripted_account_api import ScriptedAccountApi

ORDER_ID = "0f1e2d3c-1111-4aaa-8bbb-000000000001"
OTHER_ID = "0f1e2d3c-1111-4aaa-8bbb-000000000002"
KEY = OrderKey(client_order_id=ClientOrderId("order-1"), order_id=None, product_id=BTC, since=NOON)
KEY_WITH_ID = replace(KEY, order_id=OrderId(ORDER_ID))


def make_broker(api: ScriptedAccountApi, clock: VirtualClock | None = None) -> CoinbaseBroker:
    return CoinbaseBroker(api, clock or VirtualClock(NOON))


def make_guard(order_type: OrderType, *, price: str = "95", stop: str = "98") -> Order:
    order = make_order(side=Side.SELL, order_type=order_type, size="0.5", price=price)
    return replace(order, purpose=Purpose.PROTECTION, stop_price=Decimal(stop))


def make_success(order: Order, **changes: object) -> dict[str, object]:
    echo = {
        "order_id": ORDER_ID,
        "product_id": str(order.product_id),
        "side": order.side.value,
        "client_order_id": order.client_order_id,
    }
    return {"success": True, "failure_reason": "UNKNOWN_FAILURE_REASON", "success_response": {**echo, **changes}}


def make_live_reject(**changes: object) -> dict[str, object]:
    """Build the reject as it was seen live, in all its words."""
    details: dict[str, object] = {
        "error": "INSUFFICIENT_FUND",
        "message": "Insufficient balance in source account",
        "error_details": "",
        "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND",
        "new_order_failure_reason": "UNKNOWN_FAILURE_REASON",
    }
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": "",
        "error_response": {**details, **changes},
        "order_configuration": {"market_market_ioc": {"quote_size": "10"}},
    }


def make_order_row(
    order_id: str = ORDER_ID,
    *,
    configuration: Mapping[str, object] | None = None,
    drop: Sequence[str] = (),
    **changes: object,
) -> dict[str, object]:
    gtd = {"base_size": "1", "limit_price": "100", "end_time": "2026-01-05T12:00:30Z", "post_only": True}
    row: dict[str, object] = {
        "order_id": order_id,
        "client_order_id": "order-1",
        "product_id": "BTC-USD",
        "user_id": "2222",
        "side": "BUY",
        "order_configuration": configuration or {"limit_limit_gtd": {**gtd, "rfq_disabled": False}},
        "status": "OPEN",
        "time_in_force": "GOOD_UNTIL_DATE_TIME",
        "created_time": "2026-01-05T12:00:01.123456789Z",
        "last_fill_time": None,
        "filled_size": "0",
        "number_of_fills": "0",
        "average_filled_price": "0",
        "pending_cancel": False,
        "trigger_status": "INVALID_ORDER_TYPE",
        "cancel_message": "",
    }
    return {name: value for name, value in {**row, **changes}.items() if name not in drop}


def make_order_page(*rows: object, cursor: str = "", has_next: bool | None = False) -> dict[str, object]:
    return {"orders": list(rows), "has_next": has_next, "cursor": cursor, "sequence": "0"}


def make_fill_row(entry_id: str = "entry-1", **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "entry_id": entry_id,
        "trade_id": "trade-" + entry_id,
        "order_id": ORDER_ID,
        "trade_time": "2026-01-05T12:00:05.5Z",
        "trade_type": "FILL",
        "price": "100.5",
        "size": "0.25",
        "commission": "0.125",
        "product_id": "BTC-USD",
        "sequence_timestamp": "2026-01-05T12:00:05.6Z",
        "liquidity_indicator": "MAKER",
        "size_in_quote": False,
        "side": "BUY",
    }
    return {**row, **changes}


def make_fill_page(*rows: object, cursor: str | None = "") -> dict[str, object]:
    return {"fills": list(rows), "cursor": cursor}


def make_account(
    currency: str = "USD", available: str = "100", hold: str = "0", **changes: object
) -> dict[str, object]:
    row: dict[str, object] = {
        "uuid": f"account-{currency}",
        "name": f"{currency} Wallet",
        "currency": currency,
        "available_balance": {"value": available, "currency": currency},
        "hold": {"value": hold, "currency": currency},
        "default": True,
        "active": True,
        "ready": True,
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if currency == "USD" else "ACCOUNT_TYPE_CRYPTO",
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }
    return {**row, **changes}


def make_account_page(*rows: object, cursor: str = "", has_next: bool | None = False) -> dict[str, object]:
    return {"accounts": list(rows), "has_next": has_next, "cursor": cursor, "size": len(rows)}
