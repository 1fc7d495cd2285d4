"""A product does not flicker in and out of the universe; without a market it leaves at once."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from core.model.market import Book, Product, ProductId
from core.settings import UniverseSettings
from core.universe import Excluded, Exclusion, Universe, refresh
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


def run(passes: Sequence[bool], *, settings: UniverseSettings = SETTINGS) -> list[bool]:
    """Refresh BTC once per entry, with enough volume or not, and tell whether it was eligible each time."""
    universe, eligible = None, []
    for good in passes:
        product = make_product(volume="50000000" if good else "1")
        universe = refreshed([product], previous=universe, settings=settings)
        eligible.append(BTC in universe.eligible)
    return eligible


@pytest.mark.parametrize(
    ("passes", "eligible"),
    [
        pytest.param([True], [True], id="the first refresh takes what passes"),
        pytest.param([False, True], [False, False], id="later, one pass is not enough"),
        pytest.param([False, True, True], [False, False, True], id="two passes in a row are"),
        pytest.param([False, True, False, True], [False] * 4, id="a failure between them starts the count again"),
        pytest.param([True, False], [True, True], id="one failure is forgiven"),
        pytest.param([True, False, False], [True, True, False], id="two in a row are not"),
        pytest.param([True, False, True, False], [True] * 4, id="a pass between them starts the count again"),
        pytest.param([True, False, False, True, True], [True, True, False, False, True], id="there and back"),
    ],
)
def test_a_product_does_not_flicker_at_a_floor(passes: list[bool], eligible: list[bool]) -> None:
    assert run(passes) == eligible


def test_without_hysteresis_each_refresh_decides_alone() -> None:
    settings = make_universe_settings(failures_to_leave=1, passes_to_return=1)

    assert run([True, False, True, False], settings=settings) == [True, False, True, False]


def test_a_waiting_product_says_how_long() -> None:
    out = refreshed([make_product(volume="1")])

    waiting = refreshed([make_product()], previous=out)

    assert waiting.excluded[BTC] == Excluded(reason=Exclusion.HYSTERESIS, observed="1", limit="2")


def test_a_newly_listed_product_waits_like_one_that_returns() -> None:
    first = refreshed([make_product(ETH)])

    second = refreshed([make_product(ETH), make_product(BTC)], previous=first)
    third = refreshed([make_product(ETH), make_product(BTC)], previous=second)

    assert reason_for(second) is Exclusion.HYSTERESIS
    assert reason_for(third) is None


@pytest.mark.parametrize(
    ("product", "book", "reason"),
    [
        pytest.param(make_product(blocked_by="cancel_only"), make_book(), Exclusion.PRODUCT_STATUS, id="closed market"),
        pytest.param(make_product(volume=None), make_book(), Exclusion.VOLUME_UNKNOWN, id="unknown volume"),
        pytest.param(make_product(), None, Exclusion.BOOK_MISSING, id="no book"),
        pytest.param(make_product(), make_book(bid=""), Exclusion.BOOK_ONE_SIDED, id="one-sided book"),
    ],
)
def test_a_member_leaves_at_once_without_a_market_and_must_pass_to_return(
    product: Product, book: Book | None, reason: Exclusion
) -> None:
    member = refreshed([make_product()])

    out = refreshed([product], books={} if book is None else {BTC: book}, previous=member)
    back = refreshed([make_product()], previous=out)

    assert reason_for(out) is reason
    assert reason_for(back) is Exclusion.HYSTERESIS
    assert reason_for(refreshed([make_product()], previous=back)) is None


def test_a_product_that_is_no_longer_listed_is_gone() -> None:
    universe = refreshed([make_product(ETH)], previous=refreshed([make_product(BTC), make_product(ETH)]))

    assert list(universe.eligible) == [ETH]
    assert not universe.excluded
