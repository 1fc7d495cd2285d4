"""What can be asked of a Broker and what can be taken back, whichever it is: look-ups, cancels, fills, balances."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import OrderRejected
from core.model.money import COST_STEP, ZERO, round_up
from core.model.orders import ClientOrderId, Liquidity, OrderId, OrderKey, OrderStatus, OrderType, Side
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from tests.builders import BTC, ETH, NOON, make_order
from tests.contracts.broker_desks import FEES, Desk, make_foreign, make_ioc, make_protection, state
from tests.fakes.scripted_market import ScriptedMarket

STRANGE_ID = OrderId("0f1e2d3c-1111-4aaa-8bbb-000000000009")


# --- cancels ----------------------------------------------------------------------------------------------------------


def test_a_cancel_ends_an_order_keeps_its_fills_and_frees_its_money(desk: Desk, market: ScriptedMarket) -> None:
    order_id = desk.broker.submit(make_order(size="10", price="99.50"))
    market.move(BTC, -1)
    desk.wait(4)

    desk.broker.cancel([order_id])

    assert state(desk.report()) == (OrderStatus.CANCELLED, "4")
    assert desk.balance("USD") == (Decimal(10_000) - 4 * Decimal("99.50") * Decimal("1.005"), ZERO)
    desk.wait(10)
    assert desk.report().filled_size == 4


def test_a_cancel_that_comes_too_late_is_no_error_and_changes_nothing(desk: Desk, market: ScriptedMarket) -> None:
    """The race: the order fills between the decision to cancel it and the cancel."""
    order_id = desk.broker.submit(make_order(size="3", price="99.50"))
    market.move(BTC, -1)
    desk.wait(3)

    desk.broker.cancel([order_id])

    assert state(desk.report()) == (OrderStatus.FILLED, "3")
    assert desk.balance("BTC") == (Decimal(8), ZERO)


def test_cancelling_again_or_what_never_was_is_no_error(desk: Desk) -> None:
    order_id = desk.broker.submit(make_order())
    kept = desk.broker.submit(make_order(name="kept"))

    desk.broker.cancel([STRANGE_ID, order_id, order_id])
    desk.broker.cancel([order_id])
    desk.broker.cancel([])

    assert desk.report().status is OrderStatus.CANCELLED
    assert [report.order_id for report in desk.broker.open_orders()] == [kept]


def test_a_cancelled_guard_sells_nothing_and_frees_its_coins(desk: Desk, market: ScriptedMarket) -> None:
    guard = desk.broker.submit(make_protection(size="5", stop="98"))
    with pytest.raises(OrderRejected, match="INSUFFICIENT_FUND"):
        desk.broker.submit(make_ioc("exit", side=Side.SELL, size="0.02", price="90"))
    held = desk.balance("BTC")

    desk.broker.cancel([guard])
    market.move(BTC, -10)
    desk.wait(60)

    assert held == (ZERO, Decimal(5))
    assert desk.balance("BTC") == (Decimal(5), ZERO)
    assert desk.fills() == []
    assert desk.broker.submit(make_ioc("exit-2", side=Side.SELL, size="5", price="80"))


def test_more_orders_than_one_page_can_be_seen_and_cancelled_at_once(desk: Desk) -> None:
    """Coinbase lists and cancels a hundred at a time."""
    ids = [desk.broker.submit(make_order(name=f"o{number}", size="0.1", price="99")) for number in range(101)]

    seen = [report.order_id for report in desk.broker.open_orders()]
    desk.broker.cancel(ids)

    assert sorted(seen) == sorted(ids)
    assert not desk.broker.open_orders()
    assert desk.balance("USD") == (Decimal(10_000), ZERO)
    assert desk.report("o0").status is desk.report("o100").status is OrderStatus.CANCELLED


# --- look-ups ---------------------------------------------------------------------------------------------------------


def end_by_fill(desk: Desk, market: ScriptedMarket, _order_id: OrderId) -> None:
    market.move(BTC, -1)
    desk.wait(10)


def end_by_cancel(desk: Desk, _market: ScriptedMarket, order_id: OrderId) -> None:
    desk.broker.cancel([order_id])


def end_by_time(desk: Desk, _market: ScriptedMarket, _order_id: OrderId) -> None:
    desk.wait(30)


def stay(_desk: Desk, _market: ScriptedMarket, _order_id: OrderId) -> None:
    pass


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (stay, OrderStatus.OPEN),
        (end_by_fill, OrderStatus.FILLED),
        (end_by_cancel, OrderStatus.CANCELLED),
        (end_by_time, OrderStatus.EXPIRED),
    ],
)
def test_an_order_is_found_whatever_became_of_it(
    desk: Desk, market: ScriptedMarket, end: Callable[[Desk, ScriptedMarket, OrderId], None], status: OrderStatus
) -> None:
    """With the exchange's id, and, when that was lost with the answer, without it; also hours later."""
    order_id = desk.broker.submit(make_order(size="2", price="99.5"))
    for number in range(3):
        desk.broker.submit(make_order(name=f"other-{number}", price="90", end_seconds=60))
    end(desk, market, order_id)

    with_id, without_id = desk.find("order-1", order_id=order_id), desk.find("order-1")
    desk.wait(7200)

    assert with_id is not None
    assert (with_id.status, with_id.order_id) == (status, order_id)
    assert without_id == with_id
    assert (desk.find("order-1") == with_id) is status.is_final


