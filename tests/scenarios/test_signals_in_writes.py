"""A signal, a second one, or a Ctrl+C without our handlers, during a run's file operations: nothing is lost (D16)."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from runner.main_loop import main
from runner.records.reader import ChainReader
from runner.wiring import Configuration, load_configuration
from tests.fakes.failing_os import FailingOs
from tests.independent_checker import check
from tests.scenarios.stage import ETH, Line, Stage, set_stage

CYCLES = 4


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingOs:
    failing = FailingOs()
    monkeypatch.setattr("runner.records.durable_files.os", failing)
    return failing


@pytest.fixture
def handlers() -> Iterator[Callable[[Callable[[str], None]], None]]:
    """Install what main() installs, and take it away afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def install(stop: Callable[[str], None]) -> None:
        def ask(number: int, _frame: FrameType | None) -> None:
            stop(signal.Signals(number).name)

        signal.signal(signal.SIGTERM, ask)

    yield install
    for number, handler in before.items():
        signal.signal(number, handler)


def make_stage(folder: Path) -> Stage:
    stage = set_stage(folder, {"app.state.snapshot_every_cycles": 2})
    stage.is_durable = True
    stage.buy_one(ETH)
    return stage


def calls_of_a_run(folder: Path, disk: FailingOs) -> int:
    make_stage(folder).play(CYCLES)
    return len(disk.calls)


def is_whole(stage: Stage) -> None:
    """Both chains are whole, every started cycle has its line, and the checker finds nothing."""
    journal = [record.body for record in ChainReader(stage.data / "journal.jsonl")]
    lines: list[Line] = [record.body for record in ChainReader(stage.audit_file)]
    assert [line["slot"] for line in lines] == [body["slot"] for body in journal if body["kind"] == "TICK"]
    intents = [body["order"]["client_order_id"] for body in journal if body["kind"] == "INTENT"]
    assert len(set(intents)) == len(intents)
    assert not list(stage.data.glob("*.tmp")) + list(stage.data.glob("*.new"))
    assert not lines or check(stage.audit_file, stage.config).violations == []


def test_a_signal_and_a_second_one_at_many_a_file_operation_end_the_run_in_order(
    tmp_path: Path, disk: FailingOs, handlers: Callable[[Callable[[str], None]], None]
) -> None:
    total = calls_of_a_run(tmp_path / "whole", disk)
    print(f"{total} file operations")
    for n in range(1, total + 1, 23):
        stage = make_stage(tmp_path / str(n))
        loop = stage.loop(CYCLES)
        handlers(loop.stop)
        disk.calls.clear()
        disk.before = disk.after = lambda number, n=n: _signal_at(number, n)  # type: ignore[misc]

        loop.run()

        disk.before = disk.after = _nothing
        records = stage.journal()
        assert records[-1]["kind"] == "STOP"
        assert records[-1]["reason"] in ("SIGTERM", "done")
        is_whole(stage)
    assert total > 60


def test_an_interrupt_raised_at_many_a_file_operation_leaves_what_the_next_start_understands(
    tmp_path: Path, disk: FailingOs
) -> None:
    total = calls_of_a_run(tmp_path / "whole", disk)
    for n in range(1, total + 1, 23):
        stage = make_stage(tmp_path / str(n))
        disk.calls.clear()
        moment = "after" if n % 2 else "before"
        setattr(disk, moment, lambda number, n=n: _interrupt_at(number, n))

        with pytest.raises(KeyboardInterrupt):
            stage.loop(CYCLES).run()

        disk.before = disk.after = _nothing
        stage.play(2)
        is_whole(stage)


def _signal_at(number: int, n: int) -> None:
    if number == n:
        os.kill(os.getpid(), signal.SIGTERM)


def _interrupt_at(number: int, n: int) -> None:
    if number == n:
        raise KeyboardInterrupt


def _nothing(_number: int) -> None:
    return


def test_the_stop_is_the_last_record_and_is_synced(tmp_path: Path, disk: FailingOs) -> None:
    stage = make_stage(tmp_path)

    stage.play(2)

    synced = max(i for i, call in enumerate(disk.calls) if call == ("fsync", "journal.jsonl"))
    written = max(i for i, call in enumerate(disk.calls) if call == ("write", "journal.jsonl"))
    assert written < synced
    assert json.loads((stage.data / "journal.jsonl").read_bytes().splitlines()[-1])["kind"] == "STOP"
    for name in ("journal.jsonl", "247trader-v2_audit.jsonl"):  # read back at the end
        assert disk.calls.index(("pread", name)) < len(disk.calls)


def test_a_signal_while_the_configuration_is_still_read_is_an_orderly_end_without_a_cycle(
    tmp_path: Path, handlers: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(tmp_path)

    def read(config_dir: Path) -> Configuration:
        os.kill(os.getpid(), signal.SIGTERM)
        return load_configuration(config_dir)

    monkeypatch.setattr("runner.main_loop.load_configuration", read)
    folders = ["--config-dir", stage.config, "--data-dir", stage.data, "--logs-dir", stage.folder / "logs"]

    code = main([*map(str, folders), "--market", "simulated", "--speed", "max", "--loop"])

    assert code == 0
    assert [record["kind"] for record in stage.journal()] == ["RUN", "CASH", "STOP"]
    assert stage.journal()[-1]["reason"] == "SIGTERM"
