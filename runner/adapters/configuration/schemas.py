"""Check parsed files against config/schemas and turn what jsonschema says into findings a user can act on."""

import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config_checks.findings import MISSING, Finding, FindingSeverity, spoken
from core.settings_builder import Document
from runner.adapters.configuration.child_process import in_child

if TYPE_CHECKING:
    from jsonschema import ValidationError

SCHEMA_DIR = Path(__file__).resolve().parents[3] / "config" / "schemas"

SHAPE_CODES: Mapping[str, str] = {
    "additionalProperties": "UNKNOWN_KEY",
    "required": "MISSING_KEY",
    "type": "WRONG_TYPE",
    "minimum": "OUT_OF_RANGE",
    "maximum": "OUT_OF_RANGE",
    "exclusiveMinimum": "OUT_OF_RANGE",
    "enum": "NOT_A_CHOICE",
    "pattern": "NOT_A_CHOICE",
    "minItems": "BAD_LIST",
    "uniqueItems": "BAD_LIST",
    "minProperties": "BAD_LIST",
}
"""JSON Schema keyword to finding code; the schemas use no other keyword that can fail."""

_TYPE_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a section with keys",
}
_RANGE_WORDS = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}


def check_shapes(documents: Mapping[str, Document]) -> tuple[Finding, ...]:
    """
    Return every key that is unknown, missing, of the wrong type or out of bounds.

    jsonschema is 8 MB that a bot would carry for weeks after one look at four files: unless this process has loaded it
    already, a child looks.
    """
    if "jsonschema" in sys.modules:
        return _check(documents)
    found = in_child(lambda: _check(documents))
    return _check(documents) if found is None else found


def _check(documents: Mapping[str, Document]) -> tuple[Finding, ...]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    found: dict[tuple[str, str, str], Finding] = {}
    for name, document in documents.items():
        schema = json.loads((SCHEMA_DIR / f"{name}.schema.json").read_text("utf-8"), parse_float=Decimal)
        for error in Draft202012Validator(schema).iter_errors(document):
            for finding in _findings(_failure(f"{name}.yaml", error)):
                found.setdefault((finding.file, finding.key, finding.code), finding)
    return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """One failed keyword (`rule`) with its argument (`limit`), the value it judged and the schema around it."""

    file: str
    path: str
    rule: str
    limit: Any
    value: Any
    schema: Mapping[str, Any]

    def finding(self, key: str, value: str, message: str, fix: str) -> Finding:
        return Finding(
            code=SHAPE_CODES[self.rule],
            severity=FindingSeverity.ERROR,
            file=self.file,
            key=key,
            value=value,
            message=message,
            fix=fix,
        )


def _failure(file: str, error: "ValidationError") -> _Failure:
    path = ""
    for part in error.absolute_path:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    return _Failure(
        file=file,
        path=path,
        rule=str(error.validator),
        limit=error.validator_value,
        value=error.instance,
        schema=schema,
    )


def _findings(failure: _Failure) -> Iterator[Finding]:
    if failure.rule == "additionalProperties":
        yield from _unknown_keys(failure)
    elif failure.rule == "required":
        for key in failure.limit:
            if key not in failure.value:
                fix = f"set it: {_meaning(failure.schema['properties'][key])}"
                yield failure.finding(_join(failure.path, key), MISSING, "there is no default", fix)
    else:
        message, fix = _wrong_value(failure)
        yield failure.finding(failure.path, spoken(failure.value), message, fix)


def _unknown_keys(failure: _Failure) -> Iterator[Finding]:
    known = list(failure.schema.get("properties", {}))
    patterns = failure.schema.get("patternProperties", {})
    for key, value in failure.value.items():
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        near = difflib.get_close_matches(key, known, n=1)
        fix = f"rename it to {near[0]}" if near else "remove it, or write a name as the others are"
        yield failure.finding(_join(failure.path, key), spoken(value), "nobody reads this key", fix)


def _wrong_value(failure: _Failure) -> tuple[str, str]:
    """Return what is wrong with a value, and what to write instead."""
    rule, limit, meaning = failure.rule, failure.limit, _meaning(failure.schema)
    if rule == "type":
        wanted = _TYPE_WORDS[limit]
        return f"this must be {wanted}", f"write {wanted} ({meaning})"
    if rule in _RANGE_WORDS:
        return f"this must be {_RANGE_WORDS[rule]} {limit}", f"choose {_RANGE_WORDS[rule]} {limit} ({meaning})"
    if rule == "enum":
        return "this is not one of the choices", f"write one of {', '.join(str(item) for item in limit)}"
    if rule == "pattern":
        return "this is not written as expected", f"write it like this: {meaning}"
    if rule == "uniqueItems":
        doubled = dict.fromkeys(str(item) for item in failure.value if failure.value.count(item) > 1)
        return f"{', '.join(doubled)} appears twice", "keep each item once"
    return "there is nothing in it", f"add at least {limit} ({meaning})"


def _meaning(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description", "see the repository's file"))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
