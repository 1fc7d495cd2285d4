"""
What the audit file says after a process was killed inside a cycle, judged by the independent checker alone.

Journal and audit only ever grow, so the disk after a kill is made by cutting a finished run's files where it struck.
"""

import shutil
from pathlib import Path

from tests.config_files import SHIPPED
from tests.independent_checker import Report, check
from tests.program_runs import SIMULATED_DAY, Line, Run, run_program

AFTER_CYCLES = 60


def killed_before_the_audit_line(day: Run, place: int, folder: Path) -> None:
    """Leave in `folder` what a kill in the cycle of line `place` left: all its events but the mark were written."""
    line = day.lines()[place]
    (folder / "data").mkdir(parents=True)
    (folder / "logs").mkdir()
    shutil.copy(day.folder / "data" / "247trader-v2.lock", folder / "data")
    _cut(day.journal, folder / "data" / day.journal.name, line["journal_seq"] - 1)
    _cut(day.audit, folder / "logs" / day.audit.name, place)


def _cut(source: Path, target: Path, lines: int) -> None:
    target.write_bytes(b"".join(source.read_bytes().splitlines(keepends=True)[:lines]))


def with_fills(lines: list[Line]) -> int:
    return next(place for place, line in enumerate(lines) if line["execution"]["fills"])


def without_fills(lines: list[Line]) -> int:
    return next(place for place, line in enumerate(lines) if place > 9 and not line["execution"]["orders"])


def after_a_kill(day: Run, place: int, folder: Path) -> tuple[Line, Report]:
    """Return the line that closes the killed cycle, and what the checker says of the file some cycles later."""
    killed_before_the_audit_line(day, place, folder)
    run = run_program(folder, [*SIMULATED_DAY, "--cycles", str(AFTER_CYCLES)])
    assert len(run.lines()) == place + 1 + AFTER_CYCLES
    return run.lines()[place], check(run.audit, SHIPPED)


def test_a_killed_cycle_without_orders_leaves_one_line_and_right_books(day: Run, tmp_path: Path) -> None:
    place = without_fills(day.lines())

    line, report = after_a_kill(day, place, tmp_path)

    assert (line["status"], line["no_trade_reason"]) == ("ERROR", "interrupted")
    assert line["slot"] == day.lines()[place]["slot"]
    assert report.violations == []


def test_a_killed_cycle_with_fills_leaves_right_books(day: Run, tmp_path: Path) -> None:
    _, report = after_a_kill(day, with_fills(day.lines()), tmp_path)

    assert report.violations == []


def test_the_line_of_a_killed_cycle_belongs_to_the_run_that_was_killed(day: Run, tmp_path: Path) -> None:
    line, _ = after_a_kill(day, without_fills(day.lines()), tmp_path)

    assert line["run_id"] == day.lines()[0]["run_id"]
