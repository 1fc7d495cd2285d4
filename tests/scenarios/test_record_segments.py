"""Journal and audit in several files: each ends at its size, names the one before, and nothing is lost on the way."""

import hashlib
import json
from pathlib import Path

import pytest

from core.errors import ExitCode
from runner.records.reader import ChainReader
from tests.independent_checker import check
from tests.recovered import read_journal
from tests.scenarios.stage import ETH, Line, Stage, set_stage

LIMIT = 65536
SMALL = {"app.records.journal_max_bytes": LIMIT, "app.records.audit_max_bytes": LIMIT}
CYCLES = 300
CYCLE_BYTES_MAX = 8192


def files(path: Path) -> list[Path]:
    return [*sorted(path.parent.glob(f"{path.stem}.0*.jsonl")), path]


def lines_of(path: Path) -> list[Line]:
    return [json.loads(line) for file in files(path) for line in file.read_bytes().splitlines()]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = set_stage(tmp_path, SMALL)
    stage.buy_one(ETH)
    return stage


@pytest.mark.parametrize("name", ["journal", "audit"])
def test_a_file_that_is_full_ends_and_the_next_one_names_it(stage: Stage, name: str) -> None:
    stage.loop(CYCLES).run()

    path = stage.data / "journal.jsonl" if name == "journal" else stage.audit_file
    *ended, _ = files(path)
    assert len(ended) >= 2
    for file, follower in zip(ended, files(path)[1:], strict=True):
        data = file.read_bytes()
        last_line = data.splitlines(keepends=True)[-1]
        assert LIMIT <= len(data) < LIMIT + CYCLE_BYTES_MAX
        last = json.loads(last_line)
        first = json.loads(follower.read_bytes().splitlines()[0])
        assert first["segment"] == {
            "segment": file.name,
            "valid_bytes": len(data),
            "last_seq": last["seq"],
            "last_hash": last["hash"],
            "torn_bytes": 0,
            "torn_sha256": hashlib.sha256().hexdigest(),
        }
        assert first["prev"] == last["hash"]
    assert [record["seq"] for record in lines_of(path)] == list(range(1, len(lines_of(path)) + 1))


def test_an_audit_file_that_ends_is_anchored_to_its_last_line(stage: Stage) -> None:
    stage.loop(CYCLES).run()

    kept = (stage.audit_file.with_name("247trader-v2_anchors.jsonl")).read_text("ascii").splitlines()
    anchored = [json.loads(line)["size"] for line in kept]
    *ended, _ = files(stage.audit_file)
    last_seqs = [json.loads(file.read_bytes().splitlines()[-1])["seq"] for file in ended]
    assert last_seqs
    assert set(last_seqs) <= set(anchored)


def test_every_cycle_has_one_line_and_the_position_goes_on_over_files_and_starts(stage: Stage) -> None:
    for _ in range(3):
        stage.loop(CYCLES // 3).run()

    lines = lines_of(stage.audit_file)
    assert len(lines) == CYCLES
    slots = [record.body["slot"] for record in read_journal(stage.data) if record.body["kind"] == "TICK"]
    assert [line["slot"] for line in lines] == slots
    assert check(stage.audit_file, stage.config).violations == []


@pytest.mark.parametrize("with_snapshot", [True, False], ids=["snapshot", "from the start"])
def test_killed_between_two_files_the_next_start_begins_the_second_one(stage: Stage, with_snapshot: bool) -> None:
    stage.loop(5).run()
    for path in (stage.data / "journal.jsonl", stage.audit_file):
        path.rename(path.with_name(f"{path.stem}.000001.jsonl"))  # and then it was killed
    if not with_snapshot:
        (stage.data / ".state.json").unlink()

    stage.loop(5).run()

    first = json.loads((stage.data / "journal.jsonl").read_bytes().splitlines()[0])
    assert (first["kind"], first["segment"]["torn_bytes"]) == ("SEGMENT", 0)
    assert stage.lines()[0]["segment"]["segment"] == "247trader-v2_audit.000001.jsonl"
    assert len(lines_of(stage.audit_file)) == 10
    assert len(list(ChainReader(stage.data / "journal.jsonl"))) == len(lines_of(stage.data / "journal.jsonl"))
    assert check(stage.audit_file, stage.config).violations == []


def test_a_file_of_the_next_number_is_never_overwritten(stage: Stage) -> None:
    stage.loop(5).run()
    strange = stage.data / "journal.000001.jsonl"
    stage.clock.at(30, strange.touch)

    error = stage.refused(cycles=CYCLES)

    assert error.exit_code == ExitCode.IO
    assert "journal.000001.jsonl exists" in str(error)
    assert strange.read_bytes() == b""


def test_a_file_of_the_journal_that_is_gone_halts_also_when_a_snapshot_spares_reading_it(stage: Stage) -> None:
    stage.loop(CYCLES).run()
    (stage.data / "journal.000001.jsonl").unlink()

    error = stage.refused()

    assert error.exit_code == ExitCode.DATA
    assert "journal.000001.jsonl" in str(error)
