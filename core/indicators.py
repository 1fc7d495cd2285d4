"""
Indicators of one product over its last day of closed one-minute candles, in O(1) per candle.

Features are a pure function of the window's candles, bit for bit (L12): whoever pushes the same last 1440 minutes gets
the same floats, whatever was pushed before. A running sum of floats would drift with its past. So closes and volumes
are summed as whole numbers, on a fixed grid fine enough for every product, and become floats only in the last
division.

Minutes are aligned to the clock. The venue sends no candle for a minute without trades: when a newer candle follows,
the missing minutes are taken as flat at the last close with no volume.
"""

import math
from array import array
from collections import deque
from itertools import repeat

from core.errors import ConfigError
from core.model.market import MINUTE_SECONDS, Candle
from core.model.signals import Features
from core.settings import TriggerSettings

WINDOW_MINUTES = 1440
MOVE_SHORT_MINUTES = 15
MOVE_LONG_MINUTES = 60
RECENT_VOLUME_MINUTES = 15

PRICE_MIN = 1e-9
PRICE_MAX = 1e12
VOLUME_MAX = 1e18

_PRICE_GRID = 2.0**40
_VOLUME_GRID = 2.0**30
# Grid steps per unit. Multiplying a float by a power of two is exact, so the only rounding is the cut to whole steps:
# 1e-12 of a price unit (a tick of 1e-8 is 11,000 steps) and 1e-9 of a coin.

_VOLUME_RATE = WINDOW_MINUTES // RECENT_VOLUME_MINUTES

_MOVED = 1 << 16
_UP = _MOVED | 1
_DOWN = _MOVED
# How a candle closed against the one before, so that one sum counts both: low 16 bits the rises, the rest the moves.


