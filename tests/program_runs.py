"""The program as a user runs it: its own process, the real entry point, files in a folder. For tests from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.config_files import ROOT, SHIPPED

SIMULATED_DAY = ("--paper", "--market", "simulated", "--speed", "max", "--seed", "7")
DAY_CYCLES = 1440
TIMEOUT_SECONDS = 300
RUNS_AT_ONCE = 2

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: where its files are, what it printed, how long it took on the wall clock."""

    folder: Path
    config_dir: Path
    output: str
    seconds: float

    @property
    def audit(self) -> Path:
        return self.folder / "logs" / "247trader-v2_audit.jsonl"

    @property
    def journal(self) -> Path:
        return self.folder / "data" / "journal.jsonl"

    def lines(self) -> list[Line]:
        with self.audit.open(encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]


def run_program(
    folder: Path,
    arguments: Sequence[str],
    *,
    config_dir: Path = SHIPPED,
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    umask: int = -1,
) -> Run:
    """Run the loop with its files below `folder` until it ends by itself; it must end well."""
    folders = ["--config-dir", str(config_dir), "--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs")]
    command = [sys.executable, "-m", "runner.main_loop", *arguments, *folders]
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=cwd,
        umask=umask,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return Run(folder, config_dir, done.stdout, time.monotonic() - began)


def run_together(*runs: Callable[[], Run]) -> list[Run]:
    """Run several programs side by side and return them in the order in which they were asked for."""
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        return [future.result() for future in [pool.submit(run) for run in runs]]


def figures(run: Run, cycles: int) -> str:
    """Return seconds and bytes of a run in words, for `-s` and for failures."""
    size = run.audit.stat().st_size
    return f"{cycles} cycles in {run.seconds:.1f} s; audit {size} bytes, {size // max(cycles, 1)} a line"
