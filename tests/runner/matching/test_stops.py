"""STOP_LIMIT and BRACKET orders. BTC-USD is at 100, quoted 99.95 / 100.05, levels 0.05 apart, 10 BTC trade a second."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import OrderNotSent, OrderRejected
from core.model.orders import Liquidity, OrderStatus, Side
from runner.matching.order_record import CancelResult, new_record
from runner.matching.venue_order import Kind
from tests.builders import BTC, NOON, make_product
from tests.runner.matching.venue_desk import VenueDesk, make_bracket, make_stop, make_venue, make_venue_order


def go_to(desk: VenueDesk, price: float, *, seconds: float = 1.0) -> None:
    """Let the price jump now and wait until it has traded."""
    now = float(desk.market.last_trade(BTC) or 0)
    desk.market.move(BTC, (price / now - 1) * 100)
    desk.wait(seconds)


# --- STOP_LIMIT -------------------------------------------------------------------------------------------------------


def test_a_stop_sleeps_until_a_trade_touches_it() -> None:
    desk = make_venue(btc="1")
    record = desk.submit(make_stop(stop="98", price="95"))

    go_to(desk, 98.01)
    asleep = (desk.record().is_triggered, desk.record().filled_size)
    go_to(desk, 98.00)

    assert asleep == (False, Decimal(0))
    assert desk.record().is_triggered
    assert record.status is OrderStatus.FILLED


def test_a_triggered_stop_takes_the_book_and_pays_the_takers_fee() -> None:
    desk = make_venue(btc="3", level_size="2")
    desk.submit(make_stop(size="3", stop="98", price="95"))

    go_to(desk, 97)

    assert desk.engine.resting() == []
    assert desk.fills() == [(Decimal("96.95"), Decimal(2)), (Decimal("96.90"), Decimal(1))]
    assert {fill.liquidity for fill in desk.all_fills()} == {Liquidity.TAKER}
    assert desk.all_fills()[0].fee == Decimal("193.90") * Decimal("0.009")
    assert desk.all_fills()[0].at == NOON + timedelta(seconds=1)
    assert desk.balance("BTC") == (Decimal(0), Decimal(0))


def test_a_stop_that_triggered_before_a_bounce_sells_no_better_than_at_its_stop() -> None:
    desk = make_venue(btc="1")
    desk.submit(make_stop(stop="98", price="95"))
    desk.market.move(BTC, -3, at_minute=10 / 60)
    desk.market.move(BTC, 5, at_minute=20 / 60)
    desk.wait(30)

    assert desk.fills() == [(Decimal(98), Decimal(1))]


def test_what_a_stops_limit_does_not_allow_rests_and_sells_as_a_maker() -> None:
    desk = make_venue(btc="3", level_size="2")
    record = desk.submit(make_stop(size="3", stop="98", price="96.95"))
    go_to(desk, 97)
    desk.engine.resting()
    taken = (record.filled_size, record.status, record.rests_at, desk.balance("BTC"))

    go_to(desk, 96.95)
    desk.engine.resting()
    at_its_price = record.filled_size
    go_to(desk, 99)
    desk.engine.resting()

    assert taken == (Decimal(2), OrderStatus.OPEN, Decimal("96.95"), (Decimal(0), Decimal(1)))
    assert at_its_price == 2
    assert record.status is OrderStatus.FILLED
    last = desk.all_fills()[-1]
    assert (last.price, last.liquidity) == (Decimal("96.95"), Liquidity.MAKER)


def test_a_fall_through_the_limit_sells_nothing_until_the_price_is_back() -> None:
    desk = make_venue(btc="1")
    record = desk.submit(make_stop(stop="98", price="97"))
    go_to(desk, 90)

    assert desk.fills() == []
    assert (record.is_triggered, record.rests_at, record.status) == (True, Decimal(97), OrderStatus.OPEN)

    go_to(desk, 97.5)
    assert desk.fills() == [(Decimal(97), Decimal(1))]


def test_a_buy_stop_mirrors_it() -> None:
    desk = make_venue()
    record = desk.submit(make_venue_order(Kind.STOP_LIMIT, size="3", stop="102", price="105"))
    held = desk.balance("USD")[1]
    go_to(desk, 101.99)
    desk.engine.resting()
    asleep = record.is_triggered
    desk.market.move(BTC, 2, at_minute=10 / 60)
    desk.market.move(BTC, -4, at_minute=20 / 60)
    desk.wait(30)

    assert held == Decimal(315) * Decimal("1.009")  # it may have to take all of it at its limit
    assert not asleep
    assert desk.fills() == [(Decimal(102), Decimal(3))]
    assert desk.balance("USD") == (Decimal(10000) - Decimal(306) * Decimal("1.009"), Decimal(0))


def test_without_a_book_a_triggered_stop_waits_for_one_and_takes_then() -> None:
    desk = make_venue(btc="1")
    record = desk.submit(make_stop())
    desk.market.lose_book(BTC)
    go_to(desk, 97)
    desk.engine.resting()
    waiting = (record.is_triggered, record.rests_at, record.filled_size)
    desk.market.recover(BTC)

    assert waiting == (True, None, Decimal(0))
    assert desk.fills() == [(Decimal("96.95"), Decimal(1))]


def test_in_a_market_that_lets_nobody_take_a_triggered_stop_waits() -> None:
    desk = make_venue(btc="1")
    record = desk.submit(make_stop())
    desk.market.set_product(make_product(BTC, post_only=True))
    go_to(desk, 97)
    desk.engine.resting()
    waiting = (record.is_triggered, record.filled_size)
    desk.market.set_product(make_product(BTC))

    assert waiting == (True, Decimal(0))
    assert desk.record().status is OrderStatus.FILLED


def test_a_stop_that_was_not_reached_by_its_end_expires_and_frees_its_coins() -> None:
    desk = make_venue(btc="1")
    desk.submit(make_stop(end_seconds=60))
    desk.wait(60)

    assert desk.record().status is OrderStatus.EXPIRED
    assert desk.balance("BTC") == (Decimal(1), Decimal(0))


def test_a_stop_reached_before_its_end_but_seen_after_it_is_dead() -> None:
    desk = make_venue(btc="1")
    desk.submit(make_stop(end_seconds=60))
    desk.market.move(BTC, -3, at_minute=0.5)
    desk.wait(61)

    assert (desk.record().status, desk.record().filled_size) == (OrderStatus.EXPIRED, Decimal(0))


def test_a_tape_that_cannot_be_read_hides_no_trigger() -> None:
    desk = make_venue(btc="1")
    desk.submit(make_stop())
    desk.market.move(BTC, -3, at_minute=10 / 60)
    desk.market.move(BTC, 5, at_minute=20 / 60)
    desk.wait(30)
    desk.market.fail(1)
    blind = next(iter(desk.engine.resting())).is_triggered

    assert not blind
    assert desk.record().status is OrderStatus.FILLED


def test_a_stop_placed_after_a_low_does_not_see_it() -> None:
    desk = make_venue(btc="1")
    go_to(desk, 90)
    go_to(desk, 100)
    desk.submit(make_stop(stop="98", price="95"))
    desk.wait(300)

    assert not desk.record().is_triggered


# --- BRACKET ----------------------------------------------------------------------------------------------------------


def test_a_bracket_rests_at_its_target_and_gets_its_share_of_what_trades_above() -> None:
    desk = make_venue(btc="3")
    record = desk.submit(make_bracket(size="3", stop="98", price="104"))
    go_to(desk, 104, seconds=10)
    desk.engine.resting()
    at_its_price = record.filled_size
    go_to(desk, 104.01, seconds=2)
    desk.engine.resting()

    assert at_its_price == 0
    assert (record.filled_size, record.status) == (Decimal(2), OrderStatus.OPEN)
    assert desk.all_fills()[0].liquidity is Liquidity.MAKER
    assert desk.all_fills()[0].price == 104


def test_the_stop_of_a_bracket_sells_only_what_its_target_has_left() -> None:
    desk = make_venue(btc="5")
    record = desk.submit(make_bracket(size="3"))
    go_to(desk, 104.01, seconds=2)
    desk.engine.resting()
    go_to(desk, 97)

    assert desk.fills() == [(Decimal(104), Decimal(2)), (Decimal("96.95"), Decimal(1))]
    assert record.status is OrderStatus.FILLED
    assert desk.balance("BTC") == (Decimal(2), Decimal(0))


def test_a_bracket_whose_both_sides_were_reached_in_one_look_met_its_stop_first() -> None:
    desk = make_venue(btc="1")
    desk.submit(make_bracket(stop="98", price="104"))
    desk.market.move(BTC, 6, at_minute=10 / 60)
    desk.market.move(BTC, -9, at_minute=20 / 60)
    desk.wait(60)

    assert [price < 98 for price, _ in desk.fills()] == [True]


@pytest.mark.parametrize(("fall_to", "is_sold"), [(93.15, True), (93.14, False)])
def test_the_stop_of_a_bracket_sells_down_to_5_percent_below_its_trigger(fall_to: float, is_sold: bool) -> None:
    """The stop at 98 may sell at 93.10; at 93.15 the best bid is 93.10, at 93.14 it is 93.09."""
    desk = make_venue(btc="1")
    record = desk.submit(make_bracket(stop="98"))
    go_to(desk, fall_to)
    desk.engine.resting()

    assert record.limit_price == Decimal("93.10")
    assert (record.status is OrderStatus.FILLED) == is_sold
    if not is_sold:
        assert record.rests_at == Decimal("93.10")


def test_a_cancelled_bracket_does_nothing_any_more() -> None:
    desk = make_venue(btc="1")
    record = desk.submit(make_bracket())

    assert desk.engine.cancel(record.order_id) is CancelResult.DONE
    go_to(desk, 90)
    go_to(desk, 110)

    assert desk.fills() == []
    assert desk.balance("BTC") == (Decimal(1), Decimal(0))


def test_a_cancel_that_comes_after_the_trigger_finds_the_order_filled() -> None:
    desk = make_venue(btc="1")
    record = desk.submit(make_bracket())
    desk.market.move(BTC, -3)
    desk.wait(1)

    assert desk.engine.cancel(record.order_id) is CancelResult.ALREADY_FILLED


def test_two_guards_of_one_product_share_the_book() -> None:
    desk = make_venue(btc="10", level_size="0.5")
    desk.submit(make_stop(name="a", size="3", stop="98", price="96.80"))
    desk.submit(make_stop(name="b", size="3", stop="98", price="96.80"))
    go_to(desk, 97)

    assert sum(size for _, size in desk.fills()) == 2  # four levels of 0.5 at or above 96.80
    assert sum(record.remaining for record in desk.engine.resting()) == 4


# --- what is refused --------------------------------------------------------------------------------------------------


def test_without_a_last_trade_there_is_no_stop_and_with_a_dead_market_no_answer() -> None:
    desk = make_venue(btc="1")
    desk.market.fail(1)
    with pytest.raises(OrderNotSent):
        desk.submit(make_stop())

    assert desk.submit(make_stop()).status is OrderStatus.OPEN


def test_a_stop_needs_no_book_to_be_placed() -> None:
    desk = make_venue(btc="2")
    desk.market.lose_book(BTC)

    assert desk.submit(make_stop(name="stop")).status is OrderStatus.OPEN
    assert desk.submit(make_bracket(name="bracket")).status is OrderStatus.OPEN
    with pytest.raises(OrderRejected, match="MISSING_PRODUCT_PRICE_BOOK"):
        desk.submit(make_venue_order(name="limit", side=Side.SELL, price="101"))


def test_an_order_taken_in_later_is_read_from_where_it_was_though_the_others_are_up_to_date() -> None:
    desk = make_venue(btc="2")
    desk.submit(make_stop(name="known", stop="50", price="49"))
    placed = desk.clock.now()
    go_to(desk, 97)
    desk.engine.resting()

    assert desk.engine.restore(new_record(make_stop(name="late"), size=Decimal(1), at=placed))

    assert desk.record("late").status is OrderStatus.FILLED
