"""An order whose answer was lost: UNKNOWN until there is evidence, never sent twice (L3, L4)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from core.model.orders import Fill, Liquidity, Order, OrderId, Purpose, Side
from core.ports import Broker, Clock
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import ETH, MONDAY, fills, orders, set_stage, with_faults


def test_an_order_that_was_accepted_is_found_and_its_fills_are_booked_once(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "lose_answers", 1))

    lines = stage.play(6)

    sent = [order["client_order_id"] for order in orders(lines)]
    assert len(sent) == len(set(sent))
    assert orders(lines)[0]["outcome"] == "UNKNOWN"
    assert next(line["no_trade_reason"] for line in lines if orders([line])) == "unknown_order_outstanding"
    resolved = [item for line in lines for item in line["reconcile"].get("resolved", [])]
    assert resolved == [{"client_order_id": sent[0], "outcome": "ACCEPTED"}]
    assert lines[-1]["metrics"]["trader_pending_orders"] == 0
    assert len({fill["fill_id"] for fill in fills(lines)}) == len(fills(lines))


def test_while_it_is_unknown_the_product_is_frozen_and_counts_as_filled(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"policy.execution.unknown_settle_seconds": 600})
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].hidden_until = MONDAY + timedelta(minutes=20)

    stage.clock.at(1.6, lose)

    lines = stage.play(8)

    assert len([order for order in orders(lines) if order["product"] == "ETH-USD"]) == 1
    unknown = [line for line in lines if line["reconcile"]["unknown_orders"] == 1]
    assert unknown
    assert all(float(line["portfolio"]["at_risk"]) > 0 for line in unknown)
    refusals = {item["reason"] for line in unknown if line["risk"] for item in line["risk"]["refused"]}
    assert "unknown_order_outstanding" in refusals


def test_one_that_never_arrived_is_called_absent_only_when_it_can_no_longer_live(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].loses_before_acceptance = True

    stage.clock.at(1.6, lose)

    lines = stage.play(9)

    sent_slot = next(line["slot"] for line in lines if line["execution"]["orders"])
    absent = next(line for line in lines if "resolved" in line["reconcile"])
    assert absent["reconcile"]["resolved"][0]["outcome"] == "ABSENT"
    assert absent["slot"] - sent_slot >= 3  # 19 s of life and 150 s of settling, and three looks
    assert len(made[0].submitted) == len({order.client_order_id for order in made[0].submitted})


def test_one_that_no_look_finds_is_not_called_absent_while_the_open_orders_list_it(tmp_path: Path) -> None:
    """A guard: were it called absent, the next one would sell the same coins again."""
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers, made[0].loses_purpose = 1, Purpose.PROTECTION

    def hide(order: Order) -> None:
        if order.purpose is Purpose.PROTECTION:
            made[0].lost_to_looks.append(order.client_order_id)

    stage.clock.at(1.0, lambda: setattr(made[0], "before_submit", hide))
    stage.clock.at(1.6, lose)

    lines = stage.play(9)

    guards = [order for order in made[0].submitted if order.purpose is Purpose.PROTECTION]
    resolved = [item for line in lines for item in line["reconcile"].get("resolved", [])]
    assert orders(lines)[-1]["outcome"] == "UNKNOWN"
    assert resolved == [{"client_order_id": guards[0].client_order_id, "outcome": "ACCEPTED"}]
    assert len(guards) == 1


def test_one_whose_fill_comes_after_the_last_look_that_found_nothing_is_not_called_absent(tmp_path: Path) -> None:
    """The look and the fills are two questions of one cycle: in between the exchange may begin to tell."""
    stage = set_stage(tmp_path, {"policy.execution.taker_fallback": False})
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.market.move(ETH, -0.3, at_minute=2.02)
    stage.clock.at(1.0, lambda: setattr(made[0], "before_submit", _hide_from_looks(made[0])))
    stage.clock.at(1.6, lambda: setattr(made[0], "lose_answers", 1))
    stage.clock.at(1.6, lambda: setattr(made[0], "fills_late_seconds", 150))  # first listed in the cycle of 10:05

    lines = stage.play(7)

    (fill,) = fills(lines, "BUY")
    resolved = [item for line in lines for item in line["reconcile"].get("resolved", [])]
    assert resolved == [{"client_order_id": fill["client_order_id"], "outcome": "ACCEPTED"}]
    assert stage.alerts("absent_order_filled") == []


def _hide_from_looks(broker: FaultyBroker) -> Callable[[Order], None]:
    def hide(order: Order) -> None:
        if order.purpose is Purpose.ENTRY:
            broker.lost_to_looks.append(order.client_order_id)

    return hide


def test_a_question_that_failed_is_no_look_that_found_nothing(tmp_path: Path) -> None:
    """Its life is long over when the exchange answers again, and still it is looked for three times."""
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].loses_before_acceptance = True

    stage.clock.at(1.6, lose)
    stage.clock.at(2.7, lambda: setattr(made[0], "unavailable", True))
    stage.clock.at(9.5, lambda: setattr(made[0], "unavailable", False))

    lines = stage.play(14)

    resolved = [line["slot"] - lines[0]["slot"] for line in lines if "resolved" in (line["reconcile"] or {})]
    assert orders(lines)[0]["outcome"] == "UNKNOWN"
    assert resolved == [12]  # looked for in the cycles 10, 11 and 12


def test_a_fill_that_was_seen_before_its_order_could_be_found_is_ours_once_it_is(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"policy.execution.unknown_settle_seconds": 600})
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.market.move(ETH, -0.3, at_minute=2.02)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].names_no_client = True
        made[0].before_submit = lambda order: made[0].lost.append(order.client_order_id)
        made[0].shows_cash = Decimal(10_000)

    def find_again() -> None:
        made[0].lost.clear()
        made[0].shows_cash = None
        made[0].before_submit = lambda _order: None

    stage.clock.at(1.6, lose)
    stage.clock.at(6.5, find_again)

    lines = stage.play(8)

    assert sum(line["reconcile"].get("foreign_fills", 0) for line in lines) == 1  # so it looked after three looks
    assert len(fills(lines[7:], "BUY")) == 1
    assert lines[7]["protection"][0]["guarded"] == lines[7]["portfolio"]["positions"][0]["quantity"]
    assert lines[7]["reconcile"]["unknown_orders"] == 0


def test_an_entry_that_the_exchange_keeps_beyond_its_end_is_cancelled_again(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "shows_open", True))
    stage.clock.at(4.5, lambda: setattr(made[0], "shows_open", False))

    lines = stage.play(6)

    assert len(made[0].cancelled) == 3  # the same order, in its cycle and in each later one
    assert len(set(made[0].cancelled)) == 1
    assert [line["reconcile"]["open_orders"] for line in lines] == [0, 0, 1, 1, 1, 0]


def test_the_first_order_of_all_is_not_forgotten_by_a_restart_when_its_fill_comes_very_late(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].loses_before_acceptance = True

    stage.clock.at(1.6, lose)
    first = stage.play(6)
    stage.clock.wait_until(MONDAY + timedelta(minutes=25), lambda: True)
    (order,) = made[0].submitted
    late = Fill(
        fill_id="late",
        order_id=OrderId("the-lost-order"),
        client_order_id=order.client_order_id,
        product_id=ETH,
        side=Side.BUY,
        price=order.limit_price,
        size=order.size,
        fee=Decimal(1),
        liquidity=Liquidity.MAKER,
        at=MONDAY + timedelta(minutes=2.1),
    )
    put_between = stage.broker

    def with_late_fill(broker: Broker, clock: Clock) -> Broker:
        assert put_between is not None
        faulty = put_between(broker, clock)
        made[-1].foreign_fills = [late]
        return faulty

    stage.broker = with_late_fill

    lines = stage.play(3)

    assert [line["reconcile"]["unknown_orders"] for line in first[2:]] == [1, 1, 1, 0]
    assert [fill["fill_id"] for fill in fills(lines)][:1] == ["late"]
    assert stage.alerts("absent_order_filled")


def test_an_entry_beyond_its_end_is_cancelled_also_while_the_bot_is_halted(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def ignore_cancels() -> None:
        made[0].shows_open = True
        made[0].extra_cash = Decimal(-50)

    stage.clock.at(2.05, ignore_cancels)

    lines = stage.play(8)

    assert [line["trading_state"] for line in lines[6:]] == ["HALTED"] * 2
    assert [line["reconcile"]["open_orders"] for line in lines[2:]] == [1] * 6
    assert len(made[0].cancelled) == 6  # the same order in its cycle and in each later one
    assert len(set(made[0].cancelled)) == 1


def test_a_fill_that_names_an_unknown_order_proves_that_it_exists(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.market.move(ETH, -0.3, at_minute=2.02)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].before_submit = lose_entry

    def lose_entry(order: Order) -> None:
        if order.purpose is Purpose.ENTRY:
            made[0].lost.append(order.client_order_id)

    stage.clock.at(1.6, lose)

    lines = stage.play(6)

    resolved = [item["outcome"] for line in lines for item in line["reconcile"].get("resolved", [])]
    assert resolved == ["ACCEPTED"]
    assert lines[-1]["protection"][0]["guarded"] == lines[-1]["portfolio"]["positions"][0]["quantity"]
