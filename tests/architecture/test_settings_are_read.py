"""A key that nobody reads is a safeguard that does nothing: every field of the settings is used by the program."""

import ast
import dataclasses
import typing
from collections.abc import Iterator

import pytest

from core import settings
from tests.architecture.source import dotted, trees

EXCLUDED = ("core/settings.py", "core/settings_builder.py", "core/config_")


def _fields() -> Iterator[tuple[str, str]]:
    """Yield class and field of every value that a file's key feeds, once."""
    for name, cls in vars(settings).items():
        if isinstance(cls, type) and dataclasses.is_dataclass(cls) and cls.__module__ == settings.__name__:
            for field in typing.get_type_hints(cls):
                yield name, field


SETTINGS_WORDS = {"settings", "app", "policy", "limits", "section", "model", "own", "rule", "rules", "floors"}
"""A name that other classes use, too (`mode`, `level`), counts only when it is read from something called like this."""


def _program() -> Iterator[ast.AST]:
    for path, tree in trees("core", "runner").items():
        if not path.startswith(EXCLUDED):
            yield from ast.walk(tree)


def _names_of_other_classes() -> set[str]:
    members = [member for node in _program() if isinstance(node, ast.ClassDef) for member in node.body]
    fields = {
        item.target.id for item in members if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    return fields | {item.name for item in members if isinstance(item, ast.FunctionDef)}


def _attributes_read() -> set[str]:
    """Return every attribute that the program reads from settings, and what settings' own methods read for it."""
    shared = _names_of_other_classes()
    found: set[str] = set()
    for node in _program():
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = set(dotted(node.value).split("."))
            if node.attr not in shared or owner & SETTINGS_WORDS:
                found.add(node.attr)
    for method in ast.walk(trees("core")["core/settings.py"]):
        if isinstance(method, ast.FunctionDef) and method.name in found:
            found |= {node.attr for node in ast.walk(method) if isinstance(node, ast.Attribute)}
    return found


FIELDS = list(_fields())
READ = _attributes_read()


@pytest.mark.parametrize(("owner", "field"), FIELDS, ids=[f"{owner}.{field}" for owner, field in FIELDS])
def test_a_field_of_the_settings_is_read_by_the_program(owner: str, field: str) -> None:
    assert field in READ, f"{owner}.{field}: nothing in core/ or runner/ reads it; use it, or remove the key"
