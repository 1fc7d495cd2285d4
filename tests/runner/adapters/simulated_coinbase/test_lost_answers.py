"""Checklist item 4, and the connection's faults in one process: what an asker sees, and what the exchange did."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.routes import Endpoint
from runner.wire import AnswerLost, HttpRequest, HttpResponse, NotSent
from tests.builders import BTC, NOON
from tests.runner.adapters.simulated_coinbase.venue_desk import (
    BASE,
    VenueDesk,
    create_body,
    ioc,
    limit_gtd,
    make_request,
    make_venue,
)

TIMEOUT = 10.0


def order_request(
    venue: VenueDesk, name: str = "order-1", *, configuration: Mapping[str, object] | None = None
) -> HttpRequest:
    body = json.dumps(create_body(name, configuration=configuration or ioc())).encode()
    return make_request("POST", f"{BASE}/orders", now=venue.clock.now().timestamp(), body=body)


def send(venue: VenueDesk, name: str = "order-1", *, configuration: Mapping[str, object] | None = None) -> HttpResponse:
    request = order_request(venue, name, configuration=configuration)
    return InProcessWire(venue.exchange, venue.clock).send(request, TIMEOUT)


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.RESET_AFTER, Fault.TRUNCATED_BODY, Fault.ENDLESS_BODY])
def test_4_the_order_was_accepted_and_the_answer_got_lost(fault: Fault) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.CREATE)

    with pytest.raises(AnswerLost):
        send(venue)

    assert [row["client_order_id"] for row in venue.listed()] == ["order-1"]
    assert venue.exchange.faults.counts[fault] == 1


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.RESET_BEFORE])
def test_4_the_order_got_lost_before_it_was_accepted(fault: Fault) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.CREATE)

    with pytest.raises(AnswerLost):
        send(venue)

    assert venue.exchange.orders() == []


def test_4_a_refused_connection_is_known_not_to_have_sent_anything() -> None:
    venue = make_venue()
    venue.exchange.faults.script(Fault.REFUSED, Endpoint.CREATE)

    with pytest.raises(NotSent):
        send(venue)

    assert venue.exchange.orders() == []


@pytest.mark.parametrize(("seconds", "is_lost"), [(9.999, False), (10, True)])
def test_4_an_answer_beyond_the_timeout_is_lost_and_costs_the_timeout_on_the_clock(
    seconds: float, is_lost: bool
) -> None:
    venue = make_venue(behaviour=Behaviour(answers_late_by=timedelta(seconds=seconds)))
    venue.exchange.faults.script(Fault.LATE_ANSWER, Endpoint.CREATE)

    try:
        send(venue)
        lost = False
    except AnswerLost:
        lost = True

    assert lost is is_lost
    assert venue.clock.now() == NOON + timedelta(seconds=min(seconds, TIMEOUT))
    assert len(venue.exchange.orders()) == 1


@pytest.mark.parametrize("fault", [Fault.DRIPPED_BODY, Fault.DRIPPED_HEADERS])
def test_4_a_dripping_answer_outlives_the_timeout(fault: Fault) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.CREATE)

    with pytest.raises(AnswerLost):
        send(venue)

    assert venue.clock.now() == NOON + timedelta(seconds=TIMEOUT)


def test_4_a_short_answer_that_drips_fast_enough_arrives() -> None:
    venue = make_venue(behaviour=Behaviour(drips_every=timedelta(milliseconds=1)))
    venue.exchange.faults.script(Fault.DRIPPED_BODY, Endpoint.CREATE)

    assert json.loads(send(venue).body)["success"] is True


@pytest.mark.parametrize("fault", [Fault.BAD_GATEWAY_AFTER, Fault.GATEWAY_TIMEOUT_AFTER, Fault.RATE_LIMITED_AFTER])
def test_4_an_error_status_may_hide_an_accepted_order(fault: Fault) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.CREATE)

    answer = send(venue)

    assert answer.status in (429, 502, 504)
    assert len(venue.exchange.orders()) == 1


def test_4_an_order_may_be_accepted_some_seconds_after_its_connection_ended() -> None:
    venue = make_venue(behaviour=Behaviour(acts_late_by=timedelta(seconds=5)))
    venue.exchange.faults.script(Fault.ACCEPTED_LATE, Endpoint.CREATE)

    with pytest.raises(AnswerLost):
        send(venue)
    venue.wait(4.999)
    before = venue.listed()
    venue.wait(0.001)
    after = venue.listed()

    assert before == []
    assert [row["client_order_id"] for row in after] == ["order-1"]
    assert datetime.fromisoformat(after[0]["created_time"]) == NOON + timedelta(seconds=5)


def test_4_a_late_order_lives_from_its_own_moment_on_though_nobody_asks_until_after_its_end() -> None:
    venue = make_venue(behaviour=Behaviour(acts_late_by=timedelta(seconds=5)))
    venue.exchange.faults.script(Fault.ACCEPTED_LATE, Endpoint.CREATE)

    venue.market.move(BTC, -1, at_minute=0.2)
    venue.market.move(BTC, 1.02, at_minute=0.4)

    with pytest.raises(AnswerLost):
        send(venue, configuration=limit_gtd(end="2026-01-05T12:00:30Z"))
    venue.wait(60)
    (row,) = venue.listed()

    assert datetime.fromisoformat(row["created_time"]) == NOON + timedelta(seconds=5)
    assert row["status"] == "FILLED"
    assert datetime.fromisoformat(row["last_fill_time"]) == NOON + timedelta(seconds=30)


def test_4_a_late_order_whose_token_was_good_at_its_moment_is_accepted_though_nobody_asks_until_later() -> None:
    venue = make_venue(behaviour=Behaviour(acts_late_by=timedelta(seconds=5)))
    venue.exchange.faults.script(Fault.ACCEPTED_LATE, Endpoint.CREATE)

    with pytest.raises(AnswerLost):
        send(venue)
    venue.wait(121)

    assert [row["client_order_id"] for row in venue.listed()] == ["order-1"]


def test_4_a_late_order_whose_token_has_expired_is_never_accepted() -> None:
    venue = make_venue(behaviour=Behaviour(acts_late_by=timedelta(seconds=121)))
    venue.exchange.faults.script(Fault.ACCEPTED_LATE, Endpoint.CREATE)

    with pytest.raises(AnswerLost):
        send(venue)
    venue.wait(200)

    assert venue.listed() == []


def test_a_request_without_a_fault_costs_no_time() -> None:
    venue = make_venue()

    assert json.loads(send(venue).body)["success"] is True
    assert venue.clock.now() == NOON
