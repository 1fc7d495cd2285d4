"""
The append-only writer of journal and audit (`RecordLog`): one write call per record, synced when it has to be.

A new file appears under its name together with its first record, so an empty one is always somebody else's work: an
operator may empty the audit to begin a new chain. After any failed write or sync the writer refuses to go on: what is
on the disk is only known after the next start has read it (D8 in reliability.md).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import RecordNotDurable, StateUnusable
from core.ports import Position, RecordLog
from runner.records import durable_files
from runner.records.chain import Place, Record, Torn, seal
from runner.records.reader import ChainReader, segment_path, start_of_last_file


class RecordFile:
    """One open chain. It has one writer (L14), which ends with the process that opened it."""

    def __init__(self, path: Path, place: Place, descriptor: int | None, *, synced: bool) -> None:
        """Take over an opened file, or none yet; `open_to_continue` is the way to get one."""
        self._path = path
        self._place = place
        self._descriptor = descriptor
        self._synced = synced
        self._failure: str | None = None
        self._is_dirty = descriptor is not None  # what a killed process wrote last may not be on the disk yet

    def synced_place(self) -> Place:
        """
        Return where the last record ended, once everything up to there is durable: a snapshot must not be ahead.

        Raises:
            RecordNotDurable: As `append`.
        """
        self._refuse_after_failure()
        self._sync()
        return self._place

    def append(self, body: Mapping[str, object], *, durable: bool) -> Position:
        """
        Write one record with one write call; when `durable`, return only after fsync.

        Raises:
            RecordNotDurable: Short write, full disk, failed fsync, not a record. Every further append raises it, too.
        """
        self._refuse_after_failure()
        line, place = self._sealed(body)
        try:
            if self._descriptor is None:
                self._descriptor = self._create(line)
            elif not durable_files.is_still_at(self._path, self._descriptor, self._place.offset):
                raise self._failed(OSError("the file was removed, replaced or changed by somebody else"))
            else:
                durable_files.write_whole(self._descriptor, line)
        except OSError as error:
            raise self._failed(error) from error
        self._is_dirty = True
        if durable:
            self._sync()
        self._place = place
        return Position(seq=place.seq, hash=place.hash)

    def close(self) -> None:
        """
        Sync and close; nothing can be appended afterwards.

        Raises:
            RecordNotDurable: The last records may be lost.
        """
        try:
            if self._failure is None:
                self._sync()
        finally:
            descriptor, self._descriptor = self._descriptor, None
            self._failure = self._failure or "it was closed"
            if descriptor is not None:
                os.close(descriptor)

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise RecordNotDurable(f"{self._path}: nothing more is written ({self._failure})")

    def _failed(self, error: OSError) -> RecordNotDurable:
        self._failure = f"failed before: {error}"
        return RecordNotDurable(f"{self._path}: a record could not be written: {error}")

    def _sealed(self, body: Mapping[str, object]) -> tuple[bytes, Place]:
        try:
            return seal(body, self._place)
        except RecordNotDurable as error:
            self._failure = f"failed before: {error}"
            raise

    def _sync(self) -> None:
        if not (self._is_dirty and self._synced and self._descriptor is not None):
            return
        try:
            durable_files.sync(self._descriptor)
        except OSError as error:
            raise self._failed(error) from error
        self._is_dirty = False

    def _create(self, line: bytes) -> int:
        """Make the file appear whole, with its first record."""
        fresh = _fresh_name(self._path)
        descriptor = durable_files.create_to_append(fresh)
        try:
            durable_files.write_whole(descriptor, line)
            if self._synced:
                durable_files.sync(descriptor)
            durable_files.rename(fresh, self._path)
            if self._synced:
                durable_files.sync_directory(self._path.parent)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


def open_to_continue(path: Path, reader: ChainReader, *, synced: bool) -> RecordFile:
    """
    Open a chain for writing at the end that `reader` has come to. A torn file is renamed first, never edited.

    `synced` False leaves out every fsync, for rehearsals in virtual time that nothing depends on.

    Raises:
        StateUnusable: The file is not what the reader has read.
        RecordNotDurable: The folder cannot be written.
    """
    place, size = reader.end, durable_files.size_of(path)
    try:
        durable_files.remove_if_there(_fresh_name(path))
        if reader.torn is not None and size is not None:
            _end_file(path, segment_path(path, place.segment), synced=synced)
            place, size = replace(place, segment=place.segment + 1, offset=0), None
        if size is None:
            return RecordFile(path, place, None, synced=synced)
        if size != place.offset:
            raise StateUnusable(f"{path} has {size} bytes, {place.offset} were read: somebody else is writing to it")
        return RecordFile(path, place, durable_files.open_to_append(path), synced=synced)
    except OSError as error:
        raise RecordNotDurable(f"{path} cannot be opened for writing: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAudit:
    """
    An audit file that is ready to go on.

    `segment`: what the next record's member of that name must be (None: nothing was torn). `last` is the last record,
    None at the beginning of a chain; `was_emptied` tells that somebody emptied the file, so that a new chain begins.
    """

    audit: RecordLog
    segment: Torn | None
    last: Record | None
    was_emptied: bool


def open_audit(path: Path, *, synced: bool) -> OpenedAudit:
    """
    Verify the last file of the audit and open it to go on.

    Raises:
        StateUnusable: Damage before the last line, not a regular file of ours; nothing was touched.
        RecordNotDurable: It cannot be opened for writing.
    """
    was_emptied = durable_files.size_of(path) == 0
    reader = ChainReader(path, start_of_last_file(path))
    last = None
    for record in reader:
        last = record
    audit = open_to_continue(path, reader, synced=synced)
    return OpenedAudit(audit=audit, segment=reader.torn, last=last, was_emptied=was_emptied)


def segment_body(torn: Torn) -> dict[str, Any]:
    """Return the journal's record that begins a file after a torn one."""
    return {"kind": SEGMENT_KIND, "segment": torn.as_json()}


SEGMENT_KIND = "SEGMENT"


def _end_file(path: Path, ended: Path, *, synced: bool) -> None:
    """Give a torn file its last name; its valid part must outlive the record that will name it."""
    if synced:
        descriptor = durable_files.open_to_append(path)
        try:
            durable_files.sync(descriptor)
        finally:
            os.close(descriptor)
    durable_files.rename(path, ended)
    if synced:
        durable_files.sync_directory(path.parent)


def _fresh_name(path: Path) -> Path:
    return path.with_name(path.name + ".new")
