"""
A day of paper trading, read as a user reads it: the shipped configuration, the real entry point, the files it leaves.

The market is the embedded simulation with seed 7 in virtual time, so every figure here repeats to the byte.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.config_files import SHIPPED
from tests.determinism.places import ELSEWHERE
from tests.independent_checker import Report, check
from tests.program_runs import DAY_CYCLES, SIMULATED_DAY, Line, Run, figures, run_program, run_together

QUIET_LINE_BYTES_MAX = 2_600
"""A minute without triggers, five positions held and guarded. The names that every line carries are half of it."""

DAY_BYTES_MAX = 4_600_000
"""The simulated market fires in most minutes; a day of the recorded candles is below 3 MB."""

"""Design, section 9."""


@pytest.fixture(scope="module")
def other_runs(day: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same day elsewhere (tests/determinism/places.py; another working directory), and the day in two halves."""
    elsewhere, halves = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("halves")
    half = [*SIMULATED_DAY, "--cycles", str(DAY_CYCLES // 2)]

    def in_two_halves() -> Run:
        run_program(halves, half)
        return run_program(halves, half)

    one, two = run_together(
        lambda: run_program(
            elsewhere,
            [*SIMULATED_DAY, "--cycles", str(DAY_CYCLES)],
            environment=ELSEWHERE.environment,
            cwd=elsewhere,
            umask=ELSEWHERE.umask,
        ),
        in_two_halves,
    )
    return one, two


@pytest.fixture(scope="module")
def report(day: Run) -> Report:
    return check(day.audit, SHIPPED)


def test_every_minute_leaves_one_line(day: Run) -> None:
    slots = [line["slot"] for line in day.lines()]

    assert slots == list(range(slots[0], slots[0] + DAY_CYCLES)), figures(day, DAY_CYCLES)


def test_every_line_names_the_one_configuration(day: Run) -> None:
    assert [*Counter(line["config_hash"] for line in day.lines()).values()] == [DAY_CYCLES]


def test_an_independent_checker_finds_nothing_wrong(report: Report) -> None:
    assert report.violations == []
    assert (report.lines, report.checked_by_schema, len(report.runs)) == (DAY_CYCLES, DAY_CYCLES, 1)


def test_the_day_has_trades_and_no_error(report: Report) -> None:
    assert sum(report.fills.values()) >= 24, report.fills
    assert report.statuses["EXECUTED"] >= 12
    assert report.statuses["ERROR"] == 0


@pytest.mark.parametrize("kind", ["stop_loss", "take_profit", "max_hold"])
def test_positions_are_closed_by(report: Report, kind: str) -> None:
    assert report.exits[kind] > 0, report.exits


def test_an_exit_order_comes_with_what_was_seen(day: Run) -> None:
    for line in day.lines():
        due = {item["lot"]: item["reason"] for item in line["exits"] if item["blocked_by"] is None}
        sold = {order["lot"]: order["reason"] for order in line["execution"]["orders"] if order["purpose"] == "exit"}
        assert sold.items() <= due.items(), line["timestamp"]


def test_the_same_day_elsewhere_is_the_same_to_the_byte(day: Run, other_runs: tuple[Run, Run]) -> None:
    elsewhere, _ = other_runs

    assert elsewhere.lines()[0]["code_hash"] == day.lines()[0]["code_hash"], "the code was edited between the runs"
    assert elsewhere.audit.read_bytes() == day.audit.read_bytes()
    assert elsewhere.journal.read_bytes() == day.journal.read_bytes()


def test_a_restart_at_noon_changes_no_decision(day: Run, other_runs: tuple[Run, Run]) -> None:
    _, halves = other_runs
    first = DAY_CYCLES // 2

    assert [_lasting(line) for line in halves.lines()[first:]] == [_lasting(line) for line in day.lines()[first:]]


def test_the_first_half_of_a_day_is_the_morning_of_the_whole_one(day: Run, other_runs: tuple[Run, Run]) -> None:
    _, halves = other_runs
    first = DAY_CYCLES // 2

    assert halves.lines()[first]["code_hash"] == day.lines()[0]["code_hash"], "the code was edited between the runs"
    assert _raw(halves.audit)[:first] == _raw(day.audit)[:first]


def test_the_halves_are_one_chain_and_their_books_one_account(other_runs: tuple[Run, Run]) -> None:
    _, halves = other_runs

    report = check(halves.audit, SHIPPED)

    assert report.violations == []
    assert (report.lines, len(report.runs)) == (DAY_CYCLES, 2)


def test_no_amount_is_a_binary_fraction(day: Run) -> None:
    """Amounts that accounting uses are decimal strings (design 5)."""
    for line in day.lines():
        amounts = [
            *line["portfolio"]["cash"].values(),
            *(item[key] for item in line["portfolio"]["positions"] for key in ("quantity", "cost")),
            *(item[key] for item in line["execution"]["fills"] for key in ("price", "size", "fee")),
            *(item[key] for item in line["execution"]["orders"] for key in ("size", "limit_price")),
            *(line["pnl"][key] for key in ("realised", "unrealised", "fees")),
        ]
        assert all(isinstance(amount, str) for amount in amounts), json.dumps(amounts)


def test_a_quiet_minute_is_a_short_line(report: Report) -> None:
    assert report.longest_quiet < QUIET_LINE_BYTES_MAX


def test_a_day_is_a_small_file(day: Run, report: Report) -> None:
    assert report.size < DAY_BYTES_MAX, figures(day, DAY_CYCLES)


def _lasting(line: Line) -> dict[str, Any]:
    """
    Return what a restart must not change.

    It does change: `run_id`; the counters in `metrics` and the fill ratio, which count since the run began;
    `journal_seq` and every hash of the chains, because the journal has a stop and a start more; and in the first line
    `facts_digest`, because the restarted bot reads a day of candles anew to warm up. The halves meet at 12:00, when
    the universe is refreshed anyway: what the bot remembers of it (hysteresis) is learnt again after a restart.
    """
    gone = {"run_id", "seq", "prev", "hash", "journal_seq", "journal_hash", "facts_digest", "metrics"}
    kept = {name: value for name, value in line.items() if name not in gone}
    gauges = {
        name: value
        for name, value in line["metrics"].items()
        if not name.endswith("_total") and name != "trader_fill_ratio"
    }
    return {**kept, "metrics": gauges}


def _raw(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)
