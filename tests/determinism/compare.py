"""Play one seed in both places and hold what is left against each other."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.config_files import ROOT
from tests.determinism.places import PLACES, Place
from tests.determinism.play import folder_of
from tests.determinism.roots import Root, first_difference, root_of

LIMIT_SECONDS = 1800
DROPPED = ("PYTHONPATH", "PYTHONSTARTUP", "TZ", "LANGUAGE")


class Part(NamedTuple):
    """One run of a kind."""

    kind: str
    seed: int
    cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The roots of one run; `difference` says where they part, "" when they are one."""

    part: Part
    roots: tuple[Root, ...]
    difference: str


def compare(parts: Sequence[Part], folder: Path, *, at_once: int = 2) -> list[Comparison]:
    """Play runs one after the other in two processes, each in a place and a folder of its own."""
    with ThreadPoolExecutor(at_once) as pool:
        places = list(pool.map(lambda place: _play(place, parts, folder), PLACES))
    found = []
    for part in parts:
        folders = [place / folder_of(part.kind, part.seed) for place in places]
        roots = tuple(root_of(one) for one in folders)
        found.append(Comparison(part=part, roots=roots, difference=first_difference(*folders)))
    return found


def _play(place: Place, parts: Sequence[Part], folder: Path) -> Path:
    where = folder / place.name
    where.mkdir()
    words = [str(word) for part in parts for word in part]
    run_in(place, where, [sys.executable, "-m", "tests.determinism.play", *words])
    return where


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
