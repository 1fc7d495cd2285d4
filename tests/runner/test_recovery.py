"""From files to a ledger: everything is judged before anything is written, and twice gives the same as once."""

import json
from pathlib import Path

import pytest

from core.errors import StartRefused, StateUnusable
from core.ledger.fold import Ledger, fold
from core.model.codec import encode_event
from core.model.records import Event
from runner.adapters.record_file import RecordFile
from runner.adapters.state_store import StateStore
from runner.records.chain import seal
from runner.recovery import Identity, Recovered
from tests.event_builders import make_bought, make_cash_flow, make_mark, make_run, make_sold, make_tick
from tests.recovered import read_journal, recover

PAPER = Identity(mode="PAPER", account="paper", venue="simulated")
HISTORY: list[Event] = [
    make_run(),
    make_cash_flow(),
    make_tick(1),
    *make_bought(),
    make_mark("9999.5"),
    make_tick(2),
    *make_sold(),
    make_mark("10009"),
]


def start(data_dir: Path) -> Recovered:
    return recover(data_dir, PAPER)


def record(journal: RecordFile, events: list[Event]) -> None:
    for event in events:
        journal.append(encode_event(event), durable=True)


def make_history(data_dir: Path, *, snapshot_after: int | None = None) -> None:
    """Write the history above, with a snapshot after so many of its events."""
    journal = start(data_dir).journal
    if snapshot_after is not None:
        record(journal, HISTORY[:snapshot_after])
        StateStore(data_dir, synced=True).save(fold(Ledger(), HISTORY[:snapshot_after]), journal.synced_place())
    record(journal, HISTORY[snapshot_after or 0 :])
    journal.close()


def contents(data_dir: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(data_dir.iterdir())}


def test_an_empty_directory_gives_an_empty_ledger_and_no_records_yet(tmp_path: Path) -> None:
    recovered = start(tmp_path)

    assert (recovered.ledger, recovered.facts) == (Ledger(), ("a new data directory",))
    assert contents(tmp_path) == {"emergency.bin": bytes(65536)}


@pytest.mark.parametrize("snapshot_after", [None, *range(1, len(HISTORY) + 1)])
def test_the_ledger_is_the_fold_of_the_journal_wherever_the_snapshot_was_taken(
    tmp_path: Path, snapshot_after: int | None
) -> None:
    make_history(tmp_path, snapshot_after=snapshot_after)

    assert start(tmp_path).ledger == fold(Ledger(), HISTORY)


@pytest.mark.parametrize("older", range(1, len(HISTORY)))
def test_an_older_generation_with_the_journal_after_it_gives_the_same_ledger(tmp_path: Path, older: int) -> None:
    make_history(tmp_path, snapshot_after=older)
    newest = start(tmp_path)
    StateStore(tmp_path, synced=True).save(newest.ledger, newest.journal.synced_place())
    newest.journal.close()
    state = tmp_path / ".state.json"
    state.write_bytes(state.read_bytes()[:-9])

    recovered = start(tmp_path)

    assert recovered.ledger == newest.ledger == fold(Ledger(), HISTORY)
    assert [finding.code for finding in recovered.findings] == ["older_snapshot_used"]
    assert f"of seq {older}," in recovered.findings[0].text
    assert state.exists()
    recovered.put_aside()
    assert not state.exists()
    assert start(tmp_path).findings == ()


def test_what_happened_is_told(tmp_path: Path) -> None:
    make_history(tmp_path, snapshot_after=4)
    (tmp_path / ".state.json.tmp").write_bytes(b"half")
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b"torn")

    facts = start(tmp_path).facts

    assert facts == (
        f"{len(HISTORY) - 4} records after the snapshot were folded",
        f"4 torn bytes after seq {len(HISTORY)}: the file is kept as journal.000001.jsonl, a new one begins",
        "left behind by an interrupted write, and removed: .state.json.tmp",
    )


def test_a_lost_snapshot_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    make_history(tmp_path, snapshot_after=4)
    (tmp_path / ".state.json").unlink()

    recovered = start(tmp_path)

    assert recovered.ledger == fold(Ledger(), HISTORY)
    assert recovered.facts == (f"no snapshot: the ledger was rebuilt from {len(HISTORY)} records",)


