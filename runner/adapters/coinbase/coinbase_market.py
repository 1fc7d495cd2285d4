"""Coinbase's market: the bot's MarketData, and what the paper account may know of it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TypeVar

from core.errors import MarketDataUnavailable
from core.model.market import MINUTE_SECONDS, Book, Candle, Product, ProductId, Quote
from core.model.money import ZERO
from core.model.orders import Side
from core.ports import Clock
from runner.adapters.coinbase.books import BEST_PER_REQUEST, read_best, read_book, read_quote
from runner.adapters.coinbase.candles import MINUTE, bucket_for, read_candles
from runner.adapters.coinbase.cycle_time import CycleTime
from runner.adapters.coinbase.errors import ApiUnavailable
from runner.adapters.coinbase.fields import BadField
from runner.adapters.coinbase.market_questions import GetApi, MarketQuestions, Round, read_each
from runner.adapters.coinbase.products import read_product, read_products
from runner.adapters.coinbase.trades import Tape, Tapes
from runner.adapters.coinbase.venue_time import VenueTime
from runner.matching.market import TradedRange

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

BOOK_LEVELS = 50

CLOSE_WAIT_MAX = timedelta(seconds=2)
"""
A minute that is about to close is waited for, at most so long besides the time to settle: a cycle begins with a minute
of our clock, which may be a little ahead of theirs.
"""

CLOCK_GRAIN = timedelta(milliseconds=10)
"""A minute that was waited for is over for certain: the exchange tells its time in milliseconds."""

SHOWN_LATE = timedelta(seconds=2)
"""So late a trade may appear in the list of trades."""


class CoinbaseMarket:
    """
    Port `MarketData`, and the shape that the paper account trades on.

    `venue`: the name in every record. `cycle_time`: when it is up, a call asks no further, product after product; the
    rest is absent. `settle_seconds`: so long after its end a candle is first asked for; the exchange may
    still be adding its last trades. `note` is told what was left out and why.
    """

    def __init__(
        self,
        api: GetApi,
        clock: Clock,
        time: VenueTime,
        *,
        venue: str,
        cycle_time: CycleTime,
        settle_seconds: float,
        note: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._time = time
        self._venue = venue
        self._cycle_time = cycle_time
        self._settle = timedelta(seconds=settle_seconds)
        self._note = note
        self._questions = MarketQuestions(api)
        self._tapes = Tapes(self._questions, clock.now)
        self._products: dict[ProductId, Product] = {}
        self._aliases: dict[ProductId, ProductId] = {}

    # --- MarketData ---------------------------------------------------------------------------------------------------

    @property
    def venue(self) -> str:
        return self._venue

    def products(self) -> Sequence[Product]:
        """
        Return every spot product whose rules are usable, and remember them.

        Raises:
            MarketDataUnavailable
        """
        try:
            catalogue = read_products(self._questions)
        except (ApiUnavailable, BadField) as error:
            raise MarketDataUnavailable(f"list of products: {error}") from error
        if catalogue.skipped:
            self._note(f"{catalogue.skipped} products left out, the first: {catalogue.first_reason}")
        self._products, self._aliases = catalogue.products, catalogue.aliases
        return list(catalogue.products.values())

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        """
        Return closed one-minute candles with `start >= since`, oldest first; a product that was not read is absent.

        Raises:
            MarketDataUnavailable: Nothing could be read at all.
        """
        if not product_ids:
            return {}
        first = -(-since // MINUTE_SECONDS) * MINUTE_SECONDS
        end = self._closed_until()
        read = self._read(product_ids, lambda product_id: self._candles_of(product_id, first, end), is_for_orders=False)
        return read.found

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        """
        Return the present best bid and ask; a product without a usable quote is absent.

        Raises:
            MarketDataUnavailable: Nothing could be read at all.
        """
        if not self._questions.is_signed:
            return self._read(
                product_ids,
                lambda product_id: read_quote(self._questions, product_id, self._aliases),
                is_for_orders=True,
            ).found
        starts = range(0, len(product_ids), BEST_PER_REQUEST)
        chunks = [product_ids[start : start + BEST_PER_REQUEST] for start in starts]
        by_name = {", ".join(map(str, chunk)): chunk for chunk in chunks}  # a failure is noted with the key's text
        parts = self._read(
            list(by_name),
            lambda name: read_best(self._questions, by_name[name], self._aliases, self._note),
            is_for_orders=True,
        ).found
        return {product_id: quote for part in parts.values() for product_id, quote in part.items()}

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        """
        Return the present books; a product without a readable book is absent.

        Raises:
            MarketDataUnavailable: Nothing could be read, or not everything was asked for. A universe that is made of
                some of the books would leave the others out for hours.
        """
        books = self._read(
            product_ids,
            lambda product_id: read_book(self._questions, product_id, BOOK_LEVELS, self._aliases),
            is_for_orders=False,
        )
        if not books.is_complete:
            raise MarketDataUnavailable(f"books: {len(books.found)} of {len(product_ids)} read in time")
        return books.found

    # --- what the paper account may know ------------------------------------------------------------------------------

    def product(self, product_id: ProductId) -> Product | None:
        """
        Return a product's rules as last learnt, or None when it is not listed.

        Raises:
            MarketDataUnavailable
        """
        known = self._products.get(product_id)
        if known is not None:
            return known
        product = self._answer(f"product {product_id}", lambda: read_product(self._questions, product_id))
        if product is not None:
            self._products[product_id] = product
        return product

    def book(self, product_id: ProductId) -> Book | None:
        """
        Return the book as it is now, or None when there is no such product.

        Raises:
            MarketDataUnavailable
        """
        return self._answer(
            f"book of {product_id}", lambda: read_book(self._questions, product_id, BOOK_LEVELS, self._aliases)
        )

    def last_trade(self, product_id: ProductId) -> Decimal | None:
        """
        Return the price of the latest trade, or None when none is known.

        Raises:
            MarketDataUnavailable
        """
        tape = self._tape(product_id, self._clock.now())
        latest = None if tape is None else tape.latest()
        return None if latest is None else latest.price

    def volume_through(
        self, product_id: ProductId, side: Side, price: Decimal, since: datetime, until: datetime
    ) -> Decimal:
        """
        Return the base volume seen to trade after `since`, until `until`, strictly below (BUY) or above (SELL) a price.

        Raises:
            MarketDataUnavailable
        """
        tape = self._tape(product_id, until)
        seen = () if tape is None else tape.between(since, until)
        through = (trade for trade in seen if (trade.price < price if side is Side.BUY else trade.price > price))
        return sum((trade.size for trade in through), ZERO)

    def traded_range(self, product_id: ProductId, since: datetime, until: datetime) -> TradedRange | None:
        """
        Return the lowest and highest price traded after `since`, until `until`; None when nothing traded.

        Where the trades that were seen do not reach back, whole candles count, the open one included. A trade may be
        shown late, so the span begins a little earlier.

        Raises:
            MarketDataUnavailable
        """
        if since >= until:
            return None
        begin = since - SHOWN_LATE
        tape = self._tape(product_id, until)
        if tape is None:
            return None
        if tape.seen_after is not None and tape.seen_after <= begin:
            prices = [trade.price for trade in tape.between(begin, until)]
            return TradedRange(min(prices), max(prices)) if prices else None
        return self._answer(f"candles of {product_id}", lambda: self._range_of_candles(product_id, begin, until))

    # --- asking -------------------------------------------------------------------------------------------------------

    def _candles_of(self, product_id: ProductId, first: int, end: int) -> Sequence[Candle]:
        candles, left_out = read_candles(self._questions, product_id, MINUTE, first, end)
        if left_out:
            self._note(f"{product_id}: {left_out}")
        return candles

    def _range_of_candles(self, product_id: ProductId, begin: datetime, until: datetime) -> TradedRange | None:
        """Read the range of every candle that a span touches."""
        ahead = self._ahead()
        first, last = int((begin - ahead).timestamp()), int((until - ahead).timestamp())
        bucket = bucket_for(last - first)
        first -= first % bucket.seconds
        end = last - last % bucket.seconds + bucket.seconds
        candles, left_out = read_candles(self._questions, product_id, bucket, first, end)
        if left_out:
            raise BadField("candles", "only usable rows", left_out)
        if not candles:
            return None
        low, high = min(candle.low for candle in candles), max(candle.high for candle in candles)
        return TradedRange(Decimal(repr(low)), Decimal(repr(high)))

    def _tape(self, product_id: ProductId, until: datetime) -> Tape | None:
        alias, ahead = self._aliases.get(product_id), self._ahead()
        return self._answer(f"trades of {product_id}", lambda: self._tapes.until(until, product_id, alias, ahead))

    def _ahead(self) -> timedelta:
        """Return our clock's lead on the exchange's, by which the paper account's spans and their trades differ."""
        skew = self._time.skew_seconds()
        if skew is None:
            raise MarketDataUnavailable("the exchange's time is not known")
        return timedelta(seconds=skew)

    def _closed_until(self) -> int:
        """Return the end of the last minute that is closed and settled, by the exchange's time, in epoch seconds."""
        settled, began = self._time.now() - self._settle, self._clock.monotonic()
        open_for = timedelta(minutes=1) - (settled - settled.replace(second=0, microsecond=0))
        if open_for <= self._settle + CLOSE_WAIT_MAX:
            self._clock.wait_until(self._clock.now() + open_for + CLOCK_GRAIN, lambda: True)
            # Their time is not asked again: measured anew, it may be a little before the minute that was waited for.
            settled += timedelta(seconds=self._clock.monotonic() - began)
        return int(settled.replace(second=0, microsecond=0).timestamp())

    def _read(self, keys: Sequence[K], read: Callable[[K], T | None], *, is_for_orders: bool) -> Round[K, T]:
        until = self._cycle_time.round_ends_at(is_for_orders=is_for_orders)
        answers = read_each(keys, read, lambda: self._clock.monotonic() >= until, self._note)
        if not answers.found and (answers.error is not None or not answers.is_complete):
            raise MarketDataUnavailable(f"nothing could be read: {answers.error}")
        return answers

    def _answer(self, what: str, ask: Callable[[], T | None]) -> T | None:
        """Ask one question; None when the exchange says that there is no such thing."""
        try:
            return ask()
        except ApiUnavailable as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise MarketDataUnavailable(f"{what}: {error}") from error
        except BadField as error:
            raise MarketDataUnavailable(f"{what}: {error}") from error
