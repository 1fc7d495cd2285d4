"""
The append-only writer of journal and audit (`RecordLog`): one write call per record, synced when it has to be.

A new file appears under its name together with its first record, so an empty one is always somebody else's work: an
operator may empty the audit to begin a new chain. A file that is full is read back, given its last name, and never
touched again. After any failed write or sync the writer refuses to go on: what is on the disk is only known after the
next start has read it (D8 in reliability.md).
"""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import DiskFailed, RecordNotDurable, StateUnusable
from core.ports import Position
from runner.records import durable_files
from runner.records.chain import RECORD_BYTES_MAX, SEGMENT_KIND, Place, Record, Torn, follow, seal
from runner.records.reader import ChainReader, ended_at, segment_path, start_of_last_file

_CHUNK_BYTES = 1 << 20


class RecordFile:
    """One open chain. It has one writer (L14), which ends with the process that opened it."""

    def __init__(
        self, path: Path, place: Place, descriptor: int | None, *, synced: bool, bytes_max: int | None = None
    ) -> None:
        """
        Take over an opened file, or none yet; `open_to_continue` is the way to get one.

        `bytes_max`: a file of this size is full; None: none ever is.
        """
        self._path = path
        self._place = place
        self._read_back_to = place
        self._descriptor = descriptor
        self._synced = synced
        self._bytes_max = bytes_max
        self._failure: str | None = None
        self._is_dirty = descriptor is not None  # what a killed process wrote last may not be on the disk yet

    @property
    def has_file(self) -> bool:
        """Whether the next record goes into a file that is there already."""
        return self._descriptor is not None

    def synced_place(self) -> Place:
        """
        Return where the last record ended, once everything up to there is durable: a snapshot must not be ahead.

        Raises:
            RecordNotDurable: As `append`.
        """
        self._refuse_after_failure()
        self._sync()
        return self._place

    def read_back(self) -> None:
        """
        Sync, and see that what was written since this was last asked is what is on the disk.

        The chain ends with the hash that was computed before writing, so reading along it compares every byte.

        Raises:
            DiskFailed: It is not; a disk that lies is not written to again.
            RecordNotDurable: As `append`.
        """
        self._refuse_after_failure()
        self._sync()
        if self._descriptor is None or not self._synced or self._read_back_to == self._place:
            return
        try:
            durable_files.forget_cached(self._descriptor)
            reached = _followed(self._descriptor, self._read_back_to, self._place.offset)
        except OSError as error:
            raise self._failed(error) from error
        if reached != self._place:
            self._failure = f"failed before: after seq {reached.seq} it does not hold what was written"
            raise DiskFailed(
                f"{self._path}: after seq {reached.seq} the disk does not hold what was written to it and synced. "
                "Look at the disk before you start again",
                self._path.name,
            )
        self._read_back_to = reached

    def end_if_full(self) -> Mapping[str, object] | None:
        """
        End the file when it is full; return what the first record of the next one must carry as `segment`, else None.

        Raises:
            RecordNotDurable: As `append`; DiskFailed as `read_back`.
        """
        is_full = self._bytes_max is not None and self._place.offset >= self._bytes_max
        return self.end_file().as_json() if is_full else None

    def end_file(self) -> Torn:
        """
        End the file as it is: read it back and give it its last name. The next record appears in a new one.

        Raises:
            RecordNotDurable: As `append`; DiskFailed as `read_back`.
        """
        self.read_back()
        ended, place = ended_at(self._path, self._place), self._place
        try:
            if self._descriptor is None or not durable_files.is_still_at(self._path, self._descriptor, place.offset):
                raise OSError("the file was removed, replaced or changed by somebody else")
            _rename_ended(self._path, segment_path(self._path, place.segment), synced=self._synced)
            self._close()
        except OSError as error:
            raise self._failed(error) from error
        self._place = self._read_back_to = replace(place, segment=place.segment + 1, offset=0)
        return ended

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
        Read back and close; nothing can be appended afterwards.

        Raises:
            RecordNotDurable: The last records may be lost.
        """
        try:
            if self._failure is None:
                self.read_back()
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the file as it is, as the end of the process does; nothing can be appended afterwards."""
        self._failure = self._failure or "it was closed"
        self._close()

    def _close(self) -> None:
        """Close once: a close that fails has closed, and the number may be another file's by then."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise RecordNotDurable(f"{self._path}: nothing more is written ({self._failure})")

    def _failed(self, error: OSError) -> RecordNotDurable:
        self._failure = f"failed before: {error}"
        return durable_files.not_durable(f"{self._path}: a record could not be written", error, self._path.name)

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
        fresh = fresh_name(self._path)
        descriptor = durable_files.create_to_append(fresh)
        try:
            if durable_files.size_of(self._path) is not None:
                raise FileExistsError(errno.EEXIST, f"somebody else made {self._path.name} meanwhile")
            durable_files.write_whole(descriptor, line)
            if self._synced:
                durable_files.sync(descriptor)
            durable_files.rename(fresh, self._path)
            if self._synced:
                durable_files.sync_directory(self._path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def settle(path: Path, *, synced: bool) -> None:
    """
    Let a chain's last file be read from the disk, with all that a process that ended before has written to it.

    Raises:
        StateUnusable: It is not a regular file of ours, or cannot be opened.
        DiskFailed: It cannot be synced.
    """
    if not synced:
        return
    try:
        durable_files.settle(path)
    except durable_files.SyncError as error:
        raise durable_files.not_durable(f"{path} cannot be read from the disk", error) from error
    except OSError as error:
        raise StateUnusable(f"{path} cannot be opened: {error.strerror}. Nothing was changed") from error


def open_to_continue(path: Path, reader: ChainReader, *, synced: bool, bytes_max: int | None = None) -> RecordFile:
    """
    Open a chain for writing at the end that `reader` has come to. A torn file is renamed first, never edited.

    `synced` False leaves out every fsync, for rehearsals in virtual time that nothing depends on.

    Raises:
        StateUnusable: The file is not what the reader has read.
        RecordNotDurable: The folder cannot be written.
    """
    place, size = reader.end, durable_files.size_of(path)
    try:
        durable_files.remove_if_there(fresh_name(path))
        if synced:
            durable_files.sync_way_to(path)
        ended = segment_path(path, place.segment)
        if size is not None and reader.torn is not None and reader.torn.segment == ended.name:
            _end_torn_file(path, ended, synced=synced)
            place, size = replace(place, segment=place.segment + 1, offset=0), None
        if size is None:
            return RecordFile(path, place, None, synced=synced, bytes_max=bytes_max)
        if size != place.offset:
            raise StateUnusable(f"{path} has {size} bytes, {place.offset} were read: somebody else is writing to it")
        return RecordFile(path, place, durable_files.open_to_append(path), synced=synced, bytes_max=bytes_max)
    except OSError as error:
        raise durable_files.not_durable(f"{path} cannot be opened for writing", error) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAudit:
    """
    What an audit holds, read and judged, with nothing written yet.

    `last` is the last record, None at the beginning of a chain; `was_emptied` tells that somebody emptied the file, so
    that a new chain begins. `unsettled` is why the file could not be brought to the disk.
    """

    path: Path
    synced: bool
    reader: ChainReader
    last: Record | None
    was_emptied: bool
    unsettled: RecordNotDurable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAudit:
    """
    An audit file that is ready to go on; `last` and `was_emptied` as found.

    `segment`: what the next record's member of that name must be (None: the file just goes on).
    """

    audit: RecordFile
    segment: Torn | None
    last: Record | None
    was_emptied: bool


def read_audit(path: Path, *, synced: bool, ended_slot: int | None = None) -> FoundAudit:
    """
    Verify the last file of the audit.

    `ended_slot`: the last cycle of a run that ended in order, after its line was durable; None: it ended otherwise.

    Raises:
        StateUnusable: Damage before the last line, or of a line that was durable; not a regular file of ours.
    """
    unsettled = None
    try:
        settle(path, synced=synced)
    except RecordNotDurable as error:
        unsettled = error
    was_emptied = durable_files.size_of(path) == 0
    reader = ChainReader(path, start_of_last_file(path))
    last = reader.last()
    if ended_slot is not None and reader.torn is not None and (last is None or last.body.get("slot") != ended_slot):
        raise StateUnusable(
            f"{path}: the line of slot {ended_slot} is damaged: it was whole when the last run ended. Nothing was "
            "changed. Restore the file from a backup, or archive or empty it to begin a new chain of lines"
        )
    return FoundAudit(path=path, synced=synced, reader=reader, last=last, was_emptied=was_emptied, unsettled=unsettled)


def open_audit(found: FoundAudit, *, bytes_max: int | None = None, begin_file: bool = False) -> OpenedAudit:
    """
    Open the audit to go on; `begin_file`: in a new file, whatever its size is.

    Raises:
        StateUnusable: The file is not what was read.
        RecordNotDurable: It cannot be opened for writing.
    """
    if found.unsettled is not None:
        raise found.unsettled
    audit = open_to_continue(found.path, found.reader, synced=found.synced, bytes_max=bytes_max)
    segment = found.reader.torn
    if begin_file and segment is None and audit.has_file:
        segment = audit.end_file()
    return OpenedAudit(audit=audit, segment=segment, last=found.last, was_emptied=found.was_emptied)


def segment_body(torn: Torn) -> dict[str, Any]:
    """Return the journal's record that begins a file after another one."""
    return {"kind": SEGMENT_KIND, "segment": torn.as_json()}


