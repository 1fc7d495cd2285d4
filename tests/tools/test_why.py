"""The question why a product was or was not bought, asked as a user asks it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.program_runs import Run
from tests.sealed_records import JOURNAL
from tools.why import main

ANSWERED, NO_ANSWER, UNUSABLE = 0, 1, 2


@pytest.fixture
def answer(short_run: Run, capsys: pytest.CaptureFixture[str]) -> "Asking":
    return Asking(short_run.folder, capsys)


class Asking:
    """Asks about one run, and keeps what came out."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.told = ""
        self.complaint = ""
        self._capsys = capsys

    def __call__(self, *words: str) -> int:
        folders = ["--data-dir", str(self.folder / "data"), "--logs-dir", str(self.folder / "logs")]
        code = main([*words, *folders])
        said = self._capsys.readouterr()
        self.told, self.complaint = said.out, said.err
        return code


def first_bought(run: Run) -> tuple[int, str]:
    line = next(line for line in run.lines() if line["execution"]["fills"])
    return line["seq"], line["execution"]["fills"][0]["product"]


def test_of_a_product_that_was_bought_every_gate_is_told_up_to_the_fill(answer: Asking, short_run: Run) -> None:
    seq, product = first_bought(short_run)

    assert answer(product, f"#{seq}") == ANSWERED

    steps = re.findall(r"^. {1,2}(\w[\w ]*?)  ", answer.told, re.MULTILINE)
    wanted = ["state", "universe", "candles", "triggers", "rules", "risk", "approved", "order", "sent", "filled"]
    assert [step for step in wanted if step in steps] == wanted
    assert re.search(r"✅ +spread [\d.]+ % \(at most [\d.]+ %\)", answer.told)
    assert re.search(r"✅ +risk +passed all \d+ gates", answer.told)
    assert "note:" not in answer.told


def test_of_a_product_that_risk_refused_the_shut_gate_is_told_with_value_and_limit(
    answer: Asking, short_run: Run
) -> None:
    line = next(line for line in short_run.lines() if (line["risk"] or {}).get("refused"))
    refused = line["risk"]["refused"][0]

    assert answer(refused["product"], f"#{line['seq']}") == ANSWERED

    assert re.search(r"⛔ risk +refused at gate \d+ of \d+", answer.told)
    assert f"⛔            {refused['reason']}: {refused['observed']}, limit {refused['limit']}\n" in answer.told
    assert "approved" not in answer.told


def test_of_a_product_that_nothing_triggered_each_trigger_is_told_with_its_threshold(answer: Asking) -> None:
    assert answer("BTC", "#2") == ANSWERED

    assert "⛔ triggers   0 fired" in answer.told
    assert re.search(r"⛔ +price_move_15m: moved -?[\d.]+ % \(at least 1.2 %\)", answer.told)
    assert "rules" not in answer.told


def test_of_a_product_that_is_held_the_exits_and_their_limits_come_first(answer: Asking, short_run: Run) -> None:
    seq, product = first_bought(short_run)

    assert answer(product, f"#{seq + 1}") == ANSWERED

    _, first, second, *_ = answer.told.splitlines()
    assert re.search(r"held +[\d.]+ bought at [\d.]+: no exit is due", first)
    assert re.search(r"bid [\d.]+, stop [\d.]+, target [\d.]+, .*, held \d+ s of at most \d+ s", second)
    assert f"holds {_position(short_run, seq, product)}" in answer.told


def _position(run: Run, seq: int, product: str) -> str:
    positions = run.lines()[seq]["portfolio"]["positions"]
    quantity: str = next(one["quantity"] for one in positions if one["product"] == product)
    return quantity


def test_without_a_time_it_is_the_latest_cycle(answer: Asking, short_run: Run) -> None:
    last = short_run.lines()[-1]

    assert answer("btc-usd") == ANSWERED

    assert answer.told.startswith(f"BTC-USD in cycle {last['seq']}, {last['timestamp']} (PAPER on simulated, ")


@pytest.mark.parametrize("time", ["0:5", "00:05", "2026-01-05T00:05", "2026-01-05T01:05+01:00", "#6"])
def test_a_cycle_is_found_by_its_minute_or_its_number(answer: Asking, time: str) -> None:
    if time == "0:5":
        assert answer("BTC", time) == UNUSABLE
        return

    assert answer("BTC", time) == ANSWERED
    assert answer.told.startswith("BTC-USD in cycle 6, 2026-01-05T00:05:00Z ")


def test_a_product_that_the_venue_does_not_list_is_named(answer: Asking) -> None:
    assert answer("NOPE") == NO_ANSWER
    assert "'NOPE' is no product that this venue listed then" in answer.complaint


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("#9999", "there is no cycle 9999: the audit's lines end with 150"),
        ("2026-01-06T04:01", "no cycle began at 2026-01-06T04:01Z; the cycle before it is 150"),
        ("2026-01-04T04:01", "no cycle began at 2026-01-04T04:01Z"),
    ],
)
def test_a_cycle_that_is_not_there_is_named(answer: Asking, time: str, words: str) -> None:
    assert answer("BTC", time) == NO_ANSWER
    assert words in answer.complaint


@pytest.mark.parametrize("time", ["noon", "24:00", "12:60", "#0x1", ""])
def test_what_is_no_time_is_wrong_use(answer: Asking, time: str) -> None:
    assert answer("BTC", time) == UNUSABLE
    assert f"{time!r} is no time; write HH:MM" in answer.complaint


def test_the_answer_can_be_had_as_json(answer: Asking) -> None:
    assert answer("BTC", "#2", "--json") == ANSWERED

    found = json.loads(answer.told)
    assert (found["product"], found["cycle"], found["is_as_recorded"]) == ("BTC-USD", 2, True)
    assert {"step": "state", "open": True, "words": "ARMED, no breaker is tripped"} in found["chain"]


def test_a_cycle_whose_tape_is_gone_cannot_be_answered(
    short_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(short_run.folder, tmp_path / "copy")
    shutil.rmtree(copied / "data" / "tape")
    answer = Asking(copied, capsys)

    assert answer("BTC") == NO_ANSWER
    assert "has a line, but the tape in" in answer.complaint


def test_folders_without_a_run_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Asking(tmp_path, capsys)

    assert answer("BTC") == UNUSABLE
    assert str(tmp_path / "data" / JOURNAL) in answer.complaint
