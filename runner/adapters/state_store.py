"""
The snapshot of the ledger: a cache of the journal's fold (L11), so that a start need not read everything.

`data/.state.json` is replaced as a whole; `.state.json.bak` is the generation before it. When the newest is damaged or
missing, the older one with the journal after it gives the same ledger, record by record, so the start goes on with it
and says so. What cannot be read is never replaced by a default: with no valid generation left, or one of a newer
program, the files are left as they are and the start is refused.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from core.errors import DiskFailed, StateUnusable
from core.ledger.fold import Ledger
from core.model.codec import decode, encode
from runner.records import durable_files
from runner.records.chain import Place

SCHEMA = 1
STATE_BYTES_MAX = 64 << 20
STATE_NAME = ".state.json"
_CHUNK_BYTES = 1 << 20

_KEYS = {"schema", "mode", "account", "venue", "journal", "ledger"}
_HASH_MARK = b',"sha256":"'
_END_BYTES = len(_HASH_MARK) + 64 + len(b'"}\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    A ledger, and the place in the journal up to which it is the fold.

    `is_older`: it is the generation before the newest; `damage` says what is wrong with that one, "" when it is
    missing (a crash between its two renames leaves it so).
    """

    ledger: Ledger
    place: Place
    is_older: bool = False
    damage: str = ""


class StateStore:
    """One data directory's snapshot and its predecessor."""

    def __init__(self, data_dir: Path, *, synced: bool) -> None:
        """Work in `data_dir`; `synced` False leaves out every fsync (rehearsals in virtual time)."""
        self._path = data_dir / STATE_NAME
        self._backup = data_dir / f"{STATE_NAME}.bak"
        self._fresh = data_dir / f"{STATE_NAME}.tmp"
        self._synced = synced

    def save(self, ledger: Ledger, place: Place) -> None:
        """
        Replace the snapshot. `place` must be durable in the journal (`RecordFile.synced_place`).

        A crash in between leaves the old snapshot, the new one, or none, and then the journal is folded from its start.

        Raises:
            RecordNotDurable: It could not be written.
        """
        data = _document(ledger, place)
        try:
            durable_files.remove_if_there(self._fresh)
            descriptor = durable_files.create_to_append(self._fresh)
            try:
                durable_files.write_whole(descriptor, data)
                if self._synced:
                    durable_files.sync(descriptor)
                    _read_back(descriptor, data)
            finally:
                os.close(descriptor)
            if durable_files.size_of(self._path) is not None:
                durable_files.rename(self._path, self._backup)
            durable_files.rename(self._fresh, self._path)
            if self._synced:
                durable_files.sync_directory(self._path.parent)
        except OSError as error:
            raise durable_files.not_durable(f"{self._path} could not be replaced", error) from error

    def load(self) -> Snapshot | None:
        """
        Return the newest valid snapshot; None when there is none at all: the journal is folded from its start.

        Raises:
            StateUnusable: None is valid, or one cannot be read or is of another program; nothing was changed.
        """
        try:
            newest = self._generation(self._path)
        except ValueError as error:
            return self._older(str(error))
        return newest or self._older("")

    def _older(self, damage: str) -> Snapshot | None:
        """Return the generation before, for a newest one that is damaged ("": missing)."""
        try:
            older = self._generation(self._backup)
        except ValueError as error:
            raise self._unusable(self._backup, str(error)) from error
        if older is None and damage:
            raise self._unusable(self._path, damage)
        return older and replace(older, is_older=True, damage=damage)

    def _generation(self, path: Path) -> Snapshot | None:
        """
        Return what one file holds, None when it is not there.

        Raises:
            ValueError: It is damaged.
            StateUnusable: Its file is not ours, cannot be read, or belongs to another version of this program.
        """
        try:
            return _snapshot(_read(path))
        except FileNotFoundError:
            return None
        except (OSError, _OtherSchema) as error:
            raise self._unusable(path, str(error)) from error
        except RecursionError as error:
            raise ValueError(str(error)) from error

    def _unusable(self, path: Path, why: str) -> StateUnusable:
        return StateUnusable(
            f"{path} cannot be used: {why}. Nothing was changed. Restore it from a backup, or move {self._path.name} "
            f"and {self._backup.name} aside: the state is then rebuilt from the journal"
        )

    def set_damaged_aside(self) -> str | None:
        """
        Keep a damaged newest generation under another name; return that name, None when it is not there.

        Raises:
            RecordNotDurable: The folder cannot be written.
        """
        try:
            if durable_files.size_of(self._path) is None:
                return None
            name = next(name for name in map(self._damaged_name, count(1)) if durable_files.size_of(name) is None)
            durable_files.rename(self._path, name)
            if self._synced:
                durable_files.sync_directory(self._path.parent)
        except OSError as error:
            raise durable_files.not_durable(f"{self._path} cannot be renamed", error) from error
        return name.name

    def _damaged_name(self, number: int) -> Path:
        return self._path.with_name(f"{STATE_NAME}.damaged-{number}")

    @property
    def leftover(self) -> Path:
        """What an interrupted `save` leaves behind."""
        return self._fresh


class _OtherSchema(Exception):
    """The file is sound as far as we can tell, but it is not for this program."""


def _document(ledger: Ledger, place: Place) -> bytes:
    """Keep the ledger's own order of keys: what is iterated after a restart comes in the same order as before."""
    document = {
        "schema": SCHEMA,
        "mode": ledger.mode,
        "account": ledger.account,
        "venue": ledger.venue,
        "journal": encode(place),
        "ledger": encode(ledger),
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    return b'%b%b%b"}\n' % (text[:-1], _HASH_MARK, hashlib.sha256(text[:-1]).hexdigest().encode("ascii"))


def _read(path: Path) -> bytes:
    with os.fdopen(durable_files.open_to_read(path), "rb") as file:
        data = file.read(STATE_BYTES_MAX + 1)
    if len(data) > STATE_BYTES_MAX:
        raise ValueError(f"it is longer than {STATE_BYTES_MAX} bytes")
    return data


def _read_back(descriptor: int, data: bytes) -> None:
    """See that the disk holds what was written to it."""
    durable_files.forget_cached(descriptor)
    held, offset = [], 0
    while chunk := durable_files.read_at(descriptor, _CHUNK_BYTES, offset):
        held.append(chunk)
        offset += len(chunk)
    if b"".join(held) != data:
        raise DiskFailed("the snapshot was written and synced, and the disk holds something else; look at the disk")


def _snapshot(data: bytes) -> Snapshot:
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    if document.get("schema") != SCHEMA:
        raise _OtherSchema(f"its schema is {document.get('schema')!r}, this program reads {SCHEMA}")
    sealed, end = data[:-_END_BYTES], data[-_END_BYTES:]
    digest = hashlib.sha256(sealed).hexdigest().encode("ascii")
    if end != b'%b%b"}\n' % (_HASH_MARK, digest) or document.keys() != _KEYS | {"sha256"}:
        raise ValueError("its hash is wrong: it was damaged or edited")
    ledger = decode(Ledger, document["ledger"])
    if not _agrees(document, ledger):
        raise ValueError("its mode, account or venue is not its ledger's")
    return Snapshot(ledger=ledger, place=decode(Place, document["journal"]))


def _agrees(document: Mapping[str, Any], ledger: Ledger) -> bool:
    stated = (document["mode"], document["account"], document["venue"])
    return stated == (ledger.mode, ledger.account, ledger.venue)
