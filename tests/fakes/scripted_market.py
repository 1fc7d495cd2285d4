"""
A market that does what the test says: MarketData, and the shape that the matching engine trades on.

The price of a product is flat, or a function of the minutes since the market's beginning (`follow`), times every jump
so far (`move`, now or at a minute to come). Candles, quotes, books and flow all come from that price, so a test
cannot contradict itself. Faults are switched on by name: `go_stale`, `fail`, `lose_book`. `before_candles` is called
with each question about candles, to let time pass.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.errors import MarketDataUnavailable
from core.model.market import MINUTE_SECONDS, Book, Candle, Level, Product, ProductId, Quote
from core.model.money import ZERO, round_down, round_up
from core.model.orders import Side
from runner.matching.market import TradedRange
from tests.builders import make_product

PriceOfMinute = Callable[[float], float]


@dataclass(slots=True, kw_only=True)
class _Script:
    product: Product
    price_of_minute: PriceOfMinute
    spread_fraction: float
    level_size: Decimal
    minute_volume: float
    jumps: list[tuple[float, float]] = field(default_factory=list)
    stale_since: datetime | None = None
    has_book: bool = True


class ScriptedMarket:
    """Each product has ten levels a side, one half-spread apart, and trades evenly through each minute."""

    def __init__(self, now: Callable[[], datetime], *, levels: int = 10) -> None:
        self._now = now
        self._begin = now().timestamp()
        self._levels = levels
        self._scripts: dict[ProductId, _Script] = {}
        self._failures_left = 0
        self.calls = 0
        self.before_candles: Callable[[], None] = lambda: None

    # --- the script ---------------------------------------------------------------------------------------------------

    def add(
        self,
        product_id: ProductId,
        *,
        price: float = 100.0,
        spread_bps: float = 10.0,
        level_size: str = "1000",
        minute_volume: float = 600.0,
        product: Product | None = None,
    ) -> None:
        """List a product at a flat price; before the beginning it has always been there."""
        self._scripts[product_id] = _Script(
            product=product or make_product(product_id),
            price_of_minute=lambda _minute: price,
            spread_fraction=spread_bps / 10_000,
            level_size=Decimal(level_size),
            minute_volume=minute_volume,
        )

    def follow(self, product_id: ProductId, price_of_minute: PriceOfMinute) -> None:
        """Let the price be a function of the minutes since the beginning (below zero: before it)."""
        self._scripts[product_id].price_of_minute = price_of_minute

    def move(self, product_id: ProductId, percent: float, *, at_minute: float | None = None) -> None:
        """Let the price jump by so many percent, now or so many minutes after the beginning."""
        at = self._now().timestamp() if at_minute is None else self._begin + at_minute * MINUTE_SECONDS
        self._scripts[product_id].jumps.append((at, 1 + percent / 100))

    def set_book(
        self, product_id: ProductId, *, spread_bps: float | None = None, level_size: str | None = None
    ) -> None:
        script = self._scripts[product_id]
        script.spread_fraction = script.spread_fraction if spread_bps is None else spread_bps / 10_000
        script.level_size = script.level_size if level_size is None else Decimal(level_size)

    def set_volume(self, product_id: ProductId, minute_volume: float) -> None:
        """Set what trades in a minute, in base currency; 0: no trades, so no candles."""
        self._scripts[product_id].minute_volume = minute_volume

    def set_product(self, product: Product) -> None:
        """Change a product's rules or flags."""
        self._scripts[product.product_id].product = product

    def go_stale(self, product_id: ProductId) -> None:
        """Freeze a product: no new candle, and quotes and books keep the time of now."""
        self._scripts[product_id].stale_since = self._now()

    def recover(self, product_id: ProductId) -> None:
        self._scripts[product_id].stale_since = None
        self._scripts[product_id].has_book = True

    def lose_book(self, product_id: ProductId) -> None:
        """Show no quote and no book of a product until it recovers."""
        self._scripts[product_id].has_book = False

    def fail(self, next_calls: int) -> None:
        """Let the next calls, whichever they are, raise MarketDataUnavailable."""
        self._failures_left = next_calls

    # --- MarketData ---------------------------------------------------------------------------------------------------

    @property
    def venue(self) -> str:
        return "scripted"

    def products(self) -> Sequence[Product]:
        self._answer()
        return [script.product for script in self._scripts.values()]

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        self.before_candles()
        self._answer()
        first = math.ceil(since / MINUTE_SECONDS) * MINUTE_SECONDS
        return {
            product_id: self._candles_of(self._scripts[product_id], first)
            for product_id in product_ids
            if product_id in self._scripts
        }

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        self._answer()
        books = [self._book(product_id) for product_id in product_ids]
        return {
            book.product_id: Quote(
                product_id=book.product_id,
                bid=book.bids[0].price,
                ask=book.asks[0].price,
                bid_size=book.bids[0].size,
                ask_size=book.asks[0].size,
                at=book.at,
            )
            for book in books
            if book is not None
        }

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        self._answer()
        books = [self._book(product_id) for product_id in product_ids]
        return {book.product_id: book for book in books if book is not None}

    # --- VenueMarket --------------------------------------------------------------------------------------------------

    def product(self, product_id: ProductId) -> Product | None:
        self._answer()
        script = self._scripts.get(product_id)
        return None if script is None else script.product

    def book(self, product_id: ProductId) -> Book | None:
        self._answer()
        return self._book(product_id)

    def volume_through(
        self, product_id: ProductId, side: Side, price: Decimal, since: datetime, until: datetime
    ) -> Decimal:
        """Count the seconds (since, until] in which the price was through; each trades a sixtieth of the minute."""
        self._answer()
        script = self._scripts[product_id]
        limit = float(price)
        seconds = 0
        for second in range(math.floor(since.timestamp()) + 1, math.floor(until.timestamp()) + 1):
            traded = self._price(script, second)
            seconds += traded < limit if side is Side.BUY else traded > limit
        return round_down(Decimal(seconds * script.minute_volume / MINUTE_SECONDS), script.product.base_increment)

    def last_trade(self, product_id: ProductId) -> Decimal | None:
        self._answer()
        script = self._scripts.get(product_id)
        if script is None:
            return None
        at = script.stale_since or self._now()
        return round_down(_exact(self._price(script, at.timestamp())), script.product.price_increment)

    def traded_range(self, product_id: ProductId, since: datetime, until: datetime) -> TradedRange | None:
        """Look at the same seconds as `volume_through`; prices are rounded outward to the price increment."""
        self._answer()
        script = self._scripts[product_id]
        seconds = range(math.floor(since.timestamp()) + 1, math.floor(until.timestamp()) + 1)
        if script.minute_volume <= 0 or not seconds:
            return None
        prices = [self._price(script, second) for second in seconds]
        step = script.product.price_increment
        return TradedRange(low=round_down(_exact(min(prices)), step), high=round_up(_exact(max(prices)), step))

    # --- the price ----------------------------------------------------------------------------------------------------

    def _answer(self) -> None:
        self.calls += 1
        if self._failures_left > 0:
            self._failures_left -= 1
            raise MarketDataUnavailable("the script says so")

    def _price(self, script: _Script, at: float) -> float:
        price = script.price_of_minute((at - self._begin) / MINUTE_SECONDS)
        return price * math.prod(factor for jump_at, factor in script.jumps if jump_at <= at)

    def _candles_of(self, script: _Script, first: int) -> list[Candle]:
        end = self._now() if script.stale_since is None else script.stale_since
        ended = int(end.timestamp()) // MINUTE_SECONDS * MINUTE_SECONDS
        if script.minute_volume <= 0:
            return []
        return [self._candle(script, start) for start in range(first, ended, MINUTE_SECONDS)]

    def _candle(self, script: _Script, start: int) -> Candle:
        just_before_end = start + MINUTE_SECONDS - 1e-3
        moments = [float(start), just_before_end]
        for jump_at, _ in script.jumps:
            if start < jump_at < just_before_end:
                moments += [jump_at - 1e-3, jump_at]
        prices = [self._price(script, at) for at in moments]
        return Candle(start, prices[0], max(prices), min(prices), prices[1], script.minute_volume)

    def _book(self, product_id: ProductId) -> Book | None:
        script = self._scripts.get(product_id)
        if script is None or not script.has_book:
            return None
        at = script.stale_since or self._now()
        increment = script.product.price_increment
        mid = _exact(self._price(script, at.timestamp()))
        half = mid * Decimal(repr(script.spread_fraction)) / 2
        bid = round_down(mid - half, increment)
        ask = max(round_up(mid + half, increment), bid + increment)
        step = max(round_up(half, increment), increment)
        return Book(
            product_id=product_id,
            bids=tuple(Level(bid - i * step, script.level_size) for i in range(self._levels) if bid - i * step > ZERO),
            asks=tuple(Level(ask + i * step, script.level_size) for i in range(self._levels)),
            at=at,
        )


def _exact(price: float) -> Decimal:
    """Return the number that was meant: a price of 99.99 is that, not the float next to it."""
    return Decimal(repr(round(price, 9)))
