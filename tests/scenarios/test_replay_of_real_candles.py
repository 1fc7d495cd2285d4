"""
Replays of recorded minute candles (five products), in the shipped profile and in one that trades far more.

The candles are not part of the repository: without them these tests are skipped, and say so. All 19 days of them are
replayed, verified and decided again by .ci/run.
"""

import gzip
import warnings
from collections import Counter
from itertools import takewhile
from pathlib import Path

import pytest

from tests.config_files import ROOT, SHIPPED, shipped_documents, write_config
from tests.independent_checker import Report, check
from tests.profiles import BUSY
from tests.program_runs import Run, figures, run_program, run_together

CANDLES = ROOT.parent / "shared" / "data"
MINUTES_BEFORE_THE_FIRST_CYCLE = 720
CUT_AFTER_CYCLES = 1420
BUSY_CYCLES = 5000
LAST_DAYS = 6

pytestmark = pytest.mark.skipif(
    not CANDLES.is_dir(), reason="NO CANDLES: ../shared/data is not there, so no replay of real prices was tested"
)
if not CANDLES.is_dir():
    warnings.warn("../shared/data is missing: the replays of real candles are skipped", stacklevel=1)


@pytest.fixture(scope="module")
def busy_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("busy") / "config", shipped_documents(BUSY))


@pytest.fixture(scope="module")
def last_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The candles of the last days alone."""
    folder = tmp_path_factory.mktemp("last-days") / "data"
    folder.mkdir()
    for source in CANDLES.iterdir():
        with gzip.open(source, "rt") as stream:
            header, rows = stream.readline(), stream.readlines()
        with gzip.open(folder / source.name, "wt", compresslevel=1) as stream:
            stream.writelines([header, *rows[-LAST_DAYS * 1440 :]])
    return folder


@pytest.fixture(scope="module")
def replays(busy_config: Path, last_days: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The last days in the shipped configuration, and the first fifth of all in the busy one."""
    shipped, busy = tmp_path_factory.mktemp("shipped-replay"), busy_config.parent
    one, two = run_together(
        lambda: run_program(shipped, replay(last_days, "--loop")),
        lambda: run_program(busy, replay(CANDLES, "--cycles", str(BUSY_CYCLES)), config_dir=busy_config),
    )
    return one, two


@pytest.fixture(scope="module")
def reports(replays: tuple[Run, Run]) -> tuple[Report, Report]:
    one, two = (check(run.audit, run.config_dir) for run in replays)
    return one, two


def replay(candles: Path, *arguments: str) -> list[str]:
    return ["--paper", "--market", f"replay:{candles}", *arguments]


def test_a_replay_goes_on_to_the_last_candle(
    reports: tuple[Report, Report], replays: tuple[Run, Run], last_days: Path
) -> None:
    rows = max(_rows(path) for path in last_days.iterdir())

    cycles = reports[0].lines
    assert cycles == rows - MINUTES_BEFORE_THE_FIRST_CYCLE, figures(replays[0], cycles)
    assert cycles > 7_000


@pytest.mark.parametrize("profile", [pytest.param(0, id="shipped"), pytest.param(1, id="busy")])
def test_an_independent_checker_finds_nothing_wrong(reports: tuple[Report, Report], profile: int) -> None:
    """Books to the last digit, every cap at every order, every chain link; see tests/independent_checker."""
    report = reports[profile]

    assert report.violations == []
    assert report.statuses["ERROR"] == 0
    assert (len(report.runs), len(report.config_hashes)) == (1, 1)


def test_a_day_of_lines_is_below_three_megabytes(reports: tuple[Report, Report]) -> None:
    report = reports[0]

    assert report.size / report.lines * 1440 < 3_000_000


def test_the_shipped_profile_trades_now_and_then(reports: tuple[Report, Report]) -> None:
    fills = reports[0].fills

    assert LAST_DAYS <= fills["BUY"] <= LAST_DAYS * 24, fills


