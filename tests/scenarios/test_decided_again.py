"""Runs that had trouble, decided again (L12): cut off, rotated, started on damage, with lines taken away by hand."""

import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from runner.adapters.tape_files import TapeFiles as RealTapeFiles
from tests.fakes.failing_os import FailingOs
from tests.scenarios.stage import ETH, Stage, set_stage, with_faults
from tools.replaying.identity import Replay
from tools.replaying.verdict import Verdict

SMALL = {"app.records.journal_max_bytes": 65536, "app.records.audit_max_bytes": 65536}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A position is opened in cycle 2."""
    stage = set_stage(tmp_path, {"app.state.snapshot_every_cycles": 2})
    stage.buy_one(ETH)
    return stage


def decided_again(stage: Stage) -> Verdict:
    return Replay(stage.data, stage.folder / "logs", lambda: None).all()


def is_killed(*_given: object, **_named: object) -> None:
    raise KeyboardInterrupt


def killed(stage: Stage, where: str, cycles: int = 1) -> None:
    """Let the process die at a call of a function of the program."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, is_killed)
        with pytest.raises(KeyboardInterrupt):
            stage.loop(cycles).run()


def tapes(stage: Stage) -> list[Path]:
    return sorted((stage.data / "tape").iterdir())


def identical(verdict: Verdict) -> tuple[bool, int]:
    return verdict.is_good, verdict.identical


# --- files that end ---------------------------------------------------------------------------------------------------


def test_a_run_whose_journal_and_audit_go_on_in_new_files(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, SMALL)
    stage.buy_one(ETH)
    for _ in range(2):
        stage.loop(120).run()
    assert len(list(stage.data.glob("journal.0*"))) >= 1
    assert len(list((stage.folder / "logs").glob("247trader-v2_audit.0*"))) >= 2

    assert identical(decided_again(stage)) == (True, 240)


def test_a_tape_that_goes_on_in_new_files(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RealTapeFiles, "is_full", lambda _files, _at: True)
    stage.play(6)
    assert len(tapes(stage)) == 7

    assert identical(decided_again(stage)) == (True, 6)
    one = Replay(stage.data, stage.folder / "logs", lambda: None).one(5)
    assert identical(one) == (True, 1)


# --- starts on damage -------------------------------------------------------------------------------------------------


def test_a_start_that_took_the_older_snapshot(stage: Stage) -> None:
    stage.play(5)
    (stage.data / ".state.json").write_bytes(b"{")
    assert stage.play(2)[0]["alerts"] == ["older_snapshot_used"]

    assert identical(decided_again(stage)) == (True, 7)


def test_a_start_that_found_an_emergency_record(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FailingOs()
    monkeypatch.setattr("runner.records.durable_files.os", disk)
    stage.is_durable = True
    with_faults(stage)
    stage.clock.at(2.05, lambda: disk.fail("write", None, errno.ENOSPC))
    stage.refused(cycles=5)
    disk.heal()
    assert stage.play(3)[1]["alerts"] == ["emergency_record"]

    verdict = decided_again(stage)

    assert (verdict.is_good, verdict.identical, verdict.cut_off) == (True, 5, 1)


@pytest.mark.parametrize("name", ["journal", "audit"])
def test_a_start_on_a_torn_file(stage: Stage, name: str) -> None:
    stage.play(4)
    path = stage.data / "journal.jsonl" if name == "journal" else stage.audit_file
    with path.open("ab") as file:
        file.write(b'{"at":"2026-01-05T10:0')
    stage.loop(3).run()

    assert identical(decided_again(stage)) == (True, 7)


# --- cycles that were cut off -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("runner.main_loop.must_own_lock", id="before the cycle"),
        pytest.param("runner.orders.sending.Sender._submit", id="before an order leaves"),
        pytest.param("runner.tape.recorder.Recorder.end_cycle", id="before the record of the tape"),
        pytest.param("runner.stages.closing.audit_line", id="between the tape and the line"),
        pytest.param("runner.stages.closing._log_cycle", id="after the line"),
        pytest.param("runner.main_loop.TradingLoop._goes_on", id="while it waits for its slot"),
        pytest.param("runner.wiring.finish_run", id="at the stop"),
    ],
)
def test_a_cycle_that_was_cut_off_is_named_and_all_others_come_out_the_same(stage: Stage, where: str) -> None:
    stage.play(1)
    killed(stage, where, cycles=3)
    stage.play(3)

    verdict = decided_again(stage)

    cut_off = [line for line in stage.lines() if line["no_trade_reason"] == "interrupted"]
    assert verdict.is_good, verdict
    assert verdict.cut_off == len(cut_off)
    assert verdict.identical == len(stage.lines()) - len(cut_off)


# --- a tape that is torn or gone --------------------------------------------------------------------------------------


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9, 0.999])
def test_a_torn_tape_costs_the_cycles_that_it_lost_and_these_are_named(stage: Stage, share: float) -> None:
    stage.play(6)
    stage.play(3)
    cut(tapes(stage)[0], share)

    verdict = decided_again(stage)

    assert verdict.differing == []
    assert verdict.identical >= 3
    assert verdict.identical + len(verdict.lost) + verdict.before_tape == 9
    assert not verdict.is_good or verdict.identical == 9


