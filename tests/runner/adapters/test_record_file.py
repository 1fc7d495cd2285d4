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
from runner.adapters.record_file import RecordFile, open_audit, open_to_continue, segment_body
from runner.record_chain import NO_HASH, RECORD_BYTES_MAX, START, Place, Record, Torn
from runner.record_reader import ChainReader, tail_record


def continue_chain(path: Path, *, synced: bool = True) -> RecordFile:
    """Open a journal as recovery does."""
    reader = ChainReader(path)
    list(reader)
    log = open_to_continue(path, reader, synced=synced)
    if reader.torn is not None:
        log.append(segment_body(reader.torn), durable=True)
    return log


def write(path: Path, *numbers: int) -> RecordFile:
    log = continue_chain(path)
    for n in numbers:
        log.append({"n": n}, durable=True)
    return log


def numbers(path: Path, since: Place = START) -> list[object]:
    return [record.body["n"] for record in ChainReader(path, since) if "n" in record.body]


def torn_of(path: Path) -> Torn | None:
    reader = ChainReader(path)
    list(reader)
    return reader.torn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


# --- the format ---


def test_a_line_is_canonical_json_sealed_by_the_hash_of_its_own_bytes(path: Path) -> None:
    log = write(path)

    first = log.append({"b": "é", "a": [1, 0.5, None]}, durable=True)
    second = log.append({"c": True}, durable=False)

    one, two = path.read_bytes().splitlines(keepends=True)
    sealed = b'{"a":[1,0.5,null],"b":"\\u00e9","seq":1,"prev":"' + NO_HASH.encode() + b'"'
    assert one == sealed + b',"hash":"' + hashlib.sha256(sealed).hexdigest().encode() + b'"}\n'
    assert json.loads(two) == {"c": True, "seq": 2, "prev": first.hash, "hash": second.hash}


def test_the_file_is_for_us_alone_and_appears_with_its_first_record(path: Path) -> None:
    log = write(path)
    assert not path.exists()

    log.append({"n": 1}, durable=False)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]


def test_a_chain_goes_on_where_it_stopped(path: Path) -> None:
    write(path, 1, 2).close()

    write(path, 3)

    assert numbers(path) == [1, 2, 3]


def test_reading_may_begin_at_a_known_place(path: Path) -> None:
    log = write(path, 1, 2)
    place = log.synced_place()
    log.append({"n": 3}, durable=True)

    assert numbers(path, place) == [3]


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
    log = write(path, 1)

    with pytest.raises(RecordNotDurable):
        log.append(body, durable=True)
    with pytest.raises(RecordNotDurable, match="nothing more is written"):
        log.append({"n": 2}, durable=True)

    assert numbers(path) == [1]


def test_a_closed_writer_writes_no_more(path: Path) -> None:
    log = write(path, 1)
    log.close()
    log.close()

    with pytest.raises(RecordNotDurable, match="closed"):
        log.append({"n": 2}, durable=True)


# --- torn tails ---

