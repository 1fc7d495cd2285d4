from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.errors import StateUnusable
from core.ledger.fold import CLOSED_ORDERS_KEPT, apply, fold
from core.model.guards import Breaker, BreakerState, TradingState
from core.model.money import ZERO
from core.model.orders import ClientOrderId, LotId, OrderStatus, OrderType, Outcome, Side
from core.model.records import BreakerChanged, CancelRequested, Event, LookedUp, RunStopped, Sent
from tests.builders import NOON, make_order
from tests.event_builders import (
    make_bought,
    make_cash_flow,
    make_closed,
    make_fill,
    make_intent,
    make_mark,
    make_outcome,
    make_run,
    make_sold,
    make_tick,
    make_traded,
)

ORDER_1 = ClientOrderId("order-1")
LOT_1 = LotId("order-1")


# --- runs and cycles ---


def test_a_second_run_of_the_same_identity_only_changes_the_run_id() -> None:
    ledger = make_traded(make_run(run_id="run-2"))

    assert (ledger.run_id, ledger.mode, ledger.account, ledger.venue) == ("run-2", "PAPER", "paper", "simulated")
    assert ledger.cash == {"USD": Decimal(10000)}


def test_a_start_and_a_stop_forget_nothing() -> None:
    """Positions, fills, limits, latches and streaks outlive every run (L13)."""
    tripped = BreakerState(
        tripped=True, level=TradingState.REDUCE_ONLY, detail="loss", since=NOON, until=NOON + timedelta(days=1), trips=1
    )
    before = make_traded(
        make_tick(7),
        *make_bought(size="2"),
        *make_sold(size="1", price="90"),
        BreakerChanged(at=NOON, breaker=Breaker.DAILY_STOP, state=tripped),
        make_mark("9900"),
    )
    before = replace(before, loss_streak=3, last_loss_at=NOON, high_water_mark=Decimal(10500))

    after = fold(before, [RunStopped(at=NOON, reason="signal"), make_run(run_id="run-2")])

    assert after == replace(before, run_id="run-2", open_slot=None)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(make_run(mode="LIVE"), id="mode"),
        pytest.param(make_run(account="other"), id="account"),
        pytest.param(make_run(venue="coinbase"), id="venue"),
    ],
)
def test_a_run_is_refused_that_contradicts_the_ledger_in(run: Event) -> None:
    with pytest.raises(StateUnusable, match="this ledger is PAPER paper simulated"):
        make_traded(run)


def test_a_slot_is_open_from_its_tick_until_the_run_stops() -> None:
    ticked = make_traded(make_tick(7), make_mark("10000"))

    stopped = apply(ticked, RunStopped(at=NOON, reason="signal"))

    assert (ticked.last_slot, ticked.open_slot) == (7, 7)
    assert (stopped.last_slot, stopped.open_slot) == (7, None)


@pytest.mark.parametrize("slot", [6, 7])
def test_a_slot_is_never_used_twice_nor_an_earlier_one(slot: int) -> None:
    ledger = make_traded(make_tick(7))

    with pytest.raises(StateUnusable, match="used before"):
        apply(ledger, make_tick(slot))


# --- orders ---


def test_an_intent_opens_an_order_of_unknown_outcome_and_counts_as_an_entry() -> None:
    ledger = make_traded(make_intent(slot=7))

    state = ledger.open_orders[ORDER_1]
    assert (state.outcome, state.is_unknown, state.slot) == (None, True, 7)
    assert [(mark.at, mark.lot_id, mark.is_add) for mark in ledger.entries] == [(NOON, LOT_1, False)]
    assert ledger.cash == {"USD": Decimal(10000)}


def test_the_taker_attempt_of_an_entry_does_not_count_as_another_entry() -> None:
    fallback = make_order(name="order-1b", lot="order-1", order_type=OrderType.IOC)

    ledger = make_traded(make_intent(), make_outcome(outcome=Outcome.REJECTED), make_intent(fallback))

    assert len(ledger.entries) == 1


def test_growing_a_held_lot_in_a_later_slot_counts_as_an_add() -> None:
    more = make_order(name="order-2", lot="order-1")

    ledger = make_traded(*make_bought(slot=1), make_intent(more, slot=2))

    assert [mark.is_add for mark in ledger.entries] == [False, True]


def test_an_id_is_intended_once_even_after_its_order_is_over() -> None:
    open_one, closed_one = (
        make_traded(make_intent()),
        make_traded(make_intent(), make_outcome(outcome=Outcome.REJECTED)),
    )

    for ledger in (open_one, closed_one):
        with pytest.raises(StateUnusable, match="used once"):
            apply(ledger, make_intent())


def test_a_sale_is_not_even_intended_without_a_lot_of_ours() -> None:
    exit_order = make_order(name="exit-1", lot="not-ours", side=Side.SELL)

    with pytest.raises(StateUnusable, match="lot of ours"):
        make_traded(make_intent(exit_order))


