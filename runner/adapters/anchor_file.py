"""
Anchors of the audit: size and Merkle root, kept beside it, so that a heartbeat can carry them out of the machine.

`logs/247trader-v2_anchors.jsonl` gets a line at the start of a run (a file that ended is covered by it), in each hour
and at shutdown. It is evidence and no state: nothing reads it but `python -m tools.audit verify`, it may be removed,
and when it cannot be written the bot goes on and says so.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from core.errors import StateUnusable
from core.ports import Position
from runner.records import durable_files
from runner.records.chain import RECORD_BYTES_MAX, own_hash
from runner.records.merkle import Anchor, Tree, begins_chain
from runner.records.reader import ended_segments, segment_path

ANCHORS_NAME = "247trader-v2_anchors.jsonl"
CHAIN = "audit"


class Anchors:
    """Keep the tree of the audit, record by record, and write its anchors."""

    def __init__(self, tree: Tree | None, file: "AnchorFile", now: Callable[[], datetime]) -> None:
        """`tree` holds the records that are there already; None: it could not be made, and there are no anchors."""
        self._tree = tree
        self._file = file
        self._now = now
        self._hour: str | None = None

    def note(self, position: Position) -> None:
        """Add the record that was just appended and is durable; write an anchor when an hour has begun."""
        if self._tree is not None:
            self._tree = Tree() if position.seq == 1 else self._tree  # begun afresh
            self._tree.add(position.hash)
            if self._hour != self._present_hour():
                self.write()

    def latest(self) -> Anchor | None:
        """Return the anchor of the audit as it is now, for whoever carries it away; None: there is none."""
        return None if self._tree is None or not self._tree.size else self._tree.anchor(CHAIN)

    def write(self) -> None:
        """Keep the present anchor in the file: at a start, when a file of the audit has ended, at shutdown."""
        anchor = self.latest()
        if anchor is not None:
            self._hour = self._present_hour()
            self._file.write(anchor, self._now())

    def _present_hour(self) -> str:
        return f"{self._now():%Y-%m-%dT%H}"


class AnchorFile:
    """Append to the file of anchors; the first failure is told, and ends it."""

    def __init__(self, path: Path, warn: Callable[[str], None], *, synced: bool) -> None:
        self._path = path
        self._warn = warn
        self._synced = synced
        self._works = True

    def write(self, anchor: Anchor, now: datetime) -> None:
        """Append one line; what an interrupted write left before it stays a line of its own."""
        if not self._works:
            return
        line = json.dumps({"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", **anchor.as_json()}, separators=(",", ":"))
        try:
            self._append(line.encode("ascii") + b"\n")
        except (OSError, StateUnusable) as error:
            self._works = False
            self._warn(f"{self._path} cannot be written, anchors of the audit are not kept: {error}")

    def _append(self, line: bytes) -> None:
        size = durable_files.size_of(self._path)
        if size is None:
            descriptor = durable_files.create_to_append(self._path)
        else:
            descriptor = durable_files.open_to_append(self._path)
        try:
            durable_files.write_whole(descriptor, line if self._is_between_lines(size) else b"\n" + line)
            if self._synced:
                durable_files.sync(descriptor)
        finally:
            os.close(descriptor)

    def _is_between_lines(self, size: int | None) -> bool:
        if not size:
            return True
        descriptor = durable_files.open_to_read(self._path)
        try:
            return os.pread(descriptor, 1, size - 1) == b"\n"
        finally:
            os.close(descriptor)


def open_anchors(audit: Path, now: Callable[[], datetime], warn: Callable[[str], None], *, synced: bool) -> Anchors:
    """Return the anchors of an audit that was just opened, its tree read from its files; the first is written."""
    tree: Tree | None = None
    try:
        tree = read_tree(audit)
    except (OSError, StateUnusable) as error:
        warn(f"no anchors of the audit in this run, its files cannot all be read: {error}")
    anchors = Anchors(tree, AnchorFile(audit.with_name(ANCHORS_NAME), warn, synced=synced), now)
    anchors.write()
    return anchors


def read_tree(path: Path) -> Tree:
    """
    Return the tree over the present chain of `path`: over its files, or those since it was begun afresh.

    Only bytes are hashed; whether the records belong together is for the reader and the verifier to say.

    Raises:
        OSError, StateUnusable: A file is missing or not ours.
    """
    tree = Tree()
    ended = ended_segments(path)
    files = [segment_path(path, number) for number in range(1, ended + 1)]
    if durable_files.size_of(path) is not None:
        files.append(path)
    for file in files:
        for line, digest in _sealed_lines(file):
            if begins_chain(line):
                tree = Tree()
            tree.add(digest)
    return tree


def _sealed_lines(path: Path) -> Iterator[tuple[bytes, str]]:
    with os.fdopen(durable_files.open_to_read(path), "rb") as file:
        while line := file.readline(RECORD_BYTES_MAX + 1):
            digest = own_hash(line)
            if digest is None:
                return  # torn: the next file says so
            yield line, digest
