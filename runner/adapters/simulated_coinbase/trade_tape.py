"""
The public trades (coinbase_api 2.5), told from what the market says has traded.

Each slice of five seconds that is over has two trades, one at its low and one at its high, with half of its volume
each. So the tape adds up to the volume that resting orders are filled from, and reaches as far as stops are triggered.
A trade is a function of its slice: asked twice, it is the same.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.model.market import Product, ProductId
from core.model.money import ZERO, plain, round_down
from core.model.orders import Side
from runner.adapters.simulated_coinbase.candle_rows import ANY_PRICE
from runner.adapters.simulated_coinbase.listed_market import ListedMarket

SLICE_SECONDS = 5
SLICES_KEPT = 120
LOOK_BACK_SECONDS = 3600
"""The tape goes back so far from its end, whatever beginning was asked for."""

Row = Mapping[str, str]


class TradeTape:
    """Trades of the products, newest first; slices that were asked for are kept, the latest of each product."""

    def __init__(self, market: ListedMarket) -> None:
        self._market = market
        self._kept: dict[ProductId, dict[int, tuple[Row, ...]]] = {}

    def rows(self, product: Product, *, since: int | None, until: int | None, limit: int, now: datetime) -> list[Row]:
        """Return at most `limit` trades with since <= time <= until (epoch seconds), of an hour at most."""
        over = int(now.timestamp()) // SLICE_SECONDS * SLICE_SECONDS
        end = over if until is None else min(over, until // SLICE_SECONDS * SLICE_SECONDS)
        first = end - LOOK_BACK_SECONDS if since is None else max(since, end - LOOK_BACK_SECONDS)
        kept = self._kept.setdefault(product.product_id, {})
        rows: list[Row] = []
        for begin in range(end - SLICE_SECONDS, first - 1, -SLICE_SECONDS):
            if begin not in kept:
                kept[begin] = self._slice(product, begin)
            rows += kept[begin]
            if len(rows) >= limit:
                break
        for old in sorted(kept)[:-SLICES_KEPT]:
            del kept[old]
        return rows[:limit]

    def _slice(self, product: Product, begin: int) -> tuple[Row, ...]:
        since, until = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(begin + SLICE_SECONDS, UTC)
        product_id = product.product_id
        traded = self._market.traded_range(product_id, since, until)
        volume = self._market.volume_through(product_id, Side.BUY, ANY_PRICE, since, until)
        if traded is None or volume <= 0:
            return ()
        half = round_down(volume / 2, product.base_increment)
        number = begin // SLICE_SECONDS * 2
        later = _row(product_id, number + 1, at=until, price=traded.high, size=volume - half)
        earlier = _row(product_id, number, at=since + timedelta(seconds=2), price=traded.low, size=half)
        return (later, earlier) if half > ZERO else (later,)


def _row(product_id: ProductId, number: int, *, at: datetime, price: Decimal, size: Decimal) -> Row:
    return {
        "trade_id": str(number),
        "product_id": str(product_id),
        "price": plain(price),
        "size": plain(size),
        "time": at.isoformat().replace("+00:00", "Z"),
        "side": "SELL" if number % 2 else "BUY",
        "exchange": "coinbase",
    }
