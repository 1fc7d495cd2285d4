"""`python -m tools.audit verify` as a user runs it: what it says of a real run, whole and with one thing changed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.config_files import ROOT
from tests.program_runs import SIMULATED_DAY, Line, Run
from tests.scenarios.stage import ETH, set_stage
from tests.sealed_records import ANCHORS, AUDIT, JOURNAL, NO_HASH, Records, reseal
from tools.audit.__main__ import main

CYCLES = 150


class Copy:
    """A copy of a run's files, to be damaged and verified."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        for name in ("data", "logs"):
            shutil.copytree(source / name, folder / name)
        self.audit, self.journal = folder / "logs" / AUDIT, folder / "data" / JOURNAL
        self.anchors = folder / "logs" / ANCHORS
        self.state = folder / "data" / ".state.json"

    @property
    def arguments(self) -> list[str]:
        return ["--logs-dir", str(self.folder / "logs"), "--data-dir", str(self.folder / "data")]

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.audit.read_bytes().splitlines()]


@pytest.fixture
def copy(short_run: Run, tmp_path: Path) -> Copy:
    return Copy(short_run.folder, tmp_path / "copy")


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.audit", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def verify(copy: Copy, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    code = main(["verify", "--json", *more, *copy.arguments])
    return code, json.loads(capsys.readouterr().out)


def codes(answer: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in answer["findings"]]


# --- from outside -----------------------------------------------------------------------------------------------------


def test_a_real_run_holds_and_the_tool_says_what_it_proved(copy: Copy) -> None:
    done = tool("verify", *copy.arguments)

    assert (done.returncode, done.stderr) == (0, "")
    journal = len(copy.journal.read_bytes().splitlines())
    assert re.fullmatch(
        rf"audit: {CYCLES} records, \d+ bytes, ends at seq {CYCLES} \([0-9a-f]{{16}}\)\n"
        rf"journal: {journal} records, \d+ bytes, ends at seq {journal} \([0-9a-f]{{16}}\)\n"
        rf"books: \d+ fills, \d+ positions, realised -?[\d.]+, fees [\d.]+\n"
        rf"\.state\.json: seq {journal}\n\.state\.json\.bak: seq \d+\n"
        rf"audit: \d+ anchors hold, it is proven up to record {CYCLES}\n"
        "everything holds\n",
        done.stdout,
    )
    assert int(re.findall(r"books: (\d+)", done.stdout)[0]) > 0


def test_a_finding_is_one_line_with_file_line_seq_what_and_what_was_expected(copy: Copy) -> None:
    raw = copy.audit.read_bytes()
    copy.audit.write_bytes(raw.replace(b'"mode":"PAPER"', b'"mode":"QAPER"', 1))

    done = tool("verify", *copy.arguments)

    first, *_, last = done.stdout.splitlines()
    assert done.returncode == 1
    assert re.fullmatch(
        rf"{copy.audit}:1: seq 1: hash: the line's bytes hash to [0-9a-f]{{16}}; expected [0-9a-f]{{16}}, as it says",
        first,
    )
    assert last.endswith("findings")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--logs-dir", "nowhere", "--data-dir", "nowhere"], "tools.audit: there is nothing to verify"),
        (["anchor", "--logs-dir", "nowhere", "--data-dir", "nowhere"], "tools.audit: there is nothing to anchor"),
        (["verify", "--anchor", "nonsense"], "tools.audit: --anchor nonsense: neither a file nor SIZE:ROOT"),
        (["stats", "--logs-dir", "nowhere"], "tools.audit: nowhere/247trader-v2_audit.jsonl is not there"),
        (["fills", "--since", "yesterday"], "usage: tools.audit fills"),
        ([], "usage: tools.audit"),
    ],
    ids=str,
)
def test_wrong_use_ends_with_2_and_one_line(arguments: list[str], message: str) -> None:
    done = tool(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_a_directory_in_the_place_of_a_file_cannot_be_read(copy: Copy) -> None:
    copy.audit.unlink()
    copy.audit.mkdir()

    done = tool("verify", *copy.arguments)

    assert done.returncode == 2
    assert done.stderr.startswith(f"tools.audit: {copy.audit} is not a regular file")


def test_nothing_is_written(copy: Copy) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in copy.folder.rglob("*") if path.is_file()}

    for command in ("verify", "anchor", "stats", "fills"):
        assert main([command, *copy.arguments]) == 0

    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in copy.folder.rglob("*") if path.is_file()}
    assert after == before


# --- beside a loop ----------------------------------------------------------------------------------------------------


