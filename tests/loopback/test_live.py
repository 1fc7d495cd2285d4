"""
LIVE against the exchange's own books: the whole program, bad days included, and nothing may be wrong afterwards.

The runs are played once and read by all tests. Longer ones: `python -m tests.loopback.day --help`.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import pytest

from runner.adapters.simulated_coinbase.faults import Fault
from tests.loopback.live_desk import open_live_desk
from tests.loopback.oracle import lines_of
from tests.loopback.runs import Outcome, Plan, run
from tests.loopback.storms import LIES, STEADY, STORMS

PLANS = {
    "a clean hour over sockets": Plan(seed=7, cycles=80, over_sockets=True),
    "each fault once over sockets": Plan(seed=12, cycles=100, over_sockets=True, is_tour=True),
    "storms over sockets": Plan(seed=8, cycles=80, over_sockets=True, storms=STORMS, steady=STEADY, calm_minutes=1.0),
    "kill files": Plan(seed=9, cycles=100, storms=STORMS, steady=STEADY, calm_minutes=9.0, kills_every=5.0),
    "power cuts and stops": Plan(
        seed=10, cycles=80, storms=STORMS, steady=STEADY, calm_minutes=2.0, cuts_every=8.0, stops_every=15.0
    ),
    "products that go, late fills": Plan(
        seed=11, cycles=100, storms=STORMS, steady=STEADY, calm_minutes=2.0, lag_seconds=3.0, products_every=6.0
    ),
}
CLEAN = next(iter(PLANS))


class _Played(dict[str, Outcome]):
    """Plays a plan when somebody asks for what came of it, so that a test of one does not play the others."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        super().__init__()
        self._folders = folders

    def __missing__(self, name: str) -> Outcome:
        self[name] = run(PLANS[name], self._folders.mktemp("live"))
        return self[name]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    return _Played(tmp_path_factory)


@pytest.mark.parametrize("name", PLANS)
def test_nothing_is_wrong_with(name: str, outcomes: Mapping[str, Outcome]) -> None:
    assert outcomes[name].violations == []


def test_a_clean_hour_trades_and_leaves_no_coin_unguarded(outcomes: Mapping[str, Outcome]) -> None:
    clean = outcomes[CLEAN]

    assert clean.naked_minutes == Counter()
    assert (clean.alerts, clean.breakers) == (Counter(), Counter())
    assert clean.fills > 10
    assert clean.orders.keys() == {"entry", "protection", "exit"}
    assert sum(clean.owner.values()) > 5


@pytest.mark.parametrize("name", [name for name in PLANS if name != CLEAN])
def test_between_the_storms_there_is_trade(name: str, outcomes: Mapping[str, Outcome]) -> None:
    assert outcomes[name].fills > 2
    assert sum(outcomes[name].faults.values()) > 40


def test_every_fault_struck(outcomes: Mapping[str, Outcome]) -> None:
    struck: Counter[str] = sum((outcomes[name].faults for name in PLANS), Counter())

    assert [fault.value for fault in Fault if fault not in LIES and not struck[fault.value]] == [], struck


def test_what_may_happen_to_an_order_did_happen(outcomes: Mapping[str, Outcome]) -> None:
    cut = outcomes["power cuts and stops"]
    happened = {
        "found after its answer was lost": sum(outcomes[name].unknown_found for name in PLANS),
        "proven absent": sum(outcomes[name].unknown_absent for name in PLANS),
        "rejected": sum(outcomes[name].outcomes["REJECTED"] for name in PLANS),
        "power cut": cut.crashes,
        "stop": cut.starts - cut.crashes - sum(cut.refused_starts.values()) - 1,  # the last end is none
        "kill file": sum(outcomes["kill files"].kills.values()),
        "product trouble": sum(outcomes["products that go, late fills"].products.values()),
    }

    assert all(happened.values()), happened


def test_an_exchange_that_names_somebody_elses_order_as_ours_stops_the_bot_and_nothing_else(tmp_path: Path) -> None:
    """Not all can be settled then, but no order of the owner is touched, and a person is told."""
    outcome = run(Plan(seed=50, cycles=60, storms={"lies": LIES}, calm_minutes=5.0), tmp_path)

    settled = ("fill_missing", "cash_differs", "coins_differ", "open_here_only", "still_naked")
    assert [text for text in outcome.violations if not text.startswith(settled)] == []
    assert outcome.faults[Fault.OTHER_ORDER.value] == 1
    assert outcome.states["HALTED"] > 10
    assert outcome.alerts["account_differs"] > 10
    assert outcome.refused_starts == Counter()


def test_a_machine_whose_clock_jumps_spoils_no_token(tmp_path: Path) -> None:
    moments = itertools.count(start=4_000_000_000, step=1000)
    with (
        patch("time.time", lambda: float(next(moments))),
        open_live_desk(tmp_path, seed=3, over_sockets=False, products=3) as desk,
    ):
        desk.play(3)

    lines = lines_of(desk)
    assert len(lines) == 3
    assert [line["metrics"]["exchange_api_errors_total"] for line in lines] == [{}] * 3
    assert [line["api"]["errors"] for line in lines] == [0, 0, 0]
