"""What was changed after it was recorded, or is decided otherwise by other settings or code, is found and named."""

import json
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from runner.adapters import tape_files
from tests.config_files import ROOT, shipped_documents, write_config
from tests.profiles import BUSY
from tests.program_runs import SIMULATED_DAY, Run, run_program
from tests.sealed_records import AUDIT, JOURNAL, Records, reseal
from tools.replay import main

NOTHING_FOUND, FOUND, UNUSABLE = 0, 1, 2
CYCLES = 40
HOLD = {f"signals.strategies.{name}.max_hold_minutes": 10 for name in ("price_move", "momentum", "mean_reversion")}
SETTINGS = {**BUSY, **HOLD, "app.simulation.products": 12}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short run that trades."""
    folder = tmp_path_factory.mktemp("recorded")
    config = write_config(folder / "config", shipped_documents(SETTINGS))
    return run_program(folder, [*SIMULATED_DAY, "--cycles", str(CYCLES)], config_dir=config)


@pytest.fixture
def copied(recorded: Run, tmp_path: Path) -> Path:
    return shutil.copytree(recorded.folder, tmp_path / "copy")


def replay(folder: Path, *flags: str) -> int:
    return main([*flags, "--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs")])


def tape(folder: Path) -> Path:
    return min((folder / "data" / "tape").iterdir())


def rewrite(path: Path, edit: Callable[[str], str]) -> None:
    """Change the first record of a tape that an edit changes; its checksum is right again."""
    content, is_changed = tape_files.FIRST_LINE, False
    for frame in tape_files.TapeFileReader(path):
        text = frame.text or ""
        new = text if is_changed or frame.kind == b"H" else edit(text)
        is_changed |= new != text
        deflate = zlib.compressobj(1, zlib.DEFLATED, -11)
        packed = deflate.compress(new.encode()) + deflate.flush()
        head = tape_files._HEAD.pack(frame.kind, frame.slot, len(new.encode()), len(packed))
        content += head + tape_files._CHECKSUM.pack(zlib.crc32(packed, zlib.crc32(head))) + packed
    assert is_changed
    path.write_bytes(content)


# --- the tape ---------------------------------------------------------------------------------------------------------


def one_float(text: str) -> str:
    """Change the close of a candle by a ten-millionth."""
    closes = list(re.finditer(r"(?<=,)\d+\.\d+(?=,\d+\.\d+\|)", text))
    if len(closes) < 5:
        return text
    close = closes[3]
    return f"{text[: close.start()]}{float(close[0]) * 1.0000001!r}{text[close.end() :]}"


def one_quote(text: str) -> str:
    return re.sub(r"(\nq[^\t]*\t\d+\.\d+)", r"\g<1>1", text, count=1)


def one_question(text: str) -> str:
    return re.sub(r"\nq[^\n]*", "", text, count=1)


def the_liquidity(text: str) -> str:
    return text.replace('"TAKER"', '"MAKER"', 1)


def the_clock(text: str) -> str:
    return re.sub(r"\nt(\d+)", lambda moved: f"\nt{int(moved[1]) + 1}", text, count=1)


def what_decides_nothing(text: str) -> str:
    return text.replace("fdisk 0 [", "fdisk 0 [1", 1)


def the_slot(text: str) -> str:
    return re.sub(r"cut (\d+)\n$", lambda cut: f"cut {int(cut[1]) + 1}\n", text)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (one_float, "cycle "),
        (one_quote, "cycle 1 "),
        (one_question, "tape, (question)"),
        (the_liquidity, "fill.liquidity"),
        (the_clock, "recorded"),
        (what_decides_nothing, "facts_digest"),
        (the_slot, "recorded cut "),
    ],
)
def test_a_changed_record_of_the_tape(
    copied: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[str], str], named: str
) -> None:
    rewrite(tape(copied), edit)

    assert replay(copied, "--all") == FOUND
    assert named in capsys.readouterr().out


def test_a_flipped_bit_of_the_tape(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(tape(copied).read_bytes())
    data[-10] ^= 1
    tape(copied).write_bytes(data)

    assert replay(copied, "--all") == FOUND
    assert f"{tape(copied).name}: its frame before byte {len(data)} is damaged" in capsys.readouterr().out


# --- lines and journal ------------------------------------------------------------------------------------------------


def a_fee(lines: Records) -> None:
    next(line for line in lines if line["execution"]["fills"])["execution"]["fills"][0]["fee"] = "0.01"


def an_equity(lines: Records) -> None:
    lines[30]["portfolio"]["equity"] = "12345"


def a_digest(lines: Records) -> None:
    lines[30]["facts_digest"] = "0" * 16


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (a_fee, "execution.fills[0].fee"),
        (an_equity, "cycle 31 (slot"),
        (a_digest, "line 31, facts_digest"),
        (lambda lines: lines.pop(20), "1 cycles were decided and have no line"),
        (lambda lines: lines.pop(0), "1 cycles were decided and have no line"),
        (lambda lines: lines.pop(), "1 cycles were decided and have no line"),
    ],
)
def test_a_changed_line_whose_chain_was_sealed_anew(
    copied: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[Records], object], named: str
) -> None:
    reseal(copied / "logs" / AUDIT, edit)

    assert replay(copied, "--all") == FOUND
    assert named in capsys.readouterr().out


@pytest.mark.parametrize("name", [AUDIT, JOURNAL])
def test_a_flipped_bit_in_the_middle_of_a_chain(copied: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = copied / ("logs" if name == AUDIT else "data") / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    assert replay(copied, "--all") == FOUND
    words = capsys.readouterr()
    assert f"{path}, line " in words.err + words.out
    assert "✅" not in words.out


def test_a_changed_fill_of_the_journal(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def more(records: Records) -> None:
        fill = next(record for record in records if record["kind"] == "FILL")["fill"]
        fill["fee"] = "0.01"

    reseal(copied / "data" / JOURNAL, more)

    assert replay(copied, "--all") == FOUND
    assert "fill.fee" in capsys.readouterr().out


def test_a_journal_with_a_record_of_no_known_form(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reseal(copied / "data" / JOURNAL, lambda records: records[5].update(what="is this"))

    assert replay(copied, "--all") == FOUND
    words = capsys.readouterr()
    assert "seq 6: it is no event that fits here" in words.err + words.out


# --- other settings, other code ---------------------------------------------------------------------------------------


def what_if(recorded: Run, folder: Path, changes: dict[str, object]) -> list[str]:
    """Decide under the settings of the run with some changed; what it prints."""
    config = write_config(folder / "other", shipped_documents({**SETTINGS, **changes}))
    return ["--all", "--config", str(config), *folders_of(recorded)]


def folders_of(recorded: Run) -> list[str]:
    return ["--data-dir", str(recorded.folder / "data"), "--logs-dir", str(recorded.folder / "logs")]


def test_the_same_settings_decide_the_same(recorded: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(what_if(recorded, tmp_path, {})) == NOTHING_FOUND

    assert capsys.readouterr().out == f"✅ 0 of {CYCLES} cycles would be decided otherwise\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"policy.execution.min_net_edge_bps": 50},
            r"-USD: order: buy \(.* at .*\) -> risk: edge_below_costs \(.*, limit at least 0.005\)",
        ),
        ({"signals.triggers.price_move_15m_pct": 90.0}, r"-USD: .* -> triggers: no_trigger"),
        (
            {"universe.tiers.tier_1.max_spread_bps": 1},
            r"-USD: universe: eligible .* -> universe: spread_\w+ \(.*0.0001",
        ),
    ],
)
def test_what_would_be_decided_otherwise_is_told_with_gate_and_values(
    recorded: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], words: str
) -> None:
    assert main(what_if(recorded, tmp_path, change)) == FOUND

    told = capsys.readouterr().out
    assert told.startswith(f"   {next(iter(change))}: ")
    assert re.search(words, told), told


def test_the_changes_can_be_had_as_json(recorded: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*what_if(recorded, tmp_path, {"policy.execution.min_net_edge_bps": 50}), "--json"]) == FOUND

    found = json.loads(capsys.readouterr().out)
    assert found["decided"] + found["undecided"] == CYCLES
    change = next(one for one in found["changes"] if one["before"]["code"] == "buy")
    assert change["after"]["code"] == "edge_below_costs"
    assert Decimal(change["after"]["observed"]) < Decimal("0.005")


def test_a_changed_checkout_tells_which_product_at_which_gate(recorded: Run, tmp_path: Path) -> None:
    for name in ("core", "runner", "tools", "config"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    gates = tmp_path / "core" / "risk" / "product_gates.py"
    rule = "least = policy.min_net_edge_fraction"
    text = gates.read_text("utf-8")
    assert text.count(rule) == 1
    gates.write_text(text.replace(rule, f"{rule} * 100"), "utf-8")

    command = [sys.executable, "-m", "tools.replay", "--cycle", "1", "--decisions", *folders_of(recorded)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == FOUND, done.stderr
    assert re.search(r"cycle 1 \S+ \w+-USD: risk: approved .* -> risk: edge_below_costs", done.stdout), done.stdout


def test_code_that_sells_otherwise_is_told_by_lot_and_only_where_it_does(
    recorded: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sold = [line["seq"] for line in recorded.lines() if line["exits"]]
    assert len(sold) >= 2
    monkeypatch.setattr("core.exits._is_held_too_long", lambda _lot, _now: False)

    assert main(["--all", "--decisions", *folders_of(recorded)]) == FOUND

    told = re.findall(
        r"^cycle (\d+) \S+ lot \S+: exits: max_hold \(\d+ s, limit 600 s\) -> exits: kept$",
        capsys.readouterr().out,
        re.MULTILINE,
    )
    assert [int(seq) for seq in told] == sold


# --- wrong use --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [[], ["--cycle", "0"], ["--cycle", "x"], ["--all", "--cycle", "1"], ["--all", "--decisions", "--config", "config"]],
)
def test_wrong_use_is_told(recorded: Run, capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        replay(recorded.folder, *flags)

    assert ended.value.code == UNUSABLE
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "named"),
    [(["--cycle", "9999"], "no cycle 9999"), (["--all", "--config", "nowhere"], "nowhere")],
)
def test_what_is_not_there_is_named(
    recorded: Run, capsys: pytest.CaptureFixture[str], flags: list[str], named: str
) -> None:
    assert replay(recorded.folder, *flags) == UNUSABLE
    assert named in capsys.readouterr().err


def test_folders_without_a_run_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(tmp_path, "--all") == UNUSABLE
    assert str(tmp_path / "data" / JOURNAL) in capsys.readouterr().err


def test_a_run_without_its_tape_cannot_be_decided_again(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copied / "data" / "tape")

    assert replay(copied, "--all") == UNUSABLE
    assert "the tape in" in capsys.readouterr().out
