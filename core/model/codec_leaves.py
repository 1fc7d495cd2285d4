"""How single values stand in JSON, each with a strict encoder and decoder."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.model.market import ProductId
from core.model.money import plain

Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]

_AMOUNT = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
"""Wider than what the exchange sends: a sum of products of amounts must come back from the file as well."""
_ZULU_SPELLING = "+00:00"


class BadValue(ValueError):
    """A value that does not fit, with the path to it, built from the inside out."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path


def under(step: str, error: ValueError) -> BadValue:
    if isinstance(error, BadValue):
        return BadValue(error.problem, step + error.path)
    return BadValue(str(error), step)


def _same(kind: type, spoken: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:  # not isinstance: True is no number here
            raise BadValue(f"expected {spoken}, found {value!r}")
        return value

    return check


def _finite_float(value: Any) -> float:
    if type(value) is not float or not math.isfinite(value):
        raise BadValue(f"expected a finite float, found {value!r}")
    return value


def _encode_amount(value: Any) -> str:
    if type(value) is not Decimal or not value.is_finite():
        raise BadValue(f"expected a finite Decimal, found {value!r}")
    text = plain(value)
    if len(text) > 40 and not _AMOUNT.fullmatch(text):
        raise BadValue(f"too many digits to be an amount: {value!r}")
    return text


def _decode_amount(data: Any) -> Decimal:
    if type(data) is not str or not _AMOUNT.fullmatch(data):
        raise BadValue(f"expected a plain decimal string, found {data!r}")
    return Decimal(data)


def _encode_time(value: Any) -> str:
    if type(value) is not datetime or value.tzinfo is not UTC:
        raise BadValue(f"expected a time in UTC, found {value!r}")
    return value.isoformat().removesuffix(_ZULU_SPELLING) + "Z"


def _decode_time(data: Any) -> datetime:
    if type(data) is not str or not data.endswith("Z"):
        raise BadValue(f"expected a UTC time ending in Z, found {data!r}")
    stem = data[:-1]
    try:
        value = datetime.fromisoformat(stem + _ZULU_SPELLING)
    except ValueError:
        raise BadValue(f"not an ISO 8601 time: {data!r}") from None
    if value.isoformat() != stem + _ZULU_SPELLING:
        raise BadValue(f"not an ISO 8601 time as we write it: {data!r}")
    return value


def _encode_product(value: Any) -> str:
    if type(value) is not ProductId:
        raise BadValue(f"expected a product id, found {value!r}")
    return f"{value.base}-{value.quote}"


def _decode_product(data: Any) -> ProductId:
    if type(data) is not str:
        raise BadValue(f"expected a product id, found {data!r}")
    try:
        return ProductId.parse(data)
    except ValueError as error:
        raise BadValue(str(error)) from None


_check_text, _check_int, _check_bool = _same(str, "text"), _same(int, "a whole number"), _same(bool, "true or false")
LEAVES: Mapping[Any, tuple[Encoder, Decoder]] = {
    str: (_check_text, _check_text),
    int: (_check_int, _check_int),
    bool: (_check_bool, _check_bool),
    float: (_finite_float, _finite_float),
    Decimal: (_encode_amount, _decode_amount),
    datetime: (_encode_time, _decode_time),
    ProductId: (_encode_product, _decode_product),
}
