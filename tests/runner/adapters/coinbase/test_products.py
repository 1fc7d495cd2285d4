"""Coinbase's list of products: what becomes a product, what a missing field means, what is left out, how pages end."""

from decimal import Decimal

import pytest

from core.errors import MarketDataUnavailable
from core.model.market import Product, ProductId
from runner.adapters.coinbase.fields import BadField
from runner.adapters.coinbase.market_questions import MarketQuestions
from runner.adapters.coinbase.products import PAGES_MAX, product_of, read_products
from tests.builders import BTC
from tests.fakes.scripted_api import ScriptedApi, failure, product_list, product_row
from tests.runner.adapters.coinbase.market_stage import Stage

LIST = "/market/products"


def read(*rows: object) -> dict[ProductId, Product]:
    api = ScriptedApi()
    api.say(LIST, product_list(*rows))
    return read_products(MarketQuestions(api)).products


def test_a_row_as_coinbase_sends_it_becomes_a_product() -> None:
    assert read(product_row())[BTC] == Product(
        product_id=BTC,
        base_increment=Decimal("0.00000001"),
        price_increment=Decimal("0.01"),
        base_min_size=Decimal("0.00000001"),
        base_max_size=Decimal(3400),
        quote_min_size=Decimal(1),
        quote_max_size=Decimal(150000000),
        quote_volume_24h=Decimal("788000000.12"),
    )


@pytest.mark.parametrize(
    ("changes", "increment"),
    [
        pytest.param({"price_increment": "0.00000001"}, "0.00000001", id="finer than quote_increment"),
        pytest.param({"price_increment": ...}, "0.01", id="absent"),
        pytest.param({"price_increment": ""}, "0.01", id="empty"),
        pytest.param({"price_increment": None}, "0.01", id="null"),
    ],
)
def test_the_price_grid_falls_back_to_the_quote_grid_only_when_absent(
    changes: dict[str, object], increment: str
) -> None:
    assert read(product_row(**changes))[BTC].price_increment == Decimal(increment)


@pytest.mark.parametrize(
    ("changes", "volume"),
    [
        pytest.param({}, Decimal("788000000.12"), id="as Coinbase says"),
        pytest.param({"approximate_quote_24h_volume": ""}, Decimal("8123.5") * Decimal("97000.01"), id="base x price"),
        pytest.param({"approximate_quote_24h_volume": "", "price": ""}, None, id="no price"),
        pytest.param({"approximate_quote_24h_volume": ..., "volume_24h": ...}, None, id="no volume"),
        pytest.param({"approximate_quote_24h_volume": "NaN"}, None, id="not a number"),
        pytest.param({"approximate_quote_24h_volume": "-1"}, None, id="negative"),
        pytest.param({"approximate_quote_24h_volume": "0"}, Decimal(0), id="zero is known"),
    ],
)
def test_the_volume_is_what_is_known_of_it(changes: dict[str, object], volume: Decimal | None) -> None:
    assert read(product_row(**changes))[BTC].quote_volume_24h == volume


@pytest.mark.parametrize("status", ["offline", "delisted", "ONLINE", "", None, ..., "something new"])
def test_only_online_is_online(status: object) -> None:
    assert read(product_row(status=status))[BTC].blocked_by == "offline"


FLAGS = ("trading_disabled", "is_disabled", "cancel_only", "limit_only", "post_only", "auction_mode")


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("value", [True, None, ""])
def test_a_flag_that_is_set_or_not_known_counts_as_set(flag: str, value: object) -> None:
    assert getattr(read(product_row(**{flag: value}))[BTC], flag) is True


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_that_is_missing_counts_as_set(flag: str) -> None:
    assert getattr(read(product_row(**{flag: ...}))[BTC], flag) is True


