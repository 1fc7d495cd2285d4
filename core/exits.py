"""
What we must close (L6). Judged on the bid of a fresh quote: the price at which a sale can be had.

It looks at no limit on entries and no breaker, so nothing that stops buying can stop it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from core.model.market import ProductId, Quote
from core.model.money import plain, round_even
from core.model.orders import LotId
from core.model.portfolio import Lot
from core.model.verdicts import ExitReason
from core.settings import ExitPolicy, PolicySettings


class BlockedBy(Enum):
    """Why a lot's exit could not be judged. Values go to the audit and are never renamed."""

    QUOTE_MISSING = "quote_missing"
    QUOTE_STALE = "quote_stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitDue:
    """A lot that must be sold now."""

    lot_id: LotId
    reason: ExitReason
    observed: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitBlocked:
    """A lot without a usable price; `due` is what is due nevertheless, None when that cannot be told."""

    lot_id: LotId
    reason: BlockedBy
    due: ExitReason | None
    observed: str
    limit: str


class ExitReview(NamedTuple):
    """What to sell, and what could not be judged; in the order of the lots."""

    due: tuple[ExitDue, ...]
    blocked: tuple[ExitBlocked, ...]


def due_exits(
    lots: Iterable[Lot], quotes: Mapping[ProductId, Quote], now: datetime, policy: PolicySettings
) -> ExitReview:
    """
    Judge every lot: stop-loss, take-profit, trailing stop, max hold, in this order.

    An exit that was begun is finished, whatever the price does since (`Lot.exit_reason`). A rest below the dust
    threshold cannot be sold and is left alone.
    """
    sells: list[ExitDue] = []
    blocked: list[ExitBlocked] = []
    for lot in lots:
        quote = quotes.get(lot.product_id)
        if quote is None or not quote.bid.is_finite():
            blocked.append(_blocked(lot, BlockedBy.QUOTE_MISSING, now, "none", "a quote"))
        elif not _is_fresh(quote, now, policy):
            age = f"{(now - quote.at).total_seconds():.3f} s"
            limit = f"{policy.execution.max_quote_age_seconds} s"
            blocked.append(_blocked(lot, BlockedBy.QUOTE_STALE, now, age, limit))
        elif lot.quantity * quote.bid >= policy.risk.dust_threshold_usd:
            sell = _judge(lot, quote.bid, now, policy.exits)
            if sell is not None:
                sells.append(sell)
    return ExitReview(due=tuple(sells), blocked=tuple(blocked))


def new_peaks(
    lots: Iterable[Lot], quotes: Mapping[ProductId, Quote], now: datetime, policy: PolicySettings
) -> Mapping[LotId, Decimal]:
    """Return the bid of each lot whose fresh quote, taken since the entry, is above its peak so far."""
    peaks: dict[LotId, Decimal] = {}
    for lot in lots:
        quote = quotes.get(lot.product_id)
        if quote is None or not quote.bid.is_finite() or quote.at < lot.opened_at:
            continue
        if quote.bid > lot.peak_price and _is_fresh(quote, now, policy):
            peaks[lot.lot_id] = quote.bid
    return peaks


def _judge(lot: Lot, bid: Decimal, now: datetime, policy: ExitPolicy) -> ExitDue | None:
    begun = _begun(lot)
    if begun is not None:
        return _sell(lot, begun, bid, "begun before")
    if bid <= lot.stop_price:
        return _sell(lot, ExitReason.STOP_LOSS, bid, f"at most {_price(lot.stop_price)}")
    if bid >= lot.target_price:
        return _sell(lot, ExitReason.TAKE_PROFIT, bid, f"at least {_price(lot.target_price)}")
    if policy.trailing_stop_enabled and lot.peak_price >= lot.average_price * (1 + policy.trailing_arms_at_fraction):
        trail = lot.peak_price * (1 - policy.trailing_stop_fraction)
        if bid <= trail:
            return _sell(lot, ExitReason.TRAILING_STOP, bid, f"at most {_price(trail)}")
    if _is_held_too_long(lot, now):
        held = int((now - lot.opened_at).total_seconds())
        return ExitDue(
            lot_id=lot.lot_id,
            reason=ExitReason.MAX_HOLD,
            observed=f"{held} s",
            limit=f"{lot.plan.max_hold_seconds} s",
        )
    return None


def _blocked(lot: Lot, reason: BlockedBy, now: datetime, observed: str, limit: str) -> ExitBlocked:
    due = _begun(lot) or (ExitReason.MAX_HOLD if _is_held_too_long(lot, now) else None)
    return ExitBlocked(lot_id=lot.lot_id, reason=reason, due=due, observed=observed, limit=limit)


def _begun(lot: Lot) -> ExitReason | None:
    return next((reason for reason in ExitReason if reason.value == lot.exit_reason), None)


def _is_held_too_long(lot: Lot, now: datetime) -> bool:
    return now >= lot.opened_at + timedelta(seconds=lot.plan.max_hold_seconds)


def _is_fresh(quote: Quote, now: datetime, policy: PolicySettings) -> bool:
    return abs(now - quote.at) <= timedelta(seconds=policy.execution.max_quote_age_seconds)


def _sell(lot: Lot, reason: ExitReason, bid: Decimal, limit: str) -> ExitDue:
    return ExitDue(lot_id=lot.lot_id, reason=reason, observed=plain(bid), limit=limit)


def _price(price: Decimal) -> str:
    return plain(round_even(price))
