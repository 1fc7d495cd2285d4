"""
Planted bugs: each leaves out or does wrongly what makes the records durable, and the sweep must find it.

`python -m tests.crash_sweep.planted` tries them all and names the point at which each was found.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import runner.adapters.record_file
import runner.recovery
from runner.adapters.record_file import RecordFile
from runner.bookkeeper import Bookkeeper
from runner.orders.sending import Sender
from runner.records import durable_files
from runner.records.reader import ChainReader
from tests.crash_sweep.runs import sweep
from tests.crash_sweep.sweep import Plan

Original = Callable[..., Any]


@contextmanager
def no_fsync_before_sending() -> Iterator[None]:
    with _not_durable(lambda _kind: True):
        yield


@contextmanager
def no_fsync_of_a_new_file() -> Iterator[None]:
    """Its name is synced, its content is not."""

    def create(original: Original) -> Original:
        def run(self: RecordFile, line: bytes) -> int:
            with _left_out("sync"):
                return int(original(self, line))

        return run

    with _instead(RecordFile, "_create", create):
        yield


@contextmanager
def no_fsync_of_the_folder() -> Iterator[None]:
    with _left_out("sync_directory"):
        yield


@contextmanager
def no_fsync_of_the_way_at_a_start() -> Iterator[None]:
    with _left_out("sync_way_to"):
        yield


@contextmanager
def state_written_before_the_journal() -> Iterator[None]:
    """The snapshot is of a place that is not durable yet: only intents are synced."""

    def place_of(_original: Original) -> Original:
        return lambda self: self._place

    with _instead(RecordFile, "synced_place", place_of), _not_durable(lambda kind: kind != "INTENT"):
        yield


@contextmanager
def sent_before_the_intent_is_written() -> Iterator[None]:
    """The records of an order are written when its answer is there."""

    def submit_first(original: Original) -> Original:
        def place(self: Sender, planned: Any, planning: Any, cycle: Any) -> Any:
            kept: list[tuple[Any, bool]] = []
            record = Bookkeeper.record

            def keep(book: Bookkeeper, event: Any, *, durable: bool) -> None:
                kept.append((event, durable))

            submit = self._broker.submit

            def submit_and_write(order: Any) -> Any:
                try:
                    return submit(order)
                finally:
                    late.stop()
                    for event, durable in kept:
                        record(self._book, event, durable=durable)

            late = patch.object(Bookkeeper, "record", keep)
            late.start()
            with patch.object(self._broker, "submit", submit_and_write, create=True):
                return original(self, planned, planning, cycle)

        return place

    with _instead(Sender, "place", submit_first):
        yield


@contextmanager
def torn_tail_cut_off() -> Iterator[None]:
    def cut(path: Path, reader: ChainReader) -> None:
        os.truncate(path, reader.end.offset)
        reader.torn = None

    with _at_a_torn_tail(cut):
        yield


@contextmanager
def appended_after_a_torn_tail() -> Iterator[None]:
    def go_on(path: Path, reader: ChainReader) -> None:
        reader.end = replace(reader.end, offset=path.stat().st_size)
        reader.torn = None

    with _at_a_torn_tail(go_on):
        yield


@contextmanager
def torn_tail_taken_for_a_whole_record() -> Iterator[None]:
    """A start takes what is there for read, whatever it is: the bad line is skipped."""

    def skip(original: Original) -> Original:
        def read(self: ChainReader, path: Path) -> Iterator[Any]:
            yield from original(self, path)
            if self.torn is not None and path.name == self._path.name:
                self.torn = None

        return read

    with _instead(ChainReader, "_lines_of" if hasattr(ChainReader, "_lines_of") else "_records_of", skip):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A bug, where to look for it first, and at each how many-th point."""

    bug: Callable[[], Any]
    parts: tuple[str, ...]
    stride: int = 1


PLANTED: Mapping[str, Planted] = {
    "no fsync before sending": Planted(bug=no_fsync_before_sending, parts=("cycle",)),
    "no fsync of a new file": Planted(bug=no_fsync_of_a_new_file, parts=("rotation",)),
    "no fsync of the folder": Planted(bug=no_fsync_of_the_folder, parts=("rotation", "cycle")),
    "no fsync of the way at a start": Planted(bug=no_fsync_of_the_way_at_a_start, parts=("start",)),
    "state written before the journal": Planted(bug=state_written_before_the_journal, parts=("shutdown",), stride=23),
    "sent before the intent is written": Planted(bug=sent_before_the_intent_is_written, parts=("cycle",)),
    "torn tail cut off": Planted(bug=torn_tail_cut_off, parts=("cycle",)),
    "appended after a torn tail": Planted(bug=appended_after_a_torn_tail, parts=("cycle",)),
    "torn tail skipped": Planted(bug=torn_tail_taken_for_a_whole_record, parts=("cycle",)),
}


def first_violation(name: str, *, jobs: int = 1) -> str | None:
    """Sweep with a bug until something is found; return it, None when the bug goes unseen."""
    planted = PLANTED[name]
    with planted.bug():
        done = sweep(Plan(parts=planted.parts, stride=planted.stride, doubly=False, jobs=jobs, until_first=True))
    found = done.violations()
    return found[0] if found else None


def main() -> int:
    """Try all; return 1 when one goes unseen."""
    unseen = 0
    for name in PLANTED:
        found = first_violation(name, jobs=os.cpu_count() or 1)
        unseen += found is None
        sys.stdout.write(f"{name}: {'NOT SEEN' if found is None else found}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(PLANTED) - unseen} of {len(PLANTED)} planted bugs found\n")
    return 1 if unseen else 0


@contextmanager
def _instead(owner: Any, name: str, make: Callable[[Original], Original]) -> Iterator[None]:
    with patch.object(owner, name, make(getattr(owner, name))):
        yield


@contextmanager
def _not_durable(is_meant: Callable[[object], bool]) -> Iterator[None]:
    """Leave out the fsync after records of some kinds."""

    def wrong(original: Original) -> Original:
        def append(self: RecordFile, body: Mapping[str, object], *, durable: bool) -> Any:
            return original(self, body, durable=durable and not is_meant(body.get("kind")))

        return append

    with _instead(RecordFile, "append", wrong):
        yield


@contextmanager
def _left_out(name: str) -> Iterator[None]:
    with patch.object(durable_files, name, lambda _what: None):
        yield


@contextmanager
def _at_a_torn_tail(deal: Callable[[Path, ChainReader], None]) -> Iterator[None]:
    """Deal with a torn tail in another way than the program does."""

    def wrong(original: Original) -> Original:
        def run(path: Path, reader: ChainReader, **named: Any) -> RecordFile:
            if reader.torn is not None and path.exists() and path.stat().st_size > reader.end.offset:
                deal(path, reader)
            found: RecordFile = original(path, reader, **named)
            return found

        return run

    with (
        _instead(runner.adapters.record_file, "open_to_continue", wrong),
        _instead(runner.recovery, "open_to_continue", wrong),
    ):
        yield


if __name__ == "__main__":
    sys.exit(main())
