"""The validator as its user meets it: lines, exit codes, both ways to run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config_files import ROOT, shipped_documents, write_config
from tools.config_validator import SUCCESS, main


def test_a_sound_configuration_prints_exactly_the_success_line(capsys: pytest.CaptureFixture[str]) -> None:
    code = main([])

    assert capsys.readouterr().out == "✅ All config files validated successfully\n"
    assert code == 0


def test_an_error_is_one_line_with_code_key_value_and_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(tmp_path, shipped_documents({"policy.risk.max_adds_per_asset_per_day": 1}))

    code = main(["--config-dir", str(tmp_path)])

    assert capsys.readouterr().out == (
        "ERROR CONTRADICTION_ADDS_WITHOUT_PYRAMIDING policy.yaml: risk.max_adds_per_asset_per_day = 1: "
        "adds are counted but pyramiding is off (risk.allow_pyramiding = false). "
        "Fix: set it to 0, or set risk.allow_pyramiding to true\n"
    )
    assert code == 78


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("app.exchange.api_secret", "canary", id="under a name of its own"),
        pytest.param("app.exchange.key_file", "-----BEGIN EC PRIVATE KEY-----\ncanary\n", id="where its path belongs"),
        pytest.param("app.coinbase", {"api_key": "x", "api_secret": "canary"}, id="in a section of its own"),
    ],
)
def test_a_key_that_was_written_into_the_configuration_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, value: object, flags: list[str]
) -> None:
    documents = shipped_documents()
    file, *sections, name = key.split(".")
    section = documents[file]
    for word in sections:
        section = section[word]
    section[name] = value
    write_config(tmp_path, documents)

    code = main([*flags, "--config-dir", str(tmp_path)])

    printed = capsys.readouterr().out
    assert code == 78
    assert key.partition(".")[2] in printed
    assert "canary" not in printed
    assert printed.count("\n") == 1


def test_a_warning_is_printed_before_success_and_does_not_block(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, shipped_documents({"policy.risk.max_total_at_risk_pct": 80}))

    code = main(["--config-dir", str(tmp_path)])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("WARNING WARNING_HIGH_EXPOSURE policy.yaml: risk.max_total_at_risk_pct = 80: ")
    assert lines[1:] == [SUCCESS]
    assert code == 0


def test_unreadable_files_are_findings_and_not_tracebacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--config-dir", str(tmp_path / "nowhere")])

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ERROR", "UNREADABLE"]] * 4
    assert code == 78


def test_json_carries_the_same_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(tmp_path, shipped_documents({"policy.risk.max_adds_per_asset_per_day": 1}))

    code = main(["--json", "--config-dir", str(tmp_path)])

    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert [finding["code"] for finding in answer["findings"]] == ["CONTRADICTION_ADDS_WITHOUT_PYRAMIDING"]
    assert set(answer["findings"][0]) == {"code", "severity", "file", "key", "value", "message", "fix"}
    assert code == 78


def test_wrong_usage_ends_with_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--no-such-flag"])

    assert caught.value.code == 2


@pytest.mark.parametrize("way", [["tools/config_validator.py"], ["-m", "tools.config_validator"]])
def test_it_runs_as_a_script_and_as_a_module_also_without_a_utf8_terminal(way: list[str]) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    done = subprocess.run([sys.executable, *way], cwd=ROOT, env=environment, capture_output=True, check=False)

    assert done.stdout.decode("utf-8") == SUCCESS + "\n"
    assert done.returncode == 0


def test_as_a_script_it_runs_from_any_folder_and_takes_its_relative_paths(tmp_path: Path) -> None:
    write_config(tmp_path / "mine", shipped_documents({"policy.risk.max_open_positions": 6}))
    script = str(ROOT / "tools" / "config_validator.py")

    done = subprocess.run(
        [sys.executable, script, "--config-dir", "mine"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert "UNSAFE_POSITIONS_OVER_TOTAL" in done.stdout
    assert done.returncode == 78


def test_a_python_without_the_packages_gets_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout" / "tools"
    checkout.mkdir(parents=True)
    script = checkout / "config_validator.py"
    script.write_bytes((ROOT / "tools" / "config_validator.py").read_bytes())

    # -S: without site-packages, like a Python of the system
    done = subprocess.run(
        [sys.executable, "-S", str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Fix: run ./app_run_live.sh" in done.stderr
    assert done.returncode == 77


def test_a_python_without_the_packages_hands_over_to_the_projects_own(tmp_path: Path) -> None:
    script = tmp_path / "tools" / "config_validator.py"
    script.parent.mkdir()
    script.write_bytes((ROOT / "tools" / "config_validator.py").read_bytes())
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PYTHONPATH: $*"\n')
    python.chmod(0o755)

    done = subprocess.run(
        [sys.executable, "-S", str(script), "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.stdout == f"{tmp_path}: -P -m tools.config_validator --json\n"
