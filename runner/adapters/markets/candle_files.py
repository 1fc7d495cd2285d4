"""
Candle files: strict reading of `start,open,high,low,close,volume` rows, in bounded pieces.

`start` is a minute in epoch seconds (a multiple of 60), strictly ascending; gaps are allowed. Prices are above zero,
low <= open, close <= high, the volume is not negative. Whatever else is found is an error with file and line.
A chunk is checked column by column, which costs about 1 microsecond a row; only a bad chunk is looked at row by row.
"""

import gzip
import io
import math
import zlib
from array import array
from collections.abc import Iterator
from itertools import repeat
from operator import le, lt, methodcaller, mod
from pathlib import Path

from core.errors import ConfigError
from core.model.market import MINUTE_SECONDS

HEADER = "start,open,high,low,close,volume"
COLUMNS = 6
CHUNK_BYTES = 1 << 16
LINE_BYTES_MAX = 512

_NUMBER_CHARACTERS = b"0123456789.,eE+-"
_count_commas = methodcaller("count", b",")


class CandleFile:
    """One open candle file, read once from the beginning to the end."""

    def __init__(self, path: Path) -> None:
        """
        Open the file and check its header.

        Raises:
            ConfigError: It cannot be read, or the header is not `HEADER`.
        """
        self._path = path
        self._line = 1
        self._last_start = -1.0
        try:
            self._stream = _open(path)
            header = self._stream.readline(LINE_BYTES_MAX)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        if header.rstrip(b"\r\n") != HEADER.encode():
            raise self._error(1, f"the header must be {HEADER!r}, found {header[:80]!r}")

    def chunks(self) -> Iterator["array[float]"]:
        """
        Yield the rows in order, some hundred at a time: flat doubles, six a row.

        Raises:
            ConfigError: A row is not usable; the message names file and line.
        """
        while lines := self._read_lines():
            rows = self._parse(lines)
            self._check(rows, lines)
            self._line += len(lines)
            self._last_start = rows[-COLUMNS]
            yield rows

    def close(self) -> None:
        self._stream.close()

    def _read_lines(self) -> list[bytes]:
        try:
            # Not readlines(): of a compressed file it calls Python code for each line.
            chunk = self._stream.read(CHUNK_BYTES)
            return (chunk + self._stream.readline(LINE_BYTES_MAX)).splitlines()
        except (OSError, EOFError, zlib.error) as error:
            raise self._error(self._line + 1, f"cannot be read on from here: {error}") from error

    def _parse(self, lines: list[bytes]) -> "array[float]":
        text = b",".join(lines)
        well_formed = not text.translate(None, _NUMBER_CHARACTERS) and all(
            commas == COLUMNS - 1 for commas in map(_count_commas, lines)
        )
        if well_formed:
            try:
                return array("d", map(float, text.split(b",")))
            except ValueError:
                pass  # found again below, with its line
        for number, line in enumerate(lines, self._line + 1):
            problem = _format_problem(line)
            if problem is not None:
                raise self._error(number, problem)
        raise self._error(self._line + 1, "rows are not usable")

    def _check(self, rows: "array[float]", lines: list[bytes]) -> None:
        if _columns_hold(rows, self._last_start):
            return
        previous = self._last_start
        for number, line in enumerate(lines, self._line + 1):
            row = [float(field) for field in line.split(b",")]
            problem = _row_problem(row, previous)
            if problem is not None:
                raise self._error(number, problem)
            previous = row[0]
        raise self._error(self._line + 1, "rows are not usable")

    def _error(self, line: int, problem: str) -> ConfigError:
        return ConfigError(f"{self._path}: line {line}: {problem}")


def decimals_of(path: Path, rows_max: int) -> tuple[int, int]:
    """
    Return the most decimals of any price and of any volume among the first rows.

    Only the first rows: what a file says later must not be visible at its beginning.

    Raises:
        ConfigError: The file cannot be read.
    """
    prices, volumes = 0, 0
    try:
        with _open(path) as stream:
            stream.readline(LINE_BYTES_MAX)
            for _ in range(rows_max):
                fields = stream.readline(LINE_BYTES_MAX).strip().split(b",")
                if len(fields) != COLUMNS:
                    break
                prices = max(prices, *map(_decimals, fields[1:5]))
                volumes = max(volumes, _decimals(fields[5]))
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return prices, volumes


def _open(path: Path) -> io.BufferedIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _decimals(field: bytes) -> int:
    """Count the decimals of a number that may have an exponent; a closing zero does not count."""
    mantissa, _, exponent = field.lower().partition(b"e")
    decimals = len(mantissa.partition(b".")[2].rstrip(b"0"))
    return max(0, decimals - int(exponent or b"0"))


def _columns_hold(rows: "array[float]", previous_start: float) -> bool:
    starts, opens, highs, lows, closes, volumes = (rows[column::COLUMNS] for column in range(COLUMNS))
    return (
        all(map(math.isfinite, rows))
        and previous_start < starts[0]
        and all(map(lt, starts, starts[1:]))
        and not any(map(mod, starts, repeat(MINUTE_SECONDS)))
        and min(lows) > 0
        and min(volumes) >= 0
        and all(map(le, lows, opens))
        and all(map(le, lows, closes))
        and all(map(le, opens, highs))
        and all(map(le, closes, highs))
    )


def _format_problem(line: bytes) -> str | None:
    fields = line.split(b",")
    if len(fields) != COLUMNS:
        return f"expected {COLUMNS} fields, found {len(fields)}"
    for name, field in zip(HEADER.split(","), fields, strict=True):
        try:
            value = float(field)
        except ValueError:
            return f"{name} is not a number: {field[:40]!r}"
        if not math.isfinite(value) or field.translate(None, _NUMBER_CHARACTERS):
            return f"{name} is not a finite plain number: {field[:40]!r}"
    return None


def _row_problem(row: list[float], previous_start: float) -> str | None:
    start, opened, high, low, close, volume = row
    if not all(map(math.isfinite, row)):
        return "a number is not finite"
    if start < 0 or start % MINUTE_SECONDS:
        return f"start {start:.0f} is not the beginning of a minute"
    if start == previous_start:
        return f"start {start:.0f} is there twice"
    if start < previous_start:
        return f"start {start:.0f} comes after {previous_start:.0f}; rows must ascend"
    if low <= 0:
        return "a price is zero or negative"
    if high < low:
        return f"high {high} is below low {low}"
    if not (low <= opened <= high and low <= close <= high):
        return "open or close lies outside low .. high"
    if volume < 0:
        return "the volume is negative"
    return None
