"""What counts as caught, tried on a tree of two files: what could not run, or was too late, has caught nothing."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.planted_bugs.__main__ import main
from tests.planted_bugs.bug import Bug
from tests.planted_bugs.checking import Checker
from tests.planted_bugs.results import Results
from tests.planted_bugs.trees import tree_with

BUG = Bug(
    name="adds-wrongly",
    breaks="L10",
    file="sums.py",
    old="return one + two\n",
    new="return one - two\n",
    caught_by=("test_sums.py",),
)

TESTS = {
    "test_sums.py": "from sums import add\n\ndef test_three() -> None:\n    assert add(1, 2) == 3\n",
    "test_slow.py": "import time\n\ntime.sleep(60)\n",
    "test_temp.py": "def test_it(tmp_path) -> None:\n    assert '/bug-' in str(tmp_path)\n",
    "test_lost.py": "import nowhere\n\ndef test_it() -> None:\n    pass\n",
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "sums.py").write_text("def add(one: int, two: int) -> int:\n    return one + two\n")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -q -ra\npythonpath = .\n")
    for name, text in TESTS.items():
        (folder / name).write_text(text)
    return folder


def test_a_bug_is_caught_by_the_test_that_fails_with_it_and_passes_without(base: Path) -> None:
    with tree_with(BUG, base) as tree:
        planted = Checker().check("test_sums.py", tree)
    clean = Checker().check("test_sums.py", base)

    assert (planted.found or "").startswith("test_sums.py::test_three (")
    assert (clean.found, clean.trouble) == (None, None)


def test_planting_changes_the_tree_of_the_bug_alone(base: Path) -> None:
    before = (base / "sums.py").read_bytes()

    with tree_with(BUG, base) as tree:
        assert b"one - two" in (tree / "sums.py").read_bytes()
        assert (tree / "test_sums.py").samefile(base / "test_sums.py")

    assert (base / "sums.py").read_bytes() == before
    assert not tree.exists()


def test_what_tests_write_goes_away_with_the_tree(base: Path) -> None:
    with tree_with(None, base) as tree:
        verdict = Checker().check("test_temp.py", tree)

    assert (verdict.found, verdict.trouble) == (None, None)
    assert list(base.parent.iterdir()) == [base]


def test_a_check_that_takes_too_long_has_caught_nothing(base: Path) -> None:
    verdict = Checker(0.2).check("test_slow.py", base)

    assert (verdict.found, verdict.trouble) == (None, "not done after 0.2 s")


def test_a_test_that_cannot_even_be_read_has_caught_nothing(base: Path) -> None:
    verdict = Checker().check("test_lost.py", base)

    assert verdict.found is None
    assert (verdict.trouble or "").startswith("it could not be run: exit ")


@pytest.mark.parametrize(
    ("program", "found", "is_trouble"),
    [
        pytest.param("print('3 violations'); raise SystemExit(1)", "3 violations", False, id="ends with 1"),
        pytest.param("print('fine')", None, False, id="ends with 0"),
        pytest.param("raise SystemExit(2)", None, True, id="ends with 2"),
        pytest.param("raise ValueError", None, True, id="ends with a traceback"),
    ],
)
def test_a_command_has_found_something_when_it_says_so_and_ends_with_1(
    base: Path, program: str, found: str | None, is_trouble: bool
) -> None:
    (base / "verdict.py").write_text(program + "\n")

    verdict = Checker().check("python -m verdict", base)

    assert verdict.found == found
    assert (verdict.trouble is not None) is is_trouble


def test_what_was_found_is_known_again_until_something_changes_that_it_depends_on(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    for name in ("core", "tests"):
        (base / name).mkdir()
    Results(file, base).keep(BUG, "test_three")
    Results(file, base).keep("test_sums.py", "passes")
    with file.open("a") as stream:
        stream.write('{"what": "cut o')

    assert Results(file, base).has_caught(BUG)
    assert Results(file, base).has_passed("test_sums.py")
    assert not Results(file, base).has_caught(replace(BUG, new="return one * two\n"))
    (base / "tests" / "test_other.py").write_text("")
    assert Results(file, base).has_caught(BUG)
    (base / "test_sums.py").write_text(TESTS["test_sums.py"] + "\n")
    assert not Results(file, base).has_caught(BUG)
    (base / "test_sums.py").write_text(TESTS["test_sums.py"])
    (base / "core" / "sums.py").write_text("")
    assert not Results(file, base).has_caught(BUG)


def test_a_text_that_is_there_twice_or_not_at_all_plants_nothing() -> None:
    with pytest.raises(ValueError, match=r"stands 2 times in sums\.py"):
        BUG.planted_in("return one + two\nreturn one + two\n")
    with pytest.raises(ValueError, match=r"stands 0 times in sums\.py"):
        BUG.planted_in("return two + one\n")


def test_a_name_that_there_is_none_of_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-bug"]) == 2
    assert capsys.readouterr().err == "no such planted bug: no-such-bug; see --list\n"


def test_the_list_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "guard-not-placed"]) == 0
    assert capsys.readouterr().out.startswith("guard-not-placed (L6, runner/orders/protector.py): ")


def test_when_it_is_stopped_what_runs_is_ended_and_nothing_begins_any_more(base: Path) -> None:
    (base / "slow.py").write_text("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(60)\n")
    checker = Checker()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(checker.run_python, ["slow.py"], base)
        while not (base / "begun").exists():
            time.sleep(0.01)
        checker.end_all()

        code, _ = running.result(timeout=30)

    assert code in (-signal.SIGINT, -signal.SIGKILL, 1)
    assert checker.run_python(["-c", "pass"], base) == (None, "")
