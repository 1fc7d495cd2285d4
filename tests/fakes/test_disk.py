"""The fake disk itself: what it numbers, what it lets fail, and what its power losses leave."""

import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import RecordNotDurable
from runner.adapters.instance_lock import InstanceLock
from runner.adapters.kill_switch import FileKillSwitch
from runner.adapters.record_file import RecordFile, open_to_continue
from runner.records import durable_files
from runner.records.reader import ChainReader
from tests.fakes.disk import Disk
from tests.fakes.spy_os import Call, Crash, ShortWrite, fault


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "old").write_bytes(b"old\n")
    with Disk(tmp_path).installed() as disk:
        yield disk


@pytest.fixture
def data(disk: Disk) -> Path:
    return disk.root / "data"


def contents(disk: Disk, folder: str = "data") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((disk.root / folder).iterdir())}


def left_by_power_losses(disk: Disk) -> set[tuple[tuple[str, bytes | None], ...]]:
    return {tuple(sorted(state.files.items())) for state in disk.power_loss_states()}


def append(path: Path, *records: bytes) -> int:
    descriptor = durable_files.open_to_append(path)
    for record in records:
        durable_files.write_whole(descriptor, record)
    return descriptor


# --- calls ------------------------------------------------------------------------------------------------------------


def test_every_call_is_numbered_and_named_with_its_path(disk: Disk, data: Path) -> None:
    seen: list[Call] = []
    disk.on_call = seen.append

    durable_files.sync(append(data / "old", b"new\n"))

    assert [str(call) for call in seen] == [
        "1 open data/old",
        "2 fstat data/old",
        "3 write data/old 4 bytes",
        "4 fsync data/old",
    ]


def test_reads_of_the_record_reader_lock_and_kill_switch_are_seen(disk: Disk, data: Path) -> None:
    seen: list[Call] = []
    disk.on_call = seen.append

    list(ChainReader(data / "journal.jsonl"))
    InstanceLock(data).acquire()
    FileKillSwitch(data).read()

    assert {"listdir", "lstat", "flock", "ftruncate", "stat"} <= {call.name for call in seen}
    assert (data / "247trader-v2.pid").read_text("ascii") == "4711\n"


def test_a_file_is_read_through_the_spy(disk: Disk, data: Path) -> None:
    file = disk.spy.fdopen(disk.spy.open(data / "old", os.O_RDONLY), "rb")
    disk.on_call = refuse("read", errno.EIO)

    with file, pytest.raises(OSError, match="injected"):
        file.readline()


def test_an_error_of_the_hook_is_the_call_s_and_nothing_was_done(disk: Disk, data: Path) -> None:
    disk.on_call = refuse("replace", errno.ENOSPC)

    with pytest.raises(OSError, match="injected") as raised:
        durable_files.rename(data / "old", data / "new")

    assert raised.value.errno == errno.ENOSPC
    assert contents(disk) == {"old": b"old\n"}


def test_a_short_write_writes_what_it_says(disk: Disk, data: Path) -> None:
    def stop_early(call: Call) -> None:
        if call.name == "write":
            raise ShortWrite(2)

    disk.on_call = stop_early

    with pytest.raises(OSError, match="short write: 2 of 4"):
        append(data / "old", b"new\n")
    assert contents(disk) == {"old": b"old\nne"}


def test_what_the_spy_does_not_know_is_refused(disk: Disk) -> None:
    with pytest.raises(NotImplementedError, match=r"os\.link"):
        disk.spy.link("a", "b")


def test_the_modules_have_their_own_os_back_afterwards(tmp_path: Path) -> None:
    with Disk(tmp_path).installed():
        assert vars(durable_files)["os"] is not os

    assert vars(durable_files)["os"] is os


# --- the end of a process ---------------------------------------------------------------------------------------------


def test_after_a_crash_nothing_reaches_the_disk_and_the_locks_are_gone(disk: Disk, data: Path) -> None:
    lock = InstanceLock(data)
    lock.acquire()
    disk.on_call = die_at("unlink")

    with pytest.raises(Crash):
        lock.release()
    with pytest.raises(Crash):
        durable_files.remove_if_there(data / "old")
    disk.end_process()
    disk.on_call = lambda _call: None

    assert "247trader-v2.pid" in contents(disk)
    InstanceLock(data).acquire()


def test_a_crash_in_a_write_may_leave_its_first_bytes(disk: Disk, data: Path) -> None:
    def die(call: Call) -> None:
        if call.name == "write":
            raise Crash(written=3)

    disk.on_call = die

    with pytest.raises(Crash):
        append(data / "old", b"new\n")

    assert contents(disk) == {"old": b"old\nnew"}


