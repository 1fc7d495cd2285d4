"""What deciding again must find: a line, an end or a tape that was changed afterwards. On copies of a short run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.determinism.kinds import paper
from tests.program_runs import Line
from tests.sealed_records import AUDIT, JOURNAL, Records, reseal
from tools.replay import main
from tools.replaying.identity import Replay
from tools.replaying.verdict import Verdict

CYCLES = 60
SEED = 8


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour with trades, ended and begun again in its middle."""
    folder = tmp_path_factory.mktemp("played")
    paper(folder, SEED, CYCLES)
    return folder


@pytest.fixture
def copied(played: Path, tmp_path: Path) -> Path:
    return shutil.copytree(played, tmp_path / "copy")


def replay(folder: Path) -> int:
    return main(["--all", "--json", "--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs")])


def decided_again(folder: Path) -> Verdict:
    return Replay(folder / "data", folder / "logs", lambda: None).all()


def refuse_nothing(line: Line) -> None:
    line["risk"]["refused"] = []


def buy_more(line: Line) -> None:
    line["risk"]["approved"][0]["notional"] = "999"


def lower_the_price(line: Line) -> None:
    line["execution"]["orders"][0]["limit_price"] = "1"


EDITS: tuple[tuple[Callable[[Line], object], Callable[[Line], object]], ...] = (
    (lambda line: (line["risk"] or {}).get("refused"), refuse_nothing),
    (lambda line: (line["risk"] or {}).get("approved"), buy_more),
    (lambda line: line["execution"]["orders"], lower_the_price),
    (lambda line: line["seq"] == 40, lambda line: line["portfolio"]["cash"].update(USD="1")),
)


def test_lines_that_were_changed_and_sealed_anew_are_those_that_differ(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed: dict[int, None] = {}

    def edit(lines: Records) -> None:
        for has_it, change in EDITS:
            line = next(line for line in lines if has_it(line) and line["seq"] not in changed)
            changed[line["seq"]] = None
            change(line)

    reseal(copied / "logs" / AUDIT, edit)

    assert replay(copied) == 1
    found = json.loads(capsys.readouterr().out)
    assert [item["cycle"] for item in found["differing"]] == sorted(changed)
    assert found["identical"] == CYCLES - len(EDITS)


def test_a_journal_record_that_was_changed_is_found_though_every_line_agrees_with_it(copied: Path) -> None:
    """Journal and audit are sealed anew together, in the run whose tape names nothing of the journal after it."""
    place: list[int] = []

    def edit(records: Records) -> None:
        place.append(next(i for i in reversed(range(len(records))) if records[i]["kind"] == "MARK"))
        records[place[0]]["at"] = "2026-01-05T00:59:59Z"

    reseal(copied / "data" / JOURNAL, edit)
    hashes = [json.loads(line)["hash"] for line in (copied / "data" / JOURNAL).read_bytes().splitlines()]
    reseal(
        copied / "logs" / AUDIT,
        lambda lines: [line.update(journal_hash=hashes[line["journal_seq"] - 1][:16]) for line in lines],
    )

    verdict = decided_again(copied)

    ((seq, _, found),) = verdict.differing
    assert (seq, found.where, found.member) == (CYCLES, f"journal seq {place[0] + 1}", "at")


def test_lines_whose_facts_are_lost_are_counted_and_make_it_fail(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One flipped bit costs the rest of the file, and no line of it passes for identical."""
    tape = min((copied / "data" / "tape").iterdir())
    data = bytearray(tape.read_bytes())
    data[-100] ^= 1
    tape.write_bytes(data)

    assert replay(copied) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == []
    verdict = decided_again(copied)
    assert "is damaged" in verdict.lost[0][2]
    assert verdict.differing == []
    assert verdict.identical + len(verdict.lost) == CYCLES


def test_a_tape_whose_first_record_is_damaged_is_not_one_that_began_later(copied: Path) -> None:
    tape = min((copied / "data" / "tape").iterdir())
    data = bytearray(tape.read_bytes())
    data[len(data) // 2] ^= 1  # the first record has the candles of a day in it, and most of the bytes
    tape.write_bytes(data)

    verdict = decided_again(copied)

    assert not verdict.is_good
    assert (len(verdict.lost), verdict.before_tape, verdict.identical) == (CYCLES // 2, 0, CYCLES // 2)
