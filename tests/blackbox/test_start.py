"""What a start prints, and what it says when it is refused: few lines, the right exit code, no traceback."""

import gzip
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.errors import ExitCode
from runner.wiring import load_configuration
from tests.blackbox.bot import REHEARSAL, Bot, Ended

LINES_AT_MOST = 6


def test_the_banner_says_what_runs_where_and_how_to_stop_it(bot: Bot) -> None:
    config_hash = load_configuration(bot.config_dir).settings.config_hash

    done = bot.run([*REHEARSAL, "--paper", "--cycles", "2"])

    assert done.code == 0
    assert done.errors == ""
    for words in (
        "Mode: PAPER",
        "Run mode: 2 cycles, virtual time",
        "Interval: 60 s",
        "Venue: simulated (embedded simulated exchange, seed 7",
        "Account: paper-seed-7-virtual: 10000 USD, 0 open positions",
        f"hash {config_hash}",
        str(bot.audit_file),
        str(bot.folder / "logs" / "live_247trader-v2.log"),
        str(bot.data / ".state.json"),
        "Note: a new data directory",
        f"touch {bot.kill_file}",
        "Ctrl+C",
    ):
        assert words in done.output
    assert {line["config_hash"] for line in bot.lines()} == {config_hash}


def test_the_mode_that_is_printed_is_the_one_that_is_recorded(bot: Bot) -> None:
    done = bot.run([*REHEARSAL, "--dry-run"])

    assert "Mode: DRY_RUN" in done.output
    assert "Run mode: once" in done.output
    assert [line["mode"] for line in bot.lines()] == ["DRY_RUN"]


def test_help_lists_the_flags_and_makes_nothing(bot: Bot) -> None:
    began = time.monotonic()
    done = bot.run(["--help"])
    print(f"--help took {time.monotonic() - began:.2f} s")

    assert done.code == 0
    for flag in ("--loop", "--once", "--paper", "--dry-run", "--live", "--market", "--cycles", "--speed", "--interval"):
        assert flag in done.output
    assert "--market auto|coinbase|simulated|replay:PATH" in done.output
    assert not bot.data.exists()


@pytest.mark.parametrize(
    "flags", [pytest.param(["--bogus"], id="unknown"), pytest.param(["--cycles", "0"], id="below the limit")]
)
def test_wrong_usage_is_refused(bot: Bot, flags: Sequence[str]) -> None:
    done = bot.run(flags)

    assert done.code == ExitCode.USAGE
    assert "error: " in done.errors
    assert "Traceback" not in done.text
    assert not bot.data.exists()


def test_live_is_refused_and_says_what_is_missing(bot: Bot) -> None:
    done = bot.run(["--live", "--loop"])

    _is_refusal(done, ExitCode.REFUSED, ["LIVE", "an API key", "read_only", "--paper"])
    assert not bot.data.exists()


@pytest.mark.parametrize(
    ("market", "code", "words"),
    [
        pytest.param("nowhere", ExitCode.CONFIG, ["'nowhere'", "simulated"], id="unknown"),
        pytest.param("replay:no/such/folder", ExitCode.CONFIG, ["no/such/folder", "_1m.csv"], id="missing path"),
    ],
)
def test_a_market_that_cannot_be_used_is_refused(bot: Bot, market: str, code: ExitCode, words: Sequence[str]) -> None:
    done = bot.run(["--market", market])

    _is_refusal(done, code, words)
    assert not bot.data.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("BTC-USD_1m.csv", b"hello,world\n", ["line 1", "header"], id="another header"),
        pytest.param(
            "BTC-USD_1m.csv.gz",
            gzip.compress(b"start,open,high,low,close,volume\n" + b"60,1,1,1,1,1\n" * 50)[:-20],
            ["line"],
            id="cut off",
        ),
    ],
)
def test_a_broken_candle_file_is_refused_by_name(bot: Bot, name: str, content: bytes, words: Sequence[str]) -> None:
    candles = bot.folder / "candles"
    candles.mkdir()
    (candles / name).write_bytes(content)

    done = bot.run(["--market", f"replay:{candles}"])

    _is_refusal(done, ExitCode.CONFIG, [name, *words])


def _missing(folder: Path) -> Path:
    return folder / "nowhere"


def _a_file(folder: Path) -> Path:
    (folder / "file").write_text("a file\n")
    return folder / "file"


@pytest.mark.parametrize(
    ("flag", "place", "code"),
    [
        pytest.param("--config-dir", _missing, ExitCode.CONFIG, id="no configuration"),
        pytest.param("--config-dir", _a_file, ExitCode.CONFIG, id="a file for the configuration"),
        pytest.param("--data-dir", _a_file, ExitCode.REFUSED, id="a file for the data"),
        pytest.param("--logs-dir", _a_file, ExitCode.REFUSED, id="a file for the logs"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_by_name(
    bot: Bot, flag: str, place: Callable[[Path], Path], code: ExitCode
) -> None:
    folder = place(bot.folder)

    done = bot.run([flag, str(folder)])

    _is_refusal(done, code, [str(folder)])


def test_a_log_file_that_cannot_be_opened_is_refused_by_name_and_leaves_no_pid(bot: Bot) -> None:
    log_file = bot.folder / "logs" / "live_247trader-v2.log"
    log_file.mkdir(parents=True)

    done = bot.run(REHEARSAL)

    _is_refusal(done, ExitCode.REFUSED, [str(log_file)])
    assert not bot.pid_file.exists()


def _is_refusal(done: Ended, code: ExitCode, words: Sequence[str]) -> None:
    assert done.code == code, done.text
    assert "Traceback" not in done.text
    assert done.errors.startswith("❌ ")
    assert done.errors.count("\n") <= LINES_AT_MOST
    for word in words:
        assert word in done.errors
