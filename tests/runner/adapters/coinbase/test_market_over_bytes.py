"""Our market adapter on the simulated exchange, byte for byte: with and without a key, and with every fault."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import MarketDataUnavailable
from core.indicators import ProductWindow
from core.model.market import ProductId
from core.model.orders import FeeRates, Side
from runner.adapters.coinbase.coinbase_market import CoinbaseMarket
from runner.adapters.coinbase.connection import connect
from runner.adapters.coinbase.credentials import Credentials, Secret
from runner.adapters.coinbase.transport import CallFacts
from runner.adapters.coinbase.venue_time import VenueTime
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault, FaultPlan
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.adapters.simulated_coinbase.routes import Endpoint
from runner.adapters.virtual_clock import VirtualClock
from runner.wire import HttpRequest, HttpResponse
from tests.builders import BTC, ETH, NOON, make_trigger_settings
from tests.fakes.scripted_market import ScriptedMarket
from tests.runner.adapters.coinbase.scripted_wire import EXCHANGE
from tests.runner.adapters.simulated_coinbase.venue_desk import KEY, make_token

MARKET_ENDPOINTS = (
    Endpoint.PRODUCTS,
    Endpoint.PRODUCT,
    Endpoint.BOOK,
    Endpoint.BEST_BID_ASK,
    Endpoint.CANDLES,
    Endpoint.TRADES,
    Endpoint.TIME,
)
FAULTS = [fault for fault in Fault if any(map(fault.applies_to, MARKET_ENDPOINTS))]


class TimelyWire:
    """Dates tokens by the virtual clock: the SDK signs with the machine's time."""

    def __init__(self, wire: InProcessWire, clock: VirtualClock) -> None:
        self._wire = wire
        self._clock = clock

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        if "Authorization" in request.headers:
            path = request.target.partition("?")[0]
            token = make_token(request.method, path, now=self._clock.now().timestamp())
            request = replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})
        return self._wire.send(request, timeout_seconds)


