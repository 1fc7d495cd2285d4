"""The official SDK's client, signed with a self-made key, takes the simulated exchange for the real one."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from coinbase.rest import RESTClient  # type: ignore[import-untyped]
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as ConnectionLost
from requests.exceptions import HTTPError, JSONDecodeError, ReadTimeout

from runner.adapters.simulated_coinbase.account_keys import AccountKey, make_ed25519_key, make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from runner.adapters.simulated_coinbase.server import LoopbackServer
from runner.adapters.system_clock import SystemClock
from tests.builders import NOON
from tests.runner.adapters.simulated_coinbase.venue_desk import VenueDesk, make_venue

NOON_SECONDS = int(NOON.timestamp())
AHEAD = timedelta(seconds=30)
"""The exchange's clock stands still during a test; a token is good for two minutes, but not before its time."""


class PlainHTTPAdapter(HTTPAdapter):
    """The SDK knows https only; on loopback it is plain http (coinbase_api 8)."""

    def send(  # noqa: PLR0917 (the signature of its base)
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        request.url = f"http://{str(request.url).split('://', 1)[1]}"
        return super().send(request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies)


@dataclass(frozen=True, slots=True)
class Told:
    """A client and the exchange that it talks to."""

    client: Any
    venue: VenueDesk


def open_client(server: LoopbackServer, key: AccountKey) -> RESTClient:
    client = RESTClient(api_key=key.name, api_secret=key.secret, base_url=f"127.0.0.1:{server.port}", timeout=0.5)
    client.session.mount("https://", PlainHTTPAdapter())
    client.session.trust_env = False
    return client


@pytest.fixture(params=[make_key, make_ed25519_key], ids=["ES256", "EdDSA"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    """Open an exchange at noon of a certain day whose token clock is today's, as the SDK's is."""
    logging.getLogger("coinbase.RESTClient").setLevel(logging.CRITICAL + 1)
    key: AccountKey = request.param()
    venue = make_venue(keys=[key], behaviour=Behaviour(clock_skew=SystemClock().now() - NOON + AHEAD))
    with LoopbackServer(venue.exchange) as server:
        yield Told(open_client(server, key), venue)


def test_it_reads_time_products_books_candles_and_trades(told: Told) -> None:
    client = told.client

    assert client.get_unix_time()["epoch_seconds"].isdigit()
    assert client.get_product("BTC-USD")["price_increment"] == "0.01"
    assert client.get_public_products()["num_products"] == 2
    assert client.get_best_bid_ask(product_ids=["BTC-USD"])["pricebooks"][0]["bids"][0]["price"] == "99.95"
    assert client.get_product_book("BTC-USD", limit=1)["pricebook"]["asks"][0]["price"] == "100.05"
    candles = client.get_candles("BTC-USD", str(NOON_SECONDS - 120), str(NOON_SECONDS), "ONE_MINUTE")["candles"]
    assert [int(candle["start"]) - NOON_SECONDS for candle in candles] == [-60, -120]
    assert client.get_market_trades("BTC-USD", limit=2)["trades"][0]["price"] == "100"


def test_it_reads_the_account_and_the_keys_rights(told: Told) -> None:
    accounts = told.client.get_accounts()["accounts"]

    assert accounts[0]["available_balance"] == {"value": "10000", "currency": "USD"}
    assert told.client.get_api_key_permissions()["can_trade"] is True
    assert told.client.get_transaction_summary()["fee_tier"]["taker_fee_rate"] == "0.009"


def test_it_trades(told: Told) -> None:
    client = told.client
    end = "2026-01-05T12:05:00Z"

    bought = client.limit_order_ioc_buy("a", "BTC-USD", "1", "101")
    rests = client.limit_order_gtd_buy("b", "BTC-USD", "1", "99", end, post_only=True)
    client.cancel_orders([rests["success_response"]["order_id"]])

    assert bought["success"] is True
    assert client.get_order(bought["success_response"]["order_id"])["order"]["status"] == "FILLED"
    assert client.get_fills(product_ids=["BTC-USD"])["fills"][0]["size"] == "1"
    assert [order["status"] for order in client.list_orders(limit=10)["orders"]] == ["CANCELLED", "FILLED"]
    assert client.preview_limit_order_ioc_buy("BTC-USD", "1", "101")["errs"] == []
    assert told.venue.exchange.books.faults() == []


def test_its_errors_are_those_of_the_real_exchange(told: Told) -> None:
    faults = told.venue.exchange.faults
    for fault in (Fault.UNAUTHORIZED, Fault.RATE_LIMITED_HTML, Fault.LOST_BEFORE, Fault.EMPTY_BODY, Fault.LATE_ANSWER):
        faults.script(fault, Endpoint.ACCOUNTS)

    raised = []
    for _ in range(5):
        try:
            told.client.get_accounts()
        except (HTTPError, ConnectionLost, JSONDecodeError, ReadTimeout) as error:
            raised.append(type(error))

    assert raised == [HTTPError, HTTPError, ConnectionLost, JSONDecodeError, ReadTimeout]
    assert told.client.get_accounts()["size"] == 3


def test_an_unknown_field_is_refused_as_it_is_there(told: Told) -> None:
    with pytest.raises(HTTPError, match="unknown field"):
        told.client.create_order("a", "BTC-USD", "BUY", {"sor_limit_ioc": {}}, self_trade_prevention_id="x")
