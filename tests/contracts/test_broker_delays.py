"""An exchange that shows late what it knows: what the Broker says meanwhile is not known, never not so."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import OrderOutcomeUnknown
from core.model.money import ZERO
from core.model.orders import OrderStatus
from runner.adapters.simulated_coinbase.behaviour import Behaviour, DuplicateAnswer, Lags
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import BTC, make_order
from tests.contracts.broker_desks import BROKERS, Desk, Stage, make_ioc, state
from tests.fakes.scripted_market import ScriptedMarket

EXCHANGES = {name: opens for name, opens in BROKERS.items() if name != "paper"}
TWO_SECONDS = timedelta(seconds=2)


@pytest.fixture
def behaviour(request: pytest.FixtureRequest) -> Behaviour:
    """Return the behaviour that the test names in its `parametrize`."""
    found: Behaviour = request.param
    return found


@pytest.fixture(params=list(EXCHANGES.values()), ids=list(EXCHANGES))
def desk(
    request: pytest.FixtureRequest, clock: VirtualClock, market: ScriptedMarket, behaviour: Behaviour
) -> Iterator[Desk]:
    opens: Callable[[Stage], AbstractContextManager[Desk]] = request.param
    balances = {"USD": Decimal(10_000), "BTC": Decimal(5)}
    with opens(Stage(clock=clock, market=market, balances=balances, behaviour=behaviour)) as found:
        yield found


@pytest.mark.parametrize("behaviour", [Behaviour(lags=Lags(cancel=TWO_SECONDS))], indirect=True, ids=["late cancels"])
def test_a_cancel_is_asked_for_and_what_fills_before_it_counts(desk: Desk, market: ScriptedMarket) -> None:
    order_id = desk.broker.submit(make_order(size="10", price="99.50"))
    market.move(BTC, -1)

    desk.broker.cancel([order_id])
    desk.broker.cancel([order_id])
    asked = (state(desk.report()), len(desk.broker.open_orders()))
    desk.wait(10)

    assert asked == ((OrderStatus.OPEN, "0"), 1)
    assert state(desk.report()) == (OrderStatus.CANCELLED, "2")
    assert desk.balance("USD") == (Decimal(10_000) - 2 * Decimal("99.50") * Decimal("1.005"), ZERO)


@pytest.mark.parametrize("behaviour", [Behaviour(lags=Lags(cancel=TWO_SECONDS))], indirect=True, ids=["late cancels"])
def test_an_order_may_fill_before_its_cancel_is_done(desk: Desk, market: ScriptedMarket) -> None:
    order_id = desk.broker.submit(make_order(size="2", price="99.50"))
    market.move(BTC, -1)

    desk.broker.cancel([order_id])
    desk.wait(10)

    assert state(desk.report()) == (OrderStatus.FILLED, "2")


@pytest.mark.parametrize("behaviour", [Behaviour(lags=Lags(order=TWO_SECONDS))], indirect=True, ids=["late orders"])
def test_an_order_that_is_not_shown_yet_is_not_found_and_appears_once(desk: Desk) -> None:
    order_id = desk.broker.submit(make_order())

    meanwhile = (desk.find("order-1"), desk.find("order-1", order_id=order_id), len(desk.broker.open_orders()))
    again = desk.broker.submit(make_order())
    desk.wait(2)

    assert meanwhile == (None, None, 0)
    assert again == order_id
    assert desk.report().status is OrderStatus.OPEN
    assert [report.order_id for report in desk.broker.open_orders()] == [order_id]


@pytest.mark.parametrize("behaviour", [Behaviour(lags=Lags(pending=TWO_SECONDS))], indirect=True, ids=["pending"])
def test_an_order_on_its_way_to_the_book_is_not_over(desk: Desk) -> None:
    order_id = desk.broker.submit(make_ioc())

    meanwhile = (state(desk.report()), [report.order_id for report in desk.broker.open_orders()], desk.fills())
    desk.wait(2)

    assert meanwhile == ((OrderStatus.PENDING, "0"), [order_id], [])
    assert state(desk.report()) == (OrderStatus.FILLED, "1")
    assert len(desk.fills()) == 1


@pytest.mark.parametrize(
    "behaviour", [Behaviour(lags=Lags(fills=TWO_SECONDS, balances=TWO_SECONDS))], indirect=True, ids=["late books"]
)
def test_fills_and_balances_may_follow_their_order_and_keep_their_time(desk: Desk, clock: VirtualClock) -> None:
    before = desk.balances()
    at = clock.now()
    desk.broker.submit(make_ioc())

    meanwhile = (desk.report().status, desk.fills(), desk.balances())
    desk.wait(2)

    assert meanwhile == (OrderStatus.FILLED, [], before)
    assert [fill.at for fill in desk.fills()] == [at]
    assert desk.balance("BTC") == (Decimal(6), ZERO)


@pytest.mark.parametrize(
    "behaviour", [Behaviour(duplicates=DuplicateAnswer.REJECT)], indirect=True, ids=["refuses used ids"]
)
def test_a_used_id_decides_nothing_and_leads_to_its_order(desk: Desk) -> None:
    order_id = desk.broker.submit(make_order())

    with pytest.raises(OrderOutcomeUnknown):
        desk.broker.submit(make_order())

    assert desk.report().order_id == order_id
    assert len(desk.broker.open_orders()) == 1
