"""
The audit schema as compiled checks: some twenty times faster than jsonschema, and the same answer.

Only the keywords that config/schemas/audit.schema.json uses are known; any other is refused when compiling, and a test
holds the two against each other on thousands of damaged lines. What is wrong with a line is told by jsonschema itself.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.options import ROOT

SCHEMA_FILE = ROOT / "config" / "schemas" / "audit.schema.json"

Schema = Mapping[str, Any]
Check = Callable[[Any], bool]

_COMMENTS = {"$schema", "title", "description"}
_KEYWORDS = {
    "type",
    "enum",
    "const",
    "pattern",
    "minimum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "additionalProperties",
}


def load_schema(path: Path = SCHEMA_FILE) -> Schema:
    schema: Schema = json.loads(path.read_text("utf-8"))
    return schema


def compile_check(schema: Schema) -> Check:
    """
    Return a function that tells whether a value, as `json.loads` makes them, is valid.

    Raises:
        ValueError: The schema uses a keyword that is not known here.
    """
    unknown = schema.keys() - _KEYWORDS - _COMMENTS
    if unknown:
        raise ValueError(f"the audit schema uses {sorted(unknown)}: teach tools/audit/line_schema.py these keywords")
    if sum((bool(schema.keys() & _OBJECT_KEYWORDS), "pattern" in schema, "items" in schema)) > 1:
        raise ValueError("the audit schema looks into two types at one place: part it, or teach line_schema.py")
    checks = [make(schema) for keyword, make in _MAKERS if keyword in schema]
    if schema.keys() & _OBJECT_KEYWORDS:
        checks.insert(0, _object_check(schema))
    elif "pattern" in schema:
        checks.insert(0, _pattern_check(schema))
    elif "items" in schema:
        checks.insert(0, _items_check(schema))
    elif "type" in schema:
        checks.insert(0, _type_check(schema))
    return _all_of(checks)


def explain(schema: Schema, value: object) -> str:
    """Say in words what is wrong with an invalid value, and where."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - only an invalid line needs it, and it loads slowly

    error = next(iter(Draft202012Validator(schema).iter_errors(value)))
    return f"{error.json_path}: {error.message[:200]}"


def _anything(_value: Any) -> bool:
    return True


def _all_of(checks: list[Check]) -> Check:
    if not checks:
        return _anything
    if len(checks) == 1:
        return checks[0]
    one, other = checks[0], _all_of(checks[1:])
    return lambda value: one(value) and other(value)


# --- keywords; those that look into a value of one type judge its type on the way -------------------------------------

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _type_check(schema: Schema) -> Check:
    """Types as json.loads makes them; True is no number, and 1.0 is an integer (JSON Schema 2020-12, 6.1.1, 4.2.3)."""
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    types = frozenset(kind for name in names for kind in _TYPES[name])
    if "integer" in names and "number" not in names:
        return lambda value: type(value) in types or (type(value) is float and value.is_integer())
    if len(types) == 1:
        kind = _TYPES[names[0]][0]
        return lambda value: type(value) is kind
    return lambda value: type(value) in types


def _other_types(schema: Schema) -> Check:
    """Return what judges a value that is not of the type which a keyword looks into."""
    return _type_check(schema) if "type" in schema else _anything


def _own_type(schema: Schema, name: str) -> None:
    if "type" in schema and name not in schema["type"]:
        raise ValueError(f"the audit schema has a keyword for {name} where the type is {schema['type']}")


def _pattern_check(schema: Schema) -> Check:
    _own_type(schema, "string")
    search, other = re.compile(schema["pattern"]).search, _other_types(schema)
    return lambda value: search(value) is not None if type(value) is str else other(value)


def _minimum_check(schema: Schema) -> Check:
    least = schema["minimum"]
    return lambda value: type(value) not in (int, float) or not value < least


def _enum_check(schema: Schema) -> Check:
    return _one_of(schema["enum"])


def _const_check(schema: Schema) -> Check:
    return _one_of([schema["const"]])


def _one_of(allowed: list[Any]) -> Check:
    """Text, null and numbers only; True is not 1 (JSON Schema 2020-12, 4.2.2)."""
    if any(type(item) not in (str, int, type(None)) for item in allowed):
        raise ValueError(f"the audit schema lists other values than text, whole numbers and null: {allowed}")
    members = frozenset(allowed)
    kinds = frozenset({type(item) for item in allowed} | ({float} if any(type(i) is int for i in allowed) else set()))
    return lambda value: type(value) in kinds and value in members


def _items_check(schema: Schema) -> Check:
    _own_type(schema, "array")
    check, other = compile_check(schema["items"]), _other_types(schema)

    def check_items(value: Any) -> bool:
        if type(value) is not list:
            return other(value)
        for item in value:  # noqa: SIM110 - all() with a generator takes twice as long
            if not check(item):
                return False
        return True

    return check_items


def _min_items_check(schema: Schema) -> Check:
    least = schema["minItems"]
    return lambda value: type(value) is not list or len(value) >= least


def _max_items_check(schema: Schema) -> Check:
    most = schema["maxItems"]
    return lambda value: type(value) is not list or len(value) <= most


_MAKERS: tuple[tuple[str, Callable[[Schema], Check]], ...] = (
    ("enum", _enum_check),
    ("const", _const_check),
    ("minimum", _minimum_check),
    ("minItems", _min_items_check),
    ("maxItems", _max_items_check),
)
_OBJECT_KEYWORDS = {"properties", "required", "additionalProperties"}


def _object_check(schema: Schema) -> Check:
    _own_type(schema, "object")
    named = {name: compile_check(item) for name, item in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    beyond = schema.get("additionalProperties", True)
    unknown = compile_check(beyond) if isinstance(beyond, dict) else (_anything if beyond else None)
    find, other = named.get, _other_types(schema)

    def check_object(value: Any) -> bool:
        if type(value) is not dict:
            return other(value)
        if required and not required <= value.keys():
            return False
        for name, item in value.items():
            one = find(name, unknown)
            if one is None or not one(item):
                return False
        return True

    return check_object
