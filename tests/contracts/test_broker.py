"""What becomes of orders, whichever Broker they are given to."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.errors import OrderRejected
from core.model.money import ZERO, plain
from core.model.orders import Liquidity, Order, OrderStatus, OrderType
from tests.builders import BTC, NOON, make_order
from tests.contracts.broker_desks import Desk, make_ioc, make_protection, state
from tests.fakes.scripted_market import ScriptedMarket

MAKER, TAKER = Liquidity.MAKER, Liquidity.TAKER


def fills_of(desk: Desk) -> list[tuple[str, str, Liquidity]]:
    """Return price, size and liquidity of all fills."""
    return [(plain(fill.price), plain(fill.size), fill.liquidity) for fill in desk.fills()]


# --- the kinds --------------------------------------------------------------------------------------------------------


def test_a_post_only_order_rests_and_fills_bit_by_bit_at_its_own_price(desk: Desk, market: ScriptedMarket) -> None:
    desk.broker.submit(make_order(size="10", price="99.50"))
    resting = desk.report()
    market.move(BTC, -1)
    desk.wait(4)
    partly = desk.report()
    desk.wait(6)

    assert state(resting) == (OrderStatus.OPEN, "0")
    assert state(partly) == (OrderStatus.OPEN, "4")
    assert state(desk.report()) == (OrderStatus.FILLED, "10")
    assert fills_of(desk) == [("99.5", "4", MAKER), ("99.5", "6", MAKER)]


def test_a_post_only_order_dies_at_its_end_and_not_a_second_before(desk: Desk, market: ScriptedMarket) -> None:
    desk.broker.submit(make_order(size="10", price="99.50", end_seconds=30))
    market.move(BTC, -1, at_minute=25 / 60)

    desk.wait(29)
    before = desk.report()
    desk.wait(1)
    after = desk.report()

    assert state(before) == (OrderStatus.OPEN, "5")
    assert state(after) == (OrderStatus.EXPIRED, "6")
    assert desk.balance("USD") == (Decimal(10_000) - 6 * Decimal("99.50") * Decimal("1.005"), ZERO)


def test_an_ioc_takes_level_by_level_up_to_its_limit_and_leaves_nothing(desk: Desk, market: ScriptedMarket) -> None:
    market.set_book(BTC, level_size="1")

    desk.broker.submit(make_ioc(size="3", price="100.10"))

    assert fills_of(desk) == [("100.05", "1", TAKER), ("100.1", "1", TAKER)]
    assert state(desk.report()) == (OrderStatus.CANCELLED, "2")
    assert desk.balance("USD")[1] == 0


@pytest.mark.parametrize(
    ("price", "status", "filled"),
    [("100.04", OrderStatus.CANCELLED, "0"), ("100.05", OrderStatus.FILLED, "1")],
    ids=["a cent below the ask", "at the ask"],
)
def test_an_ioc_is_over_at_once(desk: Desk, price: str, status: OrderStatus, filled: str) -> None:
    desk.broker.submit(make_ioc(price=price))

    assert (desk.report().status, desk.report().filled_size) == (status, Decimal(filled))
    assert not desk.broker.open_orders()


def test_a_stop_limit_sleeps_until_a_trade_reaches_its_stop(desk: Desk, market: ScriptedMarket) -> None:
    desk.broker.submit(make_protection(order_type=OrderType.STOP_LIMIT, price="95", stop="98"))
    market.move(BTC, -1.99)
    desk.wait(60)
    asleep = desk.report("guard-1")
    market.move(BTC, -1)
    desk.wait(1)

    assert state(asleep) == (OrderStatus.OPEN, "0")
    assert desk.report("guard-1").status is OrderStatus.FILLED
    [(price, size, liquidity)] = fills_of(desk)
    assert (Decimal("95") <= Decimal(price) < 98, size, liquidity) == (True, "1", TAKER)


def test_a_stop_limit_that_the_market_jumped_over_rests_at_its_limit(desk: Desk, market: ScriptedMarket) -> None:
    desk.broker.submit(make_protection(order_type=OrderType.STOP_LIMIT, price="95", stop="98"))
    market.move(BTC, -10)
    desk.wait(5)
    over = desk.report("guard-1")
    market.move(BTC, 6)
    desk.wait(5)

    assert state(over) == (OrderStatus.OPEN, "0")
    assert fills_of(desk) == [("95", "1", MAKER)]


def test_a_bracket_sells_at_its_target_as_a_maker(desk: Desk, market: ScriptedMarket) -> None:
    desk.broker.submit(make_protection(size="5", price="104", stop="98"))
    market.move(BTC, 5)
    desk.wait(5)

    assert fills_of(desk) == [("104", "5", MAKER)]
    assert desk.report("guard-1").status is OrderStatus.FILLED


def test_a_bracket_sells_below_its_stop_as_a_taker(desk: Desk, market: ScriptedMarket) -> None:
    desk.broker.submit(make_protection(size="5", price="104", stop="98"))
    market.move(BTC, -3)
    desk.wait(1)

    [(price, size, liquidity)] = fills_of(desk)
    assert (Decimal("93.1") <= Decimal(price) <= 98, size, liquidity) == (True, "5", TAKER)


def test_a_bracket_that_meets_target_and_stop_sells_its_size_once(desk: Desk, market: ScriptedMarket) -> None:
    market.set_book(BTC, level_size="1")
    desk.broker.submit(make_protection(size="4", price="104", stop="98"))
    market.move(BTC, 5)
    desk.wait(2)
    at_target = desk.report("guard-1").filled_size
    market.move(BTC, -7)
    for _ in range(5):
        desk.wait(60)
    market.move(BTC, 20)
    desk.wait(60)

    fills = desk.fills()
    assert at_target == 2
    assert sum(fill.size for fill in fills) == desk.report("guard-1").filled_size == 4
    assert [fill.price for fill in fills if fill.liquidity is MAKER] == [Decimal(104)]
    assert all(fill.price <= 98 for fill in fills if fill.liquidity is TAKER)
    assert desk.balance("BTC") == (Decimal(1), ZERO)


def test_a_report_says_what_was_sent(desk: Desk) -> None:
    orders = [
        make_order(name="rests", size="1.25", price="99.5"),
        make_ioc("takes", size="0.5"),
        make_protection("stop", order_type=OrderType.STOP_LIMIT, size="1", price="95", stop="98"),
        make_protection("bracket", size="2", price="104", stop="97.5"),
    ]
    for order in orders:
        order_id = desk.broker.submit(order)
        report = desk.report(order.client_order_id)

        assert report.order_id == order_id
        assert (report.product_id, report.side, report.order_type) == (BTC, order.side, order.order_type)
        assert (report.size, report.limit_price) == (order.size, order.limit_price)
        assert report.stop_price == order.stop_price
        assert report.created_at == NOON


# --- sent twice, asked before -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(make_order(size="1", price="99"), id="resting"),
        pytest.param(make_ioc(), id="crossing"),
        pytest.param(make_protection("order-1", stop="98"), id="bracket"),
        pytest.param(make_protection("order-1", order_type=OrderType.STOP_LIMIT, price="95", stop="98"), id="stop"),
    ],
)
def test_the_same_client_order_id_opens_one_order(desk: Desk, order: Order) -> None:
    first = desk.broker.submit(order)
    after_first = (desk.balances(), desk.broker.open_orders(), desk.fills())
    desk.wait(1)

    again = [desk.broker.submit(order), desk.broker.submit(replace(order, size=Decimal(2)))]

    assert again == [first, first]
    assert (desk.balances(), desk.broker.open_orders(), desk.fills()) == after_first
    assert desk.report().size == 1


def test_an_id_that_was_rejected_is_not_used_up(desk: Desk) -> None:
    with pytest.raises(OrderRejected):
        desk.broker.submit(make_order(price="100.05"))

    desk.broker.submit(make_order(price="100.04"))

    assert desk.report().status is OrderStatus.OPEN
