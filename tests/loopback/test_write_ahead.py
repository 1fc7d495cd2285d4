"""What an order has behind it on the disk when its request leaves: seen from the wire, on a disk that forgets."""

import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.simulated_coinbase.routes import Endpoint, route
from runner.wire import HttpRequest
from tests.fakes.disk import Disk
from tests.loopback.live_desk import LiveDesk, open_live_desk

CYCLES = 25

Record = dict[str, Any]


class _Watcher:
    """Looks at the durable journal before each request, and keeps what it misses there."""

    def __init__(self, disk: Disk) -> None:
        self.problems: list[str] = []
        self.orders = 0
        self._disk = disk
        self._asked: list[str] = []

    def about_to_leave(self, request: HttpRequest) -> None:
        records = self._durable_records()
        told = [record["client_order_id"] for record in records if record["kind"] == "OUTCOME"]
        self.problems += [f"the outcome of {name} is not on the disk" for name in self._asked if name not in told]
        self._asked = [name for name in self._asked if name not in told]
        if route(request.method, request.target).endpoint is not Endpoint.CREATE:
            return
        self.orders += 1
        name = json.loads(request.body)["client_order_id"]
        self._asked.append(name)
        if not any(record["kind"] == "INTENT" and record["order"]["client_order_id"] == name for record in records):
            self.problems.append(f"order {name} leaves and its intent is not on the disk")

    def _durable_records(self) -> list[Record]:
        files = on_disk(self._disk, "data/journal*.jsonl")
        return [json.loads(line) for content in files for line in content.split(b"\n")[:-1]]


def on_disk(disk: Disk, pattern: str) -> list[bytes]:
    """Return what every power loss at this moment would leave of some files, in the order of their names."""
    return [content for name, content in sorted(disk.on_disk().items()) if fnmatch(name, pattern)]


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> _Watcher:
    folder = tmp_path_factory.mktemp("ahead")
    with open_live_desk(folder, seed=7, over_sockets=False, is_durable=True) as desk:
        disk = Disk(folder)
        watcher = _Watcher(disk)
        desk.wire.about_to_leave = watcher.about_to_leave
        with disk.installed():
            desk.play(CYCLES)
    return watcher


def test_there_are_orders_to_look_at(watcher: _Watcher) -> None:
    assert watcher.orders > 5


def test_every_order_has_its_intent_on_the_disk_before_it_leaves_and_its_outcome_before_anything_else_does(
    watcher: _Watcher,
) -> None:
    assert watcher.problems == []


def test_a_cycle_that_has_told_of_its_line_keeps_it_whatever_happens_next(tmp_path: Path) -> None:
    """At the first request of each cycle the lines of all before it are on the disk (L1)."""
    seen: list[tuple[int, int]] = []

    def count(desk: LiveDesk, disk: Disk) -> Callable[[HttpRequest], None]:
        def look(_request: HttpRequest) -> None:
            lines = sum(content.count(b"\n") for content in on_disk(disk, "logs/247*.jsonl"))
            seen.append((int(desk.minutes()), lines))

        return look

    with open_live_desk(tmp_path, seed=7, over_sockets=False, is_durable=True) as desk:
        disk = Disk(tmp_path)
        desk.wire.about_to_leave = count(desk, disk)
        with disk.installed():
            desk.play(4)

    assert [minute for minute, lines in seen if lines < minute] == []
    assert {minute for minute, _ in seen} == {0, 1, 2, 3}
