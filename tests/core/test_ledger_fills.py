from decimal import Decimal

import pytest

from core.errors import StateUnusable
from core.ledger.fold import CLOSED_ORDERS_KEPT, apply, fold
from core.model.orders import ClientOrderId, LotId, OrderStatus, OrderType, Outcome, Purpose, Side
from core.model.portfolio import LastClose, Oversold
from core.model.records import Event
from tests.builders import BTC, ETH, NOON, make_order
from tests.event_builders import (
    make_bought,
    make_closed,
    make_fill,
    make_intent,
    make_mark,
    make_outcome,
    make_sold,
    make_traded,
)

ORDER_1 = ClientOrderId("order-1")
LOT_1 = LotId("order-1")


def test_a_buy_fill_opens_a_lot_at_its_cost_with_the_fee() -> None:
    ledger = make_traded(*make_bought(size="2", price="100", fee="1.2"))

    lot = ledger.lots[LOT_1]
    assert (lot.quantity, lot.cost, lot.average_price, lot.peak_price) == (
        Decimal(2),
        Decimal("201.2"),
        Decimal(100),
        Decimal(100),
    )
    assert ledger.cash == {"USD": Decimal("9798.8")}
    assert (ledger.fees, ledger.fills_cursor) == (Decimal("1.2"), NOON)


def test_a_repeated_fill_changes_nothing_even_when_its_order_is_forgotten() -> None:
    ledger = make_traded(*make_bought())
    for i in range(CLOSED_ORDERS_KEPT):
        ledger = fold(ledger, [make_intent(make_order(name=f"o{i}")), make_outcome(f"o{i}", Outcome.REJECTED)])

    assert ORDER_1 not in ledger.closed_orders
    assert apply(ledger, make_fill("order-1-fill")) is ledger


def test_a_fill_that_is_told_again_after_others_changes_nothing() -> None:
    ledger = make_traded(make_intent(make_order(size="3")), make_outcome(), make_fill("f1"), make_fill("f2"))

    assert [apply(ledger, make_fill(name)) is ledger for name in ("f1", "f2")] == [True, True]
    assert ledger.lots[LOT_1].quantity == 2


def test_a_late_fill_of_a_closed_order_is_still_booked() -> None:
    ledger = make_traded(
        make_intent(make_order(size="2")),
        make_outcome(),
        make_fill("f1"),
        make_closed(status=OrderStatus.CANCELLED),
        make_fill("f2"),
    )

    assert ledger.lots[LOT_1].quantity == 2
    assert (ledger.closed_orders[ORDER_1].filled_size, ledger.closed_orders[ORDER_1].status) == (
        Decimal(2),
        OrderStatus.CANCELLED,
    )


def test_a_late_fill_opens_the_lot_again_when_it_was_already_sold() -> None:
    entry = make_order(size="2")
    ledger = make_traded(make_intent(entry), make_outcome(), make_fill("f1"), *make_sold(), make_fill("f2"))

    assert ledger.lots[LOT_1].quantity == 1
    assert ledger.lots[LOT_1].plan.strategy == "price_move"


def test_a_full_sale_realises_the_exact_profit_and_forgets_the_lot() -> None:
    ledger = make_traded(make_mark("10000"), *make_bought(price="100", fee="0.5"), *make_sold(price="110", fee="0.6"))

    assert not ledger.lots
    assert (ledger.realised, ledger.fees, ledger.cash["USD"]) == (Decimal("8.9"), Decimal("1.1"), Decimal("10008.9"))
    assert ledger.last_closes[BTC] == LastClose(at=NOON, was_loss=False, reason="take_profit")
    assert ledger.day is not None
    assert ledger.day.realised == Decimal("8.9")


