"""
Recorded cycles decided again, seen from outside: what is on the disk goes in, an exit code and words come out.

The runs are played once; each test works on a copy of their files.
"""

import logging
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.settings import TapeSection
from runner import wiring
from runner.adapters.simulated_coinbase.routes import Endpoint, route
from runner.adapters.tape_files import FIRST_LINE, TapeFileReader, TapeFiles
from runner.wire import HttpRequest
from tests.config_files import ROOT, shipped_documents, write_config
from tests.loopback.live_desk import open_live_desk
from tests.loopback.runs import Plan
from tests.loopback.runs import run as play_live
from tests.loopback.storms import STEADY, STORMS
from tests.loopback.wires import PowerCut
from tests.profiles import BUSY
from tests.program_runs import SIMULATED_DAY, Run, run_program
from tools.replaying.identity import Replay
from tools.replaying.reading import RecordedJournal
from tools.replaying.verdict import Verdict

CYCLES = 180
AT = datetime(2026, 1, 5, tzinfo=UTC)
LIMITS = TapeSection(file_max_mb=32, keep_days=40_000, keep_mb=1000)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in virtual time that was stopped and went on: two runs, trades in both."""
    folder = tmp_path_factory.mktemp("rehearsal")
    config = write_config(folder / "config", shipped_documents({**BUSY, "app.simulation.products": 12}))
    run_program(folder, [*SIMULATED_DAY, "--cycles", str(CYCLES // 2)], config_dir=config)
    return run_program(folder, [*SIMULATED_DAY, "--cycles", str(CYCLES - CYCLES // 2)], config_dir=config)


@pytest.fixture
def copied(rehearsal: Run, tmp_path: Path) -> Path:
    return shutil.copytree(rehearsal.folder, tmp_path / "copy")


def replay(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.replay", *flags]
    folders = ["--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs")]
    return subprocess.run([*command, *folders], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def decided_again(folder: Path) -> Verdict:
    return Replay(folder / "data", folder / "logs", lambda: None).all()


def test_every_cycle_of_a_rehearsal_comes_out_the_same(rehearsal: Run) -> None:
    assert sum(len(line["execution"]["fills"]) for line in rehearsal.lines()) > 5

    done = replay(rehearsal.folder, "--all")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"{CYCLES} of {CYCLES} cycles identical" in done.stdout


def test_nothing_is_written_by_it(copied: Path) -> None:
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}

    assert decided_again(copied).is_good
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(
            Plan(seed=8, cycles=50, over_sockets=True, storms=STORMS, steady=STEADY, calm_minutes=1.0), id="storms"
        ),
        pytest.param(
            Plan(seed=10, cycles=60, storms=STORMS, steady=STEADY, calm_minutes=2.0, cuts_every=8.0, stops_every=15.0),
            id="power cuts and stops",
        ),
        pytest.param(
            Plan(seed=9, cycles=60, storms=STORMS, steady=STEADY, calm_minutes=9.0, kills_every=5.0), id="kill files"
        ),
    ],
)
def test_a_live_account_with_faults_is_decided_again(plan: Plan, tmp_path: Path) -> None:
    outcome = play_live(plan, tmp_path)
    assert sum(outcome.faults.values()) > 20

    verdict = decided_again(tmp_path)

    assert verdict.is_good, verdict
    assert verdict.identical + verdict.cut_off == outcome.cycles
    assert verdict.cut_off == outcome.reasons["interrupted"]


def test_cycles_that_are_cut_off_one_after_the_other_are_told_each_by_its_own_line(tmp_path: Path) -> None:
    """Only the first of them has sent an order: no line after its own tells of it again."""

    def cut_at_an_order(request: HttpRequest) -> None:
        if route(request.method, request.target).endpoint is Endpoint.CREATE:
            raise PowerCut

    with open_live_desk(tmp_path, seed=7, over_sockets=False) as desk:
        desk.wire.arrived = cut_at_an_order
        with pytest.raises(PowerCut):
            desk.play(30)
        desk.wire.arrived = lambda _request: None
        desk.wire.cut_power(after_requests=5, after_the_answer=True)
        with pytest.raises(PowerCut):
            desk.play(1)
        desk.play(1)

    verdict = decided_again(tmp_path)

    assert verdict.is_good, verdict
    assert verdict.cut_off == 2


def test_a_run_that_ended_before_its_first_record_was_on_the_disk_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tape has begun: the process was killed right then, or the disk was full."""

    def end(*_given: object, **_named: object) -> None:
        raise PowerCut

    with open_live_desk(tmp_path, seed=7, over_sockets=False) as desk:
        desk.play(1)
        with monkeypatch.context() as patch:
            patch.setattr(wiring, "begin_run", end)
            with pytest.raises(PowerCut):
                desk.play(1)
        desk.clock.wait_until(desk.clock.now() + timedelta(seconds=90), lambda: True)
        desk.play(1)

    verdict = decided_again(tmp_path)

    assert verdict.is_good, verdict
    assert verdict.identical == 2


def test_a_tape_that_was_cut_off_before_its_header_was_whole_tells_of_no_cycle(tmp_path: Path) -> None:
    """As a full disk leaves it; one that was changed is told about."""
    with open_live_desk(tmp_path, seed=7, over_sockets=False) as desk:
        desk.play(1)
    whole = next((tmp_path / "data" / "tape").iterdir())
    begun = whole.with_name(f"000002-{whole.name[7:]}")
    first, content = len(FIRST_LINE), whole.read_bytes()

    for size in (0, 1, first - 1, first, first + 1, first + 100):
        begun.write_bytes(content[:size])
        assert decided_again(tmp_path).is_good, size
    begun.write_bytes(b"x" + content[1:])
    assert not decided_again(tmp_path).is_good


def test_what_a_passed_line_has_told_is_not_told_again_when_the_journal_is_read_so_far(copied: Path) -> None:
    """A power cut took the tape's end: the lines of its cycles are passed before their records are read."""
    journal = RecordedJournal(copied / "data")

    journal.told_up_to(40)
    journal.fold_to(50)

    assert len(journal.untold()) == 10


def test_a_start_that_died_between_its_tape_and_its_first_record_is_passed_over(copied: Path) -> None:
    folder = copied / "data" / "tape"
    first, second = sorted(folder.iterdir())
    header = next(iter(TapeFileReader(second))).text or ""
    second.rename(folder / "000003-20260105.tape")
    second.write_bytes(b"")
    second.chmod(0o600)
    files = TapeFiles(folder, LIMITS, logging.getLogger("test"), synced=False)
    files.begin(header.replace('"run_id":"', '"run_id":"of-another-'), AT)
    files.close()
    (folder / "000004-20260105.tape").rename(second)
    (folder / "000004-20260105.tape").write_bytes(b"")
    (folder / "000004-20260105.tape").chmod(0o600)
    assert first.exists()

    verdict = decided_again(copied)

    assert verdict.is_good, verdict
    assert verdict.identical == CYCLES
