"""`kill -9` at moments that nobody chose, and another start: nothing lost or twice, one line per cycle (L1, L3)."""

import random
import signal
import time
from collections import Counter

from tests.blackbox.bot import REAL_TIME, REHEARSAL, Bot, stopped
from tests.independent_checker import check

SEED = 20260105
KILLS = 5


def test_after_many_kills_every_started_cycle_has_one_line_and_no_order_is_there_twice(busy_bot: Bot) -> None:
    chance = random.Random(SEED)  # noqa: S311 - moments for kills, no secret

    for _ in range(KILLS):
        process = busy_bot.start_and_wait([*REHEARSAL, "--loop"], lines=chance.randint(1, 100))
        time.sleep(chance.uniform(0.0, 0.01))
        assert stopped(process, signal.SIGKILL).code == -signal.SIGKILL
    done = busy_bot.run([*REHEARSAL, "--cycles", "30"])

    assert done.code == 0, done.text
    lines, journal = busy_bot.lines(), busy_bot.journal()
    interrupted = [line["slot"] for line in lines if line["no_trade_reason"] == "interrupted"]
    print(f"{len(lines)} lines, {KILLS} kills, {len(interrupted)} inside a cycle")
    slots = [line["slot"] for line in lines]
    assert slots == [record["slot"] for record in journal if record["kind"] == "TICK"]
    assert slots == list(range(slots[0], slots[0] + len(slots)))
    assert len(interrupted) <= KILLS
    assert _repeated(record["order"]["client_order_id"] for record in journal if record["kind"] == "INTENT") == []
    assert _repeated(record["fill"]["fill_id"] for record in journal if record["kind"] == "FILL") == []
    report = check(busy_bot.audit_file, busy_bot.config_dir)
    assert report.orders
    found = [str(violation) for violation in report.violations]
    # The line of a cut-off cycle tells its orders but not its regime: the checker cannot know which cap held.
    assert found == []


def test_killed_in_real_time_it_goes_on_where_it_was(bot: Bot) -> None:
    process = bot.start_and_wait([*REAL_TIME, "--loop"], lines=2)
    stopped(process, signal.SIGKILL)
    before = bot.lines()
    assert bot.pid_file.exists()  # a stale one means nothing

    done = bot.run([*REAL_TIME, "--cycles", "1"])

    assert done.code == 0, done.text
    lines = bot.lines()
    assert lines[: len(before)] == before
    assert lines[-1]["prev"] == lines[-2]["hash"]
    assert lines[-1]["missed_slots"] == lines[-1]["slot"] - lines[-2]["slot"] - 1
    assert not bot.pid_file.exists()


def _repeated(keys: object) -> list[object]:
    return [key for key, times in Counter(keys).items() if times > 1]  # type: ignore[call-overload]
