"""JSON from outside: exact numbers, one meaning, bounded."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adapters.coinbase.strict_json import Json, StrictJsonError, parse, render


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":0.10}', {"a": Decimal("0.10")}),
        (b"[1e-7,-2E+3]", [Decimal("1e-7"), Decimal("-2E+3")]),
        (b'[1,-0,true,false,null,""]', [1, 0, True, False, None, ""]),
        (b' "\\ud83d\\ude00" ', "\U0001f600"),
        (b"1" * 100, int("1" * 100)),
        (nested(32), json.loads(nested(32))),
    ],
)
def test_is_read_exactly(body: bytes, value: Json) -> None:
    found = parse(body)

    assert found == value
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{} {}", id="two documents"),
        pytest.param(b'{"a":1', id="cut off"),
        pytest.param(b"<html></html>", id="HTML"),
        pytest.param(b"{'a':1}", id="other quotes"),
        pytest.param(b'{"a":1,"a":1}', id="a key twice"),
        pytest.param(b'[{"b":{"a":1,"a":2}}]', id="a key twice, deep inside"),
        pytest.param(b"[NaN]", id="NaN"),
        pytest.param(b"[Infinity]", id="Infinity"),
        pytest.param(b"[-Infinity]", id="minus Infinity"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param('{"a":"ä"}'.encode("latin-1"), id="not UTF-8"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
        pytest.param(b'"\\ud83d"', id="half a surrogate pair"),
        pytest.param(b'{"\\uDE00":1}', id="half a surrogate pair as a key"),
        pytest.param(b'["\n"]', id="a line break in a text"),
        pytest.param(b"1" * 101, id="101 digits"),
        pytest.param(b"1" * 5000, id="5,000 digits"),
        pytest.param(b"0." + b"1" * 99, id="101 characters of a fraction"),
        pytest.param(b"1e101", id="101 digits before the point"),
        pytest.param(b"1e-101", id="101 digits after it"),
        pytest.param(b"1e999999999999999999999", id="an exponent beyond Decimal"),
        pytest.param(b"[1_000]", id="a number as Python writes it"),
        pytest.param("[\u0661]".encode(), id="digits of another alphabet"),
        pytest.param(nested(33), id="nested 33 deep"),
        pytest.param(nested(100_000), id="nested 100,000 deep"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, id="objects nested 40 deep"),
    ],
)
def test_is_refused(body: bytes) -> None:
    with pytest.raises(StrictJsonError):
        parse(body)


def test_a_refusal_does_not_repeat_the_document() -> None:
    with pytest.raises(StrictJsonError) as caught:
        parse(b'{"privateKey": "canary"')

    assert "canary" not in repr(caught.value)
    assert caught.value.__suppress_context__


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        parse(body)
    except StrictJsonError:
        return


SCALARS = st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.text(st.characters(codec="utf-8"))


@given(
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=20)
)
def test_what_json_says_is_what_is_read(value: Json) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return

    assert parse(text) == value


def test_a_body_is_written_compactly() -> None:
    assert render({"b": "0.10", "a": [True, None]}) == b'{"b":"0.10","a":[true,null]}'


@pytest.mark.parametrize("value", [Decimal("0.1"), float("nan")])
def test_an_amount_that_is_not_a_text_is_not_written(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        render({"a": value})
