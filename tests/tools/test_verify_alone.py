"""The verifier that shares nothing with the bot: what it imports, what it accepts, and what it finds."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from tests.config_files import ROOT
from tests.program_runs import Run
from tests.scenarios.stage import ETH, set_stage, with_faults
from tests.sealed_records import AUDIT, JOURNAL, Records, reseal
from tools.verify_alone import Books, main

SCRIPT = ROOT / "tools" / "verify_alone.py"


class Files:
    def __init__(self, source: Path, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.audit, self.journal = folder / AUDIT, folder / JOURNAL
        shutil.copy(source / "logs" / AUDIT, self.audit)
        shutil.copy(source / "data" / JOURNAL, self.journal)


@pytest.fixture
def files(short_run: Run, tmp_path: Path) -> Files:
    return Files(short_run.folder, tmp_path / "files")


def test_it_is_one_file_of_300_lines_at_most_that_imports_the_standard_library_only() -> None:
    text = SCRIPT.read_text("utf-8")
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in found if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in found if isinstance(node, ast.ImportFrom)]

    assert len(text.splitlines()) <= 300
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_it_runs_from_anywhere_and_a_real_day_holds(day: Run, tmp_path: Path) -> None:
    """With -I: no path of the project, no variable of the environment."""
    command = [sys.executable, "-I", str(SCRIPT), str(day.folder / "data"), str(day.folder / "logs")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lines 1440, events ")
    assert done.stdout.endswith("everything holds\n")


@pytest.mark.parametrize("arguments", [[], ["nowhere"]])
def test_without_records_it_says_how_it_is_used(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out.startswith("usage: verify_alone.py DIR...; found 0 journal.jsonl")


def test_records_of_another_shape_end_with_2(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    reseal(files.audit, lambda lines: lines[3].pop("portfolio"))

    assert main([str(files.folder)]) == 2
    assert "cannot go on: KeyError: 'portfolio'" in capsys.readouterr().out


def first(lines: Records, name: str) -> dict[str, Any]:
    return next(item for line in lines for item in line["execution"][name])


def event(records: Records, kind: str, number: int = 0) -> dict[str, Any]:
    return [record for record in records if record["kind"] == kind][number]


def again(records: Records, kind: str) -> None:
    records.insert(records.index(event(records, kind)) + 1, dict(event(records, kind)))


AUDIT_EDITS: dict[str, tuple[Callable[[Records], object], str]] = {
    "slot": (lambda lines: lines[5].update(slot=lines[4]["slot"]), "slots is ["),
    "line left out": (lambda lines: lines.pop(5), "slots is ["),
    "last line left out": (lambda lines: lines.pop(), "no line for the slots ["),
    "config hash": (lambda lines: lines[5].update(config_hash=None), "config_hash is None"),
    "journal seq": (lambda lines: lines[5].update(journal_seq=lines[4]["journal_seq"]), "journal_seq "),
    "journal hash": (lambda lines: lines[5].update(journal_hash="0" * 16), "journal_hash is 0000000000000000"),
    "order left out": (lambda lines: lines[0]["execution"]["orders"].pop(), "orders is ["),
    "fill left out": (lambda lines: lines[0]["execution"]["fills"].pop(), "fills is ["),
    "cash": (lambda lines: lines[5]["portfolio"]["cash"].update(USD="1"), "cash is {'USD': '1'}"),
    "position": (lambda lines: lines[5]["portfolio"]["positions"].clear(), "positions is {}"),
    "fees": (lambda lines: lines[5]["pnl"].update(fees="0"), "fees is 0"),
    "realised": (lambda lines: lines[-1]["pnl"].update(realised="1"), "realised is 1,"),
}
JOURNAL_EDITS: dict[str, tuple[Callable[[Records], object], str]] = {
    "cash": (lambda records: event(records, "CASH").update(amount="1"), "cash is {'USD': "),
    "price": (lambda records: event(records, "FILL")["fill"].update(price="1"), "cash is {'USD': "),
    "fill twice": (lambda records: event(records, "FILL", 1)["fill"].update(fill_id="x"), "fills is ["),
    "too much filled": (lambda records: event(records, "FILL")["fill"].update(size="999999"), "999999 filled"),
    "another product": (lambda records: event(records, "FILL")["fill"].update(product_id="BTC-USD"), "does not match"),
    "nobody's fill": (lambda records: event(records, "FILL")["fill"].update(client_order_id="x"), "never intended"),
    "nobody's order": (lambda records: event(records, "OUTCOME").update(client_order_id="x"), "never intended"),
    "id used twice": (lambda records: again(records, "INTENT"), "was intended before"),
    "ended twice": (lambda records: again(records, "CLOSED"), "an end is final"),
    "no end": (lambda records: event(records, "CLOSED").update(status="OPEN"), "cannot end as OPEN"),
    "a sale of what is not ours": (
        lambda records: next(r for r in records if r["kind"] == "INTENT" and r["order"]["side"] == "SELL")[
            "order"
        ].update(lot_id="x"),
        "which is not ours",
    ),
    "an entry that sells": (lambda records: event(records, "INTENT")["order"].update(side="SELL"), "cannot SELL"),
    "one exchange id for two": (
        lambda records: event(records, "OUTCOME", 1).update(order_id=event(records, "OUTCOME")["order_id"]),
        "is not the exchange's id of",
    ),
    "accepted and then refused": (
        lambda records: records.insert(
            records.index(event(records, "OUTCOME")) + 1, dict(event(records, "OUTCOME"), outcome="REJECTED")
        ),
        "was ACCEPTED, 0 filled: it cannot become REJECTED",
    ),
    "slot used twice": (lambda records: again(records, "TICK"), "a slot is used once"),
}


@pytest.mark.parametrize("name", AUDIT_EDITS)
def test_it_finds_a_line_that_tells_another_story(name: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    edit, message = AUDIT_EDITS[name]
    reseal(files.audit, edit)

    assert main([str(files.folder)]) == 1
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("name", JOURNAL_EDITS)
def test_it_finds_events_that_cannot_be(name: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    edit, message = JOURNAL_EDITS[name]
    reseal(files.journal, edit)

    assert main([str(files.folder)]) == 1
    assert message in capsys.readouterr().out


def flip(raw: list[bytes]) -> None:
    raw[3] = raw[3].replace(b'"PAPER"', b'"QAPER"') if b'"PAPER"' in raw[3] else raw[3].replace(b"2026", b"2027", 1)


def seal_one_anew(raw: list[bytes]) -> None:
    """Change a line and give it the right hash: the next line tells."""
    start = raw[3][:-76].replace(b'"2026', b'"2027', 1)
    raw[3] = start + b',"hash":"%b"}\n' % hashlib.sha256(start).hexdigest().encode()


BYTE_EDITS: dict[str, tuple[Callable[[list[bytes]], object], int, str]] = {
    "a line sealed anew": (seal_one_anew, 1, "expected 5 after"),
    "a byte": (flip, 1, "bytes before it are no record"),
    "a line left out": (lambda raw: raw.pop(3), 1, "expected 4 after"),
    "two lines swapped": (lambda raw: raw.insert(3, raw.pop(4)), 1, "expected 4 after"),
    "a line twice": (lambda raw: raw.insert(3, raw[3]), 1, "expected 5 after"),
    "the last line damaged": (lambda raw: raw.append(raw.pop()[:-9] + b'bad"}\n'), 1, "are no record, nor the"),
    "a line half written": (lambda raw: raw.append(raw[0][:50]), 0, "open end, 50 bytes"),
}


@pytest.mark.parametrize("name", BYTE_EDITS)
@pytest.mark.parametrize("chain", ["audit", "journal"])
def test_it_finds_damaged_bytes(chain: str, name: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    edit, code, message = BYTE_EDITS[name]
    path = files.audit if chain == "audit" else files.journal
    raw = path.read_bytes().splitlines(keepends=True)
    edit(raw)
    path.write_bytes(b"".join(raw))

    assert main([str(files.folder)]) == code
    assert message in capsys.readouterr().out


def test_torn_interrupted_and_begun_afresh_runs_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = set_stage(tmp_path)
    brokers = with_faults(stage)
    stage.buy_one(ETH)
    stage.loop(1).run()
    brokers[0].lose_answers = 1
    stage.loop(5).run()
    for path in (stage.audit_file, stage.data / JOURNAL):
        with path.open("ab") as file:
            file.write(path.read_bytes()[:100])
    stage.loop(3).run()
    folders = [str(stage.data), str(tmp_path / "logs")]
    assert main(folders) == 0, capsys.readouterr().out

    stage.audit_file.write_bytes(b"")
    stage.play(2)
    capsys.readouterr()
    assert main(folders) == 0, capsys.readouterr().out


def book(books: Books, side: str, amounts: tuple[str, str, str], purpose: str) -> None:
    size, price, fee = amounts
    fill = {"side": side, "product_id": "A-USD", "size": size, "price": price, "fee": fee}
    with localcontext(prec=100):
        books.book(fill, "L", purpose)


def test_coins_sold_beyond_a_lot_are_owed_and_bought_back() -> None:
    books = Books()
    book(books, "BUY", ("3", "10", "0.3"), "entry")

    book(books, "SELL", ("5", "12", "0.5"), "exit")
    assert books.as_line() == {
        "cash": {"USD": "29.2"},
        "positions": {},
        "oversold": {"A-USD": "2"},
        "realised": "5.4",  # 36 - 0.3 of the fee - 30.3
        "fees": "0.8",
    }

    book(books, "BUY", ("3", "11", "0.3"), "cover")
    assert books.as_line() == {
        "cash": {"USD": "-4.1"},
        "positions": {"L": ["A-USD", "1", "11.1"]},
        "oversold": {},
        "realised": "7",  # 23.8 - 22 - 0.2 more
        "fees": "1.1",
    }


@pytest.mark.parametrize(("cost", "share"), [("0.00000001", "0"), ("0.00000003", "0.00000002")])
def test_a_share_of_the_cost_is_rounded_half_to_even(cost: str, share: str) -> None:
    books = Books()
    book(books, "BUY", ("2", "0", cost), "entry")

    book(books, "SELL", ("1", "0", "0"), "exit")

    assert books.realised == -Decimal(share)


def test_its_books_are_those_of_the_last_line(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(files.folder)]) == 0

    last = json.loads(files.audit.read_bytes().splitlines()[-1])
    printed = capsys.readouterr().out
    assert f"realised {last['pnl']['realised']}, fees {last['pnl']['fees']}\n" in printed
