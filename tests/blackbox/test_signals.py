"""Ctrl+C, `kill`, a closed terminal under nohup: an orderly end within two seconds, and the next start goes on."""

import os
import signal
import subprocess
import time

import pytest

from tests.blackbox.bot import LOOP, REHEARSAL, Bot, Ended, clean_environment, ended, stopped, wait_until

END_SECONDS_MAX = 5.0  # on an idle machine it takes less than one; a busy one must not fail the test
WAITING = ("--market", "simulated", "--loop", "--interval", "60")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_waiting_for_the_next_slot_ends_the_run_in_order(bot: Bot, number: signal.Signals) -> None:
    process = bot.start_and_wait(WAITING)

    done = stopped(process, number)

    _is_orderly(bot, done, number)


def test_a_signal_in_a_fast_rehearsal_ends_it_in_order(busy_bot: Bot) -> None:
    process = busy_bot.start_and_wait([*REHEARSAL, "--loop"], lines=50)

    done = stopped(process, signal.SIGTERM)

    _is_orderly(busy_bot, done, signal.SIGTERM)


def test_impatient_ctrl_c_is_no_worse_than_one(bot: Bot) -> None:
    process = bot.start_and_wait(WAITING)

    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    done = ended(process)

    _is_orderly(bot, done, signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_until_the_last_moment_do_not_make_an_orderly_end_look_like_another(
    bot: Bot, number: signal.Signals
) -> None:
    process = bot.start_and_wait(WAITING)

    process.send_signal(signal.SIGTERM)
    while process.poll() is None:  # also while the interpreter tidies up, which puts the signals' defaults back
        process.send_signal(number)
        time.sleep(0.001)
    done = ended(process)

    assert (done.code, done.errors) == (0, "")
    assert bot.journal()[-1]["kind"] == "STOP"


def test_the_next_start_goes_on_with_slots_chain_and_positions(busy_bot: Bot) -> None:
    stopped(busy_bot.start_and_wait([*REHEARSAL, "--loop"], lines=100))
    before = busy_bot.lines()
    busy_bot.kill_file.touch()  # so that nothing trades, and positions can be compared

    done = busy_bot.run([*REHEARSAL, "--cycles", "2"])

    assert done.code == 0
    lines = busy_bot.lines()
    assert lines[: len(before)] == before
    last, first = before[-1], lines[len(before)]
    assert (first["seq"], first["slot"], first["prev"]) == (last["seq"] + 1, last["slot"] + 1, last["hash"])
    assert first["run_id"] != last["run_id"]
    assert first["portfolio"]["positions"] == last["portfolio"]["positions"] != []
    assert first["portfolio"]["cash"] == last["portfolio"]["cash"]
    assert first["no_trade_reason"] == "kill_switch"


def test_started_in_the_background_by_a_script_it_still_obeys_kill_int(bot: Bot) -> None:
    """A shell without job control starts background commands with SIGINT ignored; the pid file is how one stops it."""
    command = " ".join(f"'{word}'" for word in [*LOOP, *bot.flags(WAITING)])
    process = subprocess.Popen(
        ["sh", "-c", f"{command} & wait $!"],
        cwd=bot.folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    bot.processes.append(process)
    wait_until(lambda: bot.count_lines() >= 1, process)

    os.kill(int(bot.pid_file.read_text()), signal.SIGINT)
    done = ended(process)

    _is_orderly(bot, done, signal.SIGINT)


def test_under_nohup_a_closed_terminal_does_not_end_it(bot: Bot) -> None:
    process = bot.start(["--market", "simulated", "--loop", "--interval", "1"], command=["nohup", *LOOP])
    wait_until(lambda: bot.count_lines() >= 1, process)

    process.send_signal(signal.SIGHUP)
    seen = bot.count_lines()
    wait_until(lambda: bot.count_lines() >= seen + 2, process)

    _is_orderly(bot, stopped(process), signal.SIGINT)


def _is_orderly(bot: Bot, done: Ended, number: signal.Signals) -> None:
    assert done.code == 0, done.text
    assert done.seconds < END_SECONDS_MAX
    assert "Traceback" not in done.text
    assert bot.audit_file.read_bytes().endswith(b"}\n")
    journal = bot.journal()
    assert [journal[-1]["kind"], journal[-1]["reason"]] == ["STOP", number.name]
    assert f"stopped: {number.name}" in bot.log()
    assert not bot.pid_file.exists()
    assert _lock_is_free(bot)


def _lock_is_free(bot: Bot) -> bool:
    lock = bot.data / "247trader-v2.lock"
    return subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False).returncode == 0
