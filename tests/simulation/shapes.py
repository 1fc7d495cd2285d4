"""
The audit schema, asked only about lines with something new in them.

jsonschema takes milliseconds a line, a simulated cycle takes three. A line whose every place has had such a content
before (keys of an object, type and form of a value) passes with those; numbers, amounts and ids of one form are alike.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.independent_checker.orders import Problem
from tests.independent_checker.story import Schema

_FORMS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}|[0-9]+")
WORDS_LENGTH_MAX = 40


class ShapeSchema:
    """What `tests.independent_checker.check` asks about a line, with a memory over all runs of this process."""

    def __init__(self) -> None:
        self._schema = Schema(1)
        self._known: set[object] = set()

    @property
    def checked(self) -> int:
        return self._schema.checked

    def problems(self, number: int, body: dict[str, Any]) -> list[Problem]:
        places = set(_places("", body))
        if places <= self._known:
            return []
        found = self._schema.problems(number, body)
        if not found:
            self._known |= places
        return found


def _places(path: str, value: Any) -> Iterator[object]:
    """Yield what is where: the keys of each object, and type and form of each value."""
    if isinstance(value, dict):
        yield path, *value
        for key, item in value.items():
            yield from _places(f"{path}.{_FORMS.sub('0', key)}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _places(f"{path}[]", item)
    elif isinstance(value, str):
        yield path, _FORMS.sub("0", value) if len(value) <= WORDS_LENGTH_MAX else len(value)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield path, type(value), value < 0
    else:
        yield path, value
