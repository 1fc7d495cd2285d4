"""Journal and ledger stay equal, also when the disk does not take a record (L11)."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from core.errors import RecordNotDurable, StateUnusable
from core.ledger.fold import Ledger
from core.model.records import CycleStarted
from core.ports import Position
from runner.bookkeeper import Bookkeeper

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class _Journal:
    """Port `RecordLog` in memory."""

    def __init__(self, *, is_full: bool) -> None:
        self.is_full = is_full
        self.bodies: list[Mapping[str, object]] = []

    def end_if_full(self) -> None:
        return None

    def append(self, body: Mapping[str, object], *, durable: bool) -> Position:
        if self.is_full:
            raise RecordNotDurable("the disk is full")
        self.bodies.append(body)
        return Position(seq=len(self.bodies), hash="")


def test_what_could_not_be_written_did_not_happen() -> None:
    book = Bookkeeper(Ledger(), _Journal(is_full=True))

    with pytest.raises(RecordNotDurable):
        book.record(CycleStarted(at=NOON, slot=1), durable=True)

    assert book.ledger == Ledger()
    assert book.take_events() == []


def test_what_the_ledger_refuses_is_not_written() -> None:
    journal = _Journal(is_full=False)
    book = Bookkeeper(Ledger(), journal)
    book.record(CycleStarted(at=NOON, slot=5), durable=True)

    with pytest.raises(StateUnusable):
        book.record(CycleStarted(at=NOON, slot=5), durable=True)

    assert len(journal.bodies) == 1
    assert book.ledger.last_slot == 5