def test_a_tape_torn_before_a_cycle_that_a_crash_cut_off(stage: Stage) -> None:
    """The line that closes it tells what is new since the line before, not what only the lost facts would repeat."""
    stage.play(1)
    killed(stage, "runner.stages.closing.audit_line", cycles=3)
    stage.play(2)
    cut(tapes(stage)[1], 0.3)

    verdict = decided_again(stage)

    assert verdict.differing == []
    assert verdict.cut_off == 1


def test_a_file_of_the_tape_that_was_removed_is_told_by_the_lines_it_had(stage: Stage) -> None:
    for _ in range(3):
        stage.play(3)
    tapes(stage)[1].unlink()

    verdict = decided_again(stage)

    assert (verdict.identical, [seq for seq, _, _ in verdict.lost]) == (6, [4, 5, 6])
    assert not verdict.is_good


def test_old_files_that_were_dropped_are_no_finding(stage: Stage) -> None:
    for _ in range(3):
        stage.play(3)
    tapes(stage)[0].unlink()

    verdict = decided_again(stage)

    assert (verdict.is_good, verdict.identical, verdict.before_tape) == (True, 6, 3)


def test_a_file_that_is_no_tape_is_named(stage: Stage) -> None:
    stage.play(3)
    tapes(stage)[0].write_bytes(b"no tape at all" * 20)

    verdict = decided_again(stage)

    assert not verdict.is_good
    assert verdict.problems[0].startswith(tapes(stage)[0].name)


# --- lines taken away by hand -----------------------------------------------------------------------------------------


def emptied(stage: Stage) -> None:
    stage.audit_file.write_bytes(b"")


def moved_away(stage: Stage) -> None:
    stage.audit_file.rename(stage.folder / "archive.jsonl")


@pytest.mark.parametrize("by_hand", [emptied, moved_away])
def test_after_the_lines_were_taken_away_the_later_ones_come_out_the_same(
    stage: Stage, by_hand: Callable[[Stage], None]
) -> None:
    stage.play(4)
    by_hand(stage)
    stage.play(3)

    verdict = decided_again(stage)

    assert (verdict.is_good, verdict.identical, verdict.without_line) == (True, 3, 4)


@pytest.mark.parametrize("by_hand", [emptied, moved_away])
def test_the_lines_taken_away_after_a_crash(stage: Stage, by_hand: Callable[[Stage], None]) -> None:
    stage.play(1)
    killed(stage, "runner.stages.closing.audit_line", cycles=3)
    by_hand(stage)
    stage.play(3)

    verdict = decided_again(stage)

    assert (verdict.is_good, verdict.identical, verdict.cut_off) == (True, 3, 1)


# --- its settings -----------------------------------------------------------------------------------------------------

KILOBYTE = 1_000


def older_tape(stage: Stage, number: int, day: str, size: int = 1) -> str:
    folder = stage.data / "tape"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{number:06d}-{day}.tape"
    (folder / name).write_bytes(b"x" * size)
    (folder / name).chmod(0o600)
    return name


def test_files_older_than_so_many_days_are_dropped_at_the_next_one(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"app.tape.keep_days": 3})
    dropped = older_tape(stage, 1, "20260101")
    kept = older_tape(stage, 2, "20260102")  # it is the 5th

    stage.play(1)

    assert [path.name for path in tapes(stage)] == [kept, "000003-20260105.tape"]
    assert f"tape: {dropped} was dropped (older than 3 days)" in stage.log()


def test_the_oldest_files_are_dropped_above_so_many_megabytes_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.adapters.tape_files._MEGABYTE", KILOBYTE)
    stage = set_stage(tmp_path, {"app.tape.keep_mb": 10})
    dropped = older_tape(stage, 1, "20260105", 1)
    kept = [older_tape(stage, number, "20260105", 5 * KILOBYTE) for number in (2, 3)]

    stage.play(1)

    assert [path.name for path in tapes(stage)] == [*kept, "000004-20260105.tape"]
    assert f"tape: {dropped} was dropped (more than 10 MB)" in stage.log()


@pytest.mark.parametrize(("limit", "files"), [(1, 4), (1000, 1)])
def test_a_file_ends_at_so_many_megabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, files: int
) -> None:
    monkeypatch.setattr("runner.adapters.tape_files._MEGABYTE", KILOBYTE)
    stage = set_stage(tmp_path, {"app.tape.file_max_mb": limit})

    stage.play(3)

    assert len(tapes(stage)) == files


def test_the_next_file_begins_with_each_day(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.wait_until(stage.clock.now() + timedelta(hours=13, minutes=58), lambda: True)

    stage.play(4)

    assert [path.name for path in tapes(stage)] == ["000001-20260105.tape", "000002-20260106.tape"]
    assert identical(decided_again(stage)) == (True, 4)


@pytest.mark.parametrize("pause", [pytest.param(1, id="each at its time"), pytest.param(0, id="of the same name")])
def test_starts_that_died_in_their_first_record_one_after_the_other(stage: Stage, pause: int) -> None:
    """Each leaves a torn record, so the next one begins a file: between their tapes lie only records that begin one."""
    stage.play(3)
    for _ in range(3):
        killed(stage, "runner.wiring.begin_run")
        stage.clock.jump(timedelta(seconds=pause))
        with (stage.data / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"account":"paper')
    stage.play(3)
    assert len(list(stage.data.glob("journal.0*"))) == 3

    assert identical(decided_again(stage)) == (True, 6)
