"""
A market that plays candle files again: `NAME_1m.csv` or `.csv.gz`, one product each, or a folder of them.

The product is the part of the file name before the first `_` (`BTC-USDT_1m.csv.gz`). A file knows no book, so quotes
and books are modelled (`modelled_market`), and the venue's name says so. Choices where a file is silent:

- Increments: as many decimals as the prices, and the volumes, of the first 1440 rows have. The minimum order is 1 quote
  unit, as nearly everywhere on the exchange (coinbase_api 2.2).
- Minutes without a row, or with volume 0, had no trade: no candle. The last close stays quoted for three minutes; after
  that the product has no quote and no book until it trades again, because nothing is known about it.
- Turnover and depth come from past minutes only.

Every file is read to its end once at the start, so that a bad row stops the start and not the tenth day. The rows
are then streamed: two days a product are held.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import mul
from pathlib import Path
from typing import NamedTuple

from core.errors import ConfigError
from core.model.market import MINUTE_SECONDS, Candle, Product, ProductId
from core.settings import MarketModel
from runner.adapters.markets.candle_files import COLUMNS, CandleFile, decimals_of
from runner.adapters.markets.modelled_market import DAY_MINUTES, DAY_SECONDS, Listing, ModelledMarket

QUIET_MINUTES_MAX = 3
"""So long is the last price of a product quoted that does not trade."""

PRICES = 5
"""Columns of a day block: open, high, low, close, volume."""


class Replay(NamedTuple):
    """The market, the first minute of its data, and the moment after its last minute (both UTC)."""

    market: ModelledMarket
    first_start: datetime
    end: datetime


def open_replay(path: Path, model: MarketModel, now: Callable[[], datetime]) -> Replay:
    """
    Check all candle files of a path and build the market.

    `first_start` is the earliest minute of any product; the day after it is needed for warming up.

    Raises:
        ConfigError: No usable file is there, or a file is not usable; the message names file and line.
    """
    feed = ReplayFeed(path, spread_fraction=float(model.spread_fraction), depth_fraction=float(model.depth_fraction))
    return Replay(
        market=ModelledMarket(feed, levels=model.levels, now=now),
        first_start=datetime.fromtimestamp(feed.first_start, UTC),
        end=datetime.fromtimestamp(feed.end, UTC),
    )


class ReplayFeed:
    """The candle feed of a replay."""

    def __init__(self, path: Path, *, spread_fraction: float, depth_fraction: float) -> None:
        files = _candle_files(path)
        self._venue = f"replay:{path.resolve().name.split('.')[0]}:modelled-book"
        spans = [_check_file(file) for file in files.values()]
        self.first_start = min(first for first, _ in spans)
        self.end = max(last for _, last in spans) + MINUTE_SECONDS
        self._series = {product_id: _Series(file) for product_id, file in files.items()}
        self._listings = tuple(
            Listing(product=_product(product_id, file), spread_fraction=spread_fraction, depth_fraction=depth_fraction)
            for product_id, file in files.items()
        )

    @property
    def venue(self) -> str:
        return self._venue

    @property
    def listings(self) -> Sequence[Listing]:
        return self._listings

    def bar(self, product_id: ProductId, start: int) -> Candle | None:
        series = self._series[product_id]
        candle = series.candle(start)
        if candle.volume > 0:
            return candle
        for before in range(start - MINUTE_SECONDS, start - (QUIET_MINUTES_MAX + 1) * MINUTE_SECONDS, -MINUTE_SECONDS):
            earlier = series.candle(before)
            if earlier.volume > 0:
                return Candle(start, earlier.close, earlier.close, earlier.close, earlier.close, 0.0)
        return None

    def closed(self, product_id: ProductId, first: int, end: int) -> list[Candle]:
        series = self._series[product_id]
        candles: list[Candle] = []
        start = max(first, self.first_start)
        end = min(end, self.end)
        while start < end:
            day, offset = divmod(start, DAY_SECONDS)
            block = series.block(day)
            day_end = min(end, start - offset + DAY_SECONDS)
            at = offset // MINUTE_SECONDS * PRICES
            while start < day_end:
                opened, high, low, close, volume = block[at : at + PRICES]
                if volume > 0:
                    candles.append(Candle(start, opened, high, low, close, volume))
                at += PRICES
                start += MINUTE_SECONDS
        return candles

    def volumes(self, product_id: ProductId, first: int, end: int) -> tuple[float, float]:
        series = self._series[product_id]
        base, quote = 0.0, 0.0
        start = max(first, self.first_start)
        end = min(end, self.end)
        while start < end:
            day, offset = divmod(start, DAY_SECONDS)
            day_end = min(end, start - offset + DAY_SECONDS)
            at = offset // MINUTE_SECONDS * PRICES
            part = series.block(day)[at : at + (day_end - start) // MINUTE_SECONDS * PRICES]
            base += sum(part[4::PRICES])
            quote += sum(map(mul, part[4::PRICES], part[3::PRICES]))
            start = day_end
        return base, quote


_EMPTY_DAY: "array[float]" = array("d", bytes(8 * PRICES * DAY_MINUTES))


class _Series:
    """
    One file, streamed forward: the day last asked for and the day before it are held.

    Asking for an earlier day reads the file again from its beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: CandleFile | None = None
        self._chunks: Iterator[array[float]] = iter(())
        self._blocks: dict[int, array[float]] = {}
        self._oldest_day = 0
        self._read_day = 0
        self._ended = False
        self._latest: tuple[int, array[float]] = (-1, _EMPTY_DAY)

    def candle(self, start: int) -> Candle:
        """Return one minute; all prices are 0 when it has no row."""
        day, offset = divmod(start, DAY_SECONDS)
        at = offset // MINUTE_SECONDS * PRICES
        opened, high, low, close, volume = self.block(day)[at : at + PRICES]
        return Candle(start, opened, high, low, close, volume)

    def block(self, day: int) -> "array[float]":
        """Return a day (since 1970) of minutes; one without a row is all 0."""
        if day == self._latest[0]:
            return self._latest[1]
        if self._file is None or day < self._oldest_day:
            self._rewind()
        while not self._ended and self._read_day <= day:
            self._read_chunk()
        if day - 1 > self._oldest_day:
            self._oldest_day = day - 1
            for old in [known for known in self._blocks if known < day - 1]:
                del self._blocks[old]
        self._latest = (day, self._blocks.get(day, _EMPTY_DAY))
        return self._latest[1]

    def _rewind(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = CandleFile(self._path)
        self._chunks = self._file.chunks()
        self._blocks.clear()
        self._oldest_day = 0
        self._read_day = 0
        self._ended = False

    def _read_chunk(self) -> None:
        rows = next(self._chunks, None)
        if rows is None:
            self._ended = True
            if self._file is not None:
                self._file.close()
            return
        first, count = 0, len(rows) // COLUMNS
        while first < count:
            length = _run_length(rows, first, count)
            self._store(rows[first * COLUMNS : (first + length) * COLUMNS])
            first += length
        self._read_day = int(rows[-COLUMNS]) // DAY_SECONDS

    def _store(self, run: "array[float]") -> None:
        """Keep a run of consecutive minutes of one day."""
        day, offset = divmod(int(run[0]), DAY_SECONDS)
        if day not in self._blocks:
            self._blocks[day] = array("d", _EMPTY_DAY)
        block = self._blocks[day]
        begin = offset // MINUTE_SECONDS * PRICES
        end = begin + len(run) // COLUMNS * PRICES
        for column in range(PRICES):
            block[begin + column : end : PRICES] = run[column + 1 :: COLUMNS]


def _run_length(rows: "array[float]", first: int, count: int) -> int:
    """Return how many rows from `first` on are consecutive minutes of one day."""
    start = rows[first * COLUMNS]
    longest = min(count - first, DAY_MINUTES - int(start) % DAY_SECONDS // MINUTE_SECONDS)
    if rows[(first + longest - 1) * COLUMNS] == start + (longest - 1) * MINUTE_SECONDS:
        return longest
    length = 1
    while rows[(first + length) * COLUMNS] == start + length * MINUTE_SECONDS:
        length += 1
    return length


def _candle_files(path: Path) -> dict[ProductId, Path]:
    """Find the candle files by product, in the order of their products."""
    if path.is_dir():
        paths = sorted(file for file in path.iterdir() if file.name.endswith((".csv", ".csv.gz")))
    else:
        paths = [path] if path.is_file() else []
    if not paths:
        raise ConfigError(f"{path}: no candle file (NAME_1m.csv or NAME_1m.csv.gz) there; see README, replay")
    files: dict[ProductId, Path] = {}
    for file in paths:
        try:
            product_id = ProductId.parse(file.name.split(".")[0].partition("_")[0])
        except ValueError as error:
            raise ConfigError(f"{file}: the name must begin with the product, as in BTC-USD_1m.csv") from error
        if product_id in files:
            raise ConfigError(f"{file}: {product_id} is there twice, also as {files[product_id].name}")
        files[product_id] = file
    return dict(sorted(files.items()))


def _check_file(path: Path) -> tuple[int, int]:
    """Read a whole file and return the starts of its first and last minute."""
    file = CandleFile(path)
    first, last = None, 0
    for rows in file.chunks():
        first = int(rows[0]) if first is None else first
        last = int(rows[-COLUMNS])
    file.close()
    if first is None:
        raise ConfigError(f"{path}: line 2: the file has no rows")
    return first, last


def _product(product_id: ProductId, path: Path) -> Product:
    price_decimals, size_decimals = decimals_of(path, DAY_MINUTES)
    step = Decimal(1).scaleb(-size_decimals)
    return Product(
        product_id=product_id,
        base_increment=step,
        price_increment=Decimal(1).scaleb(-price_decimals),
        base_min_size=step,
        base_max_size=Decimal(10**12),
        quote_min_size=Decimal(1),
        quote_max_size=Decimal(10**7),
        quote_volume_24h=None,
    )
