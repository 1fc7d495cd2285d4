"""Files, folders and disks as they should not be: what a person is told, with which code, and what stays untouched."""

import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ExitCode
from tests.blackbox.bot import REAL_TIME, REHEARSAL, Bot, Ended, ended, wait_until
from tests.blackbox.exchange import Exchange

FAILING_SYNC = """
import errno, os, runpy, sys
name, count = sys.argv.pop(1), int(sys.argv.pop(1))
real, left = os.fsync, [count]

def fsync(descriptor):
    if os.readlink(f"/proc/self/fd/{descriptor}").endswith(name):
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
    real(descriptor)

os.fsync = fsync
runpy.run_module("runner.main_loop", run_name="__main__", alter_sys=True)
"""
"""From its n-th sync on, one file cannot be synced."""

AS_LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc, as on Linux")


@pytest.fixture(scope="module")
def used_folder(tmp_path_factory: pytest.TempPathFactory, quiet_config: Path) -> Path:
    bot = Bot(tmp_path_factory.mktemp("used"), quiet_config)
    for _ in range(2):  # two generations of the snapshot
        assert bot.run([*REHEARSAL, "--cycles", "2"]).code == 0
    return bot.folder


@pytest.fixture
def used_bot(bot: Bot, used_folder: Path) -> Bot:
    """A bot that has run twice."""
    shutil.copytree(used_folder, bot.folder, dirs_exist_ok=True)
    return bot


def refused(done: Ended, code: ExitCode, *words: str) -> None:
    """One line for people, with the way out."""
    assert done.code == code, done.text
    assert done.errors.startswith("❌ ")
    assert done.errors.count("\n") == 1
    assert "Traceback" not in done.text
    for word in words:
        assert word in done.errors


# --- disks ---


@AS_LINUX
@pytest.mark.parametrize("name", ["journal.jsonl", "247trader-v2_audit.jsonl"])
def test_a_disk_that_cannot_sync_ends_the_run_with_71_and_the_next_start_tells_of_it(bot: Bot, name: str) -> None:
    command = [sys.executable, "-P", "-c", FAILING_SYNC, name, "4"]

    done = bot.run([*REAL_TIME, "--cycles", "9"], command=command)

    refused(done, ExitCode.DISK, name, "fsync failed (Input/output error)", "look at the disk")
    again = bot.run([*REAL_TIME, "--cycles", "1"])
    assert again.code == 0, again.text
    assert "ALERT type=emergency_record severity=CRITICAL" in again.output
    assert bot.lines()[-1]["alerts"] == ["emergency_record"]
    assert len(list(bot.folder.rglob(f"{name.removesuffix('.jsonl')}.000001.jsonl"))) == 1
    assert [line["slot"] for line in bot.lines()] == [row["slot"] for row in bot.journal() if row["kind"] == "TICK"]


@AS_LINUX
def test_live_on_a_disk_that_is_full_cancels_the_resting_entry_at_the_exchange(
    live_bot: Bot, exchange: Exchange
) -> None:
    exchange.config(live_bot.config_dir, {"policy.execution.maker_ttl_seconds": 3})
    process = live_bot.start(["--live", "--interval", "1", "--loop"])
    wait_until(lambda: bool(exchange.orders(side="BUY", status="OPEN")), process)

    room = (live_bot.data / "journal.jsonl").stat().st_size + 40
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, room))
    done = ended(process)

    assert done.code == ExitCode.IO, done.text
    assert "Traceback" not in done.text
    assert exchange.orders(status="OPEN") == []
    assert [order["status"] for order in exchange.orders(side="BUY")] == ["CANCELLED"]
    assert "last act: 1 own orders asked to be cancelled, 0 seen open afterwards" in live_bot.log()
    live_bot.kill_file.touch()  # so that nothing else is bought
    again = live_bot.run(["--live", "--interval", "1", "--cycles", "2"])
    assert again.code == 0, again.text
    assert "ALERT type=emergency_record severity=CRITICAL" in again.output
    (order,) = exchange.orders(side="BUY")
    closed = {row["client_order_id"]: row["status"] for row in live_bot.journal() if row["kind"] == "CLOSED"}
    assert closed == {order["client_order_id"]: "CANCELLED"}


