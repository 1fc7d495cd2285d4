"""
Books and quotes (coinbase_api 2.3).

X-USDC is traded in the book of X-USD (2.2). So an answer is a product's own when it carries its id, or that of the
product whose book it shares, as the list of products names it (`aliases`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import pairwise

from core.model.market import Book, Level, ProductId, Quote
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.errors import ApiUnavailable
from runner.adapters.coinbase.fields import BadField, Row
from runner.adapters.coinbase.market_questions import MarketQuestions

BEST_PER_REQUEST = 25
"""So many products are asked for their best prices in one request: the address stays short."""


Aliases = Mapping[ProductId, ProductId]


def read_book(questions: MarketQuestions, product_id: ProductId, levels: int, aliases: Aliases) -> Book:
    """
    Read the present book of one product, at most so many levels a side.

    Raises:
        ApiUnavailable: Also when there is no such product (`status` 404).
        BadField: The book is not readable, crossed, or another product's.
    """
    params = [("product_id", str(product_id)), ("limit", str(levels))]
    book = book_of(fields.row(questions.ask("/product_book", params), "pricebook"), levels)
    if book.product_id not in (product_id, aliases.get(product_id)):
        raise BadField("product_id", str(product_id), str(book.product_id))
    return replace(book, product_id=product_id)


def read_best(
    questions: MarketQuestions, product_ids: Sequence[ProductId], aliases: Aliases, note: Callable[[str], None]
) -> Mapping[ProductId, Quote]:
    """
    Read best bid and ask of several products in one request (signed only). One that is not usable is absent.

    Should the venue refuse the list, for which one unknown product may be enough, each is asked for by itself.

    Raises:
        ApiUnavailable
        BadField
    """
    try:
        answer = questions.ask("/best_bid_ask", [("product_ids", str(product_id)) for product_id in product_ids])
    except ApiUnavailable as error:
        if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND) or len(product_ids) == 1:
            raise
        return _one_by_one(questions, product_ids, aliases, note)
    found: dict[ProductId, Quote] = {}
    for item in fields.items(answer, "pricebooks"):
        try:
            quote = quote_of(book_of(fields.row_of(item, "pricebook"), 1))
        except BadField as bad:
            note(f"a pricebook left out: {bad}")
            continue
        if quote is not None:
            found[quote.product_id] = quote
    quotes: dict[ProductId, Quote] = {}
    for product_id in product_ids:
        quote = found.get(product_id) or found.get(aliases.get(product_id, product_id))
        if quote is not None:
            quotes[product_id] = replace(quote, product_id=product_id)
    return quotes


def read_quote(questions: MarketQuestions, product_id: ProductId, aliases: Aliases) -> Quote | None:
    """
    Read best bid and ask of one product from its book; None when a side is empty.

    Raises:
        ApiUnavailable: Also when there is no such product (`status` 404).
        BadField
    """
    return quote_of(read_book(questions, product_id, 1, aliases))


def _one_by_one(
    questions: MarketQuestions, product_ids: Sequence[ProductId], aliases: Aliases, note: Callable[[str], None]
) -> Mapping[ProductId, Quote]:
    quotes: dict[ProductId, Quote] = {}
    for product_id in product_ids:
        try:
            quote = read_quote(questions, product_id, aliases)
        except BadField as bad:
            note(f"{product_id}: {bad}")
            continue
        except ApiUnavailable as error:
            if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
                raise
            note(f"{product_id}: {error}")
            continue
        if quote is not None:
            quotes[product_id] = quote
    return quotes


def quote_of(book: Book) -> Quote | None:
    """Return the top of a book; None when a side is empty."""
    if not book.bids or not book.asks:
        return None
    bid, ask = book.bids[0], book.asks[0]
    return Quote(
        product_id=book.product_id, bid=bid.price, ask=ask.price, bid_size=bid.size, ask_size=ask.size, at=book.at
    )


def book_of(item: Row, levels: int) -> Book:
    """
    Read a pricebook, at most so many levels a side. A side may be empty; a null side is not known.

    Raises:
        BadField: A level is not readable, a side is out of order, or the sides cross.
    """
    bids, asks = _side(item, "bids", levels), _side(item, "asks", levels)
    if any(one.price <= next_one.price for one, next_one in pairwise(bids)):
        raise BadField("bids", "falling prices", "others")
    if any(one.price >= next_one.price for one, next_one in pairwise(asks)):
        raise BadField("asks", "rising prices", "others")
    if bids and asks and bids[0].price >= asks[0].price:
        raise BadField("asks", f"prices above the bid {bids[0].price}", asks[0].price)
    return Book(product_id=fields.product_id(item), bids=bids, asks=asks, at=fields.moment(item, "time"))


def _side(item: Row, name: str, levels: int) -> tuple[Level, ...]:
    found = (_level(fields.row_of(level, name)) for level in fields.items(item, name)[:levels])
    return tuple(level for level in found if level.size > 0)


def _level(item: Row) -> Level:
    return Level(fields.positive(item, "price"), fields.not_negative(item, "size"))
