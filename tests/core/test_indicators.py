"""The window of a product: what it takes, and what it says."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

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


# --- warming up -------------------------------------------------------------------------------------------------------


def test_it_is_warm_with_the_last_of_1440_minutes() -> None:
    almost = window_of(a_day()[:-1])

    assert almost.features() is None

    almost.push(a_day()[-1])

    assert almost.features() is not None


def test_an_empty_window_has_no_last_candle() -> None:
    window = ProductWindow(SETTINGS)

    assert (window.last_start, window.last_close, window.features()) == (None, None, None)


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

    assert filled.features() is not None
    assert restarted.features() is None
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


def test_a_flat_market_has_no_zscore() -> None:
    found = features_of(a_day())

    assert found.zscore == 0.0
