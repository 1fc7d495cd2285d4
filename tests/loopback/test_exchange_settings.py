"""Settings of the connection, each changed alone, seen in the audit lines of LIVE and at the exchange's side."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import StartRefused
from runner.adapters.coinbase.venue_time import VenueTime
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.loopback.live_desk import LiveDesk, open_live_desk
from tests.loopback.oracle import lines_of
from tests.loopback.three_ways import Play, Way, play
from tests.profiles import QUIET

SLOW = Behaviour(answers_late_by=timedelta(seconds=120))


def _play(
    folder: Path, changes: Mapping[str, object], *, cycles: int = 1, behaviour: Behaviour | None = None
) -> LiveDesk:
    """Play some quiet minutes of five products, in this process."""
    quiet = {**QUIET, "app.live.capital_usd": 500, **changes}
    with open_live_desk(folder, seed=7, over_sockets=False, products=5, behaviour=behaviour, changes=quiet) as desk:
        desk.play(cycles)
        return desk


@pytest.mark.parametrize("seconds", [3, 7])
def test_an_answer_is_waited_for_as_long_as_the_settings_say(tmp_path: Path, seconds: int) -> None:
    changes = {**QUIET, "app.exchange.request_timeout_seconds": seconds}
    with open_live_desk(tmp_path, seed=7, over_sockets=False, products=5, behaviour=SLOW, changes=changes) as desk:
        desk.at(0.9, lambda: desk.exchange.faults.script(Fault.LATE_ANSWER, Endpoint.FILLS))
        desk.play(2)

    used = lines_of(desk)[1]["api"]
    assert used["slowest_seconds"] == seconds
    assert used["errors"] == 1


def test_each_request_and_each_byte_of_a_cycle_stands_in_its_line(tmp_path: Path) -> None:
    desk = _play(tmp_path, {}, cycles=3)

    traffic = desk.exchange.traffic
    used = [line["api"] for line in lines_of(desk)]
    assert sum(one["requests"] for one in used) == sum(traffic.requests.values())
    assert sum(one["errors"] for one in used) == 0
    assert used[0]["bytes_received"] > used[1]["bytes_received"] > 0


@pytest.mark.parametrize(
    ("way", "channel", "other"), [(Way.PUBLIC, "public", "private"), (Way.LIVE, "private", "public")]
)
@pytest.mark.parametrize("rate", [2, 4])
def test_no_more_requests_leave_in_a_second_than_the_settings_say(
    tmp_path: Path, way: Way, channel: str, other: str, rate: int
) -> None:
    """What a second may bring leaves at once, and every further request waits for its turn."""
    changes = {**QUIET, "app.live.capital_usd": 500, f"app.exchange.{channel}_requests_per_second": rate}
    plan = Play(seed=7, cycles=1, products=5, is_timeless=False, changes=changes)

    (line,) = play(way, plan, tmp_path / "run").lines()

    waiting = (line["api"]["requests"] - rate) / rate
    assert line["stage_latencies"]["total_cycle"] == pytest.approx(waiting, abs=1 / rate + 0.05)
    used = line["metrics"]["exchange_rate_limit_utilization"]
    assert used[channel] == 1.0
    assert used[other] <= 0.2  # the exchange's time is asked without a key


AHEAD = Behaviour(clock_skew=timedelta(seconds=30.5))


def test_live_does_not_start_with_a_clock_that_is_off_by_more_than_the_settings_say(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match=r"clock is -30\.5 s off the exchange's, more than 30 s"):
        _play(tmp_path, {"app.exchange.max_clock_skew_seconds": 30}, behaviour=AHEAD)


def test_live_does_not_start_when_it_cannot_be_told_how_far_the_clock_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when our clock is set just after the exchange has told its time."""
    monkeypatch.setattr(VenueTime, "skew_seconds", lambda _self: None)

    with pytest.raises(StartRefused, match=r"clock is \+nan s off the exchange's"):
        _play(tmp_path, {})


def test_live_starts_with_a_clock_inside_the_settings_and_buys_nothing_with_it(tmp_path: Path) -> None:
    desk = _play(tmp_path, {"app.exchange.max_clock_skew_seconds": 31}, behaviour=AHEAD)

    (line,) = lines_of(desk)
    assert (line["breakers"], line["trading_state"]) == (["clock_skew"], "REDUCE_ONLY")


@pytest.mark.parametrize(("capital", "counted"), [(500, "500"), (31_000, "30000")])
def test_of_the_accounts_cash_the_bot_counts_as_its_own_what_the_settings_say_or_all_there_is(
    tmp_path: Path, capital: int, counted: str
) -> None:
    desk = _play(tmp_path, {"app.live.capital_usd": capital, "policy.risk.max_order_notional_usd": 5000})

    assert lines_of(desk)[0]["portfolio"]["cash"] == {"USD": counted}
