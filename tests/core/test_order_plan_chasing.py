"""Orders that follow the price: new quotes of an entry, exits and covers that widen, always inside a bound."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import Product, Quote
from core.model.orders import LotId, Order, OrderType, Purpose, Side
from core.model.verdicts import Approved, Refusal
from core.order_plan import NotPlannable, Unplannable, exit_slippage, plan_cover, plan_entry, plan_exit
from core.slot_key import attempts_made, client_order_id
from tests.builders import (
    BTC,
    ETH,
    NOON,
    make_cover,
    make_guard,
    make_ledger,
    make_lot,
    make_order,
    make_order_state,
    make_policy,
    make_product,
    make_proposal,
    make_quote,
)

POLICY = make_policy()


def quoted_anew(
    attempt: int, *, spent: str = "0", bid: str = "100", adds_to: str | None = None
) -> Order | NotPlannable:
    return plan_entry(
        Approved(
            proposal=make_proposal(),
            notional=Decimal(500),
            bound_by=Refusal.WANTED_SIZE,
            adds_to=None if adds_to is None else LotId(adds_to),
        ),
        make_product(BTC),
        make_quote(BTC, bid=bid, ask=str(Decimal(bid) + Decimal("0.02"))),
        account="paper",
        slot=7,
        now=NOON,
        policy=POLICY,
        attempt=attempt,
        spent=Decimal(spent),
    )


def sold(attempts: int = 0, *, close: float | None = None, bid: str = "100") -> Order | NotPlannable:
    return plan_exit(
        replace(make_lot(BTC), exit_attempts=attempts),
        make_product(BTC),
        make_quote(BTC, bid=bid, ask="200"),
        last_close=close,
        asked=Decimal(0),
        account="paper",
        slot=7,
        policy=POLICY,
    )


def covered(
    attempt: int = 0,
    *,
    oversold: str = "0.5",
    asked: str = "0",
    close: float | None = None,
    product: Product | None = None,
    quote: Quote | None = None,
) -> Order | NotPlannable:
    return plan_cover(
        product or make_product(BTC),
        quote or make_quote(BTC, bid="99.98", ask="100"),
        last_close=close,
        oversold=Decimal(oversold),
        asked=Decimal(asked),
        account="paper",
        slot=7,
        policy=POLICY,
        attempt=attempt,
    )


def planned(order: Order | NotPlannable) -> Order:
    assert isinstance(order, Order), order
    return order


def why(order: Order | NotPlannable) -> Unplannable:
    assert isinstance(order, NotPlannable), order
    return order.reason


# --- new quotes -------------------------------------------------------------------------------------------------------


def test_a_new_quote_has_its_own_name_the_bid_of_the_moment_and_the_lot_of_the_first() -> None:
    first, second = planned(quoted_anew(0)), planned(quoted_anew(1, bid="101"))

    assert second.client_order_id != first.client_order_id
    assert second.limit_price == 101
    assert second.lot_id == first.lot_id == LotId(first.client_order_id)


def test_a_new_quote_of_an_add_stays_with_its_lot() -> None:
    assert planned(quoted_anew(1, adds_to="held")).lot_id == LotId("held")


def test_a_new_quote_spends_only_what_is_left_of_the_approval() -> None:
    assert planned(quoted_anew(1, spent="300")).notional == 200
    assert planned(quoted_anew(1, spent="498")).notional == 2
    assert why(quoted_anew(1, spent="498.01")) is Unplannable.BELOW_MINIMUM
    assert why(quoted_anew(1, spent="500.01")) is Unplannable.BELOW_MINIMUM


@given(
    fills=st.lists(st.tuples(st.integers(9000, 11000), st.integers(0, 100)), min_size=1, max_size=5),
)
def test_all_quotes_of_an_entry_together_never_spend_more_than_was_approved(fills: list[tuple[int, int]]) -> None:
    spent = Decimal(0)
    for attempt, (cents, percent) in enumerate(fills):
        order = quoted_anew(attempt, spent=str(spent), bid=str(Decimal(cents) / 100))
        if isinstance(order, Order):
            spent += order.size * percent / 100 * order.limit_price

    assert spent <= 500


# --- exits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "price"),
    [(0, "98.5"), (1, "97.75"), (2, "97"), (4, "95.5"), (5, "95"), (1000, "95")],
)
def test_each_exit_may_sell_lower_than_the_one_before_down_to_the_limit(attempts: int, price: str) -> None:
    assert planned(sold(attempts)).limit_price == Decimal(price)


@pytest.mark.parametrize(
    ("close", "price"),
    [
        pytest.param(None, "95", id="no fresh candle: the bid alone"),
        pytest.param(math.nan, "95", id="a close that is no number"),
        pytest.param(0.0, "95", id="a close of nothing"),
        pytest.param(100.0, "95", id="the candle agrees"),
        pytest.param(100.02, "95.02", id="rounded up: never below"),
        pytest.param(104.0, "98.8", id="the book is below the candle"),
    ],
)
def test_no_exit_sells_further_below_the_last_close_than_the_limit(close: float | None, price: str) -> None:
    assert planned(sold(1000, close=close)).limit_price == Decimal(price)


def test_a_hole_in_the_book_is_not_sold_into() -> None:
    assert planned(sold(close=100.0, bid="95")).limit_price == 95
    assert why(sold(close=100.0, bid="94.99")) is Unplannable.SOURCES_DISAGREE
    assert why(sold(attempts=1000, close=100.0, bid="70")) is Unplannable.SOURCES_DISAGREE


@given(attempts=st.integers(0, 10**6))
def test_widening_never_passes_its_limit_and_never_narrows(attempts: int) -> None:
    assert exit_slippage(POLICY.exits, attempts) <= POLICY.exits.exit_slippage_limit_fraction
    assert exit_slippage(POLICY.exits, attempts) <= exit_slippage(POLICY.exits, attempts + 1)


# --- covers -----------------------------------------------------------------------------------------------------------


def test_a_cover_buys_what_is_missing_through_the_ask_and_is_named_after_itself() -> None:
    order = planned(covered())

    assert (order.side, order.purpose, order.order_type) == (Side.BUY, Purpose.COVER, OrderType.IOC)
    assert (order.size, order.limit_price) == (Decimal("0.5"), Decimal("101.5"))
    assert order.lot_id == LotId(order.client_order_id)
    assert order.client_order_id == client_order_id("paper", BTC, 7, "cover", 0)


def test_a_cover_widens_with_each_attempt_up_to_the_limit() -> None:
    assert planned(covered(1)).limit_price == Decimal("102.25")
    assert planned(covered(5)).limit_price == planned(covered(99)).limit_price == 105


def test_a_cover_never_pays_more_than_the_limit_above_the_last_close() -> None:
    assert planned(covered(99, close=96.0)).limit_price == Decimal("100.8")
    assert planned(covered(close=95.24)).limit_price == Decimal("100")
    assert why(covered(close=95.23)) is Unplannable.SOURCES_DISAGREE


def test_a_cover_asks_only_for_what_no_other_cover_asks_for() -> None:
    assert planned(covered(asked="0.2")).size == Decimal("0.3")
    assert why(covered(asked="0.5")) is Unplannable.ALREADY_ASKED


def test_what_is_missing_below_the_venues_minimum_stays_missing() -> None:
    product = replace(make_product(BTC), base_min_size=Decimal("0.1"))

    assert planned(covered(oversold="0.1", product=product)).size == Decimal("0.1")
    assert why(covered(oversold="0.0999", product=product)) is Unplannable.BELOW_MINIMUM


@pytest.mark.parametrize("product", [make_product(BTC, blocked_by="offline"), make_product(BTC, post_only=True)])
def test_no_cover_is_planned_in_a_market_that_would_not_take_it(product: Product) -> None:
    assert why(covered(product=product)) is Unplannable.MARKET_CLOSED


# --- names ------------------------------------------------------------------------------------------------------------


def test_attempts_are_counted_by_slot_purpose_product_and_lot_whatever_became_of_them() -> None:
    lot, other = make_lot(BTC, name="one"), make_lot(ETH, name="two")
    guards = [make_order_state(make_guard(lot, name=f"guard-{n}"), slot=slot) for n, slot in enumerate((6, 7, 7))]
    rest = [
        make_order_state(make_guard(other, name="elsewhere"), slot=7),
        make_order_state(make_order(BTC, name="exit", lot="one", side=Side.SELL), slot=7),
        make_order_state(make_cover(BTC), slot=7),
    ]
    ledger = replace(
        make_ledger(orders=guards[:2]), closed_orders={s.order.client_order_id: s for s in [guards[2], *rest]}
    )

    assert attempts_made(ledger, 7, Purpose.PROTECTION, BTC, LotId("one")) == 2
    assert attempts_made(ledger, 7, Purpose.EXIT, BTC, LotId("one")) == 1
    assert attempts_made(ledger, 7, Purpose.COVER, BTC) == 1
    assert attempts_made(ledger, 8, Purpose.PROTECTION, BTC, LotId("one")) == 0
