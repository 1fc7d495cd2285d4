"""
What the exchange refuses before an order reaches the book, with its codes (coinbase_api 2.2 and 2.9).

Written from the venue's side and on purpose not shared with the code that prepares our orders: a mistake there must
meet a refusal here. Where the documents name a code without its rule, the rule is the plain meaning of the name. Not
checked, because nobody publishes the figures: price bands, and how far in the future an end may be.
"""

from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from core.model.market import Book, Product, ProductId
from core.model.money import COST_STEP, EXACT_DIGITS
from core.model.orders import Side
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder

BOOK_AGE_MAX = timedelta(seconds=10)
"""A book older than this is none: what it shows may be gone."""

_FLAG_CODES = (
    ("trading_disabled", "TRADING_DISABLED"),
    ("is_disabled", "UNTRADABLE_PRODUCT"),
    ("cancel_only", "ORDER_ENTRY_DISABLED"),
    ("auction_mode", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"),
    ("view_only", "INELIGIBLE_PAIR"),
)

_CENTS = ("EUR", "GBP", "USD", "USDC", "USDT")


def refusal(order: VenueOrder, product: Product | None, now: datetime) -> str | None:
    """Return the reject code of an order that breaks a rule of its kind or its product, or None."""
    if product is None:
        return "INVALID_PRODUCT_ID"
    return (
        _unsupported(order)
        or _closed_market(order, product)
        or _bad_prices(order, product)
        or _bad_size(order, product)
        or _bad_end(order, now)
    )


def refusal_by_book(order: VenueOrder, product: Product, book: Book | None, now: datetime) -> str | None:
    """Return the reject code of a LIMIT or MARKET order that this book does not allow, or None."""
    if book is None or not is_fresh(book, now):
        return "PREVIEW_MISSING_PRODUCT_PRICE_BOOK"
    if order.post_only and would_cross(order, book):
        return "INVALID_LIMIT_PRICE_POST_ONLY"
    if order.kind is not Kind.MARKET:
        return None
    levels = book.asks if order.side is Side.BUY else book.bids
    if not levels:
        return "INVALID_NO_LIQUIDITY"
    return None if order.base_size is None else _bad_value(order.base_size * levels[0].price, product)


def refusal_by_last_trade(order: VenueOrder, last: Decimal | None) -> str | None:
    """Return the reject code of a STOP_LIMIT or BRACKET order that would trigger at once, or None."""
    stop, limit = order.stop_price, order.limit_price
    if last is None or stop is None or limit is None:
        return "MISSING_MARKET_TRADE_DATA"
    if order.kind is Kind.BRACKET:
        if stop >= last:
            return "INVALID_BRACKET_STOP_TRIGGER_PRICE"
        return "INVALID_BRACKET_LIMIT_PRICE" if limit <= last else None
    if order.side is Side.SELL:
        return "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE" if stop >= last else None
    return "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE" if stop <= last else None


def is_fresh(book: Book, now: datetime) -> bool:
    return now - book.at <= BOOK_AGE_MAX


def would_cross(order: VenueOrder, book: Book) -> bool:
    """Tell whether a limit order would trade at once against this book."""
    if order.limit_price is None:
        return True
    if order.side is Side.BUY:
        return bool(book.asks) and order.limit_price >= book.asks[0].price
    return bool(book.bids) and order.limit_price <= book.bids[0].price


def takes_nothing(product: Product) -> bool:
    """Tell whether the state of a market lets no order take from the book."""
    return product.blocked_by is not None or product.post_only


def quote_increment(product_id: ProductId) -> Decimal:
    """Return the step of amounts of money: cents, and the smallest unit of a coin where a coin is the money."""
    return Decimal("0.01") if product_id.quote in _CENTS else COST_STEP


def _unsupported(order: VenueOrder) -> str | None:
    """Return the code of a combination of fields that is no order, or none that is taken for spot products."""
    if (order.base_size is None) == (order.quote_size is None):
        return "PREVIEW_INVALID_ORDER_CONFIG"
    if (order.end_time is not None) and order.time_in_force is not TimeInForce.GTD:
        return "PREVIEW_INVALID_ORDER_CONFIG"
    check = {Kind.MARKET: _unsupported_market, Kind.LIMIT: _unsupported_limit}.get(order.kind, _unsupported_stop)
    return check(order)


def _unsupported_market(order: VenueOrder) -> str | None:
    if order.limit_price is not None:
        return "PRICE_NOT_ALLOWED_FOR_MARKET_ORDERS"
    is_sale_for_money = order.side is Side.SELL and order.base_size is None
    if order.time_in_force is not TimeInForce.IOC or order.post_only or order.stop_price or is_sale_for_money:
        return "UNSUPPORTED_ORDER_CONFIGURATION"
    return None


def _unsupported_limit(order: VenueOrder) -> str | None:
    if order.post_only and order.time_in_force is TimeInForce.FOK:
        return "POST_ONLY_NOT_ALLOWED_WITH_FOK"
    if order.base_size is None or order.stop_price or (order.post_only and not order.time_in_force.may_rest):
        return "UNSUPPORTED_ORDER_CONFIGURATION"
    return None


def _unsupported_stop(order: VenueOrder) -> str | None:
    if order.kind is Kind.BRACKET and order.side is Side.BUY:
        return "BRACKET_ORDER_NOT_SUPPORTED"
    if order.kind is Kind.BRACKET and order.base_size is None:
        return "QUOTE_SIZE_NOT_ALLOWED_FOR_BRACKET"
    if order.base_size is None or order.post_only or not order.time_in_force.may_rest:
        return "UNSUPPORTED_ORDER_CONFIGURATION"
    return None


def _closed_market(order: VenueOrder, product: Product) -> str | None:
    if not product.online:
        return "PRODUCT_TRADING_HALTED"
    for flag, code in _FLAG_CODES:
        if getattr(product, flag):
            return code
    if (product.post_only and not order.post_only) or (product.limit_only and order.kind is Kind.MARKET):
        return "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
    return None


def _bad_prices(order: VenueOrder, product: Product) -> str | None:
    if order.kind is Kind.MARKET:
        return None
    limit = order.limit_price
    if limit is None or not _is_positive(limit):
        return "INVALID_LIMIT_PRICE"
    if order.kind is Kind.LIMIT:
        return None if _is_multiple(limit, product.price_increment) else "INVALID_PRICE_PRECISION"
    stop = order.stop_price
    if stop is None or not _is_positive(stop):
        return "PREVIEW_INVALID_STOP_PRICE"
    if not (_is_multiple(limit, product.price_increment) and _is_multiple(stop, product.price_increment)):
        return "INVALID_PRICE_PRECISION"
    return _bad_order_of_prices(order, stop, limit)


def _bad_order_of_prices(order: VenueOrder, stop: Decimal, limit: Decimal) -> str | None:
    if order.kind is Kind.BRACKET:
        return "INVALID_BRACKET_PRICES" if limit <= stop else None
    if order.side is Side.SELL:
        return "PREVIEW_STOP_PRICE_BELOW_LIMIT_PRICE" if stop < limit else None
    return "PREVIEW_STOP_PRICE_ABOVE_LIMIT_PRICE" if stop > limit else None


def _bad_size(order: VenueOrder, product: Product) -> str | None:
    if order.base_size is None:
        return _bad_money(order, product)
    size = order.base_size
    if not _is_positive(size) or size < product.base_min_size:
        return "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"
    if size > product.base_max_size:
        return "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"
    if not _is_multiple(size, product.base_increment):
        return "INVALID_SIZE_PRECISION"
    return None if order.limit_price is None else _bad_value(size * order.limit_price, product)


def _bad_money(order: VenueOrder, product: Product) -> str | None:
    money = order.quote_size
    if money is None or not _is_positive(money):
        return "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"
    if not _is_multiple(money, quote_increment(product.product_id)):
        return "PREVIEW_INVALID_QUOTE_SIZE_PRECISION"
    return _bad_value(money, product)


def _bad_value(value: Decimal, product: Product) -> str | None:
    if value > product.quote_max_size:
        return "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE"
    return "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL" if value < product.quote_min_size else None


def _bad_end(order: VenueOrder, now: datetime) -> str | None:
    if order.time_in_force is not TimeInForce.GTD:
        return None
    if order.end_time is None:
        return "GTD_ORDERS_MUST_HAVE_END_TIME"
    return "END_TIME_IS_IN_THE_PAST" if order.end_time <= now else None


def _is_positive(amount: Decimal) -> bool:
    return amount.is_finite() and amount > 0


def _is_multiple(amount: Decimal, step: Decimal) -> bool:
    with localcontext(prec=EXACT_DIGITS):  # with fewer digits than the amount has, the last of them would not count
        steps = amount / step
        return steps == steps.to_integral_value()
