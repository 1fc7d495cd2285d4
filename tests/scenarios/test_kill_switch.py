"""The kill switch, touched at different points of a run (L5)."""

from functools import partial
from pathlib import Path

from tests.scenarios.stage import ETH, Stage, closings, fills, orders, reasons, set_stage, with_faults


def test_while_the_file_is_there_no_order_is_sent_and_afterwards_trading_goes_on(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(0.5, stage.kill_file.touch)
    stage.buy_one(ETH)
    stage.clock.at(5.5, stage.kill_file.unlink)

    lines = stage.play(9)

    killed = [line for line in lines if line["no_trade_reason"] == "kill_switch"]
    assert [line["slot"] - lines[0]["slot"] for line in killed] == [1, 2, 3, 4, 5]
    assert {line["trading_state"] for line in killed} == {"HALTED"}
    assert orders(killed) == []
    assert fills(lines[6:], "BUY")


def test_the_alert_comes_once_and_within_a_second_of_the_touch(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(0.5, stage.kill_file.touch)

    lines = stage.play(6)

    alerts = stage.alerts("kill_switch")
    assert len(alerts) == 1
    assert alerts[0].startswith("2026-01-05T10:00:30Z")
    assert "severity=CRITICAL" in alerts[0]
    assert [line["alerts"] for line in lines] == [[], ["kill_switch"], [], [], [], []]


def test_touched_while_an_entry_rests_the_entry_is_cancelled_and_not_crossed(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(2.1, stage.kill_file.touch)  # six seconds into the rest of the order

    lines = stage.play(4)

    assert [order["order_type"] for order in orders(lines)] == ["limit_post_only"]
    assert fills(lines) == []
    cancel = next(event for event in stage.journal() if event["kind"] == "CANCEL")
    assert cancel["at"] == "2026-01-05T10:02:06Z"  # at once, not when the order's rest is over
    assert lines[2]["metrics"]["trader_pending_orders"] == 0
    assert reasons(lines[3:]) == ["kill_switch"]


def test_exits_stop_too_and_run_again_when_the_file_is_gone(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"signals.strategies.price_move.max_hold_minutes": 5})
    stage.buy_one(ETH)
    stage.clock.at(4.5, stage.kill_file.touch)
    stage.clock.at(10.5, stage.kill_file.unlink)

    lines = stage.play(13)

    assert not orders(lines[5:11])
    assert closings(lines[11:12]) == [("exit", "max_hold")]


def test_guards_at_the_exchange_stay_and_sell_while_the_bot_is_stopped(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(4.5, stage.kill_file.touch)
    stage.market.move(ETH, -4.0, at_minute=6.7)

    lines = stage.play(9)

    assert not orders(lines[5:])
    assert [item["guard"] for line in lines[5:7] for item in line["protection"]] == ["bracket"] * 2
    assert closings(lines[7:8]) == [("protection", "stop_loss")]
    assert not [event for event in stage.journal() if event["kind"] == "CANCEL"][3:]  # of the entry's quotes only


def test_touched_while_an_entry_fills_what_is_bought_gets_no_guard_and_that_is_said(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.market.move(ETH, -0.3, at_minute=2.02)
    stage.clock.at(2.02, lambda: stage.market.set_volume(ETH, 12.0))
    stage.clock.at(2.05, stage.kill_file.touch)
    stage.clock.at(3.5, stage.kill_file.unlink)

    lines = stage.play(5)

    guards = [[order for order in orders([line]) if order["purpose"] == "protection"] for line in lines]
    assert fills(lines[2:3], "BUY")
    assert [len(sent) for sent in guards[2:]] == [1, 0, 1]  # before the file was there, and after it
    assert lines[2]["risk"]["refused"] == []  # under the switch nobody even tried
    assert "kill switch" in stage.alerts("unprotected")[0]
    assert lines[3]["unprotected_seconds"] > 50
    assert lines[4]["protection"][0]["guarded"] == lines[4]["portfolio"]["positions"][0]["quantity"]


def test_cancel_all_takes_the_guards_away_and_says_what_is_naked(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)

    def ask_for_all() -> None:
        stage.kill_file.write_text("cancel-all")

    stage.clock.at(4.5, ask_for_all)

    lines = stage.play(7)

    assert [item["guards"] for line in lines[4:6] for item in line["protection"]] == [1, 0]
    assert lines[5]["metrics"]["trader_pending_orders"] == 0
    assert lines[5]["unprotected_seconds"] == 30.0  # since the file was written, half a minute before the cycle
    assert lines[6]["unprotected_seconds"] == 60.0
    assert "kill switch" in stage.alerts("unprotected")[0]


def test_it_latches_across_a_restart(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(0.5, stage.kill_file.touch)
    stage.play(2)

    lines = stage.play(2)

    assert reasons(lines) == ["kill_switch", "kill_switch"]


def test_what_cannot_be_read_counts_as_present(tmp_path: Path) -> None:
    def plant_a_directory(stage: Stage) -> None:
        stage.kill_file.mkdir()

    def plant_a_dangling_link(stage: Stage) -> None:
        stage.kill_file.symlink_to("nowhere")

    def plant_a_loop(stage: Stage) -> None:
        stage.kill_file.symlink_to(stage.kill_file.name)

    for number, plant in enumerate((plant_a_directory, plant_a_dangling_link, plant_a_loop)):
        stage = set_stage(tmp_path / str(number))
        stage.clock.at(0.5, partial(plant, stage))

        lines = stage.play(2)

        assert reasons(lines) == ["no_candidates_from_triggers", "kill_switch"]


def test_touched_between_intent_and_send_the_order_is_not_sent(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    reads: list[int] = []

    def touch_in_the_last_hop() -> None:
        reads.append(1)
        if len(reads) == 2:  # risk has read the rates once; now the last hop does, after it has read the switch
            stage.kill_file.touch()

    stage.clock.at(1.6, lambda: setattr(made[0], "before_fees", touch_in_the_last_hop))

    lines = stage.play(4)

    assert [order["outcome"] for order in orders(lines)] == ["NOT_SENT"]
    assert made[0].submitted == []
    assert lines[2]["no_trade_reason"] == "kill_switch"


def test_an_entry_that_could_not_be_cancelled_is_cancelled_by_the_switch_while_waiting(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(2.1, lambda: setattr(made[0], "unavailable", True))
    stage.clock.at(2.2, lambda: setattr(made[0], "unavailable", False))
    stage.clock.at(2.25, stage.kill_file.touch)

    lines = stage.play(4)

    assert lines[2]["reconcile"]["open_orders"] == 1
    closed = next(event for event in stage.journal() if event["kind"] == "CLOSED")
    assert (closed["status"], closed["at"]) == ("CANCELLED", "2026-01-05T10:02:15Z")
    assert lines[3]["reconcile"]["open_orders"] == 0


def test_an_entry_that_is_not_seen_to_be_cancelled_under_the_switch_is_alerted(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(2.05, lambda: setattr(made[0], "ignores_cancels", True))
    stage.clock.at(2.1, stage.kill_file.touch)

    lines = stage.play(6)

    assert ["kill_cancel_unverified" in line["alerts"] for line in lines] == [False, False, False, True, False, False]
    assert "severity=CRITICAL" in stage.alerts("kill_cancel_unverified")[0]
    assert [line["reconcile"]["open_orders"] for line in lines[2:]] == [1, 0, 0, 0]  # its end came
