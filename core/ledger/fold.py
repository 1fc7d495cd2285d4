"""
The ledger: everything we own and remember, as the fold of the journal (L9 to L11, L13).

`apply` is the only way to a new ledger: old one in, one event, new one out. Nothing here reads a clock, a setting or
the exchange, so folding the same journal always gives the same ledger, and a restart forgets nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from core.errors import StateUnusable
from core.ledger.fills import fill_booked
from core.ledger.orders import cancel_requested, intended, looked_up, order_closed, outcome_known, sent
from core.ledger.periods import periods_at
from core.model.ledger import CLOSED_ORDERS_KEPT, EntryMark, Ledger
from core.model.money import EXACT_DIGITS, ZERO
from core.model.orders import LotId
from core.model.portfolio import Lot
from core.model.records import (
    BreakerChanged,
    CancelRequested,
    CashFlow,
    CycleStarted,
    Event,
    FillBooked,
    Intent,
    LookedUp,
    Marked,
    Noted,
    OrderClosed,
    OutcomeKnown,
    RunStarted,
    RunStopped,
    Sent,
)

__all__ = ["CLOSED_ORDERS_KEPT", "EntryMark", "Ledger", "apply", "fold"]

ENTRIES_KEPT = timedelta(hours=24)


def apply(ledger: Ledger, event: Event) -> Ledger:
    """
    Return the ledger after one event. Apply before writing: what the ledger refuses must not enter the journal.

    Raises:
        StateUnusable: The event contradicts what is known: another identity, a used slot, an unknown or finished order,
            a fill that does not match its order.
    """
    handler: Callable[[Ledger, Any], Ledger] = _HANDLERS[type(event)]
    return handler(ledger, event)


def fold(ledger: Ledger, events: Iterable[Event]) -> Ledger:
    """
    Apply events in order.

    Raises:
        StateUnusable: As `apply`.
    """
    for event in events:
        ledger = apply(ledger, event)
    return ledger


# --- runs, cycles, money and breakers ---------------------------------------------------------------------------------


def _run_started(ledger: Ledger, event: RunStarted) -> Ledger:
    known = (ledger.mode, ledger.account, ledger.venue)
    new = (event.mode, event.account, event.venue)
    if ledger.run_id and known != new:
        raise StateUnusable(f"run {event.run_id} is {' '.join(new)}, but this ledger is {' '.join(known)}")
    return replace(
        ledger,
        mode=event.mode,
        account=event.account,
        venue=event.venue,
        run_id=event.run_id,
        config_hash=event.config_hash,
        code_hash=event.code_hash,
    )


def _run_stopped(ledger: Ledger, _event: RunStopped) -> Ledger:
    return replace(ledger, open_slot=None)


def _cycle_started(ledger: Ledger, event: CycleStarted) -> Ledger:
    if ledger.last_slot is not None and event.slot <= ledger.last_slot:
        raise StateUnusable(f"slot {event.slot} was used before: the last one is {ledger.last_slot}")
    return replace(ledger, last_slot=event.slot, open_slot=event.slot)


def _marked(ledger: Ledger, event: Marked) -> Ledger:
    lots = _with_peaks(ledger.lots, event.peaks) if event.peaks else ledger.lots
    entries = _recent(ledger.entries, event.at) if ledger.entries else ()
    equity = event.equity
    if equity is None:
        return replace(ledger, lots=lots, entries=entries)
    mark = ledger.high_water_mark
    day, week = periods_at(ledger, event.at, equity if ledger.equity is None else ledger.equity)
    return replace(
        ledger,
        lots=lots,
        entries=entries,
        equity=equity,
        high_water_mark=equity if mark is None or equity > mark else mark,
        day=day,
        week=week,
    )


def _with_peaks(lots: Mapping[LotId, Lot], peaks: Mapping[LotId, Decimal]) -> Mapping[LotId, Lot]:
    """Raise the peaks of lots; one that was sold in the same cycle is no longer there."""
    return {
        lot_id: replace(lot, peak_price=peaks[lot_id]) if peaks.get(lot_id, lot.peak_price) > lot.peak_price else lot
        for lot_id, lot in lots.items()
    }


def _recent(entries: tuple[EntryMark, ...], now: datetime) -> tuple[EntryMark, ...]:
    cutoff = now - ENTRIES_KEPT
    if all(entry.at >= cutoff for entry in entries):
        return entries
    return tuple(entry for entry in entries if entry.at >= cutoff)


def _cash_flowed(ledger: Ledger, event: CashFlow) -> Ledger:
    """
    Move every figure along with the money, so that it is neither profit nor drawdown.

    The first money of an account that owns nothing is its first mark.
    """
    amount = event.amount
    cash = {**ledger.cash, event.currency: ledger.cash.get(event.currency, ZERO) + amount}
    if ledger.equity is None and not ledger.cash and not ledger.lots:
        day, week = periods_at(ledger, event.at, amount)
        return replace(ledger, cash=cash, equity=amount, high_water_mark=amount, day=day, week=week)
    day, week = periods_at(ledger, event.at, ledger.equity)
    with localcontext(prec=EXACT_DIGITS):
        return replace(
            ledger,
            cash=cash,
            equity=None if ledger.equity is None else ledger.equity + amount,
            high_water_mark=None if ledger.high_water_mark is None else ledger.high_water_mark + amount,
            day=None if day is None else replace(day, cash_flow=day.cash_flow + amount),
            week=None if week is None else replace(week, cash_flow=week.cash_flow + amount),
        )


def _breaker_changed(ledger: Ledger, event: BreakerChanged) -> Ledger:
    return replace(ledger, breakers={**ledger.breakers, event.breaker: event.state})


def _noted(ledger: Ledger, _event: Noted) -> Ledger:
    """Change nothing: a note is for people."""
    return ledger


_HANDLERS: Mapping[type[Event], Callable[[Ledger, Any], Ledger]] = {
    RunStarted: _run_started,
    RunStopped: _run_stopped,
    CycleStarted: _cycle_started,
    Marked: _marked,
    CashFlow: _cash_flowed,
    Intent: intended,
    Sent: sent,
    OutcomeKnown: outcome_known,
    LookedUp: looked_up,
    FillBooked: fill_booked,
    CancelRequested: cancel_requested,
    OrderClosed: order_closed,
    BreakerChanged: _breaker_changed,
    Noted: _noted,
}
