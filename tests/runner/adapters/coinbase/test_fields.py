"""Fields of Coinbase's answers: what is taken, what means none, and what is refused with the field's name."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import ProductId
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField
from tests.builders import NOON

NOTHING: list[Any] = [{}, {"x": None}, {"x": ""}]
NO_LISTS: list[object] = [None, "", {}, "[]", 3]
NO_OBJECTS: list[object] = [None, "", [], "{}", 3]

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.text(max_size=40)
    | st.from_regex(r"-?[0-9]{1,35}(\.[0-9]{1,35})?", fullmatch=True),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        pytest.param("105.30", "105.30", id="text"),
        pytest.param("-0.5", "-0.5", id="negative text"),
        pytest.param("0" * 30 + "." + "0" * 29 + "1", "1E-30", id="thirty digits on either side"),
        pytest.param(7, "7", id="JSON integer"),
        pytest.param(Decimal("0.012"), "0.012", id="JSON number"),
        pytest.param(Decimal("1E-7"), "1E-7", id="JSON number with an exponent"),
        pytest.param(-(10**30) + 1, "-" + "9" * 30, id="the largest integer"),
    ],
)
def test_a_number_is_taken_exactly(value: object, number: str) -> None:
    assert fields.decimal({"x": value}, "x") == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [
        "1e5", "1E-7", "NaN", "nan", "Infinity", "-inf", "1_000", "1,5", " 1", "1 ", "1\n", "+1", ".5", "5.", "--1",
        "٣", "1٣", "１", "0x10", "1%", "one", "1" * 31, "0." + "1" * 31, "²", "−1",  # noqa: RUF001
        True, False, 1.5, [], ["1"], {}, {"value": "1"},
        Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+30"), Decimal("1E-31"), Decimal("1E+999999"),
        10**30, 10**5000,
    ],
    ids=lambda value: type(value).__name__ + ascii(value)[:20] if not isinstance(value, int) else f"int{value % 7}",
)  # fmt: skip
def test_what_is_no_plain_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(BadField, match=r"^best_bid: expected a number, found ") as caught:
        fields.decimal_or_none({"best_bid": value}, "best_bid")

    assert caught.value.name == "best_bid"
    assert len(str(caught.value)) < 120
    assert str(caught.value).isascii()


@pytest.mark.parametrize("parent", NOTHING)
@pytest.mark.parametrize(
    ("optional", "required"),
    [
        (fields.decimal_or_none, fields.decimal),
        (fields.not_negative_or_none, fields.not_negative),
        (fields.text_or_none, fields.text),
        (fields.flag_or_none, fields.flag),
        (fields.moment_or_none, fields.moment),
    ],
)
def test_nothing_null_and_empty_mean_none_where_none_is_allowed(
    parent: Any, optional: Callable[[Any, str], object], required: Callable[[Any, str], object]
) -> None:
    assert optional(parent, "x") is None
    with pytest.raises(BadField, match=r"^x: "):
        required(parent, "x")


def test_a_percent_sign_is_dropped_once_and_only_where_it_is_allowed() -> None:
    assert fields.decimal({"x": "-1.25%"}, "x", percent_sign=True) == Decimal("-1.25")
    assert fields.decimal({"x": "3"}, "x", percent_sign=True) == 3
    for value in ("1%%", "%", "%1"):
        with pytest.raises(BadField):
            fields.decimal({"x": value}, "x", percent_sign=True)


def test_zero_is_not_positive_and_not_negative() -> None:
    assert fields.not_negative({"x": "0"}, "x") == 0
    assert fields.positive({"x": "0.00000001"}, "x") == Decimal("0.00000001")
    with pytest.raises(BadField, match="above zero"):
        fields.positive({"x": "0"}, "x")
    with pytest.raises(BadField, match="not below zero"):
        fields.not_negative({"x": "-0.00000001"}, "x")
    with pytest.raises(BadField, match="not below zero"):
        fields.not_negative_or_none({"x": "-1"}, "x")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-05T12:00:00Z", NOON),
        ("2026-01-05T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("2026-01-05T12:00:00.123456Z", NOON.replace(microsecond=123_456)),
        ("2026-01-05T12:00:00.123456999Z", NOON.replace(microsecond=123_456)),
        ("2026-01-05T12:00:00+00:00", NOON),
        ("2026-01-05T14:30:00+02:30", NOON),
        ("2026-01-05T07:00:00.25-05:00", NOON.replace(microsecond=250_000)),
    ],
)
def test_a_time_is_aware_in_utc_and_cut_to_microseconds(value: str, moment: datetime) -> None:
    found = fields.moment({"time": value}, "time")

    assert found == moment
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-05T12:00:00", "2026-01-05", "2026-01-05 12:00:00Z", "2026-01-05T12:00:00z", "2026-01-05T12:00Z",
        "2026-13-05T12:00:00Z", "2026-02-30T12:00:00Z", "2026-01-05T24:00:01Z", "2026-01-05T12:00:60Z",
        "2026-01-05T12:00:00.Z", "2026-01-05T12:00:00.1234567890Z", "2026-01-05T12:00:00Z\n", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-05T12:00:00+24:00", "٢٠٢٦-01-05T12:00:00Z",
        1767614400, Decimal(1767614400), True, [], {},
    ],
)  # fmt: skip
def test_what_is_no_whole_time_is_refused(value: object) -> None:
    with pytest.raises(BadField, match=r"^time: expected a time"):
        fields.moment_or_none({"time": value}, "time")


@pytest.mark.parametrize("value", ["true", "false", 0, 1, Decimal(1), [], {}])
def test_only_booleans_are_booleans(value: object) -> None:
    assert fields.flag({"x": False}, "x") is False
    with pytest.raises(BadField, match=r"^x: expected true or false"):
        fields.flag_or_none({"x": value}, "x")


@pytest.mark.parametrize(("value", "number"), [("1767614400", 1767614400), (7, 7), (Decimal("7.0"), 7), ("-3", -3)])
def test_a_whole_number_is_text_or_number(value: object, number: int) -> None:
    assert fields.whole({"x": value}, "x") == number


@pytest.mark.parametrize(
    "value", ["", None, "1.0", "1" * 19, 10**18, Decimal("0.5"), Decimal("1E+18"), Decimal("NaN"), True, "1_0", "٣", []]
)
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(BadField, match=r"^x: expected a whole number"):
        fields.whole({"x": value}, "x")


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", "a" * 201, 7, [], {}, True])
def test_a_text_is_short_and_printable(value: object) -> None:
    assert fields.text({"x": "a" * 200}, "x") == "a" * 200
    with pytest.raises(BadField, match=r"^x: expected a text"):
        fields.text_or_none({"x": value}, "x")


def test_a_product_id_is_parsed() -> None:
    assert fields.product_id({"product_id": "1INCH-USD"}) == ProductId("1INCH", "USD")
    for value in ("BTC", "BTC-", "btc-USD", "BTC-USD-PERP", "BTC/USD", "../BTC-USD", "BTC-USD?x=1", "ВТС-USD"):  # noqa: RUF001
        with pytest.raises(BadField, match=r"^product_id: "):
            fields.product_id({"product_id": value})


def test_only_a_list_is_a_list_and_only_an_object_is_an_object() -> None:
    assert fields.items({"x": []}, "x") == []
    assert fields.row({"x": {"a": 1}}, "x") == {"a": 1}
    for no_list in NO_LISTS:
        with pytest.raises(BadField, match=r"^x: expected a list"):
            fields.items({"x": no_list}, "x")
    for no_object in NO_OBJECTS:
        with pytest.raises(BadField, match=r"^x: expected an object"):
            fields.row({"x": no_object}, "x")
    with pytest.raises(BadField, match="the answer: expected an object, found a list"):
        fields.row_of([], "the answer")


def attempt(read: Callable[[], object]) -> object:
    """Return what was read, or the BadField; anything else that is raised fails the test."""
    try:
        return read()
    except BadField as error:
        return error


@given(value=JSON_VALUES)
def test_any_value_gives_a_plain_number_or_a_bad_field(value: object) -> None:
    found = attempt(lambda: fields.decimal({"x": value}, "x", percent_sign=True))

    if isinstance(found, BadField):
        assert re.fullmatch(r"x: expected a number, found [ -~]{1,80}", str(found))
    else:
        assert isinstance(found, Decimal)
        assert found.is_finite()
        assert len(format(found, "f")) <= 63


@given(value=JSON_VALUES)
def test_any_value_is_what_it_should_be_or_a_bad_field(value: object) -> None:
    parent = {"x": value}

    assert isinstance(attempt(lambda: fields.whole(parent, "x")), int | BadField)
    assert isinstance(attempt(lambda: fields.flag(parent, "x")), bool | BadField)
    assert isinstance(attempt(lambda: fields.text(parent, "x")), str | BadField)
    assert isinstance(attempt(lambda: fields.moment(parent, "x")), datetime | BadField)
    assert isinstance(attempt(lambda: fields.items(parent, "x")), list | BadField)
    assert isinstance(attempt(lambda: fields.row(parent, "x")), dict | BadField)
    assert isinstance(attempt(lambda: fields.product_id(parent, "x")), ProductId | BadField)
