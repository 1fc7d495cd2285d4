"""What the exchange says is held against what we wrote down: whose is it, is it what we meant, is it still there?"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.errors import BrokerUnavailable
from core.model.market import ProductId
from core.model.orders import (
    ClientOrderId,
    Fill,
    Liquidity,
    Order,
    OrderId,
    OrderKey,
    OrderReport,
    OrderStatus,
    OrderType,
    Purpose,
    Side,
)
from core.ports import Broker, Clock
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import BTC, ETH, MONDAY, Line, Stage, closings, fills, orders, set_stage, with_faults

HOLD_SHORTLY = {"signals.strategies.price_move.max_hold_minutes": 5}


def _report(name: str, *, order_id: str, status: OrderStatus = OrderStatus.OPEN) -> OrderReport:
    return OrderReport(
        order_id=OrderId(order_id),
        client_order_id=ClientOrderId(name),
        product_id=ETH,
        side=Side.SELL,
        size=Decimal(1),
        limit_price=Decimal(2500),
        status=status,
        filled_size=Decimal(0),
        created_at=MONDAY,
        order_type=None,
    )


def _fill(fill_id: str, order_id: str, *, side: Side, size: str, price: str = "2000", minute: float = 1) -> Fill:
    return Fill(
        fill_id=fill_id,
        order_id=OrderId(order_id),
        client_order_id=ClientOrderId(""),
        product_id=ProductId("ETH", "USD"),
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal("0.01"),
        liquidity=Liquidity.TAKER,
        at=MONDAY + timedelta(minutes=minute),
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _codes(line: Line) -> list[str]:
    return [item["code"] for item in line["reconcile"].get("differences", [])]


def _stage(folder: Path, changes: Mapping[str, object] | None = None) -> tuple[Stage, list[FaultyBroker]]:
    stage = set_stage(folder, changes)
    return stage, with_faults(stage)


def test_what_others_ordered_and_traded_is_counted_and_left_alone(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)

    def others() -> None:
        made[0].foreign_orders = [_report("somebody-elses", order_id="foreign-1")]
        made[0].foreign_fills = [_fill("f-1", "foreign-1", side=Side.BUY, size="3")]

    stage.clock.at(1.5, others)

    lines = stage.play(5)

    assert [line["reconcile"].get("foreign_orders") for line in lines] == [None, None, 1, 1, 1]
    assert [line["reconcile"].get("foreign_fills") for line in lines] == [None, None, 1, None, None]
    assert made[0].cancelled == []
    assert [line["portfolio"]["positions"] for line in lines] == [[]] * 5
    assert len([key for key in made[0].asked_for if key.order_id == "foreign-1"]) == 1
    assert {line["trading_state"] for line in lines} == {"ARMED"}


def test_fills_that_name_only_the_exchanges_order_id_are_ours_all_the_same(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(0.5, lambda: setattr(made[0], "names_no_client", True))
    stage.market.move(ETH, -4.0, at_minute=4.5)

    lines = stage.play(7)

    assert fills(lines, "BUY")
    assert closings(lines) == [("protection", "stop_loss")]
    assert not any("foreign_fills" in line["reconcile"] for line in lines)


def test_a_fill_of_an_order_that_was_called_absent_is_adopted_and_reported(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path, {"policy.execution.taker_fallback": False})
    stage.buy_one(ETH)
    stage.market.move(ETH, -0.3, at_minute=2.02)  # the lost order is filled where nobody looks

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].names_no_client = True
        made[0].hidden_until = MONDAY + timedelta(minutes=7.5)
        made[0].shows_cash = Decimal(10_000)

    stage.clock.at(1.6, lose)
    stage.clock.at(7.5, lambda: setattr(made[0], "shows_cash", None))

    lines = stage.play(11)

    absent = next(line for line in lines if "resolved" in line["reconcile"])
    adopted = next(line for line in lines if fills([line], "BUY"))
    assert absent["reconcile"]["resolved"][0]["outcome"] == "ABSENT"
    assert adopted["slot"] == lines[8]["slot"]
    assert _codes(adopted) == ["absent_order_filled"]
    assert "severity=CRITICAL" in stage.alerts("absent_order_filled")[0]
    assert adopted["protection"][0]["guarded"] == adopted["portfolio"]["positions"][0]["quantity"]
    assert lines[-1]["trading_state"] == "ARMED"
    assert not any("foreign_fills" in line["reconcile"] for line in lines)


def test_an_order_that_lives_although_the_ledger_holds_it_for_dead_is_cancelled_at_once(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def revive() -> None:
        first = made[0].submitted[0]
        made[0].foreign_orders = [_report(first.client_order_id, order_id="back-from-the-dead")]

    stage.clock.at(4.5, revive)
    stage.clock.at(5.5, lambda: setattr(made[0], "foreign_orders", []))

    lines = stage.play(7)

    assert [_codes(line) for line in lines[4:]] == [[], ["order_alive"], []]
    assert made[0].cancelled[-1] == "back-from-the-dead"
    assert not any("foreign_orders" in line["reconcile"] for line in lines)


def test_an_accepted_order_that_is_never_found_again_is_lost_and_escalates_but_is_not_closed(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def lose_sight() -> None:
        guard = next(order for order in made[0].submitted if order.purpose is Purpose.PROTECTION)
        made[0].lost.append(guard.client_order_id)

    stage.clock.at(3.5, lose_sight)

    lines = stage.play(10)

    lost = [number for number, line in enumerate(lines) if "order_lost" in _codes(line)]
    assert lost == [6, 7, 8, 9]  # three empty looks, and the settle time is over
    assert [line["trading_state"] for line in lines[6:]] == ["ARMED", "REDUCE_ONLY", "HALTED", "HALTED"]
    assert lines[-1]["reconcile"]["open_orders"] == 1
    assert lines[-1]["protection"][0]["guards"] == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"size": Decimal("0.5")}, "order_size_differs", id="size"),
        pytest.param({"limit_price": Decimal(1)}, "order_price_differs", id="price"),
        pytest.param({"order_type": None}, "order_type_differs", id="a kind we never send"),
        pytest.param({"order_type": OrderType.STOP_LIMIT}, "order_type_differs", id="another of our kinds"),
        pytest.param({"stop_price": None}, "order_stop_differs", id="no stop"),
        pytest.param({"side": Side.BUY}, "order_side_differs", id="side"),
        pytest.param({"product_id": ProductId("BTC", "USD")}, "order_product_differs", id="product"),
    ],
)
def test_what_the_exchange_says_of_our_order_is_held_against_the_intent(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def restate(report: OrderReport) -> OrderReport:
        return replace(report, **changes) if report.order_type is OrderType.BRACKET else report

    stage.clock.at(3.5, lambda: setattr(made[0], "restated", restate))

    lines = stage.play(7)

    assert [_codes(line) for line in lines[3:]] == [[], [code], [code], [code]]
    assert lines[-1]["trading_state"] == "HALTED"


def test_an_unknown_order_that_is_found_to_be_another_one_stays_unknown_and_halts(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].restated = lambda report: replace(report, size=Decimal(9))

    stage.clock.at(1.6, lose)

    lines = stage.play(6)

    assert [_codes(line) for line in lines[3:]] == [["order_size_differs"]] * 3
    assert lines[-1]["reconcile"]["unknown_orders"] == 1
    assert lines[-1]["trading_state"] == "HALTED"


def test_an_id_under_which_the_exchange_shows_somebody_elses_order_is_reported_and_never_cancelled(
    tmp_path: Path,
) -> None:
    stage, made = _stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)

    def restate(report: OrderReport) -> OrderReport:
        is_guard = report.order_type is OrderType.BRACKET
        return replace(report, client_order_id=ClientOrderId("somebody-elses")) if is_guard else report

    stage.clock.at(3.5, lambda: setattr(made[0], "restated", restate))

    lines = stage.play(10)

    cancelled = len(made[0].cancelled)
    assert [_codes(line) for line in lines[4:7]] == [["order_name_differs"]] * 3
    assert lines[6]["trading_state"] == "HALTED"
    assert cancelled == 3  # the quotes of the entry, before


def test_not_even_cancel_all_touches_an_id_under_which_the_exchange_shows_somebody_elses_order(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def restate(report: OrderReport) -> OrderReport:
        is_guard = report.order_type is OrderType.BRACKET
        return replace(report, client_order_id=ClientOrderId("somebody-elses")) if is_guard else report

    stage.clock.at(3.5, lambda: setattr(made[0], "restated", restate))
    stage.clock.at(4.5, partial(_write, stage.kill_file, "cancel-all"))

    lines = stage.play(7)

    assert len(made[0].cancelled) == 3  # the quotes of the entry, before
    assert stage.alerts("kill_cancel_unverified")
    assert lines[-1]["metrics"]["trader_pending_orders"] == 1


@pytest.mark.parametrize(
    ("is_killed", "shown", "is_cancelled"),
    [
        pytest.param(True, "somebody else's", False, id="killed, shown"),
        pytest.param(True, None, True, id="killed, no answer"),
        pytest.param(False, "somebody else's", False, id="overdue, shown"),
        pytest.param(False, None, False, id="overdue, no answer"),
    ],
)
def test_a_start_looks_at_what_a_run_before_left_before_it_cancels_that_and_only_a_kill_switch_needs_no_answer(
    tmp_path: Path, is_killed: bool, shown: str | None, is_cancelled: bool
) -> None:
    """What the run before knew of a false id went with it."""
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(2.05, _killed)  # while its first entry rests
    with pytest.raises(KeyboardInterrupt):
        stage.loop(5).run()
    if is_killed:
        stage.kill_file.write_text("")

    def look(broker: Broker, key: OrderKey) -> OrderReport | None:
        report = broker.find(key)
        if shown is None or report is None:
            raise BrokerUnavailable("the script says so")
        return replace(report, client_order_id=ClientOrderId(shown))

    def liar(broker: Broker, clock: Clock) -> Broker:
        made.append(FaultyBroker(broker, clock))
        setattr(made[-1], "find", partial(look, broker))  # noqa: B010 - a method of one object
        return made[-1]

    stage.broker = liar

    stage.play(1)

    assert len(made[0].submitted) == 1
    assert bool(made[-1].cancelled) is is_cancelled


def test_slow_answers_about_what_a_run_before_left_do_not_hold_up_the_cancels_of_a_kill_switch(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(BTC)
    stage.buy_one(ETH, at_minute=6.5)
    stage.clock.at(9.5, _killed)  # two positions, each with its guard
    with pytest.raises(KeyboardInterrupt):
        stage.loop(12).run()
    stage.kill_file.write_text("cancel-all")
    cancelled_at: list[float] = []

    def slow(broker: Broker, clock: Clock) -> Broker:
        faulty = FaultyBroker(broker, clock)
        find = faulty.find

        def look(key: OrderKey) -> OrderReport | None:
            clock.wait_until(clock.now() + timedelta(seconds=4), lambda: True)
            return find(key)

        setattr(faulty, "find", look)  # noqa: B010 - a method of one object
        faulty.before_cancel = lambda: cancelled_at.append(clock.monotonic())
        made.append(faulty)
        return faulty

    stage.broker = slow

    stage.play(1)

    assert len(made[-1].cancelled) == 2
    assert cancelled_at[0] == 604.0  # its cycle began at minute 10: one look, and not the second
    assert "answers take longer than 2 s" in stage.log()


def _killed() -> None:
    raise KeyboardInterrupt


def test_an_order_that_the_exchange_does_not_show_is_not_cancelled_by_the_id_of_its_answer(tmp_path: Path) -> None:
    """The answer may have named somebody else's: it is seen first, or ends by itself at its end time."""
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def hide() -> None:
        made[0].hidden_until = MONDAY + timedelta(minutes=4)

    stage.clock.at(1.6, hide)

    lines = stage.play(8)

    assert [order.purpose for order in made[0].submitted[:1]] == [Purpose.ENTRY]
    assert made[0].cancelled == []
    assert [line["metrics"]["trader_pending_orders"] for line in lines[1:6]] == [0, 1, 1, 0, 0]


