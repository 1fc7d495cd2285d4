"""The simulated exchange on a scripted market at noon, asked in bytes and without any code of the bot's client."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import jwt

from core.model.market import ProductId
from core.model.orders import ClientOrderId, FeeRates, Side
from runner.adapters.simulated_coinbase.account_keys import AccountKey, make_key
from runner.adapters.simulated_coinbase.answers import Answer
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.adapters.simulated_coinbase.faults import FaultPlan
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from runner.wire import HttpRequest
from tests.builders import BTC, ETH, NOON
from tests.fakes.scripted_market import ScriptedMarket

BASE = "/api/v3/brokerage"
HOST = "api.coinbase.com"
FEES = FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=Decimal("0.009"))
KEY = make_key()

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.response.status

    @property
    def text(self) -> str:
        return self.answer.response.body.decode()

    @property
    def json(self) -> Json:
        return json.loads(self.answer.response.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueDesk:
    clock: VirtualClock
    market: ScriptedMarket
    exchange: SimulatedCoinbase

    def wait(self, seconds: float) -> None:
        self.clock.jump(timedelta(seconds=seconds))

    def get(self, path: str, *params: tuple[str, str], signed: bool = True) -> Reply:
        target = f"{BASE}{path}" + (f"?{urlencode(params)}" if params else "")
        return self.send(make_request("GET", target, now=self.clock.now().timestamp(), signed=signed))

    def post(self, path: str, body: object, *, signed: bool = True) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        now = self.clock.now().timestamp()
        return self.send(make_request("POST", f"{BASE}{path}", now=now, body=data, signed=signed))

    def send(self, request: HttpRequest) -> Reply:
        return Reply(answer=self.exchange.answer(request))

    def create(
        self,
        name: str = "order-1",
        *,
        side: str = "BUY",
        product: str = "BTC-USD",
        configuration: Mapping[str, object] | None = None,
    ) -> Reply:
        return self.post("/orders", create_body(name, side=side, product=product, configuration=configuration))

    def rest(self, name: str = "order-1", *, price: str = "99.90", size: str = "1", side: str = "BUY") -> str:
        """Place a resting order and return its id."""
        reply = self.create(name, side=side, configuration=limit_gtd(size=size, price=price))
        assert reply.json["success"], reply.text
        return str(reply.json["success_response"]["order_id"])

    def take(self, name: str = "order-1", *, price: str = "110", size: str = "1", side: str = "BUY") -> str:
        """Place an IOC order and return its id."""
        reply = self.create(name, side=side, configuration=ioc(size=size, price=price))
        assert reply.json["success"], reply.text
        return str(reply.json["success_response"]["order_id"])

    def order(self, order_id: str) -> Json:
        return self.get(f"/orders/historical/{order_id}").json["order"]

    def listed(self, *params: tuple[str, str]) -> Json:
        return self.get("/orders/historical/batch", *params).json["orders"]

    def fills(self, *params: tuple[str, str]) -> Json:
        return self.get("/orders/historical/fills", *params).json["fills"]

    def balance(self, currency: str) -> tuple[str, str]:
        rows = self.get("/accounts", ("limit", "250")).json["accounts"]
        row = next(row for row in rows if row["currency"] == currency)
        return row["available_balance"]["value"], row["hold"]["value"]

    def reject_of(self, reply: Reply) -> str:
        """Return the reason of a business reject as the client has to find it (coinbase_api 2.9)."""
        assert reply.status == 200, reply.text
        assert reply.json["success"] is False, reply.text
        error = reply.json["error_response"]
        reasons = [error["new_order_failure_reason"], error["error"], error["preview_failure_reason"]]
        return str(next(reason for reason in reasons if reason and not reason.startswith("UNKNOWN_")))


def make_venue(
    *,
    usd: str = "10000",
    coins: Mapping[str, str] | None = None,
    behaviour: Behaviour | None = None,
    faults: FaultPlan | None = None,
    keys: Sequence[AccountKey] = (KEY,),
    products: Sequence[ProductId] = (BTC, ETH),
    level_size: str = "1000",
    token_now: Callable[[], datetime] | None = None,
) -> VenueDesk:
    """Each product at 100, quoted 99.95 / 100.05; 10 coins trade each second."""
    clock = VirtualClock(NOON)
    market = ScriptedMarket(clock.now)
    for product_id in products:
        market.add(product_id, level_size=level_size)
    exchange = open_exchange(
        market=market,
        now=clock.now,
        balances={"USD": Decimal(usd), **{name: Decimal(amount) for name, amount in (coins or {}).items()}},
        fee_rates=FEES,
        maker_fill_share=Decimal("0.1"),
        keys=[key.api_key for key in keys],
        faults=faults,
        behaviour=behaviour,
        token_now=token_now,
    )
    return VenueDesk(clock=clock, market=market, exchange=exchange)


def make_token(
    method: str,
    path: str,
    *,
    now: float,
    key: AccountKey = KEY,
    algorithm: str = "ES256",
    changes: Mapping[str, object] | None = None,
    nonce: str = "0" * 64,
) -> str:
    """Build the token of coinbase_api 1.5 with the library that everybody uses."""
    claims = {"sub": key.name, "iss": "cdp", "nbf": int(now), "exp": int(now) + 120, "uri": f"{method} {HOST}{path}"}
    headers = {"kid": key.name, "nonce": nonce}
    return jwt.encode({**claims, **(changes or {})}, key.secret, algorithm=algorithm, headers=headers)


def make_request(method: str, target: str, *, now: float, body: bytes = b"{}", signed: bool = True) -> HttpRequest:
    headers = {"Content-Type": "application/json"}
    if signed:
        headers["Authorization"] = f"Bearer {make_token(method, target.partition('?')[0], now=now)}"
    return HttpRequest(method=method, host=HOST, target=target, headers=headers, body=body)


def limit_gtd(*, size: str = "1", price: str = "99.90", end: str = "2026-01-05T12:10:00Z") -> dict[str, object]:
    fields = {"base_size": size, "limit_price": price, "end_time": end, "post_only": True}
    return {"limit_limit_gtd": fields}


def ioc(*, size: str = "1", price: str = "110") -> dict[str, object]:
    return {"sor_limit_ioc": {"base_size": size, "limit_price": price}}


def create_body(
    name: str = "order-1",
    *,
    side: str = "BUY",
    product: str = "BTC-USD",
    configuration: Mapping[str, object] | None = None,
) -> dict[str, object]:
    return {
        "client_order_id": name,
        "product_id": product,
        "side": side,
        "order_configuration": limit_gtd() if configuration is None else configuration,
    }


def by_hand(
    name: str = "owner-1", *, side: Side = Side.BUY, size: str = "1", price: str | None = None, product: ProductId = BTC
) -> VenueOrder:
    """Build an order of the owner's: a market order, or with a price one that rests until cancelled."""
    return VenueOrder(
        client_order_id=ClientOrderId(name),
        product_id=product,
        side=side,
        kind=Kind.MARKET if price is None else Kind.LIMIT,
        time_in_force=TimeInForce.IOC if price is None else TimeInForce.GTC,
        base_size=Decimal(size),
        limit_price=None if price is None else Decimal(price),
    )
