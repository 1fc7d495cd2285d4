"""The launcher, with a stand-in for Python: what it builds, what it starts, and what it refuses. No network."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.config_files import ROOT

# Plays python3.11: makes a "virtual environment" holding itself, "installs", and writes down how it was called.
FAKE_PYTHON = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *"pip install"*) exit "${FAKE_PIP:-0}" ;;
  *config_validator*) exit "${FAKE_VALIDATOR:-0}" ;;
  *runner.main_loop*) echo "loop in $(pwd) with PYTHONPATH=$PYTHONPATH pid=$$" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "check out"  # a blank in the path must not matter
    (root / "scripts").mkdir(parents=True)
    (root / "data").mkdir()
    shutil.copy(ROOT / "app_run_live.sh", root)
    shutil.copy(ROOT / "scripts" / "environment.sh", root / "scripts")
    (root / "requirements.lock").write_text("pyyaml==6.0.3\n")
    python = tmp_path / "bin" / "python3.11"
    python.parent.mkdir()
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    return root


def start(
    checkout: Path,
    flags: Sequence[str] = (),
    *,
    cwd: Path | None = None,
    script: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    path = f"{checkout.parent / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        [str(script or checkout / "app_run_live.sh"), *flags],
        cwd=cwd or checkout,
        env={"PATH": path, "CALLS": str(checkout.parent / "calls"), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def calls(checkout: Path) -> list[str]:
    """Return the calls of Python since the last question, without the search for a new enough one."""
    log = checkout.parent / "calls"
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return [line for line in lines if "version_info" not in line]


def test_the_first_start_builds_validates_and_becomes_the_loop(checkout: Path) -> None:
    done = start(checkout, ["--loop", "--paper"])

    assert calls(checkout) == [
        f"python3.11 -m venv {checkout}/.venv",
        "python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes "
        f"-r {checkout}/requirements.lock",
        f"python -P -m tools.config_validator --config-dir {checkout}/config",
        "python -P -m runner.main_loop --loop --paper",
    ]
    assert done.returncode == 0
    assert "Making the Python environment .venv" in done.stdout


def test_the_second_start_builds_nothing(checkout: Path) -> None:
    start(checkout)
    calls(checkout)

    start(checkout)

    assert [call.split()[3] for call in calls(checkout)] == ["tools.config_validator", "runner.main_loop"]


def test_a_changed_lock_builds_anew(checkout: Path) -> None:
    start(checkout)
    calls(checkout)
    (checkout / "requirements.lock").write_text("pyyaml==6.0.4\n")

    start(checkout)

    assert calls(checkout)[0].startswith("python3.11 -m venv")


def test_an_installation_that_failed_or_was_cut_off_is_not_taken_for_a_finished_one(checkout: Path) -> None:
    failed = start(checkout, environment={"FAKE_PIP": "1"})
    first = calls(checkout)

    again = start(checkout)

    assert failed.returncode == 69
    assert "Fix: check the network connection" in failed.stderr
    assert not any("main_loop" in call for call in first)
    assert calls(checkout)[0].startswith("python3.11 -m venv")
    assert again.returncode == 0


def test_a_refused_configuration_stops_the_start_with_the_validators_code(checkout: Path) -> None:
    done = start(checkout, ["--loop"], environment={"FAKE_VALIDATOR": "78"})

    assert done.returncode == 78
    assert not any("main_loop" in call for call in calls(checkout))


@pytest.mark.parametrize("flags", [["--config-dir", "my conf"], ["--config-dir=my conf"]])
def test_the_validator_checks_the_configuration_that_the_loop_will_use(checkout: Path, flags: list[str]) -> None:
    start(checkout, ["--once", *flags])

    validator, loop = calls(checkout)[-2:]
    assert validator == "python -P -m tools.config_validator --config-dir my conf"
    assert loop == f"python -P -m runner.main_loop --once {' '.join(flags)}"


def test_relative_paths_are_those_of_the_caller_also_through_a_symlink(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "bot").symlink_to("../check out/app_run_live.sh")

    done = start(checkout, cwd=elsewhere, script=elsewhere / "bot")

    assert f"loop in {elsewhere} with PYTHONPATH={checkout} " in done.stdout


def test_the_loop_takes_the_process_of_the_launcher_so_that_signals_reach_it(checkout: Path) -> None:
    start(checkout)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *main_loop*) echo $$; exec sleep 30 ;; esac\n')

    with subprocess.Popen(
        [checkout / "app_run_live.sh"], env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)

    assert pid == process.pid
    assert process.returncode == -signal.SIGTERM


def test_the_environment_is_not_pulled_from_under_a_running_bot(checkout: Path) -> None:
    start(checkout)
    calls(checkout)
    (checkout / "requirements.lock").write_text("pyyaml==6.0.4\n")
    (checkout / "data" / "247trader-v2.pid").write_text(str(os.getpid()))

    done = start(checkout)

    assert done.returncode == 75
    assert f"Fix: stop it (kill -INT {os.getpid()})" in done.stderr
    assert calls(checkout) == []


def test_a_pid_file_of_a_process_that_is_gone_refuses_nothing(checkout: Path) -> None:
    start(checkout)
    (checkout / "requirements.lock").write_text("pyyaml==6.0.4\n")
    (checkout / "data" / "247trader-v2.pid").write_text("999999999")

    assert start(checkout).returncode == 0


def test_without_a_new_enough_python_it_says_what_to_install(checkout: Path) -> None:
    tools = checkout.parent / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "readlink", "cmp", "env"):
        (tools / name).symlink_to(str(shutil.which(name)))
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    done = start(checkout, environment={"PATH": str(tools)})

    assert done.returncode == 69
    assert "Python 3.11 or newer was not found" in done.stderr
    assert "Fix: install it" in done.stderr


def test_help_lists_the_flags_of_the_loop_without_building_anything(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "app_run_live.sh", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=20
    )

    assert done.returncode == 0
    assert "--paper" in done.stdout
    assert "--loop" in done.stdout
    assert "Making the Python environment" not in done.stdout
