"""Our clock against Coinbase's: measured rarely, honestly, and None rather than old."""

from datetime import timedelta

import pytest

from runner.adapters.coinbase.venue_time import MEASURED_EVERY_SECONDS, USABLE_FOR_SECONDS, VenueTime
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import NOON
from tests.fakes.scripted_api import Params, ScriptedApi, failure, time_answer


class Watch:
    """`ahead_seconds`: of the exchange's clock, so much is ours; an answer takes `round_trip_seconds`."""

    def __init__(self, *, ahead_seconds: float = 0, round_trip_seconds: float = 0) -> None:
        self.clock = VirtualClock(NOON)
        self.api = ScriptedApi()
        self.ahead_seconds = ahead_seconds
        self.round_trip_seconds = round_trip_seconds
        self.api.say("/time", self._tell)
        self.time = VenueTime(self.api, self.clock)

    def pass_time(self, seconds: float) -> None:
        self.clock.wait_until(self.clock.now() + timedelta(seconds=seconds), lambda: True)

    def _tell(self, _: Params) -> object:
        self.pass_time(self.round_trip_seconds / 2)
        answer = time_answer(self.clock.now() - timedelta(seconds=self.ahead_seconds))
        self.pass_time(self.round_trip_seconds / 2)
        return answer


@pytest.mark.parametrize("ahead", [0.0, 2.5, -40.0, 86400.0])
def test_the_skew_is_our_clock_less_theirs_with_half_the_round_trip_taken_off(ahead: float) -> None:
    watch = Watch(ahead_seconds=ahead, round_trip_seconds=0.4)

    assert watch.time.skew_seconds() == pytest.approx(ahead, abs=1e-6)
    assert watch.time.now() == watch.clock.now() - timedelta(seconds=ahead)


def test_it_is_measured_at_most_once_a_minute() -> None:
    watch = Watch()
    for _ in range(3):
        watch.time.skew_seconds()
        watch.time.now()
    watch.pass_time(MEASURED_EVERY_SECONDS - 0.001)
    watch.time.skew_seconds()
    before = len(watch.api.asked)
    watch.pass_time(0.001)
    watch.time.skew_seconds()

    assert (before, len(watch.api.asked)) == (1, 2)


@pytest.mark.parametrize("jump", [0.26, -0.26, 3600.0])
def test_a_clock_that_was_set_is_measured_anew_at_once(jump: float) -> None:
    watch = Watch()
    watch.time.skew_seconds()
    watch.clock.jump(timedelta(seconds=jump))
    watch.ahead_seconds = jump

    assert watch.time.skew_seconds() == pytest.approx(jump, abs=1e-3)


def test_a_clock_that_was_set_while_the_exchange_is_silent_is_not_known() -> None:
    watch = Watch()
    watch.time.skew_seconds()
    watch.api.say("/time", failure(None))
    watch.clock.jump(timedelta(seconds=10))

    assert watch.time.skew_seconds() is None
    assert len(watch.api.asked) == 2
    assert watch.time.now() == watch.clock.now() - timedelta(seconds=5)


def test_the_last_measurement_stands_for_a_while_and_no_longer() -> None:
    watch = Watch(ahead_seconds=1)
    watch.time.skew_seconds()
    watch.api.say("/time", failure(500))

    watch.pass_time(USABLE_FOR_SECONDS - 0.001)
    standing = watch.time.skew_seconds()
    watch.pass_time(0.001)

    assert standing == pytest.approx(1)
    assert watch.time.skew_seconds() is None


def test_an_exchange_that_does_not_answer_is_asked_again_after_a_minute() -> None:
    watch = Watch()
    watch.api.say("/time", failure(None))
    found = [watch.time.skew_seconds() for _ in range(3)]
    asked = len(watch.api.asked)
    watch.pass_time(MEASURED_EVERY_SECONDS)
    watch.time.skew_seconds()

    assert found == [None, None, None]
    assert (asked, len(watch.api.asked)) == (1, 2)


@pytest.mark.parametrize(("seconds", "is_known"), [(2.0, True), (2.01, False)])
def test_an_answer_that_took_too_long_says_nothing(seconds: float, is_known: bool) -> None:
    assert (Watch(round_trip_seconds=seconds).time.skew_seconds() is not None) is is_known


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], None, {"epochMillis": ""}, {"epochMillis": None}, {"epochMillis": "soon"}, {"epochMillis": "-1"},
        {"epochMillis": "1767614400"}, {"epochMillis": "9" * 18}, {"epochMillis": "1e12"}, b"<html>", b"",
    ],
)  # fmt: skip
def test_an_answer_without_a_usable_time_says_nothing(answer: object) -> None:
    watch = Watch()
    watch.api.say("/time", answer)

    assert watch.time.skew_seconds() is None
    assert not watch.time.answers()
    assert watch.time.problem != ""


def test_whether_the_exchange_answers_is_asked_each_time() -> None:
    watch = Watch()

    there = [watch.time.answers(), watch.time.answers()]
    watch.api.say("/time", failure(None))

    assert there == [True, True]
    assert not watch.time.answers()
    assert len(watch.api.asked) == 3


def test_the_time_is_asked_without_a_key_of_the_public_path() -> None:
    watch = Watch()
    watch.time.answers()

    assert watch.api.asked == [("/api/v3/brokerage/time", ())]
