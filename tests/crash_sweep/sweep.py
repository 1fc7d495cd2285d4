"""The sweep itself: each point of the history, each state that may be left there, and once more inside the recovery."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.crash_sweep import history
from tests.crash_sweep.branch import Children, Verdict, live_on, nothing, take_over
from tests.crash_sweep.laws import broken_laws
from tests.crash_sweep.left import Left, Looking, digest_of
from tests.crash_sweep.world import PARTS, Point, World, functions_on_the_way
from tests.independent_checker import check

_RECOVERED = frozenset(("exits_and_upkeep", "store_and_audit"))
"""Functions of the program with which a restart is over: it has settled with the exchange, and trades on."""


@dataclass(slots=True)
class PartFigures:
    """
    What was covered in one part of the history, and what was found.

    `points` there are, `swept` were tried; of `states` that may be left there, `played` are different for the program.
    `restarts`: kinds of restarts that were crashed once more, with the same figures of the points in them.
    """

    points: int = 0
    swept: int = 0
    states: int = 0
    played: int = 0
    restarts: int = 0
    again_points: int = 0
    again_states: int = 0
    again_played: int = 0
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What to sweep: `parts`, each `stride`-th point, and whether once more inside each kind of recovery, there at each
    `inner_stride`-th point.

    `only`: one state of one point, as `123.p4`, or one inside a recovery, as `123.p4/17.d0`. `until_first`: the first
    violation ends it.
    """

    parts: tuple[str, ...] = PARTS
    stride: int = 1
    inner_stride: int = 1
    doubly: bool = True
    jobs: int = 2
    only: str | None = None
    until_first: bool = False


