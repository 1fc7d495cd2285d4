"""The desk: what a run works with, and what it remembers from one cycle to the next."""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from core.breakers import trading_state
from core.exits import ExitDue
from core.model.guards import DiskRoom, TradingState
from core.model.market import Product, ProductId
from core.model.orders import LotId
from core.model.portfolio import Lot
from core.model.signals import Features
from core.ports import Broker, Clock, KillCommand, KillSwitch, MarketData, Notifier, Position, RecordLog, Severity
from core.settings import ProtectionKind, Settings
from core.universe import Universe
from core.valuation import fresh_quotes
from runner.audit_line import RunFacts
from runner.audit_sections import Json
from runner.bookkeeper import Bookkeeper
from runner.cycle import Cycle
from runner.market_watch import MarketWatch
from runner.metrics import Metrics
from runner.orders.planned import Planned, Planning
from runner.reconcile import Reconciler
from runner.records.merkle import Anchor
from runner.schedule import MinuteGrid
from runner.tape.ports import ConfigDrift, Health, Lock


class OrderDesk(Protocol):
    """Who sends orders and guards lots: the executor, or in a dry run one who only notes them."""

    def close_lots(self, due: Sequence[ExitDue], planning: Planning, cycle: Cycle) -> None: ...

    def protect(self, planning: Planning, cycle: Cycle, being_sold: Collection[LotId]) -> None: ...

    def open_lots(self, planned: Sequence[Planned], planning: Planning, cycle: Cycle) -> None: ...

    def cancel_for_kill(self, command: KillCommand) -> bool:
        """Return whether everything that had to go was seen to be gone."""
        ...

    def cancel_overdue(self) -> int: ...

    def why_unguarded(self, lot: Lot) -> str | None: ...

    def take_unprotected_seconds(self) -> float: ...


class Anchors(Protocol):
    """What proves later that the audit was only continued: a heartbeat carries the latest one away."""

    def note(self, position: Position) -> None: ...

    def latest(self) -> Anchor | None: ...

    def write(self) -> None: ...


class Tape(Protocol):
    """Where it is noted what the outside told (`runner.tape`)."""

    @property
    def time(self) -> datetime:
        """The time that the loop was last told."""
        ...

    def stage(self, name: str, cycle: Cycle) -> None:
        """Mark where a stage begins."""
        ...

    def end_cycle(self, slot: int) -> str:
        """Return the digest of all that was told since the line before."""
        ...

    def turn_over(self, memory: Callable[[], Mapping[str, object]]) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class Memory:
    """
    What one cycle leaves to the next. All of it can be learnt again after a restart.

    `guard_kinds`: what kind of guard the venue takes, by product. `features` are those of the last look at the candles.
    `rules_in_doubt`: the venue refused what its rules, as we know them, allow.
    """

    universe: Universe | None = None
    catalogue: dict[ProductId, Product] = field(default_factory=dict)
    exceptions: deque[datetime] = field(default_factory=deque)
    mismatch_cycles: int = 0
    clock_at: tuple[datetime, float] | None = None
    clock_jump_seconds: float = 0.0
    kill_known: bool = False
    guard_kinds: dict[ProductId, ProtectionKind] = field(default_factory=dict)
    unguarded_known: dict[LotId, None] = field(default_factory=dict)
    features: Mapping[ProductId, Features] = field(default_factory=dict)
    rules_in_doubt: bool = False
    drift_known: bool = False
    pending_alerts: list[str] = field(default_factory=list)
    cycles_done: int = 0
    cycles_since_snapshot: int = 0

    def learn_products(self, products: Iterable[Product]) -> None:
        """Keep the venue's rules of all products, also of those that left the universe while we hold them."""
        self.catalogue = {product.product_id: product for product in products}
        self.rules_in_doubt = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """
    Everything that the stages of a cycle use. Built by the wiring; the stages build nothing.

    `redact` takes this run's secrets out of a text.
    """

    settings: Settings
    run: RunFacts
    clock: Clock
    grid: MinuteGrid
    market: MarketData
    broker: Broker
    health: Health
    book: Bookkeeper
    reconciler: Reconciler
    orders: OrderDesk
    watch: MarketWatch
    kill_switch: KillSwitch
    lock: Lock
    config_drift: ConfigDrift
    disk_room: Callable[[], DiskRoom]
    stop_reason: Callable[[], str | None]
    tape: Tape
    notifier: Notifier
    metrics: Metrics
    audit: RecordLog
    anchors: Anchors
    audit_segment: list[Json]
    save_snapshot: Callable[[], None]
    log: logging.Logger
    is_virtual: bool
    ends_at: datetime | None
    watch_until: Callable[[float], None] = lambda _moment: None
    clock_skew: Callable[[], float | None] = lambda: None
    redact: Callable[[str], str] = str
    memory: Memory = field(default_factory=Memory)

    def alert(self, code: str, key: str, severity: Severity, message: str) -> None:
        """Report a problem; its code goes into the next line that is written."""
        if self.notifier.alert(code, key, severity, message, self.clock.now()):
            self.memory.pending_alerts.append(code)

    def state(self) -> TradingState:
        """Return what may be done now: the worst of the breakers, and HALTED under the kill switch."""
        return trading_state(self.book.ledger.breakers, kill_on=self.kill_switch.read() is not None)

    def fetch_quotes(self, product_ids: list[ProductId], cycle: Cycle) -> None:
        """
        Read the present quotes into the cycle; stale ones are left out, older ones of the cycle replaced.

        Raises:
            MarketDataUnavailable
        """
        found = self.market.quotes(product_ids)
        limit = self.settings.policy.execution.max_quote_age_seconds
        usable = fresh_quotes(found, self.clock.now(), limit)
        for product_id in product_ids:
            cycle.quotes.pop(product_id, None)
            quote = usable.get(product_id)
            if quote is not None:
                cycle.quotes[product_id] = quote

    def equity_words(self) -> str:
        """Return the last mark for people, to the cent."""
        equity = self.book.ledger.equity
        return "unknown" if equity is None else f"{equity:.2f}"

    def held(self) -> list[ProductId]:
        """Return the products of our lots, and those that we sold too much of, each once."""
        ledger = self.book.ledger
        return list(dict.fromkeys([*(lot.product_id for lot in ledger.lots.values()), *ledger.oversold]))

    def recent_exceptions(self) -> tuple[datetime, ...]:
        """Return the times of the unexpected exceptions that the breaker counts or waits for, the latest last."""
        limits = self.settings.policy.circuit_breakers
        window = timedelta(seconds=max(limits.exception_window_seconds, limits.exception_recovery_seconds))
        oldest = self.clock.now() - window
        while self.memory.exceptions and self.memory.exceptions[0] < oldest:
            self.memory.exceptions.popleft()
        return tuple(self.memory.exceptions)
