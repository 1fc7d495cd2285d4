"""Play one plan in a folder of its own, judge it, and say in figures what happened."""

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.loopback.oracle import lines_of, unsettled
from tests.simulation.disturbing import enter_all
from tests.simulation.laws import audit_root, judge
from tests.simulation.plan import Plan
from tests.simulation.sometimes import count
from tests.simulation.world import World, open_world

SETTLING_MINUTES = 10
KILLED_MINUTES = 4
MEMORY = Path("/dev/shm")  # noqa: S108 - a RAM disk: the folder in it is made by mkdtemp


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a run. `strikes`: minute, fault and endpoint of each request that was struck."""

    seed: int
    minutes: int
    root: str
    violations: list[str]
    cycles: int
    cpu_seconds: float
    reached: Counter[str]
    strikes: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def laws(self) -> list[str]:
        """Return the names of what was broken, each once."""
        return list(dict.fromkeys(law_of(text) for text in self.violations))


def law_of(text: str) -> str:
    """Return the name of a broken law: `fill_missing`, `audit/overdue`, `crash/ValueError`."""
    words = text.split(": ")
    return f"audit/{words[2]}" if words[0] == "audit" and len(words) > 2 else words[0]


@contextmanager
def folder_of(seed: int, keep: Path | None = None) -> Iterator[Path]:
    """
    Make a folder in memory, where there is such a thing, and go there; `keep`: its content is copied there afterwards.

    Errors name files as the program was told of them: from inside the folder, its drawn name gets into no record.
    """
    folder, before = Path(tempfile.mkdtemp(prefix=f"247-{seed}-", dir=MEMORY if MEMORY.is_dir() else None)), os.getcwd()
    kept = None if keep is None else keep.absolute()
    try:
        os.chdir(folder)
        yield Path()
        if kept is not None:
            shutil.copytree(folder, kept, dirs_exist_ok=True)
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


def run(plan: Plan, keep: Path | None = None) -> Result:
    """Play a plan and judge it. An unexpected exception is a violation, too: `crash`."""
    began = time.process_time()
    open_before = len(os.listdir("/proc/self/fd"))
    with folder_of(plan.seed, keep) as folder, open_world(plan, folder) as world:
        problems: list[str] = []
        try:
            _play(world)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding of this seed
            problems = [f"crash/{type(error).__name__}: {error}"]
        world.open_before = open_before if not problems else None
        problems += _judged(world)
        root, cycles, reached = _counted(world)
        return Result(
            seed=plan.seed,
            minutes=plan.minutes,
            root=root,
            violations=problems,
            cycles=cycles,
            cpu_seconds=time.process_time() - began,
            reached=reached,
            strikes=[(minute, fault.value, endpoint.value) for minute, endpoint, fault in world.faults.history],
        )


def _judged(world: World) -> list[str]:
    try:
        return judge(world)
    except Exception as error:  # noqa: BLE001 - as above: records that cannot even be read
        return [f"unjudged/{type(error).__name__}: {error}"]


def _counted(world: World) -> tuple[str, int, Counter[str]]:
    """Return audit root, cycles and what was reached; nothing where the records cannot be read: the judge said so."""
    try:
        return audit_root(world), len(lines_of(world.desk)), count(world)
    except ValueError:
        return "", 0, Counter()


def _play(world: World) -> None:
    plan = world.plan
    enter_all(world)
    world.play_until(plan.minutes)
    world.calm_down()
    world.play_until(plan.end)
    minute = plan.end
    while unsettled(world.desk) and minute < plan.end + SETTLING_MINUTES:
        minute += 1
        world.play_until(minute)
    if not plan.ending and unsettled(world.desk):
        # It trades in every minute, and the exchange shows a fill later than the next order: it is stopped, to be seen.
        world.reached["stopped for the last look"] += 1
        world.desk.kill_file.write_text("stop", "utf-8")
        world.play_until(minute + KILLED_MINUTES)
    if plan.ending:
        world.desk.kill_file.write_text("" if plan.ending == "stop" else plan.ending, "utf-8")
        world.play_until(minute + KILLED_MINUTES)
