"""Which started cycles must have a line, beside a loop that goes on writing, and after a crash."""

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.ledger.fold import apply
from core.model.ledger import Ledger
from core.model.records import Event
from tests.program_runs import Run
from tests.sealed_records import AUDIT, JOURNAL, sealed
from tools.audit.__main__ import main
from tools.audit.chain import ChainCheck, OpenedChain
from tools.audit.findings import Findings
from tools.audit.history import History


def tick(slot: int) -> dict[str, Any]:
    return {"kind": "TICK", "at": "2026-01-05T00:00:00Z", "slot": slot}


def mark(slot: int) -> dict[str, Any]:
    return {"kind": "MARK", "at": "2026-01-05T00:00:00Z", "slot": slot, "equity": None, "peaks": {}}


STOP = {"kind": "STOP", "at": "2026-01-05T00:00:00Z", "reason": "done"}


@pytest.mark.parametrize(
    ("early", "records", "silent"),
    [
        (2, [tick(1), mark(1)], []),
        (4, [tick(1), mark(1), tick(2), mark(2)], [1]),
        (3, [tick(1), mark(1), tick(2), mark(2)], [1]),
        (2, [tick(1), mark(1), tick(2), mark(2)], []),
        (0, [tick(1), mark(1), tick(2), mark(2)], []),
        (3, [tick(1), mark(1), STOP], [1]),
        (2, [tick(1), mark(1), STOP], []),
        (5, [tick(1), mark(1), tick(2), mark(2), STOP], [1, 2]),
    ],
)
def test_a_cycle_needs_a_line_when_the_next_had_begun_or_the_run_had_stopped_before_the_audit_was_opened(
    early: int, records: list[dict[str, Any]], silent: list[int], tmp_path: Path
) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(sealed(records))
    early_bytes = len(sealed(records[:early]))
    history = History(ChainCheck(OpenedChain(path), Findings()), [], Findings())

    assert history.read_rest(early_bytes) == silent
    assert history.is_whole


def test_what_is_written_after_a_chain_was_opened_is_not_looked_at(tmp_path: Path) -> None:
    path, raw, findings = tmp_path / JOURNAL, sealed([tick(1), mark(1), tick(2), mark(2)]), Findings()
    half = raw.index(b"\n") + 50
    path.write_bytes(raw[:half])
    check = ChainCheck(OpenedChain(path), findings)

    path.write_bytes(raw[:-20])
    check.run()

    assert (check.records, check.open_bytes, check.bytes, findings.count) == (1, 49, half, 0)


def test_a_cycle_that_a_crash_cut_off_is_closed_by_the_next_start_and_is_no_finding(
    short_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("data", "logs"):
        shutil.copytree(short_run.folder / name, tmp_path / name)
    journal = tmp_path / "data" / JOURNAL
    records = [json.loads(line) for line in journal.read_bytes().splitlines()]
    last = json.loads((tmp_path / "logs" / AUDIT).read_bytes().splitlines()[-1])
    for name in (".state.json", ".state.json.bak"):
        (tmp_path / "data" / name).unlink()
    arguments = ["verify", "--logs-dir", str(tmp_path / "logs"), "--data-dir", str(tmp_path / "data")]

    for end, code in (([tick(last["slot"] + 1)], 0), ([tick(last["slot"] + 1), tick(last["slot"] + 2)], 1)):
        journal.write_bytes(sealed([*records[:-1], *end]))
        assert main(arguments) == code, capsys.readouterr().out


@pytest.mark.parametrize("part", ["fees", "realised", "cash", "lots"])
def test_a_ledger_that_books_otherwise_than_the_fills_say_is_found_by_the_second_books(
    part: str, short_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in the fold is in the state and in every line as well: nothing else in the records tells."""
    misbooked: dict[str, Any] = {"fees": Decimal(0), "realised": Decimal(7), "cash": {"USD": Decimal(7)}, "lots": {}}

    def misbook(ledger: Ledger, event: Event) -> Ledger:
        after = apply(ledger, event)
        return replace(after, **{part: misbooked[part]}) if after.fill_ids else after

    monkeypatch.setattr("tools.audit.history.apply", misbook)
    findings = Findings()
    path = short_run.folder / "data" / JOURNAL
    history = History(ChainCheck(OpenedChain(path), findings), [], findings)

    history.read_rest(path.stat().st_size)

    name = "positions" if part == "lots" else part
    assert any(found.code == "ledger" and found.found.startswith(name) for found in findings.shown)
