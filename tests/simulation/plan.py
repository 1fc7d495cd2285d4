"""What is going to happen in one simulated run: options, and timed disturbances that were drawn before it begins."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

DAY_MINUTES = 1440
CALM_MINUTES = 30
"""So long before the end nothing is wrong any more: by then everything must be settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """
    One thing that goes wrong, or that somebody does, from `minute` (until `until`, for what lasts).

    `salt` seeds whatever is drawn when it strikes, so that the others do not change what this one does.
    """

    kind: str
    minute: float
    until: float = 0.0
    salt: int = 0
    args: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        lasts = f"..{self.until:g}" if self.until else ""
        return f"{self.kind}@{self.minute:g}{lasts}" + (f" {json.dumps(self.args)}" if self.args else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    A run. `minutes` with disturbances are followed by `CALM_MINUTES` without.

    `changes` are made to the shipped configuration. `lag_seconds`: how late the exchange shows fills; its other lags go
    with it, and `lags_vary`: each fill has its own. `rejects_duplicates`: what it answers to an id that it knows.
    `is_signed`: the official SDK signs, and the exchange verifies; else both are cheap. `begin`: the true time of
    minute 0.
    """

    seed: int
    minutes: int
    begin: str
    profile: str
    products: int
    lag_seconds: float
    lags_vary: bool
    rejects_duplicates: bool
    is_signed: bool
    ending: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    disturbances: tuple[Disturbance, ...] = ()

    @property
    def begins_at(self) -> datetime:
        return datetime.fromisoformat(self.begin)

    @property
    def end(self) -> int:
        return self.minutes + CALM_MINUTES

    def with_only(self, disturbances: Sequence[Disturbance]) -> "Plan":
        return replace(self, disturbances=tuple(disturbances))

    def words(self) -> str:
        """Return the options as one line; the faults by name, the rest by number."""
        counts: dict[str, int] = {}
        for item in self.disturbances:
            name = str(item.args["fault"]) if item.kind in ("fault", "strike") else item.kind
            counts[name] = counts.get(name, 0) + 1
        facts = {
            "begin": self.begin,
            "profile": self.profile,
            "products": self.products,
            "lag": f"{'up to ' * self.lags_vary}{self.lag_seconds:g}",
            "duplicates": "reject" if self.rejects_duplicates else "first",
            "client": "sdk" if self.is_signed else "cheap",
            "ending": self.ending or "armed",
        }
        facts |= {path.rpartition(".")[2]: value for path, value in self.changes.items()}
        options = " ".join(f"{name}={value}" for name, value in facts.items())
        return f"{options} | " + (" ".join(f"{name}:{n}" for name, n in counts.items()) or "nothing goes wrong")


def save(plan: Plan, path: Path, *, law: str, command: str) -> None:
    """Write a plan as a regression: JSON, one disturbance a line."""
    document = asdict(plan)
    disturbances = document.pop("disturbances")
    head = json.dumps({"law": law, "command": command, **document}, indent=1)[:-2]
    lines = ",\n  ".join(json.dumps(item) for item in disturbances)
    path.write_text(f'{head},\n "disturbances": [\n  {lines}\n ]\n}}\n', "utf-8")


def load(path: Path) -> Plan:
    """Read a plan that `save` wrote."""
    document = json.loads(path.read_text("utf-8"))
    del document["law"], document["command"]
    disturbances = tuple(Disturbance(**item) for item in document.pop("disturbances"))
    return Plan(**document, disturbances=disturbances)
