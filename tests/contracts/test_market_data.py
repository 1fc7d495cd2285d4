"""What every MarketData that has candles behind it must keep, whichever it is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from core.model.market import ProductId
from core.model.orders import Side
from core.ports import MarketData
from core.settings import MarketModel, SimulationSection
from runner.adapters.coinbase.coinbase_market import CoinbaseMarket
from runner.adapters.coinbase.cycle_time import CycleTime
from runner.adapters.coinbase.market_questions import GetApi
from runner.adapters.coinbase.venue_time import VenueTime
from runner.adapters.markets.replay_market import open_replay
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.server import LoopbackServer
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.market import TradedRange, VenueMarket
from tests.contracts.broker_desks import COINBASE, Stage, connection_to, exchange_on, socket_wire
from tests.fakes.candle_data import FIRST_DAY, random_candles, write_candles
from tests.fakes.scripted_api import MarketApi
from tests.fakes.scripted_market import ScriptedMarket

START = datetime.fromtimestamp(FIRST_DAY, UTC) + timedelta(hours=25)
MODEL = MarketModel(
    spread_fraction=Decimal("0.0006"),
    depth_fraction=Decimal("0.2"),
    levels=10,
    maker_fill_share_fraction=Decimal("0.1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    market: MarketData
    paper: VenueMarket
    clock: VirtualClock
    product_id: ProductId
    close: Callable[[], None] = lambda: None


def simulated(clock: VirtualClock, _folder: Path) -> Subject:
    market = simulated_market(SimulationSection(seed=7, products=20), MODEL, clock.now)
    return Subject(market=market, paper=market, clock=clock, product_id=ProductId("SOL", "USD"))


def replay(clock: VirtualClock, folder: Path) -> Subject:
    write_candles(folder / "SOL-USD_1m.csv.gz", random_candles(3000, missing=range(1600, 1630)))
    write_candles(folder / "BTC-USD_1m.csv", random_candles(3000, seed=2, price=90_000.0))
    market = open_replay(folder, MODEL, clock.now).market
    return Subject(market=market, paper=market, clock=clock, product_id=ProductId("SOL", "USD"))


def scripted_market(clock: VirtualClock) -> ScriptedMarket:
    """The price climbs for seven minutes and falls back; it does so four minutes after the start, not at it."""
    market = ScriptedMarket(clock.now)
    for base in ("SOL", "BTC"):
        market.add(ProductId(base, "USD"))
        market.follow(ProductId(base, "USD"), lambda minute: 100 + ((minute + 3) % 7) * 0.25)
    return market


def scripted(clock: VirtualClock, _folder: Path) -> Subject:
    market = scripted_market(clock)
    return Subject(market=market, paper=market, clock=clock, product_id=ProductId("SOL", "USD"))


class Impatient:
    """A clock that nobody can make go on: what is true now is asked, not what is true after a wait."""

    def __init__(self, clock: VirtualClock) -> None:
        self.now = clock.now
        self.monotonic = clock.monotonic

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        pass


def coinbase_on(api: GetApi, clock: VirtualClock) -> Subject:
    own_clock = Impatient(clock)
    market = CoinbaseMarket(
        api,
        own_clock,
        VenueTime(api, own_clock),
        venue="coinbase",
        cycle_time=CycleTime(own_clock.monotonic),
        settle_seconds=0,
        note=lambda _: None,
    )
    return Subject(market=market, paper=market, clock=clock, product_id=ProductId("SOL", "USD"))


def coinbase(clock: VirtualClock, _folder: Path, *, is_signed: bool) -> Subject:
    return coinbase_on(MarketApi(scripted_market(clock), clock.now, is_signed=is_signed), clock)


def coinbase_in_process(clock: VirtualClock, _folder: Path, *, is_signed: bool) -> Subject:
    wire = InProcessWire(exchange_on(stage_of(clock)), clock)
    return coinbase_on(connection_to(wire, Impatient(clock), COINBASE, is_signed=is_signed).api, clock)


def coinbase_over_loopback(clock: VirtualClock, _folder: Path, *, is_signed: bool) -> Subject:
    with ExitStack() as stack:
        server = stack.enter_context(LoopbackServer(exchange_on(stage_of(clock))))
        wire = stack.enter_context(closing(socket_wire(server.url)))
        connection = connection_to(wire, Impatient(clock), server.url, is_signed=is_signed)
        return replace(coinbase_on(connection.api, clock), close=stack.pop_all().close)


def stage_of(clock: VirtualClock) -> Stage:
    return Stage(clock=clock, market=scripted_market(clock), balances={"USD": Decimal(1000)})


MARKETS = {
    "simulated": simulated,
    "replay": replay,
    "scripted": scripted,
    "coinbase": partial(coinbase, is_signed=False),
    "coinbase with a key": partial(coinbase, is_signed=True),
    "coinbase in process": partial(coinbase_in_process, is_signed=False),
    "coinbase in process with a key": partial(coinbase_in_process, is_signed=True),
    "coinbase over loopback": partial(coinbase_over_loopback, is_signed=False),
    "coinbase over loopback with a key": partial(coinbase_over_loopback, is_signed=True),
}


@pytest.fixture(params=list(MARKETS.values()), ids=list(MARKETS))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    build: Callable[[VirtualClock, Path], Subject] = request.param
    found = build(VirtualClock(START), tmp_path)
    yield found
    found.close()


def test_products_are_named_once_and_their_rules_are_usable(subject: Subject) -> None:
    products = subject.market.products()

    assert len({product.product_id for product in products}) == len(products) >= 2
    for product in products:
        assert product.base_increment > 0
        assert product.price_increment > 0
        assert product.base_min_size <= product.base_max_size
        assert product.quote_volume_24h is None or product.quote_volume_24h >= 0


def test_a_candle_appears_when_its_minute_has_ended_and_not_a_second_before(subject: Subject) -> None:
    minute = int(START.timestamp())
    subject.clock.jump(timedelta(seconds=59.999))

    before = subject.market.candles([subject.product_id], minute)[subject.product_id]
    subject.clock.jump(timedelta(seconds=0.001))
    after = subject.market.candles([subject.product_id], minute)[subject.product_id]

    assert list(before) == []
    assert [candle.start for candle in after] == [minute]


def test_candles_begin_at_since_ascend_and_agree_with_themselves(subject: Subject) -> None:
    since = int((START - timedelta(hours=24)).timestamp())

    candles = subject.market.candles([subject.product_id], since)[subject.product_id]

    starts = [candle.start for candle in candles]
    assert starts == [*range(since, since + 86400, 60)]
    for candle in candles:
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high
        assert candle.volume > 0


def test_since_within_a_minute_begins_with_the_next_one(subject: Subject) -> None:
    since = int((START - timedelta(minutes=5)).timestamp())

    candles = subject.market.candles([subject.product_id], since + 1)[subject.product_id]

    assert candles[0].start == since + 60


def test_the_same_question_at_the_same_time_has_the_same_answer(subject: Subject) -> None:
    since = int((START - timedelta(hours=2)).timestamp())
    products = [product.product_id for product in subject.market.products()]

    first = (subject.market.candles(products, since), subject.market.books(products), subject.market.products())
    subject.market.candles(products, since - 7200)
    second = (subject.market.candles(products, since), subject.market.books(products), subject.market.products())

    assert first == second


def test_an_unknown_product_is_absent_from_every_answer(subject: Subject) -> None:
    unknown = ProductId("NOSUCH", "USD")

    assert unknown not in subject.market.candles([unknown, subject.product_id], 0 + int(START.timestamp()))
    assert subject.market.quotes([unknown]) == {}
    assert subject.market.books([unknown]) == {}
    assert subject.paper.product(unknown) is None
    assert subject.paper.book(unknown) is None


def test_quotes_are_the_top_of_the_book_on_the_grid_and_of_now(subject: Subject) -> None:
    rules = {product.product_id: product for product in subject.market.products()}
    for _ in range(130):
        subject.clock.jump(timedelta(seconds=7.3))
        quote = subject.market.quotes([subject.product_id])[subject.product_id]
        book = subject.market.books([subject.product_id])[subject.product_id]

        assert (quote.bid, quote.bid_size) == book.bids[0]
        assert (quote.ask, quote.ask_size) == book.asks[0]
        assert quote.at == book.at == subject.clock.now()
        product = rules[subject.product_id]
        for level in (*book.bids, *book.asks):
            assert level.price % product.price_increment == 0
            assert level.size % product.base_increment == 0
            assert level.size > 0
        assert [level.price for level in book.bids] == sorted({level.price for level in book.bids}, reverse=True)
        assert [level.price for level in book.asks] == sorted({level.price for level in book.asks})


def test_the_mid_stays_inside_the_candle_that_follows(subject: Subject) -> None:
    """The price that was quoted in a minute lies between that minute's low and high, but for half a spread."""
    seen: list[tuple[int, Decimal, Decimal]] = []
    for _ in range(60):
        subject.clock.jump(timedelta(seconds=11))
        quote = subject.market.quotes([subject.product_id])[subject.product_id]
        seen.append((int(subject.clock.now().timestamp()) // 60 * 60, quote.bid, quote.ask))
    subject.clock.jump(timedelta(minutes=1))

    candles = subject.market.candles([subject.product_id], int(START.timestamp()))[subject.product_id]

    by_start = {candle.start: candle for candle in candles}
    for start, bid, ask in seen:
        assert float(bid) < by_start[start].high
        assert float(ask) > by_start[start].low
        assert by_start[start].low <= float(bid + ask) / 2 + 0.011
        assert float(bid + ask) / 2 - 0.011 <= by_start[start].high


@pytest.mark.parametrize("subject", [simulated, replay], ids=["simulated", "replay"], indirect=True)
def test_a_minute_gives_away_no_more_than_its_volume_and_only_beyond_the_price(subject: Subject) -> None:
    begin = START
    end = START + timedelta(minutes=1)
    subject.clock.jump(timedelta(minutes=1))
    candle = subject.market.candles([subject.product_id], int(begin.timestamp()))[subject.product_id][0]

    def through(side: Side, price: float) -> Decimal:
        return subject.paper.volume_through(subject.product_id, side, Decimal(repr(price)), begin, end)

    increment = float(next(p for p in subject.market.products() if p.product_id == subject.product_id).base_increment)
    assert through(Side.BUY, candle.low) == 0
    assert through(Side.SELL, candle.high) == 0
    assert candle.volume - increment <= float(through(Side.BUY, candle.high * 1.01)) <= candle.volume
    assert candle.volume - increment <= float(through(Side.SELL, candle.low * 0.99)) <= candle.volume
    below, above = through(Side.BUY, candle.close), through(Side.SELL, candle.close)
    assert float(below + above) <= candle.volume


def test_flow_in_pieces_is_the_flow_of_the_whole_but_for_rounding_down(subject: Subject) -> None:
    subject.clock.jump(timedelta(minutes=3))
    price = subject.market.quotes([subject.product_id])[subject.product_id].ask
    moments = [START + timedelta(seconds=second) for second in (0, 1, 13, 20, 59, 60, 61, 119, 180)]

    pieces = [
        subject.paper.volume_through(subject.product_id, Side.BUY, price, begin, end)
        for begin, end in pairwise(moments)
    ]
    whole = subject.paper.volume_through(subject.product_id, Side.BUY, price, moments[0], moments[-1])

    assert whole > 0
    assert sum(pieces) <= whole + Decimal("0.001")
    assert float(sum(pieces)) == pytest.approx(float(whole), rel=1e-3)


def test_the_range_of_a_span_is_that_of_its_pieces_and_of_its_candles(subject: Subject) -> None:
    subject.clock.jump(timedelta(minutes=3))
    moments = [START + timedelta(seconds=second) for second in (0, 1, 13, 20, 59, 60, 61, 119, 180)]

    def traded(begin: datetime, end: datetime) -> TradedRange | None:
        return subject.paper.traded_range(subject.product_id, begin, end)

    pieces = [piece for begin, end in pairwise(moments) if (piece := traded(begin, end)) is not None]
    whole = traded(moments[0], moments[-1])
    candles = subject.market.candles([subject.product_id], int(START.timestamp()))[subject.product_id]

    assert whole is not None
    assert whole == (min(piece.low for piece in pieces), max(piece.high for piece in pieces))
    assert float(whole.low) == pytest.approx(min(candle.low for candle in candles), rel=1e-3)
    assert float(whole.high) == pytest.approx(max(candle.high for candle in candles), rel=1e-3)
    assert subject.paper.traded_range(subject.product_id, START, START) is None


def test_volume_trades_through_a_price_only_inside_the_range(subject: Subject) -> None:
    subject.clock.jump(timedelta(minutes=3))
    for begin, end in ((3, 17), (17, 60), (30, 95), (0, 180)):
        span = (START + timedelta(seconds=begin), START + timedelta(seconds=end))
        traded = subject.paper.traded_range(subject.product_id, *span)
        assert traded is not None

        assert subject.paper.volume_through(subject.product_id, Side.SELL, traded.high, *span) == 0
        assert subject.paper.volume_through(subject.product_id, Side.BUY, traded.low, *span) == 0


def test_the_last_trade_is_in_the_range_of_the_last_minute(subject: Subject) -> None:
    for _ in range(20):
        subject.clock.jump(timedelta(seconds=8))
        now = subject.clock.now()
        traded = subject.paper.traded_range(subject.product_id, now - timedelta(minutes=1), now)
        last = subject.paper.last_trade(subject.product_id)
        assert traded is not None
        assert last is not None
        assert traded.low <= last <= traded.high
