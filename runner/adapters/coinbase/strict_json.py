"""JSON that came from outside: read exactly, or refused."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | Decimal | int | bool | None"

DEPTH_MAX = 32
DIGITS_MAX = 100
"""Of a number written out in full, on either side of its point."""


class StrictJsonError(ValueError):
    """These bytes are not JSON that this program believes; the message says why and repeats none of them."""


def parse(body: bytes) -> Json:
    """
    Read a JSON document. Numbers with a point or an exponent become Decimal, others int.

    Raises:
        StrictJsonError: Not UTF-8, not JSON (RFC 8259), or JSON that readers understand differently: a key twice
            in an object, NaN or Infinity, half a surrogate pair, too deep, a number of too many digits.
    """
    try:
        text = body.decode("utf-8")
        value: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except StrictJsonError:
        raise
    except RecursionError:
        raise StrictJsonError(f"nested deeper than {DEPTH_MAX}") from None
    except UnicodeDecodeError:
        raise StrictJsonError("not UTF-8") from None
    except ValueError:
        raise StrictJsonError("not JSON") from None  # the original error quotes the document
    _check_depth(value)
    if "\\ud" in text or "\\uD" in text:
        _check_surrogates(value)
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictJsonError("a key stands twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise StrictJsonError(f"a number of more than {DIGITS_MAX} digits")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    try:
        number = Decimal(digits) if len(digits) <= DIGITS_MAX else None
    except InvalidOperation:  # an exponent beyond what Decimal can hold
        number = None
    if number is None or abs(number.adjusted()) > DIGITS_MAX:
        raise StrictJsonError(f"a number of more than {DIGITS_MAX} digits")
    return number


def _constant(name: str) -> Json:
    raise StrictJsonError(f"{name} is not a number")


def _check_depth(value: Json) -> None:
    """Walk the containers level by level: the depth is the number of levels."""
    level: list[Json] = [value]
    for _ in range(DEPTH_MAX + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        level = []
        for item in containers:
            level += item.values() if isinstance(item, dict) else item
    raise StrictJsonError(f"nested deeper than {DEPTH_MAX}")


def _check_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJsonError("half a surrogate pair in a text") from None


def render(value: Mapping[str, object]) -> bytes:
    """Write a request's body: compact, ASCII, NaN refused. Amounts are to be strings (a Decimal is a TypeError)."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
