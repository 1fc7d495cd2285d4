"""Nothing that differs between two processes decides anything: clocks, chance, the host, sets, names of files."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.set_order import known_sets, seen_orders
from tests.architecture.source import PACKAGES, dotted, imports, trees

CLOCK = "runner/adapters/system_clock.py"

CHANCE = ("random", "secrets")
"""Modules of chance; who imports them has a seed."""

SEEDED = {
    "runner/adapters/coinbase/connection.py": "the jitter of pauses, from the seed of the settings",
    "runner/adapters/markets/simulated_process.py": "the simulated market, from the seed of the run",
    "runner/adapters/simulated_coinbase/faults.py": "the faults of a simulated exchange, from their seed",
}

NEVER = ("uuid1", "uuid4", "getnode", "urandom", "getrandom", "getrandbits", "SystemRandom", "token_hex", "token_bytes")

HOST = ("getpid", "getppid", "gethostname", "getuser", "getlogin", "uname", "getuid", "getcwd", "setlocale", "tzset")
ASKS_THE_HOST = {
    "runner/adapters/instance_lock.py": "the pid file is for people only",
    "runner/adapters/process_facts.py": "memory of the process, left out in virtual time",
    "tools/sim_exchange.py": "prints its pid for who stops it",
}

OF_FOLDERS = ("listdir", "scandir", "iterdir", "glob", "rglob", "walk", "iglob")
"""What lists a folder does so in the order of the file system."""

ORDERLESS = ("sorted", "max", "min", "set", "frozenset", "any", "all", "len")


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func) or _method(node), node


def _method(node: ast.Call) -> str:
    return f"?.{node.func.attr}" if isinstance(node.func, ast.Attribute) else ""


def test_chance_has_a_seed() -> None:
    importers = [path for path, tree in trees(*PACKAGES).items() if any(name in CHANCE for name in imports(tree))]

    assert importers == sorted(SEEDED)
    for path in SEEDED:
        used = [name for name, _ in calls(trees(*PACKAGES)[path]) if name.partition(".")[0] in CHANCE]
        assert used
        assert set(used) == {"random.Random"}, f"{path} draws from a generator that all share"
        given = [node for name, node in calls(trees(*PACKAGES)[path]) if name == "random.Random"]
        assert all(node.args for node in given), f"{path} makes a generator without a seed"


def test_nothing_makes_up_names_or_bytes() -> None:
    for path, tree in trees(*PACKAGES).items():
        for name, node in calls(tree):
            assert name.rpartition(".")[2] not in NEVER, f"{path}:{node.lineno} calls {name}"


def test_nobody_hashes_with_the_seed_of_the_process_or_looks_at_addresses() -> None:
    for path, tree in trees(*PACKAGES).items():
        for name, node in calls(tree):
            assert name not in ("hash", "id"), f"{path}:{node.lineno} calls {name}()"


def test_only_adapters_and_tools_ask_who_and_where_they_are() -> None:
    found = {
        path
        for path, tree in trees(*PACKAGES).items()
        for name, _ in calls(tree)
        if name.rpartition(".")[2] in HOST and not name.startswith("?")
    }

    assert found <= set(ASKS_THE_HOST), found - set(ASKS_THE_HOST)


def test_no_time_is_turned_into_that_of_this_place() -> None:
    """Without a zone these read TZ: a day would end when it ends here."""
    for path, tree in trees(*PACKAGES).items():
        for name, node in calls(tree):
            method = name.rpartition(".")[2]
            is_local = method in ("localtime", "mktime", "ctime", "strftime") and name.startswith("time.")
            is_naive = method == "astimezone" and not node.args
            is_naive |= method == "fromtimestamp" and len(node.args) + len(node.keywords) < 2
            assert path == CLOCK or not (is_local or is_naive), f"{path}:{node.lineno} calls {name}"


def test_no_folder_is_read_in_the_order_of_its_disk() -> None:
    for path, tree in trees(*PACKAGES).items():
        orderless = [node for name, node in calls(tree) if name in ORDERLESS]
        harmless = [id(inner) for node in orderless for item in node.args for inner in ast.walk(item)]
        for name, node in calls(tree):
            is_listing = name.rpartition(".")[2] in OF_FOLDERS and name.rpartition(".")[0] not in ("re", "ast")
            if is_listing and id(node) not in harmless:
                assert path in LISTED_FOR, f"{path}:{node.lineno} calls {name} outside of sorted()"


LISTED_FOR = {
    "runner/records/reader.py": "the highest number among the names counts",
}


def test_no_set_is_seen_in_its_order() -> None:
    found = trees(*PACKAGES)
    known = known_sets(list(found.values()))

    seen = [
        f"{path}:{getattr(node, 'lineno', 0)} {ast.unparse(node)[:60]}"
        for path, tree in found.items()
        for node in seen_orders(tree, known)
    ]
    assert seen == []


@pytest.mark.parametrize(
    "source",
    [
        "for item in {1, 2}: pass",
        "kept = list({item for item in found})[:3]",
        "def first(found: set[str]) -> str:\n    return next(iter(found))",
        "def names(found: frozenset[str] | None) -> str:\n    return ', '.join(found)",
        "def both(one: dict[str, int], two: dict[str, int]) -> list[str]:\n    return [*(one.keys() & two.keys())]",
        "class Book:\n    ids: frozenset[str]\ndef ids(book: Book) -> list[str]:\n    return [*book.ids]",
        "def say(found: set[str]) -> str:\n    return f'{found - {1}}'",
        "def best(found: set[str]) -> str:\n    return max(found, key=len)",
        "def total(found: set[float]) -> float:\n    return sum(found)",
        "def take(found: set[str]) -> str:\n    return found.pop()",
        "def pair() -> set[str]: ...\na, b = pair()",
    ],
)
def test_an_order_that_is_seen_is_found(source: str) -> None:
    tree = ast.parse(source)

    assert list(seen_orders(tree, known_sets([tree])))


@pytest.mark.parametrize(
    "source",
    [
        "def names(found: set[str]) -> list[str]:\n    return sorted(found)",
        "def names(found: set[str]) -> list[str]:\n    return sorted(name for name in found if name)",
        "def has(found: set[str]) -> bool:\n    return 'a' in found and len(found) > 1",
        "def other(found: set[str]) -> set[str]:\n    return {name.lower() for name in found}",
        "def plain(found: list[str]) -> list[str]:\n    return [name for name in found]",
        "def least(found: set[int]) -> int:\n    return min(found)",
    ],
)
def test_an_order_that_nobody_sees_is_none(source: str) -> None:
    tree = ast.parse(source)

    assert list(seen_orders(tree, known_sets([tree]))) == []


def test_no_check_is_an_assert() -> None:
    """`python -O` would leave it out."""
    for path, tree in trees(*PACKAGES).items():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno} is an assert"


def test_the_files_that_are_excepted_are_there() -> None:
    excepted = [CLOCK, *SEEDED, *ASKS_THE_HOST, *LISTED_FOR]

    assert [path for path in excepted if path not in trees(*PACKAGES)] == []
