"""Play one seed in both places and hold what is left against each other."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.config_files import ROOT
from tests.determinism.places import PLACES, Place
from tests.determinism.play import FOLDER
from tests.determinism.roots import Root, first_difference, root_of

LIMIT_SECONDS = 1800
DROPPED = ("PYTHONPATH", "PYTHONSTARTUP", "TZ", "LANGUAGE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The roots of one seed; `difference` says where they part, "" when they are one."""

    kind: str
    seed: int
    roots: tuple[Root, ...]
    difference: str


def compare(kind: str, seed: int, cycles: int, folder: Path, *, at_once: int = 2) -> Comparison:
    """Play a kind of run in two processes, in a folder of its own each."""
    with ThreadPoolExecutor(at_once) as pool:
        folders = list(pool.map(lambda place: _play(place, kind, seed, cycles, folder), PLACES))
    return Comparison(
        kind=kind,
        seed=seed,
        roots=tuple(root_of(one) for one in folders),
        difference=first_difference(*folders),
    )


def _play(place: Place, kind: str, seed: int, cycles: int, folder: Path) -> Path:
    where = folder / place.name
    where.mkdir()
    run_in(place, where, [sys.executable, "-m", "tests.determinism.play", kind, str(seed), str(cycles)])
    return where / FOLDER


def run_in(place: Place, where: Path, command: Sequence[str]) -> None:
    """
    Run a command in a place.

    Raises:
        AssertionError: It did not end well; with the end of its output.
    """
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED and not name.startswith("LC_")}
    done = subprocess.run(
        command,
        cwd=where,
        env={**kept, **place.environment, "PYTHONPATH": str(ROOT)},
        umask=place.umask,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        words = (done.stdout + done.stderr).decode("utf-8", "replace")[-2000:]
        raise AssertionError(f"{place.name}: exit {done.returncode}\n{words}")
