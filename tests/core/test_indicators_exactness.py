"""A window says the same, to the bit, as a computation from scratch: decisions can be made again (L12)."""

import math
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from core.indicators import ProductWindow
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
    )


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

    assert found.zscore == found.move_24h == found.breakout_fraction == 0.0
    assert found.volume_ratio == 1.0


def test_a_window_costs_well_under_a_hundred_kilobytes() -> None:
    window = window_of(random_walk(5, 2 * DAY, start_price=110000.5, gap_chance=0.0))

    held = [getattr(window, name) for name in ProductWindow.__slots__]
    size = sum(sys.getsizeof(one) for one in held)
    size += sum(sys.getsizeof(item) for one in held if hasattr(one, "popleft") for item in one)

    assert size < 100_000
