"""
What the displayed book still offers: what our orders took in a minute is missing from the top of that side for the
rest of the minute, whatever the book then shows.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from core.model.market import MINUTE_SECONDS, Book, Level, ProductId
from core.model.money import COST_STEP, ZERO, round_down
from core.model.orders import Side


class Depth:
    """The displayed sizes less what was taken."""

    def __init__(self) -> None:
        self._minute = 0
        self._taken: dict[tuple[ProductId, Side], Decimal] = {}

    def left(self, book: Book, side: Side, now: datetime) -> list[Level]:
        """Return the levels that an order of this side may take from, best first, with what is left of each."""
        minute = int(now.timestamp()) // MINUTE_SECONDS
        if minute != self._minute:
            self._minute = minute
            self._taken.clear()
        gone = self._taken.get((book.product_id, side), ZERO)
        levels: list[Level] = []
        for level in book.asks if side is Side.BUY else book.bids:
            free = level.size - min(gone, level.size)
            gone -= level.size - free
            if free > 0:
                levels.append(Level(level.price, free))
        return levels

    def take(self, product_id: ProductId, side: Side, size: Decimal) -> None:
        """Count what an order has taken in the minute of the last look."""
        self._taken[product_id, side] = self._taken.get((product_id, side), ZERO) + size


def takes_of(levels: Iterable[Level], side: Side, limit: Decimal | None, size: Decimal) -> list[Level]:
    """Return what an order takes from each level, up to its size and its limit (None: no limit)."""
    takes: list[Level] = []
    for level in levels:
        is_beyond = limit is not None and (level.price > limit if side is Side.BUY else level.price < limit)
        if is_beyond or size <= 0:
            break
        takes.append(Level(level.price, min(level.size, size)))
        size -= takes[-1].size
    return takes


def takes_for_money(
    levels: Sequence[Level], money: Decimal, fee_fraction: Decimal, increment: Decimal
) -> tuple[list[Level], Decimal]:
    """
    Return what a buy takes that spends at most `money`, its fees included, and the size that it is for.

    The size is the sum of the takes where the money ends first; where the book ends first it is what the rest of the
    money would buy at the last price on top. Every size is rounded down to the increment.
    """
    takes: list[Level] = []
    extra = ZERO
    for level in levels:
        unit_cost = level.price * (1 + fee_fraction)
        # One grain less, because each fill's fee is rounded up.
        extra = round_down(max(money - COST_STEP, ZERO) / unit_cost, increment)
        size = min(extra, level.size)
        if size <= 0:
            break
        takes.append(Level(level.price, size))
        money -= size * unit_cost + COST_STEP
        extra -= size
    return takes, sum((take.size for take in takes), extra)
