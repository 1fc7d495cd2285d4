"""
The one place where the size of an order is decided.

Every cap is known before the size is chosen, so no later stage can find the size illegal (the original's dead zone: its
caps stage and its size check disagreed about the regime's multiplier and refused hundreds of proposals between them).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.model.money import COST_STEP, ZERO, round_down
from core.model.verdicts import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """How much room one limit leaves, in quote currency without fees; negative when it is already overrun."""

    code: Refusal
    room_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalSize:
    """An allowed notional, and what set it."""

    notional_usd: Decimal
    bound_by: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class TooSmall:
    """No legal size: `observed` is what the binding cap leaves, `limit` the minimum."""

    code: Refusal
    observed: Decimal
    limit: Decimal


def legal_size_usd(wanted_usd: Decimal, caps: Sequence[Cap], minimum_usd: Decimal) -> LegalSize | TooSmall:
    """
    Return the wanted size cut to the smallest cap, or what leaves too little room for it.

    Never sizes up: a wish below the minimum is refused (`wanted_size`), not raised. Between equal caps the first
    binds. A number that is not finite leaves no room.
    """
    code, room = Refusal.WANTED_SIZE, _finite(wanted_usd)
    for cap in caps:
        cap_room = _finite(cap.room_usd)
        if cap_room < room:
            code, room = cap.code, cap_room
    if not minimum_usd.is_finite() or room <= 0 or room < minimum_usd:
        return TooSmall(code=code, observed=max(room, ZERO), limit=minimum_usd)
    # Shortened for the record, but not below the minimum: a wish of exactly the minimum is legal.
    return LegalSize(notional_usd=max(round_down(room, COST_STEP), minimum_usd), bound_by=code)


def _finite(amount: Decimal) -> Decimal:
    return amount if amount.is_finite() else ZERO
