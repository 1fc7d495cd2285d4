"""
A short crash sweep, at some points of each kind, and planted bugs.

All of it, at every point: `python -m tests.crash_sweep`, some minutes.
"""

import pytest

from tests.crash_sweep.__main__ import main
from tests.crash_sweep.faults import FaultPlan
from tests.crash_sweep.planted import PLANTED, first_violation
from tests.crash_sweep.runs import loop_faults, points_of_the_history, sweep
from tests.crash_sweep.sweep import Plan
from tests.crash_sweep.world import PARTS


@pytest.fixture(scope="module")
def points() -> dict[str, int]:
    return dict(points_of_the_history()[0])


def test_the_history_has_every_part(points: dict[str, int]) -> None:
    assert points.keys() == set(PARTS)
    assert min(points.values()) > 40


def test_crashed_at_points_at_which_a_file_ends_or_begins_nothing_is_lost(points: dict[str, int]) -> None:
    done = sweep(Plan(parts=("rotation",), stride=7, doubly=False))

    assert done.violations() == []
    found = done.figures["rotation"]
    assert (found.swept, found.points) == (points["rotation"] // 7, points["rotation"])
    assert found.played > 15


def test_crashed_at_some_points_of_everything_nothing_is_lost(points: dict[str, int]) -> None:
    done = sweep(Plan(stride=251, doubly=False))

    assert done.violations() == []
    assert {part: figures.points for part, figures in done.figures.items()} == points  # the same history each time
    assert sum(figures.played for figures in done.figures.values()) > 5


def test_crashed_again_inside_the_recovery_nothing_is_lost() -> None:
    done = sweep(Plan(parts=("recovery",), stride=60, inner_stride=12))

    assert done.violations() == []
    assert done.figures["recovery"].restarts >= 1
    assert done.figures["recovery"].again_points > 30


def test_failed_at_some_file_calls_it_ends_as_documented_or_goes_on() -> None:
    done = loop_faults(FaultPlan(stride=210))

    found = done.figures.values()
    assert [text for figures in found for text in figures.violations] == []
    assert sum(figures.faults for figures in found) > 20
    assert {end for figures in found for end in figures.ends} >= {"went on", "exit 74"}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    assert first_violation(name) is not None


def test_one_state_is_repeated_by_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--repeat", "60.d1"]) == 0

    assert "1 of" in capsys.readouterr().out
