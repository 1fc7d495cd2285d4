"""A recorded market played as if it were now: the same prices and volumes, all times later by a whole span."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import Side
from runner.adapters.simulated_coinbase.listed_market import ModelMarket
from runner.matching.market import TradedRange


class ShiftedMarket:
    """
    A ModelMarket whose own clock runs `span` behind: what it calls then is now here.

    A client signs its requests with the present time and takes old candles for stale; so the recording moves, not the
    client's clock. The span is whole minutes, as candles begin with them.
    """

    def __init__(self, market: ModelMarket, span: timedelta) -> None:
        """
        Put a market `span` later.

        Raises:
            ValueError: The span is not whole minutes.
        """
        if span % timedelta(minutes=1):
            raise ValueError(f"not whole minutes: {span}")
        self._market = market
        self._span = span
        self._seconds = int(span.total_seconds())

    @property
    def venue(self) -> str:
        return self._market.venue

    def products(self) -> Sequence[Product]:
        return self._market.products()

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        found = self._market.candles(product_ids, since - self._seconds)
        return {
            product_id: [candle._replace(start=candle.start + self._seconds) for candle in candles]
            for product_id, candles in found.items()
        }

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        found = self._market.quotes(product_ids)
        return {product_id: replace(quote, at=quote.at + self._span) for product_id, quote in found.items()}

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        found = self._market.books(product_ids)
        return {product_id: replace(book, at=book.at + self._span) for product_id, book in found.items()}

    def product(self, product_id: ProductId) -> Product | None:
        return self._market.product(product_id)

    def book(self, product_id: ProductId) -> Book | None:
        book = self._market.book(product_id)
        return None if book is None else replace(book, at=book.at + self._span)

    def last_trade(self, product_id: ProductId) -> Decimal | None:
        return self._market.last_trade(product_id)

    def volume_through(
        self, product_id: ProductId, side: Side, price: Decimal, since: datetime, until: datetime
    ) -> Decimal:
        return self._market.volume_through(product_id, side, price, since - self._span, until - self._span)

    def traded_range(self, product_id: ProductId, since: datetime, until: datetime) -> TradedRange | None:
        return self._market.traded_range(product_id, since - self._span, until - self._span)
