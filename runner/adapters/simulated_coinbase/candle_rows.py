"""
Candles as the exchange gives them: strings, newest first, minutes without trades absent, the running one open (2.4).

The market gives closed minutes. The open bar is what has traded in it so far.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from core.model.market import MINUTE_SECONDS, Candle, Product
from core.model.orders import Side
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.listed_market import ListedMarket

BUCKETS_MAX = 350
GRANULARITIES = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "FOUR_HOUR": 14400,
    "SIX_HOUR": 21600,
    "ONE_DAY": 86400,
}
ANY_PRICE = Decimal(10) ** 15
"""Above every price: the volume that trades below it is all of the volume."""


def candle_rows(
    market: ListedMarket,
    product: Product,
    *,
    first: int,
    end: int,
    width: int,
    now: datetime,
    fault: Fault | None,
) -> list[dict[str, str]]:
    """Return the bars with first <= start <= end, as rows."""
    begin = first // width * width
    begin += width if begin < first else 0
    minutes = [*market.candles([product.product_id], begin).get(product.product_id, ())]
    running = _running_minute(market, product, minutes, now)
    if running is not None:
        minutes.append(running)
    closed_before = int(now.timestamp()) // width * width
    bars = [bar for bar in _widened(minutes, width) if first <= bar.start <= end]
    if fault is not None:
        bars = _spoilt(bars, fault, width, closed_before)
    price, size = -_places(product.price_increment), -_places(product.base_increment)
    rows = [_row(bar, price, size) for bar in bars]
    return rows if fault is Fault.CANDLES_OLDEST_FIRST else rows[::-1]


def _running_minute(market: ListedMarket, product: Product, minutes: Sequence[Candle], now: datetime) -> Candle | None:
    start = int(now.timestamp()) // MINUTE_SECONDS * MINUTE_SECONDS
    begun = datetime.fromtimestamp(start, UTC)
    if begun == now:
        return None
    traded = market.traded_range(product.product_id, begun, now)
    volume = market.volume_through(product.product_id, Side.BUY, ANY_PRICE, begun, now)
    last = market.last_trade(product.product_id)
    if traded is None or last is None or volume <= 0:
        return None
    low, high, close = float(traded.low), float(traded.high), float(last)
    opened = minutes[-1].close if minutes and minutes[-1].start == start - MINUTE_SECONDS else low
    return Candle(start, opened, max(opened, high, close), min(opened, low, close), close, float(volume))


def _widened(minutes: Sequence[Candle], width: int) -> list[Candle]:
    """Join minutes to bars of a width in seconds."""
    if width == MINUTE_SECONDS:
        return list(minutes)
    bars: dict[int, Candle] = {}
    for minute in minutes:
        start = minute.start // width * width
        bar = bars.get(start)
        bars[start] = (
            minute._replace(start=start)
            if bar is None
            else bar._replace(
                high=max(bar.high, minute.high),
                low=min(bar.low, minute.low),
                close=minute.close,
                volume=bar.volume + minute.volume,
            )
        )
    return list(bars.values())


def _spoilt(bars: list[Candle], fault: Fault, width: int, closed_before: int) -> list[Candle]:
    """Return the bars as a fault shows them."""
    newest_closed = closed_before - width
    if fault is Fault.CANDLES_STALE:
        return [bar for bar in bars if bar.start < newest_closed - 4 * width]
    if fault is Fault.CANDLE_MISSING:
        return [bar for bar in bars if bar.start != newest_closed]
    if fault is Fault.CANDLE_REVISED_LATE:
        return [_not_final(bar) if bar.start == newest_closed else bar for bar in bars]
    if fault is Fault.CANDLE_FROM_FUTURE and bars:
        return [*bars, bars[-1]._replace(start=closed_before + 10 * width)]
    return bars


def _not_final(bar: Candle) -> Candle:
    """Return a closed bar as it looks before its last trades are counted."""
    close = (bar.open + bar.close) / 2
    return bar._replace(high=max(bar.open, close), low=min(bar.open, close), close=close, volume=bar.volume / 2)


def _row(bar: Candle, price_places: int, size_places: int) -> dict[str, str]:
    return {
        "start": str(bar.start),
        "low": f"{bar.low:.{price_places}f}",
        "high": f"{bar.high:.{price_places}f}",
        "open": f"{bar.open:.{price_places}f}",
        "close": f"{bar.close:.{price_places}f}",
        "volume": f"{bar.volume:.{size_places}f}",
    }


def _places(increment: Decimal) -> int:
    exponent = increment.normalize().as_tuple().exponent
    return min(exponent, 0) if isinstance(exponent, int) else 0


def span_of(params: Mapping[str, Sequence[str]]) -> tuple[int, int, int]:
    """
    Read start, end and granularity.

    Raises:
        ValueError: One of them is missing or wrong; the text says which.
    """
    width = GRANULARITIES.get(_only(params, "granularity"))
    if width is None:
        raise ValueError(f'parsing field "granularity": "{_only(params, "granularity")}" is not valid')
    first, end = _seconds(params, "start"), _seconds(params, "end")
    if end < first:
        raise ValueError("start must be before end")
    if (end - first) // width + 1 > BUCKETS_MAX:
        raise ValueError(f"number of candles requested should be less than {BUCKETS_MAX}")
    return first, end, width


def _seconds(params: Mapping[str, Sequence[str]], name: str) -> int:
    text = _only(params, name)
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise ValueError(f'parsing field "{name}": strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _only(params: Mapping[str, Sequence[str]], name: str) -> str:
    values = params.get(name, ())
    return values[0] if values else ""
