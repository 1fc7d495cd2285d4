"""
Sweep the crash points: `python -m tests.crash_sweep [--what PART] [--jobs 2]`.

Prints for each part `n of n` points with the number of disk states, the same once more inside the recoveries, and the
fault loops; ends with 1 when a law was broken, and says how to repeat it.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.crash_sweep.faults import KINDS, FaultLoops, FaultPlan
from tests.crash_sweep.runs import Tell, loop_faults, points_of_the_history, sweep
from tests.crash_sweep.sweep import Plan, Sweep
from tests.crash_sweep.world import PARTS, Point

SHOWN = 20
FAULTS = "faults"


def main(arguments: list[str] | None = None) -> int:
    """Do what was asked for; return 0 when no law was broken, else 1."""
    given = _parser().parse_args(arguments)
    began = time.monotonic()
    points, calls = points_of_the_history()
    violations: list[str] = []
    plan = Plan(parts=_parts(given.what), stride=given.stride, doubly=not given.once, jobs=given.jobs)
    loops = FaultPlan(parts=_parts(given.what), stride=given.stride, jobs=given.jobs, every_look=given.every_look)
    if given.repeat is None:
        if given.what != FAULTS:
            violations += _crash(plan, points)
        if given.what in ("all", FAULTS):
            violations += _fail(loops, points, calls)
    elif given.repeat.partition(".")[2].startswith(tuple(kind.replace(" ", "-") for kind in KINDS)):
        violations += _fail(replace(loops, only=given.repeat), points, calls)
    else:
        violations += _crash(replace(plan, only=given.repeat), points)
    for violation in violations[:SHOWN]:
        _say(f"  {violation}")
    _say(f"{len(violations)} violations in {time.monotonic() - began:.0f} s")
    return 1 if violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash_sweep",
        description="Crash a small history of LIVE at every file call and request, and hold its recovery to the laws.",
    )
    parser.add_argument(
        "--what", choices=(*PARTS, FAULTS, "all"), default="all", help="a part of the history; default: all of it"
    )
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="branches at a time")
    parser.add_argument("--stride", type=_positive, default=1, metavar="N", help="each N-th point only")
    parser.add_argument("--once", action="store_true", help="do not crash the recoveries once more")
    parser.add_argument("--every-look", action="store_true", help="faults: looks repeated at the same place, too")
    parser.add_argument("--repeat", metavar="CODE", help="one state (123.p4, 123.p4/17.d0) or one fault (123.EIO.once)")
    return parser


def _parts(what: str) -> tuple[str, ...]:
    return PARTS if what in (FAULTS, "all") else (what,)


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _crash(plan: Plan, points: Counter[str]) -> list[str]:
    with _progress("crash points", points.total()) as tell:
        done = sweep(plan, tell=tell)
    _say_crashes(plan, points, done)
    counted = Counter({part: figures.points for part, figures in done.figures.items()})
    return [*_other_history(points, counted), *done.violations()]


def _fail(plan: FaultPlan, points: Counter[str], calls: Counter[str]) -> list[str]:
    with _progress("fault loops", points.total()) as tell:
        done = loop_faults(plan, tell=tell)
    _say_faults(plan, done)
    wrong = [text for figures in done.figures.values() for text in figures.violations]
    return [*_other_history(calls, Counter({part: f.calls for part, f in done.figures.items()})), *wrong]


def _other_history(expected: Counter[str], found: Counter[str]) -> list[str]:
    """The history that was swept has the same points as the one that was counted, or `n of n` means nothing."""
    return [] if expected == found else [f"sweep: another history: {dict(found)}, counted before {dict(expected)}"]


def _say_crashes(plan: Plan, points: Counter[str], done: Sweep) -> None:
    for part in plan.parts:
        found = done.figures[part]
        _say(
            f"{part:9} {found.swept} of {points[part]} points, {found.states} states, {found.played} different, "
            f"{len(found.violations)} violations"
        )
        if found.restarts:
            _say(
                f"{'':9} again inside {found.restarts} kinds of recovery: {found.again_points} of {found.again_points} "
                f"points, {found.again_states} states, {found.again_played} different"
            )


def _say_faults(plan: FaultPlan, done: FaultLoops) -> None:
    for part in plan.parts:
        found = done.figures[part]
        ends = ", ".join(f"{end} {count}" for end, count in sorted(found.ends.items()))
        _say(
            f"{part:9} {found.swept} of {found.calls} file calls, {found.faults} faults, "
            f"{len(found.violations)} violations ({ends})"
        )


@contextmanager
def _progress(what: str, total: int) -> Iterator[Tell]:
    """Show how far the history has got, on a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[point]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, auto_refresh=False) as progress:
        task = progress.add_task(what, total=total, point="")

        def tell(point: Point) -> None:
            progress.update(task, completed=point.number, point=str(point), refresh=point.number % 10 == 0)

        yield tell


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
