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
    """The journal's records, read on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = 0
        self._read_bytes = 0
        self.intents: dict[str, Written] = {}
        self.fills: dict[str, dict[str, Any]] = {}
        self.fills_repeated: list[str] = []
        self.coins: dict[str, Decimal] = {}
        self.kinds: Counter[str] = Counter()
        self.breakers: list[dict[str, Any]] = []

    def read_on(self) -> None:
        """Take in what was appended since, through all files; a line without its end is left for the next time."""
        files = segments_of(self._path)
        for number in range(self._file, len(files)):
            if number != self._file:
                self._file, self._read_bytes = number, 0
            if files[number].exists():
                self._read(files[number])

    def _read(self, path: Path) -> None:
        with path.open("rb") as stream:
            stream.seek(self._read_bytes)
            for raw in stream:
                if not raw.endswith(b"\n"):
                    return
                self._read_bytes += len(raw)
                self._take(json.loads(raw))

    def _take(self, record: dict[str, Any]) -> None:
        kind = record["kind"]
        self.kinds[kind] += 1
        if kind == "INTENT":
            written = Written(record["order"], datetime.fromisoformat(record["at"]))
            self.intents[written.client_order_id] = written
        elif kind == "OUTCOME":
            self.intents[record["client_order_id"]].outcomes.append(record["outcome"])
        elif kind == "CLOSED":
            self.intents[record["client_order_id"]].closed_as = record["status"]
        elif kind == "FILL":
            self._book(record["fill"])
        elif kind == "STATE":
            self.breakers.append(record)

    def _book(self, fill: dict[str, Any]) -> None:
        if fill["fill_id"] in self.fills:
            self.fills_repeated.append(fill["fill_id"])
            return
        self.fills[fill["fill_id"]] = fill
        base = str(fill["product_id"]).partition("-")[0]
        size = Decimal(fill["size"])
        self.intents[fill["client_order_id"]].filled += size
        self.coins[base] = self.coins.get(base, Decimal(0)) + (size if fill["side"] == "BUY" else -size)
