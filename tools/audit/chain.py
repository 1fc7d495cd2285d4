"""
Read a chain through all its files and check every byte of it, without stopping at the first damage.

The reader of the bot (`runner.records.reader`) halts where this one reports and goes on. After a damaged line it goes
by what the line says of itself, so a damage is one finding, and one more where it breaks the next line's link. What is
read is what was there when the chain was opened: a loop may go on writing. Memory does not grow with the log.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from core.errors import StateUnusable
from runner.records.chain import NO_HASH, RECORD_BYTES_MAX, SEAL_BYTES, Torn, seal_of
from runner.records.merkle import Tree
from runner.records.reader import ended_segments, segment_path
from tools.audit.findings import At, Findings

OnProgress = Callable[[int], None]
OnRecord = Callable[[Tree], None]

_CHUNK_BYTES = 1 << 16
_PROGRESS_LINES = 4096
_OPENINGS_MAX = 5
_SEAL = re.compile(rb',"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n\Z')
_SEAL_INSIDE = re.compile(rb',"hash":"[0-9a-f]{64}"\}.', re.DOTALL)


class Unreadable(Exception):
    """A file cannot be read at all; the message names it and says what to do."""


class Line(NamedTuple):
    """One line of a chain. Only a sound one may be believed: its bytes and its link to the line before are right."""

    file: Path
    number: int
    raw: bytes
    seq: int
    hash: str
    is_sound: bool

    def body(self) -> dict[str, Any] | None:
        """Return the line's members; None when it is no JSON object."""
        return json_object(self.raw)


class OpenedChain:
    """The files of a chain. The last one is held open and read up to its present size."""

    def __init__(self, path: Path) -> None:
        """
        Find the files; `path` is the one that is written to.

        Raises:
            Unreadable: They cannot be listed or opened.
        """
        self.path = path
        self._last: BinaryIO | None = None
        for _ in range(_OPENINGS_MAX):
            self.close()
            self._ended = _ended(path)
            self._last = _opened(path)
            if self._ended == _ended(path):
                break  # else the last file has just ended: look again
        self.last_size = 0 if self._last is None else os.fstat(self._last.fileno()).st_size
        self.size = self.last_size + sum(_size(segment_path(path, n + 1)) for n in range(self._ended))

    @property
    def is_there(self) -> bool:
        return self._ended > 0 or self._last is not None

    def files(self) -> Iterator[tuple[Path, BinaryIO | None, int]]:
        """Yield name, stream and size of each file, oldest first; no stream for one that is missing."""
        for number in range(1, self._ended + 1):
            name = segment_path(self.path, number)
            file = _opened(name)
            yield name, file, _size(name)
            if file is not None:
                file.close()
        if self._last is not None:
            yield self.path, self._last, self.last_size

    def close(self) -> None:
        if self._last is not None:
            self._last.close()
            self._last = None


