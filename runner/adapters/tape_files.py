"""
The files of the tape, `data/tape/000001-20260105.tape` and so on: written behind each cycle, dropped when they are
old.

A file is a first line of text and then frames: kind, slot, lengths and checksum, then the record, deflated by itself:
damage costs one record and not a day. Each run begins a file of its own, and each file begins with a header from which
its cycles can be decided again. Nothing is synced per cycle: journal and audit are the truth, and what of the tape a
power cut takes is known from them.
"""

import logging
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import RecordNotDurable, StateUnusable
from core.settings import TapeSection
from runner.records import durable_files

FIRST_LINE = b"247trader-v2 tape 1\n"
FOLDER_NAME = "tape"
RECORD_CHARS_MAX = 1 << 28

_FRAME = struct.Struct("<cqIII")
_NAME = re.compile(r"([0-9]{6})-([0-9]{8})\.tape")
_LEVEL = 1
_WINDOW_BITS = -13
_MEMORY_LEVEL = 6
_MEGABYTE = 1_000_000
_WORDS = (
    b'fdrift 0 null\nfdisk 0 20000\nfskew 0 null\nfstop 0 null\nfopening 0 ["USD","10000","paper starting cash"]\n'
    b'ferrors_total 0 {}\nferrors_in_window 0 0\nfuse 0 [0,0,0,0,0.0,0.0]\n["MarketDataUnavailable","\n'
    b'["BrokerUnavailable","\n"BRACKET"\n"bracket"]"OPEN""SELL","TAKER",limit_ioc limit_post_only stop_limit'
    b'r\t0.006,0.012\nsreconcile\ni1767600000000000\t[]\nl\t[]\nb\t[["USD","10000","0"]]\nsexits\nsuniverse\nstriggers\n'
    b"c1767600000 BTC-USD,ETH-USD,SOL-USD,XRP-USDT,BNB-USDT\t0,50000.0,50010.0,49990.0,50005.0,12.5|0,2000.5,\n"
    b"sbreakers\nsrules\nsrisk\nq\nsexecution\nsend\ncut 29460000\nw\na1\ne\nt60000000\nm60000000000\nsguard\n"
)
"""What every record has: the dictionary that deflating begins with. A change of it needs another first line."""


