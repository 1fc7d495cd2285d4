"""The suite of the Broker port runs once for each broker, on a market that does what the test says."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal

import pytest

from runner.adapters.virtual_clock import VirtualClock
from tests.builders import NOON
from tests.contracts.broker_desks import BROKERS, Desk, Stage, scripted_market
from tests.fakes.scripted_market import ScriptedMarket


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def market(clock: VirtualClock) -> ScriptedMarket:
    return scripted_market(clock)


@pytest.fixture(params=list(BROKERS.values()), ids=list(BROKERS))
def desk(request: pytest.FixtureRequest, clock: VirtualClock, market: ScriptedMarket) -> Iterator[Desk]:
    """Open an account of 10,000 USD and 5 BTC."""
    opens: Callable[[Stage], AbstractContextManager[Desk]] = request.param
    with opens(Stage(clock=clock, market=market, balances={"USD": Decimal(10_000), "BTC": Decimal(5)})) as found:
        yield found
