"""
Coins sold beyond a lot, and bought back: cash moves at once and exactly, profit waits for the cover.

A sale is split where the lot ends, a cover where nothing is missing any more; the fee goes with the parts.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from core.ledger.lots import bought
from core.ledger.periods import with_profit
from core.model.ledger import Ledger
from core.model.money import ZERO, round_even
from core.model.orders import Fill
from core.model.portfolio import ExitPlan, OrderState, Oversold

SURPLUS_PLAN = ExitPlan(
    strategy="cover", stop_fraction=Decimal("0.02"), target_fraction=Decimal("0.02"), max_hold_seconds=0
)
"""Covers that bought too much (one that was called absent, say) leave a lot that is to be sold at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One fill in two parts that add up to it; None where a part is empty."""

    within: Fill | None
    beyond: Fill | None


def split(fill: Fill, most: Decimal) -> Split:
    """Part a fill where its size passes `most`. Only the fee's share is rounded, and the second part has its rest."""
    if most <= 0:
        return Split(within=None, beyond=fill)
    if fill.size <= most:
        return Split(within=fill, beyond=None)
    fee = min(fill.fee, round_even(fill.fee * most / fill.size))
    return Split(
        within=replace(fill, size=most, fee=fee),
        beyond=replace(fill, size=fill.size - most, fee=fill.fee - fee),
    )


def sold_beyond(ledger: Ledger, fill: Fill) -> Ledger:
    """Remember the coins that a sale took beyond its lot, and what they brought."""
    before = ledger.oversold.get(fill.product_id, Oversold(quantity=ZERO, proceeds=ZERO))
    after = Oversold(quantity=before.quantity + fill.size, proceeds=before.proceeds + fill.price * fill.size - fill.fee)
    return replace(ledger, oversold={**ledger.oversold, fill.product_id: after})


def bought_back(ledger: Ledger, state: OrderState, fill: Fill, at: datetime) -> Ledger:
    """Set a cover's fill against what is missing; coins beyond that become a lot of their own."""
    owed = ledger.oversold.get(fill.product_id)
    parts = split(fill, ZERO if owed is None else owed.quantity)
    after = ledger
    if owed is not None and parts.within is not None:
        after = _restored(after, owed, parts.within, at)
    if parts.beyond is not None:
        lot_id = state.order.lot_id
        lot = bought(after.lots.get(lot_id), replace(state, plan=SURPLUS_PLAN), parts.beyond)
        after = replace(after, lots={**after.lots, lot_id: lot})
    return after


def _restored(ledger: Ledger, owed: Oversold, fill: Fill, at: datetime) -> Ledger:
    is_last = fill.size == owed.quantity
    share = owed.proceeds if is_last else round_even(owed.proceeds * fill.size / owed.quantity)
    rest = Oversold(quantity=owed.quantity - fill.size, proceeds=owed.proceeds - share)
    others = {key: value for key, value in ledger.oversold.items() if key != fill.product_id}
    oversold = others if is_last else {**ledger.oversold, fill.product_id: rest}
    return with_profit(replace(ledger, oversold=oversold), share - fill.price * fill.size - fill.fee, at)
