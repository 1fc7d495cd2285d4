"""
The snapshot of the ledger: a cache of the journal's fold (L11), so that a start need not read everything.

`data/.state.json` is replaced as a whole; `.state.json.bak` is the one before it, for people. What cannot be read
is never replaced by a default: the file is left as it is and the start refused.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import RecordNotDurable, StateUnusable
from core.ledger.fold import Ledger
from core.model.codec import decode, encode
from runner.records import durable_files
from runner.records.chain import Place

SCHEMA = 1
STATE_BYTES_MAX = 64 << 20
STATE_NAME = ".state.json"

_KEYS = {"schema", "mode", "account", "venue", "journal", "ledger"}
_HASH_MARK = b',"sha256":"'
_END_BYTES = len(_HASH_MARK) + 64 + len(b'"}\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A ledger, and the place in the journal up to which it is the fold."""

    ledger: Ledger
    place: Place


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
            finally:
                os.close(descriptor)
            if durable_files.size_of(self._path) is not None:
                durable_files.rename(self._path, self._backup)
            durable_files.rename(self._fresh, self._path)
            if self._synced:
                durable_files.sync_directory(self._path.parent)
        except OSError as error:
            raise RecordNotDurable(f"{self._path} could not be replaced: {error}") from error

    def load(self) -> Snapshot | None:
        """
        Return the snapshot; None when there is none, and the journal has to be folded from its start.

        Raises:
            StateUnusable: It is there but cannot be trusted; the message names the file and the ways out.
        """
        try:
            return _snapshot(_read(self._path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise StateUnusable(
                f"{self._path} cannot be used: {error}. Nothing was changed. Restore {self._backup.name} in its place, "
                f"or move {self._path.name} and {self._backup.name} aside: the state is then rebuilt from the journal"
            ) from error

    def remove_leftover(self) -> bool:
        """
        Remove what an interrupted `save` left behind; tell whether there was anything.

        Raises:
            RecordNotDurable: The folder cannot be written.
        """
        try:
            return durable_files.remove_if_there(self._fresh)
        except OSError as error:
            raise RecordNotDurable(f"{self._fresh} cannot be removed: {error}") from error


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


def _snapshot(data: bytes) -> Snapshot:
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {document.get('schema')!r}, this program reads {SCHEMA}")
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
