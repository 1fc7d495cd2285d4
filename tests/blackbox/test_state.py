"""A data directory belongs to one mode, account and venue; what cannot be read is never replaced by a default (L11)."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import ExitCode
from tests.blackbox.bot import REAL_TIME, REHEARSAL, Bot


@pytest.fixture(scope="module")
def used_folder(tmp_path_factory: pytest.TempPathFactory, quiet_config: Path) -> Path:
    bot = Bot(tmp_path_factory.mktemp("used"), quiet_config)
    assert bot.run([*REHEARSAL, "--paper", "--cycles", "2"]).code == 0
    return bot.folder


@pytest.fixture
def used_bot(bot: Bot, used_folder: Path) -> Bot:
    """A bot that has run two cycles."""
    shutil.copytree(used_folder, bot.folder, dirs_exist_ok=True)
    return bot


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        pytest.param([*REHEARSAL, "--dry-run"], "mode DRY_RUN", id="another mode"),
        pytest.param([*REHEARSAL, "--paper", "--seed", "8"], "account paper-seed-8-virtual", id="another seed"),
        pytest.param(["--paper", "--once"], "account paper-seed-7,", id="real time"),
    ],
)
def test_a_state_of_something_else_is_refused_with_the_way_out(used_bot: Bot, flags: Sequence[str], words: str) -> None:
    before = _contents(used_bot.data)

    done = used_bot.run(flags)

    assert done.code == ExitCode.REFUSED
    assert "mode PAPER, account paper-seed-7-virtual, venue simulated" in done.errors
    assert words in done.errors
    assert "--data-dir" in done.errors
    assert "Traceback" not in done.text
    assert _contents(used_bot.data) == before
    assert used_bot.count_lines() == 2


@pytest.mark.parametrize("name", [".state.json", "journal.jsonl"])
def test_a_damaged_file_halts_by_name_and_is_left_as_it_is(used_bot: Bot, name: str) -> None:
    path = used_bot.data / name
    path.write_bytes(path.read_bytes().replace(b"10000", b"90000"))
    if name == "journal.jsonl":
        (used_bot.data / ".state.json").unlink()  # else what comes before the snapshot is not read
    before = _contents(used_bot.data)

    done = used_bot.run([*REHEARSAL, "--paper"])

    assert done.code == ExitCode.DATA
    assert str(path) in done.errors
    assert "Nothing was changed" in done.errors
    assert "Traceback" not in done.text
    assert _contents(used_bot.data) == before


def test_without_its_state_file_the_bot_goes_on_from_the_journal(used_bot: Bot) -> None:
    (used_bot.data / ".state.json").unlink()

    done = used_bot.run([*REHEARSAL, "--paper"])

    assert done.code == 0
    assert "rebuilt from" in done.output
    assert used_bot.lines()[-1]["slot"] == used_bot.lines()[-2]["slot"] + 1


@pytest.mark.parametrize("pace", [pytest.param(REAL_TIME, id="real time"), pytest.param(REHEARSAL, id="virtual time")])
def test_slots_of_another_length_are_refused(bot: Bot, pace: Sequence[str]) -> None:
    assert bot.run([*pace, "--interval", "1"]).code == 0

    done = bot.run([*pace, "--interval", "3600"])

    assert done.code == ExitCode.REFUSED, done.text
    assert "-every-1s" in done.errors
    assert "Traceback" not in done.text
    assert bot.count_lines() == 1


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
