"""Orders as they are sent: priced, rounded toward less risk, and named after their slot."""

import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import Product, ProductId, Quote
from core.model.orders import LotId, Order, OrderStatus, OrderType, Outcome, Purpose, Side
from core.model.portfolio import Lot, OrderState
from core.model.signals import Tier
from core.model.verdicts import Approved, Refusal
from core.order_plan import (
    END_MARGIN_SECONDS,
    NotPlannable,
    Unplannable,
    plan_entry,
    plan_exit,
    plan_taker,
)
from core.settings import PolicySettings
from core.slot_key import client_order_id
from tests.builders import (
    BTC,
    NOON,
    make_lot,
    make_order,
    make_order_state,
    make_policy,
    make_product,
    make_proposal,
    make_quote,
)

COARSE = replace(make_product(BTC), base_increment=Decimal("0.01"), price_increment=Decimal("0.5"))


def granted(notional: str = "500", adds_to: str | None = None) -> Approved:
    return Approved(
        proposal=make_proposal(),
        notional=Decimal(notional),
        bound_by=Refusal.WANTED_SIZE,
        adds_to=None if adds_to is None else LotId(adds_to),
    )


def entry(
    approved: Approved | None = None, product: Product | None = None, quote: Quote | None = None, attempt: int = 0
) -> Order | NotPlannable:
    return plan_entry(
        approved or granted(),
        product or make_product(BTC),
        quote or make_quote(BTC),
        account="paper",
        slot=7,
        now=NOON,
        policy=make_policy(),
        attempt=attempt,
    )


def taker(
    previous: OrderState,
    product: Product | None = None,
    quote: Quote | None = None,
    policy: PolicySettings | None = None,
) -> Order | NotPlannable:
    return plan_taker(
        previous,
        product or make_product(BTC),
        quote or make_quote(BTC),
        account="paper",
        tier=Tier.TIER_1,
        policy=policy or make_policy(),
    )


def exit_of(
    lot: Lot,
    product: Product | None = None,
    quote: Quote | None = None,
    asked: str = "0",
    last_close: float | None = None,
) -> Order | NotPlannable:
    return plan_exit(
        lot,
        product or make_product(BTC),
        quote or make_quote(BTC),
        last_close=last_close,
        asked=Decimal(asked),
        account="paper",
        slot=7,
        policy=make_policy(),
    )


def rested(*, filled: str = "0", size: str = "5", status: OrderStatus = OrderStatus.CANCELLED) -> OrderState:
    """A resting entry of 5 coins at 100 that has ended."""
    return make_order_state(make_order(BTC, name="maker", size=size), status=status, filled=filled)


def planned(order: Order | NotPlannable) -> Order:
    assert isinstance(order, Order), order
    return order


def why(order: Order | NotPlannable) -> Unplannable:
    assert isinstance(order, NotPlannable), order
    return order.reason


# --- names ------------------------------------------------------------------------------------------------------------


def test_an_order_id_is_a_version_8_uuid_and_the_same_on_every_machine() -> None:
    name = client_order_id("paper", BTC, 29_000_000, "entry", 0)

    assert name == "dc3a043a-68a2-8333-bae2-e9baf5a85ed6"
    assert (uuid.UUID(name).version, uuid.UUID(name).variant) == (8, uuid.RFC_4122)


PARTS = st.tuples(
    st.text(max_size=6),
    st.builds(ProductId, st.sampled_from(["BTC", "ETH", "BT"]), st.sampled_from(["USD", "USDC", "CUSD"])),
    st.integers(0, 10**9),
    st.sampled_from(["entry", "entry-taker", "exit:1", "exit:12"]),
    st.integers(0, 99),
)


@given(one=PARTS, other=PARTS)
def test_order_ids_differ_when_and_only_when_their_slot_keys_do(
    one: tuple[str, ProductId, int, str, int], other: tuple[str, ProductId, int, str, int]
) -> None:
    assert (client_order_id(*one) == client_order_id(*other)) is (one == other)


def test_an_order_id_does_not_depend_on_size_and_price() -> None:
    small = planned(entry(granted("300"), quote=make_quote(BTC, bid="90", ask="90.01")))
    large = planned(entry(granted("500")))

    assert small.client_order_id == large.client_order_id
    assert (small.size, small.limit_price) != (large.size, large.limit_price)


