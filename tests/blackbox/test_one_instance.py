"""One process per data directory (L14)."""

from core.errors import ExitCode
from tests.blackbox.bot import REAL_TIME, REHEARSAL, Bot, stopped, wait_until


def test_a_second_instance_is_refused_by_the_pid_of_the_first_which_goes_on(bot: Bot) -> None:
    first = bot.start_and_wait([*REAL_TIME, "--loop"])
    pid = bot.pid_file.read_text()

    second = bot.run([*REAL_TIME, "--loop"])

    assert second.code == ExitCode.ALREADY_RUNNING
    assert f"process {first.pid} " in second.errors
    assert "stop it first" in second.errors
    assert "Traceback" not in second.text
    assert bot.pid_file.read_text() == pid == f"{first.pid}\n"
    seen = bot.count_lines()
    wait_until(lambda: bot.count_lines() > seen, first)
    assert stopped(first).code == 0
    assert len({line["run_id"] for line in bot.lines()}) == 1


def test_another_data_directory_may_run_beside_it(bot: Bot) -> None:
    first = bot.start_and_wait([*REAL_TIME, "--loop"])
    other = Bot(bot.folder / "other", bot.config_dir)
    other.folder.mkdir()

    done = other.run([*REHEARSAL, "--cycles", "2"])

    assert done.code == 0
    assert other.count_lines() == 2
    assert first.poll() is None
