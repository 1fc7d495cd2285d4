"""Which products may trade, with a reason for each that may not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import Book, Level, Product, ProductId
from core.model.signals import Tier
from core.settings import UniverseSettings
from core.universe import Excluded, Exclusion, Universe, refresh, screen
from tests.builders import BTC, ETH, NOON, make_book, make_product, make_universe_settings

DOGE = ProductId("DOGE", "USD")
SETTINGS = make_universe_settings()
HOUR = timedelta(hours=1)


def refreshed(
    products: Sequence[Product],
    *,
    books: Mapping[ProductId, Book] | None = None,
    previous: Universe | None = None,
    settings: UniverseSettings = SETTINGS,
) -> Universe:
    """Refresh with a good book for every product, unless books are given."""
    good = {product.product_id: make_book(product.product_id) for product in products}
    return refresh(previous, products, good if books is None else books, settings, NOON)


def reason_for(universe: Universe, product_id: ProductId = BTC) -> Exclusion | None:
    found = universe.excluded.get(product_id)
    assert (found is None) == (product_id in universe.eligible)
    return None if found is None else found.reason


# --- one product against its floors -----------------------------------------------------------------------------------


def test_a_product_that_meets_every_floor_is_eligible_in_its_tier() -> None:
    universe = refreshed([make_product(BTC), make_product(DOGE)])

    assert [(one.product.product_id, one.tier) for one in universe.eligible.values()] == [
        (BTC, Tier.TIER_1),
        (DOGE, Tier.TIER_2),
    ]
    assert universe.tiers == {BTC: Tier.TIER_1, DOGE: Tier.TIER_2}
    assert not universe.excluded


@pytest.mark.parametrize(
    ("product", "excluded"),
    [
        pytest.param(
            make_product(ProductId("BTC", "EUR")),
            Excluded(reason=Exclusion.QUOTE_CURRENCY, observed="EUR", limit="USD USDC USDT"),
            id="foreign quote currency",
        ),
        pytest.param(
            make_product(ProductId("WBTC", "USD")),
            Excluded(reason=Exclusion.ASSET, observed="WBTC", limit="exclusions"),
            id="asset on the list",
        ),
        pytest.param(
            make_product(ProductId("PUMP", "USD")),
            Excluded(reason=Exclusion.NO_TIER, observed="PUMP", limit="tiers"),
            id="no tier",
        ),
        pytest.param(
            make_product(volume=None),
            Excluded(reason=Exclusion.VOLUME_UNKNOWN, observed="None", limit="a number"),
            id="volume unknown",
        ),
        pytest.param(
            make_product(volume="NaN"),
            Excluded(reason=Exclusion.VOLUME_UNKNOWN, observed="NaN", limit="a number"),
            id="volume not a number",
        ),
    ],
)
def test_it_is_excluded_for_what_the_list_says(product: Product, excluded: Excluded) -> None:
    universe = refreshed([product])

    assert universe.excluded == {product.product_id: excluded}
    assert not universe.eligible
    assert screen([product], SETTINGS) == ()


@pytest.mark.parametrize(
    "flag", ["offline", "trading_disabled", "is_disabled", "cancel_only", "auction_mode", "view_only"]
)
def test_a_market_that_takes_no_new_order_is_excluded_by_its_flag(flag: str) -> None:
    product = make_product(blocked_by=flag)

    found = refreshed([product]).excluded[BTC]

    assert (found.reason, found.observed) == (Exclusion.PRODUCT_STATUS, flag)
    assert screen([product], SETTINGS) == ()


def test_a_post_only_market_is_excluded_because_an_exit_could_not_cross() -> None:
    found = refreshed([make_product(post_only=True)]).excluded[BTC]

    assert (found.reason, found.observed) == (Exclusion.PRODUCT_STATUS, "post_only")


def test_a_limit_only_market_takes_all_our_orders() -> None:
    assert reason_for(refreshed([make_product(blocked_by="limit_only")])) is None


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        pytest.param(None, Exclusion.BOOK_MISSING, id="no book"),
        pytest.param(make_book(ask=""), Exclusion.BOOK_ONE_SIDED, id="no asks"),
        pytest.param(make_book(bid=""), Exclusion.BOOK_ONE_SIDED, id="no bids"),
        pytest.param(make_book(bid="100.1", ask="100.1"), Exclusion.BOOK_CROSSED, id="locked"),
        pytest.param(make_book(bid="0", ask="100.1"), Exclusion.BOOK_CROSSED, id="bid of zero"),
    ],
)
def test_nothing_is_invented_for_an_unusable_book(book: Book | None, reason: Exclusion) -> None:
    universe = refreshed([make_product()], books={} if book is None else {BTC: book})

    assert reason_for(universe) is reason


@pytest.mark.parametrize(("volume", "reason"), [("10000000", None), ("9999999.99", Exclusion.VOLUME)])
def test_volume_at_the_floor_is_enough(volume: str, reason: Exclusion | None) -> None:
    assert reason_for(refreshed([make_product(volume=volume)])) is reason


@pytest.mark.parametrize(("ask", "reason"), [("100.1", None), ("100.11", Exclusion.SPREAD)])
def test_spread_at_the_ceiling_is_small_enough(ask: str, reason: Exclusion | None) -> None:
    universe = refreshed([make_product()], books={BTC: make_book(bid="99.9", ask=ask)})

    assert reason_for(universe) is reason


@pytest.mark.parametrize(("size", "reason"), [("50", None), ("49.99", Exclusion.DEPTH)])
def test_depth_at_the_floor_is_enough(size: str, reason: Exclusion | None) -> None:
    universe = refreshed([make_product()], books={BTC: make_book(bid="100", ask="100.1", size=size)})

    assert reason_for(universe) is reason


def test_depth_beyond_the_distance_does_not_count() -> None:
    near = make_book(size="1")
    deep = replace(near, bids=(*near.bids, Level(Decimal(99), Decimal(10_000))))

    assert reason_for(refreshed([make_product()], books={BTC: deep})) is Exclusion.DEPTH


def test_an_exclusion_shows_what_was_measured_and_the_limit() -> None:
    thin = refreshed([make_product()], books={BTC: make_book(bid="100", ask="100.1", size="2.5")})
    wide = refreshed([make_product()], books={BTC: make_book(bid="99", ask="101")})
    quiet = refreshed([make_product(volume="1234.567")])

    assert thin.excluded[BTC] == Excluded(reason=Exclusion.DEPTH, observed="250", limit="5000")
    assert wide.excluded[BTC] == Excluded(reason=Exclusion.SPREAD, observed="0.02", limit="0.002")
    assert quiet.excluded[BTC] == Excluded(reason=Exclusion.VOLUME, observed="1234.57", limit="10000000")


# --- among several ----------------------------------------------------------------------------------------------------


def test_eligible_products_are_ordered_by_tier_then_volume_then_id() -> None:
    universe = refreshed(
        [
            make_product(DOGE, volume="900000000"),
            make_product(ETH, volume="50000000"),
            make_product(BTC, volume="70000000"),
            make_product(ProductId("ADA", "USD"), volume="900000000"),
        ],
    )

    assert [str(product_id) for product_id in universe.eligible] == ["BTC-USD", "ETH-USD", "ADA-USD", "DOGE-USD"]


@given(order=st.permutations([BTC, ETH, DOGE, ProductId("BTC", "USDC"), ProductId("SHIB", "USD")]))
def test_the_order_in_which_the_venue_lists_products_decides_nothing(order: Sequence[ProductId]) -> None:
    settings = make_universe_settings(max_products=3)

    universe = refreshed([make_product(product_id) for product_id in order], settings=settings)

    assert [str(product_id) for product_id in universe.eligible] == ["BTC-USD", "ETH-USD", "DOGE-USD"]


def test_an_asset_trades_in_the_first_quote_currency_that_passes() -> None:
    usd, usdc, usdt = (ProductId("BTC", quote) for quote in ("USD", "USDC", "USDT"))
    products = [make_product(usdt), make_product(usdc), make_product(usd, volume="5")]

    universe = refreshed(products)

    assert list(universe.eligible) == [usdc]
    assert reason_for(universe, usd) is Exclusion.VOLUME
    assert universe.excluded[usdt] == Excluded(
        reason=Exclusion.ANOTHER_QUOTE, observed="BTC-USDC", limit="one per asset"
    )


def test_what_is_beyond_the_maximum_is_excluded_from_the_end() -> None:
    settings = make_universe_settings(max_products=1)

    universe = refreshed([make_product(BTC, volume="60000000"), make_product(ETH)], settings=settings)

    assert list(universe.eligible) == [BTC]
    assert universe.excluded[ETH] == Excluded(reason=Exclusion.MAX_PRODUCTS, observed="2", limit="1")


@given(
    volumes=st.lists(st.sampled_from([None, "1", "20000000"]), min_size=6, max_size=6),
    sizes=st.lists(st.sampled_from(["1", "1000"]), min_size=6, max_size=6),
)
def test_every_listed_product_is_either_eligible_or_excluded(volumes: list[str | None], sizes: list[str]) -> None:
    ids = [ProductId(base, quote) for base in ("BTC", "DOGE", "PUMP") for quote in ("USD", "USDC")]
    products = [make_product(product_id, volume=volume) for product_id, volume in zip(ids, volumes, strict=True)]
    books = {product_id: make_book(product_id, size=size) for product_id, size in zip(ids, sizes, strict=True)}

    universe = refreshed(products, books=books, settings=make_universe_settings(max_products=1))

    assert sorted([*universe.eligible, *universe.excluded]) == sorted(ids)
    assert list(universe.tiers) == list(universe.eligible)


# --- what to ask for, and when ----------------------------------------------------------------------------------------


def test_books_are_asked_for_what_only_a_measurement_can_exclude() -> None:
    wanted = [make_product(BTC), make_product(ETH, volume="1")]
    useless = [make_product(ProductId("BTC", "EUR")), make_product(DOGE, blocked_by="view_only")]

    assert screen([*wanted, *useless], SETTINGS) == tuple(wanted)


@pytest.mark.parametrize(
    ("age", "due"),
    [
        pytest.param(HOUR - timedelta(seconds=1), False, id="a second early"),
        pytest.param(HOUR, True, id="on time"),
        pytest.param(timedelta(0), False, id="just now"),
        pytest.param(timedelta(seconds=-1), True, id="the clock went back"),
    ],
)
def test_a_refresh_is_due_after_the_interval(age: timedelta, due: bool) -> None:
    assert refreshed([make_product()]).is_due(NOON + age, SETTINGS) is due
