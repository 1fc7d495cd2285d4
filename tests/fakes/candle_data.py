"""Candle files for tests: rows that agree with themselves, written as a user would have them."""

import gzip
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.model.market import Candle

FIRST_DAY = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
HEADER = "start,open,high,low,close,volume"


def random_candles(
    count: int, *, first: int = FIRST_DAY, seed: int = 1, price: float = 100.0, missing: Sequence[int] = ()
) -> list[Candle]:
    """Build a walk of two-decimal prices, one candle a minute but for the `missing` minutes."""
    rng = random.Random(seed)  # noqa: S311 (prices, not secrets)
    candles: list[Candle] = []
    close = price
    for minute in range(count):
        opened = close
        close = round(max(1.0, opened + rng.uniform(-0.3, 0.3)), 2)
        high = round(max(opened, close) + rng.uniform(0, 0.1), 2)
        low = round(min(opened, close) - rng.uniform(0, 0.1), 2)
        if minute not in missing:
            candles.append(Candle(first + 60 * minute, opened, high, low, close, round(rng.uniform(1, 50), 3)))
    return candles


def write_candles(path: Path, candles: Sequence[Candle]) -> Path:
    """Write a candle file, compressed when the name ends in `.gz`."""
    rows = [",".join(map(repr, candle)) for candle in candles]
    text = "\n".join([HEADER, *rows, ""])
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
    return path
