"""
The seeded market behind the venue `simulated`.

The same seed gives the same market for ever: any minute from the epoch on can be asked for, in any order, and a day
is made when it is first needed. Two days a product are kept, as whole numbers of price and volume steps (29 kB a day).
The spread of each product and its depth are drawn from the seed.
"""

import math
from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from core.errors import ConfigError, MarketDataUnavailable
from core.model.market import MINUTE_SECONDS, Candle, Product, ProductId
from core.settings import MarketModel, SimulationSection
from runner.adapters.markets.modelled_market import DAY_MINUTES, DAY_SECONDS, Listing, ModelledMarket
from runner.adapters.markets.simulated_process import AssetWalk, DayPath, FactorWalk, crash_path, day_path, seeded
from runner.adapters.markets.simulated_roster import ROSTER, Entry, Size

SIMULATION_EPOCH = 1735689600
"""2025-01-01T00:00:00Z: the market's first minute."""

DAYS_KEPT = 2
COLUMNS = 5


def simulated_market(section: SimulationSection, model: MarketModel, now: Callable[[], datetime]) -> ModelledMarket:
    """
    Build the simulated market.

    Raises:
        ConfigError: It cannot have so many products.
    """
    return ModelledMarket(SimulatedFeed(seed=section.seed, products=section.products), levels=model.levels, now=now)


class _Character(NamedTuple):
    """
    How products of one size behave.

    `beta` is the share in the common factor; `walk` and `noise` the daily deviations of the own walk and of the own
    minutes; `episodes` their mean number a day and `scale` their strength; spread in bps and depth as a share of the
    minute volume are ranges.
    """

    beta: float
    walk: float
    noise: float
    episodes: float
    scale: float
    spread_bps: tuple[float, float]
    depth: tuple[float, float]


_CHARACTERS = {
    Size.BENCHMARK: _Character(1.0, 0.0, 0.0, 0.0, 0.0, (0.5, 2.0), (0.2, 0.4)),
    Size.LARGE: _Character(1.1, 0.014, 0.010, 0.5, 0.8, (1.0, 5.0), (0.2, 0.4)),
    Size.MEDIUM: _Character(1.2, 0.026, 0.016, 0.8, 1.0, (4.0, 15.0), (0.4, 0.9)),
    Size.SMALL: _Character(1.25, 0.045, 0.018, 1.1, 1.2, (8.0, 32.0), (0.6, 1.5)),
    Size.STABLE: _Character(0.0, 0.0001, 0.0002, 0.0, 0.0, (1.0, 1.0), (0.2, 0.4)),
}
_FACTOR_NOISE = 0.013
_FACTOR_EPISODES = 1.0
_FACTOR_SCALE = 0.7
_BUSY_EPISODES, _QUIET_EPISODES = 3.0, 0.15
_WIDE_SPREAD = 8.0
_TWIN_BASIS = 0.0003


