"""Checklist items 5 and 6: what the exchange shows later than it knows it, and cancels that take their time."""

from datetime import timedelta

import pytest

from runner.adapters.simulated_coinbase.behaviour import Behaviour, Lags
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.builders import BTC
from tests.runner.adapters.simulated_coinbase.venue_desk import VenueDesk, make_venue


def venue_with(
    *, order: float = 0, fills: float = 0, balances: float = 0, pending: float = 0, cancel: float = 0
) -> VenueDesk:
    lags = Lags(
        order=timedelta(seconds=order),
        fills=timedelta(seconds=fills),
        balances=timedelta(seconds=balances),
        pending=timedelta(seconds=pending),
        cancel=timedelta(seconds=cancel),
    )
    return make_venue(behaviour=Behaviour(lags=lags))


def cancel(venue: VenueDesk, *order_ids: str) -> list[tuple[bool, str]]:
    results = venue.post("/orders/batch_cancel", {"order_ids": list(order_ids)}).json["results"]
    return [(result["success"], result["failure_reason"]) for result in results]


# --- item 5 -----------------------------------------------------------------------------------------------------------


def test_5_a_new_order_is_a_404_and_in_no_list_until_the_lag_is_over() -> None:
    venue = venue_with(order=2)
    order_id = venue.take()
    venue.wait(1.999)

    early = venue.get(f"/orders/historical/{order_id}")
    listed_early = venue.listed()
    venue.wait(0.001)

    assert early.status == 404
    assert early.json["message"] == "order with this orderID was not found"
    assert listed_early == []
    assert venue.order(order_id)["status"] == "FILLED"
    assert len(venue.listed()) == 1


def test_5_fills_are_listed_later_than_the_order_says_filled() -> None:
    venue = venue_with(fills=3)
    order_id = venue.take()

    assert venue.order(order_id)["number_of_fills"] == "1"
    venue.wait(2.999)
    assert venue.fills() == []
    venue.wait(0.001)
    assert [row["order_id"] for row in venue.fills()] == [order_id]


def test_5_balances_lag_too() -> None:
    venue = venue_with(balances=1)
    venue.rest()

    assert venue.balance("USD") == ("10000", "0")
    venue.wait(1)
    assert venue.balance("USD") == ("9899.6005", "100.3995")


# --- item 6: cancels --------------------------------------------------------------------------------------------------


def test_6_a_cancel_is_accepted_first_and_done_later() -> None:
    venue = venue_with(cancel=2)
    order_id = venue.rest()

    assert cancel(venue, order_id) == [(True, "UNKNOWN_CANCEL_FAILURE_REASON")]
    during = venue.order(order_id)
    assert (during["status"], during["pending_cancel"]) == ("CANCEL_QUEUED", True)
    venue.wait(2)
    after = venue.order(order_id)
    assert (after["status"], after["pending_cancel"]) == ("CANCELLED", False)


def test_6_the_fill_may_win_the_race_with_the_cancel() -> None:
    venue = venue_with(cancel=2)
    order_id = venue.rest(price="99.90")
    cancel(venue, order_id)
    venue.market.move(BTC, -2)

    venue.wait(2)

    assert venue.order(order_id)["status"] == "FILLED"
    assert cancel(venue, order_id) == [(False, "ORDER_IS_FULLY_FILLED")]


def test_6_what_trades_after_the_cancel_was_due_does_not_fill_however_late_somebody_looks() -> None:
    venue = venue_with(cancel=2)
    order_id = venue.rest(price="99.90")
    cancel(venue, order_id)
    venue.wait(3)
    venue.market.move(BTC, -2)

    venue.wait(60)

    assert venue.order(order_id)["status"] == "CANCELLED"
    assert venue.order(order_id)["filled_size"] == "0"


def test_6_a_partial_fill_during_the_cancel_is_kept() -> None:
    venue = venue_with(cancel=2)
    order_id = venue.rest(price="99.90", size="50")
    venue.market.move(BTC, -2)
    venue.wait(1)
    cancel(venue, order_id)

    venue.wait(2)

    order = venue.order(order_id)
    assert order["status"] == "CANCELLED"
    assert order["filled_size"] == "3"  # a tenth of the ten coins that trade each second
    assert sum(float(row["size"]) for row in venue.fills()) == 3


def test_6_cancels_that_cannot_be_have_their_reasons() -> None:
    venue = venue_with(cancel=2)
    open_id, filled_id = venue.rest("a"), venue.take("b")
    cancel(venue, open_id)

    assert cancel(venue, open_id, filled_id, "nobody") == [
        (False, "DUPLICATE_CANCEL_REQUEST"),
        (False, "ORDER_IS_FULLY_FILLED"),
        (False, "UNKNOWN_CANCEL_ORDER"),
    ]


def test_6_a_cancel_may_be_refused_or_promised_and_forgotten() -> None:
    venue = make_venue()
    order_id = venue.rest()
    venue.exchange.faults.script(Fault.CANCEL_REFUSED, Endpoint.CANCEL)
    venue.exchange.faults.script(Fault.CANCEL_FORGOTTEN, Endpoint.CANCEL)

    assert cancel(venue, order_id) == [(False, "COMMANDER_REJECTED_CANCEL_ORDER")]
    assert cancel(venue, order_id) == [(True, "UNKNOWN_CANCEL_FAILURE_REASON")]
    assert venue.order(order_id)["status"] == "OPEN"


# --- item 6: states ---------------------------------------------------------------------------------------------------


def test_6_an_accepted_order_is_pending_first_and_not_in_the_list_of_open_ones() -> None:
    venue = venue_with(pending=1)
    order_id = venue.rest()

    assert venue.order(order_id)["status"] == "PENDING"
    assert venue.listed(("order_status", "OPEN")) == []
    assert len(venue.listed(("order_status", "PENDING"))) == 1
    venue.wait(1)
    assert venue.order(order_id)["status"] == "OPEN"
    assert len(venue.listed(("order_status", "OPEN"))) == 1


def test_6_a_pending_order_shows_nothing_filled() -> None:
    venue = venue_with(pending=1)
    order_id = venue.take()

    order = venue.order(order_id)
    assert (order["status"], order["filled_size"], order["number_of_fills"]) == ("PENDING", "0", "0")
    assert venue.fills() == []
    venue.wait(1)
    assert venue.order(order_id)["status"] == "FILLED"
    assert len(venue.fills()) == 1


def test_6_an_order_may_be_accepted_and_fail_afterwards() -> None:
    venue = make_venue()
    venue.exchange.faults.script(Fault.FAILED_LATER, Endpoint.CREATE)

    order_id = venue.rest()

    order = venue.order(order_id)
    assert (order["status"], order["reject_reason"], order["filled_size"]) == ("FAILED", "HOLD_FAILURE", "0")
    assert venue.balance("USD") == ("10000", "0")


@pytest.mark.parametrize("statuses", [("OPEN", "PENDING"), ("SHUT",)])
def test_6_open_stands_alone_in_a_filter_and_unknown_statuses_are_refused(statuses: tuple[str, ...]) -> None:
    venue = make_venue()

    reply = venue.get("/orders/historical/batch", *(("order_status", status) for status in statuses))

    assert reply.status == 400


def test_6_open_may_be_combined_when_the_exchange_allows_it() -> None:
    venue = make_venue(behaviour=Behaviour(open_stands_alone=False))
    venue.rest()

    assert len(venue.listed(("order_status", "OPEN"), ("order_status", "PENDING"))) == 1
