"""The last look at orders that guard a lot or restore what is missing: stopped by a switch, or wrong themselves."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.model.guards import TradingState
from core.model.orders import Order, OrderStatus, OrderType, Outcome, Side
from core.model.portfolio import OrderState, Oversold
from core.model.verdicts import Refusal
from core.risk.last_hop import last_hop
from core.risk.view import RiskView
from core.settings import PolicySettings
from tests.builders import (
    BTC,
    ETH,
    make_cover,
    make_guard,
    make_ledger,
    make_lot,
    make_order,
    make_order_state,
    make_policy,
    make_product,
)
from tests.core.risk_cases import NAN, holding
from tests.core.test_risk_cycle_gates import CYCLE_LIMITS

LOT = make_lot(BTC, quantity="1")
OWNING = holding(make_ledger(lots=[LOT]))
GUARD = make_guard(LOT)


def stop_limit(price: str = "95.06", stop: str = "98") -> Order:
    return make_guard(LOT, order_type=OrderType.STOP_LIMIT, price=price, stop=stop)


def selling(*orders: OrderState) -> RiskView:
    """Own one coin, with orders of ours that may sell it."""
    return holding(make_ledger(lots=[LOT], orders=orders))


def exiting(size: str) -> OrderState:
    return make_order_state(
        make_order(BTC, name="exit", lot=LOT.lot_id, side=Side.SELL, order_type=OrderType.IOC, size=size, price="98.5")
    )


def guarding(size: str, *, outcome: Outcome | None = Outcome.ACCEPTED, filled: str = "0") -> OrderState:
    return make_order_state(make_guard(LOT, name="guard-0", size=size), outcome=outcome, filled=filled)


def owing(quantity: str = "0.5", *, orders: tuple[OrderState, ...] = (), cash: str = "10000") -> RiskView:
    """Have sold coins that were not ours to sell, at 100 USD."""
    oversold = Oversold(quantity=Decimal(quantity), proceeds=Decimal(quantity) * 100)
    return holding(replace(make_ledger(cash=cash, orders=orders), oversold={BTC: oversold}))


def reason(order: Order, view: RiskView, policy: PolicySettings | None = None) -> Refusal | None:
    refused = last_hop(order, view, policy or make_policy())
    return None if refused is None else refused.reason


HALF = make_guard(LOT, size="0.5")
MORE = make_guard(LOT, size="0.50000001")
OFF_GRID = replace(make_product(BTC), price_increment=Decimal("0.1"))

GUARD_LIMITS = [
    (Refusal.KILL_SWITCH, (GUARD, OWNING), (GUARD, replace(OWNING, kill_switch_on=True))),
    *(
        (
            Refusal.TRADING_STATE,
            (GUARD, replace(OWNING, trading_state=TradingState.REDUCE_ONLY)),
            (GUARD, replace(OWNING, trading_state=state)),
        )
        for state in (TradingState.CANCEL_ONLY, TradingState.HALTED)
    ),
    (Refusal.NOT_OUR_LOT, (GUARD, OWNING), (make_guard(make_lot(ETH)), OWNING)),
    (Refusal.OVERSELL, (GUARD, OWNING), (make_guard(LOT, size="1.00000001"), OWNING)),
    (Refusal.OVERSELL, (HALF, selling(guarding("0.5"))), (MORE, selling(guarding("0.5")))),
    (Refusal.OVERSELL, (HALF, selling(guarding("0.5"))), (MORE, selling(guarding("0.5", outcome=Outcome.UNKNOWN)))),
    (Refusal.OVERSELL, (HALF, selling(guarding("0.6", filled="0.1"))), (HALF, selling(guarding("0.6")))),
    (Refusal.OVERSELL, (HALF, selling(exiting("0.5"))), (MORE, selling(exiting("0.5")))),
    (
        Refusal.OVERSELL,
        (HALF, selling(exiting("0.25"), guarding("0.25"))),
        (MORE, selling(exiting("0.25"), guarding("0.25"))),
    ),
    (
        Refusal.MARKET_CLOSED,
        (GUARD, OWNING),
        (GUARD, replace(OWNING, products={BTC: make_product(BTC, blocked_by="cancel_only")})),
    ),
    (Refusal.MARKET_CLOSED, (GUARD, OWNING), (GUARD, replace(OWNING, products={BTC: make_product(post_only=True)}))),
    (Refusal.OFF_INCREMENT, (GUARD, OWNING), (make_guard(LOT, stop="97.995"), OWNING)),
    (
        Refusal.OFF_INCREMENT,
        (stop_limit("95.1", "98"), replace(OWNING, products={BTC: OFF_GRID})),
        (stop_limit("95.1", "98.05"), replace(OWNING, products={BTC: OFF_GRID})),
    ),
    (
        Refusal.VENUE_MIN,
        (make_guard(LOT, size="0.00961539"), OWNING),
        (make_guard(LOT, size="0.00961538"), OWNING),
    ),
    (Refusal.EXIT_PRICE, (make_guard(LOT, stop="98.01"), OWNING), (make_guard(LOT, stop="98.02"), OWNING)),
    (Refusal.EXIT_PRICE, (make_guard(LOT, stop="97.99"), OWNING), (make_guard(LOT, stop="97.98"), OWNING)),
    (Refusal.EXIT_PRICE, (make_guard(LOT, price="103.99"), OWNING), (make_guard(LOT, price="103.98"), OWNING)),
    (Refusal.EXIT_PRICE, (stop_limit("95.06"), OWNING), (stop_limit("95.05"), OWNING)),
]

COVER_LIMITS = [
    (Refusal.KILL_SWITCH, (make_cover(), owing()), (make_cover(), replace(owing(), kill_switch_on=True))),
    *(
        (
            Refusal.TRADING_STATE,
            (make_cover(), replace(owing(), trading_state=TradingState.REDUCE_ONLY)),
            (make_cover(), replace(owing(), trading_state=state)),
        )
        for state in (TradingState.CANCEL_ONLY, TradingState.HALTED)
    ),
    (Refusal.COVER_EXCESS, (make_cover(), owing("0.5")), (make_cover(), owing("0.49999999"))),
    (Refusal.COVER_EXCESS, (make_cover(), owing()), (make_cover(), OWNING)),
    *(
        (
            Refusal.COVER_EXCESS,
            (make_cover(), owing("0.75", orders=(make_order_state(make_cover(name="c", size="0.25")),))),
            (
                make_cover(),
                owing("0.75", orders=(make_order_state(make_cover(name="c", size="0.26"), outcome=outcome),)),
            ),
        )
        for outcome in (None, Outcome.UNKNOWN, Outcome.ACCEPTED)
    ),
    (
        Refusal.MARKET_CLOSED,
        (make_cover(), owing()),
        (make_cover(), replace(owing(), products={BTC: make_product(BTC, blocked_by="offline")})),
    ),
    (
        Refusal.SELF_CROSS,
        (make_cover(price="103.99"), owing(orders=(guarding("0.5"),))),
        (make_cover(price="104"), owing(orders=(guarding("0.5"),))),
    ),
    (Refusal.QUOTE_MISSING, (make_cover(), owing()), (make_cover(), replace(owing(), quotes={}))),
    (Refusal.PRICE_COLLAR, (make_cover(price="105"), owing()), (make_cover(price="105.01"), owing())),
    (
        Refusal.PRICE_COLLAR,
        (make_cover(price="105.03"), replace(owing(), candle_closes={BTC: 101.0})),
        (make_cover(price="105.04"), replace(owing(), candle_closes={})),
    ),
    (Refusal.FEES_UNKNOWN, (make_cover(), owing()), (make_cover(), replace(owing(), fees=None))),
    (
        Refusal.CASH,
        (make_cover(price="100"), owing(cash="50.45")),
        (make_cover(price="100"), owing(cash="50.4499")),
    ),
]


@pytest.mark.parametrize(
    ("expected", "at_limit", "past"),
    [*GUARD_LIMITS, *COVER_LIMITS],
    ids=[
        f"{word} {row[0].value}-{index}"
        for word, rows in (("guard", GUARD_LIMITS), ("cover", COVER_LIMITS))
        for index, row in enumerate(rows)
    ],
)
def test_a_guard_or_cover_at_the_limit_passes_and_one_past_it_is_refused(
    expected: Refusal, at_limit: tuple[Order, RiskView], past: tuple[Order, RiskView]
) -> None:
    assert reason(*at_limit) is None
    assert reason(*past) is expected


@pytest.mark.parametrize("row", CYCLE_LIMITS, ids=[f"{row[0].value}-{i}" for i, row in enumerate(CYCLE_LIMITS)])
def test_no_cycle_gate_of_entries_stops_a_guard(row: tuple[Refusal, object, object]) -> None:
    expected, _, past = row
    view: RiskView = past.view  # type: ignore[attr-defined]
    owning = replace(view, ledger=replace(view.ledger, lots={LOT.lot_id: LOT}))
    stops = view.kill_switch_on or view.trading_state >= TradingState.CANCEL_ONLY

    assert reason(GUARD, owning, past.policy) is (expected if stops else None)  # type: ignore[attr-defined]


def test_a_guard_needs_no_quote_no_candle_no_fees_and_no_equity() -> None:
    blind = replace(OWNING, quotes={}, candle_closes={}, fees=None, equity=None, tiers={}, stale=(BTC,))

    assert reason(GUARD, blind) is None


def test_a_final_guard_leaves_its_coins_to_the_next_one() -> None:
    over = make_order_state(make_guard(LOT, name="guard-0"), status=OrderStatus.CANCELLED)

    assert reason(GUARD, selling(over)) is None


@pytest.mark.parametrize(
    ("order", "view"), [pytest.param(GUARD, OWNING, id="guard"), pytest.param(make_cover(), owing(), id="cover")]
)
def test_an_order_whose_limit_is_no_number_is_refused(order: Order, view: RiskView) -> None:
    policy = make_policy()
    broken = replace(
        policy,
        exits=replace(policy.exits, exit_slippage_limit_fraction=NAN),
        protection=replace(policy.protection, stop_limit_offset_fraction=NAN),
    )

    assert reason(order, view, broken) is Refusal.LIMIT_UNUSABLE