def test_while_the_exchange_does_not_show_a_guard_its_lot_stays_guarded_and_is_sold_afterwards(tmp_path: Path) -> None:
    """An exit waits for a look at what a run before left; that it does is said, and the guard holds the stop."""
    stage, made = _stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)
    stage.clock.at(4.5, _killed)
    with pytest.raises(KeyboardInterrupt):
        stage.loop(12).run()
    stage.clock.jump(timedelta(minutes=6))  # its longest hold is over

    def mute(broker: Broker, clock: Clock) -> Broker:
        made.append(FaultyBroker(broker, clock))
        for question in ("find", "open_orders"):
            setattr(made[-1], question, _no_answer)
        return made[-1]

    stage.broker = mute
    waiting = stage.play(1)[-1]
    unseen = list(made[-1].cancelled)
    stage.broker = None
    lines = stage.play(2)

    assert unseen == []
    assert waiting["protection"][0]["guards"] == 1
    assert "exit_incomplete" in waiting["alerts"]
    assert closings(lines) == [("exit", "max_hold")]


def _no_answer(*_question: object) -> None:
    raise BrokerUnavailable("the script says so")


def test_an_answer_that_names_an_order_before_says_nothing_of_this_one(tmp_path: Path) -> None:
    """The guard was taken, and its answer names the entry: it is looked up under its own name."""
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)
    taken: list[OrderId] = []

    def confuse() -> None:
        submit = made[0].submit

        def name_the_first(order: Order) -> OrderId:
            taken.append(submit(order))
            return taken[0] if order.purpose is Purpose.PROTECTION else taken[-1]

        setattr(made[0], "submit", name_the_first)  # noqa: B010 - a method of one object

    stage.clock.at(0.5, confuse)

    lines = stage.play(6)

    guard = next(order for order in made[0].submitted if order.purpose is Purpose.PROTECTION)
    outcomes = [
        (record["outcome"], record["order_id"])
        for record in stage.journal()
        if record["kind"] == "OUTCOME" and record["client_order_id"] == guard.client_order_id
    ]
    assert outcomes == [("UNKNOWN", None), ("ACCEPTED", taken[made[0].submitted.index(guard)])]
    assert [_codes(line) for line in lines] == [[]] * 6


