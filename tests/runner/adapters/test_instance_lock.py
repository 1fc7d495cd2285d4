"""One process per data directory, whatever becomes of the pid file."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import AlreadyRunning, StartRefused, StateUnusable
from runner.adapters.instance_lock import InstanceLock

HOLD = """
import sys
from pathlib import Path
from runner.adapters.instance_lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> InstanceLock:
    return InstanceLock(tmp_path)


def test_a_held_lock_is_ours_until_it_is_released(lock: InstanceLock, tmp_path: Path) -> None:
    assert not lock.is_ours()

    lock.acquire()
    assert lock.is_ours()
    assert (tmp_path / "247trader-v2.pid").read_text() == f"{os.getpid()}\n"
    lock.release()

    assert not lock.is_ours()
    assert [file.name for file in tmp_path.iterdir()] == ["247trader-v2.lock"]


def test_another_process_is_kept_out_and_told_who_is_inside_until_that_one_dies(
    lock: InstanceLock, tmp_path: Path
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        with pytest.raises(AlreadyRunning, match=f"process {holder.pid} runs on"):
            lock.acquire()
        (tmp_path / "247trader-v2.pid").unlink()
        with pytest.raises(AlreadyRunning, match="another process runs on"):
            lock.acquire()
    finally:
        holder.kill()
        holder.communicate(timeout=10)

    lock.acquire()
    assert lock.is_ours()


def test_a_lock_file_replaced_while_it_is_being_locked_is_not_ours(
    lock: InstanceLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next would lock the other file."""
    flock = fcntl.flock

    def replace_and_lock(descriptor: int, operation: int) -> None:
        (tmp_path / "247trader-v2.lock").unlink()
        (tmp_path / "247trader-v2.lock").touch()
        flock(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", replace_and_lock)

    with pytest.raises(AlreadyRunning, match="was replaced while it was being locked"):
        lock.acquire()

    assert not lock.is_ours()


def test_two_locks_of_one_process_exclude_each_other_too(lock: InstanceLock, tmp_path: Path) -> None:
    lock.acquire()

    with pytest.raises(AlreadyRunning):
        InstanceLock(tmp_path).acquire()
    assert lock.is_ours()


@pytest.mark.parametrize("again", [False, True], ids=["deleted", "replaced"])
def test_a_lock_file_that_was_taken_away_is_no_longer_ours(lock: InstanceLock, tmp_path: Path, again: bool) -> None:
    lock.acquire()
    path = tmp_path / "247trader-v2.lock"

    path.unlink()
    if again:
        path.touch()

    assert not lock.is_ours()


def test_a_second_name_of_the_lock_file_is_noticed(lock: InstanceLock, tmp_path: Path) -> None:
    lock.acquire()

    (tmp_path / "other").hardlink_to(tmp_path / "247trader-v2.lock")

    assert not lock.is_ours()


def test_a_stale_pid_file_means_nothing(lock: InstanceLock, tmp_path: Path) -> None:
    (tmp_path / "247trader-v2.pid").write_text("1\nand more than the new one")

    lock.acquire()

    assert (tmp_path / "247trader-v2.pid").read_text() == f"{os.getpid()}\n"


def test_a_pid_file_of_somebody_else_survives_the_release(lock: InstanceLock, tmp_path: Path) -> None:
    lock.acquire()
    (tmp_path / "247trader-v2.pid").write_text("1\n")

    lock.release()

    assert (tmp_path / "247trader-v2.pid").read_text() == "1\n"


@pytest.mark.parametrize("name", ["247trader-v2.lock", "247trader-v2.pid"])
def test_a_planted_link_or_fifo_is_refused_and_its_target_untouched(
    lock: InstanceLock, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / name).symlink_to(target)
    with pytest.raises(StartRefused):
        lock.acquire()

    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises((StartRefused, StateUnusable)):
        lock.acquire()

    assert target.read_text() == "precious"
    assert not lock.is_ours()


def test_a_missing_directory_is_a_refused_start(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="cannot be opened"):
        InstanceLock(tmp_path / "gone").acquire()
