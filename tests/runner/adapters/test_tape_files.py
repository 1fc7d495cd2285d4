"""The files of the tape on a disk that fails: who is told, what is closed, and what reading makes of a cut-off file."""

import errno
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import DiskFailed, RecordNotDurable
from core.settings import TapeSection
from runner.adapters.tape_files import FIRST_LINE, FRESH_NAME, TapeFileReader, TapeFiles
from tests.fakes.disk import Disk
from tests.fakes.failing_os import FailingOs
from tests.fakes.spy_os import Call

AT = datetime(2026, 1, 5, tzinfo=UTC)
LIMITS = TapeSection(file_max_mb=32, keep_days=40, keep_mb=1000)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingOs:
    failing = FailingOs()
    monkeypatch.setattr("runner.records.durable_files.os", failing)
    return failing


def begun(folder: Path) -> TapeFiles:
    files = TapeFiles(folder, LIMITS, logging.getLogger("test"), synced=True)
    files.begin("header", AT)
    return files


def open_descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_a_record_that_cannot_be_written_leaves_nothing_open_once_it_is_dropped(
    tmp_path: Path, disk: FailingOs
) -> None:
    before = open_descriptors()
    files = begun(tmp_path)
    disk.fail("write", None, errno.ENOSPC)

    with pytest.raises(RecordNotDurable, match="No space left"):
        files.write(b"C", 1, b"record")
    files.drop()
    files.drop()

    assert open_descriptors() == before


def test_a_failed_sync_at_the_end_has_the_exit_code_of_its_own(tmp_path: Path, disk: FailingOs) -> None:
    before = open_descriptors()
    files = begun(tmp_path)
    disk.fail("fsync")

    with pytest.raises(DiskFailed):
        files.close()

    assert open_descriptors() == before


@pytest.mark.parametrize("size", [0, 7, 30])
def test_a_file_whose_process_died_before_its_header_was_whole_is_torn(tmp_path: Path, size: int) -> None:
    begun(tmp_path).close()
    (path,) = tmp_path.iterdir()
    os.truncate(path, size)

    reader = TapeFileReader(path)

    assert (list(reader), reader.is_torn) == ([], True)


def test_a_file_that_begins_as_something_else_is_not_only_cut(tmp_path: Path) -> None:
    path = tmp_path / "000001-20260105.tape"
    path.write_bytes(b"something else")
    path.chmod(0o600)

    reader = TapeFileReader(path)

    assert (list(reader), reader.is_torn, reader.problem != "") == ([], False, True)


def test_a_power_loss_takes_nothing_that_was_written_before_the_last_sync(tmp_path: Path) -> None:
    with Disk(tmp_path).installed() as disk:
        files = begun(tmp_path)
        files.write(b"C", 1, b"record")
        files.sync()
        files.write(b"C", 2, b"another")

        kept = disk.on_disk()["000001-20260105.tape"]

        assert kept.count(b"C\x01") == 1
        assert b"C\x02" not in kept
        files.close()
        assert disk.on_disk()["000001-20260105.tape"].count(b"C\x02") == 1


def test_whenever_the_power_fails_a_file_of_the_tape_has_its_name_only_with_its_header(tmp_path: Path) -> None:
    """Zeros or rubbish in the place of a header would count as damage, and cost what no power cut should."""
    looked_at = 0

    def look(_call: Call) -> None:
        nonlocal looked_at
        for state in power.power_loss_states():
            for name, content in state.files.items():
                if name.endswith(".tape") and content is not None:
                    assert content[: len(FIRST_LINE) + 1] == FIRST_LINE + b"H", (state.name, name)
                    looked_at += 1

    with Disk(tmp_path).installed() as power:
        power.on_call = look
        files = begun(tmp_path)
        files.write(b"C", 1, b"record")
        files.begin("another header", AT)
        files.close()

    assert looked_at
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001-20260105.tape", "000002-20260105.tape"]


def test_what_a_start_left_of_a_file_that_it_could_not_begin_is_gone_with_the_next(tmp_path: Path) -> None:
    (tmp_path / FRESH_NAME).write_bytes(b"rubbish")

    begun(tmp_path).close()

    assert [path.name for path in tmp_path.iterdir()] == ["000001-20260105.tape"]


def test_a_failed_sync_of_its_folder_has_that_exit_code_as_well(tmp_path: Path, disk: FailingOs) -> None:
    disk.fail("fsync", tmp_path.name)

    with pytest.raises(DiskFailed, match="look at the disk"):
        begun(tmp_path)
