"""Read journal and audit, verifying as it goes. Nothing here writes."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import StateUnusable
from runner.records.chain import (
    RECORD_BYTES_MAX,
    SEAL_BYTES,
    START,
    Place,
    Record,
    Torn,
    body_of,
    follow,
    own_hash,
    seal_of,
)
from runner.records.durable_files import open_to_read, size_of

_SEGMENT_NUMBER = re.compile(r"([0-9]{6})\.jsonl")
_SEAL_INSIDE = re.compile(rb',"hash":"[0-9a-f]{64}"\}[^\n]')
_CHUNK_BYTES = 1 << 16
NOTHING_TORN = hashlib.sha256().hexdigest()
_WAYS_OUT = (
    "Nothing was changed. Restore the file from a backup, or move the whole directory away (hidden files, too) to "
    "begin afresh"
)


def segment_path(path: Path, number: int) -> Path:
    """Return the name under which the `number`-th file of a chain is kept once it has ended."""
    return path.with_name(f"{path.stem}.{number:06d}.jsonl")


def ended_segments(path: Path) -> int:
    """Return how many files of a chain have ended: the highest number among their names, 0 for none."""
    try:
        names = os.listdir(path.parent)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StateUnusable(f"{path.parent} cannot be listed: {error.strerror}. {_WAYS_OUT}") from error
    start = f"{path.stem}."
    matches = (_SEGMENT_NUMBER.fullmatch(name.removeprefix(start)) for name in names if name.startswith(start))
    return max((int(match[1]) for match in matches if match), default=0)


def ended_at(path: Path, end: Place, *, torn_bytes: int = 0, torn_sha256: str = NOTHING_TORN) -> Torn:
    """Describe a file of a chain whose valid part ends at a place."""
    return Torn(
        segment=segment_path(path, end.segment).name,
        valid_bytes=end.offset,
        last_seq=end.seq,
        last_hash=end.hash,
        torn_bytes=torn_bytes,
        torn_sha256=torn_sha256,
    )


def missing_segment(path: Path) -> Path | None:
    """Return the first ended file of a chain that is not there though later ones are; None when all are."""
    numbers = range(1, ended_segments(path) + 1)
    return next((name for name in (segment_path(path, n) for n in numbers) if _size(name) is None), None)


class ChainReader:
    """
    Iterate over the records after `since`, through all files of a chain.

    Iterating raises StateUnusable when a record is damaged that is not the last one, when a file is missing or
    unreadable, or when `since` is not in the chain. Afterwards `end` is where the next record goes, and `torn` is set
    when a file has ended before `end`, inside a record or in order: the first record to come must carry it as
    `segment`. If a torn file still has the name `path`, it must be renamed to `segment_path(path, end.segment)` before.
    """

    def __init__(self, path: Path, since: Place = START) -> None:
        self.end = since
        self.torn: Torn | None = None
        self._path = path
        self._since = since

    def __iter__(self) -> Iterator[Record]:
        return (Record(_body(line, path, place), place) for line, path, place in self._lines())

    def from_seq(self, seq: int) -> Iterator[Record]:
        """
        Verify all of it as iterating does, and yield the records from a number on only.

        Raises:
            StateUnusable
        """
        return (Record(_body(line, path, place), place) for line, path, place in self._lines() if place.seq >= seq)

    def last(self) -> Record | None:
        """
        Verify all of it as iterating does, and return the last record only; None when there is none.

        Raises:
            StateUnusable
        """
        found = None
        for found in self._lines():  # noqa: B007 - what is wanted is where it stops
            pass
        return None if found is None else Record(_body(*found), found[2])

    def _lines(self) -> Iterator[tuple[bytes, Path, Place]]:
        current = ended_segments(self._path) + 1
        is_there = _size(self._path) is not None
        if self._since.segment > current or (self._since.segment == current and self._since.offset and not is_there):
            raise StateUnusable(f"{self._path}: the part with seq {self._since.seq} is missing. {_WAYS_OUT}")
        for number in range(self._since.segment, current + is_there):
            if number != self._since.segment:
                self.end = replace(self.end, segment=number, offset=0)
            yield from self._lines_of(self._path if number == current else segment_path(self._path, number))
            if self.torn is None and number != current:
                self.torn = ended_at(self._path, self.end)
        if not is_there:
            self.end = self.end if self.end.segment == current else replace(self.end, segment=current, offset=0)

    def _lines_of(self, path: Path) -> Iterator[tuple[bytes, Path, Place]]:
        with _opened(path) as file:
            if self.end.offset:
                self._seek(file, path)
            while line := file.readline(RECORD_BYTES_MAX + 1):
                place = follow(line, self.end)
                if place is None:
                    self.torn = self._tear(file, path, line)
                    return
                if self.torn is not None:
                    self._check_link(_body(line, path, place), path)
                self.end = place
                yield line, path, place

    def _seek(self, file: BinaryIO, path: Path) -> None:
        """Go to `since`, if the record that ends there is the one that is meant."""
        file.seek(max(self.end.offset - SEAL_BYTES, 0))
        if file.read(SEAL_BYTES) != seal_of(self.end.hash):
            raise StateUnusable(
                f"{path} has no record of seq {self.end.seq} that ends at byte {self.end.offset}: the snapshot is "
                "ahead of the journal, or of another one. Nothing was changed. Restore the journal; or, if it is the "
                "right one, move .state.json and .state.json.bak aside to have the state rebuilt from it"
            )

    def _check_link(self, body: Mapping[str, Any], path: Path) -> None:
        """See that the first record of a file says how the file before it ended."""
        if self.torn is not None and body.get("segment") != self.torn.as_json():
            raise StateUnusable(f"{path} does not say how {self.torn.segment} ended: one was exchanged. {_WAYS_OUT}")
        self.torn = None

    def _tear(self, file: BinaryIO, path: Path, line: bytes) -> Torn:
        """
        Describe a torn last line; when anything comes after it, the damage is in the middle.

        A record that is whole but for its newline, and bytes behind it, are two lines whose newline was damaged.
        """
        digest, length, chunk = hashlib.sha256(), 0, line
        is_over = _SEAL_INSIDE.search(line) is not None
        while chunk:
            if is_over or b"\n" in chunk[:-1]:
                raise StateUnusable(
                    f"{path}, line {_line_number(path, self.end.offset)}: not the record of seq {self.end.seq + 1} "
                    f"that belongs there, and more lines follow. {_WAYS_OUT}"
                )
            is_over = chunk.endswith(b"\n")
            digest.update(chunk)
            length += len(chunk)
            chunk = file.read(_CHUNK_BYTES)
        return ended_at(self._path, self.end, torn_bytes=length, torn_sha256=digest.hexdigest())


def start_of_last_file(path: Path) -> Place:
    """
    Return where the last file of a chain that is not read from its beginning starts: the audit, at a start.

    An empty file begins a new chain, and so does a first record of seq 1. The link of a later first record is taken
    from itself here; the verifier follows it into the file before.

    Raises:
        StateUnusable: The first of several records is damaged.
    """
    current = ended_segments(path) + 1
    size = _size(path)
    if size == 0 or (size is None and current == 1):
        return Place(segment=current)
    number, name = (current, path) if size is not None else (current - 1, segment_path(path, current - 1))
    with _opened(name) as file:
        line = file.readline(RECORD_BYTES_MAX + 1)
    if own_hash(line) is None:
        return Place(segment=number)  # torn if nothing follows, damage otherwise: the reader tells
    seq, previous = _link_of(line, name)
    return Place(segment=number, seq=seq - 1, hash=previous)


def _size(path: Path) -> int | None:
    try:
        return size_of(path)
    except OSError as error:
        raise StateUnusable(f"{path} cannot be looked at: {error.strerror}. {_WAYS_OUT}") from error


def _opened(path: Path) -> BinaryIO:
    try:
        return os.fdopen(open_to_read(path), "rb")
    except OSError as error:
        raise StateUnusable(f"{path} cannot be opened: {error.strerror}. {_WAYS_OUT}") from error


def _body(line: bytes, path: Path, place: Place) -> dict[str, Any]:
    try:
        return body_of(line)
    except (ValueError, KeyError, RecursionError) as error:
        raise StateUnusable(f"{path}, seq {place.seq}: its hash is right, but it is not a record: {error}") from error


def _link_of(line: bytes, path: Path) -> tuple[int, str]:
    match = _LINK.fullmatch(line[:-SEAL_BYTES])
    if match is None:
        raise StateUnusable(f"{path}: a record has no seq and prev before its hash. {_WAYS_OUT}")
    return int(match[1]), match[2].decode("ascii")


_LINK = re.compile(rb'.*,"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})"', re.DOTALL)


def _line_number(path: Path, offset: int) -> int:
    """Count lines up to a byte; only called to name a damaged one."""
    with _opened(path) as file:
        newlines = 0
        while offset > 0 and (chunk := file.read(min(offset, _CHUNK_BYTES))):
            newlines += chunk.count(b"\n")
            offset -= len(chunk)
    return newlines + 1
