"""
Do to the real bot what happens to programs, at random moments: `python -m tests.blackbox.campaign --minutes 20`.

The launcher and the loop that it becomes trade LIVE and PAPER on a simulated exchange in another process, while they
are killed, paused, stopped and doubled, their disk fills, their files go, and the network fails. Each era is judged at
its end against the exchange's books, by both verifiers and by the replay. Ends with 0, or with 1 and the folder of the
era when anything was wrong. What this machine does not allow is left out, and said at the beginning and at the end.
"""

import argparse
import compileall
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.blackbox.bot import copy_checkout
from tests.blackbox.campaign.damages import KEPT_OUT, can_be_kept_out
from tests.blackbox.campaign.file_deeds import can_trace
from tests.blackbox.campaign.plan import DAMAGES, DEEDS, LIVE, PAPER, EraPlan, plan_era
from tests.blackbox.campaign.stages import STAGES
from tests.config_files import ROOT

SMALL_DISK_MB = 24
AROUND_SECONDS = 22
"""An era takes so long beside its storm: the first start, coming back, stopping, judging."""

PROOF_SECONDS = 110
"""And about so much longer when it waits for the proof about orders in doubt."""

ERA_SECONDS_MAX = 2400
"""Much more than all that an era may wait for, one after the other, on a busy machine."""

STORM_SECONDS = (40.0, 100.0)
STORM_SECONDS_MIN = 20.0
MODES = (LIVE, PAPER, LIVE)


@dataclass(slots=True)
class Campaign:
    """The eras of a campaign, and what has come of them so far."""

    folder: Path
    checkout: Path
    is_small_disk: bool
    is_verbose: bool
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    deeds: int = 0
    done: int = 0
    slowest_end: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def play_lane(self, lane: Sequence[EraPlan]) -> None:
        """Play the eras of one job, one after the other."""
        for plan in lane:
            self.play(plan)

    def play(self, plan: EraPlan) -> None:
        """Play one era in a process of its own, with a small disk where there can be one."""
        folder = self.folder / f"era.{plan.number:03}"
        (folder / "disk").mkdir(parents=True)
        given = {name: getattr(plan, name) for name in ("number", "seed", "mode", "storm", "settles")}
        (folder / "plan.json").write_text(json.dumps(given))
        (folder / "plan.txt").write_text(plan.text() + "\n")
        words = [sys.executable, "-m", "tests.blackbox.campaign.era", str(folder), str(self.checkout)]
        command = _on_small_disk(words, folder / "disk") if self.is_small_disk else words
        with (folder / "happened.jsonl").open("w") as log, (folder / "errors.txt").open("w") as errors:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
            timer = threading.Timer(ERA_SECONDS_MAX, self._give_up, (plan, process))
            timer.start()
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                self._show(plan, line)
            process.wait()
            timer.cancel()
        self._take(plan, folder)

    def _give_up(self, plan: EraPlan, process: "subprocess.Popen[str]") -> None:
        self.violations.append(f"era {plan.number}: waited {ERA_SECONDS_MAX} s for its end")
        process.terminate()

    def _show(self, plan: EraPlan, line: str) -> None:
        said = json.loads(line)
        self.deeds += " -> " in said["text"]
        if self.is_verbose or "VIOLATION" in said["text"]:
            print(f"era {plan.number:3} {said['at']:7.2f} s  {said['text']}", flush=True)

    def _take(self, plan: EraPlan, folder: Path) -> None:
        result = folder / "result.json"
        with self.lock:
            self.done += 1
            if not result.exists():
                words = (folder / "errors.txt").read_text().strip()[-1500:]
                self._keep(plan, folder, [f"the era's own process failed: {words}"])
                return
            found = json.loads(result.read_text())
            for name, counted in found["counts"].items():
                self.counts.setdefault(name, Counter()).update(counted)
            self.slowest_end = max(self.slowest_end, found["slowest end"])
            if found["violations"]:
                self._keep(plan, folder, found["violations"])
            else:
                shutil.rmtree(folder)

    def _keep(self, plan: EraPlan, folder: Path, violations: Sequence[str]) -> None:
        self.violations += [f"era {plan.number} (seed {plan.seed}, {plan.mode}): {one}" for one in violations]
        self.kept.append(folder)


