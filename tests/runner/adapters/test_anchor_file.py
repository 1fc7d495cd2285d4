"""Anchors of a log, kept beside it: when, what, and that nothing about them stops the log."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.anchor_file import ANCHORS_NAME, AnchorFile, Anchors, open_anchors, read_tree
from runner.adapters.record_file import RecordFile
from runner.records.chain import own_hash
from runner.records.merkle import Anchor, Tree
from runner.records.reader import segment_path
from tests.record_builders import continue_chain, write_records

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@dataclass
class Log:
    """A log and its anchors, used as the loop does."""

    log: RecordFile
    anchors: Anchors

    def append(self, n: int) -> None:
        self.anchors.note(self.log.append({"n": n}, durable=True))

    def anchor(self) -> Anchor | None:
        return self.anchors.latest()


class Beside:
    """A log with its anchors, a clock that is set by hand, and the warnings."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.jsonl"
        self.anchors = folder / ANCHORS_NAME
        self.now = NOON
        self.warnings: list[str] = []

    def open(self) -> "Log":
        log = continue_chain(self.path)
        return Log(log, open_anchors(self.path, lambda: self.now, self.warnings.append, synced=True))

    def kept(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.anchors.read_text().splitlines()]

    def sizes(self) -> list[int]:
        return [item["size"] for item in self.kept()]


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


def root_of(*paths: Path) -> str:
    tree = Tree()
    for path in paths:
        for line in path.read_bytes().splitlines(keepends=True):
            digest = own_hash(line)
            if digest is not None:
                tree.add(digest)
    return tree.root()


def first_hash(path: Path) -> str:
    return str(json.loads(path.read_bytes().splitlines()[0])["hash"])


def test_an_anchor_is_written_with_the_first_record_in_each_hour_and_when_asked(beside: Beside) -> None:
    log = beside.open()
    for minute in range(125):
        beside.now = NOON + timedelta(minutes=minute)
        log.append(minute)
    log.anchors.write()

    assert beside.sizes() == [1, 61, 121, 125]
    assert beside.kept()[-1] == {
        "at": "2026-01-05T14:04:00Z",
        "chain": "audit",
        "size": 125,
        "root": root_of(beside.path),
        "first": first_hash(beside.path)[:16],
    }


def test_a_log_that_is_opened_again_goes_on_with_its_tree(beside: Beside) -> None:
    write_records(beside.path, 1, 2, 3).close()

    log = beside.open()
    log.append(4)

    anchor = log.anchor()
    assert beside.sizes() == [3]
    assert anchor is not None
    assert (anchor.size, anchor.root) == (4, root_of(beside.path))


def test_the_files_that_ended_before_are_part_of_the_tree(beside: Beside) -> None:
    write_records(beside.path, 1, 2, 3).close()
    with beside.path.open("ab") as file:
        file.write(b'{"torn')

    log = beside.open()

    anchor = log.anchor()
    assert anchor is not None
    assert (anchor.size, anchor.root) == (4, root_of(segment_path(beside.path, 1), beside.path))


def test_a_log_without_records_has_no_anchor(beside: Beside) -> None:
    log = beside.open()
    log.anchors.write()

    assert log.anchor() is None
    assert not beside.anchors.exists()


def test_a_log_that_is_begun_afresh_begins_a_new_tree(beside: Beside) -> None:
    write_records(beside.path, 1, 2).close()
    beside.path.rename(segment_path(beside.path, 1))
    other = beside.path.with_name("other.jsonl")
    log = Log(write_records(other), Anchors(read_tree(beside.path), _file(beside), lambda: NOON))

    log.append(7)

    anchor = log.anchor()
    assert anchor is not None
    assert (anchor.size, anchor.root) == (1, root_of(other))
    other.rename(beside.path)
    assert read_tree(beside.path).root() == anchor.root


def _file(beside: Beside) -> AnchorFile:
    return AnchorFile(beside.anchors, beside.warnings.append, synced=False)


def test_what_an_interrupted_write_left_stays_a_line_of_its_own(beside: Beside) -> None:
    beside.anchors.write_text('{"at":"2026', "utf-8")
    beside.anchors.chmod(0o600)
    log = beside.open()

    log.append(1)

    torn, line = beside.anchors.read_text().splitlines()
    assert (torn, json.loads(line)["size"]) == ('{"at":"2026', 1)


def test_a_file_that_cannot_be_written_is_told_once_and_stops_nothing(beside: Beside) -> None:
    beside.anchors.mkdir()
    log = beside.open()

    for minute in (0, 61, 122):
        beside.now = NOON + timedelta(minutes=minute)
        log.append(minute)

    assert [text.partition(" cannot")[0] for text in beside.warnings] == [str(beside.anchors)]
    anchor = log.anchor()
    assert anchor is not None
    assert anchor.size == 3


def test_a_missing_file_of_the_log_leaves_it_without_anchors(beside: Beside) -> None:
    log = continue_chain(beside.path)
    log.append({"n": 1}, durable=True)
    segment_path(beside.path, 2).write_text("")

    anchors = open_anchors(beside.path, lambda: NOON, beside.warnings.append, synced=True)
    anchors.note(log.append({"n": 2}, durable=True))

    assert anchors.latest() is None
    assert "no anchors of the audit in this run" in beside.warnings[0]
    assert not beside.anchors.exists()
