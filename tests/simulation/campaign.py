"""Many seeds on all cores: what they reached, what they broke, and where to go on after a break."""

import gc
import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.run import Result, run
from tests.simulation.swarm import draw_plan

ROOT = Path(__file__).resolve().parents[2]
PLAYED = ("core", "runner", "config", "tools", "tests/simulation", "tests/loopback", "tests/fakes")
JUDGES = ("tests/independent_checker",)
"""They read what was written, and take no part in what is played."""
BOOKKEEPERS = tuple(f"tests/simulation/{name}.py" for name in ("__main__", "campaign", "shrink"))
RUNS_PER_PROCESS = 25
"""A worker is replaced after so many runs: whatever one leaves behind does not reach many."""


@dataclass(slots=True)
class Campaign:
    """What a campaign has seen so far. `failed`: seed and what it broke."""

    minutes: int
    seeds: int = 0
    cycles: int = 0
    cpu_seconds: float = 0.0
    reached: Counter[str] = field(default_factory=Counter)
    failed: dict[int, list[str]] = field(default_factory=dict)
    roots: dict[int, str] = field(default_factory=dict)
    judged_before: int = 0
    """Seeds without a violation by the word of judges that were changed since."""

    def take(self, result: Result) -> None:
        self.seeds += 1
        self.cycles += result.cycles
        self.cpu_seconds += result.cpu_seconds
        self.reached.update(result.reached)
        self.roots[result.seed] = result.root
        if result.violations:
            self.failed[result.seed] = result.violations


def code_hash() -> str:
    """Return what tells one state of program and simulation from another; tests alone do not change what is played."""
    return _hash_of(PLAYED)


def judge_hash() -> str:
    """Return what tells one state of the judges from another."""
    return _hash_of(JUDGES)


def _hash_of(folders: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            is_test = "regressions" in path.parts or path.name.startswith("test_")
            if path.suffix in (".py", ".yaml", ".json") and not is_test and name not in BOOKKEEPERS:
                digest.update(f"{name}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def play_all(
    seeds: Sequence[int], minutes: int, jobs: int, resume: Path | None, progress: Callable[[Campaign, Result], None]
) -> Campaign:
    """
    Play the seeds that a file of results does not have yet, and add theirs to it.

    A seed that broke a law by the word of other judges is played again, for those of now; one that broke none is not.

    Raises:
        ValueError: The file is of another state of the code, or of other lengths.
    """
    campaign = Campaign(minutes)
    wanted = dict.fromkeys(seeds)
    judges = judge_hash()
    for result, judge in _known(resume, minutes):
        if result.seed in wanted and (judge == judges or not result.violations):
            campaign.take(result)
            campaign.judged_before += judge != judges
            del wanted[result.seed]
    for result in _results(list(wanted), minutes, jobs):
        if resume is not None:
            _keep(resume, result, judges)
        campaign.take(result)
        progress(campaign, result)
    return campaign


def _results(seeds: Sequence[int], minutes: int, jobs: int) -> Iterator[Result]:
    if jobs == 1 or len(seeds) < 2:
        _settle_down()
        yield from (_play(seed, minutes) for seed in seeds)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, initializer=_begin_worker, maxtasksperchild=RUNS_PER_PROCESS) as pool:
        yield from pool.imap_unordered(_play_pair, [(seed, minutes) for seed in seeds])


def _begin_worker() -> None:
    """Let Ctrl+C be the matter of who asked for the campaign."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _settle_down()


def _settle_down() -> None:
    """Leave what is loaded already out of every collection of garbage, and collect it more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _play_pair(pair: tuple[int, int]) -> Result:
    return _play(*pair)


def _play(seed: int, minutes: int) -> Result:
    result = run(draw_plan(seed, minutes))
    gc.collect()
    return result


# --- the file of results ----------------------------------------------------------------------------------------------


def _known(path: Path | None, minutes: int) -> Iterator[tuple[Result, str]]:
    """
    Yield the results that a file has, and the hash of who judged them.

    What a kill tore off at its end is cut off, so that the next one fits.
    """
    if path is None:
        return
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole:
        path.write_text(json.dumps({"code": code_hash(), "minutes": minutes}) + "\n", "utf-8")
        return
    first, *lines = whole.decode("utf-8").splitlines()
    head = json.loads(first)
    if (head.get("code"), head.get("minutes")) != (code_hash(), minutes):
        raise ValueError(
            f"{path} has results of code {head.get('code')} and {head.get('minutes')} minutes a seed, this is "
            f"{code_hash()} and {minutes}: choose another file"
        )
    os.truncate(path, len(whole))
    for line in lines:
        document = json.loads(line)
        judge = document.pop("judge", "")
        yield Result(**{**document, "reached": Counter(document["reached"]), "strikes": []}), judge


def _keep(path: Path, result: Result, judge: str) -> None:
    document = {name: getattr(result, name) for name in Result.__dataclass_fields__ if name != "strikes"}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({**document, "judge": judge}) + "\n")


@dataclass(slots=True)
class Watch:
    """Rate and remaining time of a campaign, in words."""

    total: int
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    cycles: int = 0

    def words(self, campaign: Campaign, result: Result) -> str:
        self.done += 1
        self.cycles += result.cycles
        seconds = max(time.monotonic() - self.began, 0.001)
        left = (self.total - self.done) * seconds / self.done
        return (
            f"{self.done} of {self.total} seeds, {self.cycles / seconds:.0f} cycles/s, "
            f"{result.cycles / result.cpu_seconds:.0f} cycles/s of a core in the last, "
            f"{len(campaign.failed)} failed, {left / 60:.0f} min left"
        )


def cores() -> int:
    return len(os.sched_getaffinity(0))
