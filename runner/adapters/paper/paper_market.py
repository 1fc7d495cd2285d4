"""What the matching engine may know of a market. Each market that paper trades on has this shape."""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from core.model.market import Book, Product, ProductId
from core.model.orders import Side


class PaperMarket(Protocol):
    """The present book, and what has traded; nothing else about a market can reach a fill."""

    def product(self, product_id: ProductId) -> Product | None:
        """
        Return a product's rules, or None when it is not listed.

        Raises:
            MarketDataUnavailable
        """
        ...

    def book(self, product_id: ProductId) -> Book | None:
        """
        Return the book as it is now, or None when there is none.

        Raises:
            MarketDataUnavailable
        """
        ...

    def volume_through(
        self, product_id: ProductId, side: Side, price: Decimal, since: datetime, until: datetime
    ) -> Decimal:
        """
        Return the base volume traded after `since`, until `until`, strictly below (BUY) or above (SELL) a price.

        Trades that were not seen do not count. `until` is never in the future.

        Raises:
            MarketDataUnavailable: Not known yet; the same question is asked again later.
        """
        ...
