"""
Fields of Coinbase's answers, read defensively (coinbase_api 2 and 6).

An answer may hold a string, a number, null, "" or nothing where a value is expected. null, "" and nothing all mean
"none". What is there must be exactly what it should be: anything else is a BadField, which the caller turns into its
own error or into a row that is left out. Nothing is guessed. Unknown fields are ignored.

The functions take strictly parsed JSON: numbers are int or Decimal, never float.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from core.model.market import ProductId

Row = Mapping[str, object]

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DIGITS_MAX = 30
_TEXT_MAX = 200
_SHOWN_MAX = 40


class BadField(Exception):
    """A field is not what the API promises; the message names it and shows at most a little of it."""

    def __init__(self, name: str, expected: str, found: object) -> None:
        super().__init__(f"{name}: expected {expected}, found {_shown(found)}")
        self.name = name


def row_of(value: object, name: str) -> Row:
    """Return a JSON object; `name` is what an error calls it."""
    if not isinstance(value, dict):
        raise BadField(name, "an object", value)
    return value


def row(parent: Row, name: str) -> Row:
    """Return the object in a field."""
    return row_of(parent.get(name), name)


def items(parent: Row, name: str) -> Sequence[object]:
    """Return the list in a field. Missing or null is an error: only `[]` says that there are none."""
    value = parent.get(name)
    if not isinstance(value, list):
        raise BadField(name, "a list", value)
    return value


def text(parent: Row, name: str) -> str:
    """Return a text that is not empty."""
    found = text_or_none(parent, name)
    if found is None:
        raise BadField(name, "a text", parent.get(name))
    return found


def text_or_none(parent: Row, name: str) -> str | None:
    """Return a text of at most 200 printable characters, or None."""
    value = parent.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _TEXT_MAX or not value.isprintable():
        raise BadField(name, "a text", value)
    return value


def product_id(parent: Row, name: str = "product_id") -> ProductId:
    """Return a product id of the form BASE-QUOTE."""
    value = text(parent, name)
    try:
        return ProductId.parse(value)
    except ValueError as error:
        raise BadField(name, "a product id", value) from error


def decimal(parent: Row, name: str, *, percent_sign: bool = False) -> Decimal:
    """Return a number."""
    found = decimal_or_none(parent, name, percent_sign=percent_sign)
    if found is None:
        raise BadField(name, "a number", parent.get(name))
    return found


def decimal_or_none(parent: Row, name: str, *, percent_sign: bool = False) -> Decimal | None:
    """
    Return a number, or None.

    A text is plain digits, at most 30 before and 30 behind the point: no exponent, no sign but `-`, no spaces. With
    `percent_sign`, one `%` at its end is dropped; the number stays in percent points.
    """
    value = parent.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        digits = value.removesuffix("%") if percent_sign else value
        if _NUMBER.fullmatch(digits):
            return Decimal(digits)
    elif isinstance(value, Decimal):
        if _is_plain(value):
            return value
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_DIGITS_MAX:
        return Decimal(value)
    raise BadField(name, "a number", value)


def positive(parent: Row, name: str) -> Decimal:
    """Return a number above zero."""
    found = decimal(parent, name)
    if found <= 0:
        raise BadField(name, "a number above zero", found)
    return found


def not_negative(parent: Row, name: str) -> Decimal:
    """Return a number that is not below zero."""
    found = decimal(parent, name)
    if found < 0:
        raise BadField(name, "a number not below zero", found)
    return found


def not_negative_or_none(parent: Row, name: str) -> Decimal | None:
    """Return a number that is not below zero, or None."""
    found = decimal_or_none(parent, name)
    if found is not None and found < 0:
        raise BadField(name, "a number not below zero", found)
    return found


def whole(parent: Row, name: str) -> int:
    """Return a whole number of at most 18 digits, e.g. seconds since the epoch."""
    value = parent.get(name)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, Decimal) and _is_plain(value) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return value
    raise BadField(name, "a whole number", value)


def flag(parent: Row, name: str) -> bool:
    """Return a boolean."""
    found = flag_or_none(parent, name)
    if found is None:
        raise BadField(name, "true or false", parent.get(name))
    return found


def flag_or_none(parent: Row, name: str) -> bool | None:
    """Return a boolean, or None. The texts `true` and `false` are neither."""
    value = parent.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, bool):
        raise BadField(name, "true or false", value)
    return value


def moment(parent: Row, name: str) -> datetime:
    """Return a time in UTC."""
    found = moment_or_none(parent, name)
    if found is None:
        raise BadField(name, "a time", parent.get(name))
    return found


def moment_or_none(parent: Row, name: str) -> datetime | None:
    """
    Return a time in UTC, or None.

    RFC 3339 with `Z` or an offset and up to nine digits of a second, cut to microseconds.
    """
    value = parent.get(name)
    if value is None or value == "":
        return None
    matched = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        raise BadField(name, "a time (RFC 3339 with Z or an offset)", value)
    seconds, fraction, sign, hours, minutes = matched.groups()
    try:
        found = datetime.fromisoformat(seconds).replace(microsecond=int((fraction or "0").ljust(6, "0")[:6]))
        if sign is None:
            return found.replace(tzinfo=UTC)
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return found.replace(tzinfo=timezone(offset if sign == "+" else -offset)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadField(name, "a time", value) from error


def _is_plain(number: Decimal) -> bool:
    """Tell whether a JSON number is finite and within the digits that a text may have."""
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    return number.adjusted() < _DIGITS_MAX and isinstance(exponent, int) and exponent >= -_DIGITS_MAX


def _shown(value: object) -> str:
    """Show what was found, on one line, in ASCII, and never much of it: it goes to logs."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return ascii(value[:_SHOWN_MAX])
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN_MAX:
        return "a huge number"
    return ascii(value)[:_SHOWN_MAX] if not isinstance(value, Decimal) else str(value)[:_SHOWN_MAX]
