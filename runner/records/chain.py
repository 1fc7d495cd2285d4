"""
The record format that journal and audit share.

A record is one line: `{<members of the body>,"seq":N,"prev":"<64 hex>","hash":"<64 hex>"}` and a newline. The body is
canonical JSON (keys sorted, no blanks, ASCII, no NaN). `seq` rises by one. `hash` is the SHA-256 of the line's bytes
from `{` up to, not including, `,"hash"`; `prev` is the `hash` before it, 64 zeros for the first record. A verifier thus
checks bytes: it cuts off the last 76 (newline included), hashes the rest and never serialises anything again.

A chain runs through one or more files: `<stem>.000001.jsonl`, `<stem>.000002.jsonl`, ... and at last `<stem>.jsonl`.
A file ends when it is full, or when a crash tore its last line (D6 in reliability.md): it is renamed, never edited, and
the first record of the next file carries `segment`, which says where the valid part ended and what the torn rest was
(0 bytes when nothing was torn).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from core.errors import RecordNotDurable

RECORD_BYTES_MAX = 1 << 20
NO_HASH = "0" * 64
RESERVED = ("seq", "prev", "hash")
SEGMENT_KIND = "SEGMENT"
"""The kind of the journal's record that begins a file after another one; it is no event."""

SEAL_BYTES = len(f',"hash":"{NO_HASH}"}}\n')
"""The end of every line: 76 bytes, newline included."""

_to_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The end of a record: the number that its file has or will get, the byte after it, its `seq` and `hash`."""

    segment: int = 1
    offset: int = 0
    seq: int = 0
    hash: str = NO_HASH


START = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """A file that has ended: its valid part, and what was left over (`torn_bytes` 0: it was ended in order)."""

    segment: str
    valid_bytes: int
    last_seq: int
    last_hash: str
    torn_bytes: int
    torn_sha256: str

    def as_json(self) -> dict[str, object]:
        """Return the value of `segment` in the first record of the next file."""
        return asdict(self)


class Record(NamedTuple):
    """One verified record: its body (without seq, prev and hash) and the place after it."""

    body: dict[str, Any]
    place: Place


def seal(body: Mapping[str, object], after: Place) -> tuple[bytes, Place]:
    """
    Return the line of the record that follows `after`, and the place after it.

    Raises:
        RecordNotDurable: The body cannot be written as a record: not JSON, a reserved key, too long.
    """
    if not body or any(key in body for key in RESERVED):
        raise RecordNotDurable(f"a record's body must have members, and none of {', '.join(RESERVED)}")
    try:
        text = _to_json(body)
    except (TypeError, ValueError) as error:
        raise RecordNotDurable(f"a record's body is not JSON: {error}") from error
    sealed = f'{text[:-1]},"seq":{after.seq + 1},"prev":"{after.hash}"'.encode("ascii")
    digest = hashlib.sha256(sealed).hexdigest()
    line = sealed + seal_of(digest)
    if len(line) > RECORD_BYTES_MAX:
        raise RecordNotDurable(f"a record of {len(line)} bytes is longer than {RECORD_BYTES_MAX}")
    return line, Place(segment=after.segment, offset=after.offset + len(line), seq=after.seq + 1, hash=digest)


def seal_of(digest: str) -> bytes:
    """Return the bytes that end the line of a record with this hash."""
    return f',"hash":"{digest}"}}\n'.encode("ascii")


def own_hash(line: bytes) -> str | None:
    """Return a line's hash if it ends with the right one, else None."""
    digest = hashlib.sha256(line[:-SEAL_BYTES]).hexdigest()
    return digest if line[-SEAL_BYTES:] == seal_of(digest) else None


def follow(line: bytes, after: Place) -> Place | None:
    """Return the place after a line if it is the record that follows `after`, else None."""
    digest = own_hash(line)
    link = f',"seq":{after.seq + 1},"prev":"{after.hash}"'.encode("ascii")
    if digest is None or not line.endswith(link, 0, len(line) - SEAL_BYTES):
        return None
    return Place(segment=after.segment, offset=after.offset + len(line), seq=after.seq + 1, hash=digest)


def body_of(line: bytes) -> dict[str, Any]:
    """
    Return the body of a verified line.

    Raises:
        ValueError: Not a JSON object (then it was sealed by something else than this program).
    """
    body = json.loads(line)
    if not isinstance(body, dict):
        raise ValueError("a record must be a JSON object")
    for key in RESERVED:
        del body[key]
    return body