def test_a_half_written_last_line_is_an_open_end_and_no_damage(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (copy.audit, copy.journal):
        *_, last = path.read_bytes().splitlines(keepends=True)
        for kept in (1, len(last) // 2, len(last) - 1):
            shutil.copy(path, path.with_suffix(".whole"))
            with path.open("ab") as file:
                file.write(last[:kept])

            code, answer = verify(copy, capsys)

            assert (code, answer["findings"]) == (0, [])
            assert any(f"open end, {kept} bytes" in note for note in answer["notes"])
            shutil.move(path.with_suffix(".whole"), path)


def test_a_loop_that_is_writing_is_verified_again_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ["--data-dir", str(tmp_path / "data"), "--logs-dir", str(tmp_path / "logs")]
    loop = subprocess.Popen(
        [sys.executable, "-m", "runner.main_loop", *SIMULATED_DAY, "--cycles", "1440", *folders],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    seen: list[dict[str, Any] | None] = []
    try:
        while loop.poll() is None:
            code = main(["verify", "--json", *folders])
            printed = capsys.readouterr()
            if code == 2 and not seen:
                continue  # it has not begun to write
            assert code == 0, printed
            seen.append(json.loads(printed.out)["audit"])
            time.sleep(0.05)
    finally:
        loop.kill()
        loop.wait()

    lines = {audit["records"] for audit in seen if audit is not None}
    assert loop.returncode == 0
    assert len(lines) >= 3, lines


# --- content that is sealed anew --------------------------------------------------------------------------------------


def first_fill(lines: Records) -> dict[str, Any]:
    return next(fill for line in lines for fill in line["execution"]["fills"])


def event(records: Records, kind: str, number: int = 0) -> dict[str, Any]:
    return [record for record in records if record["kind"] == kind][number]


def put(item: dict[str, Any], name: str, value: object) -> None:
    assert item[name] != value
    item[name] = value


AUDIT_EDITS: dict[str, Callable[[Records], object]] = {
    "schema": lambda lines: put(lines[7], "config_hash", None),
    "schema (a reason that is none)": lambda lines: put(lines[7], "no_trade_reason", "felt like it"),
    "slot": lambda lines: put(lines[7], "slot", lines[6]["slot"]),
    "slots": lambda lines: put(lines[-1], "slot", lines[-1]["slot"] + 1),
    "writer": lambda lines: put(lines[-1], "run_id", lines[0]["run_id"]),
    "run_id": lambda lines: put(lines[7], "run_id", "another"),
    "config_hash": lambda lines: put(lines[7], "config_hash", "0" * 16),
    "code_hash": lambda lines: put(lines[7], "code_hash", "0" * 16),
    "venue": lambda lines: put(lines[7], "venue", "coinbase"),
    "journal_seq": lambda lines: put(lines[7], "journal_seq", lines[6]["journal_seq"]),
    "journal_seq (beyond the journal)": lambda lines: put(lines[-1], "journal_seq", 10**6),
    "journal_hash": lambda lines: put(lines[7], "journal_hash", "0" * 16),
    "cash": lambda lines: put(lines[7]["portfolio"]["cash"], "USD", "1000000"),
    "positions": lambda lines: lines[-1]["portfolio"]["positions"].append(
        {"lot": "x", "product": "BTC-USD", "quantity": "1", "cost": "1"}
    ),
    "cash_flows": lambda lines: lines[0]["portfolio"]["cash_flows"].clear(),
    "realised": lambda lines: put(lines[-1]["pnl"], "realised", "1000000"),
    "fees": lambda lines: put(lines[-1]["pnl"], "fees", "0"),
    "fills": lambda lines: put(first_fill(lines), "price", "1"),
    "fills (left out)": lambda lines: next(line for line in lines if line["execution"]["fills"])["execution"][
        "fills"
    ].pop(),
    "orders": lambda lines: next(line for line in lines if line["execution"]["orders"])["execution"]["orders"].pop(),
    "status": lambda lines: next(line for line in lines if line["status"] == "EXECUTED").update(
        status="NO_TRADE", no_trade_reason="stale_data"
    ),
    "slots (a line left out)": lambda lines: lines.pop(7),
    "cycle (the last line left out)": lambda lines: lines.pop(),
}


@pytest.mark.parametrize("name", AUDIT_EDITS)
def test_a_line_that_tells_another_story_is_found(name: str, copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.anchors.unlink()
    reseal(copy.audit, AUDIT_EDITS[name])

    code, answer = verify(copy, capsys)

    assert code == 1
    assert name.partition(" (")[0] in codes(answer), answer["findings"]


JOURNAL_EDITS: dict[str, Callable[[Records], object]] = {
    "event": lambda records: put(event(records, "TICK", 5), "slot", 5),
    "event (of a kind that is none)": lambda records: put(event(records, "MARK", 5), "kind", "WISH"),
    "event (an order that was never intended)": lambda records: put(event(records, "SENT"), "client_order_id", "x"),
    "cash": lambda records: put(event(records, "CASH"), "amount", "1000000"),
    "fees": lambda records: put(event(records, "FILL")["fill"], "fee", "0"),
    "state": lambda records: put(event(records, "MARK", -1), "equity", "1"),
    "slots": lambda records: records.remove(event(records, "TICK", 5)),
    "event (a fill left out)": lambda records: records.remove(event(records, "FILL")),
    "journal_hash": lambda records: put(event(records, "MARK", 5), "equity", "1"),
}


@pytest.mark.parametrize("name", JOURNAL_EDITS)
def test_a_journal_that_tells_another_story_is_found(name: str, copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    reseal(copy.journal, JOURNAL_EDITS[name])

    code, answer = verify(copy, capsys)

    assert code == 1
    assert name.partition(" (")[0] in codes(answer), answer["findings"]


def restate(copy: Copy, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the snapshot and seal it anew."""
    document = json.loads(copy.state.read_bytes())
    del document["sha256"]
    edit(document)
    text = json.dumps(document, separators=(",", ":")).encode()[:-1]
    copy.state.write_bytes(text + b',"sha256":"%b"}\n' % hashlib.sha256(text).hexdigest().encode())


STATE_EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "losses forgotten": (lambda state: put(state["ledger"], "high_water_mark", "1"), "high_water_mark: not what the"),
    "entries forgotten": (lambda state: state["ledger"]["entries"].clear(), "entries: not what the journal"),
    "another order of keys": (
        lambda state: state.update(ledger=dict(reversed(state["ledger"].items()))),
        "the order of keys",
    ),
    "ahead of the journal": (lambda state: put(state["journal"], "seq", 10**6), "it claims seq 1000000"),
    "of another journal": (lambda state: put(state["journal"], "hash", NO_HASH), "the journal's record has hash"),
    "no place": (lambda state: state["journal"].clear(), "it does not say its place"),
}


@pytest.mark.parametrize("name", STATE_EDITS)
def test_a_snapshot_that_is_not_the_fold_is_found(name: str, copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    edit, message = STATE_EDITS[name]
    restate(copy, edit)

    code, answer = verify(copy, capsys)

    assert code == 1
    assert [finding["code"] for finding in answer["findings"]] == ["state"]
    assert message in answer["findings"][0]["found"]


def test_an_edited_snapshot_is_found_by_its_own_hash(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.state.write_bytes(copy.state.read_bytes().replace(b'"loss_streak":', b'"loss_streak": ', 1))

    assert codes(verify(copy, capsys)[1]) == ["state"]


def test_an_audit_without_its_journal_is_not_called_right(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.journal.unlink()
    copy.state.unlink()

    code, answer = verify(copy, capsys)

    assert (code, codes(answer)) == (1, ["journal"])


# --- what the bot itself leaves behind --------------------------------------------------------------------------------


def test_torn_and_interrupted_and_begun_afresh_are_no_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.play(5)
    for path in (stage.audit_file, stage.data / JOURNAL):
        with path.open("ab") as file:
            file.write(path.read_bytes()[:100])
    stage.loop(3).run()
    arguments = ["--logs-dir", str(tmp_path / "logs"), "--data-dir", str(stage.data)]
    capsys.readouterr()

    assert main(["verify", "--json", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["audit"]["records"], answer["findings"]) == (8, [])

    stage.audit_file.write_bytes(b"")
    stage.play(2)
    capsys.readouterr()
    assert main(["verify", "--json", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert any("a new chain begins here" in note for note in answer["notes"]), answer["notes"]


def test_a_line_of_anchors_that_a_crash_tore_is_told_and_is_no_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = set_stage(tmp_path)
    stage.play(2)
    with (tmp_path / "logs" / ANCHORS).open("ab") as file:
        file.write(b'{"at":"2026')
    stage.play(1)
    capsys.readouterr()

    assert main(["verify", "--json", "--logs-dir", str(tmp_path / "logs"), "--data-dir", str(stage.data)]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert any("is no anchor" in note for note in answer["notes"]), answer["notes"]


def test_a_torn_file_that_was_exchanged_or_cut_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = set_stage(tmp_path)
    stage.play(3)
    with stage.audit_file.open("ab") as file:
        file.write(b'{"alerts":[')
    stage.loop(2).run()
    ended = stage.audit_file.with_name(f"{stage.audit_file.stem}.000001.jsonl")
    whole = ended.read_bytes()
    arguments = ["--logs-dir", str(tmp_path / "logs"), "--data-dir", str(stage.data)]

    for content in (whole[:-1], whole + b"x", whole[:-11], whole[:-12]):
        ended.write_bytes(content)
        capsys.readouterr()

        assert main(["verify", "--json", *arguments]) == 1
        assert "segment" in codes(json.loads(capsys.readouterr().out)), content[-20:]


def test_a_missing_file_of_a_chain_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = set_stage(tmp_path)
    for _ in range(2):
        stage.loop(2).run()
        with stage.audit_file.open("ab") as file:
            file.write(b'{"alerts":[')
    stage.loop(2).run()
    stage.audit_file.with_name(f"{stage.audit_file.stem}.000001.jsonl").unlink()
    capsys.readouterr()

    assert main(["verify", "--json", "--logs-dir", str(tmp_path / "logs"), "--data-dir", str(stage.data)]) == 1
    found = codes(json.loads(capsys.readouterr().out))
    assert found[:2] == ["file_missing", "seq"]


# --- anchors ----------------------------------------------------------------------------------------------------------


def test_what_anchor_prints_proves_the_log_later(copy: Copy, tmp_path: Path) -> None:
    printed = tool("anchor", *copy.arguments)
    kept = tmp_path / "mailed.txt"
    kept.write_text(printed.stdout, "utf-8")

    done = tool("verify", "--anchor", str(kept), *copy.arguments)

    assert [json.loads(line)["chain"] for line in printed.stdout.splitlines()] == ["audit", "journal"]
    assert done.returncode == 0
    journal = len(copy.journal.read_bytes().splitlines())
    assert f"journal: 1 anchors hold, it is proven up to record {journal}" in done.stdout


def test_an_anchor_as_text_proves_the_records_that_it_covers(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    middle = json.loads(copy.anchors.read_text().splitlines()[1])
    copy.anchors.unlink()
    text = f"{middle['size']}:{middle['root']}"

    for anchor in (text, f"audit:{text}", json.dumps(middle)):
        code, answer = verify(copy, capsys, "--anchor", anchor)
        assert (code, answer["anchored"]) == (0, {"audit": middle["size"]})

    assert main(["verify", "--anchor", "7:abc", *copy.arguments]) == 2
    assert "neither a file nor SIZE:ROOT" in capsys.readouterr().err
    other = f"{middle['size']}:{NO_HASH}"
    assert codes(verify(copy, capsys, "--anchor", other)[1]) == ["anchor"]
    assert codes(verify(copy, capsys, "--anchor", f"journal:{text}")[1]) == ["anchor"]


def test_a_log_that_was_cut_is_found_out_by_every_anchor_after_the_cut(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, anchors = copy.audit.read_bytes().splitlines(keepends=True), copy.anchors.read_text().splitlines()
    sizes = [json.loads(line)["size"] for line in anchors]
    for kept in (CYCLES - 1, sizes[1], sizes[1] - 1, 1, 0):
        copy.audit.write_bytes(b"".join(raw[:kept]))

        code, answer = verify(copy, capsys, "--chain-only")

        cut = [finding for finding in answer["findings"] if "was cut off" in finding["found"] or not kept]
        assert code == 1
        assert [finding["seq"] for finding in cut] == [size for size in sizes if size > kept]


def test_a_log_that_was_written_anew_is_found_out(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is consistent, hashes and all: only who kept an anchor can know."""
    reseal(copy.audit, lambda lines: put(lines[2], "alerts", ["x"]))

    code, answer = verify(copy, capsys, "--chain-only")

    sizes = [json.loads(line)["size"] for line in copy.anchors.read_text().splitlines()]
    assert code == 1
    assert [finding["seq"] for finding in answer["findings"]] == [size for size in sizes if size >= 3]


def test_an_anchor_of_another_log_is_told_from_a_cut(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    reseal(copy.audit, lambda lines: put(lines[0], "alerts", ["x"]))

    _, answer = verify(copy, capsys, "--chain-only")

    assert "it is another log" in answer["findings"][0]["expected"]


def test_anchors_from_before_an_emptied_audit_are_a_note_but_one_from_outside_is_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = set_stage(tmp_path)
    stage.play(3)
    before = (tmp_path / "logs" / ANCHORS).read_text().splitlines()[-1]
    stage.audit_file.write_bytes(b"")
    stage.play(5)
    arguments = ["--logs-dir", str(tmp_path / "logs"), "--data-dir", str(stage.data)]
    capsys.readouterr()

    assert main(["verify", "--json", *arguments]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("2 anchors are of a log that was begun afresh since" in note for note in notes), notes
    assert main(["verify", "--json", "--anchor", before, *arguments]) == 1


def test_a_damaged_log_is_not_anchored(copy: Copy) -> None:
    copy.audit.write_bytes(copy.audit.read_bytes().replace(b"PAPER", b"QAPER", 1))

    done = tool("anchor", *copy.arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert "seq 1: hash:" in done.stderr
