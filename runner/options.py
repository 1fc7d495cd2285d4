"""What the operator asked for on the command line; None means: as configured."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.settings import Mode

ROOT = Path(__file__).resolve().parent.parent
INTERVAL_SECONDS_MAX = 3600
"""As in the schema of app.yaml; the flag may go below its least value, for a look at a few cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """
    The command line, parsed.

    `cycles`: end after so many (None: until stopped, or until a replay's data end). `speed`: `real` or `max` (virtual
    time); None: `max` for a replay, else `real`.
    """

    mode: Mode | None = None
    market: str | None = None
    cycles: int | None = 1
    speed: str | None = None
    seed: int | None = None
    interval_seconds: int | None = None
    config_dir: Path = ROOT / "config"
    data_dir: Path = ROOT / "data"
    logs_dir: Path = ROOT / "logs"


def parse_options(arguments: Sequence[str]) -> RunOptions:
    """Parse the command line; `--help` and wrong usage end the process as argparse does (exit 0 and 2)."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.once and given.cycles not in (None, 1):
        parser.error("--once runs one cycle: leave --cycles out, or use --loop")
    endless = given.loop and given.cycles is None
    return RunOptions(
        mode=given.mode,
        market=given.market,
        cycles=None if endless else (given.cycles or 1),
        speed=given.speed,
        seed=given.seed,
        interval_seconds=given.interval,
        config_dir=given.config_dir,
        data_dir=given.data_dir,
        logs_dir=given.logs_dir,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="app_run_live.sh",
        allow_abbrev=False,
        description="Trade: one decision cycle per minute, one audit line per cycle. The default is one cycle.",
        epilog="Stop with Ctrl+C. `touch data/KILL_SWITCH` stops all trading at once, until the file is removed.",
    )
    run = parser.add_mutually_exclusive_group()
    run.add_argument("--loop", action="store_true", help="run until stopped (or for --cycles)")
    run.add_argument("--once", action="store_true", help="run one cycle (the default)")
    mode = parser.add_mutually_exclusive_group()
    for flag, value, text in (
        ("--paper", Mode.PAPER, "paper account, paper orders (the shipped default)"),
        ("--dry-run", Mode.DRY_RUN, "decide and record, send nothing"),
        ("--live", Mode.LIVE, "real orders (so far on an exchange on this machine only; says what is missing)"),
    ):
        mode.add_argument(flag, dest="mode", action="store_const", const=value, help=text)
    parser.add_argument("--market", metavar="auto|coinbase|simulated|replay:PATH", help="where prices come from")
    parser.add_argument("--cycles", type=_positive, metavar="N", help="end after N cycles")
    parser.add_argument("--speed", choices=("real", "max"), help="max: virtual time, as fast as it goes")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the simulated market")
    parser.add_argument("--interval", type=_interval, metavar="S", help="seconds per cycle (configured: 60)")
    parser.add_argument("--config-dir", type=Path, default=ROOT / "config", metavar="D", help="default: config")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data", metavar="D", help="default: data")
    parser.add_argument("--logs-dir", type=Path, default=ROOT / "logs", metavar="D", help="default: logs")
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _interval(text: str) -> int:
    number = _positive(text)
    if number > INTERVAL_SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{number} is more than {INTERVAL_SECONDS_MAX}")
    return number
