"""The window of a product: what it says, and that it says it exactly."""

import math
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from core.indicators import PRICE_MAX, VOLUME_MAX, ProductWindow
from core.model.market import Candle
from core.model.signals import Features
from core.settings import TriggerSettings
from tests.builders import make_candle, make_trigger_settings

DAY = 1440
SETTINGS = make_trigger_settings()


def window_of(candles: Sequence[Candle], trigger_settings: TriggerSettings = SETTINGS) -> ProductWindow:
    window = ProductWindow(trigger_settings)
    for candle in candles:
        window.push(candle)
    return window


def features_of(candles: Sequence[Candle], trigger_settings: TriggerSettings = SETTINGS) -> Features:
    found = window_of(candles, trigger_settings).features()
    assert found is not None
    return found


def a_day(**closes_at: float) -> list[Candle]:
    """A flat day at 100 but for `m<minute>=close`; opens are at the close."""
    return [make_candle(minute, closes_at.get(f"m{minute}", 100.0)) for minute in range(DAY)]


def random_walk(seed: int, minutes: int, *, start_price: float, gap_chance: float) -> list[Candle]:
    """A seeded series with wicks, jumps, flat minutes and missing ones; volumes span many orders of magnitude."""
    source = random.Random(seed)  # noqa: S311 - a test's series, no secret
    price, minute, candles = start_price, 0, []
    for _ in range(minutes):
        opened = price * (1 + source.choice((0.0, 0.0, source.gauss(0, 0.002))))
        close = opened * (1 + source.choice((0.0, source.gauss(0, 0.001), source.gauss(0, 0.02))))
        high = max(opened, close) * (1 + source.choice((0.0, abs(source.gauss(0, 0.001)))))
        low = min(opened, close) * (1 - source.choice((0.0, abs(source.gauss(0, 0.001)))))
        volume = source.choice((0.0, source.random(), 1e-8, source.random() * 1e12))
        candles.append(Candle(minute * 60, opened, high, low, close, volume))
        price = close
        minute += 1 if source.random() >= gap_chance else source.randint(2, 40)
    return candles


def aligned(candles: Sequence[Candle]) -> list[Candle]:
    """The last day as it is meant: one candle a minute, missing ones flat."""
    filled = [candles[0]]
    for before, candle in pairwise(candles):
        filled.extend(make_candle(minute, before.close, volume=0.0) for minute in missing_between(before, candle))
        filled.append(candle)
    return filled[-DAY:]


def missing_between(before: Candle, after: Candle) -> range:
    return range(before.start // 60 + 1, after.start // 60)


def recomputed(candles: Sequence[Candle], trigger_settings: TriggerSettings) -> Features:
    """Compute the features from scratch, from exactly one day of aligned candles."""
    closes = [candle.close for candle in candles]
    last = closes[-1]
    steps = [int(close * 2**40) for close in closes[-trigger_settings.mean_reversion_minutes :]]
    count, total = len(steps), sum(steps)
    scatter = math.sqrt(count * sum(step * step for step in steps) - total * total)
    volumes = [int(candle.volume * 2**30) for candle in candles]
    before = candles[-1 - trigger_settings.breakout_lookback_minutes : -1]
    high, low = max(candle.high for candle in before), min(candle.low for candle in before)
    changes = [after - earlier for earlier, after in pairwise(closes[-1 - trigger_settings.momentum_minutes :])]
    ups, moved = sum(change > 0 for change in changes), sum(change != 0 for change in changes)
    return Features(
        last_start=candles[-1].start,
        last_close=last,
        move_15m=last / closes[-16] - 1,
        move_60m=last / closes[-61] - 1,
        move_24h=last / candles[0].open - 1,
        volume_ratio=sum(volumes[-15:]) * 96 / sum(volumes) if sum(volumes) else 0.0,
        breakout_fraction=last / high - 1 if last > high else last / low - 1 if last < low else 0.0,
        momentum=last / closes[-1 - trigger_settings.momentum_minutes] - 1,
        up_share=ups / moved if moved else 0.5,
        zscore=(count * steps[-1] - total) / scatter if scatter else 0.0,
        volatility_fraction=scatter / total,
    )


# --- exactness (L12) --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    pushes=st.integers(DAY, 2 * DAY + 50),
    start_price=st.sampled_from((0.00001234, 0.3, 110000.5)),
    gap_chance=st.sampled_from((0.0, 0.01, 0.2)),
    lookback=st.sampled_from((1, 720, 1439)),
    momentum=st.sampled_from((1, 240, 1439)),
    reversion=st.sampled_from((2, 240, 1439)),
)
def test_the_features_are_those_of_the_last_day_recomputed_from_scratch_to_the_bit(
    *, seed: int, pushes: int, start_price: float, gap_chance: float, lookback: int, momentum: int, reversion: int
) -> None:
    chosen = replace(
        SETTINGS, breakout_lookback_minutes=lookback, momentum_minutes=momentum, mean_reversion_minutes=reversion
    )
    candles = random_walk(seed, pushes, start_price=start_price, gap_chance=gap_chance)

    incremental = features_of(candles, chosen)

    assert incremental == recomputed(aligned(candles), chosen)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), extra=st.integers(1, 3000))
