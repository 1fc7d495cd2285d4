"""Journal and audit files: the format, what a crash may leave, and what may never be accepted."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.errors import RecordNotDurable, StateUnusable
from runner.adapters.record_file import RecordFile, open_audit, open_to_continue, read_audit
from runner.records.chain import NO_HASH, RECORD_BYTES_MAX, START
from runner.records.reader import ChainReader
from tests.fakes.failing_os import FailingOs
from tests.record_builders import continue_chain, read_numbers, torn_of, write_records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


# --- the format ---


def test_a_line_is_canonical_json_sealed_by_the_hash_of_its_own_bytes(path: Path) -> None:
    log = write_records(path)

    first = log.append({"b": "é", "a": [1, 0.5, None]}, durable=True)
    second = log.append({"c": True}, durable=False)

    one, two = path.read_bytes().splitlines(keepends=True)
    sealed = b'{"a":[1,0.5,null],"b":"\\u00e9","seq":1,"prev":"' + NO_HASH.encode() + b'"'
    assert one == sealed + b',"hash":"' + hashlib.sha256(sealed).hexdigest().encode() + b'"}\n'
    assert json.loads(two) == {"c": True, "seq": 2, "prev": first.hash, "hash": second.hash}


def test_the_file_is_for_us_alone_and_appears_with_its_first_record(path: Path) -> None:
    log = write_records(path)
    assert not path.exists()

    log.append({"n": 1}, durable=False)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]


def test_a_chain_goes_on_where_it_stopped(path: Path) -> None:
    write_records(path, 1, 2).close()

    write_records(path, 3)

    assert read_numbers(path) == [1, 2, 3]


def test_reading_may_begin_at_a_known_place(path: Path) -> None:
    log = write_records(path, 1, 2)
    place = log.synced_place()
    log.append({"n": 3}, durable=True)

    assert read_numbers(path, place) == [3]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="empty"),
        pytest.param({"seq": 1}, id="reserved key"),
        pytest.param({"x": float("nan")}, id="NaN"),
        pytest.param({"x": object()}, id="not JSON"),
        pytest.param({"x": "y" * RECORD_BYTES_MAX}, id="too long"),
    ],
)
def test_a_body_that_is_no_record_is_refused_and_ends_the_writer(path: Path, body: Mapping[str, object]) -> None:
    log = write_records(path, 1)

    with pytest.raises(RecordNotDurable):
        log.append(body, durable=True)
    with pytest.raises(RecordNotDurable, match="nothing more is written"):
        log.append({"n": 2}, durable=True)

    assert read_numbers(path) == [1]


def test_a_closed_writer_writes_no_more(path: Path) -> None:
    log = write_records(path, 1)
    log.close()
    log.close()

    with pytest.raises(RecordNotDurable, match="closed"):
        log.append({"n": 2}, durable=True)


# --- files that are not ours ---


@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "hard link", "fifo", "directory"])
def test_only_a_regular_file_with_one_name_is_accepted(path: Path, kind: str) -> None:
    other = path.with_name("other")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        if kind != "dangling symlink":
            write_records(other.with_name("journal.jsonl"), 1).close()
            path.rename(other)
        if kind == "hard link":
            path.hardlink_to(other)
        else:
            path.symlink_to(other)

    with pytest.raises(StateUnusable, match=r"journal\.jsonl"):
        continue_chain(path)


def test_a_file_that_grew_while_it_was_read_is_refused(path: Path) -> None:
    write_records(path, 1).close()
    reader = ChainReader(path)
    list(reader)
    with path.open("ab") as file:
        file.write(b"x")

    with pytest.raises(StateUnusable, match="somebody else"):
        open_to_continue(path, reader, synced=True)


def test_a_leftover_of_a_first_record_is_collected(path: Path) -> None:
    path.with_name("journal.jsonl.new").write_bytes(b"half")

    write_records(path, 1)

    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]


# --- full disks ---


def test_a_full_disk_ends_the_writer_for_good() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log = RecordFile(Path("/dev/full"), START, descriptor, synced=True)

    with pytest.raises(RecordNotDurable, match="No space"):
        log.append({"n": 1}, durable=True)
    with pytest.raises(RecordNotDurable, match="nothing more is written"):
        log.append({"n": 1}, durable=False)


def test_a_failed_sync_is_never_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RecordFile(tmp_path / "log.jsonl", START, None, synced=True)
    log.append({"n": 1}, durable=True)
    syncs: list[int] = []

    def fail(descriptor: int) -> None:
        syncs.append(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("runner.records.durable_files.sync", fail)

    with pytest.raises(RecordNotDurable, match="Input/output error"):
        log.append({"n": 2}, durable=True)
    with pytest.raises(RecordNotDurable, match="nothing more is written"):
        log.synced_place()
    log.close()
    assert len(syncs) == 1


def test_an_ended_file_is_closed_once_also_when_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens something meanwhile gets its number: a second close would close that."""
    closed: list[int] = []

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        os.close(descriptor)
        raise OSError("lost on the way")

    file = continue_chain(path)
    file.append({"n": 1}, durable=True)
    spy = FailingOs()
    spy.close = close  # type: ignore[attr-defined]
    monkeypatch.setattr("runner.adapters.record_file.os", spy)

    with pytest.raises(RecordNotDurable, match="lost on the way"):
        file.end_file()
    file.drop()

    assert len(closed) == 1