def test_an_accepted_order_gets_the_exchanges_id_and_keeps_it() -> None:
    ledger = make_traded(make_intent(), make_outcome())

    assert ledger.open_orders[ORDER_1].order_id == "exchange-order-1"
    with pytest.raises(StateUnusable, match="at the exchange"):
        apply(ledger, make_outcome(order_id="another"))


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.ABSENT, Outcome.NOT_SENT])
def test_an_order_that_does_not_exist_is_closed_as_failed(outcome: Outcome) -> None:
    ledger = make_traded(make_intent(), make_outcome(outcome=Outcome.UNKNOWN), make_outcome(outcome=outcome))

    assert not ledger.open_orders
    closed = ledger.closed_orders[ORDER_1]
    assert (closed.status, closed.outcome, closed.remaining_size) == (OrderStatus.FAILED, outcome, ZERO)


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.ABSENT, Outcome.NOT_SENT, Outcome.UNKNOWN])
def test_an_accepted_order_cannot_become_anything_else(outcome: Outcome) -> None:
    ledger = make_traded(make_intent(), make_outcome())

    with pytest.raises(StateUnusable, match="was ACCEPTED"):
        apply(ledger, make_outcome(outcome=outcome))


def test_an_order_with_fills_cannot_be_absent() -> None:
    ledger = make_traded(make_intent(), make_outcome(outcome=Outcome.UNKNOWN), make_fill())

    with pytest.raises(StateUnusable, match="has fills"):
        apply(ledger, make_outcome(outcome=Outcome.ABSENT))


def test_an_unknown_order_stays_open_and_counts_its_lookups() -> None:
    look = LookedUp(at=NOON, client_order_id=ORDER_1)

    ledger = make_traded(make_intent(), make_outcome(outcome=Outcome.UNKNOWN), look, look)

    state = ledger.open_orders[ORDER_1]
    assert (state.is_unknown, state.lookups, state.remaining_size) == (True, 2, Decimal(1))


def test_sending_and_asking_for_a_cancel_move_no_money() -> None:
    sent = make_traded(make_intent(), Sent(at=NOON, client_order_id=ORDER_1))

    cancelling = apply(sent, CancelRequested(at=NOON, client_order_id=ORDER_1))

    assert cancelling.open_orders[ORDER_1].cancel_requested
    assert cancelling.cash == {"USD": Decimal(10000)}


def test_an_end_is_final_and_must_be_one() -> None:
    ledger = make_traded(make_intent(), make_outcome())

    with pytest.raises(StateUnusable, match="cannot be closed as OPEN"):
        apply(ledger, make_closed(status=OrderStatus.OPEN))
    with pytest.raises(StateUnusable, match="already CANCELLED"):
        fold(ledger, [make_closed(status=OrderStatus.CANCELLED), make_closed(status=OrderStatus.FILLED)])


def test_events_of_orders_that_were_never_intended_are_refused() -> None:
    for event in (make_outcome(), make_fill(), make_closed(), Sent(at=NOON, client_order_id=ORDER_1)):
        with pytest.raises(StateUnusable, match="not one of ours"):
            make_traded(event)


def test_only_the_latest_closed_orders_are_kept() -> None:
    events: list[Event] = []
    for i in range(CLOSED_ORDERS_KEPT + 1):
        events += [make_intent(make_order(name=f"o{i}")), make_outcome(f"o{i}", Outcome.REJECTED)]

    ledger = make_traded(*events)

    assert len(ledger.closed_orders) == CLOSED_ORDERS_KEPT
    assert "o0" not in ledger.closed_orders
    assert f"o{CLOSED_ORDERS_KEPT}" in ledger.closed_orders


def test_orders_of_the_present_slot_are_kept_whatever_their_number_and_let_go_in_a_later_one() -> None:
    """Attempts and what an entry has spent are counted from them: a forgotten one would be intended again."""
    events: list[Event] = [make_tick(7)]
    for i in range(CLOSED_ORDERS_KEPT + 5):
        events += [make_intent(make_order(name=f"o{i}"), slot=7), make_outcome(f"o{i}", Outcome.REJECTED)]
    later: list[Event] = [
        make_tick(8),
        make_intent(make_order(name="next"), slot=8),
        make_outcome("next", Outcome.REJECTED),
    ]

    ledger = make_traded(*events)

    assert len(ledger.closed_orders) == CLOSED_ORDERS_KEPT + 5
    assert len(fold(ledger, later).closed_orders) == CLOSED_ORDERS_KEPT


# --- marks, money and periods ---


def test_the_high_water_mark_only_rises_with_marks() -> None:
    ledger = make_traded(make_mark("10000"), make_mark("10500"), make_mark("10200"), make_mark(None))

    assert (ledger.equity, ledger.high_water_mark) == (Decimal(10200), Decimal(10500))


