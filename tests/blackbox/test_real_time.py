"""Ten seconds at one cycle a second: on the grid, each slot once, what was left out counted. Others run beside it."""

from datetime import datetime
from itertools import pairwise

import psutil

from tests.blackbox.bot import Bot, stopped, wait_until
from tests.independent_checker import check

CYCLES = 10


def test_every_cycle_starts_in_its_own_slot_and_says_how_many_were_left_out(ten_seconds: Bot) -> None:
    """How late they start on an idle machine is printed, not judged: this one may be busy."""
    process = ten_seconds.processes[0]
    wait_until(lambda: ten_seconds.count_lines() > CYCLES, process)
    busy = psutil.Process(process.pid).cpu_times()
    memory_mb = psutil.Process(process.pid).memory_info().rss / 1e6
    done = stopped(process)

    assert done.code == 0
    lines = ten_seconds.lines()
    print(f"{len(lines)} cycles, start included: {busy.user + busy.system:.2f} s of CPU, {memory_mb:.1f} MB")
    slots = [line["slot"] for line in lines]
    left_out = [later - earlier - 1 for earlier, later in pairwise(slots)]
    assert [line["missed_slots"] for line in lines] == [0, *left_out]
    assert min(left_out) >= 0
    late = [datetime.fromisoformat(line["timestamp"]).timestamp() - line["slot"] for line in lines]
    print(f"late by {min(late[1:]):.3f} to {max(late[1:]):.3f} s")
    assert min(late) >= 0.0
    found = check(ten_seconds.audit_file, ten_seconds.config_dir).codes
    assert set(found) <= {"timestamp"}  # the checker counts slots by the interval in app.yaml, not by the flag