def _followed(descriptor: int, since: Place, until: int) -> Place:
    """Read a file up to a byte from a place in its chain; return how far the records follow each other."""
    reached, rest = since, b""
    offset = since.offset
    while offset < until and len(rest) <= RECORD_BYTES_MAX:
        chunk = durable_files.read_at(descriptor, min(_CHUNK_BYTES, until - offset), offset)
        if not chunk:
            break
        offset += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            place = follow(line + b"\n", reached)
            if place is None:
                return reached
            reached = place
    return reached


def _end_torn_file(path: Path, ended: Path, *, synced: bool) -> None:
    """Give a torn file its last name; its valid part must outlive the record that will name it."""
    if synced:
        descriptor = durable_files.open_to_append(path)
        try:
            durable_files.sync(descriptor)
        finally:
            os.close(descriptor)
    _rename_ended(path, ended, synced=synced)


def _rename_ended(path: Path, ended: Path, *, synced: bool) -> None:
    if durable_files.size_of(ended) is not None:
        raise FileExistsError(errno.EEXIST, f"{ended.name} exists, and no file of ours is ever overwritten")
    durable_files.rename(path, ended)
    if synced:
        durable_files.sync_directory(path.parent)


def fresh_name(path: Path) -> Path:
    """Return the name that a chain's next file has until its first record is whole."""
    return path.with_name(path.name + ".new")