def test_a_window_that_has_seen_more_says_the_same_as_one_that_has_seen_only_the_last_day(
    seed: int, extra: int
) -> None:
    candles = random_walk(seed, DAY + extra, start_price=110000.5, gap_chance=0.02)

    assert features_of(candles) == features_of(aligned(candles))


def test_a_wild_past_leaves_no_trace_a_day_later() -> None:
    wild = [Candle(m * 60, 1e9, 1e11, 1e7, 1e9 + m * 12345.678, 1e17) for m in range(DAY)]
    calm = [make_candle(DAY + m, 0.00001234, volume=0.001) for m in range(DAY)]

    found = features_of(wild + calm)

    assert found.zscore == found.volatility_fraction == found.move_24h == found.breakout_fraction == 0.0
    assert found.volume_ratio == 1.0


# --- warming up -------------------------------------------------------------------------------------------------------


def test_it_is_warm_with_the_last_of_1440_minutes() -> None:
    almost = window_of(a_day()[:-1])

    assert not almost.is_warm
    assert almost.features() is None

    almost.push(a_day()[-1])

    assert almost.is_warm
    assert almost.features() is not None


def test_an_empty_window_has_no_last_candle() -> None:
    window = ProductWindow(SETTINGS)

    assert (window.last_start, window.last_close, window.is_warm, window.features()) == (None, None, False, None)


@pytest.mark.parametrize(
    ("key", "fits", "too_long", "too_short"),
    [
        ("breakout_lookback_minutes", 1439, 1440, 0),
        ("momentum_minutes", 1439, 1440, 0),
        ("mean_reversion_minutes", 1439, 1440, 1),
    ],
)
def test_a_lookback_must_fit_into_the_window(key: str, fits: int, too_long: int, too_short: int) -> None:
    ProductWindow(replace(SETTINGS, **{key: fits}))

    for minutes in (too_long, too_short):
        with pytest.raises(ConfigError, match=key):
            ProductWindow(replace(SETTINGS, **{key: minutes}))


# --- alignment --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minute", [9, 10], ids=["older", "repeated"])
def test_a_candle_that_is_not_newer_is_ignored(minute: int) -> None:
    window = window_of([make_candle(10, 100.0)])

    taken = window.push(make_candle(minute, 200.0))

    assert not taken
    assert (window.last_start, window.last_close) == (600, 100.0)


def test_a_missing_minute_is_flat_at_the_last_close_without_volume() -> None:
    day = a_day(m1000=120.0, m1001=120.0)
    without = [candle for candle in day if candle.start != 1001 * 60]
    stated = [candle._replace(volume=0.0) if candle.start == 1001 * 60 else candle for candle in day]

    assert features_of(without) == features_of(stated)


def test_missing_minutes_count_as_covered() -> None:
    assert window_of([make_candle(0), make_candle(DAY - 2)]).features() is None
    assert window_of([make_candle(0), make_candle(DAY - 1)]).features() is not None


def test_the_longest_gap_that_is_filled_is_one_minute_shorter_than_the_window() -> None:
    filled = window_of([*a_day(), make_candle(DAY - 1 + DAY)])
    restarted = window_of([*a_day(), make_candle(DAY - 1 + DAY + 1)])

    assert filled.is_warm
    assert not restarted.is_warm
    assert restarted.last_start == 2 * DAY * 60


def test_a_restarted_window_has_forgotten_everything() -> None:
    later = [make_candle(5 * DAY + minute, 3.0) for minute in range(DAY)]

    assert features_of(a_day(m3=500.0) + later) == features_of(later)


GOOD = Candle(6000, 10.0, 11.0, 9.0, 10.5, 3.0)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(GOOD._replace(close=math.nan), id="close not a number"),
        pytest.param(GOOD._replace(volume=math.nan), id="volume not a number"),
        pytest.param(GOOD._replace(high=math.inf), id="infinite high"),
        pytest.param(GOOD._replace(low=0.0), id="zero price"),
        pytest.param(GOOD._replace(volume=-1.0), id="negative volume"),
        pytest.param(GOOD._replace(volume=VOLUME_MAX * 1.01), id="volume beyond the grid"),
        pytest.param(GOOD._replace(high=PRICE_MAX * 1.01), id="price beyond the grid"),
        pytest.param(GOOD._replace(close=11.5), id="close above the high"),
        pytest.param(GOOD._replace(close=8.5), id="close below the low"),
        pytest.param(GOOD._replace(open=11.5), id="open above the high"),
        pytest.param(GOOD._replace(start=6001), id="not on a minute"),
    ],
)
def test_an_impossible_candle_is_refused_and_changes_nothing(bad: Candle) -> None:
    window, untouched = window_of(a_day()[:100]), window_of(a_day()[:100])

    with pytest.raises(ValueError, match="candle"):
        window.push(bad)

    rest = a_day(m100=101.0)[100:]
    for candle in rest:
        window.push(candle)
        untouched.push(candle)
    assert window.features() == untouched.features() is not None


