"""The gates of a whole cycle: the value that still passes, the first that does not, and one code for all proposals."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.model.guards import TradingState
from core.model.orders import FeeRates
from core.model.portfolio import Period
from core.model.signals import Regime
from core.model.verdicts import Refusal
from core.risk.assess import assess
from core.settings import TierFractions
from tests.builders import (
    BTC,
    ETH,
    NOON,
    make_ledger,
    make_policy,
    make_proposal,
    make_risk_view,
)
from tests.core.risk_cases import (
    NAN,
    Case,
    entries,
    knowing,
    limited,
    names,
    reason_of,
    seen,
    with_equity,
)

CYCLE_LIMITS = [
    (Refusal.KILL_SWITCH, Case(make_risk_view()), Case(make_risk_view(kill_switch_on=True))),
    *(
        (Refusal.TRADING_STATE, Case(make_risk_view()), Case(make_risk_view(trading_state=state)))
        for state in (TradingState.REDUCE_ONLY, TradingState.CANCEL_ONLY, TradingState.HALTED)
    ),
    (Refusal.EQUITY_UNKNOWN, Case(make_risk_view()), Case(make_risk_view(equity=None))),
    (Refusal.EQUITY_UNKNOWN, Case(make_risk_view()), Case(make_risk_view(equity="NaN"))),
    (
        Refusal.BELOW_MIN_CAPITAL,
        Case(with_equity("100", day="100", week="100", peak="100")),
        Case(with_equity("99.99", day="99.99", week="99.99", peak="99.99")),
    ),
    (Refusal.FEES_UNKNOWN, Case(make_risk_view()), Case(seen(fees=None))),
    (
        Refusal.FEES_UNKNOWN,
        Case(make_risk_view()),
        Case(seen(fees=FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=NAN))),
    ),
    (Refusal.LOSS_LIMITS_UNKNOWN, Case(make_risk_view()), Case(knowing(day=None, equity=None))),
    (Refusal.LOSS_LIMITS_UNKNOWN, Case(make_risk_view()), Case(knowing(week=None, equity=None))),
    (Refusal.LOSS_LIMITS_UNKNOWN, Case(make_risk_view()), Case(knowing(high_water_mark=None))),
    (Refusal.DAILY_STOP, Case(with_equity("9700.01")), Case(with_equity("9700"))),
    (
        Refusal.WEEKLY_STOP,
        Case(with_equity("9300.01", day="9300")),
        Case(with_equity("9300", day="9300")),
    ),
    (
        Refusal.DRAWDOWN,
        Case(with_equity("9000.01", day="9000", week="9000")),
        Case(with_equity("9000", day="9000", week="9000")),
    ),
    (Refusal.REGIME_UNKNOWN, Case(make_risk_view()), Case(make_risk_view(regime=None))),
    (Refusal.REGIME_CRASH, Case(make_risk_view(regime=Regime.BEAR)), Case(make_risk_view(regime=Regime.CRASH))),
    (
        Refusal.LOSS_STREAK,
        Case(knowing(loss_streak=2, last_loss_at=NOON)),
        Case(knowing(loss_streak=3, last_loss_at=NOON)),
    ),
    (
        Refusal.LOSS_STREAK,
        Case(knowing(loss_streak=3, last_loss_at=NOON - timedelta(minutes=60))),
        Case(knowing(loss_streak=3, last_loss_at=NOON - timedelta(minutes=60) + timedelta(microseconds=1))),
    ),
    (
        Refusal.LOSS_STREAK,
        Case(knowing(loss_streak=2, last_loss_at=None)),
        Case(knowing(loss_streak=3, last_loss_at=None)),
    ),
    (Refusal.TRADE_SPACING, Case(knowing(entries=entries(180))), Case(knowing(entries=entries(179)))),
    (Refusal.TRADE_SPACING, Case(make_risk_view()), Case(knowing(entries=entries(-30)))),
    (
        Refusal.TRADES_PER_HOUR,
        Case(knowing(entries=entries(200, 300, 400, 500, 3600))),
        Case(knowing(entries=entries(200, 300, 400, 500, 3599))),
    ),
    (
        Refusal.TRADES_PER_DAY,
        Case(knowing(entries=entries(86400, *range(4000, 4023)))),
        Case(knowing(entries=entries(86399, *range(4000, 4023)))),
    ),
    *(
        (Refusal.LIMIT_UNUSABLE, Case(make_risk_view()), Case(make_risk_view(), policy=policy))
        for policy in (
            limited(max_total_at_risk_fraction=NAN),
            limited(daily_stop_pnl_fraction=NAN),
            limited(max_per_theme_pct={"LAYER1": NAN}),
            replace(
                make_policy(),
                execution=replace(
                    make_policy().execution,
                    price_collar_fraction=TierFractions(tier_1=NAN, tier_2=NAN, tier_3=NAN),
                ),
            ),
        )
    ),
]


@pytest.mark.parametrize(
    ("reason", "at_limit", "past"),
    CYCLE_LIMITS,
    ids=names(CYCLE_LIMITS),
)
def test_a_value_at_the_limit_passes_and_one_past_it_is_refused(reason: Refusal, at_limit: Case, past: Case) -> None:
    assert reason_of(at_limit) is None
    assert reason_of(past) is reason


def test_a_shut_cycle_gate_gives_every_proposal_the_same_code_even_an_unusable_one() -> None:
    proposals = [make_proposal(BTC), make_proposal(ETH, size="NaN")]

    assessment = assess(proposals, make_risk_view(kill_switch_on=True), make_policy())

    assert [refused.reason for refused in assessment.refused] == [Refusal.KILL_SWITCH, Refusal.KILL_SWITCH]
    assert [refused.proposal for refused in assessment.refused] == proposals


def test_the_kill_switch_comes_before_everything_else_that_is_wrong() -> None:
    view = make_risk_view(kill_switch_on=True, trading_state=TradingState.HALTED, equity=None, regime=Regime.CRASH)

    assert reason_of(Case(view, policy=limited(daily_stop_pnl_fraction=NAN))) is Refusal.KILL_SWITCH


def test_a_refusal_says_what_was_seen_and_what_the_limit_is() -> None:
    refused = assess([make_proposal()], with_equity("9650"), make_policy()).refused[0]

    assert (refused.observed, refused.limit) == ("-0.035", "-0.03")


def test_no_proposals_give_an_empty_assessment() -> None:
    assessment = assess([], make_risk_view(kill_switch_on=True), make_policy())

    assert (assessment.approved, assessment.refused) == ((), ())


def test_money_paid_out_is_neither_a_loss_of_the_day_nor_a_drawdown() -> None:
    withdrawn = replace(
        make_ledger(),
        day=Period(key="2026-01-05", equity_open=Decimal(10000), cash_flow=Decimal(-5000)),
        week=Period(key="2026-01-05", equity_open=Decimal(10000), cash_flow=Decimal(-5000)),
        high_water_mark=Decimal(5000),
    )

    assert reason_of(Case(make_risk_view(ledger=withdrawn, equity="5000"))) is None


def test_the_first_cycle_of_a_day_is_measured_from_the_last_mark_of_the_day_before() -> None:
    yesterday = replace(make_ledger(), equity=Decimal(9600), day=Period(key="2026-01-04", equity_open=Decimal(10000)))

    assert reason_of(Case(make_risk_view(ledger=yesterday, equity="9600"))) is None
    assert reason_of(Case(make_risk_view(ledger=yesterday, equity="9312"))) is Refusal.DAILY_STOP
