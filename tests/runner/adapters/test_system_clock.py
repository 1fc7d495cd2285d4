"""The real clock's waits, with the machine's clocks under control."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from runner.adapters import system_clock
from runner.adapters.system_clock import SystemClock

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class _Machine:
    """Wall clock and monotonic clock of a machine; a nap lets both pass, and the wall clock may be set."""

    def __init__(self) -> None:
        self.wall = NOON
        self.seconds = 100.0
        self.naps: list[float] = []
        self.set_back_at = -1

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        assert len(self.naps) < 1000, "the wait has no end"
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)
        if len(self.naps) == self.set_back_at:
            self.wall -= timedelta(hours=1)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> _Machine:
    made = _Machine()

    class Wall(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # of a plain datetime
            return made.wall.astimezone(tz)

    monkeypatch.setattr(system_clock, "time", made)
    monkeypatch.setattr(system_clock, "datetime", Wall)
    return made


def test_a_wait_ends_at_its_moment(machine: _Machine) -> None:
    SystemClock().wait_until(NOON + timedelta(seconds=3.2), lambda: True)

    assert sum(machine.naps) == pytest.approx(3.2)
    assert max(machine.naps) <= 0.5


def test_a_clock_that_is_set_back_makes_no_wait_longer(machine: _Machine) -> None:
    machine.set_back_at = 2

    SystemClock().wait_until(NOON + timedelta(seconds=3), lambda: True)

    assert sum(machine.naps) == pytest.approx(3)


def test_a_wait_that_is_called_off_ends_at_the_next_look(machine: _Machine) -> None:
    SystemClock().wait_until(NOON + timedelta(seconds=60), lambda: len(machine.naps) < 3)

    assert len(machine.naps) == 3
