"""Verifying and asking ten times as much needs no more memory."""

import io
import tracemalloc
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.benchmarks.bench_audit import make_lines
from tests.program_runs import Run
from tests.sealed_records import AUDIT
from tools.audit.__main__ import main

LINES = 150
GROWTH_MAX_BYTES = 100_000


def peak(arguments: list[str]) -> int:
    tracemalloc.start()
    try:
        with redirect_stdout(io.StringIO()):
            main(arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("command", ["verify", "stats", "latency"])
def test_ten_times_as_many_lines_need_no_more_memory(command: str, short_run: Run, tmp_path: Path) -> None:
    peaks = []
    for name, times in (("warm", 1), ("once", 1), ("tenfold", 10)):
        folder = tmp_path / name
        folder.mkdir()
        make_lines(short_run.audit, folder / AUDIT, times)
        peaks.append(peak([command, "--logs-dir", str(folder), "--data-dir", str(folder)]))

    print(f"{command}: {peaks[1]} bytes at the most for {LINES} lines, {peaks[2]} for {LINES * 10}")
    assert peaks[2] < peaks[1] + GROWTH_MAX_BYTES