def test_what_was_never_sent_is_not_found(desk: Desk) -> None:
    desk.broker.submit(make_order(name="other"))

    assert desk.find("order-1") is None
    assert desk.find("order-1", order_id=STRANGE_ID) is None


def test_an_order_is_looked_for_among_those_of_its_product(desk: Desk) -> None:
    order_id = desk.broker.submit(make_order(ETH, price="99"))
    key = OrderKey(client_order_id=ClientOrderId("order-1"), order_id=None, product_id=ETH, since=NOON)

    found = desk.broker.find(key)

    assert found is not None
    assert (found.order_id, found.product_id) == (order_id, ETH)


def test_open_orders_are_ours_and_the_owners_but_none_that_is_over(desk: Desk) -> None:
    ours = desk.broker.submit(make_order(name="ours"))
    guard = desk.broker.submit(make_protection(size="2", stop="98"))
    desk.broker.submit(make_ioc("over"))
    theirs = desk.owner.place(make_foreign(size="2"))
    desk.owner.place(make_foreign("owner-over", kind=Kind.MARKET, time_in_force=TimeInForce.IOC, price=None))

    found = {report.order_id: report for report in desk.broker.open_orders()}

    assert set(found) == {ours, guard, theirs}
    assert found[ours].client_order_id == "ours"
    assert (found[theirs].size, found[theirs].limit_price, found[theirs].order_type) == (Decimal(2), Decimal(99), None)


FOREIGN = [
    pytest.param(make_foreign(), None, id="limit"),
    pytest.param(replace(make_foreign(), post_only=True), None, id="post-only without an end"),
    pytest.param(make_foreign(time_in_force=TimeInForce.GTD), None, id="with an end, may take"),
    pytest.param(
        replace(make_foreign(time_in_force=TimeInForce.GTD), post_only=True), OrderType.POST_ONLY, id="as ours"
    ),
    pytest.param(make_foreign(kind=Kind.STOP_LIMIT, stop="101", price="102"), None, id="a stop that buys"),
    pytest.param(
        make_foreign(kind=Kind.STOP_LIMIT, side=Side.SELL, stop="98", price="95", time_in_force=TimeInForce.GTD),
        None,
        id="a stop with an end",
    ),
    pytest.param(
        make_foreign(kind=Kind.STOP_LIMIT, side=Side.SELL, stop="98", price="95"), OrderType.STOP_LIMIT, id="a guard"
    ),
    pytest.param(
        make_foreign(kind=Kind.BRACKET, side=Side.SELL, stop="98", price="104"), OrderType.BRACKET, id="a bracket"
    ),
]


@pytest.mark.parametrize(("order", "order_type"), FOREIGN)
def test_a_foreign_order_is_named_only_by_a_kind_that_we_send(
    desk: Desk, order: VenueOrder, order_type: OrderType | None
) -> None:
    """`order_type` and `stop_price` say what we could have sent; anything else is just somebody's order."""
    desk.owner.place(order)

    [report] = desk.broker.open_orders()

    assert (report.order_type, report.stop_price) == (order_type, order.stop_price if order_type else None)
    assert (report.side, report.size, report.limit_price) == (order.side, order.base_size, order.limit_price)


# --- fills ------------------------------------------------------------------------------------------------------------


def test_a_fill_names_its_order_and_its_fee_is_rounded_up(desk: Desk) -> None:
    order_id = desk.broker.submit(make_ioc(size="0.12345678", price="100.05"))

    [fill] = desk.fills()

    fee = round_up(Decimal("0.12345678") * Decimal("100.05") * FEES.taker_fraction, COST_STEP)
    assert (fill.order_id, fill.product_id, fill.side) == (order_id, BTC, Side.BUY)
    assert (fill.price, fill.size, fill.fee) == (Decimal("100.05"), Decimal("0.12345678"), fee)
    assert (fill.liquidity, fill.at) == (Liquidity.TAKER, NOON)
    assert desk.balance("USD")[0] == Decimal(10_000) - Decimal("0.12345678") * Decimal("100.05") - fee


