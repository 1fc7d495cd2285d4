"""A start that cannot write: what its last act owes to an entry that rests at the exchange since the crash before."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ExitCode, TraderError
from core.model.orders import OrderStatus, Side
from runner.adapters.simulated_coinbase.routes import Endpoint, route
from runner.matching.order_record import OrderRecord
from runner.records.emergency import EmergencyFile
from runner.wire import HttpRequest
from tests.fakes.failing_os import FailingOs
from tests.loopback.live_desk import LiveDesk, open_live_desk
from tests.loopback.oracle import bots_orders, violations
from tests.loopback.wires import PowerCut

JOURNAL, AUDIT = "journal.jsonl", "247trader-v2_audit.jsonl"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[LiveDesk]:
    """An account whose program died while an entry of it rests at the exchange."""
    with open_live_desk(tmp_path, seed=7, over_sockets=False, is_durable=True) as desk:

        def die_when_one_rests(request: HttpRequest) -> None:
            if route(request.method, request.target).endpoint is Endpoint.CREATE and resting_buys(desk):
                raise PowerCut

        desk.wire.arrived = die_when_one_rests
        with pytest.raises(PowerCut):
            desk.play(60)
        desk.wire.arrived = lambda _request: None
        assert resting_buys(desk)
        yield desk


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingOs:
    failing = FailingOs()
    monkeypatch.setattr("runner.records.durable_files.os", failing)
    return failing


def resting_buys(desk: LiveDesk) -> list[OrderRecord]:
    found = [record for _, record in bots_orders(desk)]
    return [record for record in found if record.order.side is Side.BUY and record.status is OrderStatus.OPEN]


def tear(desk: LiveDesk, name: str) -> None:
    path = desk.audit_file if name == AUDIT else desk.folder / "data" / name
    with path.open("ab") as file:
        file.write(b'{"at":"2026')


def refused(desk: LiveDesk) -> TraderError:
    with pytest.raises(TraderError) as raised:
        desk.play(1)
    return raised.value


def told(desk: LiveDesk) -> list[object]:
    return [record["kind"] for record in EmergencyFile(desk.folder / "data", synced=False).read().records]


@pytest.mark.parametrize("torn", [JOURNAL, AUDIT])
def test_behind_a_torn_tail_a_full_disk_does_not_keep_a_start_from_cancelling(
    desk: LiveDesk, disk: FailingOs, torn: str
) -> None:
    tear(desk, torn)
    disk.fail("write", None, errno.ENOSPC)

    error = refused(desk)

    assert error.exit_code is ExitCode.IO
    assert resting_buys(desk) == []
    assert told(desk) == ["END", "CANCELS"]
    disk.heal()
    desk.play(12)
    assert violations(desk) == []


def test_without_room_for_an_emergency_file_it_cancels_and_nobody_is_told(desk: LiveDesk, disk: FailingOs) -> None:
    (desk.folder / "data" / "emergency.bin").unlink()
    for call in ("write", "pwrite"):
        disk.fail(call, None, errno.ENOSPC)

    error = refused(desk)

    assert error.exit_code is ExitCode.IO
    assert resting_buys(desk) == []


def test_a_journal_that_cannot_be_synced_at_a_start_is_not_written_to_and_its_entries_are_cancelled(
    desk: LiveDesk, disk: FailingOs
) -> None:
    before = (desk.folder / "data" / JOURNAL).read_bytes()
    disk.fail("fsync", JOURNAL)

    error = refused(desk)

    assert error.exit_code is ExitCode.DISK
    assert resting_buys(desk) == []
    assert disk.calls.count(("fsync", JOURNAL)) == 1
    assert (desk.folder / "data" / JOURNAL).read_bytes() == before
    disk.heal()
    desk.play(12)
    assert violations(desk) == []
