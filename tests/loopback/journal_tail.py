"""What the bot has written down so far: its journal, read from outside while it runs, in JSON and nothing of ours."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.independent_checker.record_lines import segments_of

UNRESOLVED = (None, "UNKNOWN")


@dataclass(slots=True)
class Written:
    """One intent and what became of it, as far as it is written."""

    order: dict[str, Any]
    at: datetime
    slot: int
    outcomes: list[str] = field(default_factory=list)
    closed_as: str | None = None
    filled: Decimal = Decimal(0)

    @property
    def client_order_id(self) -> str:
        return str(self.order["client_order_id"])

    @property
    def base(self) -> str:
        return str(self.order["product_id"]).partition("-")[0]

    @property
    def is_unresolved(self) -> bool:
        """Tell whether nobody knows yet whether there is such an order."""
        return (self.outcomes[-1] if self.outcomes else None) in UNRESOLVED

    @property
    def is_open(self) -> bool:
        """Tell whether the bot may take it for alive."""
        return self.closed_as is None and (self.is_unresolved or self.outcomes[-1] == "ACCEPTED")

    @property
    def may_sell(self) -> Decimal:
        """Return how much the bot believes that this order still offers at the exchange; 0 for a buy."""
        is_offered = self.order["side"] == "SELL" and self.is_open and not self.is_unresolved
        return Decimal(self.order["size"]) - self.filled if is_offered else Decimal(0)


class JournalTail:
    """
    The journal's records, read on from where the last look ended.

    It is read anew from its first file when the last one is another than it was, or shorter: the bot began a new one,
    or a power loss took what was not synced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin()

    def _begin(self) -> None:
        self._file = 0
        self._read_bytes = 0
        self.intents: dict[str, Written] = {}
        self.intent_ends_at = 0
        """Where in the last file the record of the last intent ends."""
        self.alive: dict[str, Written] = {}
        """Those of the intents that may still be open."""
        self.fills: dict[str, dict[str, Any]] = {}
        self.fills_repeated: list[str] = []
        self.coins: dict[str, Decimal] = {}
        self.lots: dict[str, tuple[str, Decimal]] = {}
        """What is left of each lot, and of which coin."""
        self.kinds: Counter[str] = Counter()
        self.breakers: list[dict[str, Any]] = []
        self.tripped: dict[str, dict[str, Any]] = {}
        """The state of each breaker that is tripped now."""
        self.slots: dict[int, None] = {}
        self.cancels: dict[str, None] = {}

    def read_on(self) -> None:
        """Take in what was appended since; a line without its end is left for the next time."""
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return
        if facts.st_ino == self._file and facts.st_size == self._read_bytes:
            return
        if facts.st_ino != self._file or facts.st_size < self._read_bytes:
            self._begin()
            self._file = facts.st_ino
            for ended in segments_of(self._path)[:-1]:
                self._read(ended, 0)
            self.intent_ends_at = 0
        self._read_bytes = self._read(self._path, self._read_bytes)

    def _read(self, path: Path, begin: int) -> int:
        """Take in the whole lines of a file from an offset; return where they end. A damaged one ends it."""
        with path.open("rb") as stream:
            stream.seek(begin)
            for raw in stream:
                if not raw.endswith(b"\n"):
                    return begin
                try:
                    record = json.loads(raw)
                except ValueError:
                    return begin
                begin += len(raw)
                self._take(record)
                if record["kind"] == "INTENT":
                    self.intent_ends_at = begin
        return begin

    def _take(self, record: dict[str, Any]) -> None:
        kind = record["kind"]
        self.kinds[kind] += 1
        if kind == "INTENT":
            written = Written(record["order"], datetime.fromisoformat(record["at"]), record["slot"])
            self.intents[written.client_order_id] = self.alive[written.client_order_id] = written
        elif kind == "OUTCOME":
            written = self.intents[record["client_order_id"]]
            written.outcomes.append(record["outcome"])
            if not written.is_open:
                self.alive.pop(written.client_order_id, None)
        elif kind == "CLOSED":
            self.intents[record["client_order_id"]].closed_as = record["status"]
            self.alive.pop(record["client_order_id"], None)
        elif kind == "FILL":
            self._book(record["fill"])
        elif kind == "STATE":
            self._change(record)
        elif kind == "CANCEL":
            self.cancels[record["client_order_id"]] = None
        elif kind == "TICK":
            self.slots[record["slot"]] = None

    def _change(self, record: dict[str, Any]) -> None:
        self.breakers.append(record)
        if record["state"]["tripped"]:
            self.tripped[record["breaker"]] = record["state"]
        else:
            self.tripped.pop(record["breaker"], None)

    def _book(self, fill: dict[str, Any]) -> None:
        if fill["fill_id"] in self.fills:
            self.fills_repeated.append(fill["fill_id"])
            return
        self.fills[fill["fill_id"]] = fill
        base = str(fill["product_id"]).partition("-")[0]
        size = Decimal(fill["size"])
        written = self.intents[fill["client_order_id"]]
        written.filled += size
        moved = size if fill["side"] == "BUY" else -size
        self.coins[base] = self.coins.get(base, Decimal(0)) + moved
        lot = str(written.order["lot_id"])
        self.lots[lot] = base, self.lots.get(lot, (base, Decimal(0)))[1] + moved
        if not self.lots[lot][1]:
            del self.lots[lot]

    def dust(self, base: str, size_max: Decimal) -> Decimal:
        """Return how much of a coin is in lots of at most this size each."""
        sizes = (size for name, size in self.lots.values() if name == base)
        return sum((size for size in sizes if 0 < size <= size_max), Decimal(0))
