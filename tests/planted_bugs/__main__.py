"""
Plant every bug, one at a time, and see that it is caught: `python -m tests.planted_bugs [NAME...] [--jobs 2]`.

First each check is run on a clean copy of the checkout: one that fails there catches nothing. Then, for each bug, a
copy with it must start and do quiet cycles, and one of its checks must fail. Ends with 0 when all are caught, with 1
when one is not, with 2 for a name that there is none of.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.planted_bugs.bug import Bug
from tests.planted_bugs.checking import Checker, Verdict
from tests.planted_bugs.lists import BUGS
from tests.planted_bugs.trees import base_tree, tree_with


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What became of one bug: `by` names what caught it, None when nothing did; `words` is for people."""

    bug: Bug
    by: str | None
    words: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the bugs asked for and report each."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted_bugs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; all when none is named")
    parser.add_argument("--jobs", type=int, default=2, help="so many at once (default 2)")
    parser.add_argument("--list", action="store_true", help="show names, what they break and their checks")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in {bug.name for bug in BUGS}]
    if unknown or given.jobs < 1:
        sys.stderr.write(
            f"no such planted bug: {', '.join(unknown)}; see --list\n" if unknown else "--jobs: 1 or more\n"
        )
        return 2
    bugs = [bug for bug in BUGS if bug.name in given.names] if given.names else list(BUGS)
    if given.list:
        for bug in bugs:
            sys.stdout.write(f"{bug.name} ({bug.breaks}, {bug.file}): {', '.join(bug.caught_by)}\n")
        return 0
    signal.signal(signal.SIGTERM, _stop)
    return plant(bugs, given.jobs, say)


def plant(bugs: Sequence[Bug], jobs: int, tell: Callable[[str], None]) -> int:
    """Run clean checks and bugs, so many at once; return the exit code."""
    began = time.monotonic()
    checks = list(dict.fromkeys(check for bug in bugs for check in bug.caught_by))
    tests = list(dict.fromkeys(check.partition("::")[0] for check in checks if check.startswith("tests/")))
    checker = Checker()
    with base_tree(tests) as base, ThreadPoolExecutor(jobs) as pool:
        try:
            failing = _clean_checks(checks, base, checker, pool, tell)
            caught = 0
            tasks = [pool.submit(_catch, bug, base, failing, checker) for bug in bugs]
            for number, task in enumerate(as_completed(tasks), 1):
                result = task.result()
                caught += result.by is not None
                tell(f"[{number}/{len(bugs)}] {result.bug.name} ({result.bug.breaks}): {result.words}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            checker.end_all()
            raise
    tell(f"{caught} of {len(bugs)} caught, {time.monotonic() - began:.0f} s")
    return 0 if caught == len(bugs) and not failing else 1


def _clean_checks(
    checks: Sequence[str], base: Path, checker: Checker, pool: ThreadPoolExecutor, tell: Callable[[str], None]
) -> set[str]:
    """Run every check without a bug; return those that do not pass: they catch nothing."""
    began = time.monotonic()

    def run(check: str) -> Verdict:
        with tree_with(None, base) as tree:
            return checker.check(check, tree)

    clean = list(pool.map(run, checks))
    bad = [verdict for verdict in clean if verdict.found or verdict.trouble]
    for verdict in bad:
        tell(f"the clean checkout fails {verdict.check}: {verdict.found or verdict.trouble}")
    tell(f"{len(clean) - len(bad)} of {len(clean)} checks pass without a bug, {time.monotonic() - began:.0f} s")
    return {verdict.check for verdict in bad}


def _catch(bug: Bug, base: Path, failing: set[str], checker: Checker) -> Caught:
    began = time.monotonic()
    with tree_with(bug, base) as tree:
        code, output = checker.run_python(["-m", "tests.planted_bugs.quiet_cycles"], tree)
        if code != 0:
            words = (
                f"NOT CAUGHT: no bug to catch, the program does not do a quiet cycle with it: {output.strip()[-200:]}"
            )
            return Caught(bug=bug, by=None, words=words, seconds=time.monotonic() - began)
        troubles = []
        for check in bug.caught_by:
            verdict = checker.check(check, tree)
            seconds = time.monotonic() - began
            if verdict.found and check not in failing:
                words = f"caught by {verdict.found} in {seconds:.1f} s"
                return Caught(bug=bug, by=check, words=words, seconds=seconds)
            troubles.append(f"{check}: {verdict.trouble or 'passed'}")
        words = f"NOT CAUGHT in {seconds:.1f} s: {'; '.join(troubles)}"
        return Caught(bug=bug, by=None, words=words, seconds=seconds)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def say(line: str) -> None:
    """Show a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
