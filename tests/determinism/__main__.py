"""
Play seeds twice each, in places that share nothing, and compare the bytes: `python -m tests.determinism --seeds A..B`.

Ends with 0 when all are the same, with 1 when one is not, with 2 for wrong usage.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.determinism.compare import Comparison, Part, compare
from tests.determinism.kinds import KINDS, why_not

DAY = 1440


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare every seed of every kind asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.determinism", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(1, 4), metavar="A..B", help="from A to B (default 1..3)")
    parser.add_argument("--kinds", type=_kinds, default=list(KINDS), metavar=",".join(KINDS), help="all when left out")
    parser.add_argument("--cycles", type=int, default=DAY, help="of each run (default a day, 1440)")
    parser.add_argument("--jobs", type=int, default=1, help="so many seeds at once, of two processes each (default 1)")
    given = parser.parse_args(arguments)
    if given.cycles < 2 or given.jobs < 1:
        parser.error("--cycles: 2 or more; --jobs: 1 or more")
    runs = []
    for kind in given.kinds:
        reason = why_not(kind)
        if reason is not None:
            say(f"SKIPPED {kind}: {reason}")
            continue
        runs += [(kind, seed) for seed in (given.seeds if kind != "replay" else given.seeds[:1])]
    return _all(runs, given.cycles, given.jobs)


def _all(runs: Sequence[tuple[str, int]], cycles: int, jobs: int) -> int:
    same, began = 0, time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        for number, task in enumerate([pool.submit(_one, kind, seed, cycles) for kind, seed in runs], 1):
            same += _told(task, *runs[number - 1], f"[{number}/{len(runs)}]")
    say(f"{same} of {len(runs)} the same, {time.monotonic() - began:.0f} s")
    return 0 if runs and same == len(runs) else 1


def _one(kind: str, seed: int, cycles: int) -> tuple[Comparison, Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"determinism-{kind}-{seed}-"))
    (result,) = compare([Part(kind, seed, cycles)], folder)
    if not result.difference:
        shutil.rmtree(folder)
    return result, folder


def _told(task: "Future[tuple[Comparison, Path]]", kind: str, seed: int, number: str) -> bool:
    try:
        result, folder = task.result()
    except AssertionError as error:
        say(f"{number} {kind}, seed {seed}: NOT PLAYED: {error}")
        return False
    first = result.roots[0]
    if result.difference:
        say(f"{number} {kind}, seed {seed}: DIFFERENT: {result.difference}; files in {folder}")
        return False
    say(f"{number} {kind}, seed {seed}: the same, root {first.digest}, {first.lines} lines")
    return True


def _seeds(text: str) -> range:
    match = re.fullmatch(r"([0-9]+)(?:\.\.([0-9]+))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not A..B, e.g. 1..20")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(KINDS)}")
    return kinds


def say(line: str) -> None:
    """Show a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
