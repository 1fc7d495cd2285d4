"""The gates of one product: the value that still passes, and the first that does not."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.model.orders import Outcome, Side
from core.model.signals import Tier
from core.model.verdicts import Refusal
from core.settings import TierFractions
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
    NAN,
    Case,
    approved,
    closed,
    entries,
    holding,
    knowing,
    limited,
    names,
    quoted,
    reason_of,
    seen,
    traded_as,
)

PYRAMID = limited(allow_pyramiding=True, max_adds_per_asset_per_day=1, max_position_size_fraction=Decimal("0.2"))
UNPACED = {"min_seconds_between_trades": 0, "per_symbol_trade_spacing_seconds": 0}
HELD = make_lot(BTC, quantity="1")
ETH_LOT = make_lot(ETH, quantity="1")
ONE_OPEN_ETH_ENTRY = make_ledger(orders=[make_order_state(make_order(ETH, size="2"))])


PRODUCT_LIMITS = [
    (
        Refusal.NOT_ELIGIBLE,
        Case(make_risk_view(tiers={BTC: Tier.TIER_1})),
        Case(make_risk_view(tiers={ETH: Tier.TIER_1})),
    ),
    (
        Refusal.NOT_ELIGIBLE,
        Case(make_risk_view(tiers={BTC: Tier.TIER_1})),
        Case(make_risk_view(tiers={BTC: Tier.TIER_2})),
    ),
    (Refusal.MARKET_CLOSED, Case(traded_as(post_only=True)), Case(traded_as(cancel_only=True))),
    (Refusal.MARKET_CLOSED, Case(make_risk_view()), Case(seen(products={}))),
    (Refusal.MARKET_CLOSED, Case(make_risk_view()), Case(traded_as(quote_min_size=NAN))),
    (Refusal.STALE_PRODUCT, Case(seen(stale=(ETH,))), Case(seen(stale=(BTC,)))),
    *(
        (
            Refusal.UNKNOWN_ORDER,
            Case(holding(make_ledger(orders=[make_order_state(make_order(ETH), outcome=outcome)]))),
            Case(holding(make_ledger(orders=[make_order_state(make_order(BTC), outcome=outcome)]))),
        )
        for outcome in (None, Outcome.UNKNOWN)
    ),
    *(
        (
            Refusal.OPEN_ORDER,
            Case(holding(make_ledger(orders=[make_order_state(make_order(ETH, side=side))]))),
            Case(holding(make_ledger(orders=[make_order_state(make_order(BTC, side=side))]))),
        )
        for side in Side
    ),
    (Refusal.QUOTE_MISSING, Case(make_risk_view()), Case(seen(quotes={ETH: make_quote(ETH)}))),
    (Refusal.QUOTE_MISSING, Case(make_risk_view()), Case(quoted(ask="Infinity"))),
    (Refusal.QUOTE_STALE, Case(quoted(age_seconds=10)), Case(quoted(age_seconds=10.001))),
    (Refusal.QUOTE_STALE, Case(quoted(age_seconds=-10)), Case(quoted(age_seconds=-10.001))),
    (Refusal.SPREAD, Case(quoted(bid="99.9", ask="100.1")), Case(quoted(bid="99.9", ask="100.11"))),
    (Refusal.SPREAD, Case(make_risk_view()), Case(seen(max_spread_fraction={}))),
    (
        Refusal.PRICE_COLLAR,
        Case(
            quoted(bid="99.98", ask="100.02"),
            policy=replace(
                make_policy(),
                execution=replace(
                    make_policy().execution,
                    price_collar_fraction=TierFractions(
                        tier_1=Decimal("0.0002"), tier_2=Decimal("0.0002"), tier_3=Decimal("0.0002")
                    ),
                ),
            ),
        ),
        Case(
            quoted(bid="99.979", ask="100.021"),
            policy=replace(
                make_policy(),
                execution=replace(
                    make_policy().execution,
                    price_collar_fraction=TierFractions(
                        tier_1=Decimal("0.0002"), tier_2=Decimal("0.0002"), tier_3=Decimal("0.0002")
                    ),
                ),
            ),
        ),
    ),
    (
        Refusal.ALREADY_HELD,
        Case(holding(make_ledger(lots=[make_lot(BTC, quantity="0.0099")]))),
        Case(holding(make_ledger(lots=[make_lot(BTC, quantity="0.01")]))),
    ),
    (
        Refusal.ALREADY_HELD,
        Case(holding(make_ledger(lots=[HELD])), policy=PYRAMID),
        Case(holding(make_ledger(lots=[make_lot(BTC, exit_reason="stop_loss")])), policy=PYRAMID),
    ),
    (
        Refusal.ADDS_PER_DAY,
        Case(
            make_risk_view(
                ledger=replace(make_ledger(lots=[HELD]), entries=entries(86400, product_id=BTC, is_add=True))
            ),
            policy=PYRAMID,
        ),
        Case(
            make_risk_view(
                ledger=replace(make_ledger(lots=[HELD]), entries=entries(86399, product_id=BTC, is_add=True))
            ),
            policy=PYRAMID,
        ),
    ),
    (
        Refusal.ADD_COOLDOWN,
        Case(
            make_risk_view(ledger=replace(make_ledger(lots=[HELD]), entries=entries(900, product_id=BTC))),
            policy=PYRAMID,
        ),
        Case(
            make_risk_view(ledger=replace(make_ledger(lots=[HELD]), entries=entries(599, product_id=BTC))),
            policy=PYRAMID,
        ),
    ),
    (
        Refusal.SYMBOL_COOLDOWN,
        Case(closed(30, was_loss=False, reason="take_profit")),
        Case(closed(29.99, was_loss=False, reason="take_profit")),
    ),
    (
        Refusal.SYMBOL_COOLDOWN,
        Case(closed(60, was_loss=True, reason="max_hold")),
        Case(closed(59.99, was_loss=True, reason="max_hold")),
    ),
    (
        Refusal.SYMBOL_COOLDOWN,
        Case(closed(120, was_loss=True, reason="stop_loss")),
        Case(closed(119.99, was_loss=True, reason="stop_loss")),
    ),
    (
        Refusal.SYMBOL_SPACING,
        Case(knowing(entries=entries(900, product_id=BTC))),
        Case(knowing(entries=entries(899, product_id=BTC))),
    ),
    (
        Refusal.NEW_POSITIONS_PER_CYCLE,
        Case(make_risk_view(), policy=limited(max_new_positions_per_cycle=1)),
        Case(make_risk_view(), policy=limited(max_new_positions_per_cycle=0)),
    ),
    (
        Refusal.MAX_POSITIONS,
        Case(holding(make_ledger(lots=[ETH_LOT])), policy=limited(max_open_positions=2)),
        Case(holding(make_ledger(lots=[ETH_LOT])), policy=limited(max_open_positions=1)),
    ),
    (
        Refusal.MAX_POSITIONS,
        Case(holding(ONE_OPEN_ETH_ENTRY), policy=limited(max_open_positions=2)),
        Case(holding(ONE_OPEN_ETH_ENTRY), policy=limited(max_open_positions=1)),
    ),
    *(
        (Refusal.PROPOSAL_UNUSABLE, Case(make_risk_view()), Case(make_risk_view(), proposal=proposal))
        for proposal in (
            make_proposal(size="NaN"),
            make_proposal(size="0"),
            make_proposal(stop="NaN"),
            make_proposal(stop="0"),
            make_proposal(stop="1"),
            make_proposal(target="Infinity"),
            make_proposal(max_hold_seconds=0),
            make_proposal(conviction=float("nan")),
        )
    ),
]


@pytest.mark.parametrize(
    ("reason", "at_limit", "past"),
    PRODUCT_LIMITS,
    ids=names(PRODUCT_LIMITS),
)
def test_a_value_at_the_limit_passes_and_one_past_it_is_refused(reason: Refusal, at_limit: Case, past: Case) -> None:
    assert reason_of(at_limit) is None
    assert reason_of(past) is reason


def test_an_open_order_of_a_product_does_not_hide_that_another_one_is_unknown() -> None:
    orders = [
        make_order_state(make_order(BTC, name="open")),
        make_order_state(make_order(BTC, name="unknown"), outcome=Outcome.UNKNOWN),
    ]

    assert reason_of(Case(holding(make_ledger(orders=orders)))) is Refusal.UNKNOWN_ORDER


def test_an_add_grows_the_newest_lot_of_the_product() -> None:
    older, newer = make_lot(BTC, name="older", age_seconds=900), make_lot(BTC, name="newer", age_seconds=600)
    view = holding(make_ledger(lots=[newer, older]))

    assert [each.adds_to for each in approved(Case(view, policy=PYRAMID))] == ["newer"]


def test_an_add_is_no_new_position() -> None:
    policy = replace(PYRAMID, risk=replace(PYRAMID.risk, max_new_positions_per_cycle=0, max_open_positions=1))

    assert reason_of(Case(holding(make_ledger(lots=[HELD])), policy=policy)) is None


def test_dust_is_no_position_and_a_new_entry_opens_a_lot_of_its_own() -> None:
    view = holding(make_ledger(lots=[make_lot(BTC, quantity="0.0099"), make_lot(ETH, quantity="0.0099")]))

    assert [each.adds_to for each in approved(Case(view, policy=limited(max_open_positions=1)))] == [None]


def test_a_loss_by_stop_rests_as_long_as_the_longest_cooldown_that_fits() -> None:
    policy = limited(per_symbol_cooldown_after_stop_minutes=10)

    assert reason_of(Case(closed(59, was_loss=True, reason="stop_loss"), policy=policy)) is Refusal.SYMBOL_COOLDOWN
