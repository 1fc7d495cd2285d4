"""Checklist item 14: faults come from one seed, in the order of the requests, and each is counted."""

import pytest

from runner.adapters.simulated_coinbase.faults import Fault, FaultPlan, Phase
from runner.adapters.simulated_coinbase.routes import Endpoint, route
from tests.runner.adapters.simulated_coinbase.venue_desk import make_venue


def drawn(plan: FaultPlan, number: int, endpoint: Endpoint = Endpoint.CREATE) -> list[Fault | None]:
    return [plan.draw(endpoint) for _ in range(number)]


def test_14_the_same_seed_gives_the_same_faults() -> None:
    plans = [FaultPlan(seed) for seed in (7, 7, 8)]
    for plan in plans:
        plan.add(Fault.LOST_AFTER, 0.3)
        plan.add(Fault.BAD_GATEWAY, 0.3)

    first, second, other = (drawn(plan, 200) for plan in plans)

    assert first == second != other
    assert 30 < first.count(Fault.LOST_AFTER) < 90


def test_14_a_whole_conversation_repeats_to_the_byte() -> None:
    def talk() -> list[str]:
        plan = FaultPlan(3)
        for fault in (Fault.LOST_AFTER, Fault.NULL_FIELDS, Fault.RATE_LIMITED_HTML, Fault.FILLS_SHUFFLED):
            plan.add(fault, 0.2)
        venue = make_venue(faults=plan)
        texts: list[str] = []
        for number in range(40):
            texts.append(venue.create(f"order-{number}").text)
            venue.wait(1)
            texts.append(venue.get("/orders/historical/fills").text)
        return texts

    assert talk() == talk()


@pytest.mark.parametrize(("probability", "number"), [(0.0, 0), (1.0, 50)])
def test_14_a_probability_of_zero_never_strikes_and_of_one_always(probability: float, number: int) -> None:
    plan = FaultPlan()
    plan.add(Fault.SERVER_ERROR, probability)

    drawn(plan, 50)

    assert plan.counts[Fault.SERVER_ERROR] == number


def test_14_a_scripted_fault_strikes_when_it_was_told_to() -> None:
    plan = FaultPlan()
    plan.script(Fault.LOST_AFTER, Endpoint.CREATE, skip=1, times=2)

    assert drawn(plan, 3, Endpoint.CANCEL) == [None] * 3
    assert drawn(plan, 5) == [None, Fault.LOST_AFTER, Fault.LOST_AFTER, None, None]
    assert plan.counts == {Fault.LOST_AFTER: 2}


def test_14_faults_strike_only_where_they_mean_something() -> None:
    plan = FaultPlan()
    plan.add(Fault.CANCEL_REFUSED, 1.0)

    assert plan.draw(Endpoint.CREATE) is None
    assert plan.draw(Endpoint.CANCEL) is Fault.CANCEL_REFUSED


def test_14_a_cleared_plan_lets_everything_through_and_remembers_what_was() -> None:
    plan = FaultPlan()
    plan.add(Fault.BAD_GATEWAY, 1.0)
    plan.draw(Endpoint.TIME)
    plan.clear()

    assert plan.draw(Endpoint.TIME) is None
    assert plan.counts == {Fault.BAD_GATEWAY: 1}


def test_14_a_probability_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="probability"):
        FaultPlan().add(Fault.BAD_GATEWAY, 1.01)


def test_14_there_are_faults_of_every_phase() -> None:
    assert {fault.phase for fault in Fault} == set(Phase)


def test_requests_and_bytes_are_counted_by_endpoint() -> None:
    venue = make_venue()
    reply = venue.get("/accounts")
    venue.get("/nothing/here")

    traffic = venue.exchange.traffic
    assert (traffic.requests[Endpoint.ACCOUNTS], traffic.requests[Endpoint.UNKNOWN]) == (1, 1)
    assert traffic.bytes_out > len(reply.text)
    assert traffic.bytes_in == 4  # "{}" twice


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("GET", "/products/BTC-USD/candles", Endpoint.CANDLES),
        ("GET", "/market/products/BTC-USD", Endpoint.PRODUCT),
        ("GET", "/orders/historical/batch", Endpoint.ORDERS),
        ("GET", "/orders/historical/some-id", Endpoint.ORDER),
        ("POST", "/orders", Endpoint.CREATE),
        ("GET", "/orders", Endpoint.UNKNOWN),
        ("DELETE", "/products", Endpoint.UNKNOWN),
        ("GET", "/market/accounts", Endpoint.UNKNOWN),
        ("GET", "/market/best_bid_ask", Endpoint.UNKNOWN),
        ("GET", "/products/BTC-USD/candles/x", Endpoint.UNKNOWN),
        ("POST", "/orders/edit", Endpoint.NOT_BUILT),
    ],
)
def test_a_path_leads_to_its_endpoint(method: str, path: str, endpoint: Endpoint) -> None:
    assert route(method, f"/api/v3/brokerage{path}").endpoint is endpoint