class Sweep:
    """One sweep over one history, whose branches live below a folder."""

    def __init__(self, world: World, plan: Plan, folder: Path, tell: Callable[[Point], None] = nothing) -> None:
        self.figures = {part: PartFigures() for part in PARTS}
        self._world = world
        self._plan = plan
        self._tell = tell
        self._folder = folder
        self._looking = Looking(world)
        self._children = Children(folder, plan.jobs)
        self._known: dict[str, None] = {}
        self._judged_bytes = 0
        self._only = _Only.of(plan.only)

    def run(self) -> None:
        """Play the history, sweeping it on the way; it must break no law itself."""
        self._world.reached = self._sweep
        self._world.watch()
        try:
            history.play(self._world)
        except _Enough:
            self._world.reached = nothing
        self._children.finish()
        if not self.violations():
            self._world.reached = nothing
            self.figures[PARTS[0]].violations += [f"without any crash: {text}" for text in broken_laws(self._world)]

    def violations(self) -> list[str]:
        """Return what was found, part by part."""
        return [text for figures in self.figures.values() for text in figures.violations]

    # --- in the history -----------------------------------------------------------------------------------------------

    def _sweep(self, point: Point) -> None:
        if self._plan.until_first and self.violations():
            raise _Enough
        figures = self.figures[point.part]
        figures.points += 1
        self._tell(point)
        if not self._is_asked_for(point, figures.points):
            return
        figures.swept += 1
        self._judge_new_lines()
        for left in self._looking.states(point):
            figures.states += 1
            if self._only is not None and left.code != self._only.code:
                continue
            key = digest_of(left, *_exchange(self._world))
            if key in self._known and self._only is None:
                continue
            self._known[key] = None
            figures.played += 1
            self._children.start(partial(self._branch, left), partial(self._note, point, left))

    def _judge_new_lines(self) -> None:
        """Hold each line of the history against its schema here, once, and not in every branch (see quick.py)."""
        audit = self._world.desk.audit_file
        size = audit.stat().st_size if audit.exists() else 0
        if size and size != self._judged_bytes:
            check(audit, self._world.desk.config)
        self._judged_bytes = size

    def _is_asked_for(self, point: Point, number: int) -> bool:
        if self._only is not None:
            return point.number == self._only.point
        return point.part in self._plan.parts and number % self._plan.stride == 0

    def _note(self, point: Point, left: Left, verdict: Verdict) -> None:
        figures = self.figures[point.part]
        code, where = f"{point.number}.{left.code}", f"{point}, {left.name}"
        figures.violations += [told(text, code, where) for text in verdict.violations]
        figures.violations += [
            told(text, f"{code}/{second}", f"{where}; then {words}") for second, words, text in verdict.again
        ]
        figures.restarts += verdict.figures["restarts"]
        figures.again_points += verdict.figures["points"]
        figures.again_states += verdict.figures["states"]
        figures.again_played += verdict.figures["played"]

    # --- in a branch --------------------------------------------------------------------------------------------------

    def _branch(self, left: Left, folder: Path) -> Verdict:
        """Restart on what is left and live on; when no restart was of this kind before, crash it all over."""
        if self._only is not None and self._only.again is not None:
            return self._live_doubly(left, folder)
        if not self._plan.doubly or self._only is not None:
            return self._live(left, folder)
        verdicts: list[Verdict] = []
        children = Children(self._folder, 1)
        children.start(partial(self._live, left), verdicts.append)
        children.finish()
        (verdict,) = verdicts
        if not verdict.violations and self._is_new((verdict.trace, left.is_power_loss)):
            children.start(partial(self._live_doubly, left), verdicts.append)
            children.finish()
            verdict.again, verdict.figures = verdicts[1].again, verdicts[1].figures
            verdict.violations += verdicts[1].violations
        return verdict

    def _is_new(self, kind: object) -> bool:
        """Tell whether this is the first restart of a kind, among all branches."""
        name = hashlib.sha256(repr(kind).encode()).hexdigest()
        try:
            os.close(os.open(self._folder / f"{name}.kind", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def _live(self, left: Left, folder: Path) -> Verdict:
        take_over(self._world, left, folder)
        trace: list[tuple[str, str]] = []

        def note(point: Point) -> None:
            if functions_on_the_way() & _RECOVERED:
                self._world.reached = nothing
            else:
                trace.append((point.name, point.where))

        self._world.reached = note
        violations = live_on(self._world)
        return Verdict(violations=violations, trace=tuple(trace))

    def _live_doubly(self, left: Left, folder: Path) -> Verdict:
        """Crash the restart at each of its points, in each state."""
        take_over(self._world, left, folder)
        again = _Again(
            self._world, self._folder, None if self._only is None else self._only.again, self._plan.inner_stride
        )
        verdict = Verdict()
        self._world.points = 0
        self._world.reached = again.sweep
        with suppress(_Recovered):
            live_on(self._world)
        again.children.finish()
        verdict.again = again.violations
        verdict.figures = again.figures
        verdict.figures["restarts"] += 1
        return verdict


class _Enough(BaseException):
    """A violation was found: the history ends here."""


class _Recovered(BaseException):
    """The restart is over: nothing of it is left to be swept."""


class _Again:
    """A sweep over the points of one restart."""

    def __init__(self, world: World, folder: Path, only: "_Only | None", stride: int) -> None:
        self.children = Children(folder, 1)
        self.violations: list[tuple[str, str, str]] = []
        self.figures: Counter[str] = Counter()
        self._world = world
        self._only = only
        self._stride = stride
        self._looking = Looking(world)
        self._known: dict[str, None] = {}

    def sweep(self, point: Point) -> None:
        if functions_on_the_way() & _RECOVERED:
            raise _Recovered
        self.figures["points"] += 1
        if self.figures["points"] % self._stride:
            return
        for left in self._looking.states(point):
            self.figures["states"] += 1
            if self._only is not None and (point.number, left.code) != (self._only.point, self._only.code):
                continue
            key = digest_of(left, *_exchange(self._world))
            if key in self._known and self._only is None:
                continue
            self._known[key] = None
            self.figures["played"] += 1
            self.children.start(partial(self._live, left), partial(self._note, point, left))

    def _live(self, left: Left, folder: Path) -> Verdict:
        take_over(self._world, left, folder)
        self._world.reached = nothing
        return Verdict(violations=live_on(self._world))

    def _note(self, point: Point, left: Left, verdict: Verdict) -> None:
        self.violations += [
            (f"{point.number}.{left.code}", f"{point}, {left.name}", text) for text in verdict.violations
        ]


@dataclass(frozen=True, slots=True)
class _Only:
    """One state of one point, as it is written on the command line."""

    point: int
    code: str
    again: "_Only | None"

    @classmethod
    def of(cls, text: str | None) -> "_Only | None":
        if text is None:
            return None
        first, _, second = text.partition("/")
        number, _, code = first.partition(".")
        return cls(int(number), code, cls.of(second or None))


def _exchange(world: World) -> tuple[object, ...]:
    """Return what the program meets outside its files: the exchange is a function of the time and of what was sent."""
    return (world.posts, world.desk.clock.now())


def told(text: str, code: str, where: str) -> str:
    return f"{text}\n      at {where}\n      repeat: python -m tests.crash_sweep --repeat {code}"
