"""What we would like to buy, how sure we are, and how much of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import ProductId
from core.model.signals import Features, NotProposed, Proposal, Regime, Tier, Trigger, TriggerKind
from core.rules import NOTHING, STRATEGIES, RulesResult, propose
from core.settings import PolicySettings, SignalSettings
from tests.builders import (
    BTC,
    ETH,
    make_features,
    make_policy,
    make_signal_settings,
    make_strategy_settings,
    make_trigger,
)

SOL = ProductId("SOL", "USD")
RISING = make_features(move_60m=0.01)
POLICY = make_policy()
SETTINGS = make_signal_settings()


def ask(
    triggers: Sequence[Trigger],
    *,
    features: Mapping[ProductId, Features] | None = None,
    tiers: Mapping[ProductId, Tier] | None = None,
    regime: Regime | None = Regime.BULL,
    policy: PolicySettings = POLICY,
    settings: SignalSettings = SETTINGS,
) -> RulesResult:
    """Ask about triggers of products that are all eligible and have risen, unless said otherwise."""
    ids = dict.fromkeys(trigger.product_id for trigger in triggers)
    return propose(
        triggers,
        dict.fromkeys(ids, RISING) if features is None else features,
        dict.fromkeys(ids, Tier.TIER_2) if tiers is None else tiers,
        regime,
        policy=policy,
        settings=settings,
    )


def only_proposal(result: RulesResult) -> Proposal:
    (proposal,) = result.proposals
    return proposal


def only_refusal(result: RulesResult) -> NotProposed:
    assert not result.proposals
    (refusal,) = result.not_proposed
    return refusal


def refusal(reason: str, strategy: str, observed: str, limit: str) -> NotProposed:
    return NotProposed(product_id=BTC, strategy=strategy, reason=reason, observed=observed, limit=limit)


# --- proposals --------------------------------------------------------------------------------------------------------


def test_no_trigger_no_proposal() -> None:
    assert ask([]) == NOTHING


def test_a_proposal_carries_the_strategys_exits_and_its_triggers_the_leading_one_first() -> None:
    triggers = [make_trigger(TriggerKind.BREAKOUT, strength=1.0), make_trigger(TriggerKind.PRICE_MOVE_15M)]
    own = make_strategy_settings(stop="0.015", target="0.045", max_hold_minutes=90)
    settings = replace(SETTINGS, strategies={**SETTINGS.strategies, "price_move": own})

    proposal = only_proposal(ask(triggers, settings=settings))

    assert (proposal.product_id, proposal.strategy, proposal.tier) == (BTC, "price_move", Tier.TIER_2)
    assert (proposal.stop_fraction, proposal.target_fraction) == (Decimal("0.015"), Decimal("0.045"))
    assert proposal.max_hold_seconds == 5400
    assert proposal.triggers == (TriggerKind.PRICE_MOVE_15M, TriggerKind.BREAKOUT)


def test_a_product_gets_the_proposal_of_its_most_convincing_strategy_only() -> None:
    triggers = [
        make_trigger(TriggerKind.MOMENTUM, strength=0.9),
        make_trigger(TriggerKind.PRICE_MOVE_15M, strength=0.6),
    ]

    result = ask(triggers)

    assert only_proposal(result).strategy == "momentum"
    assert result.not_proposed == (refusal("another_strategy_preferred", "price_move", "0.55", "0.7"),)


def test_equally_convincing_strategies_are_taken_in_their_order() -> None:
    triggers = [make_trigger(TriggerKind.MOMENTUM), make_trigger(TriggerKind.PRICE_MOVE_15M)]

    assert only_proposal(ask(triggers)).strategy == next(iter(STRATEGIES)) == "price_move"


def test_proposals_are_ordered_by_conviction_then_tier_then_id() -> None:
    ada, doge = ProductId("ADA", "USD"), ProductId("DOGE", "USD")
    tiers = {BTC: Tier.TIER_2, ETH: Tier.TIER_2, SOL: Tier.TIER_3, ada: Tier.TIER_2, doge: Tier.TIER_3}
    strengths = {SOL: 0.8, ETH: 0.8, doge: 0.8, BTC: 0.8, ada: 0.9}
    triggers = [make_trigger(product_id=key, strength=strength) for key, strength in strengths.items()]

    proposals = ask(triggers, tiers=tiers).proposals

    assert [proposal.product_id.base for proposal in proposals] == ["ADA", "BTC", "ETH", "DOGE", "SOL"]


# --- conviction -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triggers", "tier", "conviction"),
    [
        pytest.param([make_trigger(strength=0.8, confidence=0.5)], Tier.TIER_2, 0.55, id="0.5 x 0.8 + 0.3 x 0.5"),
        pytest.param([make_trigger(strength=0.8, confidence=0.5)], Tier.TIER_1, 0.6, id="a tier 1 product"),
        pytest.param(
            [make_trigger(), make_trigger(TriggerKind.BREAKOUT), make_trigger(TriggerKind.MEAN_REVERSION)],
            Tier.TIER_2,
            0.75,
            id="two others agree",
        ),
        pytest.param(
            [make_trigger(), make_trigger(TriggerKind.MEAN_REVERSION, direction=-1)],
            Tier.TIER_2,
            0.55,
            id="another disagrees",
        ),
        pytest.param(
            [make_trigger(kind, strength=1.0, confidence=1.0) for kind in TriggerKind], Tier.TIER_1, 1.0, id="at most 1"
        ),
    ],
)
def test_conviction_is_a_weighted_sum(triggers: list[Trigger], tier: Tier, conviction: float) -> None:
    assert ask(triggers, tiers={BTC: tier}).proposals[0].conviction == conviction


def test_conviction_at_the_minimum_is_enough() -> None:
    triggers = [make_trigger(strength=0.8, confidence=0.5)]

    assert only_proposal(ask(triggers, settings=make_signal_settings(min_conviction=0.55))).conviction == 0.55
    assert only_refusal(ask(triggers, settings=make_signal_settings(min_conviction=0.550001))) == refusal(
        "conviction_too_low", "price_move", "0.55", "0.550001"
    )


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tier", "regime", "strength", "size"),
    [
        pytest.param(Tier.TIER_2, Regime.BULL, 0.8, "0.031", id="4 % x 1 x (1 + 0.55) / 2"),
        pytest.param(Tier.TIER_2, Regime.CHOP, 0.8, "0.0248", id="chop takes 0.8 of it"),
        pytest.param(Tier.TIER_1, Regime.BULL, 0.8, "0.04", id="tier 1 has more"),
        pytest.param(Tier.TIER_3, Regime.BEAR, 0.8, "0.02", id="raised to the smallest size worth its costs"),
        pytest.param(Tier.TIER_2, Regime.BULL, 0.777777, "0.030777", id="cut to six places"),
    ],
)
def test_the_wanted_size_follows_tier_regime_and_conviction(
    tier: Tier, regime: Regime, strength: float, size: str
) -> None:
    triggers = [make_trigger(strength=strength, confidence=0.5)]

    assert only_proposal(ask(triggers, tiers={BTC: tier}, regime=regime)).size_fraction == Decimal(size)


def test_the_size_never_exceeds_the_tiers_share_whatever_the_multiplier() -> None:
    generous = {key: replace(one, size_multiplier=Decimal(3)) for key, one in POLICY.regime.items()}

    proposal = only_proposal(ask([make_trigger()], policy=replace(POLICY, regime=generous)))

    assert proposal.size_fraction == POLICY.position_sizing.tier_2_fraction


@pytest.mark.parametrize(("share", "proposed"), [("0.02", 1), ("0.0199", 0)])
def test_a_tier_whose_share_is_below_the_smallest_position_has_no_legal_size(share: str, proposed: int) -> None:
    result = ask([make_trigger()], policy=make_policy(tier_2=share))

    assert len(result.proposals) == proposed
    if not proposed:
        assert only_refusal(result) == refusal("no_legal_size", "price_move", "0.0199", "0.02")


@given(
    kinds=st.lists(st.sampled_from(TriggerKind), min_size=1, unique=True),
    strength=st.floats(0.5, 1.0),
    confidence=st.floats(0.25, 1.0),
    tier=st.sampled_from(Tier),
    regime=st.sampled_from(Regime),
)
def test_every_proposed_size_is_one_that_later_stages_can_accept(
    *, kinds: list[TriggerKind], strength: float, confidence: float, tier: Tier, regime: Regime
) -> None:
    triggers = [make_trigger(kind, strength=strength, confidence=confidence) for kind in kinds]

    for proposal in ask(triggers, tiers={BTC: tier}, regime=regime).proposals:
        assert POLICY.risk.min_position_size_fraction <= proposal.size_fraction <= POLICY.position_sizing.of(tier)
        assert proposal.size_fraction == round(proposal.size_fraction, 6)
        assert 0.35 <= proposal.conviction <= 1.0


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TriggerKind.PRICE_MOVE_15M, TriggerKind.PRICE_MOVE_60M, TriggerKind.MOMENTUM])
def test_a_fall_is_recorded_as_not_tradable(kind: TriggerKind) -> None:
    found = only_refusal(ask([make_trigger(kind, direction=-1)]))

    assert found.reason == "direction_not_tradable"
    assert (found.observed, found.limit) == (f"{kind.value} -0.020000", "a rise")


def test_a_disabled_strategy_says_so_and_leaves_the_field_to_the_others() -> None:
    triggers = [make_trigger(TriggerKind.PRICE_MOVE_15M), make_trigger(TriggerKind.MOMENTUM)]

    result = ask(triggers, settings=make_signal_settings(disabled=["price_move"]))

    assert only_proposal(result).strategy == "momentum"
    assert result.not_proposed == (refusal("strategy_disabled", "price_move", "enabled: false", "enabled: true"),)


def test_a_disabled_strategy_is_silent_about_triggers_that_it_does_not_read() -> None:
    result = ask([make_trigger(TriggerKind.MOMENTUM)], settings=make_signal_settings(disabled=["price_move"]))

    assert result.not_proposed == ()


def test_a_trigger_that_no_configured_strategy_reads_is_recorded() -> None:
    settings = replace(SETTINGS, strategies={"price_move": make_strategy_settings()})

    assert only_refusal(ask([make_trigger(TriggerKind.MOMENTUM)], settings=settings)).reason == "no_strategy"


@pytest.mark.parametrize(
    ("regime", "expected"),
    [
        pytest.param(
            Regime.CRASH, refusal("regime_blocks_entries", "", "crash", "size_multiplier above 0"), id="crash"
        ),
        pytest.param(None, refusal("regime_unknown", "", "none", "a regime"), id="no regime"),
    ],
)
def test_no_new_risk_in_a_regime_that_is_closed_or_unknown(regime: Regime | None, expected: NotProposed) -> None:
    assert only_refusal(ask([make_trigger()], regime=regime)) == expected


def test_a_regime_without_a_policy_is_unknown() -> None:
    policy = replace(POLICY, regime={Regime.CHOP: POLICY.regime[Regime.CHOP]})

    assert only_refusal(ask([make_trigger()], regime=Regime.BULL, policy=policy)).reason == "regime_unknown"


@pytest.mark.parametrize("missing", ["tiers", "features"])
def test_a_product_that_is_not_eligible_or_has_no_features_is_not_proposed(missing: str) -> None:
    result = ask(
        [make_trigger()],
        tiers={} if missing == "tiers" else {BTC: Tier.TIER_1},
        features={} if missing == "features" else {BTC: RISING},
    )

    assert only_refusal(result).reason == "not_eligible"


TRIGGERS = st.lists(
    st.builds(
        lambda kind, direction, strength, confidence, product_id: make_trigger(
            kind, product_id=product_id, direction=direction, strength=strength, confidence=confidence
        ),
        st.sampled_from(TriggerKind),
        st.sampled_from((1, -1)),
        st.floats(0.5, 1.0),
        st.floats(0.25, 1.0),
        st.sampled_from((BTC, ETH, SOL)),
    ),
    unique_by=lambda trigger: (trigger.product_id, trigger.kind),
)


@given(
    triggers=TRIGGERS,
    disabled=st.lists(st.sampled_from(("price_move", "momentum", "mean_reversion")), unique=True),
    regime=st.sampled_from((*Regime, None)),
    move_60m=st.sampled_from((-0.01, 0.01, 0.1)),
)
def test_every_triggered_product_is_proposed_once_or_refused_with_a_reason(
    triggers: list[Trigger], disabled: list[str], regime: Regime | None, move_60m: float
) -> None:
    features = dict.fromkeys((BTC, ETH, SOL), make_features(move_60m=move_60m))
    settings = make_signal_settings(min_conviction=0.5, disabled=disabled)

    result = ask(triggers, features=features, regime=regime, settings=settings)

    proposed = [proposal.product_id for proposal in result.proposals]
    answered = {*proposed, *(refused.product_id for refused in result.not_proposed)}
    assert answered == {trigger.product_id for trigger in triggers}
    assert len(proposed) == len(set(proposed))
    assert all(refused.reason and refused.observed and refused.limit for refused in result.not_proposed)