class _Factor:
    """The benchmark's walk, with the minutes of the latest days."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._walk = FactorWalk(seed)
        self._days: dict[int, DayPath] = {}

    def path(self, day: int) -> DayPath:
        if day not in self._days:
            rng = seeded(self._seed, "factor", day)
            begin, end = self._walk.anchor(day), self._walk.anchor(day + 1)
            if self._walk.is_crash(day):
                path = crash_path(rng, begin=begin, end=end, deviation=_FACTOR_NOISE)
            else:
                path = day_path(
                    rng,
                    begin=begin,
                    end=end,
                    deviation=_FACTOR_NOISE,
                    episodes=_FACTOR_EPISODES,
                    scale=_FACTOR_SCALE,
                )
            _forget_oldest(self._days)
            self._days[day] = path
        return self._days[day]


class _Series:
    """
    One product's days.

    A block holds open, high, low, close and volume of 1440 minutes in whole steps; volume 0 means no trade.
    """

    def __init__(self, seed: int, entry: Entry, factor: _Factor) -> None:
        self.entry = entry
        self.price_scale = 10.0**entry.price_decimals
        digits = _volume_digits(entry)
        # One of the two is 1: dividing or multiplying by a whole power of ten keeps the decimals short.
        self.volume_divisor = 10.0 ** max(digits, 0)
        self.volume_factor = 10.0 ** max(-digits, 0)
        self._seed = seed
        self._factor = factor
        self._character = _CHARACTERS[entry.size]
        base, _, quote = entry.pair.partition("-")
        # Products of one base share its walk and minutes; a twin's price differs by a constant, rounding and wicks.
        self._base = base
        self._walk = AssetWalk(seed, base, self._character.walk)
        basis = 0.0 if quote == "USD" else seeded(seed, "basis", entry.pair).uniform(-_TWIN_BASIS, _TWIN_BASIS)
        self._log_base = math.log(entry.price) + basis
        self._blocks: dict[int, array[int]] = {}

    def block(self, day: int) -> "array[int]":
        block = self._blocks.get(day)
        if block is None:
            block = self._make_block(day)
            _forget_oldest(self._blocks)
            self._blocks[day] = block
        return block

    def _make_block(self, day: int) -> "array[int]":
        character = self._character
        episodes, calm = (_BUSY_EPISODES, 1.2) if self._walk.is_busy(day) else (_QUIET_EPISODES, 0.8)
        own = day_path(
            seeded(self._seed, "asset", self._base, day),
            begin=self._walk.anchor(day),
            end=self._walk.anchor(day + 1),
            deviation=character.noise * calm,
            episodes=character.episodes * episodes,
            scale=character.scale,
        )
        common = self._factor.path(day)
        log_base, beta, scale = self._log_base, character.beta, self.price_scale
        ticks = [
            int(math.exp(log_base + beta * factor_log + own_log) * scale + 0.5) or 1
            for factor_log, own_log in zip(common.log_prices, own.log_prices, strict=True)
        ]
        return self._candles_of(day, ticks, own.activity, common.activity)

    def _candles_of(
        self, day: int, ticks: list[int], own_activity: "array[float]", common_activity: "array[float]"
    ) -> "array[int]":
        """Return the day's block: wicks and volumes around the prices at the minute borders."""
        rng = seeded(self._seed, "flow", self.entry.pair, day)
        rand = rng.random
        usual_move = _usual_minute_move(self._character)
        quiet_share = self.entry.quiet_share
        usual_units = self.entry.turnover * 1e6 / DAY_MINUTES * self.price_scale
        usual_units *= self.volume_divisor / self.volume_factor
        usual_units *= math.exp(rng.gauss(-0.05, 0.25))
        block = array("i", bytes(4 * COLUMNS * DAY_MINUTES))
        at = 0
        opened = ticks[0]
        for minute in range(DAY_MINUTES):
            closed = ticks[minute + 1]
            upper, lower = (opened, closed) if opened > closed else (closed, opened)
            wick = opened * usual_move
            busy = own_activity[minute] * common_activity[minute]
            volume = usual_units / opened * busy * (0.4 + (upper - lower) / wick / 2) * (0.4 + 0.8 * rand())
            high = upper + int(wick * rand())
            low = lower - int(wick * rand())
            if busy < 3.0 and rand() < quiet_share:
                volume = 0.0
                high, low = upper, lower
            else:
                volume += 1.0
            block[at] = opened
            block[at + 1] = high
            block[at + 2] = low if low > 0 else 1
            block[at + 3] = closed
            block[at + 4] = int(volume)
            opened = closed
            at += COLUMNS
        return block


