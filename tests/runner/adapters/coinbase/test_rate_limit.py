"""Token buckets in virtual time: rates, bursts, the reserve of the cancels, pauses after a 429."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adapters.coinbase.rate_limit import PAUSE_SECONDS_MAX, Channel, RateLimiter
from runner.adapters.virtual_clock import VirtualClock

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
PUBLIC, PRIVATE = Channel.PUBLIC, Channel.PRIVATE


class Desk:
    """A limiter and its clock."""

    def __init__(self, public: int = 5, private: int = 10, draw: float = 1.0) -> None:
        self.clock = VirtualClock(START)
        self.limiter = RateLimiter({PUBLIC: public, PRIVATE: private}, self.clock.monotonic, lambda: draw)

    def pass_seconds(self, seconds: float) -> None:
        self.clock.wait_until(self.clock.now() + timedelta(seconds=seconds), lambda: True)

    def take_all(self, channel: Channel, *, is_cancel: bool = False) -> int:
        """Take what can be taken now; return how many."""
        taken = 0
        while self.limiter.seconds_to_wait(channel, is_cancel=is_cancel) <= 0:
            self.limiter.take(channel)
            taken += 1
        return taken


def test_a_burst_is_one_seconds_worth() -> None:
    desk = Desk(public=5)

    assert desk.take_all(PUBLIC) == 5
    assert desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False) == pytest.approx(0.2)


def test_a_token_comes_back_with_time() -> None:
    desk = Desk(public=5)
    desk.take_all(PUBLIC)

    desk.pass_seconds(0.199)
    assert desk.take_all(PUBLIC) == 0
    desk.pass_seconds(0.001)
    assert desk.take_all(PUBLIC) == 1


def test_an_hour_of_rest_is_still_one_seconds_worth() -> None:
    desk = Desk(public=5)
    desk.pass_seconds(3600)

    assert desk.take_all(PUBLIC) == 5


def test_channels_do_not_share() -> None:
    desk = Desk(public=5, private=10)
    desk.take_all(PUBLIC)

    assert desk.take_all(PRIVATE) == 10


def test_only_cancels_use_the_reserve() -> None:
    desk = Desk(private=10)

    assert desk.take_all(PRIVATE) == 10
    assert desk.take_all(PRIVATE, is_cancel=True) == 2


def test_other_calls_wait_until_the_reserve_is_full_again() -> None:
    desk = Desk(private=10)
    desk.take_all(PRIVATE)
    desk.take_all(PRIVATE, is_cancel=True)

    assert desk.limiter.seconds_to_wait(PRIVATE, is_cancel=True) == pytest.approx(0.1)
    assert desk.limiter.seconds_to_wait(PRIVATE, is_cancel=False) == pytest.approx(0.3)


def test_the_slowest_rate_still_has_a_reserve_and_still_lets_others_through() -> None:
    desk = Desk(private=1)

    assert desk.take_all(PRIVATE) == 1
    assert desk.take_all(PRIVATE, is_cancel=True) == 1
    desk.pass_seconds(2)
    assert desk.take_all(PRIVATE) == 1


class TestAfterA429:
    def test_the_channel_rests_and_the_other_does_not(self) -> None:
        desk = Desk()
        desk.limiter.answered(PUBLIC, 429)

        assert desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False) == pytest.approx(1.0)
        assert desk.limiter.seconds_to_wait(PRIVATE, is_cancel=False) == 0.0

    def test_the_rest_doubles_with_each_in_a_row_up_to_a_limit(self) -> None:
        desk = Desk()

        waits = []
        for _ in range(7):
            desk.limiter.answered(PUBLIC, 429)
            waits.append(desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False))
            desk.pass_seconds(waits[-1])

        assert waits == pytest.approx([1, 2, 4, 8, 16, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MAX])

    def test_a_thousand_in_a_row_rest_no_longer(self) -> None:
        desk = Desk()
        for _ in range(1000):
            desk.limiter.answered(PUBLIC, 429)

        assert desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False) == pytest.approx(PAUSE_SECONDS_MAX)

    def test_an_answer_ends_the_row(self) -> None:
        desk = Desk()
        for status in (429, 429, 429, 200, 429):
            desk.limiter.answered(PUBLIC, status)
            if status != 200:
                desk.pass_seconds(desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False))
        desk.limiter.answered(PUBLIC, 404)
        desk.limiter.answered(PUBLIC, 429)

        assert desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False) == pytest.approx(1.0)

    def test_jitter_takes_up_to_half(self) -> None:
        desk = Desk(draw=0.0)
        desk.limiter.answered(PUBLIC, 429)

        assert desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False) == pytest.approx(0.5)

    def test_cancels_may_try(self) -> None:
        desk = Desk()
        desk.limiter.answered(PRIVATE, 429)

        assert desk.take_all(PRIVATE) == 0
        assert desk.take_all(PRIVATE, is_cancel=True) == 12

    @pytest.mark.parametrize(("asked", "seconds"), [(0.0, 1.0), (7.0, 7.0), (86400.0, PAUSE_SECONDS_MAX)])
    def test_what_the_server_asks_for_is_heard_within_reason(self, asked: float, seconds: float) -> None:
        desk = Desk()
        desk.limiter.answered(PUBLIC, 429, asked)

        assert desk.limiter.seconds_to_wait(PUBLIC, is_cancel=False) == pytest.approx(seconds)


class TestUtilization:
    def test_is_nothing_without_calls(self) -> None:
        assert Desk().limiter.utilization() == {PUBLIC: 0.0, PRIVATE: 0.0}

    def test_is_the_share_of_the_burst_at_the_busiest_moment(self) -> None:
        desk = Desk(private=10)
        for _ in range(4):
            desk.limiter.take(PRIVATE)
        desk.pass_seconds(60)

        assert desk.limiter.utilization() == pytest.approx({PUBLIC: 0.0, PRIVATE: 0.4})

    def test_begins_anew_with_each_reading(self) -> None:
        desk = Desk()
        desk.limiter.take(PRIVATE)
        desk.pass_seconds(60)
        desk.limiter.utilization()

        assert desk.limiter.utilization()[PRIVATE] == 0.0

    def test_is_whole_when_there_is_nothing_left_or_a_pause(self) -> None:
        desk = Desk()
        desk.take_all(PUBLIC)
        desk.take_all(PRIVATE)
        desk.take_all(PRIVATE, is_cancel=True)
        assert desk.limiter.utilization() == {PUBLIC: 1.0, PRIVATE: 1.0}

        desk.pass_seconds(60)
        desk.limiter.utilization()
        desk.limiter.answered(PUBLIC, 429)
        assert desk.limiter.utilization() == {PUBLIC: 1.0, PRIVATE: 0.0}


@given(
    rate=st.integers(1, 30),
    pauses=st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=30),
    cancels=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_no_span_lets_through_more_than_its_share(rate: int, pauses: list[float], cancels: list[bool]) -> None:
    desk = Desk(private=rate)
    times: list[float] = []
    for pause, is_cancel in zip(pauses, cancels, strict=False):
        desk.pass_seconds(pause)
        times += [desk.clock.monotonic()] * desk.take_all(PRIVATE, is_cancel=is_cancel)

    reserve = max(1, round(rate * 0.2))
    for first in range(len(times)):
        span = times[-1] - times[first]
        assert len(times) - first <= (span + 1) * rate + reserve + 1e-3
