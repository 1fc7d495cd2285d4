"""Progress of a fast rehearsal: a bar in a terminal, a line now and then without one."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runner.terminal import say

LINE_EVERY_CYCLES = 1000

Advance = Callable[[str], None]


@contextmanager
def show_progress(cycles: int | None, *, enabled: bool, name: str = "rehearsal") -> Iterator[Advance]:
    """Yield a function to be called after each cycle with a few words; it does nothing unless enabled."""
    if not enabled:
        yield lambda _words: None
    elif sys.stdout is not None and sys.stdout.isatty():
        with _bar(cycles, name) as advance:
            yield advance
    else:
        yield _lines(cycles)


@contextmanager
def show_bytes(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to be called with the bytes done so far; it shows a bar where standard error is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, refresh_per_second=4, transient=True, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def _bar(cycles: int | None, name: str) -> Iterator[Advance]:
    from rich.progress import (  # noqa: PLC0415 - only a terminal needs it, and it costs memory
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, refresh_per_second=4) as progress:
        task = progress.add_task(name, total=cycles, words="")
        yield lambda words: progress.update(task, advance=1, words=words)


def _lines(cycles: int | None) -> Advance:
    done = 0

    def advance(words: str) -> None:
        nonlocal done
        done += 1
        if done % LINE_EVERY_CYCLES == 0:
            total = "" if cycles is None else f" of {cycles}"
            say(f"{done}{total} cycles, {words}")

    return advance
