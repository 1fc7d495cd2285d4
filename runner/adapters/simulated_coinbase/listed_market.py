"""
The market as this exchange lists it: a modelled market, with products that tests and faults change while it runs.

The protocol and the matching engine both look through it, so what the exchange says about a product and how it treats
orders for it never differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import Side
from runner.matching.market import TradedRange


class ModelMarket(Protocol):
    """What a market must have to be put behind an exchange (core.ports.MarketData and the engine's view of it)."""

    @property
    def venue(self) -> str: ...

    def products(self) -> Sequence[Product]: ...

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]: ...

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]: ...

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]: ...

    def product(self, product_id: ProductId) -> Product | None: ...

    def book(self, product_id: ProductId) -> Book | None: ...

    def last_trade(self, product_id: ProductId) -> Decimal | None: ...

    def volume_through(
        self, product_id: ProductId, side: Side, price: Decimal, since: datetime, until: datetime
    ) -> Decimal: ...

    def traded_range(self, product_id: ProductId, since: datetime, until: datetime) -> TradedRange | None: ...


class ListedMarket:
    """A ModelMarket with changed products; without changes it is the market itself."""

    def __init__(self, market: ModelMarket) -> None:
        self._market = market
        self._changed: dict[ProductId, Product] = {}
        self._delisted: dict[ProductId, None] = {}
        self._bookless: dict[ProductId, None] = {}

    # --- what happens to products -------------------------------------------------------------------------------------

    def change(self, product: Product) -> None:
        """List a product with other rules or flags from now on."""
        self._changed[product.product_id] = product

    def delist(self, product_id: ProductId) -> None:
        """Take a product off the list: it is not known any more."""
        self._delisted[product_id] = None

    def lose_book(self, product_id: ProductId) -> None:
        """Empty a product's book: its prices are empty strings, and nothing trades."""
        self._bookless[product_id] = None

    def restore(self, product_id: ProductId) -> None:
        """Undo every change of a product."""
        for changes in (self._changed, self._delisted, self._bookless):
            changes.pop(product_id, None)

    # --- the market ---------------------------------------------------------------------------------------------------

    @property
    def venue(self) -> str:
        return self._market.venue

    def products(self) -> Sequence[Product]:
        products = self._market.products()
        if not (self._changed or self._delisted):
            return products
        return [self._as_listed(item) for item in products if item.product_id not in self._delisted]

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        return self._market.candles(product_ids, since)

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        return self._market.quotes([product_id for product_id in product_ids if self._has_book(product_id)])

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        return self._market.books([product_id for product_id in product_ids if self._has_book(product_id)])

    def product(self, product_id: ProductId) -> Product | None:
        if product_id in self._delisted:
            return None
        return self._changed.get(product_id) or self._market.product(product_id)

    def book(self, product_id: ProductId) -> Book | None:
        return self._market.book(product_id) if self._has_book(product_id) else None

    def volume_through(
        self, product_id: ProductId, side: Side, price: Decimal, since: datetime, until: datetime
    ) -> Decimal:
        if not self._has_book(product_id):
            return Decimal(0)
        return self._market.volume_through(product_id, side, price, since, until)

    def last_trade(self, product_id: ProductId) -> Decimal | None:
        return None if product_id in self._delisted else self._market.last_trade(product_id)

    def traded_range(self, product_id: ProductId, since: datetime, until: datetime) -> TradedRange | None:
        return self._market.traded_range(product_id, since, until) if self._has_book(product_id) else None

    def _has_book(self, product_id: ProductId) -> bool:
        return product_id not in self._delisted and product_id not in self._bookless

    def _as_listed(self, product: Product) -> Product:
        changed = self._changed.get(product.product_id)
        return product if changed is None else replace(changed, quote_volume_24h=product.quote_volume_24h)