def test_a_partial_sale_takes_a_rounded_share_of_the_cost_and_the_last_one_the_rest() -> None:
    bought = make_traded(*make_bought(size="3", price="100", fee="0.01"))

    once = fold(bought, make_sold("exit-1", size="1", price="100", fee="0"))
    twice = fold(once, make_sold("exit-2", size="2", price="100", fee="0"))

    assert once.lots[LOT_1].cost == Decimal("300.01") - Decimal("100.00333333")
    assert once.realised == Decimal("-0.00333333")
    assert twice.realised == Decimal("-0.01")


@pytest.mark.parametrize(
    ("prices", "streak", "last_loss"),
    [
        pytest.param(["90"], 1, True, id="one loss"),
        pytest.param(["90", "90"], 2, True, id="two losses"),
        pytest.param(["90", "110"], 0, True, id="a profit ends the streak, the last loss is remembered"),
        pytest.param(["101"], 0, False, id="exactly nothing is no loss"),
        pytest.param(["100.99"], 1, True, id="one cent below nothing is a loss"),
    ],
)
def test_losing_lots_in_a_row_are_counted(prices: list[str], streak: int, last_loss: bool) -> None:
    ledger = make_traded()
    for i, price in enumerate(prices):
        ledger = fold(ledger, make_bought(f"b{i}", fee="0.5", slot=i))
        ledger = fold(ledger, make_sold(f"s{i}", lot=f"b{i}", price=price, fee="0.5", reason="stop_loss"))

    assert ledger.loss_streak == streak
    assert (ledger.last_loss_at is not None) is last_loss


def test_what_is_sold_beyond_the_lot_is_booked_and_remembered_as_missing() -> None:
    ledger = make_traded(*make_bought(size="1"))
    over = make_order(name="exit-1", lot="order-1", side=Side.SELL, size="2")
    ledger = fold(ledger, [make_intent(over), make_outcome("exit-1")])

    within = apply(ledger, make_fill("f", order="exit-1", side=Side.SELL, size="1"))
    beyond = apply(ledger, make_fill("f", order="exit-1", side=Side.SELL, size="1.00000001", fee="0"))

    assert (dict(within.lots), dict(within.oversold)) == ({}, {})
    assert not beyond.lots
    assert beyond.oversold == {BTC: Oversold(quantity=Decimal("0.00000001"), proceeds=Decimal("0.000001"))}


def test_filling_more_than_the_order_asked_for_is_refused() -> None:
    ledger = make_traded(make_intent(make_order(size="1")), make_outcome(), make_fill("f1", size="0.9"))

    assert apply(ledger, make_fill("f2", size="0.1")).lots[LOT_1].quantity == 1
    with pytest.raises(StateUnusable, match=r"1\.00000001 filled"):
        apply(ledger, make_fill("f2", size="0.10000001"))


@pytest.mark.parametrize(
    "fill",
    [
        pytest.param(make_fill(product_id=ETH), id="product"),
        pytest.param(make_fill(side=Side.SELL), id="side"),
        pytest.param(make_fill(size="0"), id="size"),
        pytest.param(make_fill(price="0"), id="price"),
        pytest.param(make_fill(fee="-0.01"), id="fee"),
    ],
)
def test_a_fill_is_refused_that_contradicts_its_order_in(fill: Event) -> None:
    with pytest.raises(StateUnusable, match="does not match"):
        make_traded(make_intent(), make_outcome(), fill)


def test_the_purpose_of_an_intent_must_fit_its_side() -> None:
    order = make_order(side=Side.SELL)
    entry = make_intent(make_order(name="x"))

    wrong = type(entry)(
        at=NOON,
        slot=1,
        order=type(order)(
            client_order_id=order.client_order_id,
            product_id=BTC,
            side=Side.SELL,
            order_type=OrderType.IOC,
            purpose=Purpose.ENTRY,
            lot_id=LOT_1,
            size=Decimal(1),
            limit_price=Decimal(100),
        ),
        plan=entry.plan,
        reason="x",
    )

    with pytest.raises(StateUnusable, match="must be a BUY"):
        make_traded(wrong)
