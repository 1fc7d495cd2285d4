"""The strict reader: plain YAML is read exactly, and what could be read in two ways is refused by line, key and fix."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from runner.adapters.configuration.strict_yaml import NESTING_MAX, parse_strict


def test_values_are_text_booleans_whole_numbers_and_exact_decimals() -> None:
    text = """
# a comment
mode: PAPER          # plain text
quoted: "yes"
on_: 'off'
flag: true
other: false
count: 60
negative: -3.0
fine: 0.100000000000000001
flow: {a: [1, "2", x], b: {}}
block:
  - one
  - 2.50
"""

    document = parse_strict(text, "policy.yaml")

    assert document == {
        "mode": "PAPER",
        "quoted": "yes",
        "on_": "off",
        "flag": True,
        "other": False,
        "count": 60,
        "negative": Decimal("-3.0"),
        "fine": Decimal("0.100000000000000001"),
        "flow": {"a": [1, "2", "x"], "b": {}},
        "block": ["one", Decimal("2.50")],
    }
    assert type(document["count"]) is int


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        *[(word, "more than one meaning") for word in ("yes", "no", "on", "off", "y", "n", "Yes", "NO", "On", "OFF")],
        *[(word, "more than one meaning") for word in ("True", "FALSE", "null", "Null", "~", "", "=")],
        *[(word, "not a plain number") for word in (".nan", ".inf", "-.inf", "+.INF", ".NaN", "1_000", "010", "0x1F")],
        *[(word, "not a plain number") for word in ("0o17", "0b1", "1:30", "190:20:30.15", "1e3", "1.5E-2", "+5")],
        *[(word, "not a plain number") for word in (".5", "5.", "-.5", "1.2.3", "1,000", "--5", "25%", "1INCH")],
        *[(word, "not a plain number") for word in ("2026-01-05", "2026-01-05T12:00:00Z", "12345678901234567890")],
        ("&anchor 5", "anchors"),
        ("&anchor [1]", "anchors"),
        ("*anchor", "anchors"),
        ("!!int 5", "tag"),
        ("!!python/object:os.system {}", "tag"),
        ("!custom 5", "tag"),
        ("! 5", "tag"),
    ],
)
def test_an_ambiguous_value_is_refused_with_its_line_key_and_a_fix(value: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_strict(f"risk:\n  cap: {value}\n", "policy.yaml")

    message = str(caught.value)
    assert message.startswith("policy.yaml line 2: risk.cap: ")
    assert problem in message
    assert ". Fix: " in message


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("a: 1\nb: 2\na: 1\n", 3, "a: the key appears twice", id="duplicate key"),
        pytest.param("s:\n  a: 1\n  a: 2\n", 3, "s.a: the key appears twice", id="duplicate key in a section"),
        pytest.param("a: 1\n'a': 2\n", 2, "a: the key appears twice", id="duplicate key in quotes"),
        pytest.param("5: 1\n", 1, "'5' is not text", id="number as key"),
        pytest.param("on: 1\n", 1, "more than one meaning", id="boolean as key"),
        pytest.param("<<: {a: 1}\n", 1, "more than one meaning", id="merge key"),
        pytest.param("? [a]\n: 1\n", 1, "a key must be a plain word", id="list as key"),
        pytest.param("a: &x {b: 1}\nc: *x\n", 1, "anchors", id="anchor on a section"),
        pytest.param("&k a: 1\n", 1, "anchors", id="anchor on a key"),
        pytest.param("a: 1\n---\nb: 2\n", 2, "a second document", id="two documents"),
        pytest.param("%YAML 1.1\n---\na: 1\n", 1, "directive", id="directive"),
        pytest.param("- 1\n", 1, "must hold keys and values", id="list at the top"),
        pytest.param("hello\n", 1, "must hold keys and values", id="text at the top"),
        pytest.param("a: [x\nb: 2\n", 2, "not valid YAML", id="open bracket"),
        pytest.param("a:\n\tb: 1\n", 2, "not valid YAML", id="tab"),
        pytest.param("a: *nowhere\n", 1, "anchors", id="alias without anchor"),
    ],
)
def test_a_file_that_is_not_one_plain_mapping_is_refused_by_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_strict(text, "policy.yaml")

    message = str(caught.value)
    assert message.startswith(f"policy.yaml line {line}: ")
    assert problem in message
    assert ". Fix: " in message


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"policy\.yaml: the file is empty\. Fix: "):
        parse_strict(text, "policy.yaml")


def test_a_control_character_is_refused_without_a_traceback() -> None:
    with pytest.raises(ConfigError, match=r"policy\.yaml: not valid YAML"):
        parse_strict("a: \x00\n", "policy.yaml")


def test_nesting_is_bounded() -> None:
    deepest = "[" * (NESTING_MAX - 1) + "]" * (NESTING_MAX - 1)

    assert parse_strict(f"a: {deepest}", "policy.yaml")["a"] != []
    with pytest.raises(ConfigError, match="nested deeper than 8 levels"):
        parse_strict(f"a: [{deepest}]", "policy.yaml")


def test_a_hundred_thousand_brackets_do_not_overflow_the_stack() -> None:
    with pytest.raises(ConfigError, match="nested deeper"):
        parse_strict("a: " + "[" * 100_000, "policy.yaml")


@given(st.text(alphabet="ab01:-[]{},#&*!|>'\"%~.? \n\t\\\x00\u0085", max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_read_or_refused_with_a_message_for_its_author(text: str) -> None:
    refusal = ""
    try:
        parse_strict(text, "policy.yaml")
    except ConfigError as error:
        refusal = str(error)

    assert not refusal or (refusal.startswith("policy.yaml") and ". Fix: " in refusal)
