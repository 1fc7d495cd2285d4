"""
What becomes of resting orders as the market trades: fills, triggered stops, ends.

Orders are read forward lazily, each from where it was read to up to the present. A bracket whose target and stop were
both reached in one look is taken to have met its stop first. A stop triggers on touch; it then takes from the book of
the look that finds it, never at a better price than its own stop, and what its limit does not allow rests.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from core.errors import MarketDataUnavailable
from core.model.market import Product, ProductId
from core.model.money import ZERO, round_down
from core.model.orders import OrderStatus, Side
from runner.matching.checks import is_fresh, takes_nothing
from runner.matching.depth import Depth, takes_of
from runner.matching.executions import Executions
from runner.matching.market import TradedRange, VenueMarket
from runner.matching.order_record import OrderRecord, priority
from runner.matching.venue_order import Kind

BRACKET_THROUGH = Decimal("0.05")
"""So far below its trigger the stop of a bracket still sells (coinbase_api 2.9: about 5 % through)."""

Flow = dict[tuple[ProductId, Side], Decimal]
"""How much of the traded volume orders of a side have had in one look."""


class Tape:
    """The reader of the market for resting orders."""

    def __init__(self, *, market: VenueMarket, executions: Executions, depth: Depth, maker_fill_share: Decimal) -> None:
        self._market = market
        self._executions = executions
        self._depth = depth
        self._maker_fill_share = maker_fill_share

    def advance(self, records: Iterable[OrderRecord], now: datetime) -> bool:
        """Bring orders up to now; False when the market did not answer for all of them: look again."""
        used: Flow = {}
        is_complete = True
        for record in sorted(records, key=priority):
            try:
                self._advance(record, now, used)
            except MarketDataUnavailable:
                is_complete = False
        return is_complete

    def _advance(self, record: OrderRecord, now: datetime, used: Flow) -> None:
        end = record.order.end_time
        until = now if end is None else min(now, end)
        if until > record.advanced_to:
            self._read(record, until, used)
        if record.status.is_final:
            return
        if end is not None and now >= end:
            self._executions.close(record, OrderStatus.EXPIRED, end)
        elif record.is_triggered and record.rests_at is None:
            self._take(record, now)

    def _read(self, record: OrderRecord, until: datetime, used: Flow) -> None:
        """Read the tape up to `until` for one order."""
        if record.order.stop_price is not None and not record.is_triggered:
            traded = self._market.traded_range(record.order.product_id, record.advanced_to, until)
            if traded is not None and _is_reached(record, traded):
                self._trigger(record)
            if traded is None or record.rests_at is None or traded.high <= record.rests_at:
                record.advanced_to = until
                return
        if record.rests_at is not None:
            self._read_flow(record, record.rests_at, until, used)
        record.advanced_to = until

    def _read_flow(self, record: OrderRecord, price: Decimal, until: datetime, used: Flow) -> None:
        order = record.order
        through = self._market.volume_through(order.product_id, order.side, price, record.advanced_to, until)
        side = (order.product_id, order.side)
        share = max(through * self._maker_fill_share - used.get(side, ZERO), ZERO)
        if record.flow + share <= 0:
            record.flow += share
            return
        product = self._product(record)
        record.flow += share
        size = round_down(min(record.flow, record.remaining), product.base_increment)
        if size > 0 and self._executions.fill(record, size, price, until):
            record.flow -= size
        else:
            size = ZERO
        used[side] = used.get(side, ZERO) + (min(size, share) if record.status.is_final else share)

    def _trigger(self, record: OrderRecord) -> None:
        """Wake a stop: from here on it is a limit order that has not looked at the book yet."""
        order = record.order
        if order.kind is Kind.BRACKET and order.stop_price is not None:
            step = self._product(record).price_increment
            record.limit_price = max(round_down(order.stop_price * (1 - BRACKET_THROUGH), step), step)
        record.is_triggered = True
        record.rests_at = None
        record.flow = ZERO

    def _take(self, record: OrderRecord, now: datetime) -> None:
        """Let a triggered stop take what the book shows within its limit; the rest of it rests from then on."""
        order = record.order
        book = self._market.book(order.product_id)
        if book is None or not is_fresh(book, now) or takes_nothing(self._product(record)):
            raise MarketDataUnavailable(f"no book of {order.product_id} to take from")
        for level in takes_of(
            self._depth.left(book, order.side, now), order.side, record.limit_price, record.remaining
        ):
            if not self._executions.fill(record, level.size, _not_better(level.price, record), now):
                break
            self._depth.take(order.product_id, order.side, level.size)
        if not record.status.is_final:
            self._executions.rest(record)

    def _product(self, record: OrderRecord) -> Product:
        product = self._market.product(record.order.product_id)
        if product is None:
            raise MarketDataUnavailable(f"{record.order.product_id} is not listed")
        return product


def _is_reached(record: OrderRecord, traded: TradedRange) -> bool:
    stop = record.order.stop_price
    if stop is None:
        return False
    return traded.low <= stop if record.order.side is Side.SELL else traded.high >= stop


def _not_better(price: Decimal, record: OrderRecord) -> Decimal:
    """Return a price of the present book, made no better than the stop whose trigger lies before it."""
    stop = record.order.stop_price
    if stop is None:
        return price
    return min(price, stop) if record.order.side is Side.SELL else max(price, stop)
