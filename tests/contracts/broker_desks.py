"""Each Broker of the program, on a market and an account of the same beginnings, for one suite of tests."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Protocol

from core.errors import OrderRejected
from core.model.market import ProductId
from core.model.money import plain
from core.model.orders import (
    ClientOrderId,
    FeeRates,
    Fill,
    Order,
    OrderId,
    OrderKey,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
)
from core.ports import Broker, Clock
from core.settings import Settings
from core.settings_builder import build_settings
from runner.adapters.coinbase.coinbase_broker import CoinbaseBroker
from runner.adapters.coinbase.credentials import Credentials, Secret
from runner.adapters.coinbase.http_wire import HttpWire
from runner.adapters.paper.paper_broker import PaperBroker
from runner.adapters.simulated_coinbase.account_keys import make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.listed_market import ModelMarket
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.adapters.simulated_coinbase.server import LoopbackServer
from runner.adapters.system_clock import SystemClock
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.account import Account
from runner.matching.engine import MatchingEngine
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from runner.venues.connection import Connection, connect
from runner.wire import Wire
from tests.builders import BTC, ETH, NOON, make_guard, make_lot, make_order
from tests.config_files import shipped_documents
from tests.fakes.scripted_market import ScriptedMarket

FEES = FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=Decimal("0.009"))
SHARE = Decimal("0.1")
KEY = make_key()
COINBASE = "https://api.coinbase.com"
UNHURRIED = 100_000
"""A wait for a turn would move the virtual clock, for one broker and not for another."""


class Owner(Protocol):
    """The person whose account it is, who trades by hand, too."""

    def place(self, order: VenueOrder) -> OrderId: ...

    def deposit(self, currency: str, amount: Decimal) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a broker is opened on; `behaviour` is that of the exchange, where there is one."""

    clock: VirtualClock
    market: ModelMarket
    balances: Mapping[str, Decimal]
    behaviour: Behaviour = field(default_factory=Behaviour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    clock: VirtualClock
    broker: Broker
    owner: Owner

    def wait(self, seconds: float) -> None:
        self.clock.wait_until(self.clock.now() + timedelta(seconds=seconds), lambda: True)

    def try_to_submit(self, order: Order) -> str:
        """Return the id of an accepted order, or the code of its rejection."""
        try:
            return self.broker.submit(order)
        except OrderRejected as error:
            return error.reason

    def find(self, name: str, *, order_id: OrderId | None = None, product_id: ProductId = BTC) -> OrderReport | None:
        key = OrderKey(client_order_id=ClientOrderId(name), order_id=order_id, product_id=product_id, since=NOON)
        return self.broker.find(key)

    def report(self, name: str = "order-1") -> OrderReport:
        found = self.find(name)
        assert found is not None
        return found

    def fills(self, since: datetime = NOON) -> list[Fill]:
        """Return the fills without the names that each venue chooses as it likes (see `Broker.fills`)."""
        found = [replace(fill, fill_id="", client_order_id=ClientOrderId("")) for fill in self.broker.fills(since)]
        return sorted(found, key=lambda fill: (fill.at, fill.order_id, fill.price, fill.size))

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return what is available and what is held, by currency, without those of which there is nothing."""
        balances = self.broker.balances().values()
        return {found.currency: (found.available, found.hold) for found in balances if found.total != 0}

    def balance(self, currency: str) -> tuple[Decimal, Decimal]:
        return self.balances().get(currency, (Decimal(0), Decimal(0)))


# --- the three --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _PaperOwner:
    engine: MatchingEngine

    def place(self, order: VenueOrder) -> OrderId:
        return self.engine.submit(order).order_id

    def deposit(self, currency: str, amount: Decimal) -> None:
        self.engine.deposit(currency, amount, "by hand")


@dataclass(frozen=True, slots=True)
class _ExchangeOwner:
    exchange: SimulatedCoinbase

    def place(self, order: VenueOrder) -> OrderId:
        return self.exchange.place_by_hand(order).order_id

    def deposit(self, currency: str, amount: Decimal) -> None:
        self.exchange.deposit(currency, amount)


@contextmanager
def paper(stage: Stage) -> Iterator[Desk]:
    engine = MatchingEngine(
        market=stage.market,
        account=Account(stage.balances),
        fee_rates=FEES,
        maker_fill_share=SHARE,
        now=stage.clock.now,
    )
    yield Desk(clock=stage.clock, broker=PaperBroker(engine), owner=_PaperOwner(engine))


@contextmanager
def in_process(stage: Stage) -> Iterator[Desk]:
    exchange = exchange_on(stage)
    yield _signed_desk(stage, exchange, InProcessWire(exchange, stage.clock), COINBASE)


@contextmanager
def loopback(stage: Stage) -> Iterator[Desk]:
    exchange = exchange_on(stage)
    with LoopbackServer(exchange) as server, closing(socket_wire(server.url)) as wire:
        yield _signed_desk(stage, exchange, wire, server.url)


BROKERS: Mapping[str, Callable[[Stage], AbstractContextManager[Desk]]] = {
    "paper": paper,
    "coinbase in process": in_process,
    "coinbase over loopback": loopback,
}


# --- their parts ------------------------------------------------------------------------------------------------------


def exchange_on(stage: Stage) -> SimulatedCoinbase:
    """Open the simulated exchange; its market is in virtual time, the official SDK's tokens are not."""
    return open_exchange(
        market=stage.market,
        now=stage.clock.now,
        balances=stage.balances,
        fee_rates=FEES,
        maker_fill_share=SHARE,
        keys=[KEY.api_key],
        behaviour=stage.behaviour,
        token_now=SystemClock().now,
    )


def socket_wire(url: str) -> HttpWire:
    return HttpWire(api_url=url, monotonic=time.monotonic)


def connection_to(wire: Wire, clock: Clock, url: str, *, is_signed: bool = True) -> Connection:
    """Put our client of the API on a wire."""
    return connect(
        _settings(url),
        clock,
        wire,
        credentials=Credentials(key_name=KEY.name, secret=Secret(KEY.secret)) if is_signed else None,
        read_only=False,
        orders_allowed=lambda: True,
        requests_per_second=UNHURRIED,
    )


def _signed_desk(stage: Stage, exchange: SimulatedCoinbase, wire: Wire, url: str) -> Desk:
    api = connection_to(wire, stage.clock, url).api
    return Desk(clock=stage.clock, broker=CoinbaseBroker(api, stage.clock), owner=_ExchangeOwner(exchange))


@cache
def _settings(url: str) -> Settings:
    return build_settings(shipped_documents({"app.exchange.api_url": url}))


# --- builders and readers ---------------------------------------------------------------------------------------------


def scripted_market(clock: VirtualClock) -> ScriptedMarket:
    """BTC-USD and ETH-USD at 100, quoted 99.95 / 100.05, ten levels 0.05 apart; 10 coins trade each second."""
    market = ScriptedMarket(clock.now)
    for product_id in (BTC, ETH):
        market.add(product_id)
    return market


def state(report: OrderReport) -> tuple[OrderStatus, str]:
    """Return the status and what is filled."""
    return report.status, plain(report.filled_size)


def make_ioc(name: str = "order-1", *, side: Side = Side.BUY, size: str = "1", price: str = "110") -> Order:
    return make_order(name=name, side=side, order_type=OrderType.IOC, size=size, price=price)


def make_protection(
    name: str = "guard-1", *, order_type: OrderType = OrderType.BRACKET, size: str = "1", price: str = "104", stop: str
) -> Order:
    return make_guard(make_lot(), name=name, order_type=order_type, size=size, price=price, stop=stop)


def make_foreign(
    name: str = "owner-1",
    *,
    kind: Kind = Kind.LIMIT,
    side: Side = Side.BUY,
    time_in_force: TimeInForce = TimeInForce.GTC,
    size: str = "1",
    price: str | None = "99",
    stop: str | None = None,
) -> VenueOrder:
    """Build an order of the owner's; one that is good till a date ends an hour after noon."""
    return VenueOrder(
        client_order_id=ClientOrderId(name),
        product_id=BTC,
        side=side,
        kind=kind,
        time_in_force=time_in_force,
        base_size=Decimal(size),
        limit_price=None if price is None else Decimal(price),
        stop_price=None if stop is None else Decimal(stop),
        end_time=NOON + timedelta(hours=1) if time_in_force is TimeInForce.GTD else None,
    )