def test_legs_and_attempts_and_lots_of_a_slot_have_ids_of_their_own() -> None:
    other_lot = make_lot(BTC, name="other")
    names = [
        planned(entry()).client_order_id,
        planned(entry(attempt=1)).client_order_id,
        planned(taker(rested())).client_order_id,
        planned(exit_of(make_lot(BTC))).client_order_id,
        planned(exit_of(other_lot)).client_order_id,
    ]

    assert len(dict.fromkeys(names)) == len(names)


# --- entries ----------------------------------------------------------------------------------------------------------


def test_an_entry_rests_at_the_bid_until_shortly_after_its_time() -> None:
    order = planned(entry(granted("499.99999999")))

    assert (order.side, order.purpose, order.order_type) == (Side.BUY, Purpose.ENTRY, OrderType.POST_ONLY)
    assert (order.limit_price, order.size) == (Decimal(100), Decimal("4.99999999"))
    assert order.end_time == NOON + timedelta(seconds=20 + END_MARGIN_SECONDS + 1)
    assert order.lot_id == LotId(order.client_order_id)


def test_an_add_grows_the_lot_that_it_was_approved_for() -> None:
    assert planned(entry(granted(adds_to="lot-1"))).lot_id == "lot-1"


def test_price_and_size_of_an_entry_are_rounded_down() -> None:
    order = planned(entry(granted("200.99"), product=COARSE, quote=make_quote(BTC, bid="100.99", ask="101")))

    assert (order.limit_price, order.size) == (Decimal("100.5"), Decimal("1.99"))


def test_an_entry_that_rounds_below_the_minimum_is_not_raised_to_it() -> None:
    product = replace(COARSE, base_min_size=Decimal(5))

    assert planned(entry(granted("500"), product=product)).size == 5
    assert why(entry(granted("499.99"), product=product)) is Unplannable.BELOW_MINIMUM


def test_a_bid_below_one_price_increment_gives_no_price() -> None:
    product = replace(make_product(BTC), price_increment=Decimal(100))

    assert planned(entry(product=product)).limit_price == 100
    assert why(entry(product=product, quote=make_quote(BTC, bid="99.99", ask="100"))) is Unplannable.NO_PRICE


def test_nothing_is_planned_on_a_closed_market() -> None:
    closed = make_product(BTC, blocked_by="trading_disabled")

    assert why(entry(product=closed)) is Unplannable.MARKET_CLOSED
    assert why(taker(rested(), product=closed)) is Unplannable.MARKET_CLOSED
    assert why(exit_of(make_lot(BTC), product=closed)) is Unplannable.MARKET_CLOSED


def test_a_post_only_market_takes_an_entry_but_nothing_that_crosses() -> None:
    post_only = make_product(BTC, post_only=True)

    assert planned(entry(product=post_only))
    assert why(taker(rested(), product=post_only)) is Unplannable.MARKET_CLOSED
    assert why(exit_of(make_lot(BTC), product=post_only)) is Unplannable.MARKET_CLOSED


# --- the second leg ---------------------------------------------------------------------------------------------------


def test_the_rest_crosses_inside_the_slippage_budget_into_the_same_lot() -> None:
    order = planned(taker(rested(filled="2")))

    assert (order.order_type, order.side, order.purpose) == (OrderType.IOC, Side.BUY, Purpose.ENTRY)
    assert order.limit_price == Decimal("100.21")  # mid 100.01 x 1.002, rounded down
    assert (order.lot_id, order.end_time) == ("maker", None)


def test_both_legs_together_never_spend_more_than_the_first_was_granted() -> None:
    order = planned(taker(rested(filled="2")))

    assert order.notional <= 300 < (order.size + Decimal("0.00000001")) * order.limit_price


def test_the_rest_is_no_larger_than_what_was_not_filled() -> None:
    falling = make_quote(BTC, bid="50", ask="50.01")

    assert planned(taker(rested(filled="2"), quote=falling)).size == 3


def test_the_rest_asks_for_at_most_its_share_of_the_best_ask() -> None:
    order = planned(taker(rested(), quote=make_quote(BTC, size="2")))

    assert order.notional <= Decimal("100.02") < (order.size + Decimal("0.00000001")) * order.limit_price


def test_an_ask_at_the_budget_is_taken_and_one_above_it_is_not() -> None:
    assert planned(taker(rested(), quote=make_quote(BTC, bid="99.8", ask="100.2")))
    assert why(taker(rested(), quote=make_quote(BTC, bid="99.79", ask="100.21"))) is Unplannable.SLIPPAGE


def test_nothing_crosses_when_the_fallback_is_off() -> None:
    policy = replace(make_policy(), execution=replace(make_policy().execution, taker_fallback=False))

    assert why(taker(rested(), policy=policy)) is Unplannable.TAKER_OFF


