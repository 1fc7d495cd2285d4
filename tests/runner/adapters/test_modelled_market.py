"""The model on a feed that notes what it is asked, and gives exact numbers to compare with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import Candle, Level, ProductId
from core.model.orders import Side
from runner.adapters.markets.modelled_market import Listing, ModelledMarket
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.market import TradedRange
from tests.builders import BTC, ETH, make_product

HOUR = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
FLAT = Candle(0, 100.0, 100.0, 100.0, 100.0, 144.0)


class NotingFeed:
    """Every minute is the same candle; remembers the latest moment that it was asked about."""

    def __init__(self, candle: Candle = FLAT, *, spread_fraction: float = 0.001, depth_fraction: float = 0.5) -> None:
        self._candle = candle
        self._listing = Listing(
            product=make_product(BTC), spread_fraction=spread_fraction, depth_fraction=depth_fraction
        )
        self.bar_minutes: list[int] = []
        self.closed_ends: list[int] = []
        self.traded_minutes = 1440

    @property
    def venue(self) -> str:
        return "noting"

    @property
    def listings(self) -> Sequence[Listing]:
        return (self._listing,)

    def bar(self, product_id: ProductId, start: int) -> Candle | None:
        self.bar_minutes.append(start)
        return self._candle._replace(start=start)

    def closed(self, product_id: ProductId, first: int, end: int) -> list[Candle]:
        self.closed_ends.append(end)
        return [self._candle._replace(start=start) for start in range(first, end, 60)]

    def volumes(self, product_id: ProductId, first: int, end: int) -> tuple[float, float]:
        self.closed_ends.append(end)
        volume = self._candle.volume * self.traded_minutes * (end - first) / 86400
        return volume, volume * self._candle.close


def market_of(feed: NotingFeed, at: datetime = HOUR, levels: int = 3) -> ModelledMarket:
    return ModelledMarket(feed, levels=levels, now=VirtualClock(at).now)


def test_the_book_is_half_a_spread_around_the_path_with_the_same_size_on_each_level() -> None:
    book = market_of(NotingFeed()).book(BTC)

    assert book is not None
    assert book.bids == tuple(Level(Decimal(price), Decimal(72)) for price in ("99.95", "99.90", "99.85"))
    assert book.asks == tuple(Level(Decimal(price), Decimal(72)) for price in ("100.05", "100.10", "100.15"))


def test_prices_off_the_grid_are_rounded_away_from_the_mid() -> None:
    quote = market_of(NotingFeed(spread_fraction=0.00088)).quotes([BTC])[BTC]

    assert (quote.bid, quote.ask) == (Decimal("99.95"), Decimal("100.05"))


def test_a_spread_below_one_increment_still_has_an_ask_above_the_bid() -> None:
    quote = market_of(NotingFeed(spread_fraction=0.0)).quotes([BTC])[BTC]

    assert (quote.bid, quote.ask) == (Decimal("100.00"), Decimal("100.01"))


def test_a_level_that_rounds_to_nothing_is_no_quote_and_no_book() -> None:
    market = market_of(NotingFeed(depth_fraction=1e-12))

    assert market.quotes([BTC]) == {}
    assert market.books([BTC]) == {}


def test_hours_without_data_count_as_zero_depth() -> None:
    feed = NotingFeed()
    feed.traded_minutes = 360

    book = market_of(feed).book(BTC)

    assert book is not None
    assert book.bids[0].size == Decimal(18)


def test_flow_through_a_price_is_the_share_of_the_minute_beyond_it() -> None:
    dip = Candle(0, 100.0, 100.0, 99.0, 100.0, 60.0)
    market = market_of(NotingFeed(dip))

    volume = market.volume_through(BTC, Side.BUY, Decimal("99.5"), HOUR, HOUR + timedelta(seconds=20))
    at_the_low = market.volume_through(BTC, Side.BUY, Decimal("99.0"), HOUR, HOUR + timedelta(minutes=10))
    backwards = market.volume_through(BTC, Side.BUY, Decimal("99.5"), HOUR, HOUR - timedelta(seconds=1))

    assert volume == pytest.approx(Decimal(10))
    assert at_the_low == 0
    assert backwards == 0


def test_a_span_has_the_extremes_of_its_traded_part_rounded_outward() -> None:
    dip = Candle(0, 100.0, 100.0, 99.0, 100.0, 60.0)
    market = market_of(NotingFeed(dip))

    def traded(begin: float, end: float) -> TradedRange | None:
        return market.traded_range(BTC, HOUR + timedelta(seconds=begin), HOUR + timedelta(seconds=end))

    assert traded(0, 60) == (Decimal("99.00"), Decimal("100.00"))
    assert traded(0, 10) == (Decimal("99.50"), Decimal("100.00"))
    assert traded(0, 10.1) == (Decimal("99.49"), Decimal("100.00"))  # 99.495: a stop at 99.49 is rather met than missed
    assert traded(10, 50) == (Decimal("99.00"), Decimal("100.00"))
    assert traded(30, 90) == (Decimal("99.00"), Decimal("100.00"))
    assert traded(10, 10) is None
    assert traded(10, 9) is None
    assert market.traded_range(ETH, HOUR, HOUR + timedelta(seconds=1)) is None


def test_a_minute_without_trades_has_no_range_but_a_last_trade() -> None:
    market = market_of(NotingFeed(FLAT._replace(volume=0.0)))

    assert market.traded_range(BTC, HOUR - timedelta(minutes=5), HOUR) is None
    assert market.last_trade(BTC) == Decimal(100)
    assert market.last_trade(ETH) is None


def test_the_last_trade_is_the_path_on_the_grid() -> None:
    rise = Candle(0, 100.0, 101.0, 100.0, 101.0, 60.0)

    assert market_of(NotingFeed(rise), HOUR + timedelta(seconds=30)).last_trade(BTC) == Decimal("100.50")
    assert market_of(NotingFeed(rise), HOUR + timedelta(seconds=30.1)).last_trade(BTC) == Decimal("100.50")


@given(seconds=st.floats(0, 7200), span=st.floats(0, 300))
def test_nothing_is_asked_about_a_later_minute_than_the_present_one(seconds: float, span: float) -> None:
    """No look ahead: the feed is asked for the minute in progress, and for ranges of minutes that have ended."""
    feed = NotingFeed()
    now = HOUR + timedelta(seconds=seconds)
    market = market_of(feed, now)

    market.candles([BTC], int(HOUR.timestamp()) - 600)
    market.quotes([BTC])
    market.books([BTC])
    market.products()
    market.volume_through(BTC, Side.SELL, Decimal(99), now - timedelta(seconds=span), now)
    market.traded_range(BTC, now - timedelta(seconds=span), now)
    market.last_trade(BTC)

    assert max(feed.bar_minutes) <= now.timestamp()
    assert max(feed.closed_ends) <= now.timestamp()
