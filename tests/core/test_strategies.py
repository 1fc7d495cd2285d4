"""What each strategy makes of one triggered product. Long only."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.signals import Features, Regime, Tier, Trigger, TriggerKind
from core.strategies import mean_reversion, momentum, price_move
from core.strategies.ideas import Idea, Pass, ProductView
from tests.builders import BTC, make_features, make_strategy_settings, make_trigger

SETTINGS = make_strategy_settings(stop="0.03125", target="0.0625")  # powers of two: exact as floats, too
RISING = make_features(move_60m=0.01)

UP = make_trigger(TriggerKind.PRICE_MOVE_15M)
UP_60M = make_trigger(TriggerKind.PRICE_MOVE_60M)
DOWN = make_trigger(TriggerKind.PRICE_MOVE_15M, direction=-1)
DOWN_60M = make_trigger(TriggerKind.PRICE_MOVE_60M, direction=-1)
STEADY = make_trigger(TriggerKind.MOMENTUM)
STEADY_FALL = make_trigger(TriggerKind.MOMENTUM, direction=-1)
BREAKOUT = make_trigger(TriggerKind.BREAKOUT)
BREAKDOWN = make_trigger(TriggerKind.BREAKOUT, direction=-1)
SPIKE = make_trigger(TriggerKind.VOLUME_SPIKE)
SPIKE_DOWN = make_trigger(TriggerKind.VOLUME_SPIKE, direction=-1)
OVERSHOOT = make_trigger(TriggerKind.MEAN_REVERSION)
UNDERSHOOT = make_trigger(TriggerKind.MEAN_REVERSION, direction=-1)


def view(triggers: Sequence[Trigger], *, features: Features = RISING, regime: Regime = Regime.CHOP) -> ProductView:
    return ProductView(product_id=BTC, tier=Tier.TIER_1, features=features, triggers=tuple(triggers), regime=regime)


def answer_of(answer: Idea | Pass | None) -> Trigger | str | None:
    """Reduce an answer to its lead or its reason."""
    if isinstance(answer, Idea):
        return answer.lead
    return None if answer is None else answer.reason


@pytest.mark.parametrize(
    ("triggers", "answer"),
    [
        pytest.param([UP], UP, id="a fast rise"),
        pytest.param([UP_60M], UP_60M, id="a rise over the hour"),
        pytest.param([UP_60M, UP], UP_60M, id="the stronger one leads"),
        pytest.param([DOWN], "direction_not_tradable", id="a fast fall"),
        pytest.param([DOWN_60M], "direction_not_tradable", id="a fall over the hour"),
        pytest.param([UP, DOWN_60M], "direction_not_tradable", id="a rise inside a fall"),
        pytest.param([STEADY, UNDERSHOOT, BREAKOUT, SPIKE], None, id="nothing of its kind"),
    ],
)
def test_price_move_goes_with_a_fast_rise(triggers: list[Trigger], answer: Trigger | str | None) -> None:
    assert answer_of(price_move.propose(view(triggers), SETTINGS)) == answer


@pytest.mark.parametrize(
    ("triggers", "answer"),
    [
        pytest.param([STEADY], STEADY, id="a steady rise"),
        pytest.param([BREAKOUT, SPIKE], BREAKOUT, id="a breakout on volume"),
        pytest.param([SPIKE, BREAKOUT, STEADY], STEADY, id="both: the steady rise leads"),
        pytest.param([BREAKOUT], "unconfirmed", id="a breakout alone"),
        pytest.param([SPIKE], "unconfirmed", id="a spike alone"),
        pytest.param([STEADY_FALL], "direction_not_tradable", id="a steady fall"),
        pytest.param([BREAKDOWN, SPIKE_DOWN], "direction_not_tradable", id="a breakdown on volume"),
        pytest.param([STEADY, SPIKE_DOWN], "direction_not_tradable", id="a rise that is being sold"),
        pytest.param([UP, UNDERSHOOT], None, id="nothing of its kind"),
    ],
)
def test_momentum_goes_with_a_steady_rise_or_a_breakout_on_volume(
    triggers: list[Trigger], answer: Trigger | str | None
) -> None:
    assert answer_of(momentum.propose(view(triggers), SETTINGS)) == answer


@pytest.mark.parametrize(("move_60m", "answer"), [(0.0001, STEADY), (0.0, "rise_is_over"), (-0.01, "rise_is_over")])
def test_momentum_wants_the_last_hour_to_have_risen(move_60m: float, answer: Trigger | str) -> None:
    shown = view([STEADY], features=make_features(move_60m=move_60m))

    assert answer_of(momentum.propose(shown, SETTINGS)) == answer


@pytest.mark.parametrize("move_60m", [0.0625, 0.07])
def test_no_strategy_chases_an_hour_that_has_already_gained_the_target(move_60m: float) -> None:
    shown = view([UP, STEADY], features=make_features(move_60m=move_60m))

    assert answer_of(price_move.propose(shown, SETTINGS)) == "already_gained"
    assert answer_of(momentum.propose(shown, SETTINGS)) == "already_gained"


def test_an_hour_just_below_the_target_is_no_chase() -> None:
    shown = view([UP, STEADY], features=make_features(move_60m=0.0624))

    assert isinstance(price_move.propose(shown, SETTINGS), Idea)
    assert isinstance(momentum.propose(shown, SETTINGS), Idea)


@pytest.mark.parametrize(
    ("shown", "answer"),
    [
        pytest.param(view([UNDERSHOOT]), UNDERSHOOT, id="a fall too far"),
        pytest.param(view([OVERSHOOT]), "direction_not_tradable", id="a rise too far"),
        pytest.param(view([UP, STEADY, SPIKE]), None, id="nothing of its kind"),
        pytest.param(view([UNDERSHOOT], regime=Regime.BEAR), UNDERSHOOT, id="in a bear market"),
        pytest.param(view([UNDERSHOOT], regime=Regime.CRASH), "regime_blocks_strategy", id="in a crash"),
        pytest.param(
            view([UNDERSHOOT], features=make_features(breakout_fraction=-1e-9)), "at_new_low", id="at a new low"
        ),
        pytest.param(
            view([UNDERSHOOT], features=make_features(move_15m=-0.0312)), UNDERSHOOT, id="fell less than stop"
        ),
        pytest.param(
            view([UNDERSHOOT], features=make_features(move_15m=-0.03125)), "falling_fast", id="fell by the stop"
        ),
    ],
)
def test_mean_reversion_buys_a_fall_that_went_too_far_and_has_stopped(
    shown: ProductView, answer: Trigger | str | None
) -> None:
    assert answer_of(mean_reversion.propose(shown, SETTINGS)) == answer


def test_a_pass_says_what_was_seen_and_the_limit() -> None:
    features = make_features(move_60m=0.07)

    assert price_move.propose(view([DOWN]), SETTINGS) == Pass(
        reason="direction_not_tradable", observed="price_move_15m -0.020000", limit="a rise"
    )
    assert price_move.propose(view([UP], features=features), SETTINGS) == Pass(
        reason="already_gained", observed="0.070000", limit="below 0.0625"
    )


ANY_TRIGGERS = st.lists(
    st.builds(
        lambda kind, direction: make_trigger(kind, direction=direction),
        st.sampled_from(TriggerKind),
        st.sampled_from((1, -1)),
    ),
    max_size=6,
    unique_by=lambda trigger: trigger.kind,
)


@given(triggers=ANY_TRIGGERS)
def test_a_fall_never_leads_a_buy_but_for_mean_reversion(triggers: list[Trigger]) -> None:
    shown = view(triggers)

    for propose in (price_move.propose, momentum.propose):
        answer = propose(shown, SETTINGS)
        assert not isinstance(answer, Idea) or answer.lead.direction == 1
    answer = mean_reversion.propose(shown, SETTINGS)
    assert not isinstance(answer, Idea) or answer.lead is shown.strongest((TriggerKind.MEAN_REVERSION,), -1)
