"""The lists of planted bugs do not rot: every text that a bug replaces is there once, and what it becomes is Python."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.config_files import ROOT
from tests.planted_bugs.bug import Bug
from tests.planted_bugs.lists import BUGS

LEAST = 40
"""What reliability.md (G7) and issue 4 ask for."""


@cache
def parsed(text: str) -> str:
    return ast.dump(ast.parse(text))


@cache
def read(path: Path) -> str:
    return path.read_text("utf-8")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted_in_the_tree_of_today(bug: Bug) -> None:
    text = read(ROOT / bug.file)

    planted = bug.planted_in(text)

    assert parsed(planted) != parsed(text), "it changes nothing"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_what_is_to_catch_a_bug_is_there(bug: Bug) -> None:
    assert bug.caught_by
    for check in bug.caught_by:
        if check.startswith("python -m tests."):
            continue
        place, *names = check.partition("[")[0].split("::")
        assert (ROOT / place).exists(), check
        for name in names:
            assert f"{'class' if name[0].isupper() else 'def'} {name}" in read(ROOT / place), check


def test_there_are_enough_of_them_and_no_two_are_the_same() -> None:
    assert len(BUGS) >= LEAST
    assert [name for name, count in Counter(bug.name for bug in BUGS).items() if count > 1] == []
    assert [edit for edit, count in Counter((bug.file, bug.old, bug.new) for bug in BUGS).items() if count > 1] == []


def test_every_law_that_the_program_can_break_has_a_bug() -> None:
    """The laws of design.md, section 2; what breaks none of them breaks a control of reliability.md, section 5."""
    broken = {bug.breaks for bug in BUGS}

    assert [f"L{number}" for number in range(1, 18) if f"L{number}" not in broken] == []
    assert all(law[0] in "LC" and law[1:].isdigit() for law in broken)