# --- what the features say --------------------------------------------------------------------------------------------


def test_moves_are_measured_from_the_close_so_many_minutes_before_and_signed() -> None:
    found = features_of(a_day(m1439=110.0, m1424=100.0, m1379=88.0, m1425=1000.0, m1380=1000.0))

    assert found.move_15m == 110.0 / 100.0 - 1
    assert found.move_60m == 110.0 / 88.0 - 1


def test_a_fall_is_negative_in_every_horizon() -> None:
    falling = [make_candle(m, 200.0 - m * 0.05, opened=200.0 - (m - 1) * 0.05) for m in range(DAY)]

    found = features_of(falling)

    assert max(found.move_15m, found.move_60m, found.move_24h, found.momentum, found.breakout_fraction) < 0
    assert found.zscore < 0
    assert found.up_share == 0.0


def test_the_day_is_measured_from_the_open_of_its_first_minute() -> None:
    day = a_day()
    day[0] = make_candle(0, 100.0, opened=80.0)

    assert features_of(day).move_24h == 0.25


def test_the_volume_ratio_is_the_last_15_minutes_rate_over_the_days() -> None:
    even = a_day()
    burst = [candle._replace(volume=10.0 if minute >= DAY - 15 else 0.0) for minute, candle in enumerate(even)]
    silent = [candle._replace(volume=0.0) for candle in even]

    assert features_of(even).volume_ratio == 1.0
    assert features_of(burst).volume_ratio == 96.0
    assert features_of(silent).volume_ratio == 0.0


def test_the_last_candle_is_not_part_of_its_own_breakout_reference() -> None:
    assert features_of(a_day(m1439=101.0)).breakout_fraction == 101.0 / 100.0 - 1
    assert features_of(a_day(m1439=99.0)).breakout_fraction == 99.0 / 100.0 - 1


def test_a_close_at_the_extreme_is_no_breakout() -> None:
    assert features_of(a_day(m1000=101.0, m1439=101.0)).breakout_fraction == 0.0


@pytest.mark.parametrize(("minute", "inside"), [(1439 - 720, True), (1439 - 721, False)])
def test_the_breakout_reference_reaches_back_exactly_the_lookback(minute: int, inside: bool) -> None:
    day = a_day(m1439=101.0)
    day[minute] = day[minute]._replace(high=150.0)

    assert (features_of(day).breakout_fraction == 0.0) is inside


def test_the_up_share_counts_rises_among_the_candles_that_moved() -> None:
    found = features_of(a_day(m1400=101.0, m1401=102.0, m1402=101.0))

    assert found.up_share == 0.5  # two rises, and two falls on the way back

    assert features_of(a_day(m1437=101.0, m1438=102.0, m1439=103.0)).up_share == 1.0
    assert features_of(a_day()).up_share == 0.5


@pytest.mark.parametrize(("minute", "counted"), [(1439 - 239, True), (1439 - 240, False)])
def test_the_up_share_looks_back_exactly_the_momentum_minutes(minute: int, counted: bool) -> None:
    stepped = [make_candle(m, 100.0 if m < minute else 101.0) for m in range(DAY)]

    assert features_of(stepped).up_share == (1.0 if counted else 0.5)


def test_the_zscore_counts_standard_deviations_with_the_last_close_included() -> None:
    chosen = replace(SETTINGS, mean_reversion_minutes=4)

    found = features_of(a_day(m1437=100.0, m1438=100.0, m1439=108.0), chosen)

    assert found.zscore == pytest.approx((108 - 102) / math.sqrt(12))
    assert found.volatility_fraction == pytest.approx(math.sqrt(12) / 102)


def test_a_flat_market_has_no_zscore() -> None:
    found = features_of(a_day())

    assert found.zscore == found.volatility_fraction == 0.0


def test_a_window_costs_well_under_a_hundred_kilobytes() -> None:
    window = window_of(random_walk(5, 2 * DAY, start_price=110000.5, gap_chance=0.0))

    held = [getattr(window, name) for name in ProductWindow.__slots__]
    size = sum(sys.getsizeof(one) for one in held)
    size += sum(sys.getsizeof(item) for one in held if hasattr(one, "popleft") for item in one)

    assert size < 100_000