def test_money_paid_in_or_out_moves_mark_and_equity_and_is_no_profit() -> None:
    ledger = make_traded(make_mark("10000"), make_cash_flow("-4000"), make_cash_flow("1000"))

    assert (ledger.cash["USD"], ledger.equity, ledger.high_water_mark) == (Decimal(7000), Decimal(7000), Decimal(7000))
    assert ledger.day is not None
    assert ledger.week is not None
    assert (ledger.day.cash_flow, ledger.week.cash_flow) == (Decimal(-3000), Decimal(-3000))
    assert ledger.day.pnl(Decimal(7000)) == 0


def test_the_first_money_of_an_account_is_its_first_mark() -> None:
    ledger = make_traded(make_mark("9990"), make_mark("9000"))

    assert ledger.day is not None
    assert (ledger.day.key, ledger.day.equity_open, ledger.day.cash_flow) == ("2026-01-05", Decimal(10000), Decimal(0))
    assert ledger.high_water_mark == Decimal(10000)


def test_a_day_opens_with_the_last_mark_before_midnight_and_not_earlier() -> None:
    last = datetime(2026, 1, 5, 23, 59, 59, 999999, tzinfo=UTC)
    midnight = datetime(2026, 1, 6, tzinfo=UTC)

    before = make_traded(make_mark("10000"), make_mark("9700", at=last))
    after = apply(before, make_mark("9600", at=midnight))

    assert before.day is not None
    assert after.day is not None
    assert (before.day.key, before.day.equity_open) == ("2026-01-05", Decimal(10000))
    assert (after.day.key, after.day.equity_open) == ("2026-01-06", Decimal(9700))


def test_a_week_begins_on_monday() -> None:
    sunday = datetime(2026, 1, 11, 23, 59, tzinfo=UTC)

    before = make_traded(make_mark("10000"), make_mark("9000", at=sunday))
    after = apply(before, make_mark("9500", at=sunday + timedelta(minutes=1)))

    assert before.week is not None
    assert after.week is not None
    assert (before.week.key, before.week.equity_open) == ("2026-01-05", Decimal(10000))
    assert (after.week.key, after.week.equity_open) == ("2026-01-12", Decimal(9000))


def test_a_clock_that_jumps_back_does_not_reset_the_days_loss() -> None:
    ledger = make_traded(make_mark("10000"), make_mark("9000", at=NOON - timedelta(days=1)))

    assert ledger.day is not None
    assert (ledger.day.key, ledger.day.equity_open) == ("2026-01-05", Decimal(10000))


def test_a_sale_after_midnight_belongs_to_the_new_day_before_it_is_marked() -> None:
    tomorrow = NOON + timedelta(days=1)

    ledger = make_traded(make_mark("10000"), *make_bought(), *make_sold(price="90", at=tomorrow))

    assert ledger.day is not None
    assert (ledger.day.key, ledger.day.realised) == ("2026-01-06", Decimal(-11))


def test_an_unmarked_cycle_changes_no_figure_but_the_peaks() -> None:
    before = make_traded(make_mark("10000"), *make_bought())

    after = apply(before, make_mark(None, at=NOON + timedelta(days=1), peaks={LOT_1: Decimal(120)}))

    assert after.lots[LOT_1].peak_price == 120
    assert (after.equity, after.high_water_mark, after.day) == (before.equity, before.high_water_mark, before.day)


def test_a_peak_never_falls_and_one_of_a_sold_lot_is_ignored() -> None:
    ledger = make_traded(*make_bought(), make_mark("1", peaks={LOT_1: Decimal(99), LotId("gone"): Decimal(5)}))

    assert list(ledger.lots) == [LOT_1]
    assert ledger.lots[LOT_1].peak_price == 100


def test_entries_are_remembered_for_24_hours_and_not_a_microsecond_longer() -> None:
    ledger = make_traded(make_intent())
    limit = NOON + timedelta(hours=24)

    assert len(apply(ledger, make_mark("1", at=limit)).entries) == 1
    assert not apply(ledger, make_mark("1", at=limit + timedelta(microseconds=1))).entries


def test_breakers_are_remembered_one_by_one() -> None:
    state = BreakerState(tripped=True, level=TradingState.REDUCE_ONLY, detail="-3.1 %", since=NOON, until=None, trips=1)
    calm = BreakerState(tripped=False, level=TradingState.ARMED, detail="", since=None, until=None, trips=1)

    ledger = make_traded(
        BreakerChanged(at=NOON, breaker=Breaker.DAILY_STOP, state=state),
        BreakerChanged(at=NOON, breaker=Breaker.API_ERRORS, state=state),
        BreakerChanged(at=NOON, breaker=Breaker.API_ERRORS, state=calm),
    )

    assert ledger.breakers == {Breaker.DAILY_STOP: state, Breaker.API_ERRORS: calm}