class ProductWindow:
    """
    Rolling window of one product's last 1440 closed minutes.

    `last_start` (epoch seconds) and `last_close` belong to the newest candle; None before the first.
    """

    __slots__ = (
        "_bottoms",
        "_closes",
        "_count",
        "_direction_sum",
        "_directions",
        "_highest_before",
        "_highs",
        "_lookback",
        "_lowest_before",
        "_lows",
        "_momentum_minutes",
        "_opens",
        "_position",
        "_recent_volume",
        "_recent_volumes",
        "_reversion_closes",
        "_reversion_minutes",
        "_reversion_squares",
        "_reversion_sum",
        "_tops",
        "_volume",
        "_volumes",
        "last_close",
        "last_start",
    )

    def __init__(self, settings: TriggerSettings) -> None:
        """
        Build an empty window.

        Raises:
            ConfigError: A lookback of the settings does not fit into the window.
        """
        self._lookback = _fitting("breakout_lookback_minutes", settings.breakout_lookback_minutes, 1)
        self._momentum_minutes = _fitting("momentum_minutes", settings.momentum_minutes, 1)
        self._reversion_minutes = _fitting("mean_reversion_minutes", settings.mean_reversion_minutes, 2)
        self._clear()

    def _clear(self) -> None:
        """Forget everything. Zeros stand where no candle was; they have all left when the window is warm."""
        self.last_start: int | None = None
        self.last_close: float | None = None
        self._count = 0
        self._position = 0
        self._opens, self._highs, self._lows, self._closes, self._volumes = (
            array("d", bytes(8 * WINDOW_MINUTES)) for _ in range(5)
        )
        self._tops: deque[float] = deque((-1.0,))  # an impossible price, which the first candle pushes out
        self._bottoms: deque[float] = deque((math.inf,))
        self._highest_before = self._lowest_before = 0.0
        self._directions = deque(repeat(0, self._momentum_minutes), self._momentum_minutes)
        self._direction_sum = 0
        self._reversion_closes = deque(repeat(0, self._reversion_minutes), self._reversion_minutes)
        self._reversion_sum = self._reversion_squares = 0
        self._recent_volumes = deque(repeat(0, RECENT_VOLUME_MINUTES), RECENT_VOLUME_MINUTES)
        self._recent_volume = self._volume = 0

    def push(self, candle: Candle) -> bool:
        """
        Take one closed minute. Return False, changing nothing, when it is not newer than the last one.

        Missing minutes before it are filled (see the module); a gap of a whole window starts afresh.

        Raises:
            ValueError: Not a minute's candle: off the grid, prices out of order or range, NaN. Nothing is changed.
        """
        start, opened, high, low, close, volume = candle
        last = self.last_start
        if last is not None and start <= last:
            return False
        prices_agree = PRICE_MIN <= low <= close <= high <= PRICE_MAX and low <= opened <= high
        if not (prices_agree and 0.0 <= volume <= VOLUME_MAX):
            raise ValueError(f"not a candle: {candle}")
        if start % MINUTE_SECONDS:
            raise ValueError(f"a candle that does not start on a minute: {candle}")
        if last is not None and start - last != MINUTE_SECONDS:
            self._fill((start - last) // MINUTE_SECONDS - 1)
        self._take(opened, high, low, close, volume)
        self.last_start = start
        return True

    def _fill(self, missing: int) -> None:
        close = self.last_close
        if close is None or missing >= WINDOW_MINUTES:
            self._clear()
            return
        for _ in range(missing):
            self._take(close, close, close, close, 0.0)

    def _take(self, opened: float, high: float, low: float, close: float, volume: float) -> None:
        """
        Move the window on by one minute.

        The rings have exactly WINDOW_MINUTES places, so `ring[position - n]` is the value n minutes ago: Python's
        negative index does the wrapping.
        """
        position = self._position + 1
        if position == WINDOW_MINUTES:
            position = 0
        self._position = position
        if self._count < WINDOW_MINUTES:
            self._count += 1

        self._see_extremes(position, high, low)

        previous = self.last_close
        direction = 0
        if previous is not None and close != previous:
            direction = _UP if close > previous else _DOWN
        directions = self._directions
        self._direction_sum += direction - directions[0]
        directions.append(direction)

        steps = int(close * _PRICE_GRID)
        queue = self._reversion_closes
        old = queue[0]
        queue.append(steps)
        difference = steps - old
        self._reversion_sum += difference
        self._reversion_squares += difference * (steps + old)

        steps = int(volume * _VOLUME_GRID)
        queue = self._recent_volumes
        self._recent_volume += steps - queue[0]
        queue.append(steps)
        volumes = self._volumes
        self._volume += steps - int(volumes[position] * _VOLUME_GRID)
        volumes[position] = volume

        self._opens[position] = opened
        self._closes[position] = close
        self.last_close = close

    def _see_extremes(self, position: int, high: float, low: float) -> None:
        """
        Note the highest high and the lowest low of the lookback before this candle, then add the candle.

        Each queue holds the values that may still become the extreme, best first. Equal values stay, so a leaving
        value is recognised by being equal to the first.
        """
        leaving = position - self._lookback - 1
        tops, highs = self._tops, self._highs
        if tops[0] == highs[leaving]:
            tops.popleft()
        self._highest_before = tops[0]
        while tops and tops[-1] < high:
            tops.pop()
        tops.append(high)
        bottoms, lows = self._bottoms, self._lows
        if bottoms[0] == lows[leaving]:
            bottoms.popleft()
        self._lowest_before = bottoms[0]
        while bottoms and bottoms[-1] > low:
            bottoms.pop()
        bottoms.append(low)
        highs[position], lows[position] = high, low

    def features(self) -> Features | None:
        """
        Return what the window says; None until it is warm.

        `move_24h` is measured from the oldest candle's open: the price 1440 minutes before the last close. The z-score
        is (close - mean) / population standard deviation of the last `mean_reversion_minutes` closes, the last one
        included, and 0 when they are all equal.
        `volume_ratio` is the rate of the last 15 minutes over the window's, 0 when nothing traded. `up_share` leaves
        out candles that closed where the one before did, and is 0.5 when there are no others.
        """
        close, start = self.last_close, self.last_start
        if self._count != WINDOW_MINUTES or close is None or start is None:
            return None
        position, closes = self._position, self._closes
        move_15m = close / closes[position - MOVE_SHORT_MINUTES] - 1.0
        move_60m = close / closes[position - MOVE_LONG_MINUTES] - 1.0
        move_24h = close / self._opens[position + 1 - WINDOW_MINUTES] - 1.0
        momentum = close / closes[position - self._momentum_minutes] - 1.0

        breakout = 0.0
        if close > self._highest_before:
            breakout = close / self._highest_before - 1.0
        elif close < self._lowest_before:
            breakout = close / self._lowest_before - 1.0

        ratio = self._recent_volume * _VOLUME_RATE / self._volume if self._volume else 0.0
        moved = self._direction_sum >> 16
        up_share = (self._direction_sum & 0xFFFF) / moved if moved else 0.5

        count, total = self._reversion_minutes, self._reversion_sum
        scatter = math.sqrt(count * self._reversion_squares - total * total)  # count x standard deviation, in steps
        zscore = (count * self._reversion_closes[-1] - total) / scatter if scatter else 0.0

        # In the order of its fields, which is twice as fast as by keywords.
        return Features(start, close, move_15m, move_60m, move_24h, ratio, breakout, momentum, up_share, zscore)


def _fitting(key: str, minutes: int, least: int) -> int:
    """Check one lookback: the candle before it must still be inside the window."""
    if not least <= minutes < WINDOW_MINUTES:
        raise ConfigError(f"signals.yaml: triggers.{key} must be from {least} to {WINDOW_MINUTES - 1}, is {minutes}")
    return minutes
