"""The command line: what its flags mean, and what is refused with exit code 2 and words."""

from collections.abc import Sequence

import pytest

from core.settings import Mode
from runner.options import RunOptions, parse_options


def test_without_flags_one_cycle_runs_as_configured() -> None:
    assert parse_options([]) == RunOptions(mode=None, market=None, cycles=1, speed=None, seed=None)


@pytest.mark.parametrize(
    ("flags", "cycles"),
    [
        pytest.param(["--loop"], None, id="endless"),
        pytest.param(["--once"], 1, id="once"),
        pytest.param(["--once", "--cycles", "1"], 1, id="once, said twice"),
        pytest.param(["--cycles", "7"], 7, id="so many"),
        pytest.param(["--loop", "--cycles", "7"], 7, id="a loop of so many"),
    ],
)
def test_how_long_it_runs(flags: Sequence[str], cycles: int | None) -> None:
    assert parse_options(flags).cycles == cycles


def test_each_mode_has_its_flag() -> None:
    assert [parse_options([flag]).mode for flag in ("--paper", "--dry-run", "--live")] == [
        Mode.PAPER,
        Mode.DRY_RUN,
        Mode.LIVE,
    ]


@pytest.mark.parametrize("seconds", [1, 3600])
def test_an_interval_at_its_limits_is_taken(seconds: int) -> None:
    assert parse_options(["--interval", str(seconds)]).interval_seconds == seconds


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        pytest.param(["--bogus"], "--bogus", id="unknown"),
        pytest.param(["--cycles", "0"], "'0' is not a whole number of at least 1", id="no cycle"),
        pytest.param(["--cycles", "many"], "'many' is not a whole number", id="not a number"),
        pytest.param(["--cycles", "\u0663"], "not a whole number", id="digits of another script"),
        pytest.param(["--interval", "3601"], "3601 is more than 3600", id="an interval beyond an hour"),
        pytest.param(["--interval", "9" * 30], "more than 3600", id="an interval beyond all clocks"),
        pytest.param(["--interval", "-1"], "--interval", id="a negative interval"),
        pytest.param(["--once", "--loop"], "not allowed with", id="both ways to run"),
        pytest.param(["--once", "--cycles", "2"], "--once runs one cycle", id="once, twice"),
        pytest.param(["--live", "--paper"], "not allowed with", id="two modes"),
        pytest.param(["--speed", "fast"], "'fast'", id="another speed"),
        pytest.param(["--seed", "x"], "'x'", id="a seed that is no number"),
    ],
)
def test_wrong_usage_is_refused_in_words(flags: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_options(flags)

    assert caught.value.code == 2
    assert words in capsys.readouterr().err
