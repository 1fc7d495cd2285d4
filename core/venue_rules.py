"""The venue's rules for one product, applied to prices and sizes (coinbase_api 2.2 and section 6)."""

import math
from decimal import Decimal

from core.model.market import Product, Quote
from core.model.money import round_down, round_up


def entry_price(product: Product, quote: Quote) -> Decimal:
    """Return the price of a post-only buy: the bid, rounded down to the price increment."""
    return round_down(quote.bid, product.price_increment)


def exit_price(product: Product, quote: Quote, slippage_fraction: Decimal) -> Decimal:
    """
    Return the limit of a marketable sell: so far below the bid, rounded down, but at least one increment.

    Where one increment is a large part of the price, rounding to zero would leave the lot without a way out.
    """
    return max(round_down(quote.bid * (1 - slippage_fraction), product.price_increment), product.price_increment)


def lowest_exit_price(product: Product, last_close: float | None, limit_fraction: Decimal) -> Decimal | None:
    """Return the least that any sell may ask, so far below a candle's close, on the grid; None without a close."""
    close = usable_close(last_close)
    return None if close is None else round_up(close * (1 - limit_fraction), product.price_increment)


def stop_limit_price(product: Product, stop_price: Decimal, offset_fraction: Decimal) -> Decimal:
    """Return the least that a stop-limit sells for: so far below its stop, rounded down, at least one increment."""
    return max(round_down(stop_price * (1 - offset_fraction), product.price_increment), product.price_increment)


def cover_price(product: Product, quote: Quote, slippage_fraction: Decimal) -> Decimal:
    """Return the limit of a marketable buy: so far above the ask, rounded up."""
    return round_up(quote.ask * (1 + slippage_fraction), product.price_increment)


def highest_cover_price(product: Product, last_close: float | None, limit_fraction: Decimal) -> Decimal | None:
    """Return the most that a cover may pay, so far above a candle's close, on the grid; None without a close."""
    close = usable_close(last_close)
    return None if close is None else round_down(close * (1 + limit_fraction), product.price_increment)


def usable_close(close: float | None) -> Decimal | None:
    """Return a candle's close as an amount; None when there is none, or it is no positive number."""
    return None if close is None or not (0 < close < math.inf) else Decimal(str(close))


def smallest_size(product: Product, price: Decimal, min_notional: Decimal) -> Decimal:
    """Return the smallest size (base currency) that the venue, and a least notional of our own, allow at a price."""
    notional = max(product.quote_min_size, min_notional)
    return round_up(max(product.base_min_size, notional / price), product.base_increment)


def largest_notional(product: Product, price: Decimal) -> Decimal:
    """Return the largest order value (quote currency) that the venue allows at a price."""
    return min(product.quote_max_size, product.base_max_size * price)


def is_on_grid(amount: Decimal, increment: Decimal) -> bool:
    """Tell whether an amount is a whole number of increments."""
    return round_down(amount, increment) == amount


def are_usable(product: Product) -> bool:
    """Tell whether every rule is a finite number and the increments are positive."""
    numbers = (
        product.base_increment,
        product.price_increment,
        product.base_min_size,
        product.base_max_size,
        product.quote_min_size,
        product.quote_max_size,
    )
    return all(number.is_finite() for number in numbers) and product.base_increment > 0 and product.price_increment > 0
