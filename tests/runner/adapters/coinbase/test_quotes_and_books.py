"""Coinbase's quotes and books: only what is usable, of the product that was asked for, as of the book's own time."""

from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MarketDataUnavailable
from core.model.market import Book, Level, ProductId, Quote
from runner.adapters.coinbase.books import BEST_PER_REQUEST, book_of, quote_of
from runner.adapters.coinbase.coinbase_market import BOOK_LEVELS
from runner.adapters.coinbase.fields import BadField
from tests.builders import BTC, ETH, NOON
from tests.fakes.scripted_api import Params, failure, price_book, product_list, product_row
from tests.runner.adapters.coinbase.market_stage import Stage

BOOK = "/market/product_book"
BEST = "/best_bid_ask"
USDC = ProductId("BTC", "USDC")
BIDS = (("99.95", "1.5"), ("99.90", "2"))
ASKS = (("100.05", "0.5"), ("100.10", "3"))


def make_price_book(
    name: str = "BTC-USD", bids: Sequence[tuple[str, str]] = BIDS, asks: Sequence[tuple[str, str]] = ASKS
) -> dict[str, object]:
    return price_book(name, bids, asks, NOON)


def of_the_product(books: dict[str, object]) -> Callable[[Params], object]:
    """Answer a question for one book; one that is not there is 404."""

    def answer(params: Params) -> object:
        found = books.get(dict(params)["product_id"], failure(404))
        return found if isinstance(found, Exception | bytes) else {"pricebook": found, "last": "1", "mid_market": ""}

    return answer


def test_without_a_key_a_quote_is_the_top_of_a_book_of_one_level() -> None:
    stage = Stage()
    stage.api.say(BOOK, of_the_product({"BTC-USD": make_price_book()}))

    quotes = stage.market.quotes([BTC])

    assert quotes == {
        BTC: Quote(
            product_id=BTC,
            bid=Decimal("99.95"),
            ask=Decimal("100.05"),
            bid_size=Decimal("1.5"),
            ask_size=Decimal("0.5"),
            at=NOON,
        )
    }
    assert quotes[BTC].at.tzinfo is UTC
    assert stage.api.asked == [(f"/api/v3/brokerage{BOOK}", (("product_id", "BTC-USD"), ("limit", "1")))]


def test_with_a_key_the_quotes_of_many_products_are_one_request_with_repeated_keys() -> None:
    stage = Stage(is_signed=True)
    stage.api.say(BEST, {"pricebooks": [make_price_book("ETH-USD"), make_price_book("BTC-USD")]})

    assert list(stage.market.quotes([BTC, ETH])) == [BTC, ETH]
    assert stage.api.asked == [
        (f"/api/v3/brokerage{BEST}", (("product_ids", "BTC-USD"), ("product_ids", "ETH-USD"))),
    ]


@pytest.mark.parametrize(("products", "requests"), [(BEST_PER_REQUEST, 1), (BEST_PER_REQUEST + 1, 2), (60, 3)])
def test_long_lists_are_asked_in_pieces(products: int, requests: int) -> None:
    stage = Stage(is_signed=True)
    stage.api.say(BEST, lambda params: {"pricebooks": [make_price_book(name) for _, name in params]})

    assert len(stage.market.quotes([ProductId(f"A{number}", "USD") for number in range(products)])) == products
    assert len(stage.api.asked) == requests


UNUSABLE = [
    pytest.param(make_price_book(bids=()), id="no bids"),
    pytest.param(make_price_book(asks=()), id="no asks"),
    pytest.param(make_price_book(bids=(), asks=()), id="empty"),
    pytest.param(make_price_book(bids=[("100.05", "1")]), id="locked"),
    pytest.param(make_price_book(bids=[("100.06", "1")]), id="crossed"),
    pytest.param(make_price_book(bids=[("", "1")]), id="empty price"),
    pytest.param(make_price_book(bids=[("0", "1")]), id="price of zero"),
    pytest.param(make_price_book(bids=[("-1", "1")]), id="negative price"),
    pytest.param(make_price_book(bids=[("99.95", "0")]), id="nothing at the price"),
    pytest.param(make_price_book(bids=[("99.95", "-1")]), id="negative size"),
    pytest.param(make_price_book(bids=[("1e2", "1")]), id="exponent"),
    pytest.param({**make_price_book(), "bids": None}, id="null side"),
    pytest.param({**make_price_book(), "bids": [["99.95", "1"]]}, id="lists for levels"),
    pytest.param({**make_price_book(), "time": ""}, id="no time"),
    pytest.param({**make_price_book(), "time": "2026-01-05T12:00:00"}, id="time without a zone"),
    pytest.param({**make_price_book(), "product_id": "SOL-USD"}, id="another product's"),
    pytest.param({**make_price_book(), "product_id": ""}, id="nobody's"),
    pytest.param("book", id="text"),
    pytest.param(None, id="null"),
]


