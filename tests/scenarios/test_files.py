"""State, journal, audit and lock: what a start accepts, what it refuses, and what it leaves untouched."""

import json
import os
from pathlib import Path

import pytest

from core.errors import ExitCode, TraderError
from core.settings import Mode
from runner.adapters.instance_lock import InstanceLock
from tests.scenarios.stage import ETH, Stage, fills, reasons, set_stage


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


def test_a_second_start_goes_on_with_positions_and_limits(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    before = stage.play(5)[-1]

    after = stage.play(1)[0]

    assert after["portfolio"]["positions"] == before["portfolio"]["positions"]
    assert after["portfolio"]["cash"] == before["portfolio"]["cash"]
    assert after["slot"] == before["slot"] + 1
    assert after["prev"] == before["hash"]
    assert after["run_id"] != before["run_id"]
    assert after["portfolio"]["cash_flows"] == []  # the starting cash is paid once


def test_a_position_that_fell_while_the_bot_was_down_is_sold_in_the_first_cycle(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.play(5)
    stage.market.move(ETH, -10.0)

    line = stage.play(1)[0]

    assert [item["reason"] for item in line["exits"]] == ["stop_loss"]
    assert line["portfolio"]["positions"] == []


def test_a_second_instance_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    lock = InstanceLock(stage.data)
    lock.acquire()
    before = _contents(stage.data)

    error = stage.refused()

    assert error.exit_code == ExitCode.ALREADY_RUNNING
    assert "stop it first" in str(error)
    assert _contents(stage.data) == before
    assert len(stage.lines()) == 2
    lock.release()


def test_a_lock_file_replaced_while_running_ends_the_run_before_anything_is_sent(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    lock_file = stage.data / "247trader-v2.lock"

    def replace() -> None:
        lock_file.unlink()
        lock_file.touch()

    stage.clock.at(1.2, replace)
    stage.buy_one(ETH)

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.ALREADY_RUNNING
    assert not fills(stage.lines())
    assert [record["kind"] for record in stage.journal()][-1] == "MARK"  # not even the cycle's start was written
    assert len(stage.lines()) == 2


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"", id="empty"), pytest.param(b"{", id="cut off"), pytest.param(b"[1, 2]\n", id="something else")],
)
def test_a_corrupt_state_halts_and_is_not_touched(tmp_path: Path, content: bytes) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    (stage.data / ".state.json").write_bytes(content)
    before = _contents(stage.data)

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert ".state.json" in str(error)
    assert _contents(stage.data) == before


def test_a_flipped_byte_in_the_state_halts(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    state = stage.data / ".state.json"
    state.write_bytes(state.read_bytes().replace(b'"10000"', b'"90000"'))

    assert stage.refused().exit_code == ExitCode.DATA


def test_a_missing_state_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    before = stage.play(5)[-1]
    (stage.data / ".state.json").unlink()
    (stage.data / ".state.json.bak").unlink(missing_ok=True)

    after = stage.play(1)[0]

    assert after["portfolio"]["positions"] == before["portfolio"]["positions"] != []
    assert "rebuilt from" in stage.log()


def test_a_state_of_another_mode_is_refused_with_the_way_out(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    before = _contents(stage.data)

    error = stage.refused(mode=Mode.DRY_RUN)

    assert error.exit_code == ExitCode.REFUSED
    assert "mode PAPER" in str(error)
    assert "mode DRY_RUN" in str(error)
    assert "--data-dir" in str(error)
    assert _contents(stage.data) == before


def test_damage_in_the_middle_of_the_journal_halts(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(3)
    journal = stage.data / "journal.jsonl"
    (stage.data / ".state.json").unlink()
    (stage.data / ".state.json.bak").unlink(missing_ok=True)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], *lines[3:]]))

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "journal.jsonl" in str(error)


