"""The last look at a finished order: the same limits, on what is really about to be sent."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.ledger.fold import EntryMark
from core.model.guards import TradingState
from core.model.orders import FeeRates, LotId, Order, OrderType, Outcome, Purpose, Side
from core.model.portfolio import ExitPlan, Oversold
from core.model.signals import Regime
from core.model.verdicts import Refusal
from core.risk.last_hop import last_hop
from core.risk.view import RiskView
from core.settings import PolicySettings
from tests.builders import (
    BTC,
    ETH,
    NOON,
    make_guard,
    make_ledger,
    make_lot,
    make_order,
    make_order_state,
    make_policy,
    make_product,
    make_quote,
    make_risk_view,
)
from tests.core.risk_cases import NAN, entries, holding, knowing, limited, quoted, seen, traded_as, with_equity
from tests.core.test_risk_cycle_gates import CYCLE_LIMITS

LOT = make_lot(BTC, quantity="1")
OWNING = holding(make_ledger(lots=[LOT]))
OWED = Oversold(quantity=Decimal("0.5"), proceeds=Decimal(50))


def buy(size: str = "2", price: str = "100", *, order_type: OrderType = OrderType.POST_ONLY, lot: str = "") -> Order:
    return make_order(BTC, size=size, price=price, order_type=order_type, lot=lot)


def sell(size: str = "1", price: str = "98.5", *, name: str = "sell", lot: str = LOT.lot_id) -> Order:
    return make_order(BTC, name=name, side=Side.SELL, order_type=OrderType.IOC, size=size, price=price, lot=lot)


def reason(
    order: Order, view: RiskView, policy: PolicySettings | None = None, *, plan: ExitPlan | None = LOT.plan
) -> Refusal | None:
    refused = last_hop(order, view, policy or make_policy(), plan=plan)
    assert refused is None or refused.order is order
    return None if refused is None else refused.reason


def asked(size: str, *, filled: str = "0", outcome: Outcome | None = Outcome.ACCEPTED) -> RiskView:
    """Own one coin of which an exit already asks for some."""
    open_exit = make_order_state(sell(size, name="earlier"), filled=filled, outcome=outcome)
    return holding(make_ledger(lots=[LOT], orders=[open_exit]))


def paying(bid: str, ask: str, *, fee: str) -> RiskView:
    rates = FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=Decimal(fee))
    return replace(quoted(bid, ask), fees=rates)


def guarded(size: str, *, outcome: Outcome | None = Outcome.ACCEPTED) -> RiskView:
    """Own one coin of which a guard holds some."""
    guard = make_guard(LOT, size=size)
    return holding(make_ledger(lots=[LOT], orders=[make_order_state(guard, outcome=outcome)]))


def resting(target: str, stop: str) -> RiskView:
    """Have a guard of another lot of the product in the book; the lot itself is dust."""
    dust = make_lot(BTC, name="dust", quantity="0.001")
    guard = make_guard(dust, price=target, stop=stop)
    return holding(make_ledger(lots=[dust], orders=[make_order_state(guard)]))


ENTRY_LIMITS = [
    (Refusal.NOT_ELIGIBLE, (buy(), make_risk_view()), (buy(), make_risk_view(tiers={}))),
    (Refusal.STALE_PRODUCT, (buy(), seen(stale=(ETH,))), (buy(), seen(stale=(BTC,)))),
    (Refusal.MARKET_CLOSED, (buy(), make_risk_view()), (buy(), traded_as(auction_mode=True))),
    (
        Refusal.MARKET_CLOSED,
        (buy(), traded_as(post_only=True)),
        (buy(order_type=OrderType.IOC), traded_as(post_only=True)),
    ),
    (Refusal.OFF_INCREMENT, (buy("2.00000001"), make_risk_view()), (buy("2.000000015"), make_risk_view())),
    (Refusal.OFF_INCREMENT, (buy(price="99.99"), make_risk_view()), (buy(price="99.995"), make_risk_view())),
    (Refusal.VENUE_MIN, (buy("0.02"), make_risk_view()), (buy("0.01999999"), make_risk_view())),
    (
        Refusal.VENUE_MIN,
        (buy("2"), traded_as(base_min_size=Decimal(2))),
        (buy("2"), traded_as(base_min_size=Decimal("2.00000001"))),
    ),
    (
        Refusal.VENUE_MAX,
        (buy("2"), traded_as(base_max_size=Decimal(2))),
        (buy("2.00000001"), traded_as(base_max_size=Decimal(2))),
    ),
    (
        Refusal.UNKNOWN_ORDER,
        (buy(), make_risk_view()),
        (buy(), holding(make_ledger(orders=[make_order_state(make_order(BTC, name="x"), outcome=None)]))),
    ),
    (
        Refusal.OPEN_ORDER,
        (buy(), make_risk_view()),
        (buy(), holding(make_ledger(orders=[make_order_state(make_order(BTC, name="x"))]))),
    ),
    (
        Refusal.UNKNOWN_ORDER,
        (buy(lot=LOT.lot_id), guarded("1")),
        (buy(lot=LOT.lot_id), guarded("1", outcome=Outcome.UNKNOWN)),
    ),
    (Refusal.OVERSOLD, (buy(), make_risk_view()), (buy(), knowing(oversold={BTC: OWED}))),
    (Refusal.SELF_CROSS, (buy(), resting("100.01", "90")), (buy(), resting("100", "90"))),
    (Refusal.SELF_CROSS, (buy(), resting("104", "99.99")), (buy(), resting("104", "100"))),
    (Refusal.QUOTE_MISSING, (buy(), make_risk_view()), (buy(), seen(quotes={}))),
    (Refusal.QUOTE_STALE, (buy(), quoted(age_seconds=10)), (buy(), quoted(age_seconds=10.01))),
    (Refusal.SOURCES_DISAGREE, (buy(), seen(candle_closes={BTC: 101.0})), (buy(), seen(candle_closes={BTC: 101.02}))),
    (Refusal.SOURCES_DISAGREE, (buy(), seen(candle_closes={BTC: 99.03})), (buy(), seen(candle_closes={BTC: 99.01}))),
    *(
        (Refusal.SOURCES_DISAGREE, (buy(), make_risk_view()), (buy(), seen(candle_closes=closes)))
        for closes in ({}, {ETH: 100.0}, {BTC: math.nan}, {BTC: 0.0}, {BTC: math.inf})
    ),
    # 4 % - 2 x fee - 20 bps of spread - 20 bps of slippage budget leaves 25 bps
    (
        Refusal.EDGE_BELOW_COSTS,
        (buy(price="99.9"), paying("99.9", "100.1", fee="0.01675")),
        (buy(price="99.9"), paying("99.9", "100.1", fee="0.016751")),
    ),
    (Refusal.SPREAD, (buy(price="99.9"), quoted("99.9", "100.1")), (buy(price="99.9"), quoted("99.9", "100.11"))),
    (Refusal.PRICE_COLLAR, (buy(price="99.01"), make_risk_view()), (buy(price="99"), make_risk_view())),
    (
        Refusal.PRICE_COLLAR,
        (buy(price="100.21", order_type=OrderType.IOC), make_risk_view()),
        (buy(price="100.22", order_type=OrderType.IOC), make_risk_view()),
    ),
    (
        Refusal.NOT_OUR_LOT,
        (buy(lot=f"lot-{BTC}"), OWNING),
        (buy(lot=f"lot-{ETH}"), holding(make_ledger(lots=[make_lot(ETH)]))),
    ),
    (Refusal.ALREADY_HELD, (buy(lot=LOT.lot_id), OWNING), (buy(lot="another"), OWNING)),
    (
        Refusal.TRADE_SPACING,
        (buy(), knowing(entries=entries(180))),
        (buy(), knowing(entries=entries(179))),
    ),
    (
        Refusal.TOTAL_CAP,
        (buy("4.9"), make_risk_view()),
        (buy("4.9"), holding(make_ledger(lots=[make_lot(ETH, cost="2100")]))),
    ),
    (Refusal.PRODUCT_CAP, (buy("4.95540138"), make_risk_view()), (buy("4.95540139"), make_risk_view())),
    (
        Refusal.THEME_CAP,
        (buy("2"), holding(make_ledger(lots=[make_lot(ETH, cost="1298.2")]))),
        (buy("2"), holding(make_ledger(lots=[make_lot(ETH, cost="1298.21")]))),
    ),
    (Refusal.CASH, (buy(), holding(make_ledger(cash="201.8"))), (buy(), holding(make_ledger(cash="201.79")))),
    (Refusal.BOOK_DEPTH, (buy(), quoted(size="4")), (buy(), quoted(size="3.99999999"))),
]


@pytest.mark.parametrize(
    ("expected", "at_limit", "past"),
    ENTRY_LIMITS,
    ids=[f"{row[0].value}-{index}" for index, row in enumerate(ENTRY_LIMITS)],
)
def test_a_buy_at_the_limit_passes_and_one_past_it_is_refused(
    expected: Refusal, at_limit: tuple[Order, RiskView], past: tuple[Order, RiskView]
) -> None:
    assert reason(*at_limit) is None
    assert reason(*past) is expected


@pytest.mark.parametrize(
    ("expected", "policy", "past_policy"),
    [
        (
            Refusal.ORDER_NOTIONAL,
            limited(max_order_notional_usd=Decimal(200)),
            limited(max_order_notional_usd=Decimal("199.99")),
        ),
        (Refusal.MAX_POSITIONS, limited(max_open_positions=1), limited(max_open_positions=0)),
        (
            Refusal.NEW_POSITIONS_PER_CYCLE,
            limited(max_new_positions_per_cycle=1),
            limited(max_new_positions_per_cycle=0),
        ),
        (Refusal.LIMIT_UNUSABLE, make_policy(), limited(max_order_notional_usd=NAN)),
    ],
)
def test_a_buy_is_held_against_the_policy(
    expected: Refusal, policy: PolicySettings, past_policy: PolicySettings
) -> None:
    assert reason(buy(), make_risk_view(), policy) is None
    assert reason(buy(), make_risk_view(), past_policy) is expected


@pytest.mark.parametrize("row", CYCLE_LIMITS, ids=[f"{row[0].value}-{i}" for i, row in enumerate(CYCLE_LIMITS)])
def test_every_cycle_gate_is_asked_again_about_the_finished_buy(row: tuple[Refusal, object, object]) -> None:
    expected, _, past = row

    assert reason(buy(), past.view, past.policy) is expected  # type: ignore[attr-defined]


def test_a_second_leg_does_not_count_against_the_pace_that_its_own_entry_has_set() -> None:
    own = EntryMark(at=NOON, product_id=BTC, lot_id=LotId("order-1"), is_add=False)

    assert reason(buy(order_type=OrderType.IOC, lot="order-1"), knowing(entries=(own,))) is None
    assert reason(buy(order_type=OrderType.IOC, lot="order-2"), knowing(entries=(own,))) is Refusal.TRADE_SPACING


def test_a_second_leg_counts_together_with_what_the_first_has_bought() -> None:
    first = make_lot(BTC, name="order-1", quantity="3", cost="302.7")
    view = holding(make_ledger(lots=[first]))

    assert reason(buy("1.95540138", order_type=OrderType.IOC, lot="order-1"), view) is None
    assert reason(buy("1.95540139", order_type=OrderType.IOC, lot="order-1"), view) is Refusal.PRODUCT_CAP


def test_an_orders_own_intent_in_the_ledger_is_not_counted_against_it() -> None:
    order = buy("4.95540138")
    view = holding(make_ledger(orders=[make_order_state(order, outcome=Outcome.UNKNOWN)]))

    assert reason(order, view) is None


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(buy("NaN"), id="size is not a number"),
        pytest.param(buy("0"), id="nothing"),
        pytest.param(buy(price="NaN"), id="price is not a number"),
        pytest.param(buy(price="-1"), id="negative price"),
        pytest.param(buy(price="Infinity"), id="infinite price"),
        pytest.param(replace(buy(), purpose=Purpose.EXIT), id="a buy that claims to be an exit"),
        pytest.param(replace(sell(), purpose=Purpose.ENTRY), id="a short sale"),
        pytest.param(replace(buy(), end_time=None), id="rests without an end"),
        pytest.param(replace(buy(), end_time=NOON), id="has ended"),
        pytest.param(replace(sell(), end_time=NOON), id="immediate with an end"),
        pytest.param(replace(sell(), stop_price=Decimal(98)), id="an exit with a stop"),
        pytest.param(replace(sell(), order_type=OrderType.POST_ONLY), id="an exit that rests"),
        pytest.param(buy(order_type=OrderType.BRACKET), id="an entry that is a guard"),
        pytest.param(replace(buy(), purpose=Purpose.COVER), id="a cover that rests"),
        pytest.param(replace(make_guard(LOT), side=Side.BUY), id="a guard that buys"),
        pytest.param(replace(make_guard(LOT), order_type=OrderType.IOC), id="a guard that takes at once"),
        pytest.param(replace(make_guard(LOT), stop_price=None), id="a guard without a stop"),
        pytest.param(replace(make_guard(LOT), stop_price=NAN), id="a guard whose stop is not a number"),
        pytest.param(replace(make_guard(LOT), end_time=NOON + timedelta(hours=1)), id="a guard that ends"),
        pytest.param(make_guard(LOT, price="98", stop="98"), id="a bracket with its target at its stop"),
        pytest.param(
            make_guard(LOT, order_type=OrderType.STOP_LIMIT, price="98.01", stop="98"), id="a stop-limit above its stop"
        ),
    ],
)
def test_an_order_that_contradicts_itself_is_refused(order: Order) -> None:
    assert reason(order, OWNING) is Refusal.INVALID_ORDER


EXIT_LIMITS = [
    (Refusal.KILL_SWITCH, (sell(), OWNING), (sell(), replace(OWNING, kill_switch_on=True))),
    *(
        (
            Refusal.TRADING_STATE,
            (sell(), replace(OWNING, trading_state=TradingState.REDUCE_ONLY)),
            (sell(), replace(OWNING, trading_state=state)),
        )
        for state in (TradingState.CANCEL_ONLY, TradingState.HALTED)
    ),
    (Refusal.NOT_OUR_LOT, (sell(), OWNING), (sell(lot="foreign"), OWNING)),
    (Refusal.NOT_OUR_LOT, (sell(), OWNING), (sell(), holding(make_ledger(lots=[replace(LOT, product_id=ETH)])))),
    (Refusal.OVERSELL, (sell("1"), OWNING), (sell("1.00000001"), OWNING)),
    (Refusal.OVERSELL, (sell("0.6"), asked("0.4")), (sell("0.60000001"), asked("0.4"))),
    (Refusal.OVERSELL, (sell("0.6"), asked("0.5", filled="0.1")), (sell("0.6"), asked("0.5", outcome=None))),
    (Refusal.MARKET_CLOSED, (sell(), OWNING), (sell(), replace(OWNING, products={}))),
    (
        Refusal.MARKET_CLOSED,
        (sell(), OWNING),
        (sell(), replace(OWNING, products={BTC: make_product(BTC, blocked_by="view_only")})),
    ),
    (Refusal.OFF_INCREMENT, (sell("0.5"), OWNING), (sell("0.500000001"), OWNING)),
    (Refusal.VENUE_MIN, (sell("0.01015229"), OWNING), (sell("0.01015228"), OWNING)),
    (Refusal.QUOTE_MISSING, (sell(), OWNING), (sell(), replace(OWNING, quotes={}))),
    (Refusal.EXIT_PRICE, (sell(price="95"), OWNING), (sell(price="94.99"), OWNING)),
    (
        Refusal.EXIT_PRICE,  # 5 % below the close, and no matter how deep the book
        (sell(price="97.47"), replace(OWNING, candle_closes={BTC: 102.6})),
        (sell(price="97.46"), replace(OWNING, candle_closes={BTC: 102.6})),
    ),
    (Refusal.OVERSELL, (sell("0.6"), guarded("0.4")), (sell("0.60000001"), guarded("0.4"))),
    (Refusal.OVERSELL, (sell("0.6"), guarded("0.4", outcome=None)), (sell("0.7"), guarded("0.4", outcome=None))),
]


@pytest.mark.parametrize(
    ("expected", "at_limit", "past"),
    EXIT_LIMITS,
    ids=[f"{row[0].value}-{index}" for index, row in enumerate(EXIT_LIMITS)],
)
def test_a_sell_is_refused_only_when_it_is_stopped_or_wrong_itself(
    expected: Refusal, at_limit: tuple[Order, RiskView], past: tuple[Order, RiskView]
) -> None:
    assert reason(*at_limit) is None
    assert reason(*past) is expected


@pytest.mark.parametrize("row", CYCLE_LIMITS, ids=[f"{row[0].value}-{i}" for i, row in enumerate(CYCLE_LIMITS)])
def test_no_cycle_gate_of_entries_stops_a_sell(row: tuple[Refusal, object, object]) -> None:
    expected, _, past = row
    view: RiskView = past.view  # type: ignore[attr-defined]
    owning = replace(view, ledger=replace(view.ledger, lots={LOT.lot_id: LOT}))
    stops = view.kill_switch_on or view.trading_state >= TradingState.CANCEL_ONLY

    assert reason(sell(), owning, past.policy) is (expected if stops else None)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(replace(OWNING, tiers={}, stale=(BTC,)), id="no longer eligible, candles stale"),
        pytest.param(replace(OWNING, quotes={BTC: make_quote(BTC, age_seconds=3600)}), id="an hour-old quote"),
        pytest.param(replace(OWNING, quotes={BTC: make_quote(BTC, bid="100", ask="150", size="0")}), id="empty book"),
        pytest.param(replace(OWNING, regime=Regime.CRASH, equity=None, fees=None), id="crash, equity and fees unknown"),
        pytest.param(replace(with_equity("1"), ledger=make_ledger(lots=[LOT], cash="-5")), id="ruined"),
        pytest.param(
            holding(make_ledger(lots=[LOT], orders=[make_order_state(make_order(BTC), outcome=None)])),
            id="an unknown entry of the product",
        ),
    ],
)
def test_no_state_of_the_market_or_account_stops_a_sell(view: RiskView) -> None:
    assert reason(sell(), view) is None


def test_an_entry_without_a_plan_is_refused_because_nobody_knows_what_it_could_earn() -> None:
    assert reason(buy(), make_risk_view(), plan=None) is Refusal.EDGE_BELOW_COSTS


def test_a_guard_that_rests_does_not_keep_its_lot_from_growing() -> None:
    assert reason(buy(lot=LOT.lot_id), guarded("1")) is None


def test_a_stop_limit_asleep_is_met_by_no_buy_above_its_stop() -> None:
    guard = make_guard(LOT, order_type=OrderType.STOP_LIMIT, price="95", stop="98")
    view = holding(make_ledger(lots=[LOT], orders=[make_order_state(guard)]))

    assert reason(buy(price="100", lot=LOT.lot_id), view) is None


def test_the_money_that_coins_not_ours_have_brought_is_not_free() -> None:
    owed = Oversold(quantity=Decimal(1), proceeds=Decimal(100))
    ledger = replace(make_ledger(cash="301.8"), oversold={ETH: owed})

    assert reason(buy("2"), make_risk_view(ledger=ledger)) is None
    assert reason(buy("2.00000001"), make_risk_view(ledger=ledger)) is Refusal.CASH


def test_an_exit_limit_that_is_no_number_refuses_the_sell() -> None:
    policy = replace(make_policy(), exits=replace(make_policy().exits, exit_slippage_limit_fraction=NAN))

    assert reason(sell(), OWNING, policy) is Refusal.LIMIT_UNUSABLE
