"""One minute's work: what was seen, decided and done, gathered until it becomes the audit line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from core.breakers import Observation
from core.decision import LotFacts
from core.exits import ExitBlocked, ExitDue
from core.exposure import Exposure
from core.model.ledger import Ledger
from core.model.market import ProductId, Quote
from core.model.money import ZERO
from core.model.orders import LotId
from core.model.records import Event
from core.model.signals import Features, Regime, Trigger
from core.model.verdicts import Assessment, OrderRefused, Reason
from core.ports import Clock
from core.risk.view import RiskView
from core.rules import RulesResult
from core.universe import Universe
from runner.api_health import ApiUse
from runner.reconcile import Reconciled
from runner.schedule import Tick

__all__ = ["Cycle", "Failure", "OrderNote", "Reason", "Standing", "Status"]


class Status(Enum):
    """What a cycle did. EXECUTED: at least one order was accepted."""

    EXECUTED = "EXECUTED"
    NO_TRADE = "NO_TRADE"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNote:
    """An order that was planned and not sent, and why (shadow orders of a dry run among them)."""

    product_id: ProductId
    purpose: str
    reason: str
    observed: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An unexpected exception in words, without this run's secrets."""

    kind: str
    message: str


@dataclass(slots=True, kw_only=True)
class Cycle:
    """The working record of one cycle. Stages fill it; `runner.audit_line` turns it into the line."""

    tick: Tick
    started_at: datetime
    deadline: datetime
    clock: Clock
    began: float
    reason: Reason | None = None
    error: Failure | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict)
    universe: Universe | None = None
    universe_refreshed: bool = False
    regime: Regime | None = None
    triggers: Sequence[Trigger] | None = None
    rules: RulesResult | None = None
    assessment: Assessment | None = None
    exits: Sequence[ExitDue] = ()
    blocked_exits: Sequence[ExitBlocked] = ()
    lot_facts: LotFacts | None = None
    stale_share: Decimal = ZERO
    observed: Observation | None = None
    view: RiskView | None = None
    not_sent: list[OrderNote] = field(default_factory=list)
    last_hop_refusals: list[OrderRefused] = field(default_factory=list)
    reconciled: Reconciled | None = None
    stale: Sequence[ProductId] = ()
    warming: Sequence[ProductId] = ()
    alerts: list[str] = field(default_factory=list)
    events: Sequence[Event] = ()
    features: Mapping[ProductId, Features] = field(default_factory=dict)
    quotes: dict[ProductId, Quote] = field(default_factory=dict)
    peaks: Mapping[LotId, Decimal] = field(default_factory=dict)
    unprotected_seconds: float = 0.0
    api_use: ApiUse | None = None
    facts_digest: str = ""
    total_seconds: float = 0.0

    @classmethod
    def begin(cls, tick: Tick, clock: Clock, deadline_seconds: int) -> "Cycle":
        now = clock.now()
        deadline = now + timedelta(seconds=deadline_seconds)
        return cls(tick=tick, started_at=now, deadline=deadline, clock=clock, began=clock.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether new ideas have ended: a reason stands."""
        return self.reason is not None

    @property
    def is_late(self) -> bool:
        return self.clock.now() >= self.deadline

    def end(self, reason: Reason) -> None:
        """Say why nothing more is opened; the first reason stands."""
        if self.reason is None:
            self.reason = reason

    def end_if(self, reason: Reason | None) -> None:
        if reason is not None:
            self.end(reason)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage on the clock's monotonic time."""
        began = self.clock.monotonic()
        try:
            yield
        finally:
            spent = self.clock.monotonic() - began
            self.stage_seconds[name] = self.stage_seconds.get(name, 0.0) + spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the account stands at a cycle's end; None where a price is missing (L8)."""

    ledger: Ledger
    equity: Decimal | None
    unrealised: Decimal | None
    exposure: Exposure | None
