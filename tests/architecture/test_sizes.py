"""Small enough to be read in one go (style 14)."""

import ast

import pytest

from tests.architecture.source import PACKAGES, ROOT, dotted, trees

FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 600  # tables of cases are long, and read line by line
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = ("util", "utils", "helper", "helpers", "misc", "common", "manager", "handler")


@pytest.mark.parametrize(("folders", "limit"), [(PACKAGES, FILE_LINES_MAX), (("tests",), TEST_FILE_LINES_MAX)])
def test_no_file_is_longer_than_its_limit(folders: tuple[str, ...], limit: int) -> None:
    for path in trees(*folders):
        lines = len((ROOT / path).read_text("utf-8").splitlines())
        assert lines <= limit, f"{path} has {lines} lines"


def test_no_function_is_longer_than_a_screen() -> None:
    for path, tree in trees(*PACKAGES, "tests").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= FUNCTION_LINES_MAX, f"{path}:{node.lineno} {node.name} has {lines} lines"


def test_no_module_is_named_after_nothing() -> None:
    for path in trees(*PACKAGES):
        words = path.removesuffix(".py").rpartition("/")[2].split("_")
        assert not set(words) & set(VAGUE_NAMES), path


def test_nothing_is_inherited_but_protocols_enums_and_errors() -> None:
    allowed = {"Protocol", "Enum", "IntEnum", "StrEnum", "NamedTuple", "TypedDict", "Generic", "Exception"}
    libraries = {"Handler", "Formatter", "Filter", "HTTPAdapter", "ProgressColumn", "RESTClient"}
    errors = {node.name for node in trees("core")["core/errors.py"].body if isinstance(node, ast.ClassDef)}
    for path, tree in trees(*PACKAGES).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases = [dotted(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases]
                names = [name.rpartition(".")[2] for name in bases]
                strangers = [name for name in names if name not in allowed | errors | libraries]
                fine = "Protocol" in names or all(name.endswith("Error") for name in strangers)
                assert fine, f"{path}: {node.name}({', '.join(names)})"
