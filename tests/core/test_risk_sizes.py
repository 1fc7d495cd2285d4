"""The sizes that risk allows: each cap at its limit, together in one cycle, and never a dead zone."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.model.market import ProductId
from core.model.orders import Outcome
from core.model.signals import Regime
from core.model.verdicts import Refusal
from core.risk.assess import assess
from core.risk.view import RiskView
from tests.builders import (
    BTC,
    ETH,
    make_ledger,
    make_lot,
    make_order,
    make_order_state,
    make_policy,
    make_proposal,
    make_quote,
    make_risk_view,
)
from tests.core.risk_cases import (
    ADA,
    Case,
    approved,
    codes,
    holding,
    limited,
    names,
    quoted,
    reason_of,
    traded_as,
    with_equity,
)

XRP = ProductId("XRP", "USD")

SIZE_LIMITS = [
    (
        Refusal.WANTED_SIZE,
        Case(make_risk_view(), proposal=make_proposal(size="0.02")),
        Case(make_risk_view(), proposal=make_proposal(size="0.0199")),
    ),
    # Room for the least position of 200 USD: 200 x 1.009 with the fee.
    (
        Refusal.TOTAL_CAP,
        Case(holding(make_ledger(lots=[make_lot(XRP, cost="2298.2")]))),
        Case(holding(make_ledger(lots=[make_lot(XRP, cost="2298.21")]))),
    ),
    (
        Refusal.THEME_CAP,
        Case(holding(make_ledger(lots=[make_lot(ADA, cost="1298.2")]))),
        Case(holding(make_ledger(lots=[make_lot(ADA, cost="1298.21")]))),
    ),
    (
        Refusal.PRODUCT_CAP,
        Case(make_risk_view(), policy=limited(max_position_size_fraction=Decimal("0.02018"))),
        Case(make_risk_view(), policy=limited(max_position_size_fraction=Decimal("0.02017"))),
    ),
    (
        Refusal.CASH,
        Case(holding(make_ledger(cash="201.8"))),
        Case(holding(make_ledger(cash="201.79"))),
    ),
    (
        Refusal.CASH,
        Case(holding(make_ledger(cash="403.6", orders=[make_order_state(make_order(ETH, size="2"))]))),
        Case(holding(make_ledger(cash="403.59", orders=[make_order_state(make_order(ETH, size="2"))]))),
    ),
    (
        Refusal.ORDER_NOTIONAL,
        Case(make_risk_view(), policy=limited(max_order_notional_usd=Decimal(200))),
        Case(make_risk_view(), policy=limited(max_order_notional_usd=Decimal("199.99"))),
    ),
    (Refusal.BOOK_DEPTH, Case(quoted(size="4")), Case(quoted(size="3.99"))),
    (
        Refusal.VENUE_MAX,
        Case(traded_as(quote_max_size=Decimal(200))),
        Case(traded_as(quote_max_size=Decimal("199.99"))),
    ),
    (
        Refusal.VENUE_MAX,
        Case(traded_as(base_max_size=Decimal(2))),
        Case(traded_as(base_max_size=Decimal("1.99"))),
    ),
    (
        Refusal.WANTED_SIZE,
        Case(
            traded_as(base_min_size=Decimal(5)),
            proposal=make_proposal(size="0.05"),
            policy=limited(max_position_size_fraction=Decimal("0.06")),
        ),
        Case(
            traded_as(base_min_size=Decimal("5.00000001")),
            proposal=make_proposal(size="0.05"),
            policy=limited(max_position_size_fraction=Decimal("0.06")),
        ),
    ),
]


@pytest.mark.parametrize(
    ("reason", "at_limit", "past"),
    SIZE_LIMITS,
    ids=names(SIZE_LIMITS),
)
def test_a_value_at_the_limit_passes_and_one_past_it_is_refused(reason: Refusal, at_limit: Case, past: Case) -> None:
    assert reason_of(at_limit) is None
    assert reason_of(past) is reason


def test_without_a_binding_cap_the_wish_is_granted() -> None:
    assert [
        (each.notional, each.bound_by) for each in approved(Case(make_risk_view(), proposal=make_proposal(size="0.03")))
    ] == [(Decimal(300), Refusal.WANTED_SIZE)]


def test_a_cap_cuts_the_wish_so_that_the_fee_fits_in_too() -> None:
    granted = approved(Case(make_risk_view()))[0]

    assert granted.bound_by is Refusal.PRODUCT_CAP
    assert granted.notional == Decimal("495.54013875")
    assert Decimal("499.99999999") < granted.notional * Decimal("1.009") <= 500


def test_a_wish_above_the_tiers_share_is_cut_to_it() -> None:
    granted = approved(Case(make_risk_view(), policy=make_policy(tier_1="0.03")))[0]

    assert granted.notional == 300


def test_a_wish_of_exactly_the_minimum_is_legal_whatever_the_digits_of_equity() -> None:
    view = with_equity("10000.000000000123456789", day="10000", week="10000", peak="10000")

    assert reason_of(Case(view, proposal=make_proposal(size="0.02"))) is None


def test_a_gain_uses_room_and_a_loss_frees_none() -> None:
    gained = make_risk_view(
        ledger=make_ledger(lots=[make_lot(XRP, quantity="10")]), quotes=[make_quote(XRP, bid="229.9", ask="230")]
    )
    lost = make_risk_view(
        ledger=make_ledger(lots=[make_lot(XRP, quantity="23")]), quotes=[make_quote(XRP, bid="10", ask="10.01")]
    )

    assert reason_of(Case(gained)) is Refusal.TOTAL_CAP
    assert reason_of(Case(lost)) is Refusal.TOTAL_CAP


def test_the_position_cap_counts_a_coin_in_all_its_quote_currencies() -> None:
    def held(cost: str) -> RiskView:
        return holding(make_ledger(lots=[make_lot(ProductId("BTC", "USDC"), cost=cost)]))

    assert reason_of(Case(held("298.2"))) is None
    assert reason_of(Case(held("298.21"))) is Refusal.PRODUCT_CAP


def test_an_unknown_order_counts_as_filled() -> None:
    orders = [make_order_state(make_order(XRP, size="23"), outcome=Outcome.UNKNOWN)]

    assert reason_of(Case(holding(make_ledger(orders=orders)))) is Refusal.TOTAL_CAP


FREE_PACE = limited(max_new_positions_per_cycle=5, min_seconds_between_trades=0)


def test_the_best_conviction_is_served_first_and_counts_against_the_rest() -> None:
    tight = replace(FREE_PACE, risk=replace(FREE_PACE.risk, max_total_at_risk_fraction=Decimal("0.06")))
    proposals = [make_proposal(BTC, conviction=0.5), make_proposal(ETH, conviction=0.9)]

    assessment = assess(proposals, make_risk_view(), tight)

    assert [each.product_id for each in assessment.approved] == [ETH]
    assert codes(assessment) == [Refusal.TOTAL_CAP]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_new_positions_per_cycle": 1}, Refusal.NEW_POSITIONS_PER_CYCLE),
        ({"max_open_positions": 1}, Refusal.MAX_POSITIONS),
        ({"min_seconds_between_trades": 1}, Refusal.TRADE_SPACING),
        ({"max_trades_per_hour": 1}, Refusal.TRADES_PER_HOUR),
        ({"max_trades_per_day": 1}, Refusal.TRADES_PER_DAY),
        ({"max_per_theme_pct": {"LAYER1": Decimal(6)}}, Refusal.THEME_CAP),
    ],
)
def test_what_is_approved_in_a_cycle_counts_against_what_comes_after_it(
    limits: dict[str, object], reason: Refusal
) -> None:
    policy = replace(FREE_PACE, risk=replace(FREE_PACE.risk, **limits))  # type: ignore[arg-type]

    assessment = assess([make_proposal(BTC), make_proposal(ETH)], make_risk_view(), policy)

    assert [each.product_id for each in assessment.approved] == [BTC]
    assert codes(assessment) == [reason]


def test_two_approvals_share_the_cash() -> None:
    assessment = assess(
        [make_proposal(BTC), make_proposal(ETH)], make_risk_view(ledger=make_ledger(cash="701.79")), FREE_PACE
    )

    assert codes(assessment) == [Refusal.CASH]


def test_a_product_is_approved_once_in_a_cycle() -> None:
    assessment = assess([make_proposal(BTC), make_proposal(BTC, conviction=0.7)], make_risk_view(), FREE_PACE)

    assert len(assessment.approved) == 1
    assert codes(assessment) == [Refusal.OPEN_ORDER]


@pytest.mark.parametrize(("regime", "positions"), [(Regime.BULL, 5), (Regime.CHOP, 4), (Regime.BEAR, 3)])
def test_a_worse_regime_allows_fewer_positions(regime: Regime, positions: int) -> None:
    def held(count: int) -> RiskView:
        lots = [make_lot(ProductId(f"COIN{index}", "USD")) for index in range(count)]
        return make_risk_view(ledger=make_ledger(lots=lots), regime=regime)

    assert reason_of(Case(held(positions - 1))) is None
    assert reason_of(Case(held(positions))) is Refusal.MAX_POSITIONS


def test_the_regimes_multiplier_is_in_the_wish_already_and_is_not_applied_again() -> None:
    granted = approved(Case(make_risk_view(regime=Regime.BEAR), proposal=make_proposal(size="0.03")))[0]

    assert granted.notional == 300
