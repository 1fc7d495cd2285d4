"""A file operation that fails where nobody has words for it ends the run with exit 74, and in one line."""

import errno
from pathlib import Path

import pytest

from core.errors import ExitCode
from runner.main_loop import main
from tests.config_files import shipped_documents, write_config
from tests.fakes.disk import Disk
from tests.fakes.spy_os import Call, fault
from tests.profiles import QUIET


def run(folder: Path) -> int:
    config = write_config(folder / "config", shipped_documents({**QUIET, "app.simulation.products": 2}))
    options = ["--paper", "--market", "simulated", "--speed", "max", "--cycles", "1", "--config-dir", str(config)]
    return main([*options, "--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs")])


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("lstat", "logs/247trader-v2_audit.jsonl"),  # a look at the start
        ("close", "data/.state.json.tmp"),  # the snapshot at the end
    ],
)
def test_a_failed_file_operation_ends_the_run_in_a_line(
    name: str, path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(call: Call) -> None:
        if (call.name, call.path) == (name, path):
            raise fault(errno.EIO)

    with Disk(tmp_path, on_call=fail).installed():
        assert run(tmp_path) == ExitCode.IO

    assert "Input/output error" in capsys.readouterr().err
