"""
The seeded price process behind the simulated market.

Random access in time: a daily walk of log prices, drawn in order from its own generator and kept (8 bytes a day), gives
each day's first and last price. The minutes between them are a bridge: noise plus episodes, bent so that it ends on the
next day's first price. A day's minutes depend on the seed, the name, the day and its two anchors, never on what was
asked before.

The market has one common factor (the benchmark), which moves through regimes (bull, chop, bear, a rare crash day), and
each base asset adds its own walk. Episodes put what strategies look for into a day: bursts, runs, slow trends and
overshoots, up and down alike, some given back and some not, with the volume that belongs to them. Sizes are
meant to be plausible (benchmark 2-4 % a day, small coins 5-12 %), not to be fitted to anything.
"""

import hashlib
import math
import random
from array import array
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

DAY_MINUTES = 1440
HOURS = 24


def seeded(*parts: int | str) -> random.Random:
    """Return a generator that depends on the parts alone, also across processes (never on `hash`)."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 (a market, not a secret)


class _Regime(NamedTuple):
    drift: float
    deviation: float


_REGIMES = {"bull": _Regime(0.006, 0.022), "chop": _Regime(0.0, 0.017), "bear": _Regime(-0.006, 0.026)}
_NEXT_REGIMES = ("bull", "chop", "chop", "bear")
_REGIME_CHANGE = 0.1
_CRASH_CHANCE = 0.004
_BUSY_CHANCE = 0.12
_BUSY_WALK, _QUIET_WALK = 2.3, 0.6  # together they keep the deviation about what it was


class FactorWalk:
    """The market's daily walk in log price, with its regimes; it is pulled back to 0 over about 100 days."""

    def __init__(self, seed: int) -> None:
        self._random = seeded(seed, "factor")
        self._anchors = array("d", [0.0])
        self._crashes = array("b")
        self._regime = "chop"

    def anchor(self, day: int) -> float:
        """Return the log price at the beginning of a day (days since the market's epoch)."""
        while len(self._anchors) <= day:
            self._extend()
        return self._anchors[day]

    def is_crash(self, day: int) -> bool:
        self.anchor(day + 1)
        return bool(self._crashes[day])

    def _extend(self) -> None:
        rng = self._random
        if rng.random() < _REGIME_CHANGE:
            self._regime = rng.choice(_NEXT_REGIMES)
        drift, deviation = _REGIMES[self._regime]
        move = rng.gauss(drift, deviation) - 0.01 * self._anchors[-1]
        crashed = rng.random() < _CRASH_CHANCE
        if crashed:
            move = -0.10 - 0.06 * rng.random()
            self._regime = "bear"
        self._crashes.append(int(crashed))
        self._anchors.append(self._anchors[-1] + move)


class AssetWalk:
    """
    One asset's own daily walk in log price, pulled back to 0 over about 50 days.

    Busy and quiet days alternate at random; on busy ones the asset moves more, from day to day and within the day.
    """

    def __init__(self, seed: int, name: str, deviation: float) -> None:
        self._random = seeded(seed, "asset", name)
        self._deviation = deviation
        self._anchors = array("d", [0.0])
        self._busy_days = array("b")

    def anchor(self, day: int) -> float:
        """Return the log price at the beginning of a day."""
        while len(self._anchors) <= day:
            self._extend()
        return self._anchors[day]

    def is_busy(self, day: int) -> bool:
        self.anchor(day + 1)
        return bool(self._busy_days[day])

    def _extend(self) -> None:
        is_busy = self._random.random() < _BUSY_CHANCE
        deviation = self._deviation * (_BUSY_WALK if is_busy else _QUIET_WALK)
        self._anchors.append(self._anchors[-1] * 0.98 + self._random.gauss(0.0, deviation))
        self._busy_days.append(int(is_busy))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPath:
    """
    One day of a walk: `log_prices` at the 1441 minute borders, and how busy each of the 1440 minutes is.

    `activity` is 1.0 in an ordinary minute.
    """

    log_prices: "array[float]"
    activity: "array[float]"