def plan_campaign(seed: int, minutes: float, jobs: int) -> list[list[EraPlan]]:
    """Draw the eras of each job, so that all end after about so many minutes."""
    draw = random.Random(seed)  # noqa: S311 - a plan
    lanes: list[list[EraPlan]] = [[] for _ in range(jobs)]
    left = [minutes * 60.0] * jobs
    number = 0
    while True:
        lane = left.index(max(left))
        if left[lane] < STORM_SECONDS_MIN + AROUND_SECONDS:
            return lanes
        mode = MODES[number % len(MODES)]
        number += 1
        settles = mode == LIVE and left[lane] > sum(STORM_SECONDS) / 2 + AROUND_SECONDS + PROOF_SECONDS
        around = AROUND_SECONDS + (PROOF_SECONDS if settles else 0)
        storm = min(draw.uniform(*STORM_SECONDS), left[lane] - around)
        rest = left[lane] - around - storm
        if rest < STORM_SECONDS_MIN + AROUND_SECONDS:
            storm += rest
        left[lane] -= around + storm
        lanes[lane].append(plan_era(number, draw.randrange(1 << 31), mode=mode, storm=round(storm, 1), settles=settles))


# --- the small disk ---------------------------------------------------------------------------------------------------


def _on_small_disk(words: Sequence[str], disk: Path) -> list[str]:
    """Return a command that runs in a mount namespace of its own, in which `disk` is small: it needs no privilege."""
    script = f'mount -t tmpfs -o size={SMALL_DISK_MB}m,mode=0700 none "$0" && exec "$@" --small-disk'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(disk), *words]


def why_no_small_disk(folder: Path) -> str:
    """Return why this machine does not let us mount a small disk in a namespace; empty when it does."""
    place = folder / "disk-test"
    place.mkdir()
    try:
        command = _on_small_disk(["sh", "-c", "true"], place)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr.strip() or f"unshare ends with {done.returncode}"
    except FileNotFoundError:
        return "there is no unshare"
    finally:
        place.rmdir()


def left_out(folder: Path) -> dict[str, str]:
    """Return what cannot be tried on this machine, with the reason."""
    parts = {
        "full disk": why_no_small_disk(folder),
        "failing fsync": "" if can_trace() else "strace is not there, or may not trace",
        "unreadable files": "" if can_be_kept_out() else f"root reads everything, and there is no {KEPT_OUT[0]}",
    }
    return {part: why for part, why in parts.items() if why}


# --- what is printed --------------------------------------------------------------------------------------------------


def _table(counts: Mapping[str, Counter[str]]) -> list[str]:
    """Return the figures as lines: what was counted, most first; deeds by kind and stage."""
    lines = []
    for name, counted in counts.items():
        if name not in ("deeds", "kills") and counted:
            words = ", ".join(f"{key} {number}" for key, number in counted.most_common())
            lines.append(f"{name}: {words}")
    by_kind: dict[str, Counter[str]] = {}
    for key, number in counts.get("deeds", Counter()).items():
        kind, _, stage = key.partition("|")
        by_kind.setdefault(kind, Counter())[stage] += number
    lines.append("deeds, and what the bot was doing:")
    for kind, stages in sorted(by_kind.items(), key=lambda item: (-item[1].total(), item[0])):
        words = ", ".join(f"{stage} {number}" for stage, number in stages.most_common())
        lines.append(f"  {stages.total():4} {kind}: {words}")
    kills = counts.get("kills", Counter())
    lines.append(f"kill -9 by stage ({kills.total()}): " + ", ".join(f"{stage} {kills[stage]}" for stage in STAGES))
    _add_missing(lines, "stages in which no process was killed", [stage for stage in STAGES if not kills[stage]])
    done = {kind.partition(":")[0] for kind in by_kind}
    _add_missing(lines, "deeds that were not done", [name for name in DEEDS if name not in done])
    damaged = {kind.removeprefix("damage: ") for kind in by_kind}
    _add_missing(lines, "damages that were not done", [name for name in DAMAGES if name not in damaged])
    return lines


