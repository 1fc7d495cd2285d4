"""
The fault loops: every file call of the history fails once, and from then on for ever, in every way that it may.

A forked child goes on in the middle of the program, in a copy of the folder, with the fault; it must end with a
documented exit code or go on, and send no order whose intent is not durable. Then the disk is healthy again (after a
failed fsync the power goes, too): the next start must come to rest with nothing wrong.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.errors import ExitCode, TraderError
from tests.crash_sweep import history
from tests.crash_sweep.branch import Children, Verdict, be_healthy, live_on, nothing, write_folders
from tests.crash_sweep.left import Image, Left, Looking
from tests.crash_sweep.world import PARTS, Point, World
from tests.fakes.spy_os import Call, ShortWrite, fault

INJECTED = "injected"
SHORT, NO_MEMORY, CTRL_C = "short write", "MemoryError", "KeyboardInterrupt"
ERRNOS = {name: getattr(errno, name) for name in ("EIO", "ENOSPC", "EACCES", "EMFILE", "EINTR")}
MODES = ("once", "ever")
INTERRUPTED = "EINTR"
"""No signal comes for ever, and Python asks again until it gets an answer."""

_OPENS = frozenset(("open", "listdir"))
_NAMES = frozenset(("open", "replace", "unlink", "mkdir", "rmdir"))
_LOOKS = frozenset(("lstat", "stat", "fstat", "listdir", "read", "pread", "statvfs"))
_MAY: dict[str, frozenset[str]] = {
    "ENOSPC": frozenset(("open", "write", "pwrite", "fsync", "fdatasync", "replace", "mkdir", "posix_fallocate")),
    "EACCES": _NAMES | frozenset(("lstat", "stat", "listdir")),
    "EMFILE": _OPENS,
    "EINTR": frozenset(
        ("open", "read", "pread", "write", "pwrite", "fsync", "fdatasync", "close", "flock", "ftruncate")
    ),
    SHORT: frozenset(("write", "pwrite")),
}
"""Which calls may fail in this way; a kind that is not listed may strike anywhere."""

KINDS = ("EIO", "ENOSPC", "EACCES", "EMFILE", "EINTR", SHORT, NO_MEMORY, CTRL_C)
CYCLES_AFTER = 2
"""So many minutes a program that goes on with a fault is watched."""


@dataclass(slots=True)
class FaultFigures:
    """`calls` there are, `swept` were tried (looks at the same place in the program once); `ends` counts how."""

    calls: int = 0
    swept: int = 0
    faults: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """`every_look`: also looks (lstat, stat, read) that come again at the same place of the program; else as `Plan`."""

    parts: tuple[str, ...] = PARTS
    stride: int = 1
    jobs: int = 2
    every_look: bool = False
    only: str | None = None


class FaultLoops:
    """One pass over the history."""

    def __init__(self, world: World, plan: FaultPlan, folder: Path, tell: Callable[[Point], None] = nothing) -> None:
        self.figures = {part: FaultFigures() for part in PARTS}
        self._world = world
        self._plan = plan
        self._tell = tell
        self._looking = Looking(world)
        self._children = Children(folder, plan.jobs)
        self._places: dict[object, None] = {}

    def run(self) -> None:
        """Play the history, with a branch for each fault at each call."""
        self._world.reached = self._fail_at
        self._world.watch()
        history.play(self._world)
        self._children.finish()

    def _fail_at(self, point: Point) -> None:
        self._tell(point)
        if point.call is None:
            return
        figures = self.figures[point.part]
        figures.calls += 1
        if not self._is_asked_for(point, figures.calls):
            return
        figures.swept += 1
        image = self._looking.image()  # before any fork: the history goes on beside its branches
        for kind, mode in _faults_of(point.call.name):
            code = f"{point.number}.{kind.replace(' ', '-')}.{mode}"
            if self._plan.only is not None and self._plan.only != code:
                continue
            figures.faults += 1
            if self._children.go_on_in_a_child(partial(self._note, point, code, kind)):
                self._move_out(image, point.call, kind, mode)
                _fail(point.call, kind)

    def _is_asked_for(self, point: Point, number: int) -> bool:
        plan = self._plan
        if plan.only is not None:
            return str(point.number) == plan.only.partition(".")[0]
        if point.part not in plan.parts or number % plan.stride:
            return False
        if plan.every_look or point.name not in _LOOKS:
            return True
        place = (point.name, point.where, _place_in_the_program())
        is_new = place not in self._places
        self._places[place] = None
        return is_new

    def _note(self, point: Point, code: str, kind: str, verdict: Verdict) -> None:
        figures = self.figures[point.part]
        for end, count in verdict.figures.items():
            figures.ends[end] = figures.ends.get(end, 0) + count
        figures.violations += [
            f"{text}\n      at {point}, {kind}\n      repeat: python -m tests.crash_sweep --repeat {code}"
            for text in verdict.violations
        ]

    # --- in a branch --------------------------------------------------------------------------------------------------

    def _move_out(self, image: Image, call: Call, kind: str, mode: str) -> None:
        """Be the program in a folder of its own, in which this call is about to fail."""
        world, desk = self._world, self._world.desk
        try:
            write_folders(Left(code="", name="", files=image), self._children.own_folder, world.home)
            os.chdir(self._children.own_folder)
            world.disk.move_open_files()
        except OSError as error:
            text = f"sweep: {error}"
            self._children.leave_after(lambda _folder: Verdict([text]))
        world.ended = lambda error: self._children.leave_after(lambda _folder: self._after(kind, call, error))
        world.reached = partial(_fail_again, call.name, kind) if mode == "ever" else nothing
        for minutes in range(CYCLES_AFTER, CYCLES_AFTER + 10):
            desk.clock.at(int(desk.minutes()) + minutes - 0.03, lambda: _stop(world))

    def _after(self, kind: str, call: Call, error: BaseException | None) -> Verdict:
        """Judge how the run ended, make the disk healthy, start again, and judge all."""
        world = self._world
        verdict = Verdict()
        verdict.figures[_end_in_words(error)] += 1
        if not _is_documented(kind, error):
            verdict.violations.append(f"undocumented_end: {type(error).__name__}: {error}")
        world.reached, world.ended = nothing, None
        world.disk.end_process()
        if call.name in ("fsync", "fdatasync") and kind in ERRNOS:
            states, world.lost_power = world.disk.power_loss_states(), True
            world.disk.become(states[0] if len(states) == 1 else states[1])
        be_healthy(world)
        verdict.violations += [text for text in live_on(world) if not _is_told(text, kind)]
        return verdict


def _faults_of(name: str) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        if kind not in _MAY or name in _MAY[kind]:
            yield from ((kind, mode) for mode in (MODES[:1] if kind == INTERRUPTED else MODES))


def _fail(call: Call, kind: str) -> None:
    if kind == SHORT:
        raise ShortWrite(call.size // 2)
    if kind == NO_MEMORY:
        raise MemoryError(INJECTED)
    if kind == CTRL_C:
        raise KeyboardInterrupt
    raise fault(ERRNOS[kind])


def _fail_again(name: str, kind: str, point: Point) -> None:
    if point.call is not None and point.name == name:
        _fail(point.call, kind)


def _stop(world: World) -> None:
    if world.ended is not None and world.desk.loop is not None:
        world.desk.loop.stop("enough of the fault")


def _is_documented(kind: str, error: BaseException | None) -> bool:
    """Tell whether a run may end so: well, by one of the program's errors, or by what was injected itself."""
    if error is None:
        return True
    if isinstance(error, TraderError):
        return error.exit_code in ExitCode and error.exit_code is not ExitCode.INTERNAL
    return (kind, type(error)) in ((NO_MEMORY, MemoryError), (CTRL_C, KeyboardInterrupt))


def _end_in_words(error: BaseException | None) -> str:
    if isinstance(error, TraderError):
        return f"exit {int(error.exit_code)}"
    return "went on" if error is None else type(error).__name__


def _is_told(text: str, kind: str) -> bool:
    """
    Tell whether a finding is no more than the line in which the program says what was injected.

    No tape has that the program's own memory ended in the middle of a cycle: that one is decided another way again.
    """
    if kind in (NO_MEMORY, CTRL_C) and text.startswith("replay:"):
        return True
    return text.startswith("exception:") and INJECTED in text


def _place_in_the_program() -> tuple[tuple[str, int], ...]:
    """Return where in the program a call is made: the lines of its own code on the way there."""
    frame, found = sys._getframe(2), []
    while frame is not None:
        name = frame.f_code.co_filename
        if f"{os.sep}runner{os.sep}" in name or f"{os.sep}core{os.sep}" in name:
            found.append((name, frame.f_lineno))
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(found)
