"""
The audit line: one cycle as a person or jq reads it (design 5; schema in config/schemas/audit.schema.json).

Amounts that accounting uses are decimal strings; percentages, scores and latencies are numbers. Orders and fills are
read off the journal events of the cycle, so that line and journal cannot tell two stories.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.breakers import blocking
from core.model.guards import TradingState
from core.model.ledger import Ledger
from core.model.money import plain
from core.model.orders import Outcome
from core.model.portfolio import Lot
from core.model.records import CashFlow, Event, Intent, OutcomeKnown
from core.performance import daily_fraction, drawdown_fraction, weekly_fraction
from core.ports import Position
from runner.audit_orders import execution_section
from runner.audit_sections import (
    Json,
    api_section,
    blocked_exit,
    due_exit,
    proposals_section,
    protection_section,
    risk_section,
    triggers_section,
    universe_section,
    utc,
)
from runner.cycle import Cycle, Failure, Reason, Standing, Status
from runner.reconcile import Reconciled
from runner.schedule import Tick

AUDIT_NAME = "247trader-v2_audit.jsonl"

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is the same in every line of a run."""

    run_id: str
    mode: str
    venue: str
    config_hash: str
    code_hash: str


def status_of(cycle: Cycle) -> Status:
    """Return ERROR after an unexpected exception, EXECUTED when an order of this cycle was accepted, else NO_TRADE."""
    if cycle.error is not None:
        return Status.ERROR
    return Status.EXECUTED if has_traded(cycle.events) else Status.NO_TRADE


def has_traded(events: Sequence[Event]) -> bool:
    """
    Tell whether an order that was intended in these events was accepted in them.

    An order of an earlier cycle that turns out to have been accepted is a finding, not a trade of this one.
    """
    own = {event.order.client_order_id for event in events if isinstance(event, Intent)}
    return any(
        isinstance(event, OutcomeKnown) and event.outcome is Outcome.ACCEPTED and event.client_order_id in own
        for event in events
    )


def audit_line(
    cycle: Cycle,
    run: RunFacts,
    standing: Standing,
    *,
    trading_state: TradingState,
    metrics: Json,
    journal: Position | None,
    segment: Json | None,
) -> Json:
    """Return the body of one line; the record file adds `seq`, `prev` and `hash`."""
    status = status_of(cycle)
    tripped = [breaker.value for breaker in blocking(standing.ledger.breakers)]
    return {
        **_head(cycle.tick, cycle.started_at, run),
        "status": status.value,
        "no_trade_reason": None if status is Status.EXECUTED or cycle.reason is None else cycle.reason.value,
        "error": None if cycle.error is None else _error(cycle.error),
        "stage_latencies": _latencies(cycle),
        "universe": None
        if cycle.universe is None
        else universe_section(cycle.universe, refreshed=cycle.universe_refreshed),
        "regime": None if cycle.regime is None else cycle.regime.value,
        "triggers": None if cycle.triggers is None else triggers_section(cycle.triggers),
        "proposals": proposals_section(cycle),
        "risk": risk_section(cycle),
        "execution": execution_section(cycle.events, cycle.not_sent, standing.ledger),
        "exits": [*map(due_exit, cycle.exits), *map(blocked_exit, cycle.blocked_exits)],
        "protection": protection_section(standing.ledger, cycle.exits),
        "unprotected_seconds": round(cycle.unprotected_seconds, 3),
        "api": api_section(cycle.api_use),
        "reconcile": _reconcile(cycle.reconciled, cycle.events, standing.ledger),
        "portfolio": _portfolio(cycle.events, standing),
        "pnl": _pnl(standing, cycle.started_at),
        "circuit_breaker_tripped": bool(tripped),
        "breakers": tripped,
        "trading_state": trading_state.name,
        "alerts": list(cycle.alerts),
        "metrics": metrics,
        "facts_digest": cycle.facts_digest,
        "journal_seq": None if journal is None else journal.seq,
        "journal_hash": None if journal is None else journal.hash[:16],
        "segment": segment,
    }


