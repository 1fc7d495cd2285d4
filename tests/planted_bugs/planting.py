"""Each check without a bug, then each bug and the checks that must catch it."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.planted_bugs.bug import Bug
from tests.planted_bugs.checking import Checker
from tests.planted_bugs.results import Results
from tests.planted_bugs.trees import base_tree, tree_with

Tell = Callable[[str], None]
QUIET_CYCLES = ("-m", "tests.planted_bugs.quiet_cycles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What became of one bug: `by` names what caught it, None when nothing did; `words` is for people."""

    bug: Bug
    by: str | None
    words: str


def plant(bugs: Sequence[Bug], jobs: int, tell: Tell, kept: Path | None = None) -> int:
    """
    Run clean checks and bugs, so many at once; return 0 when each check passes and each bug is caught, else 1.

    `kept`: the file of what an earlier run has found (`results.py`); it is not done again.
    """
    began = time.monotonic()
    checks = list(dict.fromkeys(check for bug in bugs for check in bug.caught_by))
    checker = Checker()
    with base_tree() as base, ThreadPoolExecutor(jobs) as pool:
        try:
            results = Results(kept, base)
            failing = _failing_without_a_bug(checks, base, checker, results, tell)
            known = [bug for bug in bugs if results.has_caught(bug)]
            if known:
                tell(f"{len(known)} were caught before: {kept}")
            caught = len(known)
            left = [bug for bug in bugs if bug not in known]
            tasks = [pool.submit(_catch, bug, base, failing, checker) for bug in left]
            for number, task in enumerate(as_completed(tasks), len(known) + 1):
                result = task.result()
                caught += result.by is not None
                if result.by is not None:
                    results.keep(result.bug, result.by)
                tell(f"[{number}/{len(bugs)}] {result.bug.name} ({result.bug.breaks}): {result.words}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            checker.end_all()
            raise
    tell(f"{caught} of {len(bugs)} caught, {time.monotonic() - began:.0f} s")
    return 0 if caught == len(bugs) and not failing else 1


def _failing_without_a_bug(
    checks: Sequence[str], base: Path, checker: Checker, results: Results, tell: Tell
) -> dict[str, None]:
    """Run every check without a bug, all tests together; return those that do not pass: they catch nothing."""
    began = time.monotonic()
    left = [check for check in checks if not results.has_passed(check)]
    failing = checker.failing(left, base)  # what it compiles is then there for all
    for check in left:
        if check not in failing:
            results.keep(check, "passes")
    for check, why in failing.items():
        tell(f"the clean checkout fails {check}: {why}")
    seconds = time.monotonic() - began
    tell(f"{len(checks) - len(failing)} of {len(checks)} checks pass without a bug, {seconds:.0f} s")
    return dict.fromkeys(failing)


def _catch(bug: Bug, base: Path, failing: dict[str, None], checker: Checker) -> Caught:
    began = time.monotonic()
    with tree_with(bug, base) as tree:
        code, output = (0, "") if bug.file.startswith("tools/") else checker.run_python(QUIET_CYCLES, tree)
        if code != 0:
            why = f"no bug to catch, the program does not do a quiet cycle with it: {output.strip()[-200:]}"
            return Caught(bug=bug, by=None, words=f"NOT CAUGHT: {why}")
        troubles = []
        for check in bug.caught_by:
            verdict = checker.check(check, tree)
            if verdict.found and check not in failing:
                words = f"caught by {verdict.found} in {time.monotonic() - began:.1f} s"
                return Caught(bug=bug, by=check, words=words)
            troubles.append(f"{check}: {verdict.trouble or verdict.found or 'passed'}")
    return Caught(bug=bug, by=None, words=f"NOT CAUGHT in {time.monotonic() - began:.1f} s: {'; '.join(troubles)}")
