"""What the exchange's side may know of a market. Each market that it trades on has this shape."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from core.model.market import Book, Product, ProductId
from core.model.orders import Side


class TradedRange(NamedTuple):
    """The lowest and the highest price of the trades in a span."""

    low: Decimal
    high: Decimal


class VenueMarket(Protocol):
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

    def last_trade(self, product_id: ProductId) -> Decimal | None:
        """
        Return the price of the latest trade, or None when none is known. A stop is placed relative to it.

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

    def traded_range(self, product_id: ProductId, since: datetime, until: datetime) -> TradedRange | None:
        """
        Return the lowest and highest price traded after `since`, until `until`; None when nothing traded.

        Stops trigger on it, so where single trades are not known it is rather too wide than too narrow: for minutes
        that have ended, the low and the high of their candles will do. It is asked for every resting protective order,
        each time a cycle looks at the account, mostly for the last minute, after a restart for all the time since the
        order was placed. A product that is not listed has no range. `until` is never in the future.

        Raises:
            MarketDataUnavailable: Not known yet; the same question is asked again later.
        """
        ...
