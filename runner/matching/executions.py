"""What an order holds, pays and receives: the one place where orders move the account."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, localcontext

from core.model.money import EXACT_DIGITS, ZERO
from core.model.orders import FeeRates, Fill, Liquidity, OrderStatus, Side
from runner.matching.account import Account, fee_of
from runner.matching.order_record import OrderRecord, fill_id_of
from runner.matching.venue_order import VenueOrder

FILLS_KEPT = 2000


class Executions:
    """Fills, holds and ends of orders on one account; the latest `FILLS_KEPT` fills are kept."""

    def __init__(self, account: Account, fee_rates: FeeRates) -> None:
        self._account = account
        self._fee_rates = fee_rates
        self._fills: list[Fill] = []

    def fills(self, since: datetime) -> Sequence[Fill]:
        """Return the kept fills at or after a moment, oldest first."""
        return self._fills[bisect_left(self._fills, since, key=_time_of) :]

    def hold_of(self, record: OrderRecord, remaining: Decimal) -> Decimal:
        """
        Return what the rest of an order may still cost, in the currency that it pays with.

        A buy that may still take pays the taker's fee, one that rests the maker's. What a MARKET buy costs is known
        from the book only: its hold is set when it arrives (`reserve`) and goes down by what it pays.
        """
        if record.order.side is Side.SELL:
            return remaining
        if record.limit_price is None:
            return record.hold
        with localcontext(prec=EXACT_DIGITS):
            value = remaining * record.limit_price
            return value + fee_of(value, self._fee_fraction(_liquidity_of(record)))

    def cost_of(self, value: Decimal) -> Decimal:
        """Return what taking this value costs, fee included."""
        with localcontext(prec=EXACT_DIGITS):
            return value + fee_of(value, self._fee_rates.taker_fraction)

    def reserve(self, record: OrderRecord, hold: Decimal) -> bool:
        """Put the money or coins of an order on hold; False when the account does not cover it."""
        if not self._account.change_hold(paying_currency(record.order), record.hold, hold, record.order_id):
            return False
        record.hold = hold
        return True

    def rest(self, record: OrderRecord) -> None:
        """Let what is left of an order rest at its limit; from here on it pays the maker's fee, and holds that."""
        record.rests_at = record.limit_price
        self.reserve(record, self.hold_of(record, record.remaining))

    def fill(self, record: OrderRecord, size: Decimal, price: Decimal, at: datetime) -> bool:
        """Book one execution; False, and no change, when the account cannot pay for it."""
        order = record.order
        liquidity = _liquidity_of(record)
        fill_id = fill_id_of(record.order_id, record.fill_count + 1)
        with localcontext(prec=EXACT_DIGITS):
            value = size * price
            fee = fee_of(value, self._fee_fraction(liquidity))
            if not self._settle(record, size, value, fee, fill_id):
                return False
            record.filled_size += size
            record.filled_value += value
            record.fees += fee
        record.fill_count += 1
        record.last_fill_at = at
        fill = Fill(
            fill_id=fill_id,
            order_id=record.order_id,
            client_order_id=order.client_order_id,
            product_id=order.product_id,
            side=order.side,
            price=price,
            size=size,
            fee=fee,
            liquidity=liquidity,
            at=at,
        )
        insort(self._fills, fill, key=_time_of)
        del self._fills[:-FILLS_KEPT]
        if record.remaining == 0:
            self.close(record, OrderStatus.FILLED, at)
        return True

    def close(self, record: OrderRecord, status: OrderStatus, at: datetime) -> None:
        """End an order and free what it still holds."""
        self.reserve(record, ZERO)
        record.rests_at = None
        record.status = status
        record.closed_at = at

    def _settle(self, record: OrderRecord, size: Decimal, value: Decimal, fee: Decimal, fill_id: str) -> bool:
        """Move the money and coins of one execution; False when the account cannot pay."""
        base, quote = record.order.product_id
        if record.limit_price is None and record.order.side is Side.BUY:
            hold = max(record.hold - value - fee, ZERO)
        else:
            hold = self.hold_of(record, record.remaining - size)
        is_buy = record.order.side is Side.BUY
        is_paid = self._account.settle(
            pay=(quote, value) if is_buy else (base, size),
            receive=(base, size) if is_buy else (quote, value),
            fee=(quote, fee),
            release=record.hold - hold,
            reference=fill_id,
        )
        if is_paid:
            record.hold = hold
        return is_paid

    def _fee_fraction(self, liquidity: Liquidity) -> Decimal:
        rates = self._fee_rates
        return rates.maker_fraction if liquidity is Liquidity.MAKER else rates.taker_fraction


def paying_currency(order: VenueOrder) -> str:
    return order.product_id.quote if order.side is Side.BUY else order.product_id.base


def _liquidity_of(record: OrderRecord) -> Liquidity:
    return Liquidity.TAKER if record.rests_at is None else Liquidity.MAKER


def _time_of(fill: Fill) -> datetime:
    return fill.at
