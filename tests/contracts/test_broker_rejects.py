"""What no Broker takes, with the exchange's codes; and what its preview says of it beforehand."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import OrderNotSent, OrderRejected
from core.model.market import ProductId
from core.model.money import ZERO
from core.model.orders import Order, OrderStatus, OrderType, Side
from tests.builders import BTC, ETH, NOON, make_order, make_product
from tests.contracts.broker_desks import Desk, make_ioc, make_protection
from tests.fakes.scripted_market import ScriptedMarket

ACCEPTABLE = [
    pytest.param(make_order(price="100.04"), id="post-only a cent below the ask"),
    pytest.param(make_order(size="0.01", price="100"), id="the least value"),
    pytest.param(make_order(end_seconds=1), id="a second to live"),
    pytest.param(make_ioc(size="5", side=Side.SELL, price="90"), id="all coins"),
    pytest.param(make_protection(stop="99.99"), id="a stop a cent below the last trade"),
    pytest.param(make_protection(order_type=OrderType.STOP_LIMIT, price="99.99", stop="99.99"), id="stop at its limit"),
]
REJECTED = [
    pytest.param(make_order(price="100.05"), "INVALID_LIMIT_PRICE_POST_ONLY", id="post-only at the ask"),
    pytest.param(
        make_order(side=Side.SELL, price="99.95"), "INVALID_LIMIT_PRICE_POST_ONLY", id="post-only sell at the bid"
    ),
    pytest.param(make_order(price="99.995"), "INVALID_PRICE_PRECISION", id="price off the grid"),
    pytest.param(make_order(size="0.123456789"), "INVALID_SIZE_PRECISION", id="size off the grid"),
    pytest.param(make_order(size="0.000000001"), "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", id="size below the least"),
    pytest.param(make_order(size="10000.00000001"), "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", id="size above the most"),
    pytest.param(
        make_order(size="0.00999999", price="100"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", id="value below the least"
    ),
    pytest.param(
        make_ioc(size="10000", price="1000.01"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE", id="value above the most"
    ),
    pytest.param(make_order(end_seconds=0), "END_TIME_IS_IN_THE_PAST", id="its end is now"),
    pytest.param(make_order(end_seconds=-30), "END_TIME_IS_IN_THE_PAST", id="its end is past"),
    pytest.param(make_order(ProductId("NOSUCH", "USD")), "INVALID_PRODUCT_ID", id="no such product"),
    pytest.param(make_order(size="101", price="99.95"), "INSUFFICIENT_FUND", id="more than the money"),
    pytest.param(make_order(size="100", price="99.95"), "INSUFFICIENT_FUND", id="the money, but not the fee"),
    pytest.param(
        make_ioc(side=Side.SELL, size="5.00000001", price="90"), "INSUFFICIENT_FUND", id="a grain more than the coins"
    ),
    pytest.param(make_protection(size="6", stop="98"), "INSUFFICIENT_FUND", id="a guard of more than the coins"),
    pytest.param(make_order(ETH, side=Side.SELL, price="101"), "INSUFFICIENT_FUND", id="coins of which there are none"),
    pytest.param(make_protection(stop="100"), "INVALID_BRACKET_STOP_TRIGGER_PRICE", id="bracket: stop at last trade"),
    pytest.param(
        make_protection(price="100", stop="98"), "INVALID_BRACKET_LIMIT_PRICE", id="bracket: target at last trade"
    ),
    pytest.param(make_protection(price="97", stop="98"), "INVALID_BRACKET_PRICES", id="bracket: target below its stop"),
    pytest.param(
        make_protection(order_type=OrderType.STOP_LIMIT, price="95", stop="100"),
        "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
        id="stop at last trade",
    ),
    pytest.param(
        make_protection(order_type=OrderType.STOP_LIMIT, price="98.01", stop="98"),
        "PREVIEW_STOP_PRICE_BELOW_LIMIT_PRICE",
        id="stop below its limit",
    ),
]


@pytest.mark.parametrize("order", ACCEPTABLE)
def test_a_yes_of_the_preview_changes_nothing_and_is_kept(desk: Desk, order: Order) -> None:
    before = desk.balances()

    answer = desk.broker.preview(order)

    assert answer is None
    assert (desk.balances(), list(desk.broker.open_orders()), desk.find(order.client_order_id)) == (before, [], None)
    assert desk.broker.submit(order)


@pytest.mark.parametrize(("order", "code"), REJECTED)
def test_an_order_is_rejected_with_the_exchanges_code_and_leaves_no_trace(desk: Desk, order: Order, code: str) -> None:
    before = desk.balances()

    foretold = desk.broker.preview(order)
    with pytest.raises(OrderRejected) as rejected:
        desk.broker.submit(order)

    assert rejected.value.reason == code
    # Coinbase has two lists of reasons; that of the preview says PREVIEW_ before each (coinbase_api 2.9).
    assert (foretold or "").removeprefix("PREVIEW_") == code.removeprefix("PREVIEW_")
    assert (desk.balances(), list(desk.broker.open_orders()), desk.fills()) == (before, [], [])
    assert desk.find(order.client_order_id) is None


# --- what a venue's words cannot say ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(replace(make_order(), end_time=None), id="resting without an end"),
        pytest.param(make_order(size="0"), id="no size"),
        pytest.param(make_order(price="NaN"), id="no price"),
        pytest.param(make_order(name="i" * 129), id="id too long"),
        pytest.param(replace(make_ioc(), end_time=NOON + timedelta(seconds=30)), id="an end for an IOC"),
        pytest.param(replace(make_ioc(), stop_price=Decimal(98)), id="a stop for an IOC"),
        pytest.param(replace(make_order(), stop_price=Decimal(98)), id="a stop for a resting order"),
        pytest.param(replace(make_protection(stop="98"), stop_price=None), id="a bracket without a stop"),
        pytest.param(
            replace(make_protection(stop="98"), end_time=NOON + timedelta(seconds=30)), id="an end for a guard"
        ),
        pytest.param(
            replace(make_protection(order_type=OrderType.STOP_LIMIT, price="102", stop="101"), side=Side.BUY),
            id="a stop that buys",
        ),
        pytest.param(replace(make_protection(stop="98"), side=Side.BUY), id="a bracket that buys"),
    ],
)
def test_an_order_that_makes_no_sense_opens_nothing(desk: Desk, order: Order) -> None:
    before = desk.balances()

    with pytest.raises((OrderNotSent, OrderRejected)):
        desk.broker.submit(order)

    assert (desk.balances(), list(desk.broker.open_orders()), desk.fills()) == (before, [], [])


# --- closed products --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("offline", "PRODUCT_TRADING_HALTED"),
        ("trading_disabled", "TRADING_DISABLED"),
        ("is_disabled", "UNTRADABLE_PRODUCT"),
        ("cancel_only", "ORDER_ENTRY_DISABLED"),
        ("auction_mode", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"),
        ("view_only", "INELIGIBLE_PAIR"),
    ],
)
def test_a_closed_product_takes_no_order_and_lets_orders_go(
    desk: Desk, market: ScriptedMarket, flag: str, code: str
) -> None:
    resting = desk.broker.submit(make_order(name="before"))
    market.set_product(make_product(blocked_by=flag))

    for order in (make_order(), make_ioc(), make_protection("order-1", stop="98")):
        assert (desk.broker.preview(order) or "").removeprefix("PREVIEW_") == code.removeprefix("PREVIEW_")
        with pytest.raises(OrderRejected) as rejected:
            desk.broker.submit(order)
        assert rejected.value.reason == code
    desk.broker.cancel([resting])

    assert desk.report("before").status is OrderStatus.CANCELLED
    assert desk.balance("USD") == (Decimal(10_000), ZERO)


def test_a_post_only_market_takes_nothing_but_resting_orders(desk: Desk, market: ScriptedMarket) -> None:
    market.set_product(make_product(post_only=True))

    with pytest.raises(OrderRejected, match="NOT_ALLOWED_BY_MARKET_STATE"):
        desk.broker.submit(make_ioc())

    assert desk.broker.submit(make_order())


def test_without_a_book_only_what_waits_for_a_trade_is_taken(desk: Desk, market: ScriptedMarket) -> None:
    market.lose_book(BTC)

    for order in (make_order(), make_ioc()):
        with pytest.raises(OrderRejected, match="MISSING_PRODUCT_PRICE_BOOK"):
            desk.broker.submit(order)

    assert desk.broker.submit(make_protection(stop="98"))