@pytest.mark.parametrize("is_signed", [False, True], ids=["public", "signed"])
@pytest.mark.parametrize("book", UNUSABLE)
def test_a_product_without_a_usable_quote_is_absent_and_costs_no_other(book: object, is_signed: bool) -> None:
    stage = Stage(is_signed=is_signed)
    stage.api.say(BEST, {"pricebooks": [book, make_price_book("ETH-USD")]})
    stage.api.say(BOOK, of_the_product({"BTC-USD": book, "ETH-USD": make_price_book("ETH-USD")}))

    assert list(stage.market.quotes([BTC, ETH])) == [ETH]


def test_a_product_that_was_not_asked_for_is_not_in_the_answer() -> None:
    stage = Stage(is_signed=True)
    stage.api.say(BEST, {"pricebooks": [make_price_book("ETH-USD"), make_price_book("BTC-USD")]})

    assert list(stage.market.quotes([BTC])) == [BTC]


@pytest.mark.parametrize("status", [400, 404])
def test_when_one_unknown_product_spoils_the_list_each_is_asked_for_by_itself(status: int) -> None:
    stage = Stage(is_signed=True)
    gone = ProductId("GONE", "USD")
    stage.api.say(BEST, failure(status))
    stage.api.say("/product_book", of_the_product({"BTC-USD": make_price_book(), "ETH-USD": make_price_book()}))

    assert list(stage.market.quotes([gone, BTC, ETH])) == [BTC]
    assert len(stage.notes) == 2


@pytest.mark.parametrize("is_signed", [False, True], ids=["public", "signed"])
@pytest.mark.parametrize(
    "answer", [failure(500), failure(401), failure(429), failure(None), b"<html>", [], None, {}, {"pricebooks": None}]
)
def test_when_no_quote_can_be_read_the_data_are_unavailable(answer: object, is_signed: bool) -> None:
    stage = Stage(is_signed=is_signed)
    stage.api.say(BEST, answer)
    stage.api.say(BOOK, answer)

    with pytest.raises(MarketDataUnavailable):
        stage.market.quotes([BTC, ETH])


def test_no_products_have_no_quotes_and_cost_nothing() -> None:
    for stage in (Stage(), Stage(is_signed=True)):
        assert stage.market.quotes([]) == {}
        assert stage.market.books([]) == {}
        assert stage.api.asked == []


@pytest.mark.parametrize("is_signed", [False, True], ids=["public", "signed"])
def test_a_twin_is_quoted_from_the_book_that_it_shares_whichever_name_the_answer_bears(is_signed: bool) -> None:
    stage = Stage(is_signed=is_signed)
    products = product_list(product_row("BTC-USD"), product_row("BTC-USDC", alias="BTC-USD"))
    stage.api.say("/products" if is_signed else "/market/products", products)
    stage.api.say(BEST, {"pricebooks": [make_price_book("BTC-USD")]})
    stage.api.say(BOOK, lambda _: {"pricebook": make_price_book("BTC-USD")})
    stage.market.products()

    quotes = stage.market.quotes([USDC, BTC])

    assert [(key, quote.product_id, quote.bid) for key, quote in quotes.items()] == [
        (USDC, USDC, Decimal("99.95")),
        (BTC, BTC, Decimal("99.95")),
    ]


def test_a_book_has_the_levels_of_both_sides_best_first() -> None:
    stage = Stage()
    stage.api.say(BOOK, of_the_product({"BTC-USD": make_price_book()}))

    book = Book(
        product_id=BTC,
        bids=(Level(Decimal("99.95"), Decimal("1.5")), Level(Decimal("99.90"), Decimal(2))),
        asks=(Level(Decimal("100.05"), Decimal("0.5")), Level(Decimal("100.10"), Decimal(3))),
        at=NOON,
    )
    assert stage.market.books([BTC]) == {BTC: book}
    assert stage.market.book(BTC) == book
    assert dict(stage.api.asked[0][1])["limit"] == "50"