@pytest.mark.parametrize(("value", "view_only"), [(True, True), (False, False), (..., False), (None, False)])
def test_view_only_is_left_out_by_public_data_and_blocks_only_when_it_is_said(value: object, view_only: bool) -> None:
    assert read(product_row(view_only=value))[BTC].view_only is view_only


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"product_id": "BTC/USD"}, id="id"),
        pytest.param({"product_id": ...}, id="no id"),
        pytest.param({"base_increment": "0"}, id="increment of zero"),
        pytest.param({"base_increment": ""}, id="no increment"),
        pytest.param({"price_increment": "1e-8"}, id="exponent"),
        pytest.param({"price_increment": "-0.01"}, id="negative increment"),
        pytest.param({"base_min_size": "٣"}, id="digits that are not ASCII"),
        pytest.param({"base_max_size": "9" * 31}, id="huge"),
        pytest.param({"base_min_size": "3400.1"}, id="least above most"),
        pytest.param({"quote_min_size": "150000001"}, id="least value above most"),
        pytest.param({"quote_max_size": None}, id="null size"),
        pytest.param({"trading_disabled": "false"}, id="a text as a flag"),
        pytest.param({"status": 7}, id="a number as a status"),
        pytest.param({"alias": "nonsense"}, id="alias"),
    ],
)
def test_a_row_that_is_not_usable_is_left_out_and_counted(changes: dict[str, object]) -> None:
    api = ScriptedApi()
    api.say(LIST, product_list(product_row("ETH-USD"), product_row(**changes), None, "row", []))

    catalogue = read_products(MarketQuestions(api))

    assert [str(product_id) for product_id in catalogue.products] == ["ETH-USD"]
    assert catalogue.skipped == 4
    assert len(catalogue.first_reason) < 160


def test_what_is_no_spot_product_is_left_out_without_a_word_and_new_fields_are_ignored() -> None:
    api = ScriptedApi()
    future = product_row("BTC-USD", product_id="BTC-28FEB25-CDE", product_type="FUTURE")
    api.say(LIST, product_list(future, product_row(product_type="HOLOGRAM"), product_row("ETH-USD", brand_new=[{}])))

    catalogue = read_products(MarketQuestions(api))

    assert [str(product_id) for product_id in catalogue.products] == ["ETH-USD"]
    assert catalogue.skipped == 0


def test_twins_stay_two_products_and_the_alias_names_the_shared_book() -> None:
    api = ScriptedApi()
    api.say(LIST, product_list(product_row("BTC-USD"), product_row("BTC-USDC", alias="BTC-USD", alias_to=[])))

    catalogue = read_products(MarketQuestions(api))

    usdc = ProductId("BTC", "USDC")
    assert list(catalogue.products) == [BTC, usdc]
    assert catalogue.products[usdc].quote_volume_24h == catalogue.products[BTC].quote_volume_24h
    assert catalogue.aliases == {usdc: BTC}


def test_an_alias_of_another_asset_is_none() -> None:
    api = ScriptedApi()
    api.say(LIST, product_list(product_row("ETH-USDC", alias="BTC-USD")))

    assert read_products(MarketQuestions(api)).aliases == {}


@pytest.mark.parametrize(
    ("is_signed", "path", "params"),
    [
        (False, "/api/v3/brokerage/market/products", (("product_type", "SPOT"),)),
        (True, "/api/v3/brokerage/products", (("product_type", "SPOT"), ("get_tradability_status", "true"))),
    ],
)
def test_a_key_asks_the_signed_list_for_what_it_may_trade(
    is_signed: bool, path: str, params: tuple[tuple[str, str], ...]
) -> None:
    stage = Stage(is_signed=is_signed)
    stage.api.say("/products" if is_signed else LIST, product_list(product_row()))

    stage.market.products()

    assert stage.api.asked == [(path, params)]


def test_pages_are_followed_by_their_cursor_and_a_product_on_two_pages_is_listed_once() -> None:
    api = ScriptedApi()
    pages = {
        "": product_list(product_row("BTC-USD"), product_row("ETH-USD"), next_cursor="c1", has_next=True),
        "c1": product_list(product_row("ETH-USD"), product_row("SOL-USD"), next_cursor="c2", has_next=True),
        "c2": product_list(product_row("XRP-USD"), next_cursor="c2", has_next=False),
    }
    api.say(LIST, lambda params: pages[dict(params).get("cursor", "")])

    found = read_products(MarketQuestions(api)).products

    assert [product_id.base for product_id in found] == ["BTC", "ETH", "SOL", "XRP"]
    assert api.count("/products") == 3


