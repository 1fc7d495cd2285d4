"""
Killed at every file effect of a start, of trading and of a snapshot, then started again.

A forked child runs the real code; its copy of the file functions counts effects and dies at the n-th, in a write after
the first half.
"""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.ledger.fold import Ledger, fold
from core.model.codec import encode_event
from core.model.records import Event
from runner.adapters.state_store import StateStore
from runner.records import durable_files
from runner.recovery import Identity
from tests.event_builders import make_bought, make_cash_flow, make_mark, make_run, make_sold, make_tick
from tests.recovered import read_journal, recover

PAPER = Identity(mode="PAPER", account="paper", venue="simulated")
BEFORE: list[Event] = [make_run(), make_cash_flow(), make_tick(1), *make_bought(), make_mark("9999.5")]
AFTER: list[Event] = [make_tick(2), *make_sold(), make_mark("10009"), make_tick(3)]
KILLED = 9
FAILED = 70
EFFECTS = (
    "open_to_append",
    "create_to_append",
    "write_whole",
    "sync",
    "sync_directory",
    "rename",
    "remove_if_there",
    "create_in_place",
    "open_in_place",
    "reserve",
    "write_at",
)


SECOND_STRIDE = 6
"""Of the second starts each n-th effect, another one after each first (all of them: `python -m tests.crash_sweep`)."""

SYNCS = (durable_files.sync, durable_files.sync_directory)
"""Counted but left out: a killed process loses nothing that it has written; power cuts are another matter."""


def prepare(data_dir: Path) -> None:
    """Leave a directory as a killed process does: snapshot, records after it, a torn one, an interrupted snapshot."""
    journal = recover(data_dir, PAPER, synced=False).journal
    for i, event in enumerate(BEFORE):
        if i == 3:
            StateStore(data_dir, synced=False).save(fold(Ledger(), BEFORE[:3]), journal.synced_place())
        journal.append(encode_event(event), durable=True)
    journal.close()
    with (data_dir / "journal.jsonl").open("ab") as file:
        file.write(b'{"at":"2026')
    (data_dir / ".state.json.tmp").write_bytes(b"{")


def start_only(data_dir: Path, acknowledge: Callable[[], None]) -> None:
    recover(data_dir, PAPER).journal.close()


def start_and_trade(data_dir: Path, acknowledge: Callable[[], None]) -> None:
    recovered = recover(data_dir, PAPER)
    for i, event in enumerate(AFTER):
        recovered.journal.append(encode_event(event), durable=True)
        acknowledge()
        if i in (2, 5):
            ledger = fold(Ledger(), [*BEFORE, *AFTER[: i + 1]])
            StateStore(data_dir, synced=True).save(ledger, recovered.journal.synced_place())
    recovered.journal.close()


def killed_at(n: int, work: Callable[[Path, Callable[[], None]], None], data_dir: Path) -> tuple[bool, int]:
    """Run `work` in a child that dies at its n-th effect; return whether it did, and how much it acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _arm(n)
            work(data_dir, lambda: _tell(writing))
            os._exit(0)
        finally:
            os._exit(FAILED)  # an error must not let a second pytest loose
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        acknowledged = len(pipe.read())
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED)
    return code == KILLED, acknowledged


def _tell(writing: int) -> None:
    os.write(writing, b".")


def _arm(n: int) -> None:
    """Replace the file functions of this (forked) process by ones that die at the n-th call."""
    calls = itertools.count(1)
    for name in EFFECTS:
        setattr(durable_files, name, _deadly(getattr(durable_files, name), calls, n))


def _deadly(effect: Callable[..., object], calls: "itertools.count[int]", n: int) -> Callable[..., object]:
    def run(first: int | Path, *rest: object) -> object:
        if next(calls) == n:
            if isinstance(first, int) and rest and isinstance(rest[0], bytes):
                os.write(first, rest[0][: len(rest[0]) // 2])
            os._exit(KILLED)
        return None if effect in SYNCS else effect(first, *rest)

    return run


def check(data_dir: Path, acknowledged: int) -> None:
    """Start twice; both see everything that was acknowledged, and at most one event more."""
    first = recover(data_dir, PAPER, synced=False)
    first.journal.close()
    second = recover(data_dir, PAPER, synced=False)
    second.journal.close()

    count = sum(1 for _ in read_journal(data_dir)) - len(BEFORE)
    assert acknowledged <= count <= acknowledged + 1
    assert first.ledger == second.ledger == fold(Ledger(), [*BEFORE, *AFTER[:count]])
    assert not list(data_dir.glob("*.tmp"))
    assert not list(data_dir.glob("*.new"))


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "prepared"
    folder.mkdir()
    prepare(folder)
    return folder


def copy_of(folder: Path, name: str) -> Path:
    data_dir = folder.with_name(name)
    shutil.rmtree(data_dir, ignore_errors=True)
    shutil.copytree(folder, data_dir)
    return data_dir


def test_killed_at_any_effect_of_a_start_or_of_trading_nothing_acknowledged_is_lost(prepared: Path) -> None:
    for n in itertools.count(1):
        data_dir = copy_of(prepared, "data")

        was_killed, acknowledged = killed_at(n, start_and_trade, data_dir)

        check(data_dir, acknowledged)
        if not was_killed:
            break
    assert n > 40
    assert acknowledged == len(AFTER)


def test_killed_in_a_start_and_again_in_the_next_one_nothing_is_lost(prepared: Path) -> None:
    for n in itertools.count(1):
        once = copy_of(prepared, "once")
        was_killed, _ = killed_at(n, start_only, once)
        for m in itertools.count(1 + n % SECOND_STRIDE, SECOND_STRIDE):
            twice = copy_of(once, "twice")
            was_killed_again, _ = killed_at(m, start_only, twice)

            check(twice, 0)
            if not was_killed_again:
                break
        if not was_killed:
            break
    assert n > 8
