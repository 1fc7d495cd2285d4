"""
The exchange's side of paper trading: matching, holds, fees and the life of an order.

It runs lazily: each call first brings the resting orders up to the present. Given the market, the same orders at the
same moments always end the same way. Where reality is not known, the choice is the one that costs us:

- A resting order is last in its queue: it fills only from volume that traded strictly through its price, never at it,
  and gets at most `maker_fill_share` of that. Our orders on one side of a product share it, best price first.
- It fills at its own price, however far the market went.
- An IOC takes the displayed sizes level by level up to its limit; what is not shown is not there. What we took in a
  minute is missing from the top of that side for the rest of the minute, whatever the book then shows.
- No book, or one older than 10 seconds, is no liquidity: the order is rejected.
- Fees are rounded up with every fill. A fill that the account cannot pay for does not happen.
- An order at its end time is dead, also in the second in which the market would have reached it.

Not modelled: the delay between sending and arrival, and the effect of our trading on others.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from core.errors import BrokerUnavailable, MarketDataUnavailable, OrderNotSent, OrderRejected
from core.model.market import MINUTE_SECONDS, Book, ProductId
from core.model.money import EXACT_DIGITS, ZERO, round_down
from core.model.orders import (
    Balance,
    ClientOrderId,
    FeeRates,
    Fill,
    Liquidity,
    Order,
    OrderId,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
)
from runner.adapters.paper.order_checks import refusal, would_cross
from runner.adapters.paper.paper_account import PaperAccount, fee_of, hold_of, paying_currency
from runner.adapters.paper.paper_market import PaperMarket
from runner.adapters.paper.paper_order import OrderRecord, fill_id_of, order_id_of, priority

BOOK_AGE_MAX = timedelta(seconds=10)
ORDERS_KEPT = 1000
FILLS_KEPT = 2000


class MatchingEngine:
    """One account on one market."""

    def __init__(
        self,
        *,
        market: PaperMarket,
        account: PaperAccount,
        fee_rates: FeeRates,
        maker_fill_share: Decimal,
        now: Callable[[], datetime],
    ) -> None:
        self._market = market
        self._account = account
        self._fee_rates = fee_rates
        self._maker_fill_share = maker_fill_share
        self._now = now
        self._orders: dict[ClientOrderId, OrderRecord] = {}
        self._resting: dict[OrderId, OrderRecord] = {}
        self._fills: list[Fill] = []
        self._taken_minute = 0
        self._taken: dict[tuple[ProductId, Side], Decimal] = {}

    def submit(self, order: Order) -> OrderId:
        """
        Accept an order, or return the first one's id when its client_order_id is known.

        Raises:
            OrderRejected: With the exchange's code; nothing was created.
            OrderNotSent: The market gave no answer to check it against.
        """
        now = self._advance()
        known = self._orders.get(order.client_order_id)
        if known is not None:
            return known.order_id
        book = self._check(order, now)
        record = OrderRecord(
            order=order,
            order_id=order_id_of(order.client_order_id),
            created_at=now,
            advanced_to=now,
        )
        if not self._rest(record):
            raise OrderRejected("INSUFFICIENT_FUND", "the account does not cover size, price and fee")
        if order.order_type is OrderType.IOC:
            self._take(record, book, now)
        return record.order_id

    def preview(self, order: Order) -> str | None:
        """
        Return the code with which an order would be rejected now, or None.

        Raises:
            BrokerUnavailable: The market gave no answer to check it against.
        """
        try:
            self._check(order, self._advance())
        except OrderRejected as error:
            return error.reason
        except OrderNotSent as error:
            raise BrokerUnavailable(str(error)) from error
        return None

    def restore(self, record: OrderRecord) -> bool:
        """Take in an order from before a restart; False when the account does not cover it."""
        if record.status.is_final:
            self._remember(record)
            return True
        return self._rest(record)

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        """Cancel orders; those unknown or over stay as they are."""
        self._advance()
        for order_id in order_ids:
            record = self._resting.get(order_id)
            if record is not None:
                self._close(record, OrderStatus.CANCELLED)

    def find(self, client_order_id: ClientOrderId) -> OrderReport | None:
        self._advance()
        record = self._orders.get(client_order_id)
        return None if record is None else record.report()

    def open_orders(self) -> Sequence[OrderReport]:
        self._advance()
        return [record.report() for record in self._resting.values()]

    def fills(self, since: datetime) -> Sequence[Fill]:
        """Return the fills at or after a moment, oldest first; of this process, and the latest `FILLS_KEPT` only."""
        self._advance()
        return self._fills[bisect_left(self._fills, since, key=_time_of) :]

    def balances(self) -> Mapping[str, Balance]:
        self._advance()
        return self._account.balances()

    def _check(self, order: Order, now: datetime) -> Book:
        try:
            code = refusal(order, self._market.product(order.product_id), now)
            book = None if code else self._market.book(order.product_id)
        except MarketDataUnavailable as error:
            raise OrderNotSent(f"no market to check the order against: {error}") from error
        if code:
            raise OrderRejected(code)
        if book is None or now - book.at > BOOK_AGE_MAX:
            raise OrderRejected("PREVIEW_MISSING_PRODUCT_PRICE_BOOK")
        if order.order_type is OrderType.POST_ONLY and would_cross(order, book):
            raise OrderRejected("INVALID_LIMIT_PRICE_POST_ONLY")
        return book

    def _rest(self, record: OrderRecord) -> bool:
        """Hold the money and put the order among the open ones."""
        with localcontext(prec=EXACT_DIGITS):
            hold = hold_of(record.order, record.remaining, self._fee_fraction(record.order))
            is_covered = self._account.change_hold(paying_currency(record.order), ZERO, hold)
        if not is_covered:
            return False
        record.hold = hold
        self._resting[record.order_id] = record
        self._remember(record)
        return True

    def _remember(self, record: OrderRecord) -> None:
        self._orders[record.order.client_order_id] = record
        while len(self._orders) > ORDERS_KEPT + len(self._resting):
            oldest = next(key for key, known in self._orders.items() if known.status.is_final)
            del self._orders[oldest]

    def _take(self, record: OrderRecord, book: Book, now: datetime) -> None:
        """Fill an IOC from the displayed book and cancel the rest."""
        order = record.order
        is_buy = order.side is Side.BUY
        minute = int(now.timestamp()) // MINUTE_SECONDS
        if minute != self._taken_minute:
            self._taken_minute = minute
            self._taken.clear()
        side = (order.product_id, order.side)
        gone = self._taken.get(side, ZERO)
        for level in book.asks if is_buy else book.bids:
            beyond = level.price > order.limit_price if is_buy else level.price < order.limit_price
            if beyond or record.remaining <= 0:
                break
            free = level.size - min(gone, level.size)
            gone -= level.size - free
            size = min(free, record.remaining)
            if size > 0 and self._fill(record, size, level.price, now):
                self._taken[side] = self._taken.get(side, ZERO) + size
        if not record.status.is_final:
            self._close(record, OrderStatus.CANCELLED)

    def _advance(self) -> datetime:
        """Bring all resting orders up to now: fills from the tape, then the end of their time."""
        now = self._now()
        if self._resting:
            used: dict[tuple[ProductId, Side], Decimal] = {}
            for record in sorted(self._resting.values(), key=priority):
                self._advance_order(record, now, used)
        return now

    def _advance_order(self, record: OrderRecord, now: datetime, used: dict[tuple[ProductId, Side], Decimal]) -> None:
        order = record.order
        end = order.end_time if order.end_time is not None else now
        until = min(now, end)
        if until > record.advanced_to:
            try:
                product = self._market.product(order.product_id)
                through = self._market.volume_through(
                    order.product_id, order.side, order.limit_price, record.advanced_to, until
                )
            except MarketDataUnavailable:
                return
            record.advanced_to = until
            side = (order.product_id, order.side)
            share = max(through * self._maker_fill_share - used.get(side, ZERO), ZERO)
            record.flow += share
            if product is not None and record.flow > 0:
                filled = self._fill_from_flow(record, product.base_increment, until)
                used[side] = used.get(side, ZERO) + (min(filled, share) if record.status.is_final else share)
        if now >= end and not record.status.is_final:
            self._close(record, OrderStatus.EXPIRED)

    def _fill_from_flow(self, record: OrderRecord, increment: Decimal, at: datetime) -> Decimal:
        """Fill what the flow allows and return how much that was."""
        size = round_down(min(record.flow, record.remaining), increment)
        if size <= 0 or not self._fill(record, size, record.order.limit_price, at):
            return ZERO
        record.flow -= size
        return size

    def _fill(self, record: OrderRecord, size: Decimal, price: Decimal, at: datetime) -> bool:
        """Book one execution; False, and no change, when the account cannot pay for it."""
        order = record.order
        with localcontext(prec=EXACT_DIGITS):
            payment = self._pay(record, size, price)
        if payment is None:
            return False
        record.filled_size += size
        record.fill_count += 1
        fill = Fill(
            fill_id=fill_id_of(record.order_id, record.fill_count),
            order_id=record.order_id,
            client_order_id=order.client_order_id,
            product_id=order.product_id,
            side=order.side,
            price=price,
            size=size,
            fee=payment,
            liquidity=Liquidity.TAKER if order.order_type is OrderType.IOC else Liquidity.MAKER,
            at=at,
        )
        insort(self._fills, fill, key=_time_of)
        del self._fills[:-FILLS_KEPT]
        if record.remaining == 0:
            self._close(record, OrderStatus.FILLED)
        return True

    def _pay(self, record: OrderRecord, size: Decimal, price: Decimal) -> Decimal | None:
        """Move the money and coins of one execution and return its fee; None when the account cannot pay."""
        order = record.order
        base, quote = order.product_id
        value = size * price
        fee_fraction = self._fee_fraction(order)
        fee = fee_of(value, fee_fraction)
        if order.side is Side.BUY:
            pay, receive = (quote, value + fee), (base, size)
        else:
            pay, receive = (base, size), (quote, value - fee)
        hold = hold_of(order, record.remaining - size, fee_fraction)
        if not self._account.exchange(pay=pay, receive=receive, release=record.hold - hold):
            return None
        record.hold = hold
        return fee

    def _close(self, record: OrderRecord, status: OrderStatus) -> None:
        with localcontext(prec=EXACT_DIGITS):
            self._account.change_hold(paying_currency(record.order), record.hold, ZERO)
        record.hold = ZERO
        record.status = status
        del self._resting[record.order_id]

    def _fee_fraction(self, order: Order) -> Decimal:
        is_taker = order.order_type is OrderType.IOC
        return self._fee_rates.taker_fraction if is_taker else self._fee_rates.maker_fraction


def _time_of(fill: Fill) -> datetime:
    return fill.at