TAILS = [
    pytest.param(lambda line: line[:1], id="one byte"),
    pytest.param(lambda line: line[: len(line) // 2], id="half a line"),
    pytest.param(lambda line: line[:-1], id="whole line without newline"),
    pytest.param(lambda line: b"\0" * len(line), id="zeros"),
    pytest.param(lambda line: b"\0" * 3_000_000, id="zeros longer than any record"),
    pytest.param(lambda line: b"x" * (len(line) - 1) + b"\n", id="garbage with a newline"),
    pytest.param(lambda line: line[:-2] + b"]\n", id="last byte wrong"),
]


@pytest.mark.parametrize("damage", TAILS)
def test_a_torn_file_is_kept_as_it_is_and_named_by_the_next_one(path: Path, damage: object) -> None:
    assert callable(damage)
    write(path, 1, 2, 3).close()
    lines = path.read_bytes().splitlines(keepends=True)
    valid, tail = b"".join(lines[:2]), damage(lines[2])
    path.write_bytes(valid + tail)

    write(path, 4).close()

    segment = path.with_name("journal.000001.jsonl")
    assert segment.read_bytes() == valid + tail
    first = json.loads(path.read_bytes().splitlines()[0])
    assert first["segment"] == {
        "segment": "journal.000001.jsonl",
        "valid_bytes": len(valid),
        "last_seq": 2,
        "last_hash": json.loads(lines[1])["hash"],
        "torn_bytes": len(tail),
        "torn_sha256": hashlib.sha256(tail).hexdigest(),
    }
    assert (first["seq"], first["prev"]) == (3, json.loads(lines[1])["hash"])
    assert numbers(path) == [1, 2, 4]


def test_a_crash_between_renaming_and_the_next_file_is_recovered_the_same_way(path: Path) -> None:
    write(path, 1).close()
    path.write_bytes(path.read_bytes() + b"torn")
    before = torn_of(path)
    path.rename(path.with_name("journal.000001.jsonl"))

    assert torn_of(path) == before
    write(path, 2).close()

    assert numbers(path) == [1, 2]


def test_torn_files_follow_each_other(path: Path) -> None:
    for n in (1, 2, 3):
        write(path, n).close()
        path.write_bytes(path.read_bytes() + b"{")
    write(path, 4).close()

    assert numbers(path) == [1, 2, 3, 4]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "journal.000001.jsonl",
        "journal.000002.jsonl",
        "journal.000003.jsonl",
        "journal.jsonl",
    ]


def test_a_place_is_found_again_after_its_file_was_renamed(path: Path) -> None:
    log = write(path, 1, 2)
    place = log.synced_place()
    log.append({"n": 3}, durable=True)
    log.close()
    path.write_bytes(path.read_bytes() + b"{")
    write(path, 4).close()

    assert numbers(path, place) == [3, 4]


# --- damage in the middle ---


def test_any_flipped_bit_before_the_last_line_is_found_and_nothing_is_touched(path: Path) -> None:
    write(path, 1, 2, 3).close()
    good = path.read_bytes()
    last_line = good[:-1].rindex(b"\n") + 1

    for i in range(last_line):
        bad = bytearray(good)
        bad[i] ^= 1
        path.write_bytes(bad)
        with pytest.raises(StateUnusable):
            list(ChainReader(path))

    assert path.read_bytes() == bytes(bad)


@pytest.mark.parametrize(
    ("order", "line"),
    [
        pytest.param([0, 2, 3], 2, id="deleted"),
        pytest.param([0, 2, 1, 3], 2, id="swapped"),
        pytest.param([0, 1, 1, 2, 3], 3, id="repeated"),
        pytest.param([1, 2, 3], 1, id="first one deleted"),
    ],
)
def test_a_line_out_of_its_place_halts_and_is_named(path: Path, order: list[int], line: int) -> None:
    write(path, 1, 2, 3, 4).close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in order))

    with pytest.raises(StateUnusable, match=rf"journal\.jsonl, line {line}: .*Nothing was changed"):
        continue_chain(path)

    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]


def test_the_line_is_named_rightly_when_reading_began_in_the_middle(path: Path) -> None:
    log = write(path, 1, 2)
    place = log.synced_place()
    for n in (3, 4, 5):
        log.append({"n": n}, durable=True)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[4] + lines[4])

    with pytest.raises(StateUnusable, match="line 4"):
        list(ChainReader(path, place))


def test_a_missing_segment_halts(path: Path) -> None:
    write(path, 1).close()
    path.write_bytes(path.read_bytes() + b"{")
    write(path, 2).close()
    path.with_name("journal.000001.jsonl").rename(path.with_name("elsewhere"))

    with pytest.raises(StateUnusable):
        list(ChainReader(path))


def test_an_exchanged_segment_halts(path: Path) -> None:
    write(path, 1).close()
    path.write_bytes(path.read_bytes() + b"{")
    write(path, 2).close()
    segment = path.with_name("journal.000001.jsonl")
    segment.write_bytes(segment.read_bytes() + b"x")

    with pytest.raises(StateUnusable, match="does not say how"):
        list(ChainReader(path))


def test_a_place_beyond_the_end_halts(path: Path) -> None:
    log = write(path, 1, 2)
    place = log.synced_place()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])

    with pytest.raises(StateUnusable, match="ahead of the journal"):
        list(ChainReader(path, place))

    path.unlink()
    with pytest.raises(StateUnusable, match="missing"):
        list(ChainReader(path, place))


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
            write(other.with_name("journal.jsonl"), 1).close()
            path.rename(other)
        if kind == "hard link":
            path.hardlink_to(other)
        else:
            path.symlink_to(other)

    with pytest.raises(StateUnusable, match=r"journal\.jsonl"):
        continue_chain(path)


def test_a_file_that_grew_while_it_was_read_is_refused(path: Path) -> None:
    write(path, 1).close()
    reader = ChainReader(path)
    list(reader)
    with path.open("ab") as file:
        file.write(b"x")

    with pytest.raises(StateUnusable, match="somebody else"):
        open_to_continue(path, reader, synced=True)


def test_a_leftover_of_a_first_record_is_collected(path: Path) -> None:
    path.with_name("journal.jsonl.new").write_bytes(b"half")

    write(path, 1)

    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]


# --- full disks ---


