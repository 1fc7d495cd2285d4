"""
Start the program and let it do quiet cycles, as PAPER and as LIVE: `python -m tests.planted_bugs.quiet_cycles`.

A bug with which it cannot even do that is no planted bug: anybody would see it. Ends with 0 when all went well.
"""

import contextlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import TraderError
from core.settings import Mode
from runner.main_loop import TradingLoop
from runner.options import RunOptions
from tests.config_files import shipped_documents, write_config
from tests.loopback.live_desk import open_live_desk
from tests.profiles import QUIET

CYCLES = 3


def main() -> int:
    """Play both modes; return 1 and say why when one of them does not get through."""
    with TemporaryDirectory(prefix="quiet-") as folder:
        for play in (_paper, _live):
            place = Path(folder) / play.__name__
            place.mkdir(mode=0o700)
            try:
                play(place)
            except TraderError as error:
                sys.stdout.write(f"{play.__name__}: {type(error).__name__}: {error}\n")
                return 1
            problem = _problem(place / "logs" / "247trader-v2_audit.jsonl")
            if problem:
                sys.stdout.write(f"{play.__name__}: {problem}\n")
                return 1
    return 0


def _paper(folder: Path) -> None:
    config = write_config(folder / "config", shipped_documents(QUIET))
    options = RunOptions(
        mode=Mode.PAPER,
        market="simulated",
        speed="max",
        cycles=CYCLES,
        config_dir=config,
        data_dir=folder / "data",
        logs_dir=folder / "logs",
    )
    with contextlib.redirect_stdout(None):
        TradingLoop(options=options).run()


def _live(folder: Path) -> None:
    with open_live_desk(folder, seed=7, over_sockets=False, products=4, changes=QUIET_MARKET) as desk:
        desk.play(CYCLES)


QUIET_MARKET = {name: value for name, value in QUIET.items() if name != "app.simulation.products"}


def _problem(audit: Path) -> str | None:
    lines = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
    failed = [line["error"] for line in lines if line["status"] == "ERROR"]
    if len(lines) != CYCLES or failed:
        return f"{len(lines)} lines of {CYCLES} cycles, errors {failed}"
    return None


if __name__ == "__main__":
    sys.exit(main())