def test_fills_since_a_moment_include_that_moment(desk: Desk) -> None:
    for number in range(3):
        desk.broker.submit(make_ioc(f"o{number}", size=str(number + 1)))
        desk.wait(10)

    seen = {
        seconds: [fill.size for fill in desk.fills(NOON + timedelta(seconds=seconds))]
        for seconds in (-60, 0, 10, 10.000001, 20, 20.000001)
    }

    assert seen == {-60: [1, 2, 3], 0: [1, 2, 3], 10: [2, 3], 10.000001: [3], 20: [3], 20.000001: []}


def test_every_fill_of_more_than_one_page_comes_once_and_oldest_first(desk: Desk, market: ScriptedMarket) -> None:
    """Coinbase lists a hundred at a time. An order that takes ten levels has ten fills of the same moment."""
    market.set_book(BTC, level_size="0.1")
    for number in range(11):
        desk.broker.submit(make_ioc(f"o{number}"))
        desk.wait(60)

    found = desk.broker.fills(NOON)

    assert len({fill.fill_id for fill in found}) == len(found) == 110
    assert [fill.at for fill in found] == sorted(fill.at for fill in found)
    assert desk.balance("BTC") == (Decimal(5) + sum(fill.size for fill in found), ZERO)
    assert {fill.fill_id for fill in desk.broker.fills(NOON)} == {fill.fill_id for fill in found}
    assert len(desk.broker.fills(NOON + timedelta(minutes=1))) == 100


def test_the_owners_fills_are_listed_too(desk: Desk) -> None:
    theirs = desk.owner.place(make_foreign(kind=Kind.MARKET, time_in_force=TimeInForce.IOC, price=None))

    assert [(fill.order_id, fill.size) for fill in desk.fills()] == [(theirs, Decimal(1))]


# --- money ------------------------------------------------------------------------------------------------------------


def test_a_buy_holds_its_value_and_fee_and_gives_back_what_it_saved(desk: Desk) -> None:
    size, price = Decimal("1.23456789"), Decimal("99.37")
    hold = size * price + round_up(size * price * FEES.maker_fraction, COST_STEP)

    order_id = desk.broker.submit(make_order(size=str(size), price=str(price)))
    while_open = desk.balance("USD")
    desk.broker.cancel([order_id])

    assert while_open == (Decimal(10_000) - hold, hold)
    assert desk.balance("USD") == (Decimal(10_000), ZERO)


def test_sells_hold_coins_and_only_those_that_they_may_still_sell(desk: Desk, market: ScriptedMarket) -> None:
    desk.broker.submit(make_protection(size="3", stop="98"))
    desk.broker.submit(make_order(name="exit", side=Side.SELL, size="1.5", price="101"))
    before = desk.balance("BTC")
    market.move(BTC, 2)
    desk.wait(1)

    assert before == (Decimal("0.5"), Decimal("4.5"))
    assert desk.balance("BTC") == (Decimal("0.5"), Decimal("3.5"))


def test_the_last_grain_of_money_can_be_spent_and_not_one_more(desk: Desk) -> None:
    """100 x 99.5 x 1.005 is 9,999.75; what is left is 0.25."""
    desk.broker.submit(make_order(name="most", size="100", price="99.5"))
    assert desk.balance("USD")[0] == Decimal("0.25")
    desk.owner.deposit("USD", Decimal("0.755"))

    with pytest.raises(OrderRejected, match="INSUFFICIENT_FUND"):
        desk.broker.submit(make_order(size="0.01000001", price="100"))
    desk.broker.submit(make_order(size="0.01", price="100"))

    assert desk.balance("USD")[0] == 0


def test_what_the_owner_pays_in_is_there(desk: Desk) -> None:
    desk.owner.deposit("USD", Decimal("0.00000001"))
    desk.owner.deposit("ETH", Decimal(3))

    assert desk.balances() == {
        "USD": (Decimal("10000.00000001"), ZERO),
        "BTC": (Decimal(5), ZERO),
        "ETH": (Decimal(3), ZERO),
    }


def test_the_rates_are_the_accounts(desk: Desk) -> None:
    assert desk.broker.fee_rates() == FEES
