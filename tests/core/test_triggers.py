"""What just happened: signed, graded, and only the strongest products."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.indicators import WINDOW_MINUTES, ProductWindow
from core.model.market import Candle, ProductId
from core.model.signals import Features, Trigger, TriggerKind
from core.triggers import scan
from tests.builders import BTC, ETH, make_features, make_trigger_settings

SETTINGS = make_trigger_settings()
ALL_SCORES = make_trigger_settings(min_score=0.0)

UP_15M = TriggerKind.PRICE_MOVE_15M
UP_60M = TriggerKind.PRICE_MOVE_60M
SPIKE = TriggerKind.VOLUME_SPIKE
BREAKOUT = TriggerKind.BREAKOUT
MOMENTUM = TriggerKind.MOMENTUM
REVERSION = TriggerKind.MEAN_REVERSION


def fired(features: Features) -> list[tuple[TriggerKind, int]]:
    return [(trigger.kind, trigger.direction) for trigger in scan({BTC: features}, ALL_SCORES)]


def only(features: Features) -> Trigger:
    (trigger,) = scan({BTC: features}, ALL_SCORES)
    return trigger


# --- what fires -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        pytest.param(make_features(), [], id="nothing"),
        pytest.param(make_features(move_15m=0.012), [(UP_15M, 1)], id="15 minutes, at the threshold"),
        pytest.param(make_features(move_15m=0.01199), [], id="15 minutes, below"),
        pytest.param(make_features(move_15m=-0.012), [(UP_15M, -1)], id="15 minutes down, at the threshold"),
        pytest.param(make_features(move_15m=-0.01199), [], id="15 minutes down, above"),
        pytest.param(make_features(move_60m=0.022), [(UP_60M, 1)], id="60 minutes, at the threshold"),
        pytest.param(make_features(move_60m=-0.022), [(UP_60M, -1)], id="60 minutes down, at the threshold"),
        pytest.param(make_features(move_60m=0.02199), [], id="60 minutes, below"),
        pytest.param(make_features(breakout_fraction=0.001), [(BREAKOUT, 1)], id="breakout, at the threshold"),
        pytest.param(make_features(breakout_fraction=-0.001), [(BREAKOUT, -1)], id="breakdown, at the threshold"),
        pytest.param(make_features(breakout_fraction=0.00099), [], id="breakout, below"),
        pytest.param(make_features(zscore=3.0), [(REVERSION, 1)], id="overshoot, at the threshold"),
        pytest.param(make_features(zscore=-3.0), [(REVERSION, -1)], id="undershoot, at the threshold"),
        pytest.param(make_features(zscore=-2.99), [], id="undershoot, above"),
        pytest.param(make_features(move_15m=0.005, volume_ratio=4.0), [(SPIKE, 1)], id="spike, at both thresholds"),
        pytest.param(make_features(move_15m=-0.005, volume_ratio=4.0), [(SPIKE, -1)], id="spike on a fall"),
        pytest.param(make_features(move_15m=0.005, volume_ratio=3.99), [], id="too little volume"),
        pytest.param(make_features(move_15m=0.00499, volume_ratio=40.0), [], id="volume that went nowhere"),
        pytest.param(make_features(momentum=0.025, up_share=0.51), [(MOMENTUM, 1)], id="momentum, at both"),
        pytest.param(make_features(momentum=-0.025, up_share=0.49), [(MOMENTUM, -1)], id="momentum down, at both"),
        pytest.param(make_features(momentum=0.02499, up_share=0.9), [], id="momentum too small"),
        pytest.param(make_features(momentum=0.05, up_share=0.5099), [], id="momentum of a few candles"),
        pytest.param(make_features(momentum=-0.05, up_share=0.5), [], id="momentum down of a few candles"),
    ],
)
def test_a_trigger_fires_at_its_threshold_with_the_sign_of_what_was_seen(
    features: Features, expected: list[tuple[TriggerKind, int]]
) -> None:
    assert fired(features) == expected


def test_a_fall_is_never_reported_as_a_rise() -> None:
    crash = make_features(
        move_15m=-0.06,
        move_60m=-0.06,
        volume_ratio=9.0,
        breakout_fraction=-0.03,
        momentum=-0.06,
        up_share=0.3,
        zscore=-5.0,
    )

    assert sorted(kind.value for kind, _ in fired(crash)) == sorted(kind.value for kind in TriggerKind)
    assert {direction for _, direction in fired(crash)} == {-1}


def test_unreadable_numbers_fire_nothing() -> None:
    unreadable = Features(0, *(math.nan for _ in range(9)))

    assert scan({BTC: unreadable}, ALL_SCORES) == ()


SIGNED = st.sampled_from((-4.0, -2.0, -1.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.0, 2.0, 4.0))


@st.composite
def any_features(draw: st.DrawFn) -> Features:
    """Features at, below and above each threshold, in all combinations."""
    return make_features(
        move_15m=draw(SIGNED) * draw(st.sampled_from((0.012, 0.005))),
        move_60m=draw(SIGNED) * 0.022,
        move_24h=draw(SIGNED) * 0.03,
        volume_ratio=abs(draw(SIGNED)) * 4.0,
        breakout_fraction=draw(SIGNED) * 0.001,
        momentum=draw(SIGNED) * 0.025,
        up_share=draw(st.sampled_from((0.25, 0.375, 0.5, 0.625, 0.75))),
        zscore=draw(SIGNED) * 3.0,
    )


@given(one=any_features())
def test_the_quick_look_at_quiet_products_hides_nothing(one: Features) -> None:
    share = one.up_share if one.momentum > 0 else 1 - one.up_share
    expected = {
        UP_15M: abs(one.move_15m) >= 0.012,
        UP_60M: abs(one.move_60m) >= 0.022,
        SPIKE: one.volume_ratio >= 4.0 and abs(one.move_15m) >= 0.005,
        BREAKOUT: abs(one.breakout_fraction) >= 0.001,
        MOMENTUM: abs(one.momentum) >= 0.025 and share >= 0.51,
        REVERSION: abs(one.zscore) >= 3.0,
    }

    assert {kind for kind, _ in fired(one)} == {kind for kind, fires in expected.items() if fires}


# --- mirrored markets -------------------------------------------------------------------------------------------------


def mirrored_features(one: Features) -> Features:
    return one._replace(
        move_15m=-one.move_15m,
        move_60m=-one.move_60m,
        move_24h=-one.move_24h,
        breakout_fraction=-one.breakout_fraction,
        momentum=-one.momentum,
        up_share=1 - one.up_share,
        zscore=-one.zscore,
    )


@given(one=any_features())
def test_a_mirrored_market_gives_the_same_triggers_the_other_way(one: Features) -> None:
    seen = scan({BTC: one}, SETTINGS)
    mirrored = scan({BTC: mirrored_features(one)}, SETTINGS)

    turned = [
        replace(
            trigger,
            direction=-trigger.direction,
            observed=trigger.observed if trigger.kind is SPIKE else -trigger.observed,
        )
        for trigger in seen
    ]
    assert list(mirrored) == turned


def series(seed: int) -> list[Candle]:
    source = random.Random(seed)  # noqa: S311 - a test's series, no secret
    drift, price, candles = source.gauss(0, 0.0002), 100.0, []
    for minute in range(WINDOW_MINUTES):
        close = price * math.exp(source.gauss(drift, 0.002))
        high, low = max(price, close) * 1.0002, min(price, close) / 1.0002
        candles.append(Candle(minute * 60, price, high, low, close, 1.0))
        price = close
    return candles


def mirrored_series(candles: Sequence[Candle]) -> list[Candle]:
    return [
        Candle(c.start, 10_000 / c.open, 10_000 / c.low, 10_000 / c.high, 10_000 / c.close, c.volume) for c in candles
    ]


def triggers_of(candles: Sequence[Candle]) -> Mapping[TriggerKind, Trigger]:
    window = ProductWindow(ALL_SCORES)
    for candle in candles:
        window.push(candle)
    found = window.features()
    assert found is not None
    return {trigger.kind: trigger for trigger in scan({BTC: found}, ALL_SCORES)}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_mirrored_price_series_gives_mirrored_directions(seed: int) -> None:
    seen, mirrored = triggers_of(series(seed)), triggers_of(mirrored_series(series(seed)))

    for kind in (UP_15M, UP_60M, BREAKOUT, MOMENTUM):
        trigger = seen.get(kind)
        # 1 / (1 + x) - 1 is a little less than x, so only what is well past the threshold must fire again.
        if trigger is not None and abs(trigger.observed) >= 1.1 * trigger.threshold:
            assert mirrored[kind].direction == -trigger.direction


# --- grading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("move", "strength"), [(0.012, 0.5), (-0.012, 0.5), (0.018, 0.75), (0.024, 1.0), (-0.5, 1.0)])
def test_strength_is_half_at_the_threshold_and_full_at_twice_the_threshold(move: float, strength: float) -> None:
    trigger = only(make_features(move_15m=move))

    assert trigger.strength == pytest.approx(strength)
    assert (trigger.observed, trigger.threshold) == (move, 0.012)


@pytest.mark.parametrize(
    ("features", "confidence"),
    [
        pytest.param(make_features(move_15m=0.012, volume_ratio=0.0), 0.25, id="a move with nothing else"),
        pytest.param(make_features(move_15m=0.012, move_60m=0.01, volume_ratio=0.0), 0.625, id="the hour agrees"),
        pytest.param(make_features(move_15m=0.012, move_60m=-0.01, volume_ratio=0.0), 0.25, id="the hour disagrees"),
        pytest.param(make_features(move_15m=0.012, volume_ratio=2.0), 0.4375, id="half the volume"),
        pytest.param(make_features(move_60m=0.022, move_15m=0.001, volume_ratio=3.99), 0.999, id="hour, all agrees"),
        pytest.param(make_features(breakout_fraction=0.001, volume_ratio=0.0), 0.25, id="a breakout without volume"),
        pytest.param(make_features(breakout_fraction=0.001, volume_ratio=8.0), 1.0, id="a breakout on volume"),
        pytest.param(make_features(move_15m=0.006, volume_ratio=4.0), 0.625, id="a spike with half the move"),
        pytest.param(make_features(momentum=0.03, up_share=0.55), 0.625, id="momentum of 55 %"),
        pytest.param(make_features(momentum=-0.03, up_share=0.4), 1.0, id="momentum down of 60 %"),
        pytest.param(make_features(zscore=-3.0, volume_ratio=0.0), 0.25, id="undershoot with nothing else"),
        pytest.param(make_features(zscore=-3.0, move_24h=0.01, volume_ratio=0.0), 0.625, id="a dip in a rising day"),
        pytest.param(make_features(zscore=-3.0, move_24h=-0.01, volume_ratio=4.0), 0.625, id="a climax in a fall"),
    ],
)
def test_confidence_grows_with_what_speaks_for_the_trigger(features: Features, confidence: float) -> None:
    assert only(features).confidence == pytest.approx(confidence, abs=1e-3)


@given(one=any_features())
def test_grades_stay_between_nothing_and_one(one: Features) -> None:
    for trigger in scan({BTC: one}, ALL_SCORES):
        assert 0.5 <= trigger.strength <= 1.0
        assert 0.25 <= trigger.confidence <= 1.0
        assert trigger.score == trigger.strength * trigger.confidence


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_score_at_the_minimum_is_kept_and_one_below_is_dropped() -> None:
    features = make_features(move_15m=0.0192, volume_ratio=0.0)  # strength 0.8, confidence 0.25
    score = only(features).score

    assert len(scan({BTC: features}, make_trigger_settings(min_score=score))) == 1
    assert scan({BTC: features}, make_trigger_settings(min_score=math.nextafter(score, 1.0))) == ()


def test_the_highest_score_comes_first() -> None:
    found = scan(
        {BTC: make_features(move_15m=0.015, zscore=-5.0), ETH: make_features(move_15m=-0.02, move_60m=-0.03)}, SETTINGS
    )

    scores = [trigger.score for trigger in found]
    assert len(found) == 4
    assert scores == sorted(scores, reverse=True)


def test_the_strongest_products_are_kept_with_all_their_triggers() -> None:
    weak_but_many = make_features(move_15m=0.0125, move_60m=0.0225, breakout_fraction=0.001)
    strong = make_features(move_15m=0.05, move_60m=0.021, volume_ratio=3.0)
    features = {BTC: weak_but_many, ETH: strong}

    kept = scan(features, make_trigger_settings(max_per_cycle=1))

    assert [trigger.product_id for trigger in kept] == [ETH]
    assert len(scan({BTC: weak_but_many}, make_trigger_settings(max_per_cycle=1))) == 3


@given(order=st.permutations(["ADA", "BTC", "ETH", "SOL", "XRP"]))
def test_equal_scores_are_ordered_by_product_whatever_the_order_of_the_input(order: list[str]) -> None:
    features = {ProductId(base, "USD"): make_features(zscore=-6.0) for base in order}

    kept = scan(features, make_trigger_settings(max_per_cycle=3))

    assert [trigger.product_id.base for trigger in kept] == ["ADA", "BTC", "ETH"]


def test_equal_scores_of_a_product_are_ordered_by_kind() -> None:
    found = scan({BTC: make_features(move_15m=0.024, move_60m=0.044, zscore=9.0, move_24h=-1.0)}, SETTINGS)

    assert [trigger.kind for trigger in found] == [UP_15M, UP_60M, REVERSION]