def test_a_process_that_ends_keeps_what_it_wrote(disk: Disk, data: Path) -> None:
    append(data / "old", b"new\n")

    disk.end_process()

    assert contents(disk) == {"old": b"old\nnew\n"}
    assert not disk.is_clean()


# --- power losses -----------------------------------------------------------------------------------------------------


def test_what_is_synced_is_left(disk: Disk, data: Path) -> None:
    durable_files.sync(append(data / "old", b"new\n"))

    assert disk.is_clean()
    assert [state.name for state in disk.power_loss_states()] == ["everything kept"]


def test_an_append_is_left_absent_in_part_as_zeros_as_garbage_or_whole(disk: Disk, data: Path) -> None:
    append(data / "old", b"12\n", b"456\n")

    assert left_by_power_losses(disk) == {
        (),
        (("data/old", b"old\n"),),
        (("data/old", b"old\n12"),),  # 1/3
        (("data/old", b"old\n12\n"),),  # the first record
        (("data/old", b"old\n12\n4"),),  # 2/3
        (("data/old", b"old\n12\n456"),),  # n-1
        (("data/old", b"old\n" + bytes(7)),),
        (("data/old", b"old\n" + bytes(range(0x80, 0x87))),),
        (("data/old", b"old\n12" + bytes(5)),),
    }


def test_a_new_name_is_lost_until_its_folder_is_synced_however_well_its_content_is(disk: Disk, data: Path) -> None:
    descriptor = durable_files.create_to_append(data / "new")
    durable_files.write_whole(descriptor, b"new\n")
    durable_files.sync(descriptor)

    assert left_by_power_losses(disk) == {(), (("data/new", None),)}
    durable_files.sync_directory(data)
    assert disk.is_clean()


def test_a_removed_name_may_be_there_again(disk: Disk, data: Path) -> None:
    durable_files.remove_if_there(data / "old")

    assert left_by_power_losses(disk) == {(), (("data/old", b"old\n"),)}


def test_a_replaced_file_may_be_there_again_and_the_new_one_without_its_content(disk: Disk, data: Path) -> None:
    descriptor = durable_files.create_to_append(data / "new")
    durable_files.write_whole(descriptor, b"n\n")
    durable_files.rename(data / "new", data / "old")

    left = left_by_power_losses(disk)

    assert (("data/old", b"old\n"),) in left  # no name done
    assert (("data/new", b""), ("data/old", b"old\n")) in left  # created, not renamed, not written
    assert (("data/old", b""),) in left  # renamed before it was written: what an fsync before the rename prevents
    assert () in left


def test_two_renames_of_one_name_keep_their_order(disk: Disk, data: Path) -> None:
    descriptor = durable_files.create_to_append(data / "new")
    durable_files.write_whole(descriptor, b"n\n")
    durable_files.sync(descriptor)
    durable_files.sync_directory(data)
    durable_files.rename(data / "old", data / "kept")
    durable_files.rename(data / "new", data / "old")

    assert left_by_power_losses(disk) == {
        (),
        (("data/new", b"n\n"), ("data/old", None)),  # the first alone; never the second alone
        (("data/kept", None), ("data/new", b"n\n"), ("data/old", b"old\n")),
    }


def test_files_are_left_independently_of_each_other(disk: Disk, data: Path) -> None:
    (data / "other").write_bytes(b"")
    disk.forget_unsynced()
    append(data / "old", b"1\n")
    append(data / "other", b"2\n")

    left = left_by_power_losses(disk)

    assert (("data/old", b"old\n"),) in left
    assert (("data/other", b""),) in left
    assert (("data/old", b"old\n"), ("data/other", b"")) in left


