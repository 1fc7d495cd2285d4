"""A short run that many tests damage."""

import pytest

from tests.program_runs import SIMULATED_DAY, Run, run_program

SHORT_RUN_CYCLES = 150


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Some hours with trades, ended and begun again in between."""
    folder = tmp_path_factory.mktemp("short")
    run_program(folder, [*SIMULATED_DAY, "--cycles", str(SHORT_RUN_CYCLES - 30)])
    return run_program(folder, [*SIMULATED_DAY, "--cycles", "30"])