def test_a_cursor_that_repeats_is_an_error_and_not_a_shorter_list() -> None:
    api = ScriptedApi()
    api.say(LIST, product_list(product_row(), next_cursor="again", has_next=True))

    with pytest.raises(BadField, match="cursor that goes on"):
        read_products(MarketQuestions(api))

    assert api.count("/products") == 2


def test_pages_without_an_end_are_given_up() -> None:
    api = ScriptedApi()
    api.say(LIST, lambda params: product_list(product_row(), next_cursor=f"c{len(api.asked)}", has_next=True))

    with pytest.raises(BadField, match="an end within"):
        read_products(MarketQuestions(api))

    assert api.count("/products") == PAGES_MAX


def test_a_list_without_a_word_on_pages_is_one_page() -> None:
    api = ScriptedApi()
    api.say(LIST, {"products": [product_row()], "num_products": 1})

    assert list(read_products(MarketQuestions(api)).products) == [BTC]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="empty object"),
        pytest.param({"products": None}, id="null"),
        pytest.param({"products": []}, id="no products"),
        pytest.param({"products": {}}, id="object for a list"),
        pytest.param(product_list(product_row(base_increment="")), id="no usable row"),
        pytest.param(product_list(product_row(), has_next=True), id="a next page without a cursor"),
        pytest.param({"products": [product_row()], "pagination": "none"}, id="pages as text"),
        pytest.param([], id="list"),
        pytest.param(None, id="JSON null"),
        pytest.param(b"<html>502 Bad Gateway</html>", id="HTML"),
        pytest.param(b"", id="nothing"),
        pytest.param(failure(429, "<html>"), id="429"),
        pytest.param(failure(404), id="404"),
        pytest.param(failure(None), id="timeout"),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error_and_never_empty(answer: object) -> None:
    stage = Stage()
    stage.api.say(LIST, answer)

    with pytest.raises(MarketDataUnavailable, match="list of products"):
        stage.market.products()


def test_what_was_left_out_is_said_once() -> None:
    stage = Stage()
    stage.api.say(LIST, product_list(product_row(), product_row("ETH-USD", base_increment="x\ny"), product_row("x")))

    stage.market.products()

    assert stage.notes == [
        "2 products left out, the first: 'ETH-USD': base_increment: expected a number, found 'x\\ny'"
    ]


def test_the_rules_of_a_product_are_those_of_the_list_or_asked_for_alone() -> None:
    stage = Stage()
    stage.api.say(LIST, product_list(product_row("ETH-USD")))
    stage.api.say(f"{LIST}/BTC-USD", product_row())
    stage.market.products()

    found = [stage.market.product(BTC), stage.market.product(BTC), stage.market.product(ProductId("ETH", "USD"))]

    assert [str(product.product_id) for product in found if product is not None] == ["BTC-USD", "BTC-USD", "ETH-USD"]
    assert len(stage.api.asked) == 2


@pytest.mark.parametrize(
    "answer", [failure(500), failure(None), product_row("ETH-USD"), product_row(base_increment=""), None, []]
)
def test_rules_that_cannot_be_read_are_an_error_and_not_a_product_that_is_not_listed(answer: object) -> None:
    stage = Stage()
    stage.api.say(f"{LIST}/BTC-USD", answer)

    with pytest.raises(MarketDataUnavailable, match="product BTC-USD"):
        stage.market.product(BTC)


def test_a_product_that_coinbase_does_not_know_is_none_and_so_is_a_future() -> None:
    stage = Stage()
    stage.api.say(f"{LIST}/ETH-USD", product_row("ETH-USD", product_type="FUTURE"))

    assert stage.market.product(BTC) is None
    assert stage.market.product(ProductId("ETH", "USD")) is None


def test_percent_signs_and_empty_prices_elsewhere_in_the_row_do_not_matter() -> None:
    row = product_row(price="", mid_market_price="", price_percentage_change_24h="-1.2%", best_bid_price=None)

    assert product_of(row) is not None
