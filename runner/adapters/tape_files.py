"""
The files of the tape, `data/tape/000001-20260105.tape` and so on: written behind each cycle, dropped when they are
old.

A file is a first line of text and then frames: kind, slot, lengths and checksum, then the record, deflated by itself.
Damage costs what follows it in its file, which is never more than a day. Each run begins a file of its own, and each
file begins with a header from which its cycles can be decided again. Nothing is synced per cycle: journal and audit are
the truth. It is synced with each snapshot and at its end, so a power cut takes the facts of the cycles since then.
"""

import logging
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from core.errors import RecordNotDurable, StateUnusable
from core.settings import TapeSection
from runner.records import durable_files

FIRST_LINE = b"247trader-v2 tape 1\n"
FOLDER_NAME = "tape"
FRESH_NAME = "next.new"
RECORD_BYTES_MAX = 1 << 28

_HEAD = struct.Struct("<cqII")
_CHECKSUM = struct.Struct("<I")
_NAME = re.compile(r"([0-9]{6})-([0-9]{8})\.tape")
_LEVEL = 1
_WINDOW_BITS = -11
_ANY_WINDOW = -15
_MEMORY_LEVEL = 4
_MEGABYTE = 1_000_000
_WORDS = (
    b"fdrift 0 null\nfdisk 0 [1000,5000]\nfskew 0 null\nfstop 0 null\n"
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
        self._date: date | None = None
        self._deflate = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, _WORDS
        )

    def begin(self, header: str, at: datetime) -> None:
        """
        End the file before, make room, and begin the next one: it has its name only with its header on the disk.

        Raises:
            RecordNotDurable
        """
        self.close()
        self._date = at.date()
        try:
            names = tape_names(self._folder)
            number = _number(names[-1]) + 1 if names else 1
            self._drop_old(names, at)
            self._path = self._folder / f"{number:06d}-{at:%Y%m%d}.tape"
            fresh = self._folder / FRESH_NAME
            durable_files.remove_if_there(fresh)  # of a start that did not get any further
            self._descriptor = durable_files.create_to_append(fresh)
            self._size = 0
            self._append(FIRST_LINE + self._frame(b"H", 0, header.encode("utf-8")))
            self.sync()
            durable_files.rename(fresh, self._path)
            if self._synced:
                durable_files.sync_directory(self._folder)
        except OSError as error:
            raise durable_files.not_durable(f"{self._folder}: the tape's next file cannot be made", error) from error

    def is_full(self, at: datetime) -> bool:
        """Tell whether a new file should begin: this one is of another day, or large."""
        return at.date() != self._date or self._size >= self._limits.file_max_mb * _MEGABYTE

    def write(self, kind: bytes, slot: int, record: bytes) -> None:
        """
        Append a record.

        Raises:
            RecordNotDurable
        """
        self._append(self._frame(kind, slot, record))

    def sync(self) -> None:
        """
        Return when a power cut takes nothing of what was written so far.

        Raises:
            RecordNotDurable
        """
        try:
            if self._synced and self._descriptor is not None:
                durable_files.sync(self._descriptor)
        except OSError as error:
            raise durable_files.not_durable(f"{self._path}: the tape cannot be synced", error) from error

    def close(self) -> None:
        """
        Sync the file and end it.

        Raises:
            RecordNotDurable
        """
        try:
            self.sync()
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the file as it is, as the end of the process does."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _append(self, data: bytes) -> None:
        if self._descriptor is None:
            raise RecordNotDurable(f"{self._path}: the tape has no file open")
        try:
            durable_files.write_whole(self._descriptor, data)
        except OSError as error:
            raise durable_files.not_durable(f"{self._path}: the tape cannot be written", error) from error
        self._size += len(data)

    def _frame(self, kind: bytes, slot: int, record: bytes) -> bytes:
        deflate = self._deflate.copy()
        packed = deflate.compress(record) + deflate.flush()
        head = _HEAD.pack(kind, slot, len(record), len(packed))
        return b"%b%b%b" % (head, _CHECKSUM.pack(zlib.crc32(packed, zlib.crc32(head))), packed)

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
    return [name for name in durable_files.names_in(folder) if _NAME.fullmatch(name)]


def _number(name: str) -> int:
    return int(name[:6])


def _day(name: str) -> str:
    return name[7:15]


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFrame:
    """
    One frame of a file. `kind` H: the header; C: the record of a cycle, or its last part; P: a part of one.

    `text` is None for a frame that is damaged; `problem` says how.
    """

    kind: bytes
    slot: int
    text: str | None
    problem: str = ""


class TapeFileReader:
    """
    Iterate over the frames of one file. Afterwards `problem` says what is wrong with its end, "" for nothing.

    `is_torn`: it ends inside of what was being written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self.is_torn = False

    def __iter__(self) -> Iterator[TapeFrame]:
        try:
            descriptor = durable_files.open_to_read(self.path)
        except OSError as error:
            raise StateUnusable(f"{self.path} cannot be opened: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as file:
            first = file.readline(len(FIRST_LINE))
            if first != FIRST_LINE:
                self.is_torn = FIRST_LINE.startswith(first)
                self.problem = "it does not begin as a tape of this version does"
                return
            offset = len(FIRST_LINE)
            while head := file.read(_HEAD.size + _CHECKSUM.size):
                frame = _frame_of(head, file)
                if frame is None:
                    self.is_torn = True
                    self.problem = f"it is torn at byte {offset}"
                    return
                offset = file.tell()
                yield frame


def _frame_of(head: bytes, file: BinaryIO) -> TapeFrame | None:
    """Read one frame; None when the file ends inside it."""
    if len(head) != _HEAD.size + _CHECKSUM.size:
        return None
    kind, slot, length, packed_length = _HEAD.unpack_from(head)
    packed = file.read(packed_length) if 0 < packed_length <= RECORD_BYTES_MAX else b""
    if not packed or len(packed) != packed_length:
        return None
    text = None
    if head[_HEAD.size :] == _CHECKSUM.pack(zlib.crc32(packed, zlib.crc32(head[: _HEAD.size]))):
        text = _inflated(packed, length)
    problem = "" if text is not None else f"its frame before byte {file.tell()} is damaged"
    return TapeFrame(kind=kind, slot=slot, text=text, problem=problem)


def _inflated(packed: bytes, length: int) -> str | None:
    """Return the text of a frame; None when it has none of this length."""
    inflate = zlib.decompressobj(_ANY_WINDOW, _WORDS)
    try:
        text = inflate.decompress(packed, length + 1).decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        return None
    return text if len(text.encode("utf-8")) == length else None
