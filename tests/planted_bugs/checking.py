"""One check in one tree: started, given its time, and what it found."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.planted_bugs.trees import environment

LIMIT_SECONDS = 900.0
"""Of one check, on a machine that is busy. One that takes longer has caught nothing."""

GRACE_SECONDS = 3.0
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "--no-header", "--tb=line")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - (.*))?$", re.MULTILINE)
_FINDING = re.compile(r"^(?:seed [0-9]+: \S+: |  ).*$", re.MULTILINE)
"""What the simulation and the crash sweep print of the first law that was broken."""

_WORDS_MAX = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What a check said of a tree.

    `found` names the test that failed, or the first words of a command that ended with 1; None: nothing was found.
    `trouble` says why a check is worth nothing: it took too long, or could not even begin.
    """

    check: str
    found: str | None
    trouble: str | None
    seconds: float


class Checker:
    """Runs checks, several at once if asked to; `end_all` ends what runs and lets nothing begin any more."""

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit_seconds = limit_seconds
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._is_over = False

    def check(self, check: str, tree: Path) -> Verdict:
        """Run one check of a bug, a test of pytest or a command, in a tree."""
        is_command = check.startswith("python ")
        words = shlex.split(check)[1:] if is_command else [*PYTEST, "-x", check]
        began = time.monotonic()
        code, output = self.run_python(words, tree)
        seconds = time.monotonic() - began
        if code is None:
            trouble: str | None = f"not done after {self._limit_seconds:g} s"
            return Verdict(check=check, found=None, trouble=trouble, seconds=seconds)
        found = _of_command(code, output) if is_command else _of_pytest(code, output)
        trouble = None if code == 0 or found else f"it could not be run: exit {code}, {_last_words(output)}"
        return Verdict(check=check, found=found, trouble=trouble, seconds=seconds)

    def failing(self, checks: Sequence[str], tree: Path) -> dict[str, str]:
        """Run checks in a clean tree, all tests in one process; return those that do not pass, and why."""
        tests = [check for check in checks if not check.startswith("python ")]
        limit = self._limit_seconds * max(1, len(tests) // 10)
        code, output = self.run_python([*PYTEST, *tests], tree, limit) if tests else (0, "")
        failed = _failed_tests(output) if code == 1 else []
        if code == 0 or failed:
            found = {test: name for test in tests for name in failed if _is_of(name, test)}
            one_by_one = [check for check in checks if check.startswith("python ")]
        else:  # one of them cannot even be collected: which?
            found, one_by_one = {}, list(checks)
        for verdict in (self.check(check, tree) for check in one_by_one):
            if verdict.found or verdict.trouble:
                found[verdict.check] = verdict.found or verdict.trouble or ""
        return found

    def run_python(
        self, words: Sequence[str], tree: Path, limit_seconds: float | None = None
    ) -> tuple[int | None, str]:
        """Run Python in a tree; return exit code (None: too late, it was ended with all it started) and output."""
        if self._is_over:
            return None, ""
        with subprocess.Popen(
            [sys.executable, *words],
            cwd=tree,
            env=environment(tree),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            self._running[process.pid] = process
            try:
                output, _ = process.communicate(timeout=limit_seconds or self._limit_seconds)
            except subprocess.TimeoutExpired:
                _end(process)
                return None, ""
            except BaseException:
                _end(process)
                raise
            finally:
                self._running.pop(process.pid)
        return process.returncode, output

    def end_all(self) -> None:
        """End every check with all that it started."""
        self._is_over = True
        for process in list(self._running.values()):
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """End a process and its group: first so that pytest ends what its tests have started in groups of their own."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failed_tests(output: str) -> list[str]:
    return [match[1] for match in _FAILED.finditer(output)]


def _is_of(name: str, check: str) -> bool:
    """Tell whether a test is, or is in, what a check names: a folder, a file, a test with all its parameters."""
    return name == check or name.startswith((f"{check}::", f"{check}[", f"{check}/"))


def _of_pytest(code: int, output: str) -> str | None:
    """Return the first test that failed. A file that cannot be collected is none: a bug must let the tests begin."""
    match = _FAILED.search(output) if code == 1 else None
    return None if match is None else f"{match[1]}{f' ({match[2][:_WORDS_MAX]})' if match[2] else ''}"


def _of_command(code: int, output: str) -> str | None:
    if code != 1 or "Traceback (most recent call last)" in output:
        return None
    finding = _FINDING.search(output)
    return finding[0].strip()[:_WORDS_MAX] if finding else _last_words(output)


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return (lines[-1] if lines else "no output")[:_WORDS_MAX]