def test_a_damaged_snapshot_is_said_in_the_banner_and_kept_and_the_run_goes_on(used_bot: Bot) -> None:
    state = used_bot.data / ".state.json"
    state.write_bytes(state.read_bytes()[:100])

    done = used_bot.run([*REHEARSAL, "--cycles", "1"])

    assert done.code == 0, done.text
    assert ".state.json is damaged: the generation before it was used" in done.output
    assert len((used_bot.data / ".state.json.damaged-1").read_bytes()) == 100


# --- files and folders ---


@pytest.mark.parametrize("name", ["emergency.bin", "../logs/247trader-v2_audit.jsonl"])
def test_a_file_that_others_may_write_to_is_refused_with_the_way_out(used_bot: Bot, name: str) -> None:
    path = used_bot.data / name
    path.chmod(0o660)
    before = path.read_bytes()

    done = used_bot.run(REHEARSAL)

    refused(done, ExitCode.DATA, "can be written by others (mode 0660)", f"chmod 600 {used_bot.folder}")
    assert path.read_bytes() == before


def test_a_folder_that_others_may_write_to_is_refused_with_the_way_out(used_bot: Bot) -> None:
    folder = used_bot.folder / "logs"
    folder.chmod(0o775)

    refused(used_bot.run(REHEARSAL), ExitCode.REFUSED, "can be written by others (mode 0775)", f"chmod 700 {folder}")


def test_a_folder_that_others_may_read_is_said_and_a_fresh_one_of_a_clone_is_made_private(bot: Bot) -> None:
    for name in ("data", "logs"):
        (bot.folder / name).mkdir()
        (bot.folder / name / ".gitkeep").touch()
        (bot.folder / name).chmod(0o775)

    first = bot.run(REHEARSAL)
    bot.data.chmod(0o755)
    second = bot.run(REHEARSAL)

    assert (first.code, second.code) == (0, 0), first.text + second.text
    assert "warning" not in first.output
    assert f"warning: {bot.data} can be read by others (mode 0755). Fix: chmod 700 {bot.data}" in second.output
    for path in bot.folder.rglob("*"):
        if path != bot.data and path.name != ".gitkeep" and "config" not in path.parts:
            assert path.stat().st_mode & 0o077 == 0, path


def _link(path: Path) -> None:
    shutil.move(path, path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _second_name(path: Path) -> None:
    path.with_name("second").hardlink_to(path)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("journal.jsonl", _fifo),
        (".state.json", _second_name),
        ("emergency.bin", _link),
        ("../logs/live_247trader-v2.log", _fifo),
    ],
)
def test_what_only_looks_like_our_file_is_refused(used_bot: Bot, name: str, spoil: Callable[[Path], None]) -> None:
    spoil(used_bot.data / name)

    done = used_bot.run(REHEARSAL)

    assert done.code in (ExitCode.DATA, ExitCode.REFUSED), done.text
    assert Path(name).name in done.errors
    assert done.errors.count("\n") == 1
    assert done.seconds < 20


def test_a_link_in_the_place_of_a_temporary_file_is_removed_and_its_target_untouched(used_bot: Bot) -> None:
    names = [".state.json.tmp", "emergency.bin.new", "journal.jsonl.new"]
    target = used_bot.folder / "precious"
    target.write_text("mine")
    for name in names:
        (used_bot.data / name).symlink_to(target)

    done = used_bot.run(REHEARSAL)

    assert done.code == 0, done.text
    assert f"left behind by an interrupted write, and removed: {', '.join(names)}" in done.output
    assert target.read_text() == "mine"


# --- one writer ---


def test_a_data_folder_that_was_exchanged_while_running_ends_the_run(bot: Bot) -> None:
    process = bot.start_and_wait([*REAL_TIME, "--loop"])
    bot.data.rename(bot.folder / "away")
    shutil.copytree(bot.folder / "away", bot.data)

    done = ended(process)

    refused(done, ExitCode.ALREADY_RUNNING, "the lock file, or its directory, was removed or replaced")


def test_a_link_for_a_data_folder_is_followed_until_it_is_turned_elsewhere(bot: Bot) -> None:
    for name in ("disk", "other"):
        (bot.folder / name).mkdir()
    bot.data.symlink_to(bot.folder / "disk")
    process = bot.start_and_wait([*REAL_TIME, "--loop"])
    assert (bot.folder / "disk" / "journal.jsonl").exists()
    bot.data.unlink()
    bot.data.symlink_to(bot.folder / "other")

    done = ended(process)

    assert done.code in (ExitCode.ALREADY_RUNNING, ExitCode.IO), done.text
    assert "Traceback" not in done.text
