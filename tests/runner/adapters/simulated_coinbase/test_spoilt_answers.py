"""Checklist item 12: answers that are no answers, and answers that are almost right."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.runner.adapters.simulated_coinbase.venue_desk import KEY, make_venue


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (Fault.RATE_LIMITED, 429, '{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'),
        (Fault.RATE_LIMITED_HTML, 429, "<html>"),
        (Fault.RESOURCE_EXHAUSTED, 429, '"error":"resource_exhausted"'),
        (Fault.UNAUTHORIZED, 401, "Unauthorized\n"),
        (Fault.FORBIDDEN, 403, '"error_details":"Missing required scopes"'),
        (Fault.SERVER_ERROR, 500, "<html>"),
        (Fault.BAD_GATEWAY, 502, "<html>"),
        (Fault.UNAVAILABLE, 503, "<html>"),
        (Fault.REDIRECT, 302, ""),
    ],
)
def test_12_an_error_status_without_effect(fault: Fault, status: int, text: str) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.CREATE)

    reply = venue.create()

    assert reply.status == status
    assert text in reply.text
    assert venue.exchange.orders() == []


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault.EMPTY_BODY, 200, ""),
        (Fault.NO_CONTENT, 204, ""),
        (Fault.NULL_BODY, 200, "null"),
        (Fault.LIST_BODY, 200, "[]"),
    ],
)
def test_12_a_success_status_with_nothing_in_it_after_the_effect(fault: Fault, status: int, body: str) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.CREATE)

    reply = venue.create()

    assert (reply.status, reply.text) == (status, body)
    assert len(venue.exchange.orders()) == 1


@pytest.mark.parametrize("fault", [Fault.BROKEN_JSON, Fault.HTML_BODY, Fault.DEEP_JSON])
def test_12_a_body_that_no_parser_takes(fault: Fault) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.ACCOUNTS)

    reply = venue.get("/accounts")

    assert reply.status == 200
    with pytest.raises((ValueError, RecursionError)):
        json.loads(reply.text)


def test_12_duplicate_keys_turn_success_round_for_a_parser_that_takes_the_last() -> None:
    venue = make_venue()
    venue.exchange.faults.script(Fault.DUPLICATE_KEYS, Endpoint.CREATE)

    reply = venue.create()

    assert reply.text.startswith('{"success":true')
    assert reply.json["success"] is False
    assert len(venue.exchange.orders()) == 1


def test_12_amounts_may_be_nan_or_thousands_of_digits_long() -> None:
    venue = make_venue()
    venue.exchange.faults.script(Fault.NAN_NUMBERS, Endpoint.ACCOUNTS)
    venue.exchange.faults.script(Fault.HUGE_NUMBERS, Endpoint.ACCOUNTS)

    assert '"value":NaN' in venue.get("/accounts").text
    assert '"value":' + "9" * 5000 in venue.get("/accounts").text


def test_12_fields_may_be_null_new_or_of_another_type() -> None:
    venue = make_venue()
    venue.rest()
    for fault in (Fault.NULL_FIELDS, Fault.EXTRA_FIELDS, Fault.WRONG_TYPES):
        venue.exchange.faults.script(fault, Endpoint.ORDERS)

    assert set(venue.get("/orders/historical/batch").json.values()) == {None}
    extra = venue.get("/orders/historical/batch").json
    assert extra["zz_new_field"] == extra["orders"][0]["zz_new_field"] == "NEW_VALUE"
    assert extra["orders"][0]["status"] == "OPEN"
    other = venue.get("/orders/historical/batch").json
    assert (other["has_next"], other["orders"][0]["status"]) == ("false", ["OPEN"])


def test_12_enum_values_may_be_unknown() -> None:
    venue = make_venue()
    venue.rest()
    venue.exchange.faults.script(Fault.UNKNOWN_ENUMS, Endpoint.ORDERS)

    (order,) = venue.listed()

    assert {order["status"], order["side"], order["order_type"]} == {"NEVER_SEEN_BEFORE"}
    assert order["client_order_id"] == "order-1"


def test_12_create_may_contradict_itself() -> None:
    venue = make_venue()
    first = venue.rest("first")
    for fault in (Fault.REJECT_WITH_ID, Fault.SUCCESS_WITHOUT_ID, Fault.OTHER_ORDER, Fault.POST_ONLY_REJECT):
        venue.exchange.faults.script(fault, Endpoint.CREATE)

    rejected, nameless, other, refused = (venue.create(name).json for name in "abcd")

    assert rejected["success"] is False
    assert rejected["success_response"]["order_id"] == rejected["order_id"] != ""
    assert (nameless["success"], nameless["success_response"]["order_id"]) == (True, "")
    assert (other["success"], other["order_id"]) == (True, first)
    assert refused["error_response"]["error"] == "INVALID_LIMIT_PRICE_POST_ONLY"
    assert [venue.exchange.client_order_id_of(record) for record in venue.exchange.orders()] == ["first", "a", "b", "c"]


def test_12_requests_above_the_rate_get_a_429_and_the_bucket_fills_again() -> None:
    venue = make_venue(behaviour=Behaviour(private_rate=3))

    statuses = [venue.get("/accounts").status for _ in range(4)]
    venue.wait(0.34)
    later = [venue.get("/accounts").status, venue.get("/accounts").status]

    assert statuses == [200, 200, 200, 429]
    assert later == [200, 429]


def test_12_an_order_above_the_rate_is_not_accepted() -> None:
    venue = make_venue(behaviour=Behaviour(private_rate=1))
    venue.get("/accounts")

    assert venue.create().status == 429
    assert venue.exchange.orders() == []


def test_12_the_public_channel_has_its_own_bucket() -> None:
    behaviour = Behaviour(public_rate=1, private_rate=1, public_cache=timedelta(0))
    venue = make_venue(behaviour=behaviour)

    assert [venue.get("/time", signed=False).status, venue.get("/accounts").status] == [200, 200]
    assert [venue.get("/time", signed=False).status, venue.get("/accounts").status] == [429, 429]


def test_spoilt_answers_leave_the_exchange_itself_sound() -> None:
    venue = make_venue()
    for fault in Fault:
        venue.exchange.faults.script(fault)
    for number in range(200):
        venue.create(f"order-{number}")
        venue.wait(1)
        venue.get("/orders/historical/fills")

    assert venue.exchange.books.faults() == []
    assert venue.exchange.books.account.available("USD") > Decimal(0)


def test_a_venue_that_repeats_tokens_does_so_in_every_text_of_a_refusal_and_nowhere_else() -> None:
    venue = make_venue(behaviour=Behaviour(quotes_tokens=True))
    venue.exchange.faults.script(Fault.POST_ONLY_REJECT, Endpoint.CREATE)

    rejected, taken, unsigned = venue.create(), venue.create(), venue.get("/orders/historical/batch", signed=False)

    assert rejected.json["success"] is False
    assert f"of {KEY.name}" in rejected.json["error_response"]["message"]
    assert "Bearer eyJ" in rejected.json["error_response"]["error"]
    assert taken.json["success"] is True
    assert "eyJ" not in taken.text
    assert (unsigned.status, unsigned.text) == (401, "Unauthorized\n")
