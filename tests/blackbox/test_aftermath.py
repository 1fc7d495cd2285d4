"""The last words on an era: what the verifiers and the replay find reaches the judge."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.blackbox.bot import Bot
from tests.blackbox.campaign.aftermath import ask_tools
from tests.config_files import ROOT, SHIPPED
from tests.program_runs import SIMULATED_DAY, run_program

CYCLES = 6


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_program(tmp_path_factory.mktemp("played"), [*SIMULATED_DAY, "--cycles", str(CYCLES)]).folder


def _untouched(_bot: Bot) -> None:
    return


def _other_amount(bot: Bot) -> None:
    path = bot.data / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"amount":"1', b'"amount":"2', 1))


def _shorter_tape(bot: Bot) -> None:
    path = next((bot.data / "tape").iterdir())
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.mark.parametrize(
    ("spoil", "tools"),
    [
        pytest.param(_untouched, set(), id="sound"),
        pytest.param(_other_amount, {"verify", "verify_alone", "replay"}, id="another amount"),
        pytest.param(_shorter_tape, {"replay"}, id="a tape without its end"),
    ],
)
def test_what_the_tools_find_is_a_violation(
    played: Path, tmp_path: Path, spoil: Callable[[Bot], None], tools: set[str]
) -> None:
    bot = Bot(Path(shutil.copytree(played, tmp_path / "left")), SHIPPED)
    spoil(bot)

    after = ask_tools(bot, ROOT)

    assert {text.partition(":")[0] for text in after.violations} == tools
    assert (after.figures["cycles decided again"] == CYCLES) is (not tools)
