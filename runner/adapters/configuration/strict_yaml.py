"""
Read one YAML file the strict way: what a careful person reads is what the program gets.

Built on PyYAML's event stream, below its tag resolution, so that none of YAML 1.1's guesses happens: `no` is not a
boolean, `010` not eight, `1:30` not ninety, `<<` merges nothing. What could be read in two ways is refused by name and
line. Numbers become int or, with a point, Decimal from their own digits.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

import yaml

from core.errors import ConfigError
from core.settings_builder import Document

NESTING_MAX = 8

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_NUMBER_LIKE = re.compile(r"[-+.]*[0-9].*|[-+]?\.(inf|nan)", re.IGNORECASE)
_AMBIGUOUS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "", "=", "<<"})


def parse_strict(text: str, name: str) -> Document:
    """
    Return the one mapping that a YAML text holds; `name` is the file's name for messages.

    Raises:
        ConfigError: Not YAML, or YAML that could be read in two ways; names file, line, key and fix.
    """
    reader = _Reader(text, name)
    try:
        return reader.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name} line {line}: not valid YAML ({error.problem}). Fix: correct that line") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML ({str(error).splitlines()[0]}). Fix: correct the file") from error


class _Reader:
    """One pass over the events of one text. It lives for one call of `parse_strict`."""

    def __init__(self, text: str, name: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._name = name

    def document(self) -> Document:
        next(self._events)  # the stream's start
        start = next(self._events)
        if not isinstance(start, yaml.DocumentStartEvent):
            raise ConfigError(f"{self._name}: the file is empty. Fix: restore it from the repository")
        if start.version or start.tags:
            raise self._error(start, "", "a YAML directive", "remove the line that begins with %")
        root = next(self._events)
        if not isinstance(root, yaml.MappingStartEvent):
            raise self._error(root, "", "the file must hold keys and values", "write `section:` lines")
        document = self._mapping(root, "", 1)
        next(self._events)  # the document's end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._error(after, "", "a second document begins here", "keep one document and remove the `---` line")
        return document

    def _value(self, event: yaml.Event, where: str, depth: int) -> object:
        self._refuse_reuse(event, where)
        if depth > NESTING_MAX:
            raise self._error(event, where, f"nested deeper than {NESTING_MAX} levels", "flatten it")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, where, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(where, depth)
        return self._scalar(event, where)

    def _mapping(self, start: yaml.Event, where: str, depth: int) -> dict[str, object]:
        self._refuse_reuse(start, where)
        found: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            self._refuse_reuse(event, where)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error(event, where, "a key must be a plain word", "write `key: value`")
            key = self._scalar(event, where)
            if not isinstance(key, str):
                raise self._error(event, where, f"the key {event.value!r} is not text", "put it in quotes")
            path = f"{where}.{key}" if where else key
            if key in found:
                raise self._error(event, path, "the key appears twice", "keep one of them")
            found[key] = self._value(next(self._events), path, depth + 1)
        return found

    def _sequence(self, where: str, depth: int) -> list[object]:
        found: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, f"{where}[{len(found)}]", depth + 1))
        return found

    def _scalar(self, event: yaml.Event, where: str) -> str | bool | int | Decimal:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event, where, "unexpected YAML", "write a value")
        text: str = event.value
        if event.style is not None:  # quoted or a block: text, whatever it looks like
            return text
        if text in ("true", "false"):
            return text == "true"
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return Decimal(text)
        if text.lower() in _AMBIGUOUS:
            fix = "write true or false, a number, or the word in quotes"
            raise self._error(event, where, f"{text!r} has more than one meaning in YAML", fix)
        if _NUMBER_LIKE.fullmatch(text):
            fix = "write plain digits with at most one point (like 25 or 0.5), or put text in quotes"
            raise self._error(event, where, f"{text!r} is not a plain number", fix)
        return text

    def _refuse_reuse(self, event: yaml.Event, where: str) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._error(event, where, "anchors (&) and aliases (*) are not allowed", "write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._error(event, where, f"the tag {tag!r} is not allowed", "remove it")

    def _error(self, event: yaml.Event, where: str, problem: str, fix: str) -> ConfigError:
        line = event.start_mark.line + 1 if event.start_mark else 1
        place = f"{where}: " if where else ""
        return ConfigError(f"{self._name} line {line}: {place}{problem}. Fix: {fix}")
