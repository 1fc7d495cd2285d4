"""Clock jumps, overruns, restarts on the grid, and a configuration edited while the bot runs."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.scenarios.stage import ETH, MONDAY, orders, reasons, set_stage


def test_a_clock_set_back_reuses_no_slot_and_buys_nothing_in_that_cycle(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(2.5, partial(stage.clock.jump, timedelta(minutes=-2)))

    lines = stage.play(6)

    slots = [line["slot"] for line in lines]
    assert slots == sorted(set(slots))
    jumped = [line for line in lines if "clock_jump" in line["breakers"]]
    assert len(jumped) == 1
    assert jumped[0]["no_trade_reason"] == "circuit_breaker_tripped"
    assert stage.alerts("clock_jump")


def test_a_clock_set_forward_counts_the_slots_that_were_left_out(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(2.5, partial(stage.clock.jump, timedelta(minutes=10)))
    stage.buy_one(ETH, at_minute=2.4)

    lines = stage.play(5)

    assert [line["missed_slots"] for line in lines] == [0, 0, 0, 9, 0]
    assert "clock_jump" in lines[3]["breakers"]
    assert not orders(lines[:4])
    assert lines[4]["breakers"] == []


def test_downtime_is_counted_and_not_caught_up(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    stage.clock.jump(timedelta(minutes=30))  # the second cycle began at 10:01; the next one is the one of 10:31

    lines = stage.play(2)

    assert [line["missed_slots"] for line in lines] == [29, 0]


def test_a_clock_set_back_while_the_bot_was_down_is_waited_for(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(5)
    stage.clock.jump(timedelta(minutes=-3))

    stage.play(2)

    first = int(MONDAY.timestamp()) // 60
    assert [line["slot"] for line in stage.lines()] == list(range(first, first + 7))


def test_the_first_cycle_starts_at_once_and_the_next_ones_on_the_grid(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.jump(timedelta(seconds=17))

    lines = stage.play(3)

    assert [line["timestamp"][11:] for line in lines] == ["10:00:17Z", "10:01:00Z", "10:02:00Z"]
    assert lines[0]["slot"] == int(MONDAY.timestamp()) // 60


def test_an_edited_limit_is_reported_and_not_applied(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    policy = stage.config / "policy.yaml"

    def edit() -> None:
        policy.write_text(policy.read_text().replace("max_open_positions: 5", "max_open_positions: 1", 1))

    stage.clock.at(1.5, edit)

    lines = stage.play(5)

    assert len({line["config_hash"] for line in lines}) == 1
    assert [line["alerts"] for line in lines] == [[], [], ["config_drift"], [], []]
    assert "policy.yaml" in stage.alerts("config_drift")[0]


def test_an_edited_comment_is_no_drift(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    policy = stage.config / "policy.yaml"

    def remark() -> None:
        policy.write_text("# a remark\n" + policy.read_text())

    stage.clock.at(1.5, remark)

    stage.play(4)

    assert not stage.alerts("config_drift")


def test_a_deleted_configuration_file_is_reported_and_the_run_goes_on(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(1.5, (stage.config / "signals.yaml").unlink)

    lines = stage.play(4)

    assert stage.alerts("config_drift")
    assert reasons(lines) == ["no_candidates_from_triggers"] * 4
