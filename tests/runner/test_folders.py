"""The folders of records: made private, taken private, or refused with the way out."""

import os
from pathlib import Path

import pytest

from core.errors import ExitCode, StartRefused
from runner.records.folders import take_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def mode_of(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_a_new_folder_is_ours_alone(tmp_path: Path) -> None:
    assert take_folder(tmp_path / "a" / "data") is None

    assert mode_of(tmp_path / "a" / "data") == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o777, 0o500])
@pytest.mark.parametrize("names", [[], [".gitkeep"], [".gitkeep", "KILL_SWITCH"]], ids=str)
def test_a_folder_that_nobody_has_used_is_made_private(folder: Path, mode: int, names: list[str]) -> None:
    for name in names:
        (folder / name).touch()
    folder.chmod(mode)

    assert take_folder(folder) is None

    assert mode_of(folder) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o720])
def test_a_used_folder_that_others_may_write_to_is_refused_with_the_way_out(folder: Path, mode: int) -> None:
    (folder / "journal.jsonl").touch()
    folder.chmod(mode)

    with pytest.raises(StartRefused, match=f"mode {mode:04o}.*chmod 700 {folder}") as caught:
        take_folder(folder)

    assert caught.value.exit_code == ExitCode.REFUSED
    assert mode_of(folder) == mode


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o744])
def test_a_used_folder_that_others_may_read_is_said(folder: Path, mode: int) -> None:
    (folder / "journal.jsonl").touch()
    folder.chmod(mode)

    assert take_folder(folder) == f"warning: {folder} can be read by others (mode {mode:04o}). Fix: chmod 700 {folder}"


def test_a_link_to_a_folder_of_ours_is_followed(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    folder.chmod(0o755)

    assert take_folder(link) is None

    assert mode_of(folder) == 0o700


@pytest.mark.parametrize("kind", ["file", "dangling link", "fifo"])
def test_what_is_no_folder_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data"
    if kind == "file":
        path.touch()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "nowhere")

    with pytest.raises(StartRefused, match="cannot be made or used"):
        take_folder(path)


def test_a_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "journal.jsonl").touch()
    owner = os.geteuid()
    monkeypatch.setattr("runner.records.folders.os.geteuid", lambda: owner + 1)

    with pytest.raises(StartRefused, match=f"belongs to user {owner}, not to us"):
        take_folder(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_roots_bot_in_somebody_elses_folder_is_warned(folder: Path) -> None:
    (folder / "journal.jsonl").touch()
    os.chown(folder, 12345, 12345)
    folder.chmod(0o700)

    assert take_folder(folder) == f"warning: {folder} belongs to user 12345, who can change everything in it"