class Stage:
    """Half a minute past noon; `scripted` is the truth behind the exchange, `calls` what went over the wire."""

    def __init__(self, *, is_signed: bool, behaviour: Behaviour | None = None, products: int = 2) -> None:
        self.clock = VirtualClock(NOON + timedelta(seconds=30))
        self.scripted = ScriptedMarket(self.clock.now)
        self.ids = [BTC, ETH, *(ProductId(f"A{number}", "USD") for number in range(products - 2))]
        for product_id in self.ids:
            self.scripted.add(product_id)
            self.scripted.follow(product_id, lambda minute: 100 + (minute // 1 % 7) * 0.25)
        self.faults = FaultPlan(seed=5)
        self.calls: list[CallFacts] = []
        exchange = open_exchange(
            market=self.scripted,
            now=self.clock.now,
            balances={"USD": Decimal(1000)},
            fee_rates=FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=Decimal("0.009")),
            maker_fill_share=Decimal("0.1"),
            keys=[KEY.api_key],
            faults=self.faults,
            behaviour=behaviour,
        )
        connection = connect(
            EXCHANGE,
            credentials=Credentials(key_name=KEY.name, secret=Secret(KEY.secret)) if is_signed else None,
            wire=TimelyWire(InProcessWire(exchange, self.clock), self.clock),
            clock=self.clock,
            orders_allowed=lambda: False,
            observer=self.calls.append,
            seed=1,
        )
        self.time = VenueTime(connection.api, self.clock)
        self.market = CoinbaseMarket(
            connection.api,
            self.clock,
            self.time,
            venue="coinbase",
            cycle_time=connection.cycle_time,
            settle_seconds=0,
            note=lambda _: None,
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.wait_until(self.clock.now() + timedelta(seconds=seconds), lambda: True)


@pytest.fixture(params=[False, True], ids=["public", "signed"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(is_signed=request.param)


def test_all_that_the_exchange_shows_is_read_to_the_last_digit(stage: Stage) -> None:
    since = int(NOON.timestamp()) - 3600

    assert [product.product_id for product in stage.market.products()] == stage.ids
    assert {product.product_id: product for product in stage.market.products()} == {
        product.product_id: product for product in stage.scripted.products()
    }
    assert stage.market.candles(stage.ids, since) == stage.scripted.candles(stage.ids, since)
    books = stage.market.books(stage.ids)
    assert {key: (book.bids, book.asks) for key, book in books.items()} == {
        key: (book.bids, book.asks) for key, book in stage.scripted.books(stage.ids).items()
    }
    quotes = stage.market.quotes(stage.ids)
    assert all(
        quote.at == stage.clock.now() or stage.clock.now() - quote.at < timedelta(seconds=1)
        for quote in quotes.values()
    )
    assert {key: (quote.bid, quote.ask) for key, quote in quotes.items()} == {
        key: (quote.bid, quote.ask) for key, quote in stage.scripted.quotes(stage.ids).items()
    }


def test_what_trades_in_a_minute_is_seen_to_trade(stage: Stage) -> None:
    begin = stage.clock.now()
    stage.pass_time(20)
    stage.market.last_trade(BTC)
    stage.pass_time(20)

    seen = stage.market.volume_through(BTC, Side.BUY, Decimal(1000), begin, stage.clock.now())
    span = stage.market.traded_range(BTC, begin, stage.clock.now())

    assert 0 < seen <= 400  # ten coins a second, for forty seconds
    assert span is not None
    assert Decimal(99) < span.low <= span.high < Decimal(102)


def test_history_of_a_day_fills_a_window_in_five_requests(stage: Stage) -> None:
    window = ProductWindow(make_trigger_settings())
    since = int(stage.clock.now().timestamp()) - 1495 * 60

    candles = stage.market.candles([BTC], since)[BTC]

    assert all(window.push(candle) for candle in candles)
    assert window.features() is not None
    assert sum(call.endpoint.endswith("candles") for call in stage.calls) == 5


def test_a_minute_of_sixty_products_is_sixty_requests_and_few_bytes() -> None:
    stage = Stage(is_signed=False, products=60)
    stage.pass_time(30)
    began, before = stage.clock.monotonic(), len(stage.calls)

    found = stage.market.candles(stage.ids, int(NOON.timestamp()))
    calls = stage.calls[before:]

    assert [len(candles) for candles in found.values()] == [1] * 60
    assert sum(call.endpoint.endswith("candles") for call in calls) == 60
    assert len(calls) == 61
    assert sum(call.bytes_sent + call.bytes_received for call in calls) < 100_000
    assert stage.clock.monotonic() - began < 13  # five a second


@pytest.mark.parametrize("ahead", [4.0, -4.0])
def test_the_exchanges_clock_decides_what_is_closed(ahead: float) -> None:
    stage = Stage(is_signed=False, behaviour=Behaviour(clock_skew=timedelta(seconds=ahead)))
    stage.pass_time(30)  # 12:01:00

    assert stage.time.skew_seconds() == pytest.approx(-ahead, abs=0.01)
    candles = stage.market.candles([BTC], int(NOON.timestamp()))[BTC]
    assert len(candles) == (1 if ahead > 0 else 0)


def questions(stage: Stage) -> list[Callable[[], object]]:
    since, now = int(NOON.timestamp()) - 600, stage.clock.now()
    return [
        stage.market.products,
        lambda: stage.market.candles(stage.ids, since),
        lambda: stage.market.quotes(stage.ids),
        lambda: stage.market.books(stage.ids),
        lambda: stage.market.product(BTC),
        lambda: stage.market.book(BTC),
        lambda: stage.market.last_trade(BTC),
        lambda: stage.market.volume_through(BTC, Side.BUY, Decimal(100), now - timedelta(seconds=10), now),
        lambda: stage.market.traded_range(BTC, now - timedelta(seconds=10), now),
        stage.time.skew_seconds,
    ]


@pytest.mark.parametrize(("share", "rounds"), [(1.0, 1), (0.4, 4)])
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_goes_wrong_there_is_an_answer_or_the_one_error_of_the_port(
    fault: Fault, share: float, rounds: int, stage: Stage
) -> None:
    stage.faults.add(fault, share, MARKET_ENDPOINTS)

    for _ in range(rounds):
        for ask in questions(stage):
            with suppress(MarketDataUnavailable):
                ask()
        stage.pass_time(60)
    assert stage.faults.counts[fault] > 0

    stage.faults.clear()
    stage.pass_time(61)
    assert len(stage.market.products()) == 2
    assert set(stage.market.quotes(stage.ids)) == set(stage.ids)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault is not Fault.CANDLE_REVISED_LATE])
def test_what_is_read_in_spite_of_a_fault_is_true(fault: Fault, stage: Stage) -> None:
    since = int(NOON.timestamp()) - 600
    stage.faults.add(fault, 1.0, MARKET_ENDPOINTS)
    true_candles, true_quotes = stage.scripted.candles(stage.ids, since), stage.scripted.quotes(stage.ids)

    with suppress(MarketDataUnavailable):
        for product_id, candles in stage.market.candles(stage.ids, since).items():
            assert set(candles) <= set(true_candles[product_id])
    with suppress(MarketDataUnavailable):
        for product_id, quote in stage.market.quotes(stage.ids).items():
            assert (quote.bid, quote.ask) == (true_quotes[product_id].bid, true_quotes[product_id].ask)


SPOILT = (
    Fault.CANDLES_OLDEST_FIRST,
    Fault.CANDLE_FROM_FUTURE,
    Fault.EXTRA_FIELDS,
    Fault.RATE_LIMITED,
    Fault.BAD_GATEWAY,
)


@pytest.mark.parametrize("fault", SPOILT)
def test_faults_that_leave_the_truth_readable_change_nothing(fault: Fault, stage: Stage) -> None:
    since = int(NOON.timestamp()) - 3600
    stage.faults.script(fault, Endpoint.CANDLES, times=1)

    found = stage.market.candles(stage.ids, since)

    assert found == stage.scripted.candles(stage.ids, since)
    assert stage.faults.counts[fault] == 1
