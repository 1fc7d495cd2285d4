"""
The walk inside a minute: what a one-minute candle is taken to say about each of its sixty seconds.

A candle has four prices and no order between high and low, so one is assumed, the same everywhere:

- An up candle (close >= open) goes open -> low -> high -> close, a down candle open -> high -> low -> close. The price
  first goes against the candle's direction, so a rise is never bought before its dip, and a stop below the open of an
  up candle is reached before its target.
- Each of the three legs takes 20 seconds and is straight.
- Trades print at the path's price, and the minute's volume is spread evenly over its sixty seconds.

The value at a moment needs the candle of that minute only. Nothing here can look at a later one.
"""

from core.model.market import MINUTE_SECONDS, Candle

LEG_SECONDS = MINUTE_SECONDS / 3


def corners(candle: Candle) -> tuple[float, float, float, float]:
    """Return the prices at seconds 0, 20, 40 and 60."""
    if candle.close >= candle.open:
        return candle.open, candle.low, candle.high, candle.close
    return candle.open, candle.high, candle.low, candle.close


def price_at(candle: Candle, second: float) -> float:
    """Return the path's price `second` seconds (0 to 60) into the minute."""
    prices = corners(candle)
    leg = min(int(second / LEG_SECONDS), 2)
    share = second / LEG_SECONDS - leg
    return prices[leg] + (prices[leg + 1] - prices[leg]) * share


def seconds_below(candle: Candle, price: float, begin: float, end: float) -> float:
    """Return how many seconds between `begin` and `end` (within the minute) the path is strictly below `price`."""
    return _seconds_under(corners(candle), price, begin, end)


def seconds_above(candle: Candle, price: float, begin: float, end: float) -> float:
    """Return how many seconds between `begin` and `end` (within the minute) the path is strictly above `price`."""
    first, second, third, last = corners(candle)
    return _seconds_under((-first, -second, -third, -last), -price, begin, end)


def extremes(candle: Candle, begin: float, end: float) -> tuple[float, float]:
    """Return the lowest and highest price of the path between two seconds of the minute."""
    if begin <= 0 and end >= MINUTE_SECONDS:
        return candle.low, candle.high
    turns = [price for leg, price in enumerate(corners(candle)) if begin < leg * LEG_SECONDS < end]
    prices = (price_at(candle, begin), price_at(candle, end), *turns)
    return min(prices), max(prices)


def _seconds_under(prices: tuple[float, float, float, float], price: float, begin: float, end: float) -> float:
    if min(prices) >= price:
        return 0.0
    total = 0.0
    for leg in range(3):
        leg_begin = leg * LEG_SECONDS
        clipped_begin = max(begin, leg_begin)
        clipped_end = min(end, leg_begin + LEG_SECONDS)
        if clipped_begin >= clipped_end:
            continue
        slope = (prices[leg + 1] - prices[leg]) / LEG_SECONDS
        first = prices[leg] + slope * (clipped_begin - leg_begin)
        last = prices[leg] + slope * (clipped_end - leg_begin)
        total += (clipped_end - clipped_begin) * _share_under(first, last, price)
    return total


def _share_under(first: float, last: float, price: float) -> float:
    """Return the share of a straight leg from `first` to `last` that is strictly below `price`."""
    lower, upper = min(first, last), max(first, last)
    if upper < price:
        return 1.0
    if lower >= price:
        return 0.0
    return (price - lower) / (upper - lower)
