"""What the market says: products, candles, quotes and books."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

MINUTE_SECONDS = 60


class ProductId(NamedTuple):
    """A spot product, e.g. BTC-USD. Parsed once at the exchange's border, then the only key."""

    base: str
    quote: str

    def __str__(self) -> str:
        return f"{self.base}-{self.quote}"

    @classmethod
    def parse(cls, text: str) -> "ProductId":
        """
        Read `BASE-QUOTE`.

        Raises:
            ValueError: Not two non-empty upper-case alphanumeric parts joined by one dash.
        """
        base, dash, quote = text.partition("-")
        if not (dash and _is_asset(base) and _is_asset(quote)):
            raise ValueError(f"not a product id of the form BASE-QUOTE: {text!r}")
        return cls(base, quote)


def _is_asset(text: str) -> bool:
    return text.isascii() and text.isalnum() and text == text.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """
    One tradable pair with the venue's rules for it (coinbase_api 2.2).

    Increments and sizes are positive. `quote_volume_24h` is in quote currency; None when the
    venue does not say. The flags are Coinbase's.
    """

    product_id: ProductId
    base_increment: Decimal
    price_increment: Decimal
    base_min_size: Decimal
    base_max_size: Decimal
    quote_min_size: Decimal
    quote_max_size: Decimal
    quote_volume_24h: Decimal | None
    online: bool = True
    trading_disabled: bool = False
    is_disabled: bool = False
    cancel_only: bool = False
    limit_only: bool = False
    post_only: bool = False
    auction_mode: bool = False
    view_only: bool = False

    @property
    def blocked_by(self) -> str | None:
        """Name the first flag that forbids a new order of ours, or None."""
        if not self.online:
            return "offline"
        flags = ("trading_disabled", "is_disabled", "cancel_only", "auction_mode", "view_only")
        return next((flag for flag in flags if getattr(self, flag)), None)


class Candle(NamedTuple):
    """
    One closed minute. Prices and volume are floats: they feed indicators, never orders.

    `start` is the minute's first second, in seconds since the epoch (UTC); `volume` is in
    base currency.
    """

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Best bid and ask with their sizes in base currency; `at` is the venue's time (UTC)."""

    product_id: ProductId
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is not UTC:
            raise ValueError("a quote's time must be in UTC")
        if not 0 < self.bid < self.ask:
            raise ValueError(f"{self.product_id}: crossed or empty quote {self.bid} / {self.ask}")

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def spread_fraction(self) -> Decimal:
        return (self.ask - self.bid) / self.mid


class Level(NamedTuple):
    """One price of a book side and the base amount resting there."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Both sides of a book, best first; `at` is the venue's time (UTC)."""

    product_id: ProductId
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at: datetime

    def depth_quote(self, within_fraction: Decimal) -> Decimal:
        """Return the thinner side's value in quote currency within a distance of the mid; 0 if one-sided."""
        if not self.bids or not self.asks:
            return Decimal(0)
        mid = (self.bids[0].price + self.asks[0].price) / 2
        floor, ceiling = mid * (1 - within_fraction), mid * (1 + within_fraction)
        bid_side = sum((lv.price * lv.size for lv in self.bids if lv.price >= floor), Decimal(0))
        ask_side = sum((lv.price * lv.size for lv in self.asks if lv.price <= ceiling), Decimal(0))
        return min(bid_side, ask_side)
