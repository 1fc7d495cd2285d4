"""The kill file: only certain absence lets the bot trade."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from core.ports import KillCommand
from runner.adapters.kill_switch import TEXT_BYTES_MAX, FileKillSwitch


class OsThatFails:
    """`os` with one call that fails."""

    def __init__(self, call: str) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._call else getattr(os, name)

    def _fail(self, *_arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "KILL_SWITCH"


def read(path: Path) -> KillCommand | None:
    return FileKillSwitch(path.parent).read()


def test_an_absent_file_in_a_present_folder_lets_the_bot_trade(path: Path) -> None:
    assert read(path) is None


def test_a_touched_file_stops_at_the_next_look_and_a_removed_one_no_longer(path: Path) -> None:
    switch = FileKillSwitch(path.parent)

    path.touch()
    assert switch.read() is KillCommand.STOP
    path.unlink()
    assert switch.read() is None


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param(b"cancel-all", KillCommand.CANCEL_ALL, id="exact"),
        pytest.param(b"  Cancel-ALL\r\n", KillCommand.CANCEL_ALL, id="blanks and case"),
        pytest.param(b"cancel-all " + b" " * TEXT_BYTES_MAX * 2, KillCommand.CANCEL_ALL, id="only the first 4 KiB"),
        pytest.param(b"cancel-all please", KillCommand.STOP, id="more words"),
        pytest.param(b"cancel", KillCommand.STOP, id="another word"),
        pytest.param(b"\xff\xfe", KillCommand.STOP, id="no text"),
    ],
)
def test_the_text_says_whether_all_orders_go(path: Path, text: bytes, command: KillCommand) -> None:
    path.write_bytes(text)

    assert read(path) is command


def test_what_is_no_regular_file_still_stops(path: Path) -> None:
    path.mkdir()
    assert read(path) is KillCommand.STOP
    path.rmdir()

    path.symlink_to(path.with_name("nowhere"))
    assert read(path) is KillCommand.STOP
    path.unlink()

    os.mkfifo(path)
    assert read(path) is KillCommand.STOP


def test_a_folder_that_is_missing_or_is_none_stops(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert FileKillSwitch(tmp_path / "gone").read() is KillCommand.STOP
    assert FileKillSwitch(tmp_path / "file").read() is KillCommand.STOP


def test_a_look_that_fails_stops(tmp_path: Path) -> None:
    assert FileKillSwitch(tmp_path / ("x" * 300)).read() is KillCommand.STOP


@pytest.mark.parametrize("call", ["lstat", "open", "fstat", "read", "close"])
def test_a_file_that_cannot_be_read_stops(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path.write_text("cancel-all")
    monkeypatch.setattr("runner.adapters.kill_switch.os", OsThatFails(call))

    assert read(path) is KillCommand.STOP
