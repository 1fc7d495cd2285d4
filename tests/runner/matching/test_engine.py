"""The paper exchange at each of its limits. BTC-USD is at 100, quoted 99.95 / 100.05 (see paper_desk)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import OrderNotSent, OrderRejected
from core.model.market import ProductId
from core.model.orders import ClientOrderId, Liquidity, Order, OrderId, OrderStatus, OrderType, Side
from runner.matching.order_record import fill_id_of, order_id_of
from tests.builders import BTC, NOON, make_key, make_order, make_product
from tests.runner.matching.paper_desk import make_desk

IOC = OrderType.IOC


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "code"),
    [
        pytest.param(make_order(size="0.000000015"), "INVALID_SIZE_PRECISION", id="half an increment of size"),
        pytest.param(make_order(price="99.955"), "INVALID_PRICE_PRECISION", id="half an increment of price"),
        pytest.param(make_order(size="0"), "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", id="no size"),
        pytest.param(make_order(size="-1"), "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", id="negative size"),
        pytest.param(make_order(size="NaN"), "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", id="size is no number"),
        pytest.param(make_order(size="10000.00000001"), "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", id="above the most"),
        pytest.param(make_order(size="0.0099", price="99"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", id="below 1 USD"),
        pytest.param(make_order(size="9999", price="9999"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE", id="too much USD"),
        pytest.param(make_order(price="0"), "INVALID_LIMIT_PRICE", id="no price"),
        pytest.param(make_order(price="Infinity"), "INVALID_LIMIT_PRICE", id="endless price"),
        pytest.param(make_order(price="100.05"), "INVALID_LIMIT_PRICE_POST_ONLY", id="a buy at the ask"),
        pytest.param(
            make_order(side=Side.SELL, price="99.95"), "INVALID_LIMIT_PRICE_POST_ONLY", id="a sell at the bid"
        ),
        pytest.param(
            make_order(size="99.01", price="100.50", order_type=IOC), "INSUFFICIENT_FUND", id="fee not covered"
        ),
        pytest.param(make_order(side=Side.SELL, size="1.1", price="101"), "INSUFFICIENT_FUND", id="more than we have"),
        pytest.param(make_order(end_seconds=0), "END_TIME_IS_IN_THE_PAST", id="ends now"),
        pytest.param(replace(make_order(), end_time=None), "GTD_ORDERS_MUST_HAVE_END_TIME", id="no end"),
        pytest.param(make_order(ProductId("NOSUCH", "USD")), "INVALID_PRODUCT_ID", id="unknown product"),
    ],
)
def test_an_order_is_rejected_and_leaves_no_trace(order: Order, code: str) -> None:
    desk = make_desk(btc="1")

    with pytest.raises(OrderRejected) as caught:
        desk.broker.submit(order)

    assert caught.value.reason == code
    assert desk.broker.find(make_key(order.client_order_id)) is None
    assert list(desk.broker.open_orders()) == []
    assert desk.balance("USD") == (Decimal(10000), Decimal(0))
    assert desk.balance("BTC") == (Decimal(1), Decimal(0))


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(make_order(size="0.00000001", price="1", order_type=IOC), id="least size, least value"),
        pytest.param(make_order(price="100.04"), id="a buy one increment below the ask"),
        pytest.param(make_order(side=Side.SELL, size="1", price="99.96"), id="a sell one increment above the bid"),
        pytest.param(make_order(end_seconds=0.001), id="ends in a millisecond"),
        pytest.param(make_order(size="98.61", price="100.50", order_type=IOC), id="the last USD"),
    ],
)
def test_an_order_one_step_inside_the_limit_is_accepted(order: Order) -> None:
    desk = make_desk(btc="1")
    desk.market.set_product(replace(make_product(BTC), quote_min_size=Decimal("0.00000001")))

    assert desk.broker.submit(order) == order_id_of(order.client_order_id)


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
def test_a_closed_market_takes_no_order(flag: str, code: str) -> None:
    desk = make_desk()
    desk.market.set_product(make_product(BTC, blocked_by=flag))

    with pytest.raises(OrderRejected) as caught:
        desk.broker.submit(make_order(price="99"))

    assert caught.value.reason == code


def test_a_post_only_market_takes_resting_orders_and_no_crossing_ones() -> None:
    desk = make_desk()
    desk.market.set_product(make_product(BTC, post_only=True))

    desk.broker.submit(make_order(price="99"))
    with pytest.raises(OrderRejected, match="NOT_ALLOWED_BY_MARKET_STATE"):
        desk.broker.submit(make_order(name="order-2", price="101", order_type=IOC))


def test_a_market_that_does_not_answer_gets_no_order() -> None:
    desk = make_desk()
    desk.market.fail(1)

    with pytest.raises(OrderNotSent):
        desk.broker.submit(make_order(price="99"))

    assert desk.broker.find(make_key(ClientOrderId("order-1"))) is None


def test_a_missing_book_or_one_older_than_ten_seconds_is_no_liquidity() -> None:
    desk = make_desk()
    desk.market.go_stale(BTC)
    desk.wait(10)
    desk.broker.submit(make_order(price="100.50", order_type=IOC))
    desk.wait(0.001)

    for number in (2, 3):
        with pytest.raises(OrderRejected, match="MISSING_PRODUCT_PRICE_BOOK"):
            desk.broker.submit(make_order(name=f"order-{number}", price="100.50", order_type=IOC))
        desk.market.recover(BTC)
        desk.market.lose_book(BTC)


# --- crossing orders --------------------------------------------------------------------------------------------------


def test_an_ioc_walks_the_book_up_to_its_limit_and_the_rest_is_cancelled() -> None:
    desk = make_desk(level_size="2")

    desk.broker.submit(make_order(size="7", price="100.15", order_type=IOC))

    assert [(fill.price, fill.size) for fill in desk.fills()] == [
        (Decimal("100.05"), Decimal(2)),
        (Decimal("100.10"), Decimal(2)),
        (Decimal("100.15"), Decimal(2)),
    ]
    assert (desk.report().status, desk.report().filled_size) == (OrderStatus.CANCELLED, Decimal(6))
    spent = sum(fill.price * fill.size + fill.fee for fill in desk.fills())
    assert desk.balance("USD") == (Decimal(10000) - spent, Decimal(0))
    assert desk.balance("BTC") == (Decimal(6), Decimal(0))


def test_an_ioc_that_the_book_covers_is_filled_at_the_books_price_not_at_its_limit() -> None:
    desk = make_desk(btc="5")

    desk.broker.submit(make_order(side=Side.SELL, size="5", price="99.00", order_type=IOC))

    fill = desk.fills()[0]
    assert desk.report().status is OrderStatus.FILLED
    assert (fill.price, fill.liquidity, fill.at) == (Decimal("99.95"), Liquidity.TAKER, NOON)
    assert fill.fee == Decimal("499.75") * Decimal("0.009")
    assert desk.balance("USD") == (Decimal(10000) + Decimal("499.75") - fill.fee, Decimal(0))


def test_an_ioc_that_does_not_reach_the_book_is_cancelled_empty() -> None:
    desk = make_desk()

    desk.broker.submit(make_order(price="100.04", order_type=IOC))

    assert (desk.report().status, desk.report().filled_size) == (OrderStatus.CANCELLED, Decimal(0))
    assert desk.balance("USD") == (Decimal(10000), Decimal(0))


def test_depth_that_was_taken_is_gone_for_the_rest_of_the_minute_and_back_in_the_next() -> None:
    desk = make_desk(level_size="2")

    desk.broker.submit(make_order(name="a", size="3", price="100.10", order_type=IOC))
    desk.wait(59)
    desk.broker.submit(make_order(name="b", size="3", price="100.10", order_type=IOC))
    desk.broker.submit(make_order(name="c", size="3", price="100.10", order_type=IOC))
    desk.wait(1)
    desk.broker.submit(make_order(name="d", size="3", price="100.10", order_type=IOC))

    assert [desk.report(name).filled_size for name in "abcd"] == [3, 1, 0, 3]


def test_what_we_bought_does_not_shorten_the_other_side_of_the_book() -> None:
    desk = make_desk(btc="5", level_size="2")

    desk.broker.submit(make_order(name="a", size="2", price="100.05", order_type=IOC))
    desk.broker.submit(make_order(name="b", side=Side.SELL, size="2", price="99.95", order_type=IOC))

    assert desk.report("b").status is OrderStatus.FILLED


# --- resting orders ---------------------------------------------------------------------------------------------------


def test_a_resting_buy_is_not_filled_by_trades_at_its_price() -> None:
    desk = make_desk()
    desk.broker.submit(make_order(price="99.00"))

    desk.market.move(BTC, -1)
    desk.wait(20)

    assert desk.report().filled_size == 0


def test_a_resting_buy_gets_its_share_of_what_trades_below_its_price_at_its_price() -> None:
    """One cent through: 10 BTC trade in each of the 4 seconds from the 5th to the 8th, a tenth is ours."""
    desk = make_desk()
    desk.broker.submit(make_order(size="5", price="99.01"))
    desk.wait(5)
    desk.market.move(BTC, -1)
    desk.wait(3)

    fill = desk.fills()[0]

    assert (fill.price, fill.size, fill.liquidity) == (Decimal("99.01"), Decimal(4), Liquidity.MAKER)
    assert fill.fee == Decimal("99.01") * 4 * Decimal("0.005")
    assert (desk.report().status, desk.report().filled_size) == (OrderStatus.OPEN, Decimal(4))
    assert desk.balance("USD")[1] == Decimal("99.01") * Decimal("1.005")


def test_a_resting_sell_mirrors_it() -> None:
    desk = make_desk(btc="5")
    desk.broker.submit(make_order(side=Side.SELL, size="5", price="101"))
    desk.wait(5)
    desk.market.move(BTC, 1)
    desk.wait(5)
    at_the_price = desk.report().filled_size
    desk.market.move(BTC, 0.1)
    desk.wait(2)

    assert at_the_price == 0
    assert desk.report().filled_size == 2
    assert desk.balance("BTC") == (Decimal(0), Decimal(3))


def test_a_fall_far_through_still_fills_at_the_orders_price() -> None:
    desk = make_desk()
    desk.broker.submit(make_order(size="1", price="99"))
    desk.wait(1)
    desk.market.move(BTC, -50)
    desk.wait(5)

    assert [fill.price for fill in desk.fills()] == [Decimal(99)]
    assert desk.report().status is OrderStatus.FILLED


def test_asking_often_gives_no_more_than_asking_once() -> None:
    sizes: list[Decimal] = []
    for step in (1, 2, 24):
        desk = make_desk(minute_volume=13.0)
        desk.broker.submit(make_order(size="5", price="99.50"))
        desk.market.move(BTC, -1)
        for _ in range(24 // step):
            desk.wait(step)
            desk.broker.open_orders()
        sizes.append(desk.report().filled_size)

    assert max(sizes) == Decimal("0.52")
    assert min(sizes) >= Decimal("0.5199999")


def test_two_of_our_orders_share_one_flow_best_price_first() -> None:
    desk = make_desk()
    desk.broker.submit(make_order(name="low", size="3", price="99.50"))
    desk.broker.submit(make_order(name="high", size="3", price="99.60"))
    desk.market.move(BTC, -1)
    desk.wait(4)
    after_four_seconds = (desk.report("high").filled_size, desk.report("low").filled_size)
    desk.wait(4)

    assert after_four_seconds == (Decimal(3), Decimal(1))
    assert desk.report("low").status is OrderStatus.FILLED


def test_an_order_at_its_end_is_dead_even_if_the_market_reaches_it_then() -> None:
    desk = make_desk()
    desk.broker.submit(make_order(size="1", price="99", end_seconds=20))
    desk.wait(19.999)
    alive = desk.report().status
    desk.market.move(BTC, -5, at_minute=20.001 / 60)
    desk.wait(0.001)

    assert alive is OrderStatus.OPEN
    assert desk.report().status is OrderStatus.EXPIRED
    assert desk.balance("USD") == (Decimal(10000), Decimal(0))


def test_a_look_long_after_the_end_finds_what_had_happened_before_it() -> None:
    desk = make_desk()
    desk.broker.submit(make_order(size="100", price="99.50", end_seconds=20))
    desk.market.move(BTC, -1, at_minute=10 / 60)
    desk.wait(3600)

    fill = desk.fills()[0]
    assert (desk.report().status, fill.size) == (OrderStatus.EXPIRED, Decimal(11))
    assert fill.at == NOON + timedelta(seconds=20)


def test_a_cancel_frees_the_money_and_later_trades_change_nothing() -> None:
    desk = make_desk()
    order_id = desk.broker.submit(make_order(size="100", price="99.50"))
    desk.market.move(BTC, -1)
    desk.wait(5)

    desk.broker.cancel([order_id, order_id, OrderId("foreign")])
    filled = desk.report().filled_size
    desk.wait(15)

    assert (desk.report().status, desk.report().filled_size) == (OrderStatus.CANCELLED, filled)
    assert 0 < filled < 100
    assert desk.balance("USD")[1] == 0


def test_a_tape_that_cannot_be_read_is_read_later_and_nothing_is_lost() -> None:
    desk = make_desk()
    desk.broker.submit(make_order(size="5", price="99.50"))
    desk.market.move(BTC, -1)
    desk.wait(4)
    desk.market.fail(1)
    blind = desk.report().filled_size

    assert blind == 0
    assert desk.report().filled_size == 4


# --- identity, money and records --------------------------------------------------------------------------------------


def test_the_same_client_order_id_returns_the_first_order_and_creates_nothing() -> None:
    desk = make_desk()
    first = desk.broker.submit(make_order(size="1", price="99"))

    second = desk.broker.submit(make_order(size="7", price="98"))

    assert first == second
    assert [report.size for report in desk.broker.open_orders()] == [1]
    assert desk.balance("USD")[1] == Decimal("99.495")


def test_a_known_id_is_answered_also_when_the_market_is_away() -> None:
    desk = make_desk()
    first = desk.broker.submit(make_order(price="100.50", order_type=IOC))
    desk.market.fail(5)

    assert desk.broker.submit(make_order(price="100.50", order_type=IOC)) == first


def test_a_fee_is_rounded_up_to_its_grain_with_every_fill() -> None:
    desk = make_desk()

    desk.broker.submit(make_order(size="0.01000001", price="100.05", order_type=IOC))

    # 0.01000001 x 100.05 x 0.009 = 0.0090045090045
    assert desk.fills()[0].fee == Decimal("0.00900451")


def test_a_buy_for_all_the_money_never_overdraws_however_many_fills_it_takes() -> None:
    # 1.00000001 x 99.50, and the fee on it rounded up once. Each of the many fills rounds its own fee up.
    desk = make_desk(usd="99.997501005")
    desk.broker.submit(make_order(size="1.00000001", price="99.50", end_seconds=300))
    desk.market.move(BTC, -1)
    desk.market.set_volume(BTC, 0.00777)
    for _ in range(200):
        desk.wait(1)
        available, hold = desk.balance("USD")
        assert available >= 0
        assert hold >= 0

    assert len(desk.fills()) >= 3
    assert desk.report().status is OrderStatus.OPEN
    desk.market.set_volume(BTC, 600)
    desk.wait(10)
    assert desk.report().status is OrderStatus.FILLED
    assert desk.balance("USD") == (Decimal(0), Decimal(0))


def test_fills_are_listed_from_a_moment_on_oldest_first() -> None:
    desk = make_desk()
    desk.broker.submit(make_order(name="rest", size="100", price="99.50", end_seconds=600))
    desk.wait(1)
    desk.market.move(BTC, -1)
    for _ in range(3):
        desk.wait(1)
        desk.broker.open_orders()
    times = [fill.at for fill in desk.fills()]

    assert times == sorted(times)
    assert len(times) == 3
    assert [fill.at for fill in desk.broker.fills(times[1])] == times[1:]
    assert list(desk.broker.fills(times[2] + timedelta(microseconds=1))) == []
    assert [fill.fill_id for fill in desk.fills()] == [
        fill_id_of(order_id_of(ClientOrderId("rest")), number) for number in (1, 2, 3)
    ]


def test_reports_tell_what_was_sent() -> None:
    desk = make_desk()
    order = make_order(size="1.5", price="99.10")
    desk.broker.submit(order)

    report = desk.report()

    assert (report.client_order_id, report.product_id, report.side) == ("order-1", BTC, Side.BUY)
    assert (report.size, report.limit_price, report.created_at) == (order.size, order.limit_price, NOON)
    assert desk.broker.find(make_key(ClientOrderId("never sent"))) is None
