"""The account's owner, who keeps own coins and money in the bot's account, and trades them by hand while it runs."""

import random
from collections import Counter
from decimal import ROUND_DOWN, Decimal

from core.model.market import ProductId
from core.model.orders import ClientOrderId, Side
from runner.adapters.simulated_coinbase.answers import Refusal
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.adapters.simulated_coinbase.order_requests import Reject
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from tests.loopback.exchange_books import OWNER, ExchangeBooks

CASH = Decimal(20_000)
COINS = {"BTC": Decimal("0.25"), "ETH": Decimal("2"), "SOL": Decimal("10"), "XRP": Decimal("300"), "DOGE": Decimal(900)}
ORDER_USD = Decimal(150)


class Owner:
    """Acts at random, but spends no cent and no coin that is not the owner's."""

    def __init__(self, exchange: SimulatedCoinbase, books: ExchangeBooks, seed: int) -> None:
        self._exchange = exchange
        self._books = books
        self._draw = random.Random(seed)  # noqa: S311 - a simulation
        self._number = 0
        self.orders: list[str] = []
        self.cancelled: list[str] = []
        self.did: Counter[str] = Counter()

    def act(self, draw: random.Random | None = None) -> None:
        """Do one thing; `draw` decides from now on which, where it is given."""
        self._draw = draw or self._draw
        deed = self._draw.choice(
            (self._rest, self._rest, self._trade, self._trade, self._cancel, self._deposit, self._withdraw)
        )
        try:
            deed()
        except (Reject, Refusal):
            self.did["refused"] += 1
        self._books.read_on()

    def _rest(self) -> None:
        """Leave a limit order one to three percent away from the market, mostly for good."""
        self._order(self._draw.uniform(0.002, 0.03), rests=True)

    def _trade(self) -> None:
        self._order(-0.005, rests=False)

    def _order(self, away: float, *, rests: bool) -> None:
        base = self._draw.choice(list(COINS))
        product_id = ProductId(base, "USD")
        product, book = self._exchange.market.product(product_id), self._exchange.market.book(product_id)
        if product is None or book is None:
            return
        side = self._draw.choice((Side.BUY, Side.SELL))
        factor = Decimal(1 - away if side is Side.BUY else 1 + away)
        best = book.bids[0].price if side is Side.BUY else book.asks[0].price
        price = _down(best * factor, product.price_increment)
        size = _down(ORDER_USD / price, product.base_increment)
        if not self._can(side, base, size, price):
            return
        self._number += 1
        record = self._exchange.place_by_hand(
            VenueOrder(
                client_order_id=ClientOrderId(f"{OWNER}{self._number}"),
                product_id=product_id,
                side=side,
                kind=Kind.LIMIT,
                time_in_force=TimeInForce.GTC if rests else TimeInForce.IOC,
                base_size=size,
                limit_price=price,
            )
        )
        self.orders.append(record.order_id)
        self.did["orders" if rests else "trades"] += 1

    def _can(self, side: Side, base: str, size: Decimal, price: Decimal) -> bool:
        """Tell whether the owner's own money or coins, less what own orders hold, are enough."""
        self._books.read_on()
        held = {"USD": Decimal(0), base: Decimal(0)}
        for record in self._exchange.orders():
            if record.order_id in self.orders and not record.status.is_final:
                currency = "USD" if record.order.side is Side.BUY else record.order.product_id.base
                held[currency] = held.get(currency, Decimal(0)) + record.hold
        if side is Side.BUY:
            return self._books.owner.of("USD") - held["USD"] > size * price * Decimal("1.02")
        return self._books.owner.of(base) - held[base] > size

    def _cancel(self) -> None:
        if self.orders:
            self.cancelled.append(self._draw.choice(self.orders))
            self._exchange.cancel_by_hand(self.cancelled[-1])
            self.did["cancels"] += 1

    def _deposit(self) -> None:
        self._exchange.deposit("USD", Decimal(self._draw.randrange(10, 500)))
        self.did["deposits"] += 1

    def _withdraw(self) -> None:
        amount = Decimal(self._draw.randrange(10, 300))
        if self._can(Side.BUY, "BTC", amount, Decimal(1)) and self._exchange.withdraw("USD", amount):
            self.did["withdrawals"] += 1


def _down(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_DOWN) * step
