"""The loop's process never carries jsonschema: a child looks at the configuration, and finds the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner.adapters.configuration.child_process import in_child
from tests.config_files import ROOT, SHIPPED, shipped_documents, write_config

LOOK = """
import sys
from pathlib import Path
from core.errors import ConfigError
from runner.main_loop import TradingLoop
try:
    TradingLoop(config_dir=Path(sys.argv[1]))
except ConfigError as error:
    print(error)
print("jsonschema" in sys.modules)
"""


def look(config_dir: Path) -> str:
    command = [sys.executable, "-c", LOOK, str(config_dir)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_good_configuration_is_checked_without_loading_jsonschema() -> None:
    assert look(SHIPPED) == "False\n"


def test_what_the_child_finds_is_reported_by_the_loop(tmp_path: Path) -> None:
    folder = write_config(tmp_path / "config", shipped_documents({"policy.execution.max_requotes": 11}))

    told = look(folder)

    assert "OUT_OF_RANGE" in told
    assert "max_requotes = 11" in told
    assert told.endswith("False\n")


def test_a_child_that_fails_says_nothing_and_never_returns_into_the_program(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ZeroDivisionError

    assert in_child(fail) is None
    assert in_child(lambda: "x" * 200_000) == "x" * 200_000
