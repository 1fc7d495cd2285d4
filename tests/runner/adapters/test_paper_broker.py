"""The paper account after a restart: what the journal's fold says, and nothing else."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import OrderRejected, StateUnusable
from core.ledger.fold import fold
from core.model.ledger import Ledger
from core.model.orders import ClientOrderId, Order, OrderStatus, OrderType, Outcome, Side
from core.model.records import CashFlow, Event, FillBooked, Intent, OutcomeKnown
from runner.adapters.paper.paper_broker import PaperBroker
from runner.matching.order_record import fill_id_of
from tests.builders import BTC, NOON, make_key, make_ledger, make_lot, make_order, make_order_state
from tests.runner.matching.paper_desk import FEES, PLAN, SHARE, PaperDesk, make_desk


def journal_of(desk: PaperDesk, orders: list[Order], *, fills: int | None = None) -> Ledger:
    """Fold what the bot would have written: deposit, intents, outcomes, and the first so many fills."""
    events: list[Event] = [CashFlow(at=NOON, currency="USD", amount=Decimal(10000), reason="first deposit")]
    for order in orders:
        report = desk.report(order.client_order_id)
        events.append(Intent(at=NOON, slot=1, order=order, plan=PLAN, reason="test"))
        events.append(
            OutcomeKnown(
                at=NOON,
                client_order_id=order.client_order_id,
                outcome=Outcome.ACCEPTED,
                order_id=report.order_id,
                reason="",
            )
        )
    events += [FillBooked(at=fill.at, fill=fill) for fill in desk.fills()[:fills]]
    return fold(Ledger(), events)


def restarted(desk: PaperDesk, ledger: Ledger) -> PaperDesk:
    broker = PaperBroker.from_ledger(
        ledger, market=desk.market, fee_rates=FEES, maker_fill_share=SHARE, now=desk.clock.now
    )
    return PaperDesk(clock=desk.clock, market=desk.market, broker=broker)


def test_the_rates_are_those_of_the_policy() -> None:
    assert make_desk().broker.fee_rates() == FEES


def test_a_restart_changes_nothing_that_can_be_asked() -> None:
    desk = make_desk()
    order = make_order(size="100", price="99.50")
    desk.broker.submit(order)
    desk.market.move(BTC, -1)
    desk.wait(5)
    before = (desk.report(), desk.broker.open_orders(), desk.broker.balances())

    again = restarted(desk, journal_of(desk, [order]))

    assert (again.report(), again.broker.open_orders(), again.broker.balances()) == before
    assert again.fills() == []


def test_a_resting_order_goes_on_where_it_was_with_new_fill_ids() -> None:
    desk = make_desk()
    order = make_order(size="100", price="99.50")
    desk.broker.submit(order)
    desk.market.move(BTC, -1)
    desk.wait(5)
    ledger = journal_of(desk, [order])

    again = restarted(desk, ledger)
    desk.wait(10)

    assert again.report().filled_size == desk.report().filled_size == 15
    assert [fill.fill_id for fill in again.fills()] == [fill_id_of(again.report().order_id, 2)]


def test_fills_that_the_journal_missed_come_back_once_under_their_ids() -> None:
    """A crash between a fill and its record: the tape since the order's acceptance is still there."""
    desk = make_desk()
    order = make_order(size="100", price="99.50")
    desk.broker.submit(order)
    desk.market.move(BTC, -1)
    desk.wait(5)
    lost = desk.fills()

    again = restarted(desk, journal_of(desk, [order], fills=0))

    assert again.fills() == lost
    assert again.broker.balances() == desk.broker.balances()


def test_an_order_that_ended_while_the_bot_was_down_is_expired() -> None:
    desk = make_desk()
    order = make_order(size="1", price="90", end_seconds=20)
    desk.broker.submit(order)
    ledger = journal_of(desk, [order])
    desk.wait(21)

    again = restarted(desk, ledger)

    assert again.report().status is OrderStatus.EXPIRED
    assert again.balance("USD") == (Decimal(10000), Decimal(0))


@pytest.mark.parametrize(
    ("filled", "status"), [("0", OrderStatus.CANCELLED), ("0.4", OrderStatus.CANCELLED), ("1", OrderStatus.FILLED)]
)
def test_an_ioc_whose_end_was_not_recorded_is_over(filled: str, status: OrderStatus) -> None:
    state = make_order_state(make_order(size="1", price="101", order_type=OrderType.IOC), filled=filled)

    again = restarted(make_desk(), make_ledger(orders=[state]))

    assert (again.report().status, again.report().filled_size) == (status, Decimal(filled))
    assert again.balance("USD") == (Decimal(10000), Decimal(0))


def test_a_resting_order_that_was_filled_but_not_closed_is_filled() -> None:
    state = make_order_state(make_order(size="1", price="99"), filled="1")

    again = restarted(make_desk(), make_ledger(orders=[state]))

    assert again.report().status is OrderStatus.FILLED
    assert list(again.broker.open_orders()) == []


def test_an_order_without_a_recorded_answer_does_not_exist() -> None:
    state = replace(make_order_state(make_order(price="99"), outcome=None), order_id=None)

    again = restarted(make_desk(), make_ledger(orders=[state]))

    assert again.broker.find(make_key(ClientOrderId("order-1"))) is None
    assert list(again.broker.open_orders()) == []


def test_lots_are_coins_that_can_be_sold_and_an_open_sell_holds_them() -> None:
    lots = [make_lot(BTC, name="one", quantity="1.5"), make_lot(BTC, name="two", quantity="0.5")]
    sell = make_order(side=Side.SELL, size="1.5", price="110", lot="one")

    again = restarted(make_desk(), make_ledger(cash="500", lots=lots, orders=[make_order_state(sell)]))

    assert again.balance("BTC") == (Decimal("0.5"), Decimal("1.5"))
    assert again.balance("USD") == (Decimal(500), Decimal(0))
    with pytest.raises(OrderRejected, match="INSUFFICIENT_FUND"):
        again.broker.submit(make_order(name="order-2", side=Side.SELL, size="0.50000001", price="110"))


def test_a_closed_order_is_still_found_and_its_id_opens_nothing_new() -> None:
    state = make_order_state(make_order(price="99"), status=OrderStatus.EXPIRED)
    ledger = replace(make_ledger(), closed_orders={state.order.client_order_id: state})

    again = restarted(make_desk(), ledger)

    assert again.report().status is OrderStatus.EXPIRED
    assert again.broker.submit(state.order) == state.order_id
    assert list(again.broker.open_orders()) == []


def test_a_journal_that_cannot_pay_for_its_open_orders_halts() -> None:
    state = make_order_state(make_order(size="100", price="99.99"))

    with pytest.raises(StateUnusable, match="does not cover"):
        restarted(make_desk(), make_ledger(cash="9999", orders=[state]))


def test_the_books_of_the_account_and_of_the_ledger_are_the_same_to_the_last_digit() -> None:
    desk = make_desk(level_size="0.37")
    orders = [
        make_order(name="buy", size="1.23456789", price="100.30", order_type=OrderType.IOC),
        make_order(name="rest", size="3.3", price="99.73"),
    ]
    for order in orders:
        desk.broker.submit(order)
    desk.market.move(BTC, -0.5)
    for _ in range(7):
        desk.wait(timedelta(seconds=1.7).total_seconds())
        desk.broker.open_orders()

    ledger = journal_of(desk, orders)

    assert ledger.cash["USD"] == desk.broker.balances()["USD"].total
    assert sum(lot.quantity for lot in ledger.lots.values()) == desk.broker.balances()["BTC"].total
