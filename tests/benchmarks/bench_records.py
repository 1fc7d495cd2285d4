"""
What records cost, by hand: `python -m tests.benchmarks.bench_records [folder]`.

Prints microseconds per append (unsynced, synced, a bare write with fsync for comparison), per quiet cycle of the
ledger, per event of a verified fold, and milliseconds per snapshot; at last what durability costs a cycle of the whole
program: fsyncs, writes, bytes, and milliseconds in file calls. Give a folder on the disk that is meant.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from core.ledger.fold import Ledger, apply, fold
from core.model.codec import encode_event
from core.model.records import Event
from runner.adapters.record_file import open_to_continue
from runner.adapters.state_store import StateStore
from runner.records.reader import ChainReader
from runner.recovery import Identity
from tests.benchmarks.durability import bench_cycles
from tests.builders import NOON
from tests.event_builders import make_bought, make_cash_flow, make_mark, make_run, make_sold, make_tick
from tests.recovered import recover

QUIET_CYCLES = 40_000
TRADES = 2_500
SYNCED = 300


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as name:
        _bench_appends(Path(name))
        _bench_history(Path(name) / "history")
        bench_cycles(Path(name))


def _bench_appends(folder: Path) -> None:
    body = encode_event(make_bought()[0])
    for label, synced, count in (("append, unsynced", False, 20_000), ("append, fsync", True, SYNCED)):
        path = folder / f"{synced}.jsonl"
        log = open_to_continue(path, ChainReader(path), synced=synced)
        _per(label, count, lambda log=log: log.append(body, durable=True))  # type: ignore[misc]
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    line = b"x" * 700 + b"\n"
    _per("bare write and fsync", SYNCED, lambda: _write_and_sync(descriptor, line))
    os.close(descriptor)


def _write_and_sync(descriptor: int, line: bytes) -> None:
    os.write(descriptor, line)
    os.fsync(descriptor)


def _bench_history(data_dir: Path) -> None:
    data_dir.mkdir()
    events = _history()
    ledger = Ledger()
    began = time.perf_counter()
    ledger = fold(ledger, events)
    print(f"{'apply':32}{(time.perf_counter() - began) / len(events) * 1e6:10.2f} us per event ({len(events)} events)")
    mark, slot = make_mark("10000"), (ledger.last_slot or 0) + 1
    _per("apply, quiet TICK and MARK", 20_000, lambda: apply(apply(ledger, make_tick(slot)), mark))

    identity = Identity(mode="PAPER", account="paper", venue="simulated")
    journal = recover(data_dir, identity, synced=False).journal
    for event in events:
        journal.append(encode_event(event), durable=False)
    began = time.perf_counter()
    recover(data_dir, identity, synced=False)
    print(f"{'verify and fold the journal':32}{(time.perf_counter() - began) / len(events) * 1e6:10.2f} us per event")
    for synced in (False, True):
        store, place = StateStore(data_dir, synced=synced), journal.synced_place()
        _per(f"snapshot, {'fsync' if synced else 'unsynced'}", 50, lambda s=store, p=place: s.save(ledger, p))  # type: ignore[misc]


def _history() -> list[Event]:
    """Return 30 days of minutes with a full round trip (entry and exit) in one of 16."""
    events: list[Event] = [make_run(), make_cash_flow()]
    every = QUIET_CYCLES // TRADES
    for slot in range(1, QUIET_CYCLES + 1):
        at = NOON + timedelta(minutes=slot)
        events.append(make_tick(slot, at=at))
        if slot % every == 0:
            events += make_bought(f"b{slot}", at=at, slot=slot)
            events += make_sold(f"s{slot}", lot=f"b{slot}", at=at)
        events.append(make_mark("10000", at=at, slot=slot))
    return events


def _per(label: str, count: int, action: Callable[[], object]) -> None:
    began = time.perf_counter()
    for _ in range(count):
        action()
    print(f"{label:32}{(time.perf_counter() - began) / count * 1e6:10.2f} us")


if __name__ == "__main__":
    main()
