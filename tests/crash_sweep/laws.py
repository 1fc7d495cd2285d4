"""What must hold when the program is quiet again: the exchange's books, the records, the state, the folders."""

from collections.abc import Iterator
from pathlib import Path

from core.ledger.fold import Ledger, apply
from core.model.codec import decode_event
from core.model.records import CycleStarted
from runner.adapters.state_store import StateStore
from runner.records.chain import START
from tests.crash_sweep import verified
from tests.crash_sweep.world import World
from tests.independent_checker.record_lines import read
from tests.loopback.oracle import lines_of, violations
from tests.recovered import read_journal

LEFTOVERS = ("*.tmp", "*.new")


def broken_laws(world: World) -> list[str]:
    """Return what is wrong, each with its code; nothing, when crash and recovery cost nobody anything."""
    data = world.desk.folder / "data"
    return [
        *world.problems,
        *violations(world.desk),
        *(f"journal: {violation}" for violation in read(data / "journal.jsonl")[1]),
        *_cycles_and_lines(world, data),
        *_state(data),
        *_edited(world),
        *verified.findings(world),
        *(f"leftover: {path}" for folder in ("data", "logs") for path in _leftovers(world.desk.folder / folder)),
    ]


def _edited(world: World) -> Iterator[str]:
    """What stood in a file of a chain after the crash stands at the beginning of one of its files now (D6)."""
    for path, content in world.taken_over.items():
        if path.endswith(".jsonl"):
            chain = world.desk.folder / path
            files = sorted(chain.parent.iterdir())
            if not any(file.is_file() and file.read_bytes().startswith(content) for file in files):
                yield f"records_edited: what was in {path} after the crash is in no file now"


def _leftovers(folder: Path) -> Iterator[Path]:
    for pattern in LEFTOVERS:
        yield from sorted(folder.glob(pattern))


def _cycles_and_lines(world: World, data: Path) -> Iterator[str]:
    """Each cycle that was started has exactly one line (L1)."""
    started = [
        event.slot for record in read_journal(data) if isinstance(event := decode_event(record.body), CycleStarted)
    ]
    told = [line["slot"] for line in lines_of(world.desk)]
    if started != sorted(set(started)):
        yield f"slot_used_twice: {started}"
    if told != started:
        yield f"lines_of_cycles: started {started}, lines of {told}"


def _state(data: Path) -> Iterator[str]:
    """The snapshot is the fold of the journal up to its place (L11)."""
    snapshot = StateStore(data, synced=False).load()
    if snapshot is None:
        yield "state: there is none after an orderly stop"
        return
    ledger, place = Ledger(), START
    for record in read_journal(data):
        ledger, place = apply(ledger, decode_event(record.body)), record.place
    if snapshot.place != place:
        yield f"state: it stands at {snapshot.place}, the journal ends at {place}"
    elif snapshot.ledger != ledger:
        yield "state: it is not the fold of the journal"
