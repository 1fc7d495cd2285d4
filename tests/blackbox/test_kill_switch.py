"""`touch data/KILL_SWITCH` on a running process (L5)."""

from tests.blackbox.bot import REAL_TIME, Bot, stopped, wait_until
from tests.blackbox.conftest import NO_TRADE

ALERT = "ALERT type=kill_switch severity=CRITICAL"
SEEN_WITHIN_SECONDS = 3.0


def test_it_is_seen_within_seconds_stops_every_line_and_resumes_when_removed(bot: Bot) -> None:
    process = bot.start_and_wait([*REAL_TIME, "--loop"])

    bot.kill_file.touch()
    before = bot.count_lines()
    assert wait_until(lambda: ALERT in bot.log(), process) < SEEN_WITHIN_SECONDS
    wait_until(lambda: bot.count_lines() >= before + 2, process)
    killed = bot.count_lines()
    bot.kill_file.unlink()
    wait_until(lambda: bot.count_lines() >= killed + 2, process)
    done = stopped(process)

    assert done.code == 0
    assert ALERT in done.output  # on the terminal, too
    reasons = [line["no_trade_reason"] for line in bot.lines()]
    assert set(reasons[before + 1 : killed]) == {"kill_switch"}
    assert {line["trading_state"] for line in bot.lines()[before + 1 : killed]} == {"HALTED"}
    assert reasons[-1] == NO_TRADE
    assert bot.log().count(ALERT) == 1


def test_it_is_seen_in_the_middle_of_a_wait_for_the_next_minute(bot: Bot) -> None:
    process = bot.start_and_wait(["--market", "simulated", "--loop", "--interval", "60"])

    bot.kill_file.touch()

    assert wait_until(lambda: ALERT in bot.log(), process) < SEEN_WITHIN_SECONDS


def test_there_at_the_start_it_stops_the_first_cycle(bot: Bot) -> None:
    bot.data.mkdir()
    bot.kill_file.touch()

    done = bot.run([*REAL_TIME, "--once"])

    assert done.code == 0
    assert [line["no_trade_reason"] for line in bot.lines()] == ["kill_switch"]
