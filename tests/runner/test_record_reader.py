"""Reading a chain: what a crash may leave behind, and what may never be accepted."""

import hashlib
import json
from pathlib import Path

import pytest

from core.errors import StateUnusable
from runner.records.reader import ChainReader
from tests.record_builders import continue_chain, read_numbers, torn_of, write_records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


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
    write_records(path, 1, 2, 3).close()
    lines = path.read_bytes().splitlines(keepends=True)
    valid, tail = b"".join(lines[:2]), damage(lines[2])
    path.write_bytes(valid + tail)

    write_records(path, 4).close()

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
    assert read_numbers(path) == [1, 2, 4]


def test_a_crash_between_renaming_and_the_next_file_is_recovered_the_same_way(path: Path) -> None:
    write_records(path, 1).close()
    path.write_bytes(path.read_bytes() + b"torn")
    before = torn_of(path)
    path.rename(path.with_name("journal.000001.jsonl"))

    assert torn_of(path) == before
    write_records(path, 2).close()

    assert read_numbers(path) == [1, 2]


def test_torn_files_follow_each_other(path: Path) -> None:
    for n in (1, 2, 3):
        write_records(path, n).close()
        path.write_bytes(path.read_bytes() + b"{")
    write_records(path, 4).close()

    assert read_numbers(path) == [1, 2, 3, 4]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "journal.000001.jsonl",
        "journal.000002.jsonl",
        "journal.000003.jsonl",
        "journal.jsonl",
    ]


def test_a_place_is_found_again_after_its_file_was_renamed(path: Path) -> None:
    log = write_records(path, 1, 2)
    place = log.synced_place()
    log.append({"n": 3}, durable=True)
    log.close()
    path.write_bytes(path.read_bytes() + b"{")
    write_records(path, 4).close()

    assert read_numbers(path, place) == [3, 4]


# --- damage in the middle ---


def test_any_flipped_bit_before_the_last_line_is_found_and_nothing_is_touched(path: Path) -> None:
    write_records(path, 1, 2, 3).close()
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
    write_records(path, 1, 2, 3, 4).close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in order))

    with pytest.raises(StateUnusable, match=rf"journal\.jsonl, line {line}: .*Nothing was changed"):
        continue_chain(path)

    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]


def test_the_line_is_named_rightly_when_reading_began_in_the_middle(path: Path) -> None:
    log = write_records(path, 1, 2)
    place = log.synced_place()
    for n in (3, 4, 5):
        log.append({"n": n}, durable=True)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[4] + lines[4])

    with pytest.raises(StateUnusable, match="line 4"):
        list(ChainReader(path, place))


def test_a_missing_segment_halts(path: Path) -> None:
    write_records(path, 1).close()
    path.write_bytes(path.read_bytes() + b"{")
    write_records(path, 2).close()
    path.with_name("journal.000001.jsonl").rename(path.with_name("elsewhere"))

    with pytest.raises(StateUnusable):
        list(ChainReader(path))


def test_an_exchanged_segment_halts(path: Path) -> None:
    write_records(path, 1).close()
    path.write_bytes(path.read_bytes() + b"{")
    write_records(path, 2).close()
    segment = path.with_name("journal.000001.jsonl")
    segment.write_bytes(segment.read_bytes() + b"x")

    with pytest.raises(StateUnusable, match="does not say how"):
        list(ChainReader(path))


def test_a_place_beyond_the_end_halts(path: Path) -> None:
    log = write_records(path, 1, 2)
    place = log.synced_place()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])

    with pytest.raises(StateUnusable, match="ahead of the journal"):
        list(ChainReader(path, place))

    path.unlink()
    with pytest.raises(StateUnusable, match="missing"):
        list(ChainReader(path, place))