def test_a_one_sided_book_is_a_book_and_a_level_of_no_size_is_no_level() -> None:
    stage = Stage()
    stage.api.say(BOOK, of_the_product({"BTC-USD": make_price_book(bids=(), asks=[("100", "0"), ("101", "1")])}))

    assert stage.market.book(BTC) == Book(product_id=BTC, bids=(), asks=(Level(Decimal(101), Decimal(1)),), at=NOON)


@pytest.mark.parametrize(
    "book",
    [
        pytest.param(make_price_book(bids=[("99.90", "1"), ("99.95", "1")]), id="bids rise"),
        pytest.param(make_price_book(asks=[("100.10", "1"), ("100.05", "1")]), id="asks fall"),
        pytest.param(make_price_book(asks=[("100.10", "1"), ("100.10", "1")]), id="a price twice"),
        pytest.param(make_price_book(bids=[("100.05", "1")]), id="locked"),
        pytest.param(make_price_book(bids=[("99.95", "1"), ("x", "1")]), id="a bad level"),
    ],
)
def test_a_book_that_contradicts_itself_is_no_book(book: object) -> None:
    stage = Stage()
    stage.api.say(BOOK, of_the_product({"BTC-USD": book, "ETH-USD": make_price_book("ETH-USD")}))

    assert list(stage.market.books([BTC, ETH])) == [ETH]
    with pytest.raises(MarketDataUnavailable, match="book of BTC-USD"):
        stage.market.book(BTC)


def test_more_levels_than_were_asked_for_are_cut() -> None:
    many = [(f"{99 - number * 0.01:.2f}", "1") for number in range(BOOK_LEVELS + 10)]

    assert len(book_of(make_price_book(bids=many), BOOK_LEVELS).bids) == BOOK_LEVELS


def test_a_product_that_coinbase_does_not_know_has_no_book() -> None:
    stage = Stage()

    assert stage.market.book(BTC) is None
    assert stage.market.books([BTC]) == {}
    assert stage.market.quotes([BTC]) == {}


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, None])
def test_a_book_that_was_not_answered_is_not_known(status: int | None) -> None:
    stage = Stage()
    stage.api.say(BOOK, failure(status))

    with pytest.raises(MarketDataUnavailable):
        stage.market.book(BTC)
    with pytest.raises(MarketDataUnavailable):
        stage.market.books([BTC])


def test_books_that_are_not_all_asked_for_are_unavailable() -> None:
    stage = Stage()
    stage.cycle_time.end_at(stage.clock.monotonic() + 4)

    def slowly(_: Params) -> object:
        stage.pass_time(2)
        return {"pricebook": make_price_book()}

    stage.api.say(BOOK, slowly)

    with pytest.raises(MarketDataUnavailable, match="1 of 3 read in time"):
        stage.market.books([BTC, ETH, USDC])


def test_the_venue_is_named_by_who_builds_the_market() -> None:
    assert Stage().market.venue == "coinbase"


LEVELS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "price": st.one_of(st.decimals(-1, 200, places=2).map(str), st.text(max_size=4), st.none()),
                "size": st.one_of(st.decimals(-1, 9, places=1).map(str), st.integers(), st.booleans()),
            }
        ),
        st.none(),
        st.text(max_size=2),
    ),
    max_size=4,
)


@given(bids=st.one_of(LEVELS, st.none()), asks=LEVELS, seconds=st.integers(-10, 10))
def test_whatever_comes_a_quote_is_right_or_there_is_none(bids: object, asks: object, seconds: int) -> None:
    item = {**make_price_book(), "bids": bids, "asks": asks}
    at = NOON + timedelta(seconds=seconds)
    item["time"] = at.isoformat()
    try:
        book = book_of(item, 2)
    except BadField:
        return
    quote = quote_of(book)
    assert book.at == at
    assert all(level.price > 0 and level.size > 0 for level in (*book.bids, *book.asks))
    assert quote is None or 0 < quote.bid < quote.ask


def test_quotes_that_were_not_read_are_noted_by_their_names() -> None:
    stage = Stage(is_signed=True)
    stage.api.say(BEST, failure(503))

    with pytest.raises(MarketDataUnavailable):
        stage.market.quotes([BTC, ETH])

    assert stage.notes == ["BTC-USD, ETH-USD: GET failed: 503 "]
