"""
Measure what the signals of a quiet minute cost. Run by hand: `python -m tests.benchmarks.bench_signals`.

Prints microseconds of CPU per product for pushing a closed candle, describing the window and scanning for triggers,
the same for a whole cycle with regime and rules, and the memory of a warm window. Best of several rounds: the least
disturbed one is the one that compares.
"""

import random
import time
import tracemalloc

from core import triggers
from core.indicators import WINDOW_MINUTES, ProductWindow
from core.model.market import Candle, ProductId
from core.model.signals import Features, Tier
from core.regime import regime_of
from core.rules import propose
from tests.builders import make_policy, make_regime_settings, make_signal_settings, make_trigger_settings

MINUTES = 1000
ROUNDS = 5


def make_series(seed: int, minutes: int) -> list[Candle]:
    source = random.Random(seed)  # noqa: S311 - a benchmark's series, no secret
    price, candles = source.choice((110000.5, 3000.0, 150.0, 0.35, 0.00001234)), []
    for minute in range(minutes):
        close = price * (1 + source.gauss(0, 0.0006))
        high, low = max(price, close) * 1.0002, min(price, close) * 0.9998
        candles.append(Candle(minute * 60, price, high, low, close, source.expovariate(0.1)))
        price = close
    return candles


def bench_stages(count: int) -> tuple[float, float, float, float]:
    """Return microseconds per product: push, features, scan, all of a cycle."""
    settings, policy, signals = make_trigger_settings(), make_policy(), make_signal_settings()
    ids = [ProductId(f"P{number}", "USD") for number in range(count)]
    tiers = dict.fromkeys(ids, Tier.TIER_2)
    windows = [ProductWindow(settings) for _ in ids]
    series = [make_series(number, WINDOW_MINUTES + MINUTES) for number in range(count)]
    for window, candles in zip(windows, series, strict=True):
        for candle in candles[:WINDOW_MINUTES]:
            window.push(candle)

    spent = [0.0, 0.0, 0.0, 0.0]
    for minute in range(WINDOW_MINUTES, WINDOW_MINUTES + MINUTES):
        newest = [candles[minute] for candles in series]
        begun = time.process_time_ns()
        for window, candle in zip(windows, newest, strict=True):
            window.push(candle)
        pushed = time.process_time_ns()
        features: dict[ProductId, Features] = {}
        for product_id, window in zip(ids, windows, strict=True):
            described = window.features()
            if described is not None:
                features[product_id] = described
        seen = time.process_time_ns()
        found = triggers.scan(features, settings)
        scanned = time.process_time_ns()
        regime = regime_of(features[ids[0]], make_regime_settings())
        propose(found, features, tiers, regime, policy=policy, settings=signals)
        ended = time.process_time_ns()
        for stage, nanoseconds in enumerate((pushed - begun, seen - pushed, scanned - seen, ended - begun)):
            spent[stage] += nanoseconds / 1000 / MINUTES / count
    return spent[0], spent[1], spent[2], spent[3]


def bench_memory(count: int) -> float:
    """Return the bytes of a warm window, on average."""
    series = [make_series(number, 2 * WINDOW_MINUTES) for number in range(count)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    windows = [ProductWindow(make_trigger_settings()) for _ in range(count)]
    for window, candles in zip(windows, series, strict=True):
        for candle in candles:
            window.push(candle)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / len(windows)


def main() -> None:
    print("products  push  features  scan  whole cycle  (microseconds of CPU per product)  a cycle")
    for count in (20, 60):
        rounds = [bench_stages(count) for _ in range(ROUNDS)]
        push, described, scan, cycle = (min(one[stage] for one in rounds) for stage in range(4))
        print(f"{count:8}  {push:4.2f}  {described:8.2f}  {scan:4.2f}  {cycle:11.2f}  {'':35}{cycle * count:6.0f} us")
    print(f"memory of a warm window: {bench_memory(20) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
