"""Never naked: every lot has an order at the exchange that guards it, or it is on its way out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import OrderRejected
from core.model.orders import Order, OrderId, OrderReport, OrderStatus, OrderType, Purpose
from tests.builders import make_product
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import (
    ETH,
    MONDAY,
    Line,
    Stage,
    closings,
    exit_reasons,
    fills,
    orders,
    set_stage,
    with_faults,
)

HOLD_SHORTLY = {"signals.strategies.price_move.max_hold_minutes": 5}


def _guards(lines: list[Line]) -> list[Line]:
    return [order for order in orders(lines) if order["purpose"] == "protection"]


def _with_maker_fills(stage: Stage, *, at_minute: float = 2.02) -> None:
    """Let the resting entry of minute 2 fill slowly, as its price is traded through."""
    stage.market.move(ETH, -0.3, at_minute=at_minute)
    stage.clock.at(at_minute, lambda: stage.market.set_volume(ETH, 12.0))


def test_a_guard_comes_with_the_entry_and_equals_it(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)

    line = stage.play(3)[-1]

    guard = orders([line])[-1]
    position = line["portfolio"]["positions"][0]
    assert (guard["order_type"], guard["side"], guard["purpose"], guard["outcome"]) == (
        "bracket",
        "SELL",
        "protection",
        "ACCEPTED",
    )
    assert (guard["size"], guard["lot"]) == (position["quantity"], position["lot"])
    price = sum(Decimal(fill["price"]) * Decimal(fill["size"]) for fill in fills([line])) / Decimal(guard["size"])
    assert Decimal(guard["stop_price"]) == pytest.approx(price * Decimal("0.98"), abs=Decimal("0.01"))
    assert Decimal(guard["limit_price"]) == pytest.approx(price * Decimal("1.04"), abs=Decimal("0.01"))
    assert line["protection"] == [{"guarded": guard["size"], "guard": "bracket", "guards": 1}]


def test_where_nothing_takes_time_nothing_is_ever_unprotected(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)

    lines = stage.play(6)

    assert [line["unprotected_seconds"] for line in lines] == [0] * 6
    assert lines[-1]["metrics"]["trader_unprotected_seconds_total"] == 0


def test_what_is_filled_is_guarded_while_the_rest_still_rests(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    _with_maker_fills(stage)

    line = stage.play(3)[-1]

    guards, bought = _guards([line]), fills([line], "BUY")
    assert len(bought) > 2
    assert {fill["liquidity"] for fill in bought[:3]} == {"MAKER"}
    intents = [event for event in stage.journal() if event["kind"] == "INTENT"]
    first_guard = next(event["at"] for event in intents if event["order"]["purpose"] == "protection")
    assert bought[0]["at"] <= first_guard <= bought[1]["at"]
    assert line["protection"][0]["guarded"] == line["portfolio"]["positions"][0]["quantity"]
    assert sum(Decimal(guard["size"]) for guard in guards) >= Decimal(line["protection"][0]["guarded"])
    assert line["unprotected_seconds"] == 0


def test_a_slice_below_the_venues_minimum_is_joined_with_the_rest(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.market.set_product(replace(make_product(ETH), quote_min_size=Decimal(60)))
    stage.buy_one(ETH)
    _with_maker_fills(stage)

    line = stage.play(3)[-1]

    assert line["protection"][0]["guarded"] == line["portfolio"]["positions"][0]["quantity"]
    assert line["protection"][0]["guards"] < len(_guards([line]))  # some were cancelled to be joined
    assert line["unprotected_seconds"] > 0  # the first coins were too few to be guarded
    assert all(Decimal(g["size"]) * Decimal(g["limit_price"]) >= 60 for g in _guards([line]))


def test_a_stop_that_fires_while_the_bot_is_down_is_booked_once_at_the_next_start(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    held = stage.play(3)[-1]["portfolio"]["positions"]
    stage.market.move(ETH, -4.0)
    stage.clock.jump(timedelta(minutes=30))

    lines = stage.play(3)

    assert len(held) == 1
    assert closings(lines) == [("protection", "stop_loss")]
    assert lines[0]["portfolio"]["positions"] == []
    assert lines[0]["protection"] is None
    assert len({fill["fill_id"] for fill in fills(stage.lines())}) == len(fills(stage.lines()))
    assert [line["reconcile"].get("differences") for line in lines] == [None] * 3
    assert not orders(lines)


def test_a_target_that_is_reached_fills_at_the_exchange_as_maker(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.market.move(ETH, 6.0, at_minute=4.5)

    lines = stage.play(7)

    assert closings(lines) == [("protection", "take_profit")]
    assert {fill["liquidity"] for fill in fills(lines, "SELL")} == {"MAKER"}


def test_an_exit_cancels_the_guard_before_it_sells(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)

    lines = stage.play(10)

    assert closings(lines) == [("exit", "max_hold")]
    guard = _guards(lines)[0]["client_order_id"]
    sell = next(order["client_order_id"] for order in orders(lines) if order["purpose"] == "exit")
    kinds = [
        (event["kind"], event.get("client_order_id") or event["order"]["client_order_id"])
        for event in stage.journal()
        if event["kind"] in ("CANCEL", "CLOSED", "INTENT")
    ]
    assert kinds.index(("CANCEL", guard)) < kinds.index(("CLOSED", guard)) < kinds.index(("INTENT", sell))
    assert lines[-1]["metrics"]["trader_pending_orders"] == 0


def test_a_guard_that_fills_while_it_is_cancelled_leaves_nothing_to_sell(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def fill_first() -> None:
        stage.market.move(ETH, -4.0)
        stage.clock.jump(timedelta(seconds=1))

    stage.clock.at(7.9, lambda: setattr(made[0], "before_cancel", fill_first))

    lines = stage.play(10)

    assert closings(lines) == [("protection", "stop_loss")]
    assert not [order for order in made[0].submitted if order.purpose is Purpose.EXIT]
    assert lines[-1]["portfolio"]["positions"] == []
    assert not stage.alerts("oversold")


def test_a_guard_that_is_not_proven_over_blocks_the_exit(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(7.5, lambda: setattr(made[0], "ignores_cancels", True))
    stage.clock.at(9.5, lambda: setattr(made[0], "ignores_cancels", False))

    lines = stage.play(12)

    assert exit_reasons(lines) == ["max_hold"] * 3
    assert not fills(lines[8:10])
    assert lines[9]["protection"][0]["guard"] == "bracket"
    assert len(stage.alerts("guard_not_cancelled")) == 2
    assert closings(lines[10:11]) == [("exit", "max_hold")]


def test_a_venue_that_takes_no_bracket_gets_a_stop_limit_and_is_asked_once(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {**HOLD_SHORTLY, "policy.risk.per_symbol_cooldown_minutes": 1})
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "preview_says", "PREVIEW_BRACKET_ORDER_NOT_SUPPORTED"))

    lines = stage.play(5)

    assert [guard["order_type"] for guard in _guards(lines)] == ["stop_limit"]
    assert lines[-1]["protection"][0]["guard"] == "stop_limit"
    assert len(made[0].previewed) == 1


def test_a_preview_that_refuses_for_the_moment_says_nothing_about_the_kind(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "preview_says", "PREVIEW_INSUFFICIENT_FUND"))

    lines = stage.play(5)

    assert [(guard["order_type"], guard["outcome"]) for guard in _guards(lines)] == [("bracket", "ACCEPTED")]


def test_a_bracket_that_is_rejected_as_a_kind_is_a_stop_limit_in_the_same_cycle(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.BRACKET: "BRACKET_ORDER_NOT_SUPPORTED"}))

    lines = stage.play(5)

    assert [(guard["order_type"], guard["outcome"]) for guard in _guards(lines)] == [
        ("bracket", "REJECTED"),
        ("stop_limit", "ACCEPTED"),
    ]
    assert lines[-1]["unprotected_seconds"] == 0


def test_a_guard_that_is_refused_for_a_reason_of_the_moment_is_alerted_and_tried_again(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.BRACKET: "INSUFFICIENT_FUND"}))
    stage.clock.at(4.5, lambda: setattr(made[0], "rejects", {}))

    lines = stage.play(7)

    assert [guard["outcome"] for guard in _guards(lines)] == ["REJECTED"] * 3 + ["ACCEPTED"]
    assert "INSUFFICIENT_FUND" in stage.alerts("unprotected")[0]
    # Bought and refused at the end of its cycle, 24 s after the minute; guarded at 10:05:00.
    assert [line["unprotected_seconds"] for line in lines] == [0, 0, 0, 36, 60, 60, 0]
    assert lines[-1]["metrics"]["trader_unprotected_seconds_total"] == sum(
        line["unprotected_seconds"] for line in lines
    )
    assert len({guard["client_order_id"] for guard in _guards(lines)}) == 4


def test_what_an_exit_left_is_guarded_until_the_next_cycle_also_when_the_run_ends_before_it(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(7.4, lambda: stage.market.set_book(ETH, level_size="0.002"))

    line = stage.play(9)[-1]

    (guard,) = made[0].open_orders()
    left = line["portfolio"]["positions"][0]["quantity"]
    assert fills([line], "SELL")
    assert line["protection"] == [{"flattening": True, "guarded": left, "guard": "bracket", "guards": 1}]
    assert guard.size == Decimal(left)
    assert stage.alerts("exit_incomplete")
    assert closings(stage.play(12)) == [("exit", "max_hold")]  # a later run goes on selling


def test_where_the_venue_takes_one_guard_of_a_product_only_it_is_for_all_of_the_lot_a_cycle_later(
    tmp_path: Path,
) -> None:
    stage = set_stage(tmp_path, {"policy.execution.taker_fallback": False})
    made = with_faults(stage)
    stage.buy_one(ETH)
    _with_maker_fills(stage)

    def take_one_guard(order: Order) -> None:
        if order.purpose is Purpose.PROTECTION and any(report.stop_price for report in made[0].open_orders()):
            raise OrderRejected("OPEN_BRACKET_ORDERS")

    stage.clock.at(1.6, lambda: setattr(made[0], "before_submit", take_one_guard))

    lines = stage.play(10)

    held = lines[3]["portfolio"]["positions"][0]["quantity"]
    assert 0 < Decimal(lines[2]["protection"][0]["guarded"]) < Decimal(held)
    assert [line["protection"] for line in lines[3:]] == [[{"guarded": held, "guard": "bracket", "guards": 1}]] * 7


def test_a_lot_whose_guards_the_venue_refuses_for_five_cycles_is_sold(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    refused = {OrderType.BRACKET: "BRACKET_ORDER_NOT_SUPPORTED", OrderType.STOP_LIMIT: "ORDER_TYPE_NOT_SUPPORTED"}
    stage.clock.at(1.6, lambda: made[0].rejects.update(refused))

    lines = stage.play(9)

    assert [exit_reasons([line]) for line in lines[2:8]] == [[], [], [], [], ["unguarded"], []]
    assert closings(lines) == [("exit", "unguarded")]
    assert lines[6]["portfolio"]["positions"] == []
    refusals = {item["reason"]: item["limit"] for item in lines[-1]["risk"]["refused"]}
    assert refusals == {"symbol_cooldown": "7200 s"}  # it would be refused again: as long as after a stop


def test_a_lot_whose_guards_fail_after_they_were_accepted_is_sold_as_well(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def fail_guards(report: OrderReport) -> OrderReport:
        if report.order_type is not OrderType.BRACKET:
            return report
        made[0].cancel([report.order_id])
        return replace(report, status=OrderStatus.FAILED)

    stage.clock.at(1.6, lambda: setattr(made[0], "restated", fail_guards))

    lines = stage.play(8)

    assert [exit_reasons([line]) for line in lines[2:]] == [[], [], [], [], ["unguarded"], []]
    assert closings(lines) == [("exit", "unguarded")]


def test_a_lot_whose_guards_fail_after_they_were_seen_resting_is_alerted_and_sold_as_well(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "restated", _failing_later(stage, made[0])))

    lines = stage.play(9)

    assert [exit_reasons([line]) for line in lines[2:]] == [[], [], [], [], [], ["unguarded"], []]
    assert closings(lines) == [("exit", "unguarded")]
    assert ["unprotected" in line["alerts"] for line in lines[:4]] == [False, False, False, True]
    assert "failed after it was accepted" in stage.alerts("unprotected")[0]


def test_a_guard_that_is_there_a_cycle_later_ends_the_count_of_those_that_failed(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    for begin, end in ((1.6, 5.5), (7.5, 11.5)):  # three fail, the next rests, then itself and two more
        stage.clock.at(begin, lambda: setattr(made[0], "restated", _failing_later(stage, made[0])))
        stage.clock.at(end, lambda: setattr(made[0], "restated", lambda report: report))

    lines = stage.play(14)

    assert [len(_guards([line])) for line in lines] == [0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0]
    assert not fills(lines, "SELL")
    assert lines[-1]["protection"][0]["guarded"] == lines[-1]["portfolio"]["positions"][0]["quantity"]


def _failing_later(stage: Stage, broker: FaultyBroker) -> Callable[[OrderReport], OrderReport]:
    """Let each guard rest for five seconds from its first look on, and then be FAILED."""
    since: dict[OrderId, datetime] = {}

    def restated(report: OrderReport) -> OrderReport:
        now = stage.clock.now()
        if report.order_type is not OrderType.BRACKET:
            return report
        if now - since.setdefault(report.order_id, now) < timedelta(seconds=5):
            return report
        broker.cancel([report.order_id])
        return replace(report, status=OrderStatus.FAILED)

    return restated


def test_a_lot_whose_guards_are_shown_as_failed_only_in_the_next_minute_is_sold_as_well(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    seen_first: dict[str, datetime] = {}

    def fail_guards_later(report: OrderReport) -> OrderReport:
        if report.order_type is not OrderType.BRACKET:
            return report
        now = stage.clock.now()
        if now - seen_first.setdefault(report.order_id, now) < timedelta(seconds=20):
            return report
        made[0].cancel([report.order_id])
        return replace(report, status=OrderStatus.FAILED)

    stage.clock.at(1.6, lambda: setattr(made[0], "restated", fail_guards_later))

    lines = stage.play(10)

    assert [exit_reasons([line]) for line in lines[2:]] == [[], [], [], [], [], ["unguarded"], [], []]
    assert closings(lines) == [("exit", "unguarded")]


def test_a_guard_that_a_closed_market_refuses_sells_nothing(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.BRACKET: "ORDER_ENTRY_DISABLED"}))

    lines = stage.play(10)

    assert exit_reasons(lines) == []
    assert stage.alerts("unprotected")


def test_a_guard_that_is_taken_ends_the_count_of_those_that_were_refused(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.BRACKET: "INSUFFICIENT_FUND"}))
    stage.clock.at(5.5, lambda: setattr(made[0], "rejects", {}))  # in the fifth cycle it is taken

    lines = stage.play(9)

    assert [guard["outcome"] for guard in _guards(lines)] == ["REJECTED"] * 4 + ["ACCEPTED"]
    assert not fills(lines, "SELL")


@pytest.mark.parametrize(
    ("late_seconds", "guarded_at_once"), [pytest.param(8, True, id="8 s late"), pytest.param(11, False, id="11 s")]
)
def test_fills_that_come_late_are_waited_for_and_guarded_in_the_same_minute(
    tmp_path: Path, late_seconds: int, guarded_at_once: bool
) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "fills_late_seconds", late_seconds))

    lines = stage.play(5)

    assert [len(line["protection"] or []) for line in lines[2:4]] == [int(guarded_at_once), 1]
    assert lines[3]["protection"][0]["guarded"] == lines[3]["portfolio"]["positions"][0]["quantity"]


def test_a_lot_whose_stop_is_reached_before_its_guard_is_sold_at_once(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(
        1.6, lambda: made[0].rejects.update({OrderType.BRACKET: "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"})
    )

    lines = stage.play(4)

    assert closings(lines[2:3]) == [("exit", "stop_loss")]
    assert exit_reasons(lines[2:3]) == ["stop_loss"]
    assert lines[2]["portfolio"]["positions"] == []


def test_a_lot_whose_stop_is_reached_before_its_guard_and_that_finds_no_buyers_is_alerted_in_its_first_minute(
    tmp_path: Path,
) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose_the_buyers(order: Order) -> None:
        if order.purpose is Purpose.PROTECTION:
            stage.market.set_book(ETH, level_size="0.0005")

    def fall() -> None:
        made[0].rejects[OrderType.BRACKET] = "STOP_PRICE_ABOVE_LAST_TRADE_PRICE"
        made[0].before_submit = lose_the_buyers

    stage.clock.at(1.6, fall)

    lines = stage.play(3)

    assert lines[2]["protection"][0]["guarded"] == "0"
    assert "exit_incomplete" in lines[2]["alerts"]
    assert "stop_loss is due" in stage.alerts("exit_incomplete")[0]


def test_a_guard_whose_answer_is_lost_freezes_the_lot_until_it_is_found(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].loses_purpose = Purpose.PROTECTION

    def hide() -> None:
        made[0].hidden_until = MONDAY + timedelta(minutes=4.5)

    stage.clock.at(1.6, lose)
    stage.clock.at(2.9, hide)

    lines = stage.play(7)

    assert [guard["outcome"] for guard in _guards(lines)] == ["UNKNOWN"]  # never a second one beside it
    assert [item["guarded"] == "0" for line in lines[2:6] for item in line["protection"]] == [True, True, True, False]
    assert lines[4]["unprotected_seconds"] == 60
    assert stage.alerts("unprotected")


def test_a_product_that_is_delisted_leaves_the_position_stuck_and_the_guard_in_place(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {**HOLD_SHORTLY, "universe.refresh_interval_seconds": 60})
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(4.5, lambda: stage.market.set_product(make_product(ETH, blocked_by="trading_disabled")))

    lines = stage.play(11)

    assert stage.alerts("position_stuck")
    assert not [order for order in made[0].submitted if order.purpose is Purpose.EXIT]
    assert lines[-1]["protection"][0]["guard"] == "bracket"
    assert [note["reason"] for note in lines[-1]["execution"]["not_sent"]] == ["market_closed"]


def test_what_changed_its_rules_without_notice_is_asked_again_after_a_rejected_exit(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)
    stage.clock.at(4.5, lambda: stage.market.set_product(make_product(ETH, blocked_by="trading_disabled")))

    lines = stage.play(11)

    rejected = [order for order in orders(lines) if order["outcome"] == "REJECTED"]
    assert rejected[0]["purpose"] == "exit"
    assert len({line["slot"] for line in lines for order in orders([line]) if order["outcome"] == "REJECTED"}) == 1
    assert stage.alerts("position_stuck")


def test_a_crash_between_the_guards_end_and_the_sale_is_made_good_by_the_next_start(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def die(order: object) -> None:
        if getattr(order, "purpose", None) is Purpose.EXIT:
            raise KeyboardInterrupt

    stage.clock.at(7.5, lambda: setattr(made[0], "before_submit", die))
    with pytest.raises(KeyboardInterrupt):
        stage.play(10)

    lines = stage.play(6)

    assert closings(lines) == [("exit", "max_hold")]
    assert lines[-1]["portfolio"]["positions"] == []
    assert len({fill["fill_id"] for fill in fills(stage.lines())}) == len(fills(stage.lines()))
