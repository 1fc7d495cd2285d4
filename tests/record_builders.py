"""Small builders of chains of records on the disk: the record of number n has the body `{"n": n}`."""

from pathlib import Path

from runner.adapters.record_file import RecordFile, open_to_continue, segment_body
from runner.records.chain import START, Place, Torn
from runner.records.reader import ChainReader


def continue_chain(path: Path, *, synced: bool = True) -> RecordFile:
    """Open a journal as recovery does."""
    reader = ChainReader(path)
    list(reader)
    log = open_to_continue(path, reader, synced=synced)
    if reader.torn is not None:
        log.append(segment_body(reader.torn), durable=True)
    return log


def write_records(path: Path, *numbers: int) -> RecordFile:
    log = continue_chain(path)
    for n in numbers:
        log.append({"n": n}, durable=True)
    return log


def read_numbers(path: Path, since: Place = START) -> list[object]:
    return [record.body["n"] for record in ChainReader(path, since) if "n" in record.body]


def torn_of(path: Path) -> Torn | None:
    reader = ChainReader(path)
    list(reader)
    return reader.torn
