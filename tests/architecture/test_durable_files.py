"""
Files that must survive are touched by a few modules alone, each through its own `os`: there the fake disk listens.

What is not seen by it (tests/fakes/disk.py), no crash sweep and no simulation has proven.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import dotted, module_name, trees
from tests.fakes.disk import MODULES

_OS_EFFECTS = """
    write pwrite writev pwritev fsync fdatasync ftruncate truncate rename renames replace unlink remove removedirs mkdir
    makedirs rmdir link symlink chmod fchmod chown fchown utime posix_fallocate sendfile copy_file_range mkfifo mknod
"""
_PATH_EFFECTS = "write_text write_bytes touch unlink rmdir mkdir rename symlink_to hardlink_to chmod lchmod"
_PATH_LOOKS = "read_text read_bytes exists is_file is_dir is_symlink iterdir glob rglob open"
OS_EFFECTS, PATH_EFFECTS, PATH_LOOKS = (frozenset(words.split()) for words in (_OS_EFFECTS, _PATH_EFFECTS, _PATH_LOOKS))
WRITING_FLAGS = frozenset(("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"))
OF_A_DESCRIPTOR = frozenset(("close", "fdopen", "read", "pread", "fstat", "lseek", "dup", "dup2"))
OTHER_WRITERS = frozenset(("shutil", "tempfile"))

KNOWN = {
    ("runner/terminal.py", "os.open for writing"): "/dev/null in the place of a terminal that is gone",
    ("runner/adapters/configuration/child_process.py", "os.write"): "a pipe",
    ("runner/wiring.py", ".mkdir"): "the folders themselves: the fake disk notices, and `sync_way_to` syncs them",
    ("runner/records/folders.py", ".mkdir"): "likewise",
}
"""What is found and is none: not files, or not ones that must survive."""


@pytest.mark.parametrize("path", [path for path in trees("core", "runner") if module_name(path) not in MODULES])
def test_nobody_else_writes_renames_or_removes_files(path: str) -> None:
    effects = set(_effects(trees("core", "runner")[path]))

    assert [effect for effect in sorted(effects) if (path, effect) not in KNOWN] == []


@pytest.mark.parametrize("path", [path for path in trees("runner") if module_name(path) in MODULES])
def test_who_does_goes_through_the_module_os_alone(path: str) -> None:
    tree = trees("runner")[path]
    past_os = {text for text in _effects(tree) if not text.startswith("os.")} | set(_looks(tree)) | set(_from_os(tree))

    assert [effect for effect in sorted(past_os) if (path, effect) not in KNOWN] == []


@pytest.mark.parametrize("path", [path for path in trees("runner") if module_name(path) not in MODULES])
def test_nobody_else_has_one_of_their_descriptors(path: str) -> None:
    """A close that the fake disk does not see leaves it with a number that is soon somebody else's file."""
    names = {dotted(node) for node in ast.walk(trees("runner")[path]) if isinstance(node, ast.Attribute)}
    imported = {
        name.name for node in ast.walk(trees("runner")[path]) if isinstance(node, ast.ImportFrom) for name in node.names
    }

    assert not ("durable_files" in imported and names & {f"os.{name}" for name in OF_A_DESCRIPTOR})


def test_each_of_these_modules_is_there() -> None:
    assert set(MODULES) <= {module_name(path) for path in trees("runner")} | {"runner.records"}


def test_the_rule_sees_what_it_should() -> None:
    source = """
import os, shutil
os.write(1, b""); os.open("a", os.O_RDWR | os.O_CREAT); open("a", "w"); path.open(mode="ab"); path.write_text("")
shutil.rmtree("a"); folder.mkdir(); os.open("a", os.O_RDONLY); open("a"); text.replace("a", "b"); os.stat("a")
"""
    assert set(_effects(ast.parse(source))) == {
        "os.write",
        "os.open for writing",
        "open for writing",
        ".write_text",
        "shutil.rmtree",
        ".mkdir",
    }


def _effects(tree: ast.Module) -> Iterator[str]:
    """Yield what a module does to files, in words."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else name
        if name.startswith("os.") and last in OS_EFFECTS:
            yield name
        elif name == "os.open" and _names_in(node) & WRITING_FLAGS:
            yield "os.open for writing"
        elif last == "open" and name != "os.open" and _mode_of(node) & set("wax+"):
            yield "open for writing"
        elif name.partition(".")[0] in OTHER_WRITERS and name != "shutil.disk_usage":
            yield name
        elif isinstance(node.func, ast.Attribute) and last in PATH_EFFECTS and not name.startswith(("os.", "durable_")):
            yield f".{last}"


def _looks(tree: ast.Module) -> Iterator[str]:
    """Yield looks at files that do not go through `os`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PATH_LOOKS:
            if not dotted(node.func).startswith("os."):
                yield f".{node.func.attr}"
        elif isinstance(node, ast.Call) and dotted(node.func) == "open":
            yield "open"


def _from_os(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "fcntl"):
            yield f"from {node.module} import"


def _names_in(node: ast.AST) -> set[str]:
    return {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}


def _mode_of(node: ast.Call) -> set[str]:
    modes = [item.value for item in node.keywords if item.arg == "mode"]
    given = modes or (node.args[1:2] if isinstance(node.func, ast.Name) else node.args[:1])
    return {letter for item in given if isinstance(item, ast.Constant) for letter in str(item.value)}
