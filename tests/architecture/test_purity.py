"""No effect in core, no clock outside its adapter, no swallowed error anywhere."""

import ast
from collections.abc import Iterator

from tests.architecture.source import PACKAGES, ROOT, dotted, imports, trees

CLOCK = "runner/adapters/system_clock.py"
LAST_RESORT = "runner/main_loop.py"

EFFECTS = ("open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint", "globals")
CLOCK_READS = ("now", "utcnow", "today", "fromtimestamp")
PASSED_OVER = {"runner/adapters/instance_lock.py": "the pid file is for people only"}
RANDOM_IDS = ("uuid1", "uuid4", "getnode")


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def test_core_calls_nothing_with_an_effect() -> None:
    for path, tree in trees("core").items():
        for name, node in calls(tree):
            assert name not in EFFECTS, f"{path}:{node.lineno} calls {name}"
            assert name.rpartition(".")[2] not in RANDOM_IDS, f"{path}:{node.lineno} calls {name}"


def test_only_the_clock_adapter_imports_time() -> None:
    importers = [path for path, tree in trees(*PACKAGES).items() if "time" in imports(tree)]

    assert importers == [CLOCK]


def test_only_the_clock_adapter_asks_what_time_it_is() -> None:
    for path, tree in trees(*PACKAGES).items():
        for name, node in calls(tree):
            owner, _, method = name.rpartition(".")
            reads = method in CLOCK_READS and owner.rpartition(".")[2] in ("datetime", "date")
            given = method == "fromtimestamp"  # of a moment passed in, not of the clock
            assert path == CLOCK or given or not reads, f"{path}:{node.lineno} calls {name}"


def broad_handlers(tree: ast.Module) -> Iterator[ast.ExceptHandler]:
    """Yield handlers that catch everything and do not end by raising it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(kind is None or dotted(kind) in ("Exception", "BaseException") for kind in kinds)
            last = node.body[-1]
            if broad and not (isinstance(last, ast.Raise) and last.exc is None):
                yield node


def test_everything_is_caught_in_one_place_only() -> None:
    found = [(path, node.lineno) for path, tree in trees(*PACKAGES).items() for node in broad_handlers(tree)]

    assert [path for path, _ in found] == [LAST_RESORT], found


def test_no_failed_write_or_request_is_passed_over() -> None:
    """`pass` may answer a file that is not there, and a value that is refused with its line further down."""
    harmless = {"FileNotFoundError", "ProcessLookupError", "ValueError"}
    for path, tree in trees(*PACKAGES).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and isinstance(node.body[0], ast.Pass):
                kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                named = {dotted(kind) for kind in kinds if kind is not None}
                assert named <= harmless or path in PASSED_OVER, f"{path}:{node.lineno}"


def test_no_assert_guards_the_program() -> None:
    for path, tree in trees(*PACKAGES).items():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}: `python -O` removes it"


def test_the_places_that_these_rules_name_exist() -> None:
    assert (ROOT / CLOCK).is_file()
    assert (ROOT / LAST_RESORT).is_file()
