"""The guards of a lot: their sizes add up to it, their prices are its own, and a race makes no second sale."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import Product, Quote
from core.model.orders import Order, OrderStatus, OrderType, Outcome, Purpose, Side
from core.model.portfolio import Lot, OrderState
from core.protection import (
    Cancel,
    CancelReason,
    Place,
    Unprotectable,
    Unprotected,
    guards_of,
    plan_protection,
    uncovered,
)
from core.settings import ProtectionKind
from core.slot_key import client_order_id
from tests.builders import (
    BTC,
    ETH,
    make_guard,
    make_ledger,
    make_lot,
    make_order,
    make_order_state,
    make_policy,
    make_product,
    make_quote,
)

LOT = make_lot(BTC, quantity="1")
QUOTE = make_quote(BTC)
CHEAP = replace(make_product(BTC), base_min_size=Decimal("0.1"))
COARSE = replace(make_product(BTC), price_increment=Decimal("0.5"), base_increment=Decimal("0.01"))


def guard(
    size: str = "1", *, name: str = "guard-1", price: str = "104", stop: str = "98", filled: str = "0"
) -> OrderState:
    return make_order_state(make_guard(LOT, name=name, size=size, price=price, stop=stop), filled=filled)


def steps(
    *guards: OrderState,
    lot: Lot = LOT,
    product: Product | None = None,
    quote: Quote | None = QUOTE,
    kind: ProtectionKind = ProtectionKind.BRACKET,
    attempt: int = 0,
    asked: str = "0",
) -> tuple[Place | Cancel, ...] | Unprotectable:
    return plan_protection(
        lot,
        guards,
        product or make_product(BTC),
        quote=quote,
        kind=kind,
        account="paper",
        slot=7,
        attempt=attempt,
        asked=Decimal(asked),
        policy=make_policy(),
    )


def placed(found: tuple[Place | Cancel, ...] | Unprotectable) -> Order:
    assert isinstance(found, tuple), found
    assert len(found) == 1
    assert isinstance(found[0], Place), found
    return found[0].order


def cancelled(found: tuple[Place | Cancel, ...] | Unprotectable) -> list[tuple[str, CancelReason]]:
    assert isinstance(found, tuple), found
    return [(step.client_order_id, step.why) for step in found if isinstance(step, Cancel)]


def refused(found: tuple[Place | Cancel, ...] | Unprotectable) -> Unprotected:
    assert isinstance(found, Unprotectable), found
    return found.reason


# --- the first guard --------------------------------------------------------------------------------------------------


def test_a_bracket_rests_at_the_target_and_wakes_at_the_stop() -> None:
    order = placed(steps())

    assert (order.side, order.purpose, order.order_type) == (Side.SELL, Purpose.PROTECTION, OrderType.BRACKET)
    assert (order.size, order.limit_price, order.stop_price) == (Decimal(1), Decimal(104), Decimal(98))
    assert (order.lot_id, order.end_time) == (LOT.lot_id, None)
    assert order.client_order_id == client_order_id("paper", BTC, 7, f"protect:{LOT.lot_id}:0", 0)


def test_a_stop_limit_sells_down_to_its_offset_below_the_stop() -> None:
    order = placed(steps(kind=ProtectionKind.STOP_LIMIT))

    assert (order.order_type, order.stop_price, order.limit_price) == (
        OrderType.STOP_LIMIT,
        Decimal(98),
        Decimal("95.06"),
    )


def test_stops_are_rounded_down_and_targets_up() -> None:
    lot = make_lot(BTC, price="100.3")  # stop 98.294, target 104.312

    bracket, stop_limit = (placed(steps(lot=lot, product=COARSE, kind=kind)) for kind in list(ProtectionKind)[1:])

    assert (bracket.stop_price, bracket.limit_price) == (Decimal(98), Decimal("104.5"))
    assert (stop_limit.stop_price, stop_limit.limit_price) == (Decimal(98), Decimal(95))


def test_a_limit_never_falls_to_nothing() -> None:
    product = replace(make_product(BTC), price_increment=Decimal(90))

    order = placed(steps(lot=make_lot(BTC), product=product, kind=ProtectionKind.STOP_LIMIT))

    assert (order.stop_price, order.limit_price) == (Decimal(90), Decimal(90))


def test_each_guard_of_a_slot_has_its_own_name() -> None:
    assert placed(steps(attempt=0)).client_order_id != placed(steps(attempt=1)).client_order_id


def test_what_an_exit_asks_for_is_not_guarded_as_well() -> None:
    assert placed(steps(asked="0.4")).size == Decimal("0.6")
    assert steps(asked="1") == ()


def test_the_kind_must_be_resolved() -> None:
    with pytest.raises(ValueError, match="resolved"):
        steps(kind=ProtectionKind.AUTO)


# --- keeping in line --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "guards",
    [
        pytest.param((guard("1"),), id="one guard"),
        pytest.param((guard("0.4"), guard("0.6", name="second")), id="two slices"),
        pytest.param((guard("1.5", filled="0.5"),), id="partly filled with the lot"),
        pytest.param((replace(guard("1"), cancel_requested=True),), id="being cancelled: it may still sell"),
        pytest.param((guard("1", price="104.01", stop="97.99"),), id="an increment off"),
    ],
)
def test_guards_in_line_with_the_lot_are_left_alone(guards: tuple[OrderState, ...]) -> None:
    assert steps(*guards) == ()


def test_an_unguarded_rest_gets_a_slice_of_its_own() -> None:
    assert placed(steps(guard("0.9"), product=CHEAP)).size == Decimal("0.1")


def test_a_rest_too_small_for_the_venue_waits_for_a_guard_to_make_way() -> None:
    found = steps(guard("0.5", name="large"), guard("0.40000001", name="small"), product=CHEAP)

    assert cancelled(found) == [("small", CancelReason.SMALL_REST)]
    assert placed(steps(guard("0.5", name="large"), product=CHEAP)).size == Decimal("0.5")


def test_a_rest_below_one_increment_is_left_alone() -> None:
    assert steps(guard("0.995"), product=COARSE) == ()


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        ("0", []),
        ("0.00000001", ["small"]),
        ("0.3", ["small"]),
        ("0.30000001", ["large"]),
        ("0.7", ["large"]),
        ("0.70000001", ["small", "large"]),
        ("1", ["small", "large"]),
    ],
)
def test_too_much_guarded_is_cancelled_with_the_fewest_coins(asked: str, gone: list[str]) -> None:
    found = steps(guard("0.3", name="small"), guard("0.7", name="large"), asked=asked)

    assert cancelled(found) == [(name, CancelReason.TOO_MUCH) for name in gone]


@pytest.mark.parametrize("change", [{"price": "104.02"}, {"price": "103.98"}, {"stop": "98.02"}, {"stop": "97.98"}])
def test_a_guard_more_than_an_increment_off_is_replaced(change: dict[str, str]) -> None:
    assert cancelled(steps(guard("1", **change))) == [("guard-1", CancelReason.WRONG_PRICE)]


def test_a_guard_of_the_other_kind_guards_as_well() -> None:
    stop_limit = make_order_state(make_guard(LOT, order_type=OrderType.STOP_LIMIT, price="95.06", stop="98"))

    assert steps(stop_limit, kind=ProtectionKind.BRACKET) == ()


@pytest.mark.parametrize("outcome", [None, Outcome.UNKNOWN])
@pytest.mark.parametrize("size", ["0.2", "1", "5"])
def test_while_the_fate_of_a_guard_is_unknown_nothing_is_placed_or_cancelled(
    outcome: Outcome | None, size: str
) -> None:
    unknown = make_order_state(make_guard(LOT, name="lost", size=size, price="1"), outcome=outcome)

    assert steps(guard("0.5"), unknown) == ()
    assert steps(unknown) == ()


# --- no guard possible ------------------------------------------------------------------------------------------------


def test_at_its_stop_a_lot_is_to_be_sold_not_guarded() -> None:
    assert placed(steps(quote=make_quote(BTC, bid="98.01"))).size == 1
    assert refused(steps(quote=make_quote(BTC, bid="98"))) is Unprotected.PRICE_AT_STOP
    assert steps(guard("1"), quote=make_quote(BTC, bid="50")) == ()


def test_at_its_target_a_lot_is_to_be_sold_not_bracketed() -> None:
    assert placed(steps(quote=make_quote(BTC, bid="103.99", ask="110"))).size == 1
    assert refused(steps(quote=make_quote(BTC, bid="104", ask="110"))) is Unprotected.PRICE_AT_TARGET
    assert placed(steps(quote=make_quote(BTC, bid="104", ask="110"), kind=ProtectionKind.STOP_LIMIT)).size == 1


def test_without_a_quote_the_venue_may_judge_the_price() -> None:
    assert placed(steps(quote=None)).size == 1


def test_dust_is_no_risk_and_what_is_more_but_below_the_minimum_is_said() -> None:
    dust, small, enough = (make_lot(BTC, quantity=size) for size in ("0.0099", "0.0999", "0.1"))

    assert refused(steps(lot=dust, product=CHEAP)) is Unprotected.DUST
    assert refused(steps(lot=small, product=CHEAP)) is Unprotected.BELOW_MINIMUM
    assert placed(steps(lot=enough, product=CHEAP)).size == Decimal("0.1")


@pytest.mark.parametrize("bid", ["98", "104"])
def test_dust_is_left_alone_also_when_its_price_is_beyond_every_guard(bid: str) -> None:
    """Else it would be due in every minute for ever, and never sold."""
    dust, enough = (make_lot(BTC, quantity=size) for size in ("0.0096", "0.1"))
    beyond = make_quote(BTC, bid=bid, ask="110")

    assert refused(steps(lot=dust, product=CHEAP, quote=beyond)) is Unprotected.DUST
    assert refused(steps(lot=enough, product=CHEAP, quote=beyond)) in (
        Unprotected.PRICE_AT_STOP,
        Unprotected.PRICE_AT_TARGET,
    )


@pytest.mark.parametrize("product", [make_product(BTC, blocked_by="offline"), make_product(BTC, post_only=True)])
def test_a_market_that_takes_no_guard_is_named(product: Product) -> None:
    assert refused(steps(product=product)) is Unprotected.MARKET_CLOSED


def test_a_stop_below_the_smallest_price_is_named() -> None:
    product = replace(make_product(BTC), price_increment=Decimal("98.5"))

    assert refused(steps(product=product)) is Unprotected.NO_PRICE


def test_a_lot_above_the_venues_maximum_is_guarded_in_parts_none_of_them_too_small() -> None:
    product = replace(CHEAP, base_max_size=Decimal("0.95"))

    first = placed(steps(product=product))
    second = placed(steps(guard(str(first.size)), product=product))

    assert (first.size, second.size) == (Decimal("0.5"), Decimal("0.5"))


# --- what is naked ----------------------------------------------------------------------------------------------------


def test_only_guards_known_to_be_at_the_exchange_cover() -> None:
    final = replace(guard("0.1", name="over"), status=OrderStatus.CANCELLED)
    orders = [
        guard("0.5", filled="0.1", name="live"),
        make_order_state(make_guard(LOT, name="lost", size="0.2"), outcome=Outcome.UNKNOWN),
        make_order_state(make_guard(make_lot(ETH), name="elsewhere")),
        make_order_state(make_order(BTC, name="exit", lot=LOT.lot_id, side=Side.SELL, size="0.1")),
    ]
    ledger = replace(make_ledger(lots=[LOT], orders=orders), closed_orders={final.order.client_order_id: final})

    assert [state.order.client_order_id for state in guards_of(ledger, LOT.lot_id)] == ["live", "lost"]
    assert uncovered(ledger, LOT) == Decimal("0.6")
    assert uncovered(make_ledger(orders=[guard("2")]), LOT) == 0


# --- in any race ------------------------------------------------------------------------------------------------------

part = st.integers(1, 100).map(lambda percent: Decimal(percent) / 100)


@given(
    quantity=st.decimals(min_value="0.11", max_value=5, places=3),
    sizes=st.lists(st.decimals(min_value="0.05", max_value=3, places=3), max_size=4),
    asked=st.decimals(min_value=0, max_value=5, places=3),
    most=st.sampled_from(["0.3", "1", "100"]),
    kind=st.sampled_from([ProtectionKind.BRACKET, ProtectionKind.STOP_LIMIT]),
)
def test_step_by_step_every_lot_ends_covered_and_is_never_guarded_beyond_what_is_left(
    quantity: Decimal, sizes: list[Decimal], asked: Decimal, most: str, kind: ProtectionKind
) -> None:
    product = replace(CHEAP, base_max_size=Decimal(most), base_increment=Decimal("0.001"))
    lot = make_lot(BTC, quantity=str(quantity))
    asked = min(asked, quantity)
    guards = {f"g{n}": guard(str(size), name=f"g{n}") for n, size in enumerate(sizes)}

    for attempt in range(200):
        found = steps(*guards.values(), lot=lot, product=product, kind=kind, attempt=attempt, asked=str(asked))
        if isinstance(found, Unprotectable) or not found:
            break
        for step in found:
            if isinstance(step, Cancel):
                del guards[step.client_order_id]
            else:
                guards[step.order.client_order_id] = make_order_state(step.order)
                assert sum(state.remaining_size for state in guards.values()) <= quantity - asked
    else:
        raise AssertionError("the steps have no end")

    left = quantity - asked - sum(state.remaining_size for state in guards.values())
    assert left == 0 or (isinstance(found, Unprotectable) and not guards and left < Decimal("0.1"))
