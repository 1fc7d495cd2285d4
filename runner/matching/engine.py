"""
The matching engine: orders come in, are checked, held for, matched, and come to their end.

It runs lazily: each call first brings the resting orders up to the present. Given the market, the same orders at the
same moments always end the same way. Where reality is not known, the choice is the one that costs us:

- A resting order is last in its queue: it fills only from volume that traded strictly through its price, never at it,
  and gets at most `maker_fill_share` of that. Our orders on one side of a product share it, best price first.
- It fills at its own price, however far the market went.
- A crossing order takes the displayed sizes level by level up to its limit; what is not shown is not there. What we
  took in a minute is missing from the top of that side for the rest of the minute, whatever the book then shows.
- No book, or one older than 10 seconds, is no liquidity: the order is rejected.
- Stops trigger on touch and sell no better than at their stop (`tape`). A FILL_OR_KILL that cannot be filled whole is
  accepted and cancelled: the documents know no reject for it.
- Fees are rounded up with every fill. A fill that the account cannot pay for does not happen.
- An order at its end time is dead, also in the second in which the market would have reached it.

Not modelled: the delay between sending and arrival, and the effect of our trading on others.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from core.errors import MarketDataUnavailable, OrderNotSent, OrderRejected
from core.model.market import Book, Level, Product
from core.model.money import EXACT_DIGITS, ZERO
from core.model.orders import Balance, ClientOrderId, FeeRates, Fill, OrderId, OrderStatus, Side
from runner.matching.account import Account
from runner.matching.checks import refusal, refusal_by_book, refusal_by_last_trade
from runner.matching.depth import Depth, takes_for_money, takes_of
from runner.matching.executions import Executions, paying_currency
from runner.matching.market import VenueMarket
from runner.matching.order_record import CancelResult, OrderRecord, new_record
from runner.matching.tape import Tape
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder

ORDERS_KEPT = 1000


class _Arrival(NamedTuple):
    """What an order meets when it arrives: its record, what it takes at once, and what it holds."""

    record: OrderRecord
    takes: list[Level]
    hold: Decimal


class MatchingEngine:
    """One account on one market. The records that it returns are its own: they go on changing."""

    def __init__(
        self,
        *,
        market: VenueMarket,
        account: Account,
        fee_rates: FeeRates,
        maker_fill_share: Decimal,
        now: Callable[[], datetime],
    ) -> None:
        self.fee_rates = fee_rates
        self._market = market
        self._account = account
        self._now = now
        self._executions = Executions(account, fee_rates)
        self._depth = Depth()
        self._tape = Tape(
            market=market, executions=self._executions, depth=self._depth, maker_fill_share=maker_fill_share
        )
        self._orders: dict[ClientOrderId, OrderRecord] = {}
        self._by_id: dict[OrderId, OrderRecord] = {}
        self._resting: dict[OrderId, OrderRecord] = {}
        self._read_at: datetime | None = None

    # --- orders -------------------------------------------------------------------------------------------------------

    def submit(self, order: VenueOrder) -> OrderRecord:
        """
        Accept an order, or return the first one when its client_order_id is known.

        Raises:
            OrderRejected: With the exchange's code; nothing was created.
            OrderNotSent: The market gave no answer to check it against; nothing was created.
        """
        now = self._advance()
        known = self._orders.get(order.client_order_id)
        if known is not None:
            return known
        arrival = self._examine(order, now)
        record = arrival.record
        if not self._executions.reserve(record, arrival.hold):
            raise OrderRejected("INSUFFICIENT_FUND", "the account does not cover size, price and fee")
        self._resting[record.order_id] = record
        self._remember(record)
        if record.rests_at is None and order.stop_price is None:
            self._cross(record, arrival.takes, now)
        return record

    def preview(self, order: VenueOrder) -> str | None:
        """
        Return the code with which an order would be rejected now, or None.

        Raises:
            OrderNotSent: The market gave no answer to check it against.
        """
        try:
            arrival = self._examine(order, self._advance())
        except OrderRejected as error:
            return error.reason
        return "INSUFFICIENT_FUND" if arrival.hold > self._account.available(paying_currency(order)) else None

    def cancel(self, order_id: OrderId) -> CancelResult:
        """Cancel an order, unless it is over or was never there."""
        now = self._advance()
        record = self._by_id.get(order_id)
        if record is None:
            return CancelResult.UNKNOWN_ORDER
        if record.status.is_final:
            is_filled = record.status is OrderStatus.FILLED
            return CancelResult.ALREADY_FILLED if is_filled else CancelResult.ALREADY_OVER
        record.cancel_requested = True
        self._end(record, OrderStatus.CANCELLED, now)
        return CancelResult.DONE

    def restore(self, record: OrderRecord) -> bool:
        """Take in an order from before a restart; False when the account does not cover it."""
        if not record.status.is_final:
            if not self._executions.reserve(record, self._executions.hold_of(record, record.remaining)):
                return False
            self._resting[record.order_id] = record
            self._read_at = None
        self._remember(record)
        return True

    # --- what can be asked --------------------------------------------------------------------------------------------

    def by_client_id(self, client_order_id: ClientOrderId) -> OrderRecord | None:
        self._advance()
        return self._orders.get(client_order_id)

    def records(self) -> Sequence[OrderRecord]:
        """Return the open orders and the latest `ORDERS_KEPT` others, in the order in which they came."""
        self._advance()
        return list(self._orders.values())

    def resting(self) -> Sequence[OrderRecord]:
        """Return the open orders, in the order in which they came."""
        self._advance()
        return list(self._resting.values())

    def fills(self, since: datetime) -> Sequence[Fill]:
        """Return the fills at or after a moment, oldest first; of this process, and the latest of them only."""
        self._advance()
        return self._executions.fills(since)

    # --- money --------------------------------------------------------------------------------------------------------

    def balances(self) -> Mapping[str, Balance]:
        self._advance()
        return self._account.balances()

    def deposit(self, currency: str, amount: Decimal, reference: str) -> None:
        """
        Take in money or coins of the owner, as from outside.

        Raises:
            ValueError: The amount is negative or not finite.
        """
        self._advance()
        self._account.deposit(currency, amount, reference)

    def withdraw(self, currency: str, amount: Decimal, reference: str) -> bool:
        """
        Pay out to the owner what no order holds; False, and no change, when there is less.

        Raises:
            ValueError: The amount is negative or not finite.
        """
        self._advance()
        return self._account.withdraw(currency, amount, reference)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _advance(self) -> datetime:
        """Bring all resting orders up to now, unless they are."""
        now = self._now()
        if now == self._read_at:
            return now
        if self._resting:
            is_read = self._tape.advance(self._resting.values(), now)
            self._read_at = now if is_read else None
            for record in [record for record in self._resting.values() if record.status.is_final]:
                del self._resting[record.order_id]
        return now

    def _examine(self, order: VenueOrder, now: datetime) -> _Arrival:
        """Check an order against its product and the market, and work out what it does on arrival."""
        try:
            product = self._market.product(order.product_id)
            code = refusal(order, product, now)
            if code or product is None:
                raise OrderRejected(code or "INVALID_PRODUCT_ID")
            if order.kind in (Kind.STOP_LIMIT, Kind.BRACKET):
                book = None
                code = refusal_by_last_trade(order, self._market.last_trade(order.product_id))
            else:
                book = self._market.book(order.product_id)
                code = refusal_by_book(order, product, book, now)
        except MarketDataUnavailable as error:
            raise OrderNotSent(f"no market to check the order against: {error}") from error
        if code:
            raise OrderRejected(code)
        with localcontext(prec=EXACT_DIGITS):
            return self._arrival(order, product, book, now)

    def _arrival(self, order: VenueOrder, product: Product, book: Book | None, now: datetime) -> _Arrival:
        levels = [] if book is None or order.post_only else self._depth.left(book, order.side, now)
        if order.base_size is not None:
            size = order.base_size
            takes = takes_of(levels, order.side, order.limit_price, size)
        else:
            money = order.quote_size or ZERO
            takes, size = takes_for_money(levels, money, self.fee_rates.taker_fraction, product.base_increment)
            if levels and size < product.base_min_size:
                raise OrderRejected("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL")
        record = new_record(order, size=size, at=now)
        cost = sum((self._executions.cost_of(take.price * take.size) for take in takes), ZERO)
        if order.side is Side.BUY and order.kind is Kind.MARKET:
            hold = order.quote_size or cost
        else:
            hold = self._executions.hold_of(record, size)
        if order.time_in_force is TimeInForce.FOK:
            is_whole = sum((take.size for take in takes), ZERO) == size
            takes = takes if is_whole and (order.side is Side.SELL or cost <= hold) else []
        return _Arrival(record, takes, hold)

    def _cross(self, record: OrderRecord, takes: Sequence[Level], now: datetime) -> None:
        """Take from the book; what is left rests or is cancelled, as the order says."""
        order = record.order
        for level in takes:
            if not self._executions.fill(record, level.size, level.price, now):
                break
            self._depth.take(order.product_id, order.side, level.size)
        if record.status.is_final:
            del self._resting[record.order_id]
        elif order.time_in_force.may_rest:
            self._executions.rest(record)
        else:
            self._end(record, OrderStatus.CANCELLED, now)

    def _end(self, record: OrderRecord, status: OrderStatus, now: datetime) -> None:
        self._executions.close(record, status, now)
        del self._resting[record.order_id]

    def _remember(self, record: OrderRecord) -> None:
        self._orders[record.order.client_order_id] = record
        self._by_id[record.order_id] = record
        while len(self._orders) > ORDERS_KEPT + len(self._resting):
            oldest = next(known for known in self._orders.values() if known.status.is_final)
            del self._orders[oldest.order.client_order_id]
            del self._by_id[oldest.order_id]
