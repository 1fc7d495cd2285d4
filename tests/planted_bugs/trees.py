"""Copies of the checkout to plant bugs in: one real copy, compiled once, and of that a linked one for each bug."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.config_files import ROOT
from tests.planted_bugs.bug import Bug

LEFT_OUT = (".git", ".venv", ".venv-dev", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__")
WRITTEN_TO = ("data", "logs", "rehearsal", "replay", "dry")
"""Folders of the root in which a bot that runs here keeps its files: not ours to read, only their .gitkeep is taken."""


@contextmanager
def base_tree() -> Iterator[Path]:
    """Make the one real copy, compiled."""
    with TemporaryDirectory(prefix="planted-bugs-") as folder:
        tree = Path(folder).resolve() / "clean"
        shutil.copytree(ROOT, tree, symlinks=True, ignore=_left_out)
        compiled = [sys.executable, "-m", "compileall", "-q", "core", "runner", "tools", "tests"]
        subprocess.run(compiled, cwd=tree, env=environment(tree), check=False, stdout=subprocess.DEVNULL)
        yield tree


@contextmanager
def tree_with(bug: Bug | None, base: Path) -> Iterator[Path]:
    """Link a tree to the base and plant a bug in it; None: leave it as it is."""
    with TemporaryDirectory(prefix="bug-", dir=base.parent) as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(base, tree, symlinks=True, copy_function=os.link)
        if bug is not None:
            path = tree / bug.file
            text = path.read_text("utf-8")
            path.unlink()  # the link, not the base's file
            path.write_text(bug.planted_in(text), "utf-8")
            for stale in sorted((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")):
                stale.unlink()
        yield tree


def environment(tree: Path) -> dict[str, str]:
    """Return our environment without what would lead back to this checkout; temporary files go beside the tree."""
    left_out = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "TMPDIR": str(tree.parent)}


def _left_out(folder: str, names: list[str]) -> list[str]:
    is_root = Path(folder) == ROOT
    left_out = [name for name in names if name in LEFT_OUT]
    if is_root:
        left_out += [name for name in names if name in WRITTEN_TO[2:]]
    elif Path(folder).parent == ROOT and Path(folder).name in WRITTEN_TO:
        left_out += [name for name in names if name != ".gitkeep"]
    return left_out
