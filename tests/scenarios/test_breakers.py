"""Circuit breakers: what trips each, what it blocks, that exits go on, and how it recovers."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from core.errors import BrokerUnavailable
from core.model.guards import DiskRoom
from core.ports import Broker, Clock
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import (
    BTC,
    ETH,
    SOL,
    XRP,
    Line,
    Stage,
    WrapBroker,
    exit_reasons,
    fills,
    orders,
    reasons,
    set_stage,
)


def test_an_exit_is_executed_while_a_breaker_blocks_entries(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"signals.strategies.price_move.max_hold_minutes": 8})
    stage.buy_one(ETH)
    for product_id in (BTC, SOL, XRP):
        stage.clock.at(4.5, partial(stage.market.go_stale, product_id))

    lines = stage.play(13)

    sold = next(line for line in lines if fills([line], "SELL"))
    assert sold["breakers"] == ["stale_data"]
    assert sold["trading_state"] == "REDUCE_ONLY"
    assert exit_reasons(lines) == ["max_hold"]


def test_stale_candles_stop_entries_and_fresh_ones_let_them_go_on(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    for product_id in (BTC, SOL, XRP):
        stage.clock.at(0.5, partial(stage.market.go_stale, product_id))
        stage.clock.at(8.5, partial(stage.market.recover, product_id))
    stage.buy_one(ETH, at_minute=5.5)

    lines = stage.play(12)

    assert "stale_data" in reasons(lines)
    assert [line["circuit_breaker_tripped"] for line in lines].count(True) > 0
    assert not orders(lines[:9])
    assert lines[9]["breakers"] == []
    assert len(stage.alerts("stale_data")) == 2  # raised and resolved


@pytest.mark.parametrize("room", [DiskRoom(100, 10**6), DiskRoom(10**6, 100), DiskRoom(None, None)], ids=str)
def test_a_disk_that_is_nearly_full_or_unknown_stops_entries(
    tmp_path: Path, room: DiskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    monkeypatch.setattr("runner.ports_opening.disk_room", lambda *_folders: room)

    lines = stage.play(3)

    assert [line["breakers"] for line in lines] == [["disk_space"]] * 3
    assert not orders(lines)
    assert len(stage.alerts("disk_space")) == 1


def test_one_stale_product_of_many_is_left_out_and_the_rest_trade(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(0.5, lambda: stage.market.go_stale(SOL))
    stage.buy_one(ETH, at_minute=6.5)

    lines = stage.play(9)

    assert [fill["product"] for fill in fills(lines, "BUY")] == ["ETH-USD"]
    assert all(line["breakers"] == [] for line in lines)


def test_an_empty_universe_stops_entries_with_its_own_reason(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"universe.refresh_interval_seconds": 60})
    for product_id in (BTC, ETH, SOL, XRP):
        stage.clock.at(1.5, partial(stage.market.lose_book, product_id))
        stage.clock.at(4.5, partial(stage.market.recover, product_id))

    lines = stage.play(9)

    assert reasons(lines)[2:5] == ["empty_universe"] * 3
    assert lines[3]["breakers"] == ["empty_universe"]
    assert set(lines[2]["universe"]["excluded_reasons"]) == {"book_missing"}
    assert lines[-1]["breakers"] == []


def _lose_money(stage: Stage, cycles: int) -> list[Line]:
    """Buy one product with a large share and let it fall below its stop."""
    stage.buy_one(ETH)
    stage.market.move(ETH, -30.0, at_minute=4.5)
    return stage.play(cycles)


BIG = {
    "policy.risk.max_position_size_pct": 20.0,
    "policy.risk.max_open_positions": 1,
    "policy.position_sizing.tier_1_pct": 20.0,
    "policy.regime.chop.max_open_positions": 1,
    "policy.regime.bull.max_open_positions": 1,
    "policy.regime.bear.max_open_positions": 1,
    "policy.risk.max_order_notional_usd": 5000.0,
    "policy.risk.max_per_theme_pct.LAYER1": 25.0,
}


@pytest.mark.parametrize(
    ("changes", "breaker", "recovers_after"),
    [
        pytest.param({}, "daily_stop", timedelta(hours=14), id="daily stop, until midnight UTC"),
        pytest.param(
            {"policy.risk.daily_stop_pnl_pct": -2.0, "policy.risk.weekly_stop_pnl_pct": -2.5},
            "weekly_stop",
            timedelta(days=7) - timedelta(hours=10),
            id="weekly stop, until Monday",
        ),
    ],
)
def test_a_loss_limit_stops_entries_until_its_period_ends(
    tmp_path: Path, changes: dict[str, object], breaker: str, recovers_after: timedelta
) -> None:
    stage = set_stage(tmp_path, {**BIG, **changes})

    lines = _lose_money(stage, 10)

    assert breaker in lines[-1]["breakers"]
    assert lines[-1]["pnl"]["daily_pct"] < -2.5
    assert stage.alerts(breaker)
    stage.buy_one(SOL, at_minute=12.5)
    assert not orders(stage.play(6))
    stage.clock.jump(recovers_after - timedelta(minutes=20))  # shortly before the period ends
    assert breaker in stage.play(2)[-1]["breakers"]
    stage.clock.jump(timedelta(minutes=20))
    assert breaker not in stage.play(3)[-1]["breakers"]


def test_a_restart_does_not_forget_the_daily_stop(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, BIG)
    _lose_money(stage, 8)

    lines = stage.play(1)

    assert "daily_stop" in lines[0]["breakers"]
    assert lines[0]["trading_state"] == "REDUCE_ONLY"


def test_a_drawdown_from_the_high_water_mark_latches(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {**BIG, "policy.risk.max_drawdown_pct": 4.0, "policy.risk.weekly_stop_pnl_pct": -3.9})

    lines = _lose_money(stage, 8)

    assert "drawdown" in lines[-1]["breakers"]
    assert lines[-1]["pnl"]["drawdown_pct"] > 4.0
    stage.clock.jump(timedelta(days=8))
    assert "drawdown" in stage.play(2)[-1]["breakers"]


def test_failing_market_calls_trip_the_api_breaker_and_it_recovers(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(0.5, lambda: stage.market.fail(4))
    stage.buy_one(ETH, at_minute=20.5)

    lines = stage.play(24)

    assert "data_unavailable" in reasons(lines)
    tripped = [line for line in lines if "api_errors" in line["breakers"]]
    assert tripped
    assert tripped[-1]["metrics"]["exchange_api_consecutive_errors"] == 0
    assert stage.alerts("api_errors")
    assert lines[-1]["breakers"] == []
    assert fills(lines, "BUY")


def test_a_crash_of_the_benchmark_stops_entries(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.market.move(BTC, -8.0, at_minute=1.5)
    stage.buy_one(ETH, at_minute=3.5)

    lines = stage.play(8)

    assert lines[-1]["regime"] == "crash"
    assert "volatility_crash" in lines[-1]["breakers"]
    assert not orders(lines)


@pytest.mark.parametrize(
    ("changes", "skew", "state"),
    [
        pytest.param({}, 5.0, "ARMED", id="at the limit"),
        pytest.param({}, -5.1, "REDUCE_ONLY", id="past it, behind"),
        pytest.param({"policy.circuit_breakers.max_clock_skew_seconds": 6}, 5.1, "ARMED", id="another limit"),
        pytest.param({}, 30.1, "HALTED", id="as far off as LIVE does not start with"),
        pytest.param({"app.exchange.max_clock_skew_seconds": 31}, 30.1, "REDUCE_ONLY", id="another limit of LIVE"),
        pytest.param({}, float("nan"), "REDUCE_ONLY", id="not to be read"),
    ],
)
def test_a_clock_that_disagrees_with_the_venues_stops_entries_until_it_agrees(
    tmp_path: Path, changes: dict[str, object], skew: float, state: str
) -> None:
    stage = set_stage(tmp_path, changes)
    stage.clock_skew = 0.0
    stage.clock.at(1.5, lambda: setattr(stage, "clock_skew", skew))
    stage.clock.at(4.5, lambda: setattr(stage, "clock_skew", 0.1))
    stage.buy_one(ETH)

    lines = stage.play(6)

    is_off = state != "ARMED"
    assert [line["trading_state"] for line in lines] == ["ARMED"] * 2 + [state] * 3 + ["ARMED"]
    assert lines[2]["breakers"] == (["clock_skew"] if is_off else [])
    assert bool(orders(lines[:5])) is not is_off
    assert len(stage.alerts("clock_skew")) == (2 if is_off else 0)  # raised and resolved


def test_an_account_that_disagrees_reduces_then_halts(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    faulty: list[FaultyBroker] = []
    stage.broker = _keep(faulty)
    stage.clock.at(1.5, lambda: setattr(faulty[0], "extra_cash", Decimal(5)))

    lines = stage.play(7)

    assert [line["trading_state"] for line in lines] == ["ARMED"] * 3 + ["REDUCE_ONLY"] + ["HALTED"] * 3
    assert lines[2]["reconcile"]["differences"][0]["code"] == "cash_differs"
    assert lines[-1]["no_trade_reason"] == "halted"
    assert stage.alerts("reconcile_mismatch")


def test_a_silent_account_is_no_empty_account(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    faulty: list[FaultyBroker] = []
    stage.broker = _keep(faulty)
    stage.clock.at(1.5, lambda: setattr(faulty[0], "unavailable", True))
    stage.buy_one(ETH, at_minute=2.5)

    lines = stage.play(6)

    assert reasons(lines)[2:] == ["broker_unavailable"] * 4
    assert faulty[0].submitted == []
    assert "api_errors" in lines[-1]["breakers"]


def test_fees_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    def fail() -> None:
        raise BrokerUnavailable("no fee rates today")

    stage = set_stage(tmp_path)
    faulty: list[FaultyBroker] = []
    stage.broker = _keep(faulty)
    stage.clock.at(0.5, lambda: setattr(faulty[0], "before_fees", fail))
    stage.buy_one(ETH)

    lines = stage.play(4)

    refused = [item["reason"] for line in lines if line["risk"] is not None for item in line["risk"]["refused"]]
    assert set(refused) == {"fees_unknown"}
    assert not orders(lines)


def test_unexpected_exceptions_are_lines_of_their_own_and_a_burst_of_them_stops_entries(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    faulty: list[FaultyBroker] = []
    stage.broker = _keep(faulty)
    stage.clock.at(1.5, lambda: setattr(faulty[0], "has_defect", True))
    stage.clock.at(3.5, lambda: setattr(faulty[0], "has_defect", False))
    stage.buy_one(ETH, at_minute=4.5)

    lines = stage.play(16)

    errors = [line for line in lines if line["status"] == "ERROR"]
    assert [line["error"]["type"] for line in errors] == ["ZeroDivisionError"] * 2
    assert "Traceback" in stage.log()
    assert "exception_burst" in lines[4]["breakers"]
    assert not orders([line for line in lines if line["status"] == "ERROR" or line["breakers"]])
    assert lines[-1]["breakers"] == []
    assert len(stage.alerts("exception_burst")) == 2


def _keep(made: list[FaultyBroker]) -> WrapBroker:
    def wrap(broker: Broker, clock: Clock) -> Broker:
        made.append(FaultyBroker(broker, clock))
        return made[-1]

    return wrap