def _add_missing(lines: list[str], what: str, missing: Sequence[str]) -> None:
    if missing:
        lines.append(f"{what}: {', '.join(missing)}")


def _tell_left_out(missing: Mapping[str, str]) -> None:
    for part, why in missing.items():
        print(f"⚠ LEFT OUT, not passed: {part}: {why}", flush=True)


def _progress(campaign: Campaign, total: int, minutes: float, stop: threading.Event) -> None:
    began, is_terminal = time.monotonic(), sys.stdout.isatty()
    while not stop.wait(1.0 if is_terminal else 30.0):
        spent = time.monotonic() - began
        words = (
            f"{spent / 60:5.1f} of about {minutes:.0f} min, eras {campaign.done}/{total}, deeds {campaign.deeds}, "
            f"violations {len(campaign.violations)}"
        )
        print(f"\r{words}" if is_terminal else words, end="" if is_terminal else "\n", flush=True)
    if is_terminal:
        print()


def run(options: argparse.Namespace) -> int:
    lanes = plan_campaign(options.seed, options.minutes, options.jobs)
    plans = sorted((plan for lane in lanes for plan in lane), key=lambda plan: plan.number)
    for plan in plans:
        print(plan.text() if options.plan or options.verbose else plan.title())
    if options.plan:
        return 0
    folder = Path(tempfile.mkdtemp(prefix="247trader-campaign-", dir=options.folder))
    checkout = copy_checkout(folder / "checkout")
    compileall.compile_dir(checkout, quiet=2)
    missing = left_out(folder)
    print(f"seed {options.seed}, {len(plans)} eras in {options.jobs} jobs; folder {folder}")
    _tell_left_out(missing)
    campaign = Campaign(folder, checkout, "full disk" not in missing, options.verbose)
    stop = threading.Event()
    watcher = threading.Thread(target=_progress, args=(campaign, len(plans), options.minutes, stop), daemon=True)
    watcher.start()
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(campaign.play_lane, lanes))
    stop.set()
    watcher.join()
    print("\n".join(_table(campaign.counts)))
    print(f"slowest end of a process: {campaign.slowest_end:.1f} s")
    _tell_left_out(missing)
    print(f"violations: {len(campaign.violations)}{f', and {len(missing)} parts were not tried' if missing else ''}")
    for violation in campaign.violations:
        print(f"  {violation}")
    if campaign.violations:
        kept = ", ".join(map(str, campaign.kept))
        again = f"--seed {options.seed} --minutes {options.minutes:g} --jobs {options.jobs}"
        print(f"kept: {kept}\nagain: python -m tests.blackbox.campaign {again}")
        return 1
    shutil.rmtree(folder)
    return 3 if missing and options.whole else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.blackbox.campaign",
        description="Kill, pause, stop, double and starve the real bot at random moments; judge what it leaves.",
    )
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N", help="how long, about (10)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the plan (1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="eras at a time (2); they mostly wait")
    parser.add_argument("--folder", type=Path, default=None, metavar="D", help="where to work (a temporary folder)")
    parser.add_argument("--plan", action="store_true", help="print the plan and do nothing")
    parser.add_argument("--whole", action="store_true", help="end with 3 when a part cannot be tried on this machine")
    parser.add_argument("--verbose", action="store_true", help="print each deed and event as it happens")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.jobs < 1 or options.minutes <= 0:
        _parser().error("--jobs and --minutes are at least 1")
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
