"""Who may import whom (design 3). Each rule fails, too, when a module that it names is not there."""

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.architecture.source import PACKAGES, ROOT, imports, module_name, trees

ADAPTERS = "runner.adapters"
WIRING = ("runner.wiring", "runner.ports_opening", "runner.venues", "runner.recovery", "runner.run_records")
"""The modules that handle adapters: wiring and its parts (a venue, what a run left behind, a run's first records)."""


PURE_LIBRARY = frozenset(
    {"array", "bisect", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum", "fractions"}
    | {"functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "re", "statistics", "string"}
    | {"types", "typing", "uuid"}
)
"""All that core may import from outside: computing, no effects (calls that have one are checked in test_purity)."""


def test_the_contracts_of_import_linter_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """Layers tools -> runner -> core, and stages that never import each other (pyproject.toml)."""
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)

    assert code == 0, capsys.readouterr().out


def test_core_imports_itself_and_pure_computing_only() -> None:
    for path, tree in trees("core").items():
        for name in imports(tree):
            top = name.partition(".")[0]
            assert top == "core" or top in PURE_LIBRARY, f"{path} imports {name}"


def test_only_the_wiring_builds_adapters() -> None:
    importers = {
        module_name(path)
        for path, tree in trees("runner").items()
        if not path.startswith("runner/adapters/") and any(name.startswith(ADAPTERS) for name in imports(tree))
    }

    assert {name for name in importers if not name.startswith(WIRING)} == set()
    assert "runner.wiring" in importers


def test_the_modules_of_the_wiring_exist() -> None:
    for name in WIRING:
        path = ROOT / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_an_adapter_knows_no_adapter_outside_its_own_folder() -> None:
    for path, tree in trees("runner/adapters").items():
        own = Path(path).relative_to("runner/adapters").parts[0].removesuffix(".py")
        for name in imports(tree):
            if name.startswith(f"{ADAPTERS}."):
                other = name.split(".")[2]
                assert other == own, f"{path} imports {name}"


def test_an_adapter_knows_neither_the_loop_nor_the_wiring() -> None:
    upper = {*WIRING, "runner.main_loop", "runner.executor", "runner.reconcile"}

    for path, tree in trees("runner/adapters").items():
        assert not any(name.startswith(tuple(upper)) for name in imports(tree)), path


def test_the_matching_engine_knows_core_only() -> None:
    """It is the exchange's side: nothing of the bot, its ports' adapters or a protocol may leak into a fill."""
    found = trees("runner/matching")

    assert "runner/matching/engine.py" in found
    for path, tree in found.items():
        for name in imports(tree):
            is_own = name.startswith(("runner.matching.", "core."))
            assert is_own or name.partition(".")[0] in PURE_LIBRARY | {"core"}, f"{path} imports {name}"


def test_nothing_outside_the_tests_imports_them() -> None:
    for path, tree in trees(*PACKAGES).items():
        assert not any(name.partition(".")[0] == "tests" for name in imports(tree)), path
