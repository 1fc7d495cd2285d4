"""A disk that fills, and files that vanish under a running process."""

import resource
import shutil
import sys
from pathlib import Path

import pytest

from core.errors import ExitCode
from tests.blackbox.bot import PATIENCE_SECONDS, REAL_TIME, REHEARSAL, Bot, Ended, stopped, wait_until
from tests.independent_checker import check

LIMITED = """
import resource, runpy, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
runpy.run_module("runner.main_loop", run_name="__main__", alter_sys=True)
"""
"""No file may grow beyond so many bytes: the write that would cross the limit comes out short, as on a full disk."""


def _limited(bytes_max: int) -> list[str]:
    return [sys.executable, "-P", "-c", LIMITED, str(bytes_max)]


def test_an_audit_line_that_does_not_fit_ends_the_run_and_the_next_one_closes_its_cycle(bot: Bot) -> None:
    assert bot.run([*REHEARSAL, "--cycles", "240"]).code == 0  # the audit is larger then than the next run's tape
    room = bot.audit_file.stat().st_size + 100

    done = bot.run([*REHEARSAL, "--loop"], command=_limited(room))

    _is_out_of_space(bot, done, bot.audit_file)
    assert bot.run([*REHEARSAL, "--cycles", "3"]).code == 0
    _has_one_line_per_cycle(bot)
    assert [line["no_trade_reason"] for line in bot.lines()].count("interrupted") == 1
    assert check(bot.audit_file, bot.config_dir).violations == []


def test_a_journal_record_that_does_not_fit_ends_the_run_before_its_cycle(bot: Bot) -> None:
    assert bot.run([*REHEARSAL, "--cycles", "12"]).code == 0
    bot.audit_file.write_bytes(b"")  # an operator may; else the audit, the larger of the two, comes to the limit first
    journal = bot.data / "journal.jsonl"

    done = bot.run([*REHEARSAL, "--loop"], command=_limited(journal.stat().st_size + 100))

    _is_out_of_space(bot, done, journal)
    assert bot.run([*REHEARSAL, "--cycles", "3"]).code == 0
    assert [path.name for path in bot.data.glob("journal.0*")] == ["journal.000001.jsonl"]
    assert check(bot.audit_file, bot.config_dir).violations == []


def test_not_even_room_for_the_emergency_file_ends_the_run_with_the_same_words(bot: Bot) -> None:
    done = bot.run([*REHEARSAL, "--loop"], command=_limited(1_500))

    _is_out_of_space(bot, done, bot.data / "emergency.bin")
    assert bot.run([*REHEARSAL, "--cycles", "3"]).code == 0
    _has_one_line_per_cycle(bot)
    assert check(bot.audit_file, bot.config_dir).violations == []


def test_a_data_directory_removed_while_running_ends_the_run(bot: Bot) -> None:
    """Which file is missed first, journal (74) or lock (75), depends on the moment; each has its own scenario."""
    process = bot.start_and_wait([*REHEARSAL, "--loop"])

    shutil.rmtree(bot.data)
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode in (ExitCode.IO, ExitCode.ALREADY_RUNNING)
    assert errors.startswith("❌ ")
    assert "Traceback" not in output + errors


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux sets the limits of another process")
def test_a_process_that_may_open_no_more_files_for_a_while_goes_on(bot: Bot) -> None:
    process = bot.start_and_wait([*REAL_TIME, "--loop"])
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)

    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))  # what is open stays so
    seen = bot.count_lines()
    wait_until(lambda: bot.count_lines() >= seen + 2, process)
    without = bot.lines()[-1]
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    seen = bot.count_lines()
    wait_until(lambda: bot.count_lines() >= seen + 2, process)
    done = stopped(process)

    assert done.code == 0, done.text
    assert "Traceback" not in done.text
    assert "process_rss_mb" not in without["metrics"]  # it cannot be read
    assert "process_rss_mb" in bot.lines()[-1]["metrics"]
    assert check(bot.audit_file, bot.config_dir).codes in ([], ["timestamp"])  # its slots are minutes


def _is_out_of_space(bot: Bot, done: Ended, file: Path) -> None:
    assert done.code == ExitCode.IO
    assert done.errors.startswith(f"❌ {file}")
    assert "Traceback" not in done.text
    assert not bot.pid_file.exists()


def _has_one_line_per_cycle(bot: Bot) -> None:
    started = [record["slot"] for record in bot.journal() if record["kind"] == "TICK"]
    assert [line["slot"] for line in bot.lines()] == started
