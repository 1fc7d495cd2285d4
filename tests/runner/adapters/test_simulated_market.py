"""The seeded market: the same for ever, whole at its seams, and lively enough for the shipped thresholds."""

import math
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import ConfigError, MarketDataUnavailable
from core.indicators import ProductWindow
from core.model.market import ProductId
from core.model.signals import TriggerKind
from core.settings import MarketModel, SimulationSection
from core.triggers import scan
from runner.adapters.markets.modelled_market import DAY_SECONDS
from runner.adapters.markets.simulated_market import SIMULATION_EPOCH, SimulatedFeed, simulated_market
from runner.adapters.markets.simulated_process import FactorWalk, day_path, seeded
from runner.adapters.markets.simulated_roster import ROSTER, Size
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import BTC, make_trigger_settings, make_universe_settings
from tests.config_files import SHIPPED

ROOT = Path(__file__).resolve().parents[3]
SOL = ProductId("SOL", "USD")
DAY = SIMULATION_EPOCH + 400 * DAY_SECONDS
MODEL = MarketModel(
    spread_fraction=Decimal("0.0006"),
    depth_fraction=Decimal("0.2"),
    levels=10,
    maker_fill_share_fraction=Decimal("0.1"),
)

_DIGEST = """
import hashlib
from runner.adapters.markets.simulated_market import SIMULATION_EPOCH, SimulatedFeed
feed = SimulatedFeed(seed=7, products=12)
day = SIMULATION_EPOCH + 400 * 86400
text = repr([feed.closed(item.product.product_id, day, day + 7200) for item in feed.listings]) + repr(feed.listings)
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_a_minute_is_the_same_in_whatever_order_it_is_asked_for() -> None:
    straight = SimulatedFeed(seed=7, products=8)
    jumping = SimulatedFeed(seed=7, products=8)
    days = [DAY + offset * DAY_SECONDS for offset in range(4)]

    expected = {day: straight.closed(SOL, day, day + 3600) for day in days}
    for day in (days[3], days[0], days[2], days[0], days[1], days[3]):
        jumping.closed(ProductId("BTC", "USDC"), day, day + 60)
        assert jumping.closed(SOL, day, day + 3600) == expected[day]


def test_a_product_is_the_same_however_many_others_are_listed() -> None:
    few, many = SimulatedFeed(seed=7, products=3), SimulatedFeed(seed=7, products=60)

    assert few.closed(SOL, DAY, DAY + 600) == many.closed(SOL, DAY, DAY + 600)
    assert few.listings == many.listings[:3]


def test_another_process_with_another_hash_seed_sees_the_same_market() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("0", "1")
    }

    assert len(digests) == 1


def test_seeds_differ() -> None:
    assert SimulatedFeed(seed=7, products=3).closed(SOL, DAY, DAY + 600) != SimulatedFeed(seed=8, products=3).closed(
        SOL, DAY, DAY + 600
    )


def test_each_minute_opens_where_the_last_one_closed_also_at_midnight() -> None:
    feed = SimulatedFeed(seed=7, products=60)
    for listing in feed.listings[::7]:
        bars = [
            feed.bar(listing.product.product_id, start) for start in range(DAY - 7200, DAY + 2 * DAY_SECONDS + 7200, 60)
        ]

        for before, after in pairwise(bars):
            assert before is not None
            assert after is not None
            assert before.close == after.open
            assert after.low <= min(after.open, after.close)
            assert after.high >= max(after.open, after.close)


def test_a_days_path_ends_to_the_last_bit_where_the_next_one_begins() -> None:
    for number in range(20):
        path = day_path(
            seeded(number), begin=0.1 * number, end=0.1 * number + 0.037, deviation=0.03, episodes=2.0, scale=1.0
        )

        assert (path.log_prices[0], path.log_prices[-1]) == (0.1 * number, 0.1 * number + 0.037)
        assert (len(path.log_prices), len(path.activity)) == (1441, 1440)


def test_memory_does_not_grow_with_the_days() -> None:
    feed = SimulatedFeed(seed=7, products=2)
    tracemalloc.start()
    for day in range(3):
        feed.bar(BTC, DAY + day * DAY_SECONDS)
    after_3_days = tracemalloc.get_traced_memory()[0]
    for day in range(3, 20):
        feed.bar(BTC, DAY + day * DAY_SECONDS)
    after_20_days = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert after_20_days < after_3_days + 20_000


def test_minutes_without_a_trade_are_absent_but_have_a_price() -> None:
    feed = SimulatedFeed(seed=7, products=60)
    thin = ProductId("FLOW", "USD")

    candles = feed.closed(thin, DAY, DAY + DAY_SECONDS)

    assert 600 < len(candles) < 1000
    traded = {candle.start for candle in candles}
    quiet = next(start for start in range(DAY, DAY + DAY_SECONDS, 60) if start not in traded)
    bar = feed.bar(thin, quiet)
    assert bar is not None
    assert (bar.volume, bar.close > 0) == (0.0, True)


def test_the_roster_has_the_awkward_cases() -> None:
    products = [listing.product for listing in SimulatedFeed(seed=7, products=60).listings]

    blocked = Counter(product.blocked_by for product in products)
    quotes_of_btc = {product.product_id.quote for product in products if product.product_id.base == "BTC"}
    assert {"trading_disabled", "is_disabled", "cancel_only", "view_only"} <= set(blocked)
    assert any(product.post_only for product in products)
    assert any(product.limit_only for product in products)
    assert {"USD", "USDC"} <= quotes_of_btc
    assert ProductId("USDT", "USD") in {product.product_id for product in products}
    assert len({entry.pair for entry in ROSTER}) == len(ROSTER)


def test_some_products_fail_the_shipped_floors_and_most_of_tier_3_pass() -> None:
    clock = VirtualClock(datetime.fromtimestamp(DAY, UTC) + timedelta(hours=12))
    market = simulated_market(SimulationSection(seed=7, products=60), MODEL, clock.now)

    spread, depth, volume = set(), set(), set()
    for product in market.products():
        book = market.book(product.product_id)
        assert book is not None
        if market.quotes([product.product_id])[product.product_id].spread_fraction > Decimal("0.006"):
            spread.add(product.product_id.base)
        if book.depth_quote(Decimal("0.005")) < 500:
            depth.add(product.product_id.base)
        assert product.quote_volume_24h is not None
        if product.quote_volume_24h < 500_000:
            volume.add(product.product_id.base)

    assert {"KSM", "ENJ"} <= spread
    assert "FLOW" in volume
    assert len(spread | depth | volume) <= 8


@pytest.mark.parametrize("products", [0, len(ROSTER) + 1])
def test_a_number_of_products_that_it_does_not_have_is_refused(products: int) -> None:
    with pytest.raises(ConfigError, match=r"simulation\.products"):
        SimulatedFeed(seed=7, products=products)


def test_there_is_nothing_before_the_epoch() -> None:
    feed = SimulatedFeed(seed=7, products=3)

    assert feed.closed(SOL, SIMULATION_EPOCH - 600, SIMULATION_EPOCH) == []
    with pytest.raises(MarketDataUnavailable):
        feed.bar(SOL, SIMULATION_EPOCH - 60)
    assert feed.bar(SOL, SIMULATION_EPOCH) is not None


def test_years_ahead_prices_are_still_plausible() -> None:
    feed = SimulatedFeed(seed=7, products=60)
    start = SIMULATION_EPOCH + 3000 * DAY_SECONDS

    for entry, listing in zip(ROSTER, feed.listings, strict=False):
        bar = feed.bar(listing.product.product_id, start)
        assert bar is not None
        assert entry.price / 12 < bar.close < entry.price * 12


def test_daily_moves_are_of_the_size_that_they_should_be() -> None:
    walk = FactorWalk(7)
    moves = [walk.anchor(day + 1) - walk.anchor(day) for day in range(1000)]
    deviation = math.sqrt(sum(move * move for move in moves) / len(moves))

    crashes = sum(walk.is_crash(day) for day in range(1000))

    assert 0.015 < deviation < 0.04
    assert 1 <= crashes <= 12
    assert min(moves) < -0.1


def test_a_day_has_triggers_of_every_kind_at_the_shipped_thresholds() -> None:
    """Two days, every second product: the first warms the windows up, the second is scanned each five minutes."""
    settings = make_trigger_settings(max_per_cycle=60)
    feed = SimulatedFeed(seed=7, products=60)
    entries = [entry for entry in ROSTER[:60:2] if entry.size is not Size.STABLE and not entry.flag]
    windows = {ProductId.parse(entry.pair): ProductWindow(settings) for entry in entries}
    for product_id, window in windows.items():
        for candle in feed.closed(product_id, DAY, DAY + DAY_SECONDS):
            window.push(candle)

    seen: Counter[tuple[TriggerKind, int]] = Counter()
    scans = 0
    for end in range(DAY + DAY_SECONDS + 300, DAY + 2 * DAY_SECONDS + 1, 300):
        for product_id, window in windows.items():
            for candle in feed.closed(product_id, end - 300, end):
                window.push(candle)
        found = {product_id: window.features() for product_id, window in windows.items()}
        features = {product_id: one for product_id, one in found.items() if one is not None}
        seen.update((trigger.kind, trigger.direction) for trigger in scan(features, settings))
        scans += 1

    for kind in TriggerKind:
        assert seen[kind, 1] + seen[kind, -1] >= 3, (kind, seen)
    assert seen[TriggerKind.MEAN_REVERSION, -1] >= 3, seen
    assert seen[TriggerKind.PRICE_MOVE_15M, 1] >= 1, seen
    assert sum(seen.values()) < 0.2 * scans * len(windows) * len(TriggerKind), seen


def test_the_shipped_number_of_products_exists() -> None:
    text = (SHIPPED / "app.yaml").read_text("utf-8")
    products = int(text.split("products:")[1].split()[0])

    assert make_universe_settings().max_products == products
    assert len(SimulatedFeed(seed=7, products=products).listings) == products
