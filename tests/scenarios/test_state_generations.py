"""Snapshot, journal and audit that do not say the same: the start goes on by proof, or halts; never by a default."""

import json
from pathlib import Path

import pytest

from core.errors import ExitCode
from tests.scenarios.stage import ETH, Stage, set_stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Five cycles with a position, and two generations of the snapshot; nothing trades any more."""
    stage = set_stage(tmp_path, {"app.state.snapshot_every_cycles": 2})
    stage.buy_one(ETH)
    stage.play(5)
    return stage


def of_kind(stage: Stage, kind: str) -> list[dict[str, object]]:
    return [record for record in stage.journal() if record["kind"] == kind]


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 4096], ids=["empty", "cut off", "zeros"])
def test_a_damaged_snapshot_gives_way_to_the_one_before_with_alert_and_record(stage: Stage, damage: bytes) -> None:
    before = stage.lines()[-1]
    (stage.data / ".state.json").write_bytes(damage)

    line = stage.play(1)[0]

    assert line["portfolio"] == before["portfolio"]
    assert line["pnl"]["realised"] == before["pnl"]["realised"]
    assert line["alerts"] == ["older_snapshot_used"]
    (note,) = of_kind(stage, "NOTE")
    assert note["code"] == "older_snapshot_used"
    assert "ALERT type=older_snapshot_used severity=CRITICAL" in stage.log()
    assert (stage.data / ".state.json.damaged-1").read_bytes() == damage
    assert stage.play(1)[0]["alerts"] == []
    assert len(of_kind(stage, "NOTE")) == 1


def test_killed_before_the_damaged_snapshot_was_put_aside_the_next_start_does_it_all_again(stage: Stage) -> None:
    (stage.data / ".state.json").write_bytes(b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.adapters.state_store.StateStore.set_damaged_aside", _is_killed)
        with pytest.raises(KeyboardInterrupt):
            stage.loop(1).run()
    stage.play(1)

    assert len(of_kind(stage, "NOTE")) == 2
    assert [path.name for path in stage.data.glob(".state.json.damaged-*")] == [".state.json.damaged-1"]


def _is_killed(_store: object) -> None:
    raise KeyboardInterrupt


def test_killed_between_the_two_renames_of_a_snapshot_the_one_before_is_used_without_alarm(stage: Stage) -> None:
    before = stage.lines()[-1]
    (stage.data / ".state.json").rename(stage.data / ".state.json.tmp")

    line = stage.play(1)[0]

    assert line["portfolio"] == before["portfolio"]
    assert line["alerts"] == []
    assert ".state.json is missing: the generation before it was used" in stage.log()


def test_both_generations_damaged_halt_and_nothing_is_touched(stage: Stage) -> None:
    for name in (".state.json", ".state.json.bak"):
        (stage.data / name).write_bytes(b"{")
    before = contents(stage.data)

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert contents(stage.data) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_snapshot_ahead_of_the_journal_halts_though_an_older_one_would_fit(stage: Stage) -> None:
    """The journal has lost records that were durable: an older state would have forgotten what they say (L13)."""
    _cut_last_records(stage, 2)

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "ahead of the journal" in str(error)


@pytest.mark.parametrize("lost", [3, 8])
def test_a_journal_that_lost_records_halts_also_without_a_snapshot_that_knows(stage: Stage, lost: int) -> None:
    _cut_last_records(stage, lost)
    for name in (".state.json", ".state.json.bak"):
        (stage.data / name).unlink()

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "the journal has lost records" in str(error)


def test_a_new_data_directory_under_an_old_audit_is_refused_with_the_way_out(stage: Stage) -> None:
    stage.data.rename(stage.folder / "elsewhere")

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "move the data and the logs directory away together" in str(error)


def test_a_new_data_directory_with_an_emptied_audit_is_a_new_beginning(stage: Stage) -> None:
    stage.data.rename(stage.folder / "elsewhere")
    stage.audit_file.write_bytes(b"")

    (line,) = stage.play(1)

    assert line["segment"] == {"begun_afresh": "the audit file was emptied by hand"}
    assert [flow["amount"] for flow in line["portfolio"]["cash_flows"]] == ["10000"]


def test_an_audit_that_was_moved_away_begins_afresh_says_so_and_tells_no_history(stage: Stage) -> None:
    stage.audit_file.rename(stage.folder / "archived")

    first, second = stage.play(2)

    assert first["segment"] == {"begun_afresh": "the audit file was moved away by hand"}
    assert first["execution"]["fills"] == []
    assert first["portfolio"]["cash_flows"] == []
    assert [row["product"] for row in first["portfolio"]["positions"]] == ["ETH-USD"]
    assert second["segment"] is None


def test_a_first_cycle_that_was_cut_off_before_any_line_is_told_whole(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.main_loop.store_and_audit", _is_killed_in_a_cycle)
        with pytest.raises(KeyboardInterrupt):
            stage.loop(1).run()

    lines = stage.play(1)

    assert lines[0]["no_trade_reason"] == "interrupted"
    assert lines[0]["segment"] is None
    assert [flow["amount"] for flow in lines[0]["portfolio"]["cash_flows"]] == ["10000"]


def _is_killed_in_a_cycle(_cycle: object, _desk: object) -> None:
    raise KeyboardInterrupt


def test_a_journal_of_another_run_as_long_as_ours_is_noticed(stage: Stage, tmp_path: Path) -> None:
    other = set_stage(tmp_path / "other", {"app.state.snapshot_every_cycles": 2})
    other.play(25)
    assert len(other.journal()) > len(stage.journal())
    stage.data.rename(tmp_path / "ours")
    other.data.rename(stage.data)

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "tells of another record" in str(error)


def _cut_last_records(stage: Stage, count: int) -> None:
    journal = stage.data / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["kind"] == "STOP"
    journal.write_bytes(b"".join(lines[:-count]))
