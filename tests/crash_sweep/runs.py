"""Run a sweep or the fault loops from the beginning, in a folder that is in memory where the machine has one."""

import gc
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash_sweep import history
from tests.crash_sweep.branch import nothing
from tests.crash_sweep.faults import FaultLoops, FaultPlan
from tests.crash_sweep.sweep import Plan, Sweep
from tests.crash_sweep.world import Point, World, open_world

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory

Tell = Callable[[Point], None]


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a new folder, which is removed afterwards; nothing in it is worth a disk."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="crash_sweep_", dir=where) as name:
        yield Path(name)


def points_of_the_history() -> tuple[Counter[str], Counter[str]]:
    """Play the history alone; return how many points it has in each part, and how many of these are file calls."""
    points: Counter[str] = Counter()
    calls: Counter[str] = Counter()

    def count(point: Point) -> None:
        points[point.part] += 1
        calls[point.part] += point.call is not None

    with scratch() as folder, _world_in(folder) as (world, _):
        world.reached = count
        world.watch()
        history.play(world)
    return points, calls


def sweep(plan: Plan, *, tell: Tell = nothing) -> Sweep:
    """Crash the history as planned."""
    with scratch() as home, _world_in(home) as (world, branches):
        done = Sweep(world, plan, branches, tell)
        done.run()
    return done


def loop_faults(plan: FaultPlan, *, tell: Tell = nothing) -> FaultLoops:
    """Let the file calls of the history fail as planned."""
    with scratch() as home, _world_in(home) as (world, branches):
        done = FaultLoops(world, plan, branches, tell)
        done.run()
    return done


@contextmanager
def _world_in(folder: Path) -> Iterator[tuple[World, Path]]:
    """Open a world in a folder, with the working directory in it (branches move on by chdir), and one for branches."""
    home, branches, before = folder / "home", folder / "branches", Path.cwd()
    home.mkdir()
    branches.mkdir()
    os.chdir(home)
    try:
        with open_world(Path()) as world:
            gc.collect()
            gc.freeze()  # what is there is not looked at again, and so not copied into each branch
            yield world, branches
    finally:
        gc.unfreeze()
        os.chdir(before)