def test_a_fill_of_our_order_under_another_id_of_the_exchange_is_not_booked_and_halts(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def fill_elsewhere() -> None:
        guard = next(order for order in made[0].submitted if order.purpose is Purpose.PROTECTION)
        strange = _fill("strange", "another-id", side=Side.SELL, size=str(guard.size), minute=3.4)
        made[0].foreign_fills = [replace(strange, client_order_id=guard.client_order_id)]

    stage.clock.at(3.5, fill_elsewhere)

    lines = stage.play(7)

    assert [_codes(line) for line in lines[4:]] == [["fill_order_differs"]] * 3
    assert not fills(lines, "SELL")
    assert lines[-1]["trading_state"] == "HALTED"
    assert "fill_order_differs" in stage.alerts("account_differs")[0]


@pytest.mark.parametrize(
    ("side", "times"), [pytest.param(Side.SELL, 2, id="more than is left"), pytest.param(Side.BUY, 1, id="other side")]
)
def test_a_fill_that_our_order_cannot_have_had_is_not_booked_and_halts_but_does_not_end_the_run(
    tmp_path: Path, side: Side, times: int
) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def fill_wrongly() -> None:
        guard = next(order for order in made[0].submitted if order.purpose is Purpose.PROTECTION)
        strange = _fill("strange", "", side=side, size=str(guard.size * times), minute=3.4)
        found = made[0].find(
            OrderKey(client_order_id=guard.client_order_id, order_id=None, product_id=ETH, since=MONDAY)
        )
        assert found is not None
        made[0].foreign_fills = [replace(strange, order_id=found.order_id)]

    stage.clock.at(3.5, fill_wrongly)

    lines = stage.play(7)

    assert [_codes(line) for line in lines[4:]] == [["fill_differs"]] * 3
    assert len(fills(lines)) == 1  # the entry's
    assert lines[-1]["trading_state"] == "HALTED"
    assert "fill strange" in stage.alerts("account_differs")[0]


def test_an_order_list_that_cannot_be_read_is_no_empty_list(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(4.5, lambda: setattr(made[0], "unavailable", True))

    lines = stage.play(7)

    assert [line["no_trade_reason"] for line in lines[5:]] == ["broker_unavailable"] * 2
    assert lines[-1]["metrics"]["trader_pending_orders"] == 1  # the guard is not taken for gone


def test_balances_that_lag_behind_a_fill_are_excused_once(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(2.9, lambda: setattr(made[0], "extra_cash", Decimal(5)))
    stage.clock.at(3.5, lambda: setattr(made[0], "extra_cash", Decimal(0)))

    lines = stage.play(6)

    assert [_codes(line) for line in lines] == [[]] * 6


def test_balances_that_stay_wrong_escalate_also_while_a_guard_rests(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(2.9, lambda: setattr(made[0], "extra_cash", Decimal(5)))

    lines = stage.play(7)

    assert [_codes(line) for line in lines[3:]] == [[], *[["cash_differs"]] * 3]
    assert [line["trading_state"] for line in lines[3:]] == ["ARMED", "ARMED", "REDUCE_ONLY", "HALTED"]


def _sell_twice(stage: Stage, made: list[FaultyBroker]) -> None:
    """Let the guard fill, too, right after its lot was sold."""

    def fill_the_guard_as_well() -> None:
        guard = next(order for order in made[0].submitted if order.purpose is Purpose.PROTECTION)
        state = next(
            event
            for event in stage.journal()
            if event.get("order_id")
            and event["kind"] == "OUTCOME"
            and event["client_order_id"] == guard.client_order_id
        )
        late = _fill("late", state["order_id"], side=Side.SELL, size=str(guard.size), price="2000", minute=8.5)
        made[0].foreign_fills = [late]
        made[0].extra_cash = late.price * late.size - late.fee

    stage.clock.at(8.6, fill_the_guard_as_well)


def test_coins_that_were_sold_twice_are_bought_back(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)
    _sell_twice(stage, made)

    lines = stage.play(13)

    covers = [order for order in orders(lines) if order["purpose"] == "cover"]
    bought = sum(Decimal(fill["size"]) for fill in fills(lines) if fill["purpose"] == "cover")
    size = Decimal(next(order["size"] for order in orders(lines) if order["purpose"] == "protection"))
    assert "severity=CRITICAL" in stage.alerts("oversold")[0]
    assert [(order["side"], order["order_type"], order["outcome"]) for order in covers] == [
        ("BUY", "limit_ioc", "ACCEPTED")
    ]
    assert bought == size
    assert "oversold" not in lines[-1]["portfolio"]
    assert lines[-1]["portfolio"]["positions"] == []


def test_while_coins_are_missing_their_product_is_not_bought_for_a_new_position(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)
    _sell_twice(stage, made)
    stage.clock.at(8.7, lambda: made[0].rejects.update({OrderType.IOC: "INSUFFICIENT_FUND"}))

    lines = stage.play(10)  # the rise that was bought is still wanted

    size = next(order["size"] for order in orders(lines) if order["purpose"] == "protection")
    covers = [(order["size"], order["outcome"]) for order in orders(lines) if order["purpose"] == "cover"]
    assert covers == [(size, "REJECTED")]
    assert lines[-1]["portfolio"]["oversold"] == [{"product": "ETH-USD", "quantity": size}]
    assert [item["reason"] for item in lines[-1]["risk"]["refused"]] == ["oversold_coins"]