def test_many_combinations_are_cut_down_to_each_alone_and_the_last_two(disk: Disk, data: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (data / name).write_bytes(b"")
    disk.forget_unsynced()
    for name in ("a", "b", "c", "d"):
        append(data / name, b"123456789\n")

    left = left_by_power_losses(disk)

    assert len(left) < 200  # of 8 to the power of 4
    assert (("data/a", b""), ("data/b", b""), ("data/c", b""), ("data/d", b"")) in left
    assert (("data/a", b"123"),) in left
    assert (("data/c", b"123"), ("data/d", bytes(10))) in left


def test_a_folder_that_is_not_synced_into_its_parent_is_lost_with_all_in_it(disk: Disk) -> None:
    disk.spy.mkdir(disk.root / "tape")
    descriptor = durable_files.create_to_append(disk.root / "tape" / "one")
    durable_files.write_whole(descriptor, b"1\n")
    durable_files.sync(descriptor)
    durable_files.sync_directory(disk.root / "tape")

    states = {state.gone_folders: state for state in disk.power_loss_states()}
    assert states.keys() == {(), ("tape",)}
    disk.end_process()
    disk.become(states[("tape",)])
    assert not (disk.root / "tape").exists()


def test_a_file_that_was_cut_and_written_may_be_as_before(disk: Disk, data: Path) -> None:
    descriptor = durable_files.open_or_create(data / "old")
    disk.spy.ftruncate(descriptor, 0)
    durable_files.write_whole(descriptor, b"x")

    assert {(("data/old", b"old\n"),), (("data/old", b""),), ()} <= left_by_power_losses(disk)


def test_becoming_a_state_makes_the_folder_so_and_all_of_it_synced(disk: Disk, data: Path) -> None:
    append(data / "old", b"new\n")
    (lost,) = (state for state in disk.power_loss_states() if state.name == "data/old: absent")

    disk.end_process()
    disk.become(lost)

    assert contents(disk) == {"old": b"old\n"}
    assert disk.is_clean()


def test_a_drawn_power_loss_is_a_legal_one_and_the_seed_repeats_it(disk: Disk, data: Path) -> None:
    append(data / "old", b"new\n")
    legal = {state.name for state in disk.power_loss_states()}

    assert disk.power_loss(random.Random(3)) in legal  # noqa: S311


# --- a failed fsync ---------------------------------------------------------------------------------------------------


def test_what_a_failed_fsync_left_out_no_later_one_writes(disk: Disk, data: Path) -> None:
    descriptor = append(data / "old", b"new\n")
    disk.on_call = refuse("fsync", errno.EIO)
    with pytest.raises(OSError, match="injected"):
        durable_files.sync(descriptor)
    disk.on_call = lambda _call: None

    durable_files.sync(descriptor)

    assert (("data/old", b"old\n"),) in left_by_power_losses(disk)


def test_a_file_whose_cache_is_dropped_shows_what_is_on_the_disk(disk: Disk, data: Path) -> None:
    descriptor = append(data / "old", b"new\n")
    disk.on_call = refuse("fsync", errno.EIO)
    with pytest.raises(OSError, match="injected"):
        durable_files.sync(descriptor)
    disk.on_call = lambda _call: None

    disk.spy.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    assert contents(disk) == {"old": b"old\n"}
    assert disk.is_clean()


# --- under the record file --------------------------------------------------------------------------------------------


def opened(data: Path) -> RecordFile:
    reader = ChainReader(data / "journal.jsonl")
    list(reader)
    return open_to_continue(data / "journal.jsonl", reader, synced=True)


def test_a_synced_record_survives_every_power_loss(disk: Disk, data: Path) -> None:
    opened(data).append({"kind": "A"}, durable=True)

    assert all("data/journal.jsonl" not in state.files for state in disk.power_loss_states())


def test_a_record_whose_fsync_failed_is_refused_and_may_be_lost(disk: Disk, data: Path) -> None:
    journal = opened(data)
    journal.append({"kind": "A"}, durable=True)
    disk.on_call = refuse("fsync", errno.EIO)

    with pytest.raises(RecordNotDurable):
        journal.append({"kind": "B"}, durable=True)

    assert any("data/journal.jsonl" in state.files for state in disk.power_loss_states())


def refuse(name: str, number: int) -> Callable[[Call], None]:
    def hook(call: Call) -> None:
        if call.name == name:
            raise fault(number)

    return hook


def die_at(name: str) -> Callable[[Call], None]:
    def hook(call: Call) -> None:
        if call.name == name:
            raise Crash

    return hook


# --- folders made otherwise -------------------------------------------------------------------------------------------


def test_a_folder_made_behind_the_spy_s_back_is_lost_with_all_in_it_until_its_parent_is_synced(disk: Disk) -> None:
    folder = disk.root / "made"
    folder.mkdir()
    opened(folder).append({"kind": "A"}, durable=True)
    assert "made/journal.jsonl" in disk.on_disk()  # the record file has synced the way to it

    (disk.root / "other").mkdir()
    descriptor = durable_files.create_to_append(disk.root / "other" / "one")
    durable_files.sync(descriptor)
    durable_files.sync_directory(disk.root / "other")
    assert "other/one" not in disk.on_disk()
    durable_files.sync_directory(disk.root)
    assert "other/one" in disk.on_disk()


def test_a_file_that_was_renamed_in_a_folder_that_is_lost_is_lost(disk: Disk) -> None:
    disk.spy.mkdir(disk.root / "tape")
    descriptor = durable_files.create_to_append(disk.root / "tape" / "one.new")
    durable_files.sync(descriptor)
    durable_files.sync_directory(disk.root / "tape")
    durable_files.rename(disk.root / "tape" / "one.new", disk.root / "tape" / "one")

    gone = [state for state in disk.power_loss_states() if state.gone_folders]

    assert gone
    assert all(content is None for state in gone for content in state.files.values())
