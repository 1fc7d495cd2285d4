"""The exchange that PAPER carries in its own process: what it keeps must not grow for as long as the bot runs."""

import json
from decimal import Decimal

import pytest

from core.settings_builder import build_settings
from runner.adapters.simulated_coinbase.listed_market import ListedMarket
from runner.adapters.virtual_clock import VirtualClock
from runner.venues import embedded
from runner.venues.embedded import EmbeddedExchange
from tests.builders import BTC, NOON, make_ledger
from tests.config_files import shipped_documents
from tests.fakes.scripted_market import ScriptedMarket
from tests.runner.adapters.simulated_coinbase.venue_desk import (
    BASE,
    KEY,
    create_body,
    ioc,
    make_request,
)


def test_it_forgets_all_but_the_latest_orders_and_keeps_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "ORDERS_KEPT", 3)
    clock = VirtualClock(NOON)
    market = ScriptedMarket(clock.now)
    market.add(BTC)
    exchange = EmbeddedExchange(ListedMarket(market), build_settings(shipped_documents()), clock, KEY)
    exchange.open_account(make_ledger(cash="10000"))
    now = NOON.timestamp()

    for number in range(5):
        body = json.dumps(create_body(f"order-{number}", configuration=ioc())).encode()
        exchange.send(make_request("POST", f"{BASE}/orders", now=now, body=body), 5)
    orders = exchange.send(make_request("GET", f"{BASE}/orders/historical/batch", now=now), 5)
    accounts = exchange.send(make_request("GET", f"{BASE}/accounts", now=now), 5)

    assert [row["client_order_id"] for row in json.loads(orders.body)["orders"]] == ["order-4", "order-3", "order-2"]
    held = {
        row["currency"]: Decimal(row["available_balance"]["value"]) for row in json.loads(accounts.body)["accounts"]
    }
    assert held["BTC"] == 5