class SimulatedFeed:
    """The candle feed of the simulated market."""

    def __init__(self, *, seed: int, products: int) -> None:
        if not 1 <= products <= len(ROSTER):
            raise ConfigError(f"app.yaml: simulation.products is {products}; set it to 1 .. {len(ROSTER)}")
        factor = _Factor(seed)
        self._series = {ProductId.parse(entry.pair): _Series(seed, entry, factor) for entry in ROSTER[:products]}
        self._listings = tuple(_listing(seed, entry) for entry in ROSTER[:products])

    @property
    def venue(self) -> str:
        return "simulated"

    @property
    def listings(self) -> Sequence[Listing]:
        return self._listings

    def bar(self, product_id: ProductId, start: int) -> Candle | None:
        series = self._series[product_id]
        day, offset = divmod(start - SIMULATION_EPOCH, DAY_SECONDS)
        if day < 0:
            raise MarketDataUnavailable("the simulated market begins on 2025-01-01")
        at = offset // MINUTE_SECONDS * COLUMNS
        opened, high, low, closed, volume = series.block(day)[at : at + COLUMNS]
        scale = series.price_scale
        traded = volume * series.volume_factor / series.volume_divisor
        return Candle(start, opened / scale, high / scale, low / scale, closed / scale, traded)

    def closed(self, product_id: ProductId, first: int, end: int) -> list[Candle]:
        series = self._series[product_id]
        scale, factor, divisor = series.price_scale, series.volume_factor, series.volume_divisor
        candles: list[Candle] = []
        start = max(first, SIMULATION_EPOCH)
        while start < end:
            day, offset = divmod(start - SIMULATION_EPOCH, DAY_SECONDS)
            block = series.block(day)
            day_end = min(end, start - offset + DAY_SECONDS)
            at = offset // MINUTE_SECONDS * COLUMNS
            while start < day_end:
                opened, high, low, closed, volume = block[at : at + COLUMNS]
                if volume:
                    traded = volume * factor / divisor
                    candles.append(Candle(start, opened / scale, high / scale, low / scale, closed / scale, traded))
                at += COLUMNS
                start += MINUTE_SECONDS
        return candles

    def volumes(self, product_id: ProductId, first: int, end: int) -> tuple[float, float]:
        series = self._series[product_id]
        units = 0
        value = 0
        start = max(first, SIMULATION_EPOCH)
        while start < end:
            day, offset = divmod(start - SIMULATION_EPOCH, DAY_SECONDS)
            day_end = min(end, start - offset + DAY_SECONDS)
            at = offset // MINUTE_SECONDS * COLUMNS
            part = series.block(day)[at : at + (day_end - start) // MINUTE_SECONDS * COLUMNS]
            units += sum(part[4::COLUMNS])
            value += sum(map(int.__mul__, part[4::COLUMNS], part[3::COLUMNS]))
            start = day_end
        unit = series.volume_factor / series.volume_divisor
        return units * unit, value * unit / series.price_scale


def _usual_minute_move(character: _Character) -> float:
    """Return the deviation of an ordinary minute, as a fraction of the price."""
    daily = math.hypot(character.beta * _FACTOR_NOISE, character.noise)
    return daily / math.sqrt(DAY_MINUTES)


def _volume_digits(entry: Entry) -> int:
    """
    Return the decimals of one step of volume; below zero for steps of tens, hundreds, ...

    The usual minute has about 10,000 steps, so that a busy one fits 32 bits; a step is never finer than a size may be.
    """
    usual_minute = entry.turnover * 1e6 / DAY_MINUTES / entry.price
    return min(entry.size_decimals, 4 - math.ceil(math.log10(usual_minute)))


def _forget_oldest(days: "dict[int, DayPath] | dict[int, array[int]]") -> None:
    if len(days) >= DAYS_KEPT:
        del days[next(iter(days))]


def _listing(seed: int, entry: Entry) -> Listing:
    rng = seeded(seed, "listing", entry.pair)
    character = _CHARACTERS[entry.size]
    spread = rng.uniform(*character.spread_bps) * (_WIDE_SPREAD if entry.is_wide else 1.0) / 10_000
    depth = rng.uniform(*character.depth)
    step = Decimal(1).scaleb(-entry.size_decimals)
    product = Product(
        product_id=ProductId.parse(entry.pair),
        base_increment=step,
        price_increment=Decimal(1).scaleb(-entry.price_decimals),
        base_min_size=step,
        base_max_size=Decimal(max(1, int(5_000_000 / entry.price))),
        quote_min_size=Decimal(1),
        quote_max_size=Decimal(10_000_000),
        quote_volume_24h=None,
        trading_disabled=entry.flag == "trading_disabled",
        is_disabled=entry.flag == "is_disabled",
        cancel_only=entry.flag == "cancel_only",
        limit_only=entry.flag == "limit_only",
        post_only=entry.flag == "post_only",
        view_only=entry.flag == "view_only",
    )
    return Listing(product=product, spread_fraction=spread, depth_fraction=depth)