def test_a_place_is_given_out_once_everything_up_to_there_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RecordFile(tmp_path / "log.jsonl", START, None, synced=True)
    log.append({"n": 1}, durable=True)
    log.append({"n": 2}, durable=False)
    syncs: list[int] = []
    monkeypatch.setattr("runner.records.durable_files.sync", syncs.append)

    place = log.synced_place()

    assert place.seq == 2
    assert len(syncs) == 1


@pytest.mark.parametrize("change", ["removed", "replaced", "emptied", "appended to"])
def test_a_file_that_somebody_else_changes_takes_no_further_record(tmp_path: Path, change: str) -> None:
    path = tmp_path / "log.jsonl"
    log = RecordFile(path, START, None, synced=True)
    log.append({"n": 1}, durable=True)
    if change in ("removed", "replaced"):
        path.rename(tmp_path / "elsewhere")
    if change == "replaced":
        path.write_bytes((tmp_path / "elsewhere").read_bytes())
    if change == "emptied":
        path.write_bytes(b"")
    if change == "appended to":
        path.write_bytes(path.read_bytes() + b"{}\n")

    with pytest.raises(RecordNotDurable, match="by somebody else"):
        log.append({"n": 2}, durable=True)
    log.close()


SHORT_WRITE = """
import resource, signal, sys
from pathlib import Path
from core.errors import RecordNotDurable
from runner.adapters.record_file import open_to_continue
from runner.records.reader import ChainReader

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
reader = ChainReader(path)
list(reader)
log = open_to_continue(path, reader, synced=True)
log.append({"n": 1}, durable=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        log.append({"n": 2}, durable=True)
    except RecordNotDurable as error:
        print(error)
"""


def test_a_short_write_is_an_error_and_leaves_a_torn_tail_that_the_next_start_understands(path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY

    done = subprocess.run(
        [sys.executable, "-c", SHORT_WRITE, str(path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    first, second = done.stdout.splitlines()
    assert "short write: 40 of" in first
    assert "nothing more is written" in second
    torn = torn_of(path)
    assert torn is not None
    assert (torn.torn_bytes, torn.last_seq) == (40, 1)


# --- the audit ---


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "247trader-v2_audit.jsonl"


def test_the_audit_has_one_line_per_record_also_after_a_torn_tail(audit: Path) -> None:
    fresh = open_audit(read_audit(audit, synced=True))
    for slot in (1, 2):
        fresh.audit.append({"slot": slot, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes()[:-5])

    opened = open_audit(read_audit(audit, synced=True))
    assert opened.segment is not None
    opened.audit.append({"slot": 3, "segment": opened.segment.as_json()}, durable=True)

    assert opened.last is not None
    assert opened.last.body["slot"] == 1
    assert [record.body["slot"] for record in ChainReader(audit)] == [1, 3]
    assert len(audit.read_bytes().splitlines()) == 1
    again = open_audit(read_audit(audit, synced=True))
    assert (again.segment, again.last and again.last.body["slot"]) == (None, 3)


def test_a_crash_before_the_line_that_names_the_torn_audit_loses_nothing(audit: Path) -> None:
    open_audit(read_audit(audit, synced=True)).audit.append({"slot": 1, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes() + b"{")

    once, twice = open_audit(read_audit(audit, synced=True)), open_audit(read_audit(audit, synced=True))

    assert once.segment == twice.segment
    assert once.segment is not None
    twice.audit.append({"slot": 2, "segment": once.segment.as_json()}, durable=True)
    assert [record.body["slot"] for record in ChainReader(audit)] == [1, 2]


def test_an_emptied_audit_begins_a_new_chain_and_says_so(audit: Path) -> None:
    open_audit(read_audit(audit, synced=True)).audit.append({"slot": 1, "segment": None}, durable=True)
    audit.write_bytes(b"")

    opened = open_audit(read_audit(audit, synced=True))
    position = opened.audit.append({"slot": 2, "segment": None}, durable=True)

    assert (opened.was_emptied, opened.last, opened.segment, position.seq) == (True, None, None, 1)
    assert open_audit(read_audit(audit, synced=True)).was_emptied is False


def test_an_audit_emptied_after_an_earlier_torn_file_begins_a_new_chain_too(audit: Path) -> None:
    open_audit(read_audit(audit, synced=True)).audit.append({"slot": 1, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes() + b"{")
    opened = open_audit(read_audit(audit, synced=True))
    assert opened.segment is not None
    opened.audit.append({"slot": 2, "segment": opened.segment.as_json()}, durable=True)
    audit.write_bytes(b"")

    fresh = open_audit(read_audit(audit, synced=True))
    fresh.audit.append({"slot": 3, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes() + b"{")
    last = open_audit(read_audit(audit, synced=True))

    assert last.segment is not None
    assert (last.segment.segment, last.segment.last_seq) == ("247trader-v2_audit.000002.jsonl", 1)


def test_a_first_line_torn_in_an_emptied_audit_is_kept_as_well(audit: Path) -> None:
    audit.write_bytes(b'{"slot":1')

    opened = open_audit(read_audit(audit, synced=True))

    assert opened.segment is not None
    assert (opened.segment.valid_bytes, opened.segment.torn_bytes) == (0, 9)
