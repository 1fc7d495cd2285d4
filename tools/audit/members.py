"""
Read single members of audit lines, without parsing the rest of them: several times faster than a whole line.

A line is canonical JSON. A member that is an object is found by `,"name":{`, one that is text by `,"name":"`: inside a
string every quote is escaped, and no other object or text in a line has such a name (stages, metrics and codes that
are called `risk` or `execution` are keys of numbers). Tests hold this against the schema and against whole lines.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.audit.chain import OnProgress, OpenedChain

OBJECTS = ("error", "execution", "pnl", "portfolio", "proposals", "risk", "stage_latencies", "universe")
WORDS = ("code_hash", "config_hash", "mode", "no_trade_reason", "run_id", "status", "timestamp", "venue")

TIME_LENGTH = len("2026-01-05T00:00:00")
_LINE_BYTES_MAX = 1 << 20
_PROGRESS_LINES = 4096
_OBJECTS = {name: f',"{name}":{{' for name in OBJECTS}
_WORDS = {name: f',"{name}":"' for name in WORDS}
_MISSED = ',"missed_slots":'
_value_at = json.JSONDecoder().raw_decode


class Members:
    """The members of one line."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def part(self, name: str) -> dict[str, Any]:
        """Return a member of OBJECTS; an empty one for null."""
        key = _OBJECTS[name]
        place = self.text.find(key)
        found: dict[str, Any] = {} if place < 0 else _value_at(self.text, place + len(key) - 1)[0]
        return found

    def word(self, name: str) -> str | None:
        """Return a member of WORDS, which is text without escapes, or null."""
        key = _WORDS[name]
        place = self.text.rfind(key)
        return None if place < 0 else self.text[place + len(key) : self.text.index('"', place + len(key))]

    def missed_slots(self) -> int:
        place = self.text.rfind(_MISSED) + len(_MISSED)
        found: int = _value_at(self.text, place)[0]
        return found

    def alerts(self) -> list[str]:
        if self.text.startswith('{"alerts":[],'):
            return []
        alerts: list[str] = _value_at(self.text, len('{"alerts":'))[0]
        return alerts

    def time(self) -> str:
        """Return the start of the cycle to the second, `2026-01-05T00:00:00`: as text it sorts."""
        return (self.word("timestamp") or "")[:TIME_LENGTH]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which lines: from `since` until before `until` (as `Members.time`), of the runs whose id begins so."""

    since: str = ""
    until: str = ""
    run: str = ""

    def includes(self, line: Members) -> bool:
        time = line.time() if self.since or self.until else ""
        if time < self.since or (self.until and time >= self.until):
            return False
        return not self.run or (line.word("run_id") or "").startswith(self.run)


class LineReader:
    """Iterate over the lines of an audit that were asked for; `strange` counts what is no audit line."""

    def __init__(self, chain: OpenedChain, asked: Asked, advance: OnProgress) -> None:
        self.strange = 0
        self.before: Members | None = None
        self._chain = chain
        self._asked = asked
        self._advance = advance

    def __iter__(self) -> Iterator[Members]:
        """Yield each line asked for; `before` is the last one before the first of them."""
        has_begun, done = False, 0
        for number, raw in enumerate(self._lines(), 1):
            done += len(raw)
            if not number % _PROGRESS_LINES:
                self._advance(done)
            line = _line(raw)
            if line is None:
                self.strange += 1
            elif self._asked.includes(line):
                has_begun = True
                yield line
            elif not has_begun:
                self.before = line

    def _lines(self) -> Iterator[bytes]:
        """Yield lines that end; what a crash tore, or is being written, is not one."""
        for _, file, size in self._chain.files():
            left = size if file is not None else 0
            while file is not None and (raw := file.readline(min(_LINE_BYTES_MAX, left))):
                left -= len(raw)
                if left or raw.endswith(b"\n"):
                    yield raw


def _line(raw: bytes) -> Members | None:
    try:
        line = Members(raw.decode("ascii"))
        return line if line.text.startswith('{"alerts":[') and line.word("timestamp") else None
    except ValueError:
        return None