def test_the_busy_profile_meets_caps_and_all_kinds_of_exit(
    reports: tuple[Report, Report], replays: tuple[Run, Run]
) -> None:
    report = reports[1]
    refused = Counter(
        item["reason"] for line in replays[1].lines() for item in (line["risk"] or {"refused": []})["refused"]
    )

    assert report.fills["BUY"] > 200, report.fills
    assert {"stop_loss", "take_profit", "trailing_stop", "max_hold"} <= set(report.exits)
    assert {"max_open_positions", "position_cap", "symbol_spacing", "symbol_cooldown"} <= set(refused), refused


def test_every_line_says_that_books_were_modelled(replays: tuple[Run, Run]) -> None:
    for run in replays:
        assert {line["venue"] for line in run.lines()} == {"replay:data:modelled-book"}
        assert "quotes and depth are modelled" in run.output


@pytest.mark.parametrize("future", ["cut off", "another"])
def test_no_line_knows_a_candle_of_the_future(
    future: str, replays: tuple[Run, Run], busy_config: Path, tmp_path: Path
) -> None:
    """The candles end, or go on quite differently, after some minute: up to it every byte is the same."""
    last_start = replays[1].lines()[CUT_AFTER_CYCLES - 1]["slot"] * 60
    run = _run_on_changed_candles(tmp_path, busy_config, last_start, goes_on=future == "another")

    lines = run.lines()
    assert len(lines) == CUT_AFTER_CYCLES
    assert sum(len(line["execution"]["fills"]) for line in lines) > 20
    assert lines[0]["code_hash"] == replays[1].lines()[0]["code_hash"], "the code was edited between the runs"
    assert _raw(run) == _raw(replays[1])[:CUT_AFTER_CYCLES]


def test_a_decision_knows_of_the_running_minute_only_its_first_price(
    replays: tuple[Run, Run], busy_config: Path, tmp_path: Path
) -> None:
    """The last minute goes quite differently after its opening: its orders may fill otherwise, the wish is the same."""
    wish = ("regime", "triggers", "proposals")
    known = replays[1].lines()[:CUT_AFTER_CYCLES]
    last_start = known[-1]["slot"] * 60

    run = _run_on_changed_candles(tmp_path, busy_config, last_start - 60, goes_on=True)

    assert _raw(run)[:-1] == _raw(replays[1])[: CUT_AFTER_CYCLES - 1]
    assert known[-1]["proposals"]["count"] > 0, "choose a minute with proposals"
    assert [run.lines()[-1][name] for name in wish] == [known[-1][name] for name in wish]


def _raw(run: Run) -> list[bytes]:
    return run.audit.read_bytes().splitlines(keepends=True)


def _run_on_changed_candles(folder: Path, config_dir: Path, last_start: int, *, goes_on: bool) -> Run:
    """Run CUT_AFTER_CYCLES cycles on candles that are the recorded ones up to the minute `last_start`."""
    for source in CANDLES.iterdir():
        _with_another_future(source, folder / "data" / source.name, last_start, goes_on=goes_on)
    return run_program(
        folder / "run", replay(folder / "data", "--cycles", str(CUT_AFTER_CYCLES)), config_dir=config_dir
    )


def _with_another_future(source: Path, target: Path, last_start: int, *, goes_on: bool) -> None:
    """Write the rows up to `last_start`; after it none, or a price that only falls on tenfold volume."""
    target.parent.mkdir(exist_ok=True)
    with gzip.open(source, "rt") as stream:
        header, rows = stream.readline(), stream.readlines()
    kept = list(takewhile(lambda row: int(row.partition(",")[0]) <= last_start, rows))
    with gzip.open(target, "wt", compresslevel=1) as stream:
        stream.writelines([header, *kept, *(map(_fallen, rows[len(kept) :]) if goes_on else ())])


def _fallen(row: str) -> str:
    start, opened, _, _, _, volume = row.split(",")
    lower = f"{float(opened) * 0.97:.8f}"
    return f"{start},{opened},{opened},{lower},{lower},{float(volume) * 10:.3f}\n"


def _rows(path: Path) -> int:
    with gzip.open(path, "rb") as stream:
        return sum(1 for _ in stream) - 1


def test_the_busy_profile_is_a_legal_configuration(busy_config: Path) -> None:
    assert busy_config != SHIPPED
    assert {path.name for path in busy_config.iterdir()} == {"app.yaml", "policy.yaml", "signals.yaml", "universe.yaml"}
