"""The compiled schema says what jsonschema says: on a day of lines, and on thousands of damaged ones."""

import copy
import json
import random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.program_runs import Line, Run
from tools.audit.line_schema import compile_check, explain, load_schema

SCHEMA = load_schema()
DAMAGED_LINES = 2000
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    1.0,
    1.5,
    -0.5,
    float("nan"),
    10**20,
    "",
    "0",
    "-1.5",
    "1.",
    "PAPER",
    "limit_ioc",
    "0" * 16,
    "0" * 64,
    "0" * 64 + "\n",
    "2026-01-05T00:00:00Z",
    [],
    [1],
    ["x"],
    {},
    {"x": 1},
    {"type": "x", "message": "y"},
)


@pytest.fixture(scope="module")
def lines(day: Run) -> list[Line]:
    return day.lines()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything inside a line."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way for key, item in items for way in ((*path, key), *places(item, (*path, key)))]


def damaged(line: Line, rng: random.Random) -> Line:
    """Replace, remove, add or rename one thing somewhere in a line."""
    line = copy.deepcopy(line)
    *way, last = rng.choice(places(line))
    holder: Any = line
    for step in way:
        holder = holder[step]
    action = rng.randrange(4)
    if action == 0:
        del holder[last]
    elif action == 1 and isinstance(holder, dict):
        holder[rng.choice(["x", "status", "n"])] = rng.choice(VALUES)
    elif action == 1:
        holder.insert(last, rng.choice(VALUES))
    else:
        holder[last] = rng.choice(VALUES)
    return line


def test_a_day_of_lines_is_valid(lines: list[Line]) -> None:
    check = compile_check(SCHEMA)

    assert all(check(line) for line in lines)


def test_thousands_of_damaged_lines_are_judged_as_jsonschema_judges_them(lines: list[Line]) -> None:
    """One line of each kind of shape in the day, so that every part of the schema is damaged many times."""
    rng = random.Random(4)  # noqa: S311
    check, validator = compile_check(SCHEMA), Draft202012Validator(SCHEMA)
    shapes = {tuple(sorted(map(str, (p for p in places(line) if not any(map(_is_int, p)))))): line for line in lines}
    samples = sorted(shapes.values(), key=lambda line: len(json.dumps(line)))[:400]
    verdicts = {True: 0, False: 0}

    for _ in range(DAMAGED_LINES):
        line = damaged(rng.choice(samples), rng)
        expected = validator.is_valid(line)
        verdicts[expected] += 1
        assert check(line) is expected, explain(SCHEMA, line)

    print(f"{DAMAGED_LINES} of {DAMAGED_LINES} damaged lines: {verdicts[False]} invalid, {verdicts[True]} still valid")
    assert min(verdicts.values()) > DAMAGED_LINES / 20


def _is_int(step: object) -> bool:
    return isinstance(step, int)


PARTS: tuple[dict[str, Any], ...] = (
    {"type": "integer"},
    {"type": "number", "minimum": 0},
    {"type": ["integer", "null"], "minimum": 1},
    {"type": ["number", "null"]},
    {"minimum": 1},
    {"type": "string", "pattern": "^[0-9]+$"},
    {"type": ["string", "null"], "pattern": "^[0-9]+$"},
    {"pattern": "x"},
    {"enum": ["x", 1, None]},
    {"const": 2},
    {"const": 1},
    {"enum": [0]},
    {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1},
    {"items": {"type": "string"}},
    {"minItems": 1},
    {"maxItems": 0},
    {"type": "object", "properties": {"x": {"type": "integer"}}},
    {"type": ["object", "null"], "properties": {"x": {"type": "integer"}}, "additionalProperties": False},
    {"type": "object", "properties": {"x": {}}, "required": ["x"], "additionalProperties": {"type": "string"}},
    {"required": ["x"]},
    {"additionalProperties": False},
    {"type": ["boolean", "null"]},
    {"type": "null"},
    {},
)


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_each_keyword_judges_each_value_as_jsonschema_does(part: dict[str, Any]) -> None:
    check, validator = compile_check(part), Draft202012Validator(part)

    assert [check(value) for value in VALUES] == [validator.is_valid(value) for value in VALUES]


@pytest.mark.parametrize(
    "part",
    [
        {"format": "date"},
        {"anyOf": [{}]},
        {"enum": [[1]]},
        {"enum": [True]},
        {"type": "string", "items": {}},
        {"type": "integer", "pattern": "x"},
        {"pattern": "x", "items": {}},
    ],
    ids=str,
)
def test_what_is_not_known_is_refused_when_compiling(part: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the audit schema"):
        compile_check(part)


def test_what_is_wrong_is_told_with_its_place(lines: list[Line]) -> None:
    line = {**lines[7], "config_hash": None}

    assert explain(SCHEMA, line) == "$.config_hash: None is not of type 'string'"
