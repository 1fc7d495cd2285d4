"""What a person sees: a bar in a terminal, plain lines without one, and no traceback when nobody reads."""

import os
import pty
import subprocess

import pytest

from tests.blackbox.bot import LOOP, PATIENCE_SECONDS, REAL_TIME, REHEARSAL, Bot, clean_environment

ESCAPE = "\x1b"


def test_a_fast_rehearsal_in_a_terminal_shows_a_bar_and_ends_with_the_cursor_back(bot: Bot) -> None:
    code, seen = _in_a_terminal(bot, [*REHEARSAL, "--cycles", "200"])

    assert code == 0
    assert "200/200" in seen
    assert "equity" in seen
    assert seen.rfind(f"{ESCAPE}[?25h") > seen.rfind(f"{ESCAPE}[?25l") > 0
    assert "Traceback" not in seen
    assert bot.count_lines() == 200


def test_without_a_terminal_there_are_plain_lines(bot: Bot) -> None:
    done = bot.run([*REHEARSAL, "--cycles", "1000"])

    assert done.code == 0
    assert ESCAPE not in done.output
    assert "\n1000 of 1000 cycles, NO_TRADE, equity 10000" in done.output


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param([*REHEARSAL, "--cycles", "1000"], id="in virtual time"),
        pytest.param([*REAL_TIME, "--cycles", "2"], id="in real time"),
    ],
)
def test_a_reader_who_leaves_does_not_stop_the_bot(bot: Bot, flags: list[str]) -> None:
    process = bot.start(flags)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    _, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, errors
    assert errors == ""
    assert bot.journal()[-1]["kind"] == "STOP"
    assert bot.count_lines() == int(flags[-1])


@pytest.mark.parametrize("target", ["/dev/full", "-"])
def test_an_output_that_takes_nothing_does_not_stop_the_bot(bot: Bot, target: str) -> None:
    words = " ".join(f"'{word}'" for word in [*LOOP, *bot.flags([*REHEARSAL, "--cycles", "2"])])

    done = bot.run([], command=["sh", "-c", f"exec {words} {'>&-' if target == '-' else '>' + target}"])

    assert done.code == 0, done.text
    assert done.errors == ""
    assert bot.count_lines() == 2


def test_a_terminal_without_unicode_shows_the_rest(bot: Bot) -> None:
    done = bot.run([*REHEARSAL], environment={"PYTHONIOENCODING": "ascii"})

    assert done.code == 0, done.text
    assert "Mode: PAPER" in done.output


def _in_a_terminal(bot: Bot, flags: list[str]) -> tuple[int, str]:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*LOOP, *bot.flags(flags)],
        cwd=bot.folder,
        env=clean_environment({"TERM": "xterm", "COLUMNS": "120"}),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    seen = b""
    while part := _read(controller):
        seen += part
    os.close(controller)
    return process.wait(timeout=PATIENCE_SECONDS), seen.decode("utf-8", "replace")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # how Linux says that the other side has gone
        return b""
