"""What LIMIT and MARKET orders do on arrival. BTC-USD is at 100, quoted 99.95 / 100.05, levels 0.05 apart."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import OrderRejected
from core.model.orders import Liquidity, OrderId, OrderStatus, Side
from runner.matching.order_record import CancelResult
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from tests.builders import BTC, NOON, make_product
from tests.runner.matching.venue_desk import make_bracket, make_venue, make_venue_order

MARKET, IOC, FOK, GTC, GTD = Kind.MARKET, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTC, TimeInForce.GTD


def market_order(
    *, side: Side = Side.BUY, size: str | None = None, money: str | None = None, name: str = "order-1"
) -> VenueOrder:
    return make_venue_order(MARKET, IOC, side=side, size=size, money=money, name=name)


# --- MARKET -----------------------------------------------------------------------------------------------------------


def test_a_market_buy_for_money_spends_no_more_than_it_fee_included() -> None:
    desk = make_venue(level_size="1")

    record = desk.submit(market_order(money="150"))

    # One BTC at 100.05 costs 100.95045 with 0.9 % fee; the rest buys at 100.10.
    (_, first), (price, _) = desk.fills()
    spent = Decimal(10000) - desk.balance("USD")[0]
    assert (first, price) == (Decimal(1), Decimal("100.10"))
    assert record.status is OrderStatus.FILLED
    assert record.filled_value + record.fees == spent <= 150
    assert 150 - spent < Decimal("0.000002")  # less than another increment would cost
    assert record.fees == sum(fill.fee for fill in desk.all_fills())
    assert desk.balance("USD")[1] == 0


def test_a_market_buy_for_more_money_than_the_book_shows_keeps_the_rest() -> None:
    desk = make_venue(level_size="0.1")

    record = desk.submit(market_order(money="1000"))

    assert record.status is OrderStatus.CANCELLED
    assert record.filled_size == 1 < record.size
    assert desk.balance("USD") == (Decimal(10000) - record.filled_value - record.fees, Decimal(0))


def test_a_market_buy_for_all_the_money_is_accepted_and_for_a_cent_more_is_not() -> None:
    desk = make_venue(usd="500")
    with pytest.raises(OrderRejected, match="INSUFFICIENT_FUND"):
        desk.submit(market_order(money="500.01"))

    assert desk.submit(market_order(money="500")).status is OrderStatus.FILLED
    assert desk.balance("USD")[0] < Decimal("0.00001")


def test_a_market_order_of_a_size_walks_the_whole_book_that_is_shown() -> None:
    desk = make_venue(btc="30", level_size="2")

    record = desk.submit(market_order(side=Side.SELL, size="30"))

    assert record.filled_size == 20
    assert record.status is OrderStatus.CANCELLED
    assert desk.fills()[-1] == (Decimal("99.50"), Decimal(2))
    assert desk.balance("BTC") == (Decimal(10), Decimal(0))


@pytest.mark.parametrize(("usd", "is_covered"), [("100.95045", True), ("100.95044999", False)])
def test_a_market_buy_of_a_size_needs_its_value_and_the_takers_fee(usd: str, is_covered: bool) -> None:
    desk = make_venue(usd=usd)

    if is_covered:
        assert desk.submit(market_order(size="1")).status is OrderStatus.FILLED
        assert desk.balance("USD") == (Decimal(0), Decimal(0))
    else:
        with pytest.raises(OrderRejected, match="INSUFFICIENT_FUND"):
            desk.submit(market_order(size="1"))


def test_a_market_order_against_an_empty_side_is_rejected() -> None:
    desk = make_venue(btc="1")
    desk.market.set_book(BTC, spread_bps=25_000)  # no bid is left above zero

    with pytest.raises(OrderRejected, match="INVALID_NO_LIQUIDITY"):
        desk.submit(market_order(side=Side.SELL, size="1"))


def test_money_that_buys_less_than_the_least_size_is_rejected() -> None:
    desk = make_venue()
    desk.market.set_product(replace(make_product(BTC), base_min_size=Decimal("0.02")))

    with pytest.raises(OrderRejected, match="BASE_SIZE_TOO_SMALL"):
        desk.submit(market_order(money="2.01"))  # 0.0199 BTC
    assert desk.submit(market_order(money="2.02")).status is OrderStatus.FILLED


# --- LIMIT, FILL_OR_KILL ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "filled"), [("4", "4"), ("4.00000001", "0")])
def test_a_fill_or_kill_is_filled_whole_or_cancelled_untouched(size: str, filled: str) -> None:
    desk = make_venue(level_size="2")

    record = desk.submit(make_venue_order(time_in_force=FOK, size=size, price="100.10"))

    is_filled = Decimal(filled) > 0
    assert record.filled_size == Decimal(filled)
    assert record.status is (OrderStatus.FILLED if is_filled else OrderStatus.CANCELLED)
    assert len(desk.fills()) == (2 if is_filled else 0)
    assert desk.balance("USD")[1] == 0


def test_a_killed_order_leaves_the_depth_to_the_next_one() -> None:
    desk = make_venue(level_size="2")
    desk.submit(make_venue_order(time_in_force=FOK, size="21", price="101"))

    assert desk.submit(market_order(size="20", name="next")).filled_size == 20


# --- LIMIT that takes first and rests then ----------------------------------------------------------------------------


def test_a_crossing_limit_order_takes_as_a_taker_and_rests_as_a_maker() -> None:
    desk = make_venue(level_size="2", minute_volume=600)

    record = desk.submit(make_venue_order(size="3", price="100.05"))
    held = desk.balance("USD")[1]
    desk.market.move(BTC, -1)
    desk.wait(5)

    taken, rested = desk.all_fills()
    assert held == Decimal("100.05") * Decimal("1.005")  # the rest holds the maker's fee, not the taker's
    assert (taken.liquidity, taken.size, taken.fee) == (
        Liquidity.TAKER,
        Decimal(2),
        Decimal("200.10") * Decimal("0.009"),
    )
    assert (rested.liquidity, rested.size, rested.fee) == (
        Liquidity.MAKER,
        Decimal(1),
        Decimal("100.05") * Decimal("0.005"),
    )
    assert record.status is OrderStatus.FILLED
    assert (record.fill_count, record.filled_value) == (2, Decimal("300.15"))
    assert desk.balance("USD") == (Decimal(10000) - record.filled_value - record.fees, Decimal(0))


def test_a_good_till_cancelled_order_rests_for_days_and_a_good_till_date_one_until_then() -> None:
    desk = make_venue()
    desk.submit(make_venue_order(name="gtc", price="90"))
    desk.submit(make_venue_order(name="gtd", time_in_force=GTD, price="90", end_seconds=60))
    desk.wait(3 * 3600)

    assert desk.record("gtc").status is OrderStatus.OPEN
    assert desk.record("gtd").status is OrderStatus.EXPIRED
    assert desk.record("gtd").closed_at == NOON + timedelta(seconds=60)
    assert [record.order.client_order_id for record in desk.engine.resting()] == ["gtc"]
    assert [record.order.client_order_id for record in desk.engine.records()] == ["gtc", "gtd"]


def test_a_post_only_order_that_would_cross_is_rejected_with_and_without_an_end() -> None:
    desk = make_venue()
    for number, end in enumerate((None, 60.0)):
        order = make_venue_order(
            name=f"o{number}",
            time_in_force=GTC if end is None else GTD,
            price="100.05",
            post_only=True,
            end_seconds=end,
        )
        with pytest.raises(OrderRejected, match="INVALID_LIMIT_PRICE_POST_ONLY"):
            desk.submit(order)


# --- cancels, holds and previews --------------------------------------------------------------------------------------


def test_a_cancel_says_what_became_of_it() -> None:
    desk = make_venue()
    resting = desk.submit(make_venue_order(name="rests", price="90"))
    filled = desk.submit(make_venue_order(name="fills", price="100.05"))

    results = [desk.engine.cancel(order_id) for order_id in (resting.order_id, resting.order_id, filled.order_id)]

    assert results == [CancelResult.DONE, CancelResult.ALREADY_OVER, CancelResult.ALREADY_FILLED]
    assert desk.engine.cancel(OrderId("nobody's")) is CancelResult.UNKNOWN_ORDER
    assert (resting.status, resting.cancel_requested, resting.closed_at) == (OrderStatus.CANCELLED, True, NOON)


def test_coins_that_a_guard_holds_cannot_be_sold_until_it_is_cancelled() -> None:
    desk = make_venue(btc="1")
    guard = desk.submit(make_bracket())
    sale = market_order(name="exit", side=Side.SELL, size="0.5")
    assert desk.balance("BTC") == (Decimal(0), Decimal(1))

    with pytest.raises(OrderRejected, match="INSUFFICIENT_FUND"):
        desk.submit(sale)
    desk.engine.cancel(guard.order_id)

    assert desk.balance("BTC") == (Decimal(1), Decimal(0))
    assert desk.submit(sale).status is OrderStatus.FILLED


def test_a_preview_says_what_an_order_would_meet_and_changes_nothing() -> None:
    desk = make_venue(usd="100")

    assert desk.engine.preview(make_venue_order(price="99.50", post_only=True)) is None
    assert desk.engine.preview(make_venue_order(price="100.05", post_only=True)) == "INVALID_LIMIT_PRICE_POST_ONLY"
    assert desk.engine.preview(make_venue_order(price="99.51", post_only=True)) == "INSUFFICIENT_FUND"
    assert desk.engine.preview(market_order(money="100.01")) == "INSUFFICIENT_FUND"
    assert list(desk.engine.records()) == []
    assert desk.balance("USD") == (Decimal(100), Decimal(0))


def test_orders_are_found_by_their_client_order_id_and_named_like_the_exchanges() -> None:
    desk = make_venue()
    record = desk.submit(make_venue_order(price="90"))

    assert desk.engine.by_client_id(record.order.client_order_id) is record
    assert [len(part) for part in record.order_id.split("-")] == [8, 4, 4, 4, 12]
    again = make_venue().submit(make_venue_order(price="91"))
    assert again.order_id == record.order_id  # the same client_order_id, whatever else
