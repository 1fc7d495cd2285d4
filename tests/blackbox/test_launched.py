"""The launcher starting the real loop: a copy of the checkout whose environment is the present interpreter."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.errors import ExitCode
from tests.blackbox.bot import REHEARSAL, Bot, Ended, clean_environment, copy_checkout, ended, wait_until
from tests.config_files import shipped_documents, write_config
from tests.profiles import QUIET


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Bot]:
    root = copy_checkout(tmp_path / "a checkout")
    bot = Bot(root, root / "config")
    yield bot
    bot.end_all()


def test_the_loop_works_in_the_checkouts_own_folders_whatever_the_callers(checkout: Bot) -> None:
    done = _launched(checkout, ["--paper", *REHEARSAL, "--cycles", "3"])

    assert done.code == 0, done.text
    assert "✅ All config files validated successfully" in done.output
    assert "✅ System started" in done.output
    assert checkout.count_lines() == 3
    assert checkout.journal()[-1]["kind"] == "STOP"


def test_the_pid_is_the_launchers_own_and_a_signal_to_it_ends_the_run(checkout: Bot) -> None:
    write_config(checkout.config_dir, shipped_documents(QUIET))  # in real time a resting order makes a cycle long
    process = _launch(checkout, ["--market", "simulated", "--loop"])
    wait_until(lambda: checkout.count_lines() >= 1, process)
    assert checkout.pid_file.read_text() == f"{process.pid}\n"

    os.kill(process.pid, signal.SIGTERM)

    assert ended(process).code == 0
    assert checkout.journal()[-1]["reason"] == "SIGTERM"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_configuration_is_checked_starts_no_bot(checkout: Bot, number: signal.Signals) -> None:
    python = checkout.folder / ".venv" / "bin" / "python"
    slow = 'case "$*" in *config_validator*) touch checking; sleep 1 ;; esac\nexec'
    python.write_text(python.read_text().replace("exec", slow, 1))
    process = _launch(checkout, ["--market", "simulated", "--loop"])
    wait_until((checkout.folder.parent / "checking").exists, process)

    process.send_signal(number)
    done = ended(process)

    assert done.code in (-number, 128 + number)
    assert "System started" not in done.output
    assert not checkout.data.exists()


def test_help_and_live_need_no_data(checkout: Bot) -> None:
    helped, refused = _launched(checkout, ["--help"]), _launched(checkout, ["--live"])

    assert helped.code == 0
    print(f"./app_run_live.sh --help took {helped.seconds:.2f} s")
    assert refused.code == ExitCode.REFUSED
    assert "LIVE" in refused.errors
    assert not checkout.data.exists()


def test_a_bad_configuration_is_refused_by_the_validator_before_the_loop(checkout: Bot) -> None:
    policy = checkout.config_dir / "policy.yaml"
    policy.write_text(policy.read_text().replace("max_open_positions: 5", "max_open_positions: 0", 1))

    done = _launched(checkout, ["--paper", *REHEARSAL])

    assert done.code == ExitCode.CONFIG
    assert "max_open_positions" in done.text
    assert "Traceback" not in done.text
    assert not checkout.data.exists()


def _launched(checkout: Bot, flags: Sequence[str]) -> Ended:
    return ended(_launch(checkout, flags))


def _launch(checkout: Bot, flags: Sequence[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [str(checkout.folder / "app_run_live.sh"), *flags],
        cwd=checkout.folder.parent,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    checkout.processes.append(process)
    return process
