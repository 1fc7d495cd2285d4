"""
The emergency file: 64 KiB that are on the disk before they are needed, for what must be written when nothing else can.

When journal or audit cannot grow, the process ends. What it still does before (cancelling its own entries) is written
in place here, so that a full disk cannot hinder it. The records are sealed like any other, from byte 0 on; behind them
there are zeros. The next start reads them, has them told in journal, log and line, and only then clears the file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import StateUnusable
from runner.records import durable_files
from runner.records.chain import START, Place, body_of, follow, seal

EMERGENCY_NAME = "emergency.bin"
EMERGENCY_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the file holds: its records, the place after them, and how much behind them is neither zero nor a record."""

    records: tuple[Mapping[str, Any], ...]
    end: Place
    unreadable_bytes: int
    size: int


NOTHING_LEFT = Left(records=(), end=START, unreadable_bytes=0, size=0)


class EmergencyFile:
    """One data directory's emergency file; written by the process that holds the directory's lock."""

    def __init__(self, data_dir: Path, *, synced: bool) -> None:
        """Touch nothing yet; `synced` False leaves out every fsync (rehearsals in virtual time)."""
        self._path = data_dir / EMERGENCY_NAME
        self._fresh = data_dir / f"{EMERGENCY_NAME}.new"
        self._synced = synced
        self._descriptor: int | None = None
        self._place = START

    def read(self) -> Left:
        """
        Return what an ended process left here, without changing anything.

        Raises:
            StateUnusable: The file is not ours, or cannot be read.
        """
        try:
            descriptor = durable_files.open_to_read(self._path)
        except FileNotFoundError:
            return NOTHING_LEFT
        except OSError as error:
            raise StateUnusable(f"{self._path} cannot be opened: {error.strerror}. Nothing was changed") from error
        try:
            return _left_in(durable_files.read_at(descriptor, EMERGENCY_BYTES, 0), os.fstat(descriptor).st_size)
        except OSError as error:
            raise StateUnusable(f"{self._path} cannot be read: {error.strerror}. Nothing was changed") from error
        finally:
            os.close(descriptor)

    def hold(self, left: Left) -> None:
        """
        Hold the file open behind what was left in it; make it when there is none, or not a whole one.

        Raises:
            RecordNotDurable: There is no room for it.
        """
        try:
            if left.size != EMERGENCY_BYTES and not left.records:
                self._make()
            self._descriptor = durable_files.open_in_place(self._path)
        except OSError as error:
            raise durable_files.not_durable(f"{self._path} cannot be made ready", error) from error
        self._place = left.end

    def note(self, body: Mapping[str, object]) -> bool:
        """Write one record in place; return whether it is on the disk. There is nobody left to tell an error to."""
        line, place = seal(body, self._place)
        if self._descriptor is None or place.offset > EMERGENCY_BYTES:
            return False
        try:
            durable_files.write_at(self._descriptor, line, self._place.offset)
            self._place = place
            if self._synced:
                durable_files.sync(self._descriptor)
        except OSError:
            return False
        return True

    def clear(self) -> None:
        """
        Fill the file with zeros again, in place; no effect when it holds nothing.

        Raises:
            RecordNotDurable: It cannot be written.
        """
        if self._descriptor is None:
            return
        try:
            durable_files.write_at(self._descriptor, bytes(EMERGENCY_BYTES), 0)
            if self._synced:
                durable_files.sync(self._descriptor)
        except OSError as error:
            raise durable_files.not_durable(f"{self._path} cannot be cleared", error) from error
        self._place = START

    def drop(self) -> None:
        """Close the file as it is."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @property
    def leftover(self) -> Path:
        """What an interrupted `hold` leaves behind."""
        return self._fresh

    def _make(self) -> None:
        """Let the file appear whole, with every block of it taken and written."""
        durable_files.remove_if_there(self._fresh)
        descriptor = durable_files.create_in_place(self._fresh)
        try:
            durable_files.reserve(descriptor, EMERGENCY_BYTES)
            durable_files.write_at(descriptor, bytes(EMERGENCY_BYTES), 0)
            if self._synced:
                durable_files.sync(descriptor)
        finally:
            os.close(descriptor)
        durable_files.rename(self._fresh, self._path)
        if self._synced:
            durable_files.sync_directory(self._path.parent)


def _left_in(data: bytes, size: int) -> Left:
    records: list[Mapping[str, Any]] = []
    place = START
    for line in data.splitlines(keepends=True):
        after = follow(line, place)
        if after is None:
            break
        records.append(body_of(line))
        place = after
    rest = data[place.offset :].strip(b"\0")
    return Left(records=tuple(records), end=place, unreadable_bytes=len(rest), size=size)
