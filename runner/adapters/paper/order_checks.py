"""
What the exchange refuses before an order reaches the book, with its codes (coinbase_api 2.2 and 2.9).

Written from the venue's side and on purpose not shared with the code that prepares our orders: a mistake there must
meet a refusal here.
"""

from datetime import datetime
from decimal import Decimal

from core.model.market import Book, Product
from core.model.orders import Order, OrderType, Side

_FLAG_CODES = (
    ("trading_disabled", "TRADING_DISABLED"),
    ("is_disabled", "UNTRADABLE_PRODUCT"),
    ("cancel_only", "ORDER_ENTRY_DISABLED"),
    ("auction_mode", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"),
    ("view_only", "INELIGIBLE_PAIR"),
)


def refusal(order: Order, product: Product | None, now: datetime) -> str | None:
    """Return the reject code of an order that breaks a rule of its product, or None."""
    if product is None:
        return "INVALID_PRODUCT_ID"
    return _closed_market(order, product) or _bad_size_or_price(order, product) or _bad_end(order, now)


def would_cross(order: Order, book: Book) -> bool:
    """Tell whether a limit order would trade at once against this book."""
    if order.side is Side.BUY:
        return bool(book.asks) and order.limit_price >= book.asks[0].price
    return bool(book.bids) and order.limit_price <= book.bids[0].price


def _closed_market(order: Order, product: Product) -> str | None:
    if not product.online:
        return "PRODUCT_TRADING_HALTED"
    for flag, code in _FLAG_CODES:
        if getattr(product, flag):
            return code
    if product.post_only and order.order_type is not OrderType.POST_ONLY:
        return "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
    return None


def _bad_size_or_price(order: Order, product: Product) -> str | None:
    size, price = order.size, order.limit_price
    if not price.is_finite() or price <= 0:
        return "INVALID_LIMIT_PRICE"
    if not size.is_finite() or size < product.base_min_size or size <= 0:
        return "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"
    if size > product.base_max_size:
        return "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"
    if size * price > product.quote_max_size:
        return "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE"
    if not _is_multiple(size, product.base_increment):
        return "INVALID_SIZE_PRECISION"
    if not _is_multiple(price, product.price_increment):
        return "INVALID_PRICE_PRECISION"
    if size * price < product.quote_min_size:
        return "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"
    return None


def _is_multiple(amount: Decimal, step: Decimal) -> bool:
    steps = amount / step
    return steps == steps.to_integral_value()


def _bad_end(order: Order, now: datetime) -> str | None:
    if order.order_type is OrderType.IOC:
        return None
    if order.end_time is None:
        return "GTD_ORDERS_MUST_HAVE_END_TIME"
    return "END_TIME_IS_IN_THE_PAST" if order.end_time <= now else None
