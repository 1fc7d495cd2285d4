"""The tape, seen from outside: what a cycle was told is there before its order leaves, and before its line."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import ExitCode
from core.model.orders import Order, OrderId
from core.ports import Position
from runner.adapters.record_file import RecordFile
from runner.adapters.tape_files import TapeFileReader, TapeFrame, tape_names
from runner.tape.recorder import DIGEST_DIGITS, Frame
from tests.fakes.failing_os import FailingOs
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import ETH, Stage, set_stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    return stage


def frames(stage: Stage) -> list[TapeFrame]:
    """Return what is in the newest file, as another process would read it now."""
    folder = stage.data / "tape"
    return list(TapeFileReader(folder / tape_names(folder)[-1]))


def test_the_decision_is_on_the_tape_before_its_order_leaves(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []
    submit = FaultyBroker.submit

    def look_and_submit(broker: FaultyBroker, order: Order) -> OrderId:
        last = frames(stage)[-1]
        parts.append((last.text or "") if last.kind == Frame.PART else "")
        return submit(broker, order)

    monkeypatch.setattr(FaultyBroker, "submit", look_and_submit)
    stage.broker = FaultyBroker

    stage.play(3)

    assert len(parts) == len(ids(stage)) > 1
    assert "\nsrisk\nq" in parts[0]  # the quotes that the entry was sized by
    for before, part in zip(ids(stage), parts[1:], strict=False):
        assert f"\no{before}\t" in f"\n{part}"  # the answer to the order before


def ids(stage: Stage) -> list[str]:
    return [record["order"]["client_order_id"] for record in stage.journal() if record["kind"] == "INTENT"]


def test_a_line_names_the_record_that_was_written_before_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    on_the_tape: list[str] = []
    append = RecordFile.append

    def look_and_append(log: RecordFile, body: Mapping[str, object], *, durable: bool) -> Position:
        if "facts_digest" in body:
            on_the_tape.append(digest_of_the_last_cycle(frames(stage)))
        return append(log, body, durable=durable)

    monkeypatch.setattr(RecordFile, "append", look_and_append)

    lines = stage.play(4)

    assert len(set(on_the_tape)) == 4
    assert [line["facts_digest"] for line in lines] == on_the_tape


def digest_of_the_last_cycle(found: list[TapeFrame]) -> str:
    """Compute it anew: of all parts of the record, and of the header before the first one, but for the run's end."""
    assert found[-1].kind == Frame.CYCLE
    ends = [number for number, frame in enumerate(found) if frame.kind == Frame.CYCLE]
    parts = found[ends[-2] + 1 :] if len(ends) > 1 else found
    texts = [_without_the_end(frame) if frame.kind == Frame.HEADER else frame.text or "" for frame in parts]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:DIGEST_DIGITS]


def test_a_tape_that_cannot_be_ended_does_not_hide_why_the_run_may_not_go_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingOs()
    monkeypatch.setattr("runner.records.durable_files.os", disk)
    stage.is_durable = True

    def lose_lock_and_disk() -> None:
        (stage.data / "247trader-v2.lock").unlink()
        for call in ("write", "fsync"):
            disk.fail(call)

    stage.clock.at(1.2, lose_lock_and_disk)

    assert stage.refused(cycles=5).exit_code == ExitCode.ALREADY_RUNNING
    assert "the tape of this run has no end" in stage.log()


def _without_the_end(header: TapeFrame) -> str:
    body = json.loads(header.text or "")
    del body["cycles"], body["ends_at"]
    return json.dumps(body)


def test_only_files_that_are_older_than_the_settings_say_are_dropped(stage: Stage) -> None:
    stage.play(1)
    folder = stage.data / "tape"
    (newest,) = tape_names(folder)
    days = {"old": 400, "young": 1}
    names = [
        f"{number:06d}-{stage.clock.now() - timedelta(days=age):%Y%m%d}.tape"
        for number, age in enumerate(days.values(), 1)
    ]
    kept = f"000003-{newest[7:]}"
    (folder / newest).rename(folder / kept)
    for name in names:
        shutil.copy(folder / kept, folder / name)

    stage.play(1)

    assert tape_names(folder) == [names[1], kept, f"000004-{newest[7:]}"]
