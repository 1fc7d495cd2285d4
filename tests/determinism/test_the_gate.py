"""
The same seed, played in two processes in different places, leaves the same bytes.

Short runs, of which every kind has orders in it; long ones by hand: `python -m tests.determinism --seeds A..B`. A whole
day of paper in both places is in tests/scenarios/test_a_day_of_paper_trading.py.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.determinism.__main__ import main
from tests.determinism.compare import Comparison, Part, compare
from tests.determinism.kinds import KINDS, why_not
from tests.determinism.places import ELSEWHERE, HERE
from tests.determinism.play import folder_of
from tests.determinism.roots import first_difference, root_of

CYCLES = {"paper": 40, "replay": 760, "live": 20, "simulation": 30}
SEED = 8


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Comparison]]:
    """Play one run of each kind in two processes."""
    folder = tmp_path_factory.mktemp("played")
    parts = [Part(kind, SEED, cycles) for kind, cycles in CYCLES.items() if why_not(kind) is None]
    return folder, {found.part.kind: found for found in compare(parts, folder)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_repeats_to_the_byte_wherever_it_is_played(
    kind: str, played: tuple[Path, dict[str, Comparison]]
) -> None:
    reason = why_not(kind)
    if reason is not None:
        pytest.skip(reason)

    folder, found = played
    assert found[kind].difference == ""
    one, other = found[kind].roots
    assert one == other
    assert one.lines >= CYCLES[kind]
    assert {name for name in one.files if name.startswith("data/tape/")}
    journal = (folder / HERE.name / folder_of(kind, SEED) / "data" / "journal.jsonl").read_text("utf-8")
    assert '"kind":"FILL"' in journal, "nothing happened that could differ"


def test_everything_that_a_process_inherits_is_different_in_the_two_places() -> None:
    assert HERE.environment.keys() - {"PYTHONCOERCECLOCALE"} == ELSEWHERE.environment.keys() - {"PYTHONCOERCECLOCALE"}
    assert [name for name, value in HERE.environment.items() if ELSEWHERE.environment[name] == value] == []
    assert HERE.umask != ELSEWHERE.umask


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs of three lines each that are the same."""
    one, other = tmp_path / "one", tmp_path / "other"
    for name in ("data/journal.jsonl", "logs/247trader-v2_audit.jsonl"):
        (one / name).parent.mkdir(parents=True)
        lines = [json.dumps({"slot": slot, "equity": "1.5", "hash": f"{slot:064}"}) for slot in range(3)]
        (one / name).write_text("\n".join([*lines, ""]))
    shutil.copytree(one, other)
    return one, other


def test_the_same_files_have_one_root(two: tuple[Path, Path]) -> None:
    assert first_difference(*two) == ""
    assert root_of(two[0]).digest == root_of(two[1]).digest


def test_a_changed_value_is_named_with_file_and_line(two: tuple[Path, Path]) -> None:
    path = two[1] / "logs" / "247trader-v2_audit.jsonl"
    path.write_text(path.read_text().replace('"slot": 1, "equity": "1.5"', '"slot": 1, "equity": "1.6"'))

    assert first_difference(*two) == 'logs/247trader-v2_audit.jsonl, line 2: equity: "1.5" and "1.6"'
    assert root_of(two[0]).digest != root_of(two[1]).digest


def test_a_file_more_is_a_difference(two: tuple[Path, Path]) -> None:
    (two[1] / "data" / "journal.000001.jsonl").write_bytes(b"")

    assert first_difference(*two) == "data/journal.000001.jsonl is there once only"


@pytest.mark.parametrize("arguments", [["--seeds", "9..1"], ["--kinds", "paper,dice"], ["--cycles", "1"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
