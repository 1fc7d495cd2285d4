"""One installation of the bot, driven from outside: start it, signal it, read what it printed and wrote."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.config_files import ROOT

LOOP = (sys.executable, "-P", "-m", "runner.main_loop")
"""How the launcher starts the loop, with the interpreter that runs the tests."""

PATIENCE_SECONDS = 60.0
"""For a start on a busy machine. Limits that are promises to the operator stand in the tests themselves."""

REHEARSAL = ("--market", "simulated", "--speed", "max", "--seed", "7")
REAL_TIME = ("--market", "simulated", "--interval", "1")

Line = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended: its exit code, what it printed, and how many seconds we waited for it."""

    code: int
    output: str
    errors: str
    seconds: float

    @property
    def text(self) -> str:
        return self.output + self.errors


@dataclass(slots=True)
class Bot:
    """A data and a logs folder that outlive their processes; `end_all` leaves none of these behind."""

    folder: Path
    config_dir: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def audit_file(self) -> Path:
        return self.folder / "logs" / "247trader-v2_audit.jsonl"

    @property
    def pid_file(self) -> Path:
        return self.data / "247trader-v2.pid"

    @property
    def kill_file(self) -> Path:
        return self.data / "KILL_SWITCH"

    def flags(self, more: Sequence[str]) -> list[str]:
        """Return flags that come after the folders, so that a test can put others in their place."""
        ours = ("--config-dir", self.config_dir, "--data-dir", self.data, "--logs-dir", self.folder / "logs")
        return [*map(str, ours), *more]

    def start(
        self, more: Sequence[str], *, command: Sequence[str] = LOOP, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a process on these folders and return at once."""
        process = subprocess.Popen(
            [*command, *self.flags(more)],
            cwd=self.folder,
            env=clean_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.processes.append(process)
        return process

    def run(
        self, more: Sequence[str], *, command: Sequence[str] = LOOP, environment: Mapping[str, str] | None = None
    ) -> Ended:
        """Run a process on these folders until it ends by itself."""
        return ended(self.start(more, command=command, environment=environment))

    def start_and_wait(
        self, more: Sequence[str], lines: int = 1, *, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start, and return when so many new audit lines are there."""
        wanted = self.count_lines() + lines
        process = self.start(more, environment=environment)
        wait_until(lambda: self.count_lines() >= wanted, process)
        return process

    def end_all(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()

    # --- what it left ---------------------------------------------------------------------------------------------

    def count_lines(self) -> int:
        return self.audit_file.read_bytes().count(b"\n") if self.audit_file.exists() else 0

    def lines(self) -> list[Line]:
        """Return all whole audit lines, oldest first, those of ended segments too."""
        return _records(self.audit_file)

    def journal(self) -> list[Line]:
        return _records(self.data / "journal.jsonl")

    def log(self) -> str:
        return "".join(path.read_text("utf-8") for path in sorted((self.folder / "logs").glob("live_*.log")))


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a process."""
    began = time.monotonic()
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return Ended(code=process.returncode, output=output, errors=errors, seconds=time.monotonic() - began)


def stopped(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> Ended:
    """Send a signal and wait for the end."""
    process.send_signal(number)
    return ended(process)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> float:
    """Return after how many seconds a condition held; fail when the process ends before."""
    began = time.monotonic()
    while not condition():
        if process is not None and process.poll() is not None:
            done = ended(process)
            raise AssertionError(f"the process ended with {done.code}:\n{done.text[-2000:]}")
        assert time.monotonic() - began < PATIENCE_SECONDS, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - began


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a person's shell: nothing of the test run but the path."""
    path = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "")}
    return {**path, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}


def copy_checkout(target: Path) -> Path:
    """
    Copy what a clone has, and give it an environment that is the present interpreter: nothing is installed.

    In the copy, `data/` and `logs/` are its own, so that flags can be left out.
    """
    target.mkdir()
    for name in ("core", "runner", "tools", "config", "scripts"):
        shutil.copytree(ROOT / name, target / name)  # compiled files, too: their times are kept
    for name in ("app_run_live.sh", "requirements.lock"):
        shutil.copy(ROOT / name, target)
    python = target / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    shutil.copy(ROOT / "requirements.lock", target / ".venv" / "installed.lock")
    return target


def _records(path: Path) -> list[Line]:
    ended_files = sorted(path.parent.glob(f"{path.stem}.[0-9]*.jsonl"))
    raw = b"".join(_whole_lines(file.read_bytes()) for file in [*ended_files, path] if file.exists())
    return [json.loads(line) for line in raw.splitlines()]


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]