@pytest.mark.parametrize("cut", range(1, 400, 13))
def test_wherever_the_last_record_is_cut_the_rest_is_kept_and_recovery_repeats_itself(tmp_path: Path, cut: int) -> None:
    make_history(tmp_path)
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    path.write_bytes(whole[: min(last + cut, len(whole) - 1)])

    first = start(tmp_path)
    first.journal.close()
    after_first = contents(tmp_path)
    second = start(tmp_path)

    assert first.ledger == second.ledger == fold(Ledger(), HISTORY[:-1])
    assert contents(tmp_path) == after_first
    assert [entry.body["kind"] for entry in read_journal(tmp_path)] == [event.kind for event in HISTORY[:-1]]


@pytest.mark.parametrize("snapshot_after", [None, 5])
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Identity(mode="LIVE", account="paper", venue="simulated"), id="mode"),
        pytest.param(Identity(mode="PAPER", account="other", venue="simulated"), id="account"),
        pytest.param(Identity(mode="PAPER", account="paper", venue="replay:calm"), id="venue"),
    ],
)
def test_a_directory_of_another_identity_is_refused_and_not_touched(
    tmp_path: Path, other: Identity, snapshot_after: int | None
) -> None:
    make_history(tmp_path, snapshot_after=snapshot_after)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b"torn")
    (tmp_path / ".state.json.tmp").write_bytes(b"half")
    before = contents(tmp_path)

    with pytest.raises(StartRefused) as caught:
        recover(tmp_path, other)

    assert contents(tmp_path) == before
    for part in (str(PAPER), str(other), "--market", "move these away", "--data-dir"):
        assert part in str(caught.value)


def test_a_journal_that_is_gone_while_a_snapshot_is_there_halts(tmp_path: Path) -> None:
    make_history(tmp_path, snapshot_after=4)
    (tmp_path / "journal.jsonl").unlink()

    with pytest.raises(StateUnusable, match="is missing, but there is a snapshot"):
        start(tmp_path)


def test_an_emptied_journal_halts_with_or_without_a_snapshot(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b"")

    with pytest.raises(StateUnusable, match="is empty"):
        start(tmp_path)


def test_a_snapshot_ahead_of_the_journal_halts_and_nothing_is_touched(tmp_path: Path) -> None:
    make_history(tmp_path, snapshot_after=len(HISTORY))
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    before = contents(tmp_path)

    with pytest.raises(StateUnusable, match="ahead of the journal"):
        start(tmp_path)

    assert contents(tmp_path) == before


def test_a_sealed_record_that_contradicts_the_ledger_halts_with_its_seq(tmp_path: Path) -> None:
    make_history(tmp_path)
    journal = start(tmp_path).journal
    record(journal, [make_tick(1)])

    with pytest.raises(StateUnusable, match=f"seq {len(HISTORY) + 1}: slot 1 was used before"):
        start(tmp_path)


def test_a_sealed_record_of_an_unknown_kind_halts(tmp_path: Path) -> None:
    make_history(tmp_path)
    start(tmp_path).journal.append({"kind": "NEWS"}, durable=True)

    with pytest.raises(StateUnusable, match="unknown kind of event: 'NEWS'"):
        start(tmp_path)


def test_a_journal_and_its_snapshot_stay_together_over_torn_files(tmp_path: Path) -> None:
    make_history(tmp_path, snapshot_after=6)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b"torn")
    recovered = start(tmp_path)
    StateStore(tmp_path, synced=True).save(recovered.ledger, recovered.journal.synced_place())
    record(recovered.journal, [make_tick(3)])

    again = start(tmp_path)

    assert again.ledger == fold(Ledger(), [*HISTORY, make_tick(3)])
    assert json.loads((tmp_path / ".state.json").read_bytes())["journal"]["segment"] == 2


def test_a_foreign_line_in_the_journal_halts(tmp_path: Path) -> None:
    make_history(tmp_path)
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    other, _ = seal(encode_event(make_run()), next(iter(read_journal(tmp_path))).place)
    path.write_bytes(b"".join([lines[0], other, *lines[2:]]))

    with pytest.raises(StateUnusable, match=r"journal\.jsonl, line 3"):
        start(tmp_path)
