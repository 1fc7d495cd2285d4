"""A data directory recovered without a run, and its journal read as it stands."""

from collections.abc import Iterator
from pathlib import Path

from runner.records.chain import SEGMENT_KIND, Record
from runner.records.reader import ChainReader
from runner.recovery import JOURNAL_NAME, Identity, Recovered, open_records, read_records


def recover(data_dir: Path, identity: Identity, *, synced: bool = True, bytes_max: int | None = None) -> Recovered:
    """Read a data directory and open it to go on, as a start does."""
    return open_records(read_records(data_dir, identity, synced=synced), bytes_max=bytes_max)


def read_journal(data_dir: Path) -> Iterator[Record]:
    """Yield every record of the journal that is an event, oldest first, without writing anything."""
    return (record for record in ChainReader(data_dir / JOURNAL_NAME) if record.body.get("kind") != SEGMENT_KIND)