def test_a_torn_audit_line_is_kept_and_named_by_the_next_file(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    torn = stage.audit_file.read_bytes() + b'{"alerts":[],"bre'
    stage.audit_file.write_bytes(torn)

    stage.loop(1).run()

    kept = stage.audit_file.with_name("247trader-v2_audit.000001.jsonl")
    assert kept.read_bytes() == torn
    first = json.loads(stage.audit_file.read_text().splitlines()[0])
    assert first["segment"]["segment"] == kept.name
    assert first["segment"]["torn_bytes"] == 17
    assert len(stage.lines()) == 1


def test_an_audit_line_that_was_whole_when_the_run_ended_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    flipped = bytearray(stage.audit_file.read_bytes())
    flipped[-1000] ^= 1
    stage.audit_file.write_bytes(flipped)
    before = _contents(stage.data), _contents(stage.audit_file.parent)

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "is damaged: it was whole" in str(error)
    assert _contents(stage.data) == before[0]
    assert {name: data for name, data in _contents(stage.audit_file.parent).items() if "live_" not in name} == {
        name: data for name, data in before[1].items() if "live_" not in name
    }


def test_a_start_that_a_damaged_audit_refuses_leaves_what_a_crash_left_of_the_other_records_as_it_is(
    tmp_path: Path,
) -> None:
    """Neither the torn journal is ended nor what an interrupted write left behind removed."""
    stage = set_stage(tmp_path)
    stage.play(3)
    journal = stage.data / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"kind":"TI')
    (stage.data / ".state.json.tmp").write_bytes(b"half a snapsh")
    stage.audit_file.write_bytes(stage.audit_file.read_bytes().replace(b'"missed_slots":0', b'"missed_slots":7', 1))
    before = _contents(stage.data), stage.audit_file.read_bytes()

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "Nothing was changed" in str(error)
    assert (_contents(stage.data), stage.audit_file.read_bytes()) == before


def test_an_emptied_audit_file_begins_a_new_chain_and_says_so(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    stage.audit_file.write_bytes(b"")

    lines = stage.play(2)

    assert lines[0]["segment"] == {"begun_afresh": "the audit file was emptied by hand"}
    assert lines[0]["prev"] == "0" * 64
    assert lines[1]["segment"] is None


def test_a_cycle_that_a_crash_cut_off_is_closed_by_one_line(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    whole = stage.audit_file.read_bytes().splitlines(keepends=True)
    journal = stage.data / "journal.jsonl"
    records = journal.read_bytes().splitlines(keepends=True)
    last_tick = max(i for i, record in enumerate(records) if b'"kind":"TICK"' in record)
    journal.write_bytes(b"".join(records[: last_tick + 1]))  # killed inside the second cycle ...
    stage.audit_file.write_bytes(whole[0])  # ... before its line
    for name in (".state.json", ".state.json.bak"):
        (stage.data / name).unlink(missing_ok=True)

    lines = stage.play(1)

    assert reasons(lines) == ["interrupted", "no_candidates_from_triggers"]
    assert lines[0]["status"] == "ERROR"
    assert lines[0]["config_hash"]
    assert [line["slot"] for line in stage.lines()] == sorted({line["slot"] for line in stage.lines()})


def test_a_cycle_whose_line_was_written_before_the_crash_gets_no_second_one(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    journal = stage.data / "journal.jsonl"
    records = journal.read_bytes().splitlines(keepends=True)
    assert b'"kind":"STOP"' in records[-1]
    journal.write_bytes(b"".join(records[:-1]))  # killed right behind the second line
    for name in (".state.json", ".state.json.bak"):
        (stage.data / name).unlink(missing_ok=True)

    stage.play(1)

    assert [line["no_trade_reason"] for line in stage.lines()] == ["no_candidates_from_triggers"] * 3
    assert [line["slot"] for line in stage.lines()] == sorted({line["slot"] for line in stage.lines()})


@pytest.mark.parametrize("victim", ["journal.jsonl", "247trader-v2_audit.jsonl"])
def test_a_disk_error_while_appending_ends_the_run_with_its_own_code_and_loses_nothing(
    tmp_path: Path, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.play(5)
    failing = _DiskThatFills(stage, victim)
    monkeypatch.setattr("runner.records.durable_files.write_whole", failing.write)
    stage.clock.at(5.5, failing.fill_up)

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.IO
    monkeypatch.undo()
    stage.loop(1).run()
    line = stage.lines()[-1]
    assert [position["product"] for position in line["portfolio"]["positions"]] == ["ETH-USD"]


@pytest.mark.parametrize("victim", ["journal.jsonl", "247trader-v2_audit.jsonl"])
def test_a_record_file_removed_while_running_ends_the_run_in_the_next_cycle(tmp_path: Path, victim: str) -> None:
    stage = set_stage(tmp_path)
    folder = stage.data if victim.startswith("journal") else stage.audit_file.parent
    stage.clock.at(1.5, (folder / victim).unlink)
    stage.buy_one(ETH)

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.IO
    assert victim in str(error)
    assert len(stage.lines()) in (0, 2)


class _DiskThatFills:
    """`write_whole` that writes half of a record and says ENOSPC, for one file, from some moment on."""

    def __init__(self, stage: Stage, victim: str) -> None:
        folder = stage.data if victim.startswith("journal") else stage.audit_file.parent
        self._victim = folder / victim
        self._is_full = False

    def fill_up(self) -> None:
        self._is_full = True

    def write(self, descriptor: int, data: bytes) -> None:
        if self._is_full and os.path.samestat(os.fstat(descriptor), self._victim.stat()):
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        os.write(descriptor, data)


def test_an_unusable_configuration_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"policy.risk.max_open_positions": 0})

    with pytest.raises(TraderError, match="max_open_positions") as caught:
        stage.loop(1)

    assert caught.value.exit_code == ExitCode.CONFIG
    assert not stage.data.exists()
