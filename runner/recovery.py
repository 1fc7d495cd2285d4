"""
From the files of a data directory to a ledger and a journal that is ready to go on (L11, L13).

First everything is read and judged; only then is anything written, and a second run of it finds the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import RecordNotDurable, StartRefused, StateUnusable
from core.ledger.fold import Ledger, apply
from core.model.codec import decode_event
from core.model.records import Event
from runner.adapters.record_file import RecordFile, fresh_name, open_to_continue, segment_body, settle
from runner.adapters.state_store import STATE_NAME, Snapshot, StateStore
from runner.records.chain import SEGMENT_KIND, START, Place
from runner.records.durable_files import remove_if_there, size_of
from runner.records.emergency import EMERGENCY_NAME, EmergencyFile, Left
from runner.records.reader import ChainReader, ended_segments, missing_segment, start_of_last_file

JOURNAL_NAME = "journal.jsonl"
OLDER_SNAPSHOT = "older_snapshot_used"
EMERGENCY_RECORD = "emergency_record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a data directory belongs to; one directory never holds two (design section 5)."""

    mode: str
    account: str
    venue: str

    def __str__(self) -> str:
        return f"mode {self.mode}, account {self.account}, venue {self.venue}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a start got over and that must be told: an alert's code, and what it was."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """
    A ledger, its journal open for the next record, and in words what happened on the way.

    `since` is the place of the snapshot that was used. `findings` must go into journal, log and line; when they are in
    the journal, `put_aside` takes care of what they were found in. `unsynced_files` names the files whose fsync failed
    in the run before: each goes on in a new one. `emergency` is held open.
    """

    ledger: Ledger
    journal: RecordFile
    facts: tuple[str, ...]
    since: Place
    findings: tuple[Finding, ...]
    put_aside: Callable[[], None]
    unsynced_files: tuple[str, ...]
    emergency: EmergencyFile

    def drop(self) -> None:
        """Close its files as they are."""
        self.journal.drop()
        self.emergency.drop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    What a data directory holds, read and judged, with nothing written yet: enough to cancel own orders by.

    `unsettled` is why its journal's last file could not be brought to the disk: nothing may be written to it.
    """

    data_dir: Path
    synced: bool
    snapshot: Snapshot | None
    reader: ChainReader
    ledger: Ledger
    left: Left
    store: StateStore
    emergency: EmergencyFile
    unsettled: RecordNotDurable | None


def read_records(data_dir: Path, identity: Identity, *, synced: bool) -> Found:
    """
    Load the snapshot, verify the journal after it and fold it, without writing anything.

    A torn last record never had an effect (L2). `synced` False leaves out every fsync.

    Raises:
        StartRefused: The directory belongs to another mode, account or venue.
        StateUnusable: Snapshot or journal cannot be trusted.
    """
    path, unsettled = data_dir / JOURNAL_NAME, None
    try:
        settle(path, synced=synced)
    except RecordNotDurable as error:
        unsettled = error
    store, emergency = StateStore(data_dir, synced=synced), EmergencyFile(data_dir, synced=synced)
    left = emergency.read()
    snapshot = store.load()
    if snapshot is not None:
        _check_identity(data_dir, snapshot.ledger, identity)
    _check_journal_is_there(path, snapshot)
    reader = ChainReader(path, START if snapshot is None else snapshot.place)
    ledger = _folded(reader, Ledger() if snapshot is None else snapshot.ledger, path)
    _check_identity(data_dir, ledger, identity)
    return Found(
        data_dir=data_dir,
        synced=synced,
        snapshot=snapshot,
        reader=reader,
        ledger=ledger,
        left=left,
        store=store,
        emergency=emergency,
        unsettled=unsettled,
    )


def open_records(found: Found, *, bytes_max: int | None) -> Recovered:
    """
    Hold the emergency file, end a torn file of the journal, which the next one names, and open the journal.

    When it fails, the emergency file stays open for whoever notes how the start ends.

    Raises:
        RecordNotDurable: The directory cannot be written.
    """
    path, left, store, emergency = found.data_dir / JOURNAL_NAME, found.left, found.store, found.emergency
    facts = _what_was_read(found.snapshot, found.reader)
    facts += leftovers_removed(store.leftover, emergency.leftover, fresh_name(path))
    emergency.hold(left)
    if found.unsettled is not None:
        raise found.unsettled
    journal = open_to_continue(path, found.reader, synced=found.synced, bytes_max=bytes_max)
    unsynced_files = tuple(str(record.get("unsynced_file")) for record in left.records if record.get("unsynced_file"))
    try:
        ended = found.reader.torn
        if ended is None and journal.has_file and path.name in unsynced_files:
            ended = journal.end_file()
            facts.append(f"{path.name} could not be synced: it was read anew and is kept as {ended.segment}")
        if ended is not None:
            journal.append(segment_body(ended), durable=True)
        journal.synced_place()
    except BaseException:
        journal.drop()
        raise
    return Recovered(
        ledger=found.ledger,
        journal=journal,
        facts=tuple(facts),
        since=START if found.snapshot is None else found.snapshot.place,
        findings=(*_about_snapshot(found.snapshot), *_about_emergency(left)),
        put_aside=lambda: _put_aside(store, found.snapshot, emergency, left),
        unsynced_files=unsynced_files,
        emergency=emergency,
    )


def leftovers_removed(*paths: Path) -> list[str]:
    """
    Remove files that an interrupted write has left behind, and say so.

    Raises:
        RecordNotDurable: One cannot be removed.
    """
    found = []
    for path in paths:
        try:
            if remove_if_there(path):
                found.append(path.name)
        except OSError as error:
            raise RecordNotDurable(f"{path} cannot be removed: {error}") from error
    return [f"left behind by an interrupted write, and removed: {', '.join(found)}"] if found else []


def _about_snapshot(snapshot: Snapshot | None) -> tuple[Finding, ...]:
    if snapshot is None or not snapshot.damage:
        return ()
    text = (
        f"{STATE_NAME} is damaged ({snapshot.damage}) and was kept under another name; the generation before it, of "
        f"seq {snapshot.place.seq}, and the journal after it gave the state"
    )
    return (Finding(code=OLDER_SNAPSHOT, text=text),)


def _about_emergency(left: Left) -> tuple[Finding, ...]:
    """Say what the run before could not write anywhere else."""
    told = [_spoken(record) for record in left.records]
    if left.unreadable_bytes:
        told.append(f"{left.unreadable_bytes} bytes in {EMERGENCY_NAME} are no record: it was cut off while writing")
    return (Finding(code=EMERGENCY_RECORD, text="; then ".join(told)),) if told else ()


def _spoken(record: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {'none' if value in (None, [], '') else value}"
        for key, value in record.items()
        if key != "unsynced_file"
    )


def _put_aside(store: StateStore, snapshot: Snapshot | None, emergency: EmergencyFile, left: Left) -> None:
    if snapshot is not None and snapshot.damage:
        store.set_damaged_aside()
    if left.records or left.unreadable_bytes:
        emergency.clear()


def events_after(data_dir: Path, seq: int, hash_start: str, known: Place = START) -> list[Event]:
    """
    Return the events of a directory's journal that were recorded after the record `seq`, oldest first.

    `known` is a place in it, from which reading begins if it is not too late. `hash_start` is how the hash of the
    record `seq` begins.

    Raises:
        StateUnusable: As `ChainReader`; or the record `seq` is another one.
    """
    path = data_dir / JOURNAL_NAME
    places = (known, start_of_last_file(path), START)
    events = []
    for record in ChainReader(path, next(place for place in places if place.seq < max(seq, 1))).from_seq(seq):
        if record.place.seq == seq and not record.place.hash.startswith(hash_start):
            raise StateUnusable(f"{path}, seq {seq}: the audit's last line tells of another record of this number")
        if record.place.seq > seq and record.body.get("kind") != SEGMENT_KIND:
            events.append(decode_event(record.body))
    return events


def _folded(reader: ChainReader, ledger: Ledger, path: Path) -> Ledger:
    for record in reader:
        if record.body.get("kind") == SEGMENT_KIND:
            continue
        try:
            ledger = apply(ledger, decode_event(record.body))
        except (ValueError, StateUnusable) as error:
            raise StateUnusable(
                f"{path}, seq {record.place.seq}: {error}. Its hash is right: another version, or "
                "a defect of this program wrote it. Nothing was changed; keep the file, and move the directory away to "
                "begin afresh"
            ) from error
    return ledger


def _check_identity(data_dir: Path, ledger: Ledger, identity: Identity) -> None:
    if not ledger.run_id:
        return  # nothing has run here yet
    found = Identity(mode=ledger.mode, account=ledger.account, venue=ledger.venue)
    if found != identity:
        raise StartRefused(
            f"{data_dir} belongs to {found}; this start is {identity}. Ask for what it belongs to (--paper, --live, "
            "--market), or use other directories (--data-dir, --logs-dir), or move these away together to begin afresh"
        )


def _check_journal_is_there(path: Path, snapshot: Snapshot | None) -> None:
    size = size_of(path)
    if size == 0:
        raise StateUnusable(
            f"{path} is empty, and this program never leaves it so: its records are lost. Nothing was changed. Restore "
            "it from a backup, or move the whole directory away (hidden files, too) to begin afresh"
        )
    missing = missing_segment(path)
    if missing is not None:
        raise StateUnusable(
            f"{missing} is missing: it is a part of the journal. Nothing was changed. Restore it from a backup, or "
            "move the whole directory away (hidden files, too) to begin afresh"
        )
    if snapshot is not None and size is None and not ended_segments(path):
        raise StateUnusable(
            f"{path} is missing, but there is a snapshot ({STATE_NAME}) of its seq {snapshot.place.seq}. Nothing was "
            "changed. Restore the journal, or move the whole directory away (hidden files, too) to begin afresh"
        )


def _what_was_read(snapshot: Snapshot | None, reader: ChainReader) -> list[str]:
    facts = []
    since = START if snapshot is None else snapshot.place
    if snapshot is not None and snapshot.is_older:
        facts.append(
            f"{STATE_NAME} is {'damaged' if snapshot.damage else 'missing'}: the generation before it was used"
        )
    if reader.end.seq == 0 and reader.torn is None:
        facts.append("a new data directory")
    elif snapshot is None:
        facts.append(f"no snapshot: the ledger was rebuilt from {reader.end.seq} records")
    elif reader.end.seq > since.seq:
        facts.append(f"{reader.end.seq - since.seq} records after the snapshot were folded")
    if reader.torn is not None:
        facts.append(
            f"{reader.torn.torn_bytes} torn bytes after seq {reader.torn.last_seq}: "
            f"the file is kept as {reader.torn.segment}, a new one begins"
        )
    return facts
