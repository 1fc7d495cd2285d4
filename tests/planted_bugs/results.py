"""
What was found so far, kept in a file where one is named: a run that was stopped goes on from there.

What was found counts as long as nothing has changed that it depends on: the bug, the files of its checks, the program,
and all that tests share.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.planted_bugs.bug import Bug

_LOOKED_AT = ("core", "runner", "tools", "tests", "config", "scripts", "pyproject.toml", "app_run_live.sh")
_OF_NO_EFFECT = Path("tests/planted_bugs")


class Results:
    """What is known of one tree, line by line in a file; what is known of another one does not count."""

    def __init__(self, file: Path | None, tree: Path) -> None:
        """`tree` is the clean copy. A line that was cut off, or is none of ours, is passed over."""
        self._file = file
        self._root = tree
        self._tree = _digest_of_what_is_shared(tree)
        self._known: dict[str, None] = {}
        if file is not None and file.exists():
            for text in file.read_text("utf-8").splitlines():
                self._known[str(_object(text).get("what"))] = None

    def has_caught(self, bug: Bug) -> bool:
        """Tell whether this very bug was caught before."""
        return self._name_of(bug) in self._known

    def has_passed(self, check: str) -> bool:
        """Tell whether a check has passed without a bug before."""
        return self._name_of(check) in self._known

    def keep(self, what: Bug | str, by: str) -> None:
        """Keep that a bug was caught, or that a check has passed, and write it down at once."""
        name = self._name_of(what)
        self._known[name] = None
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"what": name, "by": by}) + "\n")

    def _name_of(self, what: Bug | str) -> str:
        """Name it with all that it depends on: another edit of the same name is another bug."""
        if isinstance(what, str):
            name, parts = what, [self._tree, what, self._files_of([what])]
        else:
            parts = [self._tree, what.file, what.old, what.new, *what.caught_by, self._files_of(what.caught_by)]
            name = what.name
        return f"{name} {hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"

    def _files_of(self, checks: Sequence[str]) -> str:
        """Return one number over the files of tests."""
        digest = hashlib.sha256()
        for check in checks:
            top = self._root / check.partition("::")[0]
            for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
                digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()


def _digest_of_what_is_shared(tree: Path) -> str:
    digest = hashlib.sha256()
    for name in _LOOKED_AT:
        top = tree / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            inside = path.relative_to(tree)
            is_own = (
                path.name.startswith("test_") or "__pycache__" in path.parts or inside.is_relative_to(_OF_NO_EFFECT)
            )
            if path.is_file() and not is_own:
                digest.update(f"{inside}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _object(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
