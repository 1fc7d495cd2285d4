"""Every run draws the same examples, so a red test is red again, here and in CI; a busy machine fails no test."""

import signal

import jsonschema  # noqa: F401 - loaded once: else each of a thousand loops would fork a child to load it
import pytest
from hypothesis import settings

from tests.program_runs import DAY_CYCLES, SIMULATED_DAY, Run, run_program

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it puts into the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup starts it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One day of the simulated market in the shipped configuration: run once, read by many."""
    return run_program(tmp_path_factory.mktemp("day"), [*SIMULATED_DAY, "--cycles", str(DAY_CYCLES)])


LONGEST = (
    "tests/scenarios/test_replay_of_real_candles.py",
    "tests/loopback/",
    "tests/blackbox/",
)
"""Where the waiting is; begun first, the other workers fill the time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files so that no worker begins the longest one when the others are done."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST))

    items.sort(key=place)
