"""Ten seconds at one cycle a second: on the grid, without drift, nearly idle. It runs beside the other tests."""

from datetime import datetime

import psutil

from tests.blackbox.bot import Bot, stopped, wait_until
from tests.independent_checker import check

CYCLES = 10
LATE_SECONDS_MAX = 0.5


def test_slots_are_consecutive_and_each_starts_on_time(ten_seconds: Bot) -> None:
    process = ten_seconds.processes[0]
    wait_until(lambda: ten_seconds.count_lines() > CYCLES, process)
    busy = psutil.Process(process.pid).cpu_times()
    memory_mb = psutil.Process(process.pid).memory_info().rss / 1e6
    done = stopped(process)

    assert done.code == 0
    lines = ten_seconds.lines()
    print(f"{len(lines)} cycles, start included: {busy.user + busy.system:.2f} s of CPU, {memory_mb:.1f} MB")
    slots = [line["slot"] for line in lines]
    assert slots == list(range(slots[0], slots[0] + len(slots)))
    assert [line["missed_slots"] for line in lines] == [0] * len(lines)
    late = [datetime.fromisoformat(line["timestamp"]).timestamp() - line["slot"] for line in lines[1:]]
    print(f"late by {min(late):.3f} to {max(late):.3f} s")
    assert 0.0 <= min(late) <= max(late) < LATE_SECONDS_MAX
    found = check(ten_seconds.audit_file, ten_seconds.config_dir).codes
    assert set(found) <= {"timestamp"}  # the checker counts slots by the interval in app.yaml, not by the flag