def test_a_full_disk_ends_the_writer_for_good() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log = RecordFile(Path("/dev/full"), START, descriptor, synced=True)

    with pytest.raises(RecordNotDurable, match="No space"):
        log.append({"n": 1}, durable=True)
    with pytest.raises(RecordNotDurable, match="nothing more is written"):
        log.append({"n": 1}, durable=False)


def test_a_failed_sync_is_never_repeated() -> None:
    reading, writing = os.pipe()
    log = RecordFile(Path("pipe"), START, writing, synced=True)

    log.append({"n": 1}, durable=False)
    with pytest.raises(RecordNotDurable, match="Invalid argument"):  # a pipe takes bytes, but cannot be synced
        log.append({"n": 2}, durable=True)
    with pytest.raises(RecordNotDurable, match="nothing more is written"):
        log.synced_place()
    log.close()
    os.close(reading)


SHORT_WRITE = """
import resource, signal, sys
from pathlib import Path
from core.errors import RecordNotDurable
from runner.adapters.record_file import open_to_continue
from runner.record_reader import ChainReader

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
    fresh = open_audit(audit, synced=True)
    for slot in (1, 2):
        fresh.audit.append({"slot": slot, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes()[:-5])

    opened = open_audit(audit, synced=True)
    assert opened.segment is not None
    opened.audit.append({"slot": 3, "segment": opened.segment.as_json()}, durable=True)

    assert opened.last is not None
    assert opened.last.body["slot"] == 1
    assert [record.body["slot"] for record in ChainReader(audit)] == [1, 3]
    assert len(audit.read_bytes().splitlines()) == 1
    again = open_audit(audit, synced=True)
    assert (again.segment, again.last and again.last.body["slot"]) == (None, 3)


def test_a_crash_before_the_line_that_names_the_torn_audit_loses_nothing(audit: Path) -> None:
    open_audit(audit, synced=True).audit.append({"slot": 1, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes() + b"{")

    once, twice = open_audit(audit, synced=True), open_audit(audit, synced=True)

    assert once.segment == twice.segment
    assert once.segment is not None
    twice.audit.append({"slot": 2, "segment": once.segment.as_json()}, durable=True)
    assert [record.body["slot"] for record in ChainReader(audit)] == [1, 2]


def test_an_emptied_audit_begins_a_new_chain_and_says_so(audit: Path) -> None:
    open_audit(audit, synced=True).audit.append({"slot": 1, "segment": None}, durable=True)
    audit.write_bytes(b"")

    opened = open_audit(audit, synced=True)
    position = opened.audit.append({"slot": 2, "segment": None}, durable=True)

    assert (opened.was_emptied, opened.last, opened.segment, position.seq) == (True, None, None, 1)
    assert open_audit(audit, synced=True).was_emptied is False


def test_an_audit_emptied_after_an_earlier_torn_file_begins_a_new_chain_too(audit: Path) -> None:
    open_audit(audit, synced=True).audit.append({"slot": 1, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes() + b"{")
    opened = open_audit(audit, synced=True)
    assert opened.segment is not None
    opened.audit.append({"slot": 2, "segment": opened.segment.as_json()}, durable=True)
    audit.write_bytes(b"")

    fresh = open_audit(audit, synced=True)
    fresh.audit.append({"slot": 3, "segment": None}, durable=True)
    audit.write_bytes(audit.read_bytes() + b"{")
    last = open_audit(audit, synced=True)

    assert last.segment is not None
    assert (last.segment.segment, last.segment.last_seq) == ("247trader-v2_audit.000002.jsonl", 1)


def test_a_first_line_torn_in_an_emptied_audit_is_kept_as_well(audit: Path) -> None:
    audit.write_bytes(b'{"slot":1')

    opened = open_audit(audit, synced=True)

    assert opened.segment is not None
    assert (opened.segment.valid_bytes, opened.segment.torn_bytes) == (0, 9)


# --- the last record ---


def last_number(path: Path) -> object:
    record: Record | None = tail_record(path)
    return None if record is None else record.body["n"]


def test_the_last_record_is_found_without_reading_the_file(path: Path) -> None:
    log = write(path, 1)
    log.append({"n": 2, "long": "x" * 200_000}, durable=True)
    place = log.synced_place()

    record = tail_record(path)

    assert record is not None
    assert (record.body["n"], record.place) == (2, place)


def test_a_torn_tail_is_passed_over_to_the_last_whole_record(path: Path) -> None:
    assert last_number(path) is None
    write(path, 1, 2).close()
    whole = path.read_bytes()

    path.write_bytes(whole + b'{"n":3')
    assert last_number(path) == 2
    path.write_bytes(whole + b"garbage\n")
    assert last_number(path) == 2
    path.write_bytes(b"garbage")
    assert last_number(path) is None