class ChainCheck:
    """
    Iterate over the lines of a chain; what is wrong with it goes to `findings`.

    `records`, `bytes`: how much was read. `seq`, `hash`: of the last record. `open_bytes`: what came after it, a line
    that is being written or was torn by a crash and will be named by the next start. `is_afresh`: somebody emptied it,
    and a new chain began. `tree` grows with each sound record where one is set, and is shown to `on_record`.
    """

    def __init__(self, chain: OpenedChain, findings: Findings, advance: OnProgress = lambda _bytes: None) -> None:
        self.records = self.bytes = self.seq = self.open_bytes = 0
        self.hash = NO_HASH
        self.tree: Tree | None = None
        self.on_record: OnRecord | None = None
        self.is_afresh = False
        self._chain = chain
        self._findings = findings
        self._advance = advance
        self._torn: Torn | None = None
        self._follows_gap = False

    def __iter__(self) -> Iterator[Line]:
        for path, file, size in self._chain.files():
            if file is None:
                self._at(path, 0).report("file_missing", "later files of its chain are there", "the file")
                self._follows_gap = True
            else:
                yield from self._lines_of(path, file, size)

    def run(self) -> None:
        """Check all lines, for the findings alone."""
        for _ in self:
            pass

    def _lines_of(self, path: Path, file: BinaryIO, size: int) -> Iterator[Line]:
        number = offset = 0
        bytes_before = self.bytes
        while raw := file.readline(min(RECORD_BYTES_MAX + 1, size - offset)):
            number += 1
            offset += len(raw)
            digest = hashlib.sha256(raw[:-SEAL_BYTES]).hexdigest()
            link = f',"seq":{self.seq + 1},"prev":"{self.hash}","hash":"{digest}"}}\n'.encode("ascii")
            is_next = raw.endswith(link)
            if not is_next and offset == size and not raw.endswith(seal_of(digest)):
                self._end_inside(path, number, raw, offset)
                return
            if number == 1:
                is_next = self._begin_file(path, raw, digest, is_next=is_next)
            if not is_next and not raw.endswith(b"\n"):
                offset += _skip_line(file, size - offset)
            self.bytes = bytes_before + offset
            if is_next:
                self._count(digest)
                yield Line(path, number, raw, self.seq, digest, is_sound=True)
            else:
                self._report(path, number, raw, digest)
                yield Line(path, number, raw, self.seq, self.hash, is_sound=False)
            if not number % _PROGRESS_LINES:
                self._advance(self.bytes)
        self._advance(self.bytes)
        if path != self._chain.path:
            self._torn = self._ended(path, offset, b"")

    def _count(self, digest: str) -> None:
        self.seq += 1
        self.hash = digest
        self.records += 1
        if self.tree is not None:
            self.tree.add(digest)
            if self.on_record is not None:
                self.on_record(self.tree)

    def _begin_file(self, path: Path, raw: bytes, digest: str, *, is_next: bool) -> bool:
        """Hold the first line of a file against how the one before ended; return whether it is the next record."""
        segment = (json_object(raw) or {}).get("segment")
        named = segment if isinstance(segment, dict) else {}
        torn, self._torn = self._torn, None
        follows_gap, self._follows_gap = self._follows_gap, False
        begins = raw.endswith(b',"seq":1,"prev":"%b"%b' % (NO_HASH.encode("ascii"), seal_of(digest)))
        if begins and "begun_afresh" in named:
            self._findings.note(f"{path}: a new chain begins here: {named['begun_afresh']}")
            self.is_afresh = True
            self.seq, self.hash = 0, NO_HASH
            self.tree = None if self.tree is None else Tree()
            return True
        must_say = torn is not None and (torn.torn_bytes or segment is not None)
        if torn is not None and must_say and named != torn.as_json() and not follows_gap:
            expected = f"seq {torn.last_seq} at byte {torn.valid_bytes}, then {torn.torn_bytes} torn bytes"
            self._at(path, 1).report("segment", f"it does not say how {torn.segment} ended: {segment}", expected)
        return is_next

    def _end_inside(self, path: Path, number: int, raw: bytes, offset: int) -> None:
        """Judge a last line that is no whole record: torn by a crash, being written, or damaged."""
        self.bytes += len(raw)
        if path != self._chain.path:
            self._torn = self._ended(path, offset - len(raw), raw)
        elif raw.endswith(b"\n") or _SEAL_INSIDE.search(raw) or len(raw) > RECORD_BYTES_MAX:
            self._at(path, number, self.seq + 1).report(
                "last_record", f"{len(raw)} bytes that are no record", "a whole record, or the beginning of one"
            )
        else:
            self.open_bytes = len(raw)

    def _ended(self, path: Path, valid_bytes: int, torn: bytes) -> Torn:
        """Describe an ended file, as the first record of the next one must."""
        return Torn(
            segment=path.name,
            valid_bytes=valid_bytes,
            last_seq=self.seq,
            last_hash=self.hash,
            torn_bytes=len(torn),
            torn_sha256=hashlib.sha256(torn).hexdigest(),
        )

    def _report(self, path: Path, number: int, raw: bytes, digest: str) -> None:
        """Say what is wrong with a line, and go by what it says of itself."""
        seal, expected = _SEAL.search(raw), f"seq {self.seq + 1} after {self.hash[:16]}"
        if seal is None:
            self._at(path, number, self.seq + 1).report("unsealed", "no seq, prev and hash at the line's end", expected)
            return
        seq, prev, written = int(seal[1]), seal[2].decode(), seal[3].decode()
        at = self._at(path, number, seq)
        if written != digest:
            at.report("hash", f"the line's bytes hash to {digest[:16]}", f"{written[:16]}, as it says")
        elif seq != self.seq + 1:
            at.report("seq", f"seq {seq} after {prev[:16]}", expected)
        else:
            at.report("prev", f"it follows {prev[:16]}", expected)
        self.seq, self.hash = seq, written

    def _at(self, path: Path, line: int, seq: int | None = None) -> At:
        return At(findings=self._findings, file=path, line=line, seq=seq)


def json_object(raw: bytes) -> dict[str, Any] | None:
    """Return a line's members; None when it is no JSON object."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _skip_line(file: BinaryIO, rest: int) -> int:
    skipped = 0
    while skipped < rest and (chunk := file.readline(min(_CHUNK_BYTES, rest - skipped))):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _ended(path: Path) -> int:
    try:
        return ended_segments(path)
    except StateUnusable as error:
        raise Unreadable(str(error).partition(". Nothing")[0]) from error


def _opened(path: Path) -> BinaryIO | None:
    """Open a regular file; None when it is not there."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable(f"{path} is not a regular file; name the directory that the bot writes to")
        return path.open("rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; run this as the user that the bot runs as"
        ) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
