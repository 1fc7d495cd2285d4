"""The lines and their chain, checked on bytes as the docstring of runner/records/chain.py promises it to a verifier."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

NO_HASH = "0" * 64
SEAL = re.compile(rb',"seq":([0-9]+),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n\Z')
HASH_BYTES = 76


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that does not hold: the line (counted from 1, over all segments), a code, and the figures."""

    line: int
    code: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.code}: {self.text}"


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    body: dict[str, Any]
    size: int


def listed(body: dict[str, Any], section: str, name: str) -> list[dict[str, Any]]:
    """Return a list inside a section of a line; lines leave out what is empty."""
    return (body.get(section) or {}).get(name) or []


def segments_of(path: Path) -> list[Path]:
    """Return the files of a chain, oldest first: `<stem>.000001.jsonl`, ..., and the file itself."""
    ended = sorted(path.parent.glob(f"{path.name.removesuffix('.jsonl')}.[0-9][0-9][0-9][0-9][0-9][0-9].jsonl"))
    return [*ended, path]


def read(path: Path) -> tuple[list[Line], list[Violation]]:
    """Return every line that is JSON, with its amounts exact, and what is wrong with the chain."""
    lines: list[Line] = []
    found: list[Violation] = []
    seq, prev, torn = 0, NO_HASH, b""
    for number, raw in enumerate(_raw_lines(segments_of(path)), 1):
        if not raw.endswith(b"\n"):
            torn = raw
            continue
        body = _parsed(raw)
        if body is None:
            found.append(Violation(number, "not_json", repr(raw[:60])))
            continue
        segment = body.get("segment") or {}
        if torn:
            found += _torn_problem(number, torn, segment)
            torn = b""
        if "begun_afresh" in segment:
            seq, prev = 0, NO_HASH
        found += _link_problems(number, raw, seq, prev)
        seal = SEAL.search(raw)
        if seal:
            seq, prev = int(seal[1]), seal[3].decode()
        lines.append(Line(number, body, len(raw)))
    if torn:
        found.append(Violation(len(lines) + 1, "torn", f"the file ends inside a line of {len(torn)} bytes"))
    return lines, found


def _raw_lines(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as stream:
            yield from stream


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw, parse_float=Decimal)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _torn_problem(number: int, torn: bytes, segment: dict[str, Any]) -> list[Violation]:
    named = (segment.get("torn_bytes"), segment.get("torn_sha256"))
    if named == (len(torn), hashlib.sha256(torn).hexdigest()):
        return []
    return [Violation(number, "torn", "the file before ends inside a line that this one does not name")]


def _link_problems(number: int, raw: bytes, seq: int, prev: str) -> list[Violation]:
    seal = SEAL.search(raw)
    if seal is None:
        return [Violation(number, "unsealed", f"the line does not end with seq, prev and hash: {raw[-90:]!r}")]
    found = []
    if int(seal[1]) != seq + 1:
        found.append(Violation(number, "seq", f"{int(seal[1])} after {seq}"))
    if seal[2].decode() != prev:
        found.append(Violation(number, "prev", f"{seal[2].decode()[:16]} does not name the line before, {prev[:16]}"))
    digest = hashlib.sha256(raw[:-HASH_BYTES]).hexdigest()
    if digest != seal[3].decode():
        found.append(Violation(number, "hash", f"written {seal[3].decode()[:16]}, the bytes give {digest[:16]}"))
    return found