def interrupted_line(
    tick: Tick,
    run: RunFacts,
    ledger: Ledger,
    events: Sequence[Event],
    *,
    journal: Position | None,
    segment: Json | None,
) -> Json:
    """
    Return the line that closes a cycle which a crash cut off (L1).

    `run` is the run that was cut off, `events` what its journal kept of the cycle. It says nothing that is not known.
    """
    tripped = [breaker.value for breaker in blocking(ledger.breakers)]
    unreached = ("universe", "regime", "triggers", "proposals", "risk", "metrics")
    unmeasured = ("unprotected_seconds", "api")
    standing = Standing(ledger=ledger, equity=None, unrealised=None, exposure=None)
    return {
        **_head(tick, tick.starts_at, run),
        "status": Status.ERROR.value,
        "no_trade_reason": Reason.INTERRUPTED.value,
        "error": {"type": "Interrupted", "message": "the process ended inside this cycle; closed at the next start"},
        "stage_latencies": {},
        **dict.fromkeys((*unreached, *unmeasured)),
        "execution": execution_section(events, (), ledger),
        "exits": [],
        "protection": protection_section(ledger, ()),
        "reconcile": _reconcile(None, events, ledger),
        "portfolio": _portfolio(events, standing),
        "pnl": _pnl(standing, tick.starts_at),
        "circuit_breaker_tripped": bool(tripped),
        "breakers": tripped,
        "trading_state": None,
        "alerts": [],
        "facts_digest": None,
        "journal_seq": None if journal is None else journal.seq,
        "journal_hash": None if journal is None else journal.hash[:16],
        "segment": segment,
    }


def _head(tick: Tick, started_at: datetime, run: RunFacts) -> Json:
    return {
        "schema": SCHEMA_VERSION,
        "run_id": run.run_id,
        "slot": tick.slot,
        "timestamp": utc(started_at),
        "mode": run.mode,
        "venue": run.venue,
        "config_hash": run.config_hash,
        "code_hash": run.code_hash,
        "missed_slots": tick.missed_slots,
    }


def _error(error: Failure) -> Json:
    return {"type": error.kind, "message": error.message[:300]}


def _latencies(cycle: Cycle) -> dict[str, float]:
    """Return seconds by stage; one that took less than a tenth of a millisecond is left out."""
    rounded = {name: round(seconds, 4) for name, seconds in cycle.stage_seconds.items()}
    return {name: seconds for name, seconds in rounded.items() if seconds} | {
        "total_cycle": round(cycle.total_seconds, 4)
    }


def _reconcile(reconciled: Reconciled | None, events: Sequence[Event], ledger: Ledger) -> Json | None:
    """Return what the account showed; when not all of it could be read, what became of orders all the same."""
    resolved = _resolved(events)
    if reconciled is None and not resolved:
        return None
    found: dict[str, object] = {"resolved": resolved}
    if reconciled is not None:
        found |= {
            "foreign_fills": reconciled.foreign_fills,
            "foreign_orders": reconciled.foreign_orders,
            "differences": [
                {"code": item.code, "subject": item.subject, "ledger": item.ledger, "exchange": item.exchange}
                for item in reconciled.differences
            ],
        }
    return {
        "open_orders": len(ledger.open_orders),
        "unknown_orders": sum(state.is_unknown for state in ledger.open_orders.values()),
        **{name: value for name, value in found.items() if value},
    }


def _resolved(events: Sequence[Event]) -> list[Json]:
    """Return what became of orders of earlier cycles that were UNKNOWN."""
    own = {event.order.client_order_id for event in events if isinstance(event, Intent)}
    return [
        {"client_order_id": event.client_order_id, "outcome": event.outcome.value}
        for event in events
        if isinstance(event, OutcomeKnown) and event.client_order_id not in own
    ]


def _portfolio(events: Sequence[Event], standing: Standing) -> Json:
    ledger, exposure = standing.ledger, standing.exposure
    oversold = [
        {"product": str(product_id), "quantity": plain(missing.quantity)}
        for product_id, missing in ledger.oversold.items()
    ]
    return {
        "equity": _plain(standing.equity),
        "cash": {currency: plain(amount) for currency, amount in ledger.cash.items()},
        "at_risk": None if exposure is None else plain(exposure.total),
        "positions": [_position(lot) for lot in ledger.lots.values()],
        **({"oversold": oversold} if oversold else {}),
        "cash_flows": [
            {"currency": event.currency, "amount": plain(event.amount), "reason": event.reason}
            for event in events
            if isinstance(event, CashFlow)
        ],
    }


def _position(lot: Lot) -> Json:
    return {
        "lot": lot.lot_id,
        "product": str(lot.product_id),
        "quantity": plain(lot.quantity),
        "cost": plain(lot.cost),
    }


def _pnl(standing: Standing, now: datetime) -> Json:
    ledger, equity = standing.ledger, standing.equity
    return {
        "realised": plain(ledger.realised),
        "unrealised": _plain(standing.unrealised),
        "fees": plain(ledger.fees),
        "daily_pct": _pct(daily_fraction(ledger, equity, now)),
        "weekly_pct": _pct(weekly_fraction(ledger, equity, now)),
        "drawdown_pct": _pct(drawdown_fraction(ledger, equity)),
    }


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _pct(fraction: Decimal | None) -> float | None:
    return None if fraction is None else float(round(fraction * 100, 4))