@pytest.mark.parametrize("status", [OrderStatus.OPEN, OrderStatus.PENDING])
def test_nothing_crosses_while_the_first_leg_may_still_fill(status: OrderStatus) -> None:
    assert why(taker(rested(status=status))) is Unplannable.ALREADY_ASKED


def test_nothing_crosses_while_the_fate_of_the_first_leg_is_unknown() -> None:
    unknown = replace(rested(), outcome=Outcome.UNKNOWN)

    assert why(taker(unknown)) is Unplannable.ALREADY_ASKED


def test_a_rejected_first_leg_leaves_all_of_it_to_cross() -> None:
    rejected = replace(rested(status=OrderStatus.FAILED), outcome=Outcome.REJECTED)

    assert planned(taker(rejected)).notional > 499


def test_a_rest_below_the_minimum_is_given_up() -> None:
    assert why(taker(rested(filled="4.99"))) is Unplannable.BELOW_MINIMUM
    assert why(taker(rested(filled="5"))) is Unplannable.BELOW_MINIMUM


# --- exits ------------------------------------------------------------------------------------------------------------


def test_an_exit_sells_the_whole_lot_through_the_bid() -> None:
    order = planned(exit_of(make_lot(BTC, quantity="1.5")))

    assert (order.side, order.purpose, order.order_type) == (Side.SELL, Purpose.EXIT, OrderType.IOC)
    assert (order.size, order.limit_price) == (Decimal("1.5"), Decimal("98.5"))
    assert order.lot_id == make_lot(BTC).lot_id


def test_an_exit_asks_only_for_what_no_other_exit_asks_for() -> None:
    assert planned(exit_of(make_lot(BTC, quantity="1.5"), asked="0.5")).size == 1
    assert why(exit_of(make_lot(BTC, quantity="1.5"), asked="1.5")) is Unplannable.ALREADY_ASKED


def test_an_exit_is_not_sold_into_a_hole_in_the_book() -> None:
    """The bid is 100, and no sale may be more than 5 % below the last close."""
    lot = make_lot(BTC)

    assert planned(exit_of(lot, last_close=103.0)).limit_price == Decimal("98.5")
    assert planned(exit_of(lot, last_close=104.0)).limit_price == Decimal("98.8")
    assert planned(exit_of(lot, last_close=105.26)).limit_price == Decimal("100.00")
    assert why(exit_of(lot, last_close=105.28)) is Unplannable.SOURCES_DISAGREE


def test_size_and_price_of_an_exit_are_rounded_down() -> None:
    order = planned(exit_of(make_lot(BTC, quantity="1.509"), product=COARSE))

    assert (order.size, order.limit_price) == (Decimal("1.50"), Decimal("98.5"))


def test_a_rest_that_the_venue_does_not_take_is_dust() -> None:
    product = replace(COARSE, base_min_size=Decimal("0.05"))

    assert planned(exit_of(make_lot(BTC, quantity="0.05"), product=product)).size == Decimal("0.05")
    assert why(exit_of(make_lot(BTC, quantity="0.0499"), product=product)) is Unplannable.BELOW_MINIMUM


def test_a_rest_worth_less_than_the_venues_minimum_at_its_limit_is_dust() -> None:
    assert planned(exit_of(make_lot(BTC, quantity="0.01015229"))).size == Decimal("0.01015229")
    assert why(exit_of(make_lot(BTC, quantity="0.01015228"))) is Unplannable.BELOW_MINIMUM


def test_a_lot_above_the_venues_maximum_is_sold_in_parts() -> None:
    product = replace(make_product(BTC), base_max_size=Decimal(1))

    assert planned(exit_of(make_lot(BTC, quantity="1.5"), product=product)).size == 1


def test_a_coin_worth_one_price_increment_can_still_be_sold() -> None:
    product = replace(
        make_product(BTC),
        price_increment=Decimal("0.000001"),
        base_increment=Decimal(1),
        base_max_size=Decimal(10**9),
    )
    quote = make_quote(BTC, bid="0.000001", ask="0.000002")

    order = planned(exit_of(make_lot(BTC, quantity="9000000", price="0.000001"), product=product, quote=quote))

    assert order.limit_price == Decimal("0.000001")


def test_what_cannot_be_planned_says_what_was_seen_and_the_limit() -> None:
    found = exit_of(make_lot(BTC, quantity="1"), asked="1")

    assert found == NotPlannable(reason=Unplannable.ALREADY_ASKED, observed="1", limit="1")
