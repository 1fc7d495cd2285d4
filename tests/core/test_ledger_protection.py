"""The ledger with guards: who ended a lot, what a race sold twice, and what was bought back."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import StateUnusable
from core.exits import due_exits
from core.ledger.fold import Ledger, apply, fold
from core.model.orders import LotId, Order, OrderId, OrderType, Outcome, Purpose, Side
from core.model.portfolio import Lot, Oversold
from core.model.records import Event, FillBooked
from core.model.verdicts import ExitReason
from core.valuation import equity
from tests.builders import BTC, ETH, NOON, make_cover, make_guard, make_order, make_policy, make_quote
from tests.event_builders import make_bought, make_fill, make_intent, make_mark, make_outcome, make_traded

BOUGHT = make_traded(make_mark("10000"), *make_bought("lot", size="1", price="100", fee="1"))
LOT: Lot = BOUGHT.lots[LotId("lot")]
GUARD = make_guard(LOT, name="guard")
EXIT = make_order(BTC, name="exit", lot="lot", side=Side.SELL, order_type=OrderType.IOC, price="98.5")


def asking(*orders: Order, reason: str = "stop_loss") -> Ledger:
    """Own one coin, bought at 100 with a fee of 1, and have these orders accepted."""
    events: list[Event] = []
    for order in orders:
        events += [make_intent(order, reason=reason), make_outcome(order.client_order_id)]
    return fold(BOUGHT, events)


def sale(name: str, *, size: str = "1", price: str = "98", fee: str = "1", fill_id: str = "") -> FillBooked:
    return make_fill(fill_id or f"f-{name}", order=name, side=Side.SELL, size=size, price=price, fee=fee)


def buy_back(name: str = "cover-1", *, size: str = "1", price: str = "99", fee: str = "1") -> FillBooked:
    return make_fill(f"f-{name}", order=name, size=size, price=price, fee=fee)


# --- guards -----------------------------------------------------------------------------------------------------------


def test_a_guard_is_no_exit_and_no_entry() -> None:
    ledger = asking(GUARD)

    assert ledger.lots[LOT.lot_id] == LOT
    assert ledger.entries == BOUGHT.entries


def test_each_exit_counts_an_attempt_whatever_becomes_of_it() -> None:
    again = replace(EXIT, client_order_id=make_order(name="again").client_order_id)

    once = apply(BOUGHT, make_intent(EXIT, reason="stop_loss"))
    twice = fold(once, [make_outcome("exit", Outcome.REJECTED), make_intent(again, reason="stop_loss")])

    assert (once.lots[LOT.lot_id].exit_attempts, twice.lots[LOT.lot_id].exit_attempts) == (1, 2)


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(replace(GUARD, lot_id=LotId("foreign")), id="a lot that is not ours"),
        pytest.param(replace(GUARD, product_id=ETH), id="another product"),
        pytest.param(replace(GUARD, side=Side.BUY), id="a buy"),
    ],
)
def test_a_guard_of_anything_but_a_lot_of_ours_is_refused(order: Order) -> None:
    with pytest.raises(StateUnusable, match="protection guard must be a SELL of a lot of ours"):
        apply(BOUGHT, make_intent(order))


@pytest.mark.parametrize(
    ("price", "reason"),
    [("104.01", "take_profit"), ("104", "take_profit"), ("103.99", "stop_loss"), ("95", "stop_loss")],
)
def test_a_lot_that_its_guard_sold_ended_at_the_side_that_the_price_reached(price: str, reason: str) -> None:
    ledger = apply(asking(GUARD, reason="protection"), sale("guard", price=price))

    assert not ledger.lots
    assert ledger.last_closes[BTC].reason == reason


def test_an_exit_that_was_begun_gives_the_reason_even_when_the_guard_fills() -> None:
    ledger = apply(asking(GUARD, EXIT, reason="max_hold"), sale("guard", price="104"))

    assert ledger.last_closes[BTC].reason == "max_hold"


def test_a_guard_that_fills_in_part_leaves_the_rest_of_the_lot_and_of_itself() -> None:
    ledger = apply(asking(GUARD), sale("guard", size="0.25", price="98", fee="0"))

    assert ledger.lots[LOT.lot_id].quantity == Decimal("0.75")
    assert ledger.open_orders[GUARD.client_order_id].remaining_size == Decimal("0.75")
    assert ledger.realised == Decimal("24.5") - Decimal("25.25")


# --- sold twice -------------------------------------------------------------------------------------------------------


def test_a_second_sale_of_the_same_coins_is_remembered_and_earns_nothing_yet() -> None:
    once = apply(asking(GUARD, EXIT), sale("guard", price="98"))

    twice = apply(once, sale("exit", price="97"))

    assert twice.oversold == {BTC: Oversold(quantity=Decimal(1), proceeds=Decimal(96))}
    assert twice.cash["USD"] == once.cash["USD"] + 96
    assert (twice.realised, twice.last_closes, twice.loss_streak) == (once.realised, once.last_closes, once.loss_streak)
    assert twice.fees == once.fees + 1


def test_a_sale_that_ends_the_lot_half_way_is_split_to_the_last_digit() -> None:
    ledger = fold(
        asking(GUARD, EXIT), [sale("guard", size="0.7", price="98", fee="0"), sale("exit", price="97", fee="1")]
    )

    assert not ledger.lots
    assert ledger.oversold[BTC] == Oversold(quantity=Decimal("0.7"), proceeds=Decimal("67.2"))
    assert ledger.realised == Decimal("68.6") + Decimal("28.8") - 101
    assert ledger.cash["USD"] == 10000 - 101 + Decimal("68.6") + 96


def test_what_is_missing_is_a_debt_at_the_ask() -> None:
    ledger = fold(asking(GUARD, EXIT), [sale("guard"), sale("exit")])

    worth = equity(ledger, {BTC: make_quote(BTC, bid="100", ask="103")}, ["USD"])

    assert worth == ledger.cash["USD"] - 103
    assert equity(ledger, {}, ["USD"]) is None


def test_a_cover_restores_the_coins_and_settles_their_profit_with_the_day() -> None:
    twice = fold(asking(GUARD, EXIT), [sale("guard"), sale("exit", price="97")])
    cover = make_cover(BTC, size="1")

    partly = fold(twice, [make_intent(cover, reason="oversold"), buy_back(size="0.25", price="99", fee="1")])
    done = apply(partly, make_fill("f-2", order="cover-1", size="0.75", price="99", fee="0"))

    assert partly.oversold == {BTC: Oversold(quantity=Decimal("0.75"), proceeds=Decimal(72))}
    assert partly.realised - twice.realised == 24 - Decimal("25.75")
    assert (dict(done.oversold), dict(done.lots)) == ({}, {})
    assert done.realised - twice.realised == 96 - 100
    assert done.cash["USD"] == twice.cash["USD"] - 100
    assert done.day is not None
    assert twice.day is not None
    assert done.day.realised - twice.day.realised == -4
    assert done.entries == twice.entries


def test_a_cover_needs_something_to_be_missing() -> None:
    twice = fold(asking(GUARD, EXIT), [sale("guard"), sale("exit")])

    for ledger, product_id in ((BOUGHT, BTC), (twice, ETH)):
        with pytest.raises(StateUnusable, match="sold beyond a lot"):
            apply(ledger, make_intent(make_cover(product_id)))


def test_coins_that_covers_bought_too_many_become_a_lot_that_is_sold_at_once() -> None:
    twice = fold(asking(GUARD, EXIT), [sale("guard"), sale("exit", price="97")])
    events: list[Event] = [
        make_intent(make_cover(BTC, name="lost", size="1")),
        make_outcome("lost", Outcome.ABSENT),
        make_intent(make_cover(BTC, name="second", size="1")),
        buy_back("second", size="1"),
        buy_back("lost", size="1", price="100", fee="2"),
    ]

    ledger = fold(twice, events)
    surplus = ledger.lots[LotId("lost")]

    assert (dict(ledger.oversold), surplus.quantity, surplus.cost) == ({}, Decimal(1), Decimal(102))
    review = due_exits([surplus], {BTC: make_quote(BTC)}, NOON + timedelta(seconds=1), make_policy())
    assert [due.reason for due in review.due] == [ExitReason.MAX_HOLD]


# --- called nothing, filled all the same ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.ABSENT, Outcome.NOT_SENT, Outcome.REJECTED])
def test_a_fill_of_an_order_that_was_called_nothing_is_booked_and_names_it(outcome: Outcome) -> None:
    entry = make_order(ETH, name="ghost", size="2")
    ledger = fold(BOUGHT, [make_intent(entry), make_outcome("ghost", outcome)])

    after = apply(ledger, make_fill("late", order="ghost", product_id=ETH, size="2", price="100", fee="1"))

    state = after.closed_orders[entry.client_order_id]
    assert (state.outcome, state.order_id, state.filled_size) == (outcome, OrderId("exchange-ghost"), Decimal(2))
    assert after.lots[LotId("ghost")].quantity == 2
    assert after.cash["USD"] == ledger.cash["USD"] - 201


def test_a_sell_that_was_called_nothing_and_fills_after_its_lot_is_gone_is_missing() -> None:
    ledger = fold(
        BOUGHT,
        [
            make_intent(EXIT),
            make_outcome("exit", Outcome.ABSENT),
            make_intent(GUARD),
            make_outcome("guard"),
            sale("guard"),
            sale("exit"),
        ],
    )

    assert ledger.oversold[BTC].quantity == 1


def test_a_cover_may_cost_money_until_it_is_over() -> None:
    twice = fold(asking(GUARD, EXIT), [sale("guard"), sale("exit")])
    ledger = apply(twice, make_intent(make_cover(BTC, size="0.5", price="100")))

    state = next(iter(state for state in ledger.open_orders.values() if state.order.purpose is Purpose.COVER))
    assert state.worst_case_cost == 50