class _Shape(NamedTuple):
    """One kind of episode: length in minutes, total move as a fraction, volume multiple, chance to be given back."""

    weight: int
    minutes: tuple[int, int]
    move: tuple[float, float]
    activity: tuple[float, float]
    return_chance: float
    direction: int


_SHAPES = (
    _Shape(3, (6, 20), (0.013, 0.025), (6.0, 10.0), 0.5, 0),  # burst
    _Shape(2, (40, 90), (0.022, 0.042), (3.0, 5.0), 0.4, 0),  # run
    _Shape(1, (200, 320), (0.026, 0.045), (1.3, 1.8), 0.2, 0),  # slow trend
    _Shape(2, (4, 10), (0.020, 0.040), (6.0, 9.0), 0.85, -1),  # overshoot
)
_WEIGHTS = tuple(shape.weight for shape in _SHAPES)


def day_path(
    rng: random.Random, *, begin: float, end: float, deviation: float, episodes: float, scale: float
) -> DayPath:
    """
    Return a day that leads from log price `begin` to `end`.

    `deviation` is the noise's daily standard deviation, `episodes` their mean number a day, `scale` multiplies
    their moves.
    """
    drifts = array("d", bytes(8 * DAY_MINUTES))
    activity = array("d", [1.0]) * DAY_MINUTES
    count = int(episodes) + (rng.random() < episodes % 1)
    for _ in range(count):
        _add_episode(rng, drifts, activity, scale)
    steps: list[float] = []
    gauss = rng.gauss
    minute_deviation = deviation / math.sqrt(DAY_MINUTES)
    for hour in range(HOURS):
        level = minute_deviation * math.exp(gauss(-0.06, 0.35))
        steps.extend(gauss(drift, level) for drift in drifts[hour * 60 : hour * 60 + 60])
    return DayPath(log_prices=_bridge(steps, begin, end), activity=activity)


def crash_path(rng: random.Random, *, begin: float, end: float, deviation: float) -> DayPath:
    """Return a day whose whole fall happens within 100 minutes, with some of it given back in the two hours after."""
    drifts = array("d", bytes(8 * DAY_MINUTES))
    activity = array("d", [1.0]) * DAY_MINUTES
    start = rng.randrange(60, DAY_MINUTES - 240)
    _add(drifts, activity, start=start, length=100, move=1.3 * (end - begin), busy=8.0)
    _add(drifts, activity, start=start + 100, length=120, move=-0.3 * (end - begin), busy=4.0)
    level = 2 * deviation / math.sqrt(DAY_MINUTES)
    return DayPath(log_prices=_bridge([rng.gauss(drift, level) for drift in drifts], begin, end), activity=activity)


def _add_episode(rng: random.Random, drifts: "array[float]", activity: "array[float]", scale: float) -> None:
    shape = rng.choices(_SHAPES, _WEIGHTS)[0]
    length = rng.randint(*shape.minutes)
    start = rng.randrange(0, DAY_MINUTES - length)
    direction = shape.direction or rng.choice((-1, 1))
    move = direction * scale * rng.uniform(*shape.move)
    _add(drifts, activity, start=start, length=length, move=move, busy=rng.uniform(*shape.activity))
    back, share = rng.randint(50, 150), rng.uniform(0.4, 0.9)
    if rng.random() < shape.return_chance:
        length_back = min(back, DAY_MINUTES - start - length)
        _add(drifts, activity, start=start + length, length=length_back, move=-share * move, busy=1.5)


def _add(
    drifts: "array[float]", activity: "array[float]", *, start: int, length: int, move: float, busy: float
) -> None:
    for minute in range(start, start + length):
        drifts[minute] += move / length
        activity[minute] *= busy


def _bridge(steps: list[float], begin: float, end: float) -> "array[float]":
    """Return the running sum from `begin`, bent evenly so that it ends on `end` to the last bit."""
    excess = (math.fsum(steps) - (end - begin)) / len(steps)
    path = array("d", accumulate((step - excess for step in steps), initial=begin))
    path[-1] = end
    return path
