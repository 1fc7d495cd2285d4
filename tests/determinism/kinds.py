"""The kinds of run that are compared, each played from a seed in the present folder."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from runner import main_loop
from tests.config_files import ROOT, shipped_documents, write_config
from tests.loopback.runs import Plan
from tests.loopback.runs import run as play_live
from tests.loopback.storms import STEADY, STORMS
from tests.profiles import BUSY
from tests.simulation.run import run as simulate
from tests.simulation.swarm import draw_plan

PRODUCTS = 8
"""A day of all of them, in both places, is in tests/scenarios/test_a_day_of_paper_trading.py."""

CANDLES = ROOT.parent / "shared" / "data"

Play = Callable[[Path, int, int], None]
"""Folder, seed, cycles."""


def paper(folder: Path, seed: int, cycles: int) -> None:
    """A virtual day on the simulated market, with a restart in the middle."""
    simulated = ("--market", "simulated", "--speed", "max", "--seed", str(seed))
    for part in (cycles // 2, cycles - cycles // 2):
        _run(folder, *simulated, "--cycles", str(part), products=PRODUCTS)


def replay(folder: Path, seed: int, cycles: int) -> None:
    """The recorded candles; the seed has no say in them."""
    _run(folder, "--market", f"replay:{CANDLES}", "--cycles", str(cycles))


def live(folder: Path, seed: int, cycles: int) -> None:
    """LIVE on the simulated Coinbase in this process: storms of faults, power cuts, stops, products that change."""
    plan = Plan(
        seed=seed,
        cycles=cycles,
        storms=STORMS,
        steady=STEADY,
        calm_minutes=4.0,
        cuts_every=20.0,
        stops_every=30.0,
        products_every=25.0,
        kills_every=40.0,
    )
    outcome = play_live(plan, folder)
    if outcome.violations:
        raise AssertionError(f"the run itself is wrong: {outcome.violations[:3]}")


def simulation(folder: Path, seed: int, cycles: int) -> None:
    """A seed of the simulation: a disk and an exchange that fail, a clock that wanders, restarts, what people do."""
    result = simulate(draw_plan(seed, cycles), folder)
    if result.violations:
        raise AssertionError(f"the run itself is wrong: {result.violations[:3]}")


KINDS: Mapping[str, Play] = {"paper": paper, "replay": replay, "live": live, "simulation": simulation}


def why_not(kind: str) -> str | None:
    """Say why a kind cannot be played here; None when it can."""
    if kind == "replay" and not CANDLES.is_dir():
        return "NO CANDLES: ../shared/data is not there, so no replay of real prices was compared"
    return None


def _run(folder: Path, *arguments: str, products: int | None = None) -> None:
    few = {} if products is None else {"app.simulation.products": products}
    config = write_config(folder / "config", shipped_documents({**BUSY, **few}))
    folders = ("--config-dir", str(config), "--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs"))
    with contextlib.redirect_stdout(None):
        code = main_loop.main(["--paper", *arguments, *folders])
    if code != 0:
        raise AssertionError(f"the program ended with {code}")
