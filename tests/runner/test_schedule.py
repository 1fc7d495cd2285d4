"""Slots on the grid: each is used once, whatever the clock does."""

from datetime import timedelta

import pytest

from runner.schedule import MinuteGrid
from tests.builders import NOON

GRID = MinuteGrid(60)
LAST = int(NOON.timestamp()) // 60


@pytest.mark.parametrize("seconds", [-86_400, -180, -60, -1, 0, 1, 59])
def test_after_a_slot_comes_the_next_one_though_the_clock_was_set_back(seconds: int) -> None:
    now = NOON + timedelta(seconds=seconds)

    for tick in (GRID.next_tick(now, LAST), GRID.first_tick(now, LAST)):
        assert (tick.slot, tick.missed_slots) == (LAST + 1, 0)
        assert tick.starts_at == NOON + timedelta(minutes=1)
