"""The paths beside the protocol: what a person with curl sends there is done, or is a 400 that changes nothing."""

from decimal import Decimal

import pytest

from runner.adapters.simulated_coinbase.control import ControlledExchange
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from runner.wire import HttpRequest
from tests.builders import BTC
from tests.runner.adapters.simulated_coinbase.venue_desk import Reply, VenueDesk, make_venue


def posted(venue: VenueDesk, name: str, body: str) -> Reply:
    request = HttpRequest(method="POST", host="127.0.0.1", target=f"/sim/{name}", headers={}, body=body.encode())
    return Reply(answer=ControlledExchange(venue.exchange).answer(request))


@pytest.mark.parametrize("name", ["faults", "order", "product", "deposit"])
@pytest.mark.parametrize("body", ["", "[]", '"x"', "null", "1", "{", "[" * 100_000, '{"product_id": 1}'])
def test_what_is_not_understood_is_a_400(name: str, body: str) -> None:
    assert posted(make_venue(), name, body).status == 400


@pytest.mark.parametrize("amount", ["0.1", '"0.1"'])
def test_a_deposit_is_exact_whether_it_comes_as_a_number_or_as_a_text(amount: str) -> None:
    venue = make_venue(usd="10")

    reply = posted(venue, "deposit", f'{{"currency": "USD", "amount": {amount}}}')

    assert reply.json == {"done": "0.1"}
    assert venue.exchange.books.account.available("USD") == Decimal("10.1")
    assert venue.exchange.books.faults() == []


@pytest.mark.parametrize(
    "fields",
    [
        '"currency": "USD", "amount": "0.1000000000000000000000000000000000000000000000000000000001"',
        '"currency": "USD", "amount": "-1"',
        '"currency": "USD", "amount": NaN',
        '"currency": "USD", "amount": "1e30"',
        '"currency": "", "amount": "1"',
        '"currency": "\\ud800", "amount": "1"',
    ],
)
def test_what_the_books_cannot_hold_is_not_deposited(fields: str) -> None:
    venue = make_venue(usd="10")

    assert posted(venue, "deposit", f"{{{fields}}}").status == 400
    assert venue.exchange.books.account.available("USD") == Decimal(10)
    assert venue.exchange.books.faults() == []


def test_an_order_by_hand_may_name_its_amounts_as_numbers() -> None:
    venue = make_venue()
    order = '{"client_order_id": "1", "product_id": "BTC-USD", "side": "BUY", "base_size": 0.1, "limit_price": 99.95}'

    assert posted(venue, "order", order).status == 200
    (record,) = venue.exchange.orders()
    assert (record.size, record.limit_price) == (Decimal("0.1"), Decimal("99.95"))


def test_an_order_by_hand_in_a_market_that_gives_no_answer_is_a_503() -> None:
    venue = make_venue()
    venue.market.fail(1)
    order = '{"client_order_id": "1", "product_id": "BTC-USD", "side": "BUY", "base_size": "0.1"}'

    assert posted(venue, "order", order).status == 503


def test_faults_that_are_refused_leave_the_old_ones_as_they_were() -> None:
    venue = make_venue()
    posted(venue, "faults", '{"server_error": 1}')

    assert posted(venue, "faults", '{"lost_after": 0.5, "reset_after": 2}').status == 400
    assert venue.exchange.faults.draw(Endpoint.TIME) is Fault.SERVER_ERROR


def test_a_product_takes_a_flag_and_gives_it_back() -> None:
    venue = make_venue()

    assert posted(venue, "product", '{"product_id": "BTC-USD", "action": "cancel_only"}').status == 200
    product = venue.exchange.market.product(BTC)
    assert product is not None
    assert product.cancel_only
    assert posted(venue, "product", '{"product_id": "BTC-USD", "action": "restore"}').status == 200
    product = venue.exchange.market.product(BTC)
    assert product is not None
    assert not product.cancel_only
