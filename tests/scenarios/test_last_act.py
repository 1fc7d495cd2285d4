"""A disk that fails: the run ends with its own code, cancels what buys before, and the next start tells of it."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BrokerUnavailable, ExitCode
from core.model.orders import ClientOrderId, OrderReport, OrderStatus, Side
from core.ports import KillCommand
from tests.fakes.failing_os import FailingOs
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import ETH, Line, Stage, set_stage, with_faults

JOURNAL, AUDIT = "journal.jsonl", "247trader-v2_audit.jsonl"
RESTING = 2.05  # minutes: three seconds into the rest of the entry that is sent at 2.0
GUARDED = 4.5


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingOs:
    failing = FailingOs()
    monkeypatch.setattr("runner.records.durable_files.os", failing)
    return failing


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = set_stage(tmp_path)
    stage.is_durable = True
    stage.buy_one(ETH)
    return stage


@pytest.fixture
def made(stage: Stage) -> list[FaultyBroker]:
    return with_faults(stage)


def notes(stage: Stage) -> list[Line]:
    return [record for record in stage.journal() if record["kind"] == "NOTE"]


def emergency(stage: Stage) -> list[Line]:
    data = (stage.data / "emergency.bin").read_bytes()
    assert len(data) == 65536
    return [json.loads(line) for line in data.rstrip(b"\0").splitlines()]


def test_a_full_disk_while_an_entry_rests_cancels_it_sends_nothing_and_is_told_at_the_next_start(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    stage.clock.at(RESTING, lambda: disk.fail("write", None, errno.ENOSPC))

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.IO
    (entry,) = made[0].submitted
    assert len(made[0].cancelled) == 1
    assert made[0].open_orders() == []
    end, cancels = emergency(stage)
    assert (end["kind"], end["exit_code"], end["kill"], end["cancel"]) == ("END", 74, None, [entry.client_order_id])
    assert (cancels["asked"], cancels["still_open"], cancels["problem"]) == (made[0].cancelled, [], "")
    disk.heal()
    lines = stage.play(1)
    assert lines[0]["no_trade_reason"] == "interrupted"
    assert lines[-1]["alerts"] == ["emergency_record"]
    assert [note["code"] for note in notes(stage)] == ["emergency_record"]
    assert "No space left on device" in notes(stage)[0]["text"]
    assert "still_open none" in notes(stage)[0]["text"]
    assert emergency(stage) == []
    assert lines[-1]["reconcile"].keys() == {"open_orders", "unknown_orders"}
    assert lines[-1]["metrics"]["trader_pending_orders"] == 0
    assert stage.play(1)[0]["alerts"] == []


def test_killed_before_the_emergency_record_is_in_the_journal_it_is_told_all_the_same(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    stage.clock.at(RESTING, lambda: disk.fail("write", None, errno.ENOSPC))
    stage.refused(cycles=5)
    disk.heal()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.wiring.record_findings", _is_killed)
        with pytest.raises(KeyboardInterrupt):
            stage.play(1)
    assert notes(stage) == []

    stage.play(1)

    assert len(made[0].cancelled) == 1
    assert [note["code"] for note in notes(stage)] == ["emergency_record"]
    assert emergency(stage) == []


def _is_killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("victim", [JOURNAL, AUDIT])
def test_a_failed_fsync_ends_the_run_without_a_second_try_and_begins_a_new_file(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs, victim: str
) -> None:
    calls_before: list[int] = []

    def fail() -> None:
        calls_before.append(len(disk.calls))
        disk.fail("fsync", victim)

    stage.clock.at(RESTING, fail)

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.DISK
    assert victim in str(error)
    assert "fsync failed (Input/output error)" in str(error)
    after = [name for name, file in disk.calls[calls_before[0] :] if file == victim]
    assert after.count("fsync") == 1
    assert after[-1] == "fsync"
    assert emergency(stage)[0]["unsynced_file"] == victim
    disk.heal()
    stage.play(1)
    path = stage.data / JOURNAL if victim == JOURNAL else stage.audit_file
    kept = path.with_name(f"{path.stem}.000001.jsonl")
    first = json.loads(path.read_bytes().splitlines()[0])
    assert first["segment"]["segment"] == kept.name
    assert first["segment"]["torn_bytes"] == 0
    assert first["segment"]["valid_bytes"] == kept.stat().st_size
    stage.play(1)
    assert not path.with_name(f"{path.stem}.000002.jsonl").exists()


@pytest.mark.parametrize("victim", [JOURNAL, AUDIT])
def test_a_start_reads_what_is_on_the_disk_and_not_what_the_kernel_remembers(
    stage: Stage, disk: FailingOs, victim: str
) -> None:
    stage.play(2)
    disk.calls.clear()

    stage.play(1)

    opened = [name for name, file in disk.calls if file == victim][:4]
    assert opened == ["open", "fsync", "posix_fadvise", "open"]  # synced and forgotten, and only then opened to be read


def test_a_failed_fsync_of_the_intent_sends_no_order(stage: Stage, made: list[FaultyBroker], disk: FailingOs) -> None:
    def fail_at_the_intent(descriptor: int, data: bytes) -> int:
        if b'"kind":"INTENT"' in data:
            disk.fail("fsync", JOURNAL)
        return os.write(descriptor, data)

    disk.change("write", JOURNAL, fail_at_the_intent)

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.DISK
    assert made[0].submitted == []
    disk.heal()
    made.clear()
    stage.play(3)
    assert len({order.client_order_id for order in made[0].submitted}) == len(made[0].submitted)


def test_an_order_whose_answer_could_not_be_written_down_is_found_by_its_name_and_cancelled(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    stage.clock.at(1.9, lambda: setattr(made[0], "before_submit", lambda _order: disk.fail("write", JOURNAL)))

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.IO
    assert len(made[0].submitted) == len(made[0].cancelled) == 1
    assert made[0].open_orders() == []


@pytest.mark.parametrize(
    ("text", "sides"),
    [pytest.param("", [Side.SELL], id="stop"), pytest.param("cancel-all", [], id="cancel-all")],
)
def test_a_kill_file_on_a_full_disk_is_obeyed_and_recorded(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs, text: str, sides: list[Side]
) -> None:
    def kill() -> None:
        disk.fail("write", None, errno.ENOSPC)
        stage.kill_file.write_text(text)

    stage.clock.at(GUARDED, kill)

    error = stage.refused(cycles=8)

    assert error.exit_code == ExitCode.IO
    assert [report.side for report in made[0].open_orders()] == sides
    assert emergency(stage)[0]["kill"] == (KillCommand.CANCEL_ALL if text else KillCommand.STOP).value


def test_an_exchange_that_is_silent_too_is_asked_all_the_same_and_that_is_said(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    def fail() -> None:
        disk.fail("write", None, errno.ENOSPC)
        made[0].unavailable = True

    stage.clock.at(RESTING, fail)

    error = stage.refused(cycles=5)

    assert error.exit_code == ExitCode.IO
    _, cancels = emergency(stage)
    assert (len(cancels["asked"]), cancels["still_open"]) == (1, "unknown")
    assert "the script says so" in cancels["problem"]
    assert "not known how many" in stage.log()


def test_a_list_of_open_orders_that_cannot_be_read_does_not_keep_the_entry_from_being_cancelled(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    def fail() -> None:
        disk.fail("write", None, errno.ENOSPC)
        setattr(made[0], "open_orders", _no_answer)  # noqa: B010 - a method of one object

    stage.clock.at(RESTING, fail)

    stage.refused(cycles=5)

    assert len(made[0].cancelled) == 1
    _, cancels = emergency(stage)
    assert (cancels["asked"], cancels["still_open"]) == (made[0].cancelled, "unknown")
    assert "cancelled without a look" in stage.log()


def _no_answer() -> None:
    raise BrokerUnavailable("the script says so")


def test_an_id_under_which_somebody_elses_order_is_shown_is_not_cancelled_though_that_is_open_no_longer(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    def restate(report: OrderReport) -> OrderReport:
        return replace(report, client_order_id=ClientOrderId("somebody-elses"), status=OrderStatus.FILLED)

    def fail() -> None:
        disk.fail("write", None, errno.ENOSPC)
        made[0].restated = restate
        setattr(made[0], "open_orders", list)  # noqa: B010 - a method of one object

    stage.clock.at(RESTING, fail)

    stage.refused(cycles=5)

    assert len(made[0].submitted) == 1
    assert made[0].cancelled == []
    assert emergency(stage)[1]["asked"] == []


def test_a_defect_in_the_last_act_does_not_hide_why_the_run_ended(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    def break_everything() -> None:
        disk.fail("write", None, errno.ENOSPC)
        made[0].before_cancel = _defect

    stage.clock.at(RESTING, break_everything)

    assert stage.refused(cycles=5).exit_code == ExitCode.IO


def _defect() -> None:
    raise ZeroDivisionError


def test_not_even_the_emergency_file_can_be_written_and_the_entry_is_cancelled_all_the_same(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    def fail() -> None:
        for call in ("write", "pwrite", "fsync"):
            disk.fail(call)

    stage.clock.at(RESTING, fail)

    stage.refused(cycles=5)

    assert len(made[0].cancelled) == 1
    assert "the emergency file could not be written, either" in stage.log()
    disk.heal()
    assert stage.play(1)[-1]["alerts"] == []


def test_a_start_on_a_full_disk_cancels_the_entry_that_a_killed_run_left_resting(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs
) -> None:
    stage.clock.at(RESTING, _killed)
    with pytest.raises(KeyboardInterrupt):
        stage.loop(5).run()
    disk.fail("write", JOURNAL, errno.ENOSPC)

    error = stage.refused()

    assert error.exit_code == ExitCode.IO
    assert made[0].cancelled == []
    assert len(made[-1].cancelled) == 1


def _killed() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:40] + b"?" + data[41:], id="flipped"),
        pytest.param(lambda data: b"garbage" + data[7:], id="garbage"),
    ],
)
def test_what_is_unreadable_in_the_emergency_file_is_told_as_well(
    stage: Stage, made: list[FaultyBroker], disk: FailingOs, damage: Callable[[bytes], bytes]
) -> None:
    stage.clock.at(RESTING, lambda: disk.fail("write", None, errno.ENOSPC))
    stage.refused(cycles=5)
    disk.heal()
    path = stage.data / "emergency.bin"
    path.write_bytes(damage(path.read_bytes()))

    stage.play(1)

    assert "are no record" in notes(stage)[0]["text"]
    assert emergency(stage) == []


@pytest.mark.parametrize("victim", [JOURNAL, AUDIT])
@pytest.mark.parametrize("lie", ["dropped", "changed"])
def test_a_disk_that_lies_is_found_out_at_the_next_snapshot_and_not_written_to_again(
    tmp_path: Path, disk: FailingOs, victim: str, lie: str
) -> None:
    stage = set_stage(tmp_path, {"app.state.snapshot_every_cycles": 3})
    stage.is_durable = True

    def lose(descriptor: int, data: bytes) -> int:
        os.write(descriptor, b"\0" * len(data) if lie == "dropped" else data.replace(b'"slot"', b'"slut"'))
        return len(data)

    stage.clock.at(0.5, lambda: disk.change("write", victim, lose))

    error = stage.refused(cycles=9)

    assert error.exit_code == ExitCode.DISK
    assert "does not hold what was written" in str(error)
    disk.heal()
    if (victim, lie) == (AUDIT, "dropped"):  # looks like a torn tail: what it would have told is in the journal
        stage.loop(1).run()
        assert stage.lines()[0]["segment"]["torn_bytes"] > 0
    else:  # damage in the middle, or the audit knows more: nobody can say what was there
        assert stage.refused().exit_code == ExitCode.DATA
