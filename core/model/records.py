"""
Journal events: everything that changed our state, in the order in which it happened.

The ledger is the fold of these (L11). `kind` is the word in the journal file and is never renamed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from core.model.guards import Breaker, BreakerState
from core.model.orders import ClientOrderId, Fill, LotId, Order, OrderId, OrderStatus, Outcome
from core.model.portfolio import ExitPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A process began to trade. Mode, account and venue must match the directory's (design 5)."""

    kind: ClassVar[str] = "RUN"
    at: datetime
    run_id: str
    mode: str
    account: str
    venue: str
    config_hash: str
    app_hash: str
    code_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopped:
    """A process ended in an orderly way; no cycle is open."""

    kind: ClassVar[str] = "STOP"
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleStarted:
    """A slot was taken; it is never used again."""

    kind: ClassVar[str] = "TICK"
    at: datetime
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """
    Equity at the end of a cycle (None when it could not be computed), and new peaks of lots.

    Feeds day, week and high-water mark.
    """

    kind: ClassVar[str] = "MARK"
    at: datetime
    slot: int
    equity: Decimal | None
    peaks: Mapping[LotId, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """Money paid in (+) or out (-) that is not trading: the first deposit of a paper account is one."""

    kind: ClassVar[str] = "CASH"
    at: datetime
    currency: str
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """We are about to send this order (L2). `plan` is set for entries; `reason` says why it exists."""

    kind: ClassVar[str] = "INTENT"
    at: datetime
    slot: int
    order: Order
    plan: ExitPlan | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The next byte goes to the wire. Not synced: after a process kill its absence proves nothing was sent."""

    kind: ClassVar[str] = "SENT"
    at: datetime
    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeKnown:
    """What became of an intent; `reason` is the exchange's code for a rejection, else ""."""

    kind: ClassVar[str] = "OUTCOME"
    at: datetime
    client_order_id: ClientOrderId
    outcome: Outcome
    order_id: OrderId | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """An UNKNOWN order was searched for and not found."""

    kind: ClassVar[str] = "LOOKUP"
    at: datetime
    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBooked:
    """One execution. A repeated `fill_id` changes nothing (L10)."""

    kind: ClassVar[str] = "FILL"
    at: datetime
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    kind: ClassVar[str] = "CANCEL"
    at: datetime
    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderClosed:
    """The exchange says the order is over; all its fills are booked."""

    kind: ClassVar[str] = "CLOSED"
    at: datetime
    client_order_id: ClientOrderId
    status: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged:
    """A breaker tripped or recovered."""

    kind: ClassVar[str] = "STATE"
    at: datetime
    breaker: Breaker
    state: BreakerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something that a start found and got over, and that the records must tell: a damaged file, an emergency."""

    kind: ClassVar[str] = "NOTE"
    at: datetime
    code: str
    text: str


Event = (
    RunStarted
    | RunStopped
    | CycleStarted
    | Marked
    | CashFlow
    | Intent
    | Sent
    | OutcomeKnown
    | LookedUp
    | FillBooked
    | CancelRequested
    | OrderClosed
    | BreakerChanged
    | Noted
)

EVENT_TYPES: Mapping[str, type[Event]] = {
    event_type.kind: event_type
    for event_type in (
        RunStarted,
        RunStopped,
        CycleStarted,
        Marked,
        CashFlow,
        Intent,
        Sent,
        OutcomeKnown,
        LookedUp,
        FillBooked,
        CancelRequested,
        OrderClosed,
        BreakerChanged,
        Noted,
    )
}
