"""The exchange's faults of a run: each in its own windows of time, from its own seed, or at one appointed request."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint

HIDDEN_MINUTES_MAX, HIDDEN_WITHIN_MINUTES = 2, 10
"""
In so many minutes of so many an existing order may be kept out of what is shown. An order that is hidden from every
look for longer than the time it takes to settle cannot be told from one that is absent: that the exchange does not do
this is what the proof of absence rests on (design section 7, E6 and E7 of reliability.md).
"""


@dataclass(slots=True, kw_only=True)
class Window:
    """A fault that strikes a share of the requests to some endpoints (none named: all that it can strike)."""

    fault: Fault
    probability: float
    endpoints: Sequence[Endpoint]
    draw: random.Random

    def strikes(self, endpoint: Endpoint) -> bool:
        is_meant = self.fault.applies_to(endpoint) and (not self.endpoints or endpoint in self.endpoints)
        return is_meant and self.draw.random() < self.probability


@dataclass(slots=True)
class WindowedFaults:
    """Stands in for `FaultPlan` at the exchange; `history` has every request that was struck, and its minute."""

    minutes: Callable[[], float]
    windows: list[Window] = field(default_factory=list)
    appointed: list[tuple[Fault, Endpoint]] = field(default_factory=list)
    counts: Counter[Fault] = field(default_factory=Counter)
    history: list[tuple[float, Endpoint, Fault]] = field(default_factory=list)
    is_paused: bool = False
    hidden_in: list[int] = field(default_factory=list)
    """The latest minutes in which an order was kept out of an answer."""

    def draw(self, endpoint: Endpoint) -> Fault | None:
        """Return the fault of this request, or None."""
        if self.is_paused or not (self.windows or self.appointed):
            return None
        fault = self._appointed(endpoint)
        for window in self.windows:
            if window.strikes(endpoint) and fault is None and self._is_bearable(window.fault):
                fault = window.fault
        if fault is not None:
            self.counts[fault] += 1
            self.history.append((self.minutes(), endpoint, fault))
        return fault

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.windows.clear()
        self.appointed.clear()

    def _is_bearable(self, fault: Fault) -> bool:
        """Tell whether an order may be hidden once more; every other fault may always strike."""
        if fault is not Fault.ORDER_MISSING:
            return True
        minute = int(self.minutes())
        self.hidden_in = [one for one in self.hidden_in if one > minute - HIDDEN_WITHIN_MINUTES]
        if minute not in self.hidden_in:
            if len(self.hidden_in) >= HIDDEN_MINUTES_MAX:
                return False
            self.hidden_in.append(minute)
        return True

    def _appointed(self, endpoint: Endpoint) -> Fault | None:
        for item in self.appointed:
            if item[1] is endpoint:
                self.appointed.remove(item)
                return item[0]
        return None
