"""The program's source as syntax trees, read once."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "runner", "tools")


@cache
def trees(*folders: str) -> dict[str, ast.Module]:
    """Return the syntax tree of each file below the folders, keyed by its path from the root."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def module_name(path: str) -> str:
    """Return `core.model.money` for `core/model/money.py`."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def imports(tree: ast.Module) -> list[str]:
    """Return every imported module; for `from a import b` both `a` and `a.b`, as b may be a module."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for such an expression, "" for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""
