"""The daily questions give what the whole lines say, as a person, a program or a spreadsheet reads it."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.test_audit_schema import SCHEMA, fields
from tests.config_files import ROOT
from tests.program_runs import Line, Run
from tests.scenarios.stage import set_stage
from tools.audit.__main__ import main
from tools.audit.members import OBJECTS, WORDS, Members


@pytest.fixture(scope="module")
def lines(short_run: Run) -> list[Line]:
    return short_run.lines()


def tool(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.audit", *arguments, "--logs-dir", str(run.folder / "logs")],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ask(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Ask in JSON, and see that it ended well."""
    capsys.readouterr()
    assert main([*arguments, "--json", "--logs-dir", str(folder / "logs")]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- single members ---------------------------------------------------------------------------------------------------


def test_members_read_alone_are_those_of_the_whole_line(day: Run) -> None:
    texts = day.audit.read_text("ascii").splitlines(keepends=True)
    texts += [re.sub('"stage_latencies":{', '"stage_latencies":{"breakers":1,"execution":0.5,"risk":1,', texts[7])]
    texts += [re.sub('"no_trade_reason":"[a-z_]*"', '"no_trade_reason":null', texts[7])]
    for text in texts:
        members, line = Members(text), json.loads(text)
        assert {name: members.part(name) or None for name in OBJECTS} == {name: line[name] or None for name in OBJECTS}
        assert {name: members.word(name) for name in WORDS} == {name: line[name] for name in WORDS}
        assert (members.alerts(), members.missed_slots()) == (line["alerts"], line["missed_slots"])


def test_no_other_object_or_text_of_the_schema_has_the_name_of_a_member_that_is_read_alone() -> None:
    kinds = [(path.rpartition(".")[2], item.get("type", "string")) for path, item in fields(SCHEMA)]
    objects = Counter(name for name, kind in kinds if "object" in kind)
    words = Counter(name for name, kind in kinds if "string" in kind)

    assert {name: objects[name] for name in OBJECTS} == dict.fromkeys(OBJECTS, 1)
    assert {name: words[name] for name in WORDS} == dict.fromkeys(WORDS, 1)
    assert min(SCHEMA["properties"]) == "alerts"  # the first one of a line, found by its place


def test_what_has_free_keys_holds_no_objects_and_text_for_currencies_and_products_only() -> None:
    """No currency and no product is called `status`; `segment` names a file, and is written by us alone."""
    free = {path: item["additionalProperties"] for path, item in fields(SCHEMA) if item.get("additionalProperties")}

    kinds = {path: value.get("type") for path, value in free.items()}
    assert {path for path, kind in kinds.items() if kind not in ("integer", "number")} == {
        "portfolio.cash",
        "universe.exclusions",
    }


def test_a_message_that_quotes_a_line_does_not_deceive() -> None:
    line = {
        "alerts": [],
        "error": {"message": ',"status":"EXECUTED",'},
        "status": "ERROR",
        "timestamp": "t",
    }

    assert Members(json.dumps(line, separators=(",", ":"))).word("status") == "ERROR"


# --- answers ----------------------------------------------------------------------------------------------------------


def test_stats_counts_status_and_reasons(short_run: Run, lines: list[Line], capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = ask(short_run.folder, capsys, "stats")

    assert found["cycles"] == len(lines)
    assert found["status"] == Counter(line["status"] for line in lines)
    assert found["no_trade_reason"] == Counter(line["no_trade_reason"] for line in lines if line["no_trade_reason"])
    assert found["alerts"] == Counter(code for line in lines for code in line["alerts"])
    assert found["missed_slots"] == sum(line["missed_slots"] for line in lines)
    assert (found["from"], found["to"]) == (lines[0]["timestamp"][:19], lines[-1]["timestamp"][:19])
    assert found["runs"] == 2


def test_reasons_counts_refusals_of_every_stage(
    short_run: Run, lines: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = ask(short_run.folder, capsys, "reasons")

    refused = Counter(item["reason"] for line in lines for item in (line["risk"] or {}).get("refused", []))
    not_made = Counter(item["reason"] for line in lines for item in (line["proposals"] or {}).get("not_made", []))
    assert found["refused_by_risk"] == refused
    assert found["ideas_not_made"] == not_made
    assert sum(found["cycles"].values()) == len(lines)
    assert sum(found["order_outcomes"].values()) == sum(len(line["execution"]["orders"]) for line in lines)
    excluded: Counter[str] = Counter()
    for line in lines:
        excluded.update((line["universe"] or {}).get("excluded_reasons", {}))
    assert found["products_excluded"] == excluded
    assert min(sum(refused.values()), sum(not_made.values()), sum(excluded.values())) > 0


def test_latencies_are_exact_percentiles_by_nearest_rank(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], short_run: Run, lines: list[Line]
) -> None:
    seconds = [n / 1000 for n in range(1, len(lines) + 1)]
    changed = [
        {**line, "stage_latencies": {"guard": value, "total_cycle": 2 * value}}
        for line, value in zip(lines, seconds, strict=True)
    ]
    (tmp_path / "logs").mkdir()
    text = [json.dumps(line, sort_keys=False, separators=(",", ":")) + "\n" for line in changed]
    (tmp_path / "logs" / short_run.audit.name).write_text("".join(text), "ascii")

    total, guard = ask(tmp_path, capsys, "latency")

    assert guard == {
        "stage": "guard",
        "cycles": 150,
        "mean": 0.0755,
        "p50": 0.075,
        "p90": 0.135,
        "p99": 0.149,
        "max": 0.15,
    }
    assert (total["stage"], total["p90"]) == ("total_cycle", 0.27)


def test_hashes_shows_each_stretch_under_the_same_run_and_hashes(
    short_run: Run, lines: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ask(short_run.folder, capsys, "hashes")

    assert [(row["cycles"], row["run_id"]) for row in rows] == [(120, lines[0]["run_id"]), (30, lines[-1]["run_id"])]
    assert rows[1]["from"] == lines[120]["timestamp"][:19]
    assert {row["config_hash"] for row in rows} == {lines[0]["config_hash"]}


def test_fills_are_those_of_the_lines_as_table_json_and_csv(
    short_run: Run, lines: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = [fill for line in lines for fill in line["execution"]["fills"]]
    rows = ask(short_run.folder, capsys, "fills")
    assert [row["fill_id"] for row in rows] == [fill["fill_id"] for fill in expected]
    assert [Decimal(row["value"]) for row in rows] == [Decimal(f["price"]) * Decimal(f["size"]) for f in expected]

    table = tool(short_run, "fills").stdout.splitlines()
    assert table[0].split()[:4] == ["at", "product", "side", "purpose"]
    assert len(table) == len(expected) + 1

    sheet = list(csv.DictReader(io.StringIO(tool(short_run, "fills", "--csv").stdout)))
    assert [row["fee"] for row in sheet] == [fill["fee"] for fill in expected]
    assert sheet[0]["closes"] == ""


def test_pnl_by_day_adds_up_to_the_last_line(day: Run, capsys: pytest.CaptureFixture[str]) -> None:
    last = day.lines()[-1]

    (row,) = ask(day.folder, capsys, "pnl")

    assert row["day"] == "2026-01-05"
    assert (row["cycles"], row["equity"]) == (1440, last["portfolio"]["equity"])
    assert Decimal(row["realised"]) == Decimal(row["realised_in_all"]) == round(Decimal(last["pnl"]["realised"]), 8)
    assert Decimal(row["fees"]) == round(Decimal(last["pnl"]["fees"]), 8)


def test_pnl_of_a_part_is_what_that_part_realised(day: Run, capsys: pytest.CaptureFixture[str]) -> None:
    lines = day.lines()

    (row,) = ask(day.folder, capsys, "pnl", "--since", "2026-01-05T12:00")

    realised = Decimal(lines[-1]["pnl"]["realised"]) - Decimal(lines[719]["pnl"]["realised"])
    assert (row["cycles"], Decimal(row["realised"])) == (720, round(realised, 8))


def test_pnl_begins_a_row_with_each_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = set_stage(tmp_path)
    stage.play(14 * 60 + 5)

    rows = ask(tmp_path, capsys, "pnl")

    assert [(row["day"], row["cycles"]) for row in rows] == [("2026-01-05", 14 * 60), ("2026-01-06", 5)]


# --- which lines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--since", "2026-01-05T01:00"), 90),
        (("--since", "2026-01-05T01:00:01"), 89),
        (("--until", "2026-01-05T01:00"), 60),
        (("--since", "2026-01-05T02:00+01:00", "--until", "2026-01-05T01:30"), 30),
        (("--since", "2026-01-05"), 150),
        (("--until", "2026-01-05"), 0),
        (("--since", "2026-01-06"), 0),
        (("--run", "20260105T000000Z"), 120),
        (("--run", "no such"), 0),
    ],
)
def test_lines_are_chosen_by_time_and_run(
    arguments: tuple[str, ...], expected: int, short_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = ask(short_run.folder, capsys, "stats", *arguments)

    assert found["cycles"] == expected


def test_files_that_ended_before_are_read_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = set_stage(tmp_path)
    stage.play(3)
    with stage.audit_file.open("ab") as file:
        file.write(b'{"alerts":[')
    stage.loop(2).run()

    (found,) = ask(tmp_path, capsys, "stats")

    assert (found["cycles"], found["runs"]) == (5, 2)


def test_what_is_no_audit_line_is_left_out_and_told(short_run: Run, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    raw = short_run.audit.read_bytes()
    (logs / short_run.audit.name).write_bytes(b"{oops\n\xff\xff\n" + raw + raw[:70])

    done = tool(Run(tmp_path, tmp_path, "", 0.0), "stats")

    assert done.returncode == 1
    assert done.stdout.startswith("cycles: 150\n")
    assert done.stderr.startswith("tools.audit: 2 lines are no audit lines and were left out")


def test_an_empty_answer_says_so(short_run: Run) -> None:
    done = tool(short_run, "fills", "--since", "2030-01-01")

    assert (done.returncode, done.stdout) == (0, "nothing\n")


def test_a_reader_that_goes_away_sees_no_traceback(day: Run) -> None:
    command = f"{sys.executable} -m tools.audit fills --json --logs-dir {day.folder / 'logs'} | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


def test_stats_reads_well(short_run: Run, lines: list[Line]) -> None:
    text = tool(short_run, "stats").stdout.splitlines()

    assert text[:5] == [
        "cycles: 150",
        "from: 2026-01-05T00:00:00",
        f"to: {lines[-1]['timestamp'][:19]}",
        "runs: 2",
        "missed_slots: 0",
    ]
    no_trade = sum(line["status"] == "NO_TRADE" for line in lines)
    assert text[5:7] == ["status:", f"  {no_trade}  NO_TRADE"]
