"""
The list of products (coinbase_api 2.2).

What counts for trading must be there: ids, increments, sizes and their order, and the flags. A row in which one of
these is not usable is left out and counted; nothing is invented for it. What a flag that is missing means:

- `trading_disabled`, `is_disabled`, `cancel_only`, `limit_only`, `post_only`, `auction_mode`: it counts as set, for
  whether the product may be traded is not known.
- `view_only`: it counts as not set. Public data leave it out, and an order for such a product is refused without harm.
- `status`: only `online` is online.

Volume is not part of the rules: when it cannot be read it is None, and the product stays.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.model.market import Product, ProductId
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField, Row
from runner.adapters.coinbase.market_questions import MarketQuestions

PAGES_MAX = 20
"""The whole list comes as one page today, or as a few."""

_SPOT: Final = "SPOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """
    Every usable product by its id, in the list's order; how many rows were left out, and why the first one was.

    `aliases`: the product whose book another shares, e.g. BTC-USD for BTC-USDC.
    """

    products: dict[ProductId, Product]
    aliases: dict[ProductId, ProductId]
    skipped: int
    first_reason: str


def read_products(questions: MarketQuestions) -> Catalogue:
    """
    Read the whole list.

    Raises:
        ApiUnavailable
        BadField: The list has no usable row, or its pages do not end.
    """
    products: dict[ProductId, Product] = {}
    aliases: dict[ProductId, ProductId] = {}
    skipped, first_reason = 0, ""
    cursor, seen = "", {""}
    for _ in range(PAGES_MAX):
        answer = questions.ask("/products", _params(questions, cursor))
        for item in fields.items(answer, "products"):
            try:
                row = fields.row_of(item, "product")
                product, alias = product_of(row), _alias(row)
            except BadField as bad:
                skipped += 1
                first_reason = first_reason or _named(item, bad)
                continue
            if product is not None:
                products.setdefault(product.product_id, product)
                if alias is not None:
                    aliases.setdefault(product.product_id, alias)
        cursor = _next_cursor(answer)
        if not cursor:
            break
        if cursor in seen:
            raise BadField("pagination.next_cursor", "a cursor that goes on", cursor)
        seen.add(cursor)
    else:
        raise BadField("pagination.has_next", f"an end within {PAGES_MAX} pages", cursor)
    if not products:
        raise BadField("products", "a usable product", first_reason or "none")
    return Catalogue(products=products, aliases=aliases, skipped=skipped, first_reason=first_reason)


def read_product(questions: MarketQuestions, product_id: ProductId) -> Product | None:
    """
    Read the rules of one product; None when it is no spot product.

    Raises:
        ApiUnavailable: Also when there is no such product (`status` 404).
        BadField
    """
    product = product_of(questions.ask(f"/products/{product_id}", _tradability(questions)))
    if product is not None and product.product_id != product_id:
        raise BadField("product_id", str(product_id), str(product.product_id))
    return product


def product_of(item: Row) -> Product | None:
    """
    Read one row; None for what is no spot product.

    Raises:
        BadField
    """
    if fields.text_or_none(item, "product_type") not in (None, _SPOT):
        return None
    base_min, base_max = _range(item, "base_min_size", "base_max_size")
    quote_min, quote_max = _range(item, "quote_min_size", "quote_max_size")
    return Product(
        product_id=fields.product_id(item),
        base_increment=fields.positive(item, "base_increment"),
        price_increment=_price_increment(item),
        base_min_size=base_min,
        base_max_size=base_max,
        quote_min_size=quote_min,
        quote_max_size=quote_max,
        quote_volume_24h=_quote_volume(item),
        online=fields.text_or_none(item, "status") == "online",
        trading_disabled=_blocks(item, "trading_disabled"),
        is_disabled=_blocks(item, "is_disabled"),
        cancel_only=_blocks(item, "cancel_only"),
        limit_only=_blocks(item, "limit_only"),
        post_only=_blocks(item, "post_only"),
        auction_mode=_blocks(item, "auction_mode"),
        view_only=fields.flag_or_none(item, "view_only") is True,
    )


def _params(questions: MarketQuestions, cursor: str) -> list[tuple[str, str]]:
    params = [("product_type", _SPOT), *_tradability(questions)]
    return [*params, ("cursor", cursor)] if cursor else params


def _tradability(questions: MarketQuestions) -> list[tuple[str, str]]:
    """Ask for `view_only`, which only the signed endpoints fill."""
    return [("get_tradability_status", "true")] if questions.is_signed else []


def _next_cursor(answer: Row) -> str:
    """Return the cursor of the next page, "" when there is none. Without a word on pages there is one page."""
    if answer.get("pagination") is None:
        return ""
    pagination = fields.row(answer, "pagination")
    if fields.flag_or_none(pagination, "has_next") is not True:
        return ""
    return fields.text(pagination, "next_cursor")


def _range(item: Row, low_name: str, high_name: str) -> tuple[Decimal, Decimal]:
    low, high = fields.positive(item, low_name), fields.positive(item, high_name)
    if low > high:
        raise BadField(high_name, f"at least {low_name}", high)
    return low, high


def _price_increment(item: Row) -> Decimal:
    """Return the grid of prices. For cheap coins it is finer than `quote_increment`, which stands in only if absent."""
    if fields.decimal_or_none(item, "price_increment") is None:
        return fields.positive(item, "quote_increment")
    return fields.positive(item, "price_increment")


def _blocks(item: Row, name: str) -> bool:
    return fields.flag_or_none(item, name) is not False


def _alias(item: Row) -> ProductId | None:
    """Return whose book this product shares: another quote currency's of the same base asset."""
    if fields.text_or_none(item, "alias") is None:
        return None
    alias = fields.product_id(item, "alias")
    return alias if alias.base == fields.product_id(item).base else None


def _quote_volume(item: Row) -> Decimal | None:
    try:
        volume = fields.not_negative_or_none(item, "approximate_quote_24h_volume")
        if volume is not None:
            return volume
        base, price = fields.not_negative_or_none(item, "volume_24h"), fields.not_negative_or_none(item, "price")
    except BadField:
        return None
    return None if base is None or price is None else base * price


def _named(item: object, bad: BadField) -> str:
    name = item.get("product_id") if isinstance(item, dict) else None
    return f"{ascii(name)[:40]}: {bad}"