class TapeFiles:
    """The writer of one run's tape; also who drops what is older than the settings say."""

    def __init__(self, folder: Path, limits: TapeSection, log: logging.Logger, *, synced: bool) -> None:
        self._folder = folder
        self._limits = limits
        self._log = log
        self._synced = synced
        self._descriptor: int | None = None
        self._path = folder
        self._size = 0
        self._day = ""
        self._deflate = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, _WORDS
        )

    def begin(self, header: str, at: datetime) -> None:
        """
        End the file before, make room, and begin the next one with its header.

        Raises:
            RecordNotDurable
        """
        self.close()
        self._day = f"{at:%Y%m%d}"
        try:
            names = tape_names(self._folder)
            number = _number(names[-1]) + 1 if names else 1
            self._drop_old(names, at)
            self._path = self._folder / f"{number:06d}-{self._day}.tape"
            self._descriptor = durable_files.create_to_append(self._path)
        except OSError as error:
            raise RecordNotDurable(f"{self._folder}: the tape's next file cannot be made: {error}") from error
        self._size = 0
        self._append(FIRST_LINE + self._frame("H", 0, header))

    def is_full(self, at: datetime) -> bool:
        """Tell whether a new file should begin: this one is of another day, or large."""
        return f"{at:%Y%m%d}" != self._day or self._size >= self._limits.file_max_mb * _MEGABYTE

    def write(self, kind: str, slot: int, text: str) -> None:
        """
        Append a record.

        Raises:
            RecordNotDurable
        """
        self._append(self._frame(kind, slot, text))

    def close(self) -> None:
        """
        Sync the file and end it.

        Raises:
            RecordNotDurable
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            if self._synced:
                durable_files.sync(descriptor)
        except OSError as error:
            raise RecordNotDurable(f"{self._path}: the tape cannot be synced: {error}") from error
        finally:
            os.close(descriptor)

    def _append(self, data: bytes) -> None:
        if self._descriptor is None:
            raise RecordNotDurable(f"{self._path}: the tape has no file open")
        try:
            durable_files.write_whole(self._descriptor, data)
        except OSError as error:
            raise RecordNotDurable(f"{self._path}: the tape cannot be written: {error}") from error
        self._size += len(data)

    def _frame(self, kind: str, slot: int, text: str) -> bytes:
        raw = text.encode("utf-8")
        deflate = self._deflate.copy()
        packed = deflate.compress(raw) + deflate.flush()
        head = (kind.encode("ascii"), slot, len(raw), len(packed))
        return _FRAME.pack(*head, _checksum(head, packed)) + packed

    def _drop_old(self, names: list[str], at: datetime) -> None:
        """Remove the oldest files: those of too long ago, then as many as the limit of all asks for."""
        sizes = {name: durable_files.size_of(self._folder / name) or 0 for name in names}
        oldest = f"{at - timedelta(days=self._limits.keep_days):%Y%m%d}"
        left = sum(sizes.values())
        for name in names:
            too_old, too_much = _day(name) < oldest, left > self._limits.keep_mb * _MEGABYTE
            if not (too_old or too_much):
                return
            durable_files.remove_if_there(self._folder / name)
            left -= sizes[name]
            why = f"older than {self._limits.keep_days} days" if too_old else f"more than {self._limits.keep_mb} MB"
            self._log.info("tape: %s was dropped (%s): its cycles cannot be decided again", name, why)


def tape_names(folder: Path) -> list[str]:
    """Return the names of all tape files of a folder, oldest first; none when it is not there."""
    return sorted(name for name in durable_files.names_in(folder) if _NAME.fullmatch(name))


def _number(name: str) -> int:
    return int(name[:6])


def _day(name: str) -> str:
    return name[7:15]


def _checksum(head: tuple[bytes, int, int, int], packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(_FRAME.pack(*head, 0)))


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFrame:
    """
    One frame of a file. `kind` H: the header; C: the record of a cycle, or its last part; P: a part of one.

    `text` is None for a frame that is damaged; `problem` says how.
    """

    kind: str
    slot: int
    text: str | None
    problem: str = ""


class TapeFileReader:
    """Iterate over the frames of one file. Afterwards `problem` says what is wrong with its end, "" for nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""

    def __iter__(self) -> Iterator[TapeFrame]:
        try:
            descriptor = durable_files.open_to_read(self.path)
        except OSError as error:
            raise StateUnusable(f"{self.path} cannot be opened: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as file:
            if file.readline(len(FIRST_LINE)) != FIRST_LINE:
                self.problem = "it does not begin as a tape of this version does"
                return
            offset = len(FIRST_LINE)
            while head := file.read(_FRAME.size):
                kind, slot, raw_length, packed_length, checksum = _fields(head)
                packed = file.read(packed_length) if 0 < packed_length <= RECORD_CHARS_MAX else b""
                if len(packed) != packed_length or not packed:
                    self.problem = f"it is torn at byte {offset}"
                    return
                offset += len(head) + packed_length
                if checksum != _checksum((kind, slot, raw_length, packed_length), packed):
                    where = f"its frame before byte {offset} is damaged"
                    yield TapeFrame(kind=kind.decode("ascii", "replace"), slot=slot, text=None, problem=where)
                    continue
                yield TapeFrame(kind=kind.decode("ascii"), slot=slot, text=_inflated(packed, raw_length))


def _fields(head: bytes) -> tuple[bytes, int, int, int, int]:
    if len(head) != _FRAME.size:
        return b"?", 0, 0, 0, 0
    kind, slot, raw_length, packed_length, checksum = _FRAME.unpack(head)
    return kind, slot, raw_length, packed_length, checksum


def _inflated(packed: bytes, length: int) -> str:
    """Return the text of a frame whose checksum is right."""
    inflate = zlib.decompressobj(_WINDOW_BITS, _WORDS)
    return inflate.decompress(packed, length).decode("utf-8")


def first_day(name: str) -> datetime:
    """Return the day in a tape file's name."""
    return datetime.strptime(_day(name), "%Y%m%d").replace(tzinfo=UTC)
