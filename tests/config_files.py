"""The shipped configuration as parsed documents, with single values changed, and written as files."""

import copy
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from runner.adapters.configuration.settings_files import load_documents

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "config"

Documents = dict[str, dict[str, Any]]


def shipped_documents(changes: Mapping[str, object] | None = None) -> Documents:
    """Return the shipped files, with values replaced by path (`policy.risk.max_open_positions`); None removes a key."""
    documents = copy.deepcopy(_shipped())
    for path, value in (changes or {}).items():
        *way, last = path.split(".")
        section: Any = documents
        for word in way:
            section = section[word]
        if value is None:
            del section[last]
        else:
            section[last] = Decimal(str(value)) if isinstance(value, float) else value
    return documents


@cache
def _shipped() -> Documents:
    return {name: dict(document) for name, document in load_documents(SHIPPED).items()}


def leaf_paths(documents: Documents) -> list[str]:
    """Return the path of every value that is not a section, e.g. `policy.risk.max_open_positions`."""
    found: list[str] = []
    pending: list[tuple[str, object]] = list(documents.items())
    while pending:
        path, value = pending.pop(0)
        if isinstance(value, dict):
            pending.extend((f"{path}.{key}", item) for key, item in value.items())
        else:
            found.append(path)
    return found


def write_config(folder: Path, documents: Mapping[str, object]) -> Path:
    """Write documents as the four files (JSON is YAML, too) and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / f"{name}.yaml").write_text(_as_yaml(document), "utf-8")
    return folder


def _as_yaml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)}: {_as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_as_yaml(item) for item in value) + "]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)
