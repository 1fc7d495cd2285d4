"""
Read single members of audit lines, without parsing the rest of them: several times faster than a whole line.

A line is canonical JSON, and the members read here have names that the schema uses once, so `,"name":` is found in one
place only: inside a string every quote is escaped. A test holds both against the schema and against whole lines.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.audit.chain import OnProgress, OpenedChain

MEMBERS = (
    "config_hash",
    "code_hash",
    "error",
    "execution",
    "missed_slots",
    "mode",
    "no_trade_reason",
    "pnl",
    "portfolio",
    "proposals",
    "risk",
    "run_id",
    "slot",
    "stage_latencies",
    "status",
    "timestamp",
    "universe",
    "venue",
)
"""The members that may be asked for; `alerts`, the first one of a line, too."""

TIME_LENGTH = len("2026-01-05T00:00:00")
_LINE_BYTES_MAX = 1 << 20
_PROGRESS_LINES = 4096
_KEYS = {name: f',"{name}":' for name in MEMBERS}
_value_at = json.JSONDecoder().raw_decode


class Members:
    """The members of one line."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def get(self, name: str) -> Any:
        """
        Return the value of a member of MEMBERS.

        Raises:
            ValueError: It is not there.
        """
        key = _KEYS[name]
        place = self.text.rfind(key)
        if place < 0:
            raise ValueError(f"there is no {name}")
        return _value_at(self.text, place + len(key))[0]

    def word(self, name: str) -> str | None:
        """Return a member that is text without escapes, or null: faster."""
        key = _KEYS[name]
        start = self.text.rfind(key) + len(key)
        if start < len(key):
            raise ValueError(f"there is no {name}")
        if self.text[start] != '"':
            return None
        return self.text[start + 1 : self.text.index('"', start + 1)]

    def is_null(self, name: str) -> bool:
        return f"{_KEYS[name]}null" in self.text

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
