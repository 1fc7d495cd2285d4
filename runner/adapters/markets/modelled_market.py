"""
A market made of candles: quotes, books and trade flow where there is only a price history (comments in app.yaml).

Everything is a function of the candles, the settings and the time; nothing here keeps state but caches of such values.
The model, and why it does not flatter:

- The mid is the path's price (candle_path), the quote is half a spread to either side, rounded away from the mid.
- Each book level shows the same size: a share of the average minute volume of the 24 hours before the last full hour.
  Hours without data count as zero. A product whose level rounds to nothing has no quote and no book.
- Levels are one half-spread apart, at least one price increment.
- Trades print at the path's price, not at the modelled bid or ask: a resting order at the bid sees flow only when the
  price has fallen by more than half a spread.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple, Protocol

from core.model.market import MINUTE_SECONDS, Book, Candle, Level, Product, ProductId, Quote
from core.model.money import ZERO
from core.model.orders import Side
from runner.adapters.markets.candle_path import extremes, price_at, seconds_above, seconds_below
from runner.matching.market import TradedRange

HOUR_SECONDS = 3600
DAY_SECONDS = 86400
DAY_MINUTES = 1440

_TICK_TOLERANCE = 1e-6
"""Share of an increment by which float noise may miss a price that lies on the increment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One product with its modelled spread (fraction of the mid) and depth (see the module)."""

    product: Product
    spread_fraction: float
    depth_fraction: float


class CandleFeed(Protocol):
    """Where the candles come from. All times are minute starts in epoch seconds."""

    @property
    def venue(self) -> str:
        """Name the market for the records."""
        ...

    @property
    def listings(self) -> Sequence[Listing]:
        """Return the products, in a fixed order."""
        ...

    def bar(self, product_id: ProductId, start: int) -> Candle | None:
        """
        Return how the price moved in one minute, also when nothing was traded (volume 0).

        None: the price is not known.

        Raises:
            MarketDataUnavailable
        """
        ...

    def closed(self, product_id: ProductId, first: int, end: int) -> list[Candle]:
        """
        Return the candles of the traded minutes in [first, end), oldest first.

        Raises:
            MarketDataUnavailable
        """
        ...

    def volumes(self, product_id: ProductId, first: int, end: int) -> tuple[float, float]:
        """Return the volume traded in [first, end), in base and in quote currency."""
        ...


class _DayVolume(NamedTuple):
    """What the 24 hours before `hour` say: the size of one book level, and the turnover."""

    hour: int
    level_size: Decimal
    quote_volume: Decimal


class ModelledMarket:
    """The MarketData port, and what the matching engine asks for, on top of a candle feed."""

    def __init__(self, feed: CandleFeed, *, levels: int, now: Callable[[], datetime]) -> None:
        self._feed = feed
        self._levels = levels
        self._now = now
        self._listings: Mapping[ProductId, Listing] = {item.product.product_id: item for item in feed.listings}
        self._day_volumes: dict[ProductId, _DayVolume] = {}
        self._hour_volumes: dict[ProductId, dict[int, tuple[float, float]]] = {}

    @property
    def venue(self) -> str:
        return self._feed.venue

    def products(self) -> Sequence[Product]:
        """Return all products; `quote_volume_24h` is that of the 24 hours before the last full hour."""
        hour = _hour_of(self._now())
        return [
            replace(item.product, quote_volume_24h=self._day_volume(item, hour).quote_volume)
            for item in self._listings.values()
        ]

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        """
        Return the minutes that have ended (start + 60 <= now).

        A day of 60 products in one answer is 25 MB of tuples: ask for long histories one product at a time.
        """
        first = -(-since // MINUTE_SECONDS) * MINUTE_SECONDS
        end = int(self._now().timestamp()) // MINUTE_SECONDS * MINUTE_SECONDS
        closed = self._feed.closed
        listings = self._listings
        return {product_id: closed(product_id, first, end) for product_id in product_ids if product_id in listings}

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        now = self._now()
        quotes: dict[ProductId, Quote] = {}
        for product_id in product_ids:
            touch = self._touch(product_id, now)
            if touch is not None:
                quotes[product_id] = Quote(
                    product_id=product_id,
                    bid=touch.bid_ticks * touch.increment,
                    ask=touch.ask_ticks * touch.increment,
                    bid_size=touch.size,
                    ask_size=touch.size,
                    at=now,
                )
        return quotes

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        found = ((product_id, self.book(product_id)) for product_id in product_ids)
        return {product_id: book for product_id, book in found if book is not None}

    def product(self, product_id: ProductId) -> Product | None:
        """Return a product's rules; its turnover is not filled in."""
        listing = self._listings.get(product_id)
        return None if listing is None else listing.product

    def book(self, product_id: ProductId) -> Book | None:
        """Return the book at this moment; None when the product is not known or shows nothing."""
        now = self._now()
        touch = self._touch(product_id, now)
        if touch is None:
            return None
        return Book(
            product_id=product_id,
            bids=tuple(
                Level((touch.bid_ticks - i * touch.step_ticks) * touch.increment, touch.size)
                for i in range(self._levels)
                if touch.bid_ticks > i * touch.step_ticks
            ),
            asks=tuple(
                Level((touch.ask_ticks + i * touch.step_ticks) * touch.increment, touch.size)
                for i in range(self._levels)
            ),
            at=now,
        )

    def last_trade(self, product_id: ProductId) -> Decimal | None:
        """Return the path's price at this moment, rounded down to the price increment; None when it is not known."""
        listing = self._listings.get(product_id)
        at = self._now().timestamp()
        start = int(at) // MINUTE_SECONDS * MINUTE_SECONDS
        bar = None if listing is None else self._feed.bar(product_id, start)
        if listing is None or bar is None:
            return None
        tick = listing.product.price_increment
        return math.floor(price_at(bar, at - start) / float(tick) + _TICK_TOLERANCE) * tick

    def traded_range(self, product_id: ProductId, since: datetime, until: datetime) -> TradedRange | None:
        """Return the extremes of the path in the traded minutes, rounded outward to the price increment."""
        listing = self._listings.get(product_id)
        begin, end = since.timestamp(), until.timestamp()
        if listing is None or begin >= end:
            return None
        low, high = math.inf, 0.0
        for start in range(int(begin) // MINUTE_SECONDS * MINUTE_SECONDS, math.ceil(end), MINUTE_SECONDS):
            bar = self._feed.bar(product_id, start)
            if bar is not None and bar.volume > 0:
                lowest, highest = extremes(bar, max(begin - start, 0.0), min(end - start, float(MINUTE_SECONDS)))
                low, high = min(low, lowest), max(high, highest)
        if high <= 0:
            return None
        tick = listing.product.price_increment
        step = float(tick)
        return TradedRange(
            low=math.floor(low / step + _TICK_TOLERANCE) * tick, high=math.ceil(high / step - _TICK_TOLERANCE) * tick
        )

    def volume_through(
        self, product_id: ProductId, side: Side, price: Decimal, since: datetime, until: datetime
    ) -> Decimal:
        """
        Return the base volume that traded strictly through a resting order's price between two past moments.

        Through a BUY is below its price, through a SELL above. Rounded down to the base increment.
        """
        listing = self._listings.get(product_id)
        begin, end = since.timestamp(), until.timestamp()
        if listing is None or begin >= end:
            return ZERO
        seconds_through = seconds_below if side is Side.BUY else seconds_above
        limit = float(price)
        volume = 0.0
        for start in range(int(begin) // MINUTE_SECONDS * MINUTE_SECONDS, math.ceil(end), MINUTE_SECONDS):
            bar = self._feed.bar(product_id, start)
            if bar is not None and bar.volume > 0:
                last = min(end - start, float(MINUTE_SECONDS))
                volume += bar.volume * seconds_through(bar, limit, max(begin - start, 0.0), last) / MINUTE_SECONDS
        return _units_down(volume, listing.product.base_increment)

    def _touch(self, product_id: ProductId, now: datetime) -> "_Touch | None":
        """Return the best prices at `now` in whole price increments."""
        listing = self._listings.get(product_id)
        if listing is None:
            return None
        at = now.timestamp()
        start = int(at) // MINUTE_SECONDS * MINUTE_SECONDS
        bar = self._feed.bar(product_id, start)
        size = self._day_volume(listing, _hour_of(now)).level_size
        if bar is None or size <= 0:
            return None
        tick = float(listing.product.price_increment)
        mid = price_at(bar, at - start) / tick
        half = mid * listing.spread_fraction / 2
        bid = math.floor(mid - half + _TICK_TOLERANCE)
        ask = max(math.ceil(mid + half - _TICK_TOLERANCE), bid + 1)
        if bid < 1:
            return None
        step = max(1, math.ceil(half - _TICK_TOLERANCE))
        return _Touch(bid, ask, step, listing.product.price_increment, size)

    def _day_volume(self, listing: Listing, hour: int) -> _DayVolume:
        product = listing.product
        known = self._day_volumes.get(product.product_id)
        if known is not None and known.hour == hour:
            return known
        base, quote = self._volumes_before(product.product_id, hour)
        level = _units_down(base / DAY_MINUTES * listing.depth_fraction, product.base_increment)
        found = _DayVolume(hour, min(level, product.base_max_size), Decimal(int(quote)))
        self._day_volumes[product.product_id] = found
        return found

    def _volumes_before(self, product_id: ProductId, hour: int) -> tuple[float, float]:
        """Add up the 24 hours before `hour`; an hour that is over is counted once."""
        hours = self._hour_volumes.setdefault(product_id, {})
        for old in [start for start in hours if start < hour - DAY_SECONDS]:
            del hours[old]
        base = quote = 0.0
        for start in range(hour - DAY_SECONDS, hour, HOUR_SECONDS):
            if start not in hours:
                hours[start] = self._feed.volumes(product_id, start, start + HOUR_SECONDS)
            base += hours[start][0]
            quote += hours[start][1]
        return base, quote


class _Touch(NamedTuple):
    bid_ticks: int
    ask_ticks: int
    step_ticks: int
    increment: Decimal
    size: Decimal


def _hour_of(now: datetime) -> int:
    return int(now.timestamp()) // HOUR_SECONDS * HOUR_SECONDS


def _units_down(amount: float, increment: Decimal) -> Decimal:
    return (Decimal(amount) / increment).to_integral_value(ROUND_FLOOR) * increment
