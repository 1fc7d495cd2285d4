"""Settings of app.yaml, each changed alone, seen in the files of a run; and every metric seen to move."""

import os
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.model.guards import DiskRoom
from core.model.orders import OrderType
from core.ports import Broker, Clock
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import ETH, Line, WrapBroker, fills, orders, reasons, set_stage


def _keep(made: list[FaultyBroker]) -> WrapBroker:
    def wrap(broker: Broker, clock: Clock) -> Broker:
        made.append(FaultyBroker(broker, clock))
        return made[-1]

    return wrap


def test_the_log_is_rotated_by_size_and_keeps_so_many_files(tmp_path: Path) -> None:
    stage = set_stage(
        tmp_path, {"app.logging.max_bytes": 65536, "app.logging.backup_count": 1, "app.logging.level": "DEBUG"}
    )

    stage.play(1500)

    names = sorted(path.name for path in (tmp_path / "logs").glob("live_*.log"))
    assert names == ["live_247trader-v2.1.log", "live_247trader-v2.log"]
    assert all(path.stat().st_size <= 65536 for path in (tmp_path / "logs").glob("live_*.log"))


def test_the_log_level_decides_what_is_written(tmp_path: Path) -> None:
    loud = set_stage(tmp_path / "loud", {"app.logging.level": "DEBUG"})
    quiet = set_stage(tmp_path / "quiet", {"app.logging.level": "WARNING"})

    loud.play(2)
    quiet.play(2)

    assert "cycle " in loud.log()
    assert quiet.log() == ""


def test_an_alert_is_repeated_only_after_the_window(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"app.alerts.dedupe_seconds": 180})
    made: list[FaultyBroker] = []
    stage.broker = _keep(made)
    stage.clock.at(0.5, lambda: setattr(made[0], "extra_cash", Decimal(5)))

    lines = stage.play(8)

    assert [("account_differs" in line["alerts"]) for line in lines] == [
        False, True, False, False, True, False, False, True,
    ]  # fmt: skip
    assert len(stage.alerts("account_differs")) == 3


@pytest.mark.parametrize("figures", [DiskRoom(199, 10**6), DiskRoom(10**6, 999), DiskRoom(None, None)])
def test_too_little_room_on_the_disk_stops_entries(
    tmp_path: Path, figures: DiskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ports_opening.disk_room", lambda *_folders: figures)
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)

    lines = stage.play(4)

    assert lines[-1]["breakers"] == ["disk_space"]
    assert not orders(lines)


def test_a_cycle_that_is_late_sends_no_entry(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made: list[FaultyBroker] = []
    stage.broker = _keep(made)
    stage.clock.at(0.5, lambda: setattr(made[0], "slow_seconds", 50))
    stage.buy_one(ETH)

    lines = stage.play(4)

    assert "deadline" in reasons(lines)
    assert not orders(lines)
    assert lines[2]["stage_latencies"]["reconcile"] >= 50


@pytest.mark.parametrize(("seconds", "histories"), [(20, 2), (30, 3), (44, 4)])
def test_past_its_share_of_the_cycle_no_newcomers_history_is_asked_for(
    tmp_path: Path, seconds: int, histories: int
) -> None:
    """Each of four histories takes 11 s; who has none yet is not taken for stale."""
    stage = set_stage(tmp_path, {"app.loop.market_data_seconds": seconds})
    asked: list[datetime] = []

    def take_time() -> None:
        asked.append(stage.clock.now())
        stage.clock.wait_until(stage.clock.now() + timedelta(seconds=11), lambda: True)

    stage.market.before_candles = take_time

    line = stage.play(1)[0]

    assert len(asked) == histories
    assert line["stage_latencies"]["triggers"] == 11 * histories
    assert line["breakers"] == []


def test_a_new_paper_account_gets_its_starting_cash_once(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"app.paper.starting_cash_usd": 2500})

    lines = stage.play(1) + stage.play(1)

    assert [line["portfolio"]["cash"] for line in lines] == [{"USD": "2500"}] * 2
    assert [flow["amount"] for line in lines for flow in line["portfolio"]["cash_flows"]] == ["2500"]


def test_a_snapshot_is_taken_every_so_many_cycles(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"app.state.snapshot_every_cycles": 2})
    seen: list[bool] = []
    for minute in (0.5, 1.5):
        stage.clock.at(minute, lambda: seen.append((stage.data / ".state.json").exists()))

    stage.play(3)

    assert seen == [False, True]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)

    stage.play(1)

    for name in ("data/journal.jsonl", "data/.state.json", "logs/247trader-v2_audit.jsonl"):
        assert os.stat(tmp_path / name).st_mode & 0o077 == 0, name


def test_every_metric_moves(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made: list[FaultyBroker] = []
    stage.broker = _keep(made)
    stage.buy_one(ETH)
    stage.market.move(ETH, -4.0, at_minute=5.5)
    stage.clock.at(7.5, lambda: stage.market.fail(8))

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].loses_before_acceptance = True

    stage.clock.at(29.6, lose)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.BRACKET: "INSUFFICIENT_FUND"}))
    stage.clock.at(3.5, lambda: setattr(made[0], "rejects", {}))
    stage.buy_one(ETH, at_minute=29.5)
    stage.market.move(ETH, 5.0, at_minute=200.5)

    lines = stage.play(215)

    still = [name for name in lines[0]["metrics"] if len(_values(lines, name)) < 2]
    assert still == ["exchange_rate_limit_utilization"]  # this venue has no limiter: null in every line
    assert fills(lines, "SELL")


def _values(lines: list[Line], name: str) -> set[str]:
    return {str(line["metrics"][name]) for line in lines}
