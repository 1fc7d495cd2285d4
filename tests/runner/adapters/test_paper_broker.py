"""The paper account after a restart: what the journal's fold says, and nothing else."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import BrokerUnavailable, OrderRejected, StateUnusable
from core.ledger.fold import fold
from core.model.ledger import Ledger
from core.model.orders import ClientOrderId, Order, OrderStatus, OrderType, Outcome, Purpose, Side
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


# --- protective orders ------------------------------------------------------------------------------------------------


def guard_of(order_type: OrderType, *, size: str = "1", stop: str = "98", price: str = "95") -> Order:
    order = make_order(name="guard", lot="one", side=Side.SELL, order_type=order_type, size=size, price=price)
    return replace(order, purpose=Purpose.PROTECTION, stop_price=Decimal(stop))


BRACKET = guard_of(OrderType.BRACKET, price="104")
STOP = guard_of(OrderType.STOP_LIMIT)


def ledger_with(guard: Order, *, filled: str = "0") -> Ledger:
    left = Decimal(1) - Decimal(filled)
    lot = make_lot(BTC, name="one", quantity=str(left))
    return make_ledger(lots=[lot], orders=[make_order_state(guard, filled=filled)])


@pytest.mark.parametrize("guard", [BRACKET, STOP], ids=["bracket", "stop-limit"])
def test_a_protective_order_is_taken_and_reported_as_it_was_sent(guard: Order) -> None:
    desk = make_desk(btc="1")

    assert desk.broker.preview(guard) is None
    desk.broker.submit(guard)
    desk.wait(86_400)

    report = desk.report("guard")
    assert (report.order_type, report.stop_price, report.limit_price) == (
        guard.order_type,
        guard.stop_price,
        guard.limit_price,
    )
    assert report.status is OrderStatus.OPEN  # it outlives us
    assert desk.balance("BTC") == (Decimal(0), Decimal(1))


@pytest.mark.parametrize("order_type", [OrderType.POST_ONLY, OrderType.IOC])
def test_the_other_kinds_are_reported_as_they_were_sent(order_type: OrderType) -> None:
    desk = make_desk()
    desk.broker.submit(make_order(order_type=order_type, price="99"))

    assert (desk.report().order_type, desk.report().stop_price) == (order_type, None)


def test_a_preview_without_a_market_is_no_answer() -> None:
    desk = make_desk(btc="1")
    desk.market.fail(1)

    with pytest.raises(BrokerUnavailable):
        desk.broker.preview(STOP)
    assert desk.broker.preview(replace(STOP, stop_price=Decimal(101))) == "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"


@pytest.mark.parametrize("guard", [BRACKET, STOP], ids=["bracket", "stop-limit"])
def test_a_guard_that_was_not_reached_while_the_bot_was_down_goes_on_guarding(guard: Order) -> None:
    desk = make_desk()
    desk.wait(3600)

    again = restarted(desk, ledger_with(guard))
    resting = again.report("guard").status
    desk.market.move(BTC, -3)
    desk.wait(1)

    assert resting is OrderStatus.OPEN
    assert again.report("guard").status is OrderStatus.FILLED
    assert [fill.order_id for fill in again.fills()] == ["exchange-guard"]


@pytest.mark.parametrize("guard", [BRACKET, STOP], ids=["bracket", "stop-limit"])
def test_a_stop_that_was_reached_while_the_bot_was_down_is_found_also_after_a_bounce(guard: Order) -> None:
    desk = make_desk()
    desk.market.move(BTC, -3, at_minute=10)
    desk.market.move(BTC, 6, at_minute=11)
    desk.wait(3600)

    again = restarted(desk, ledger_with(guard))

    fill = again.fills()[0]
    assert (fill.price, fill.size, fill.at) == (Decimal(98), Decimal(1), desk.clock.now())
    assert again.balance("BTC") == (Decimal(0), Decimal(0))


def test_a_target_that_traded_while_the_bot_was_down_counts_once() -> None:
    """Six seconds above 104 give 6 BTC; 0.4 of the one guarded were booked before the restart."""
    desk = make_desk()
    desk.market.move(BTC, 5, at_minute=0)
    desk.wait(6)

    again = restarted(desk, ledger_with(BRACKET, filled="0.4"))

    assert [(fill.price, fill.size) for fill in again.fills()] == [(Decimal(104), Decimal("0.6"))]
    assert again.report("guard").status is OrderStatus.FILLED


def test_a_guard_that_fell_through_its_limit_before_the_restart_still_rests_there() -> None:
    desk = make_desk()
    desk.market.move(BTC, -10, at_minute=1)
    desk.wait(3600)

    again = restarted(desk, ledger_with(STOP))

    assert again.report("guard").status is OrderStatus.OPEN
    assert again.fills() == []
    desk.market.move(BTC, 6)
    desk.wait(1)
    assert [(fill.price, fill.size) for fill in again.fills()] == [(Decimal(95), Decimal(1))]
