"""What Coinbase says has traded, as the paper account knows it: volume never more than was seen, a range never less."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from core.errors import MarketDataUnavailable
from core.model.market import Candle, ProductId
from core.model.orders import Side
from runner.adapters.coinbase.trades import PRODUCTS_KEPT, TRADES_KEPT, TRADES_PER_REQUEST
from runner.matching.market import TradedRange
from tests.builders import BTC, ETH, NOON
from tests.fakes.scripted_api import Params, candle_row, failure, product_list, product_row, trade_row
from tests.runner.adapters.coinbase.market_stage import Stage

TICKER = "/market/products/BTC-USD/ticker"
CANDLES = "/market/products/BTC-USD/candles"
HALF_PAST = NOON + timedelta(seconds=30)


def after_noon(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def trade(number: int, price: str, second: float, size: str = "1", name: str = "BTC-USD") -> dict[str, object]:
    return trade_row(number, price, size, after_noon(second), name)


def through(stage: Stage, side: Side, price: str, since: float, until: float) -> Decimal:
    return stage.market.volume_through(BTC, side, Decimal(price), after_noon(since), after_noon(until))


def test_only_what_traded_strictly_beyond_the_price_inside_the_span_counts() -> None:
    stage = Stage()
    trades = [trade(5, "99", 21, "16"), trade(4, "99", 20, "8"), trade(3, "100", 15, "4"), trade(2, "101", 12, "2")]
    stage.api.say(TICKER, {"trades": [*trades, trade(1, "99", 10, "1")]})

    assert through(stage, Side.BUY, "100", 10, 20) == 8
    assert through(stage, Side.BUY, "100", 9, 21) == 25
    assert through(stage, Side.SELL, "100", 10, 20) == 2
    assert through(stage, Side.SELL, "101", 0, 30) == 0
    assert through(stage, Side.BUY, "200", 20, 20) == 0


def test_what_is_known_up_to_a_moment_is_asked_for_once() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": []})

    for _ in range(3):
        through(stage, Side.BUY, "100", 0, 30)
    stage.pass_time(1)
    through(stage, Side.BUY, "100", 0, 30)

    asked = [question for question in stage.api.asked if not question[0].endswith("/time")]
    assert asked == [(f"/api/v3/brokerage{TICKER}", (("limit", str(TRADES_PER_REQUEST)),))]
    through(stage, Side.BUY, "100", 30, 31)
    assert stage.api.count("/ticker") == 2


def test_a_trade_that_is_shown_twice_counts_once_and_stays_when_it_is_shown_no_more() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": [trade(2, "99", 12), trade(1, "99", 11), trade(1, "99", 11)]})
    first = through(stage, Side.BUY, "100", 10, 30)
    stage.pass_time(2)
    stage.api.say(TICKER, {"trades": [trade(4, "99", 31), trade(3, "99", 31), trade(2, "99", 12)]})

    assert first == 2
    assert through(stage, Side.BUY, "100", 10, 32) == 4


@pytest.mark.parametrize("ahead", [-4.0, 4.0])
def test_spans_of_our_clock_find_their_trades_when_it_is_not_the_exchanges(ahead: float) -> None:
    """A clock may be 5 s off. An order from 12:00:30 on fills from what trades after it, and from all of that."""
    stage = Stage(ahead_seconds=ahead)
    volumes = []
    for second in (30, 32, 34, 36, 38):
        ours = range(second, 20, -1)  # a trade in each second of our clock
        shown = [trade(number, "99", number - ahead, "1" if number > 30 else "100") for number in ours]
        stage.api.say(TICKER, {"trades": shown})
        volumes.append(through(stage, Side.BUY, "100", max(second - 2, 30), second))
        stage.pass_time(2)

    assert volumes == [0, 2, 2, 2, 2]


@pytest.mark.parametrize("ahead", [-4.0, 4.0])
def test_a_range_of_our_clock_is_read_at_the_exchanges(ahead: float) -> None:
    stage = Stage(ahead_seconds=ahead)
    stage.pass_time(32)  # 12:01:02 by our clock
    stage.api.say(TICKER, {"trades": []})
    stage.api.say(CANDLES, {"candles": [candle(1, 98, 103), candle(0, 97, 101)]})

    found = stage.market.traded_range(BTC, after_noon(61), after_noon(62))

    is_next_minute = ahead < 0  # it is 12:01:06 there, or 12:00:58
    assert found == (
        TradedRange(Decimal(98), Decimal(103)) if is_next_minute else TradedRange(Decimal(97), Decimal(101))
    )


def test_without_the_exchanges_time_nothing_is_known_of_a_span() -> None:
    stage = Stage(ahead_seconds=None)
    stage.api.say(TICKER, {"trades": [trade(1, "99", 12)]})

    with pytest.raises(MarketDataUnavailable, match="time is not known"):
        through(stage, Side.BUY, "100", 0, 30)


def test_rows_that_are_no_trades_or_of_other_products_do_not_count() -> None:
    stage = Stage()
    bad = [
        trade(2, "", 12), trade(3, "-1", 12), trade(4, "99", 12, "0"), trade(5, "99", 12, "NaN"), None, "trade",
        {**trade(6, "99", 12), "time": "12:00"}, {**trade(7, "99", 12), "trade_id": 7},
        trade(8, "99", 12, name="ETH-USD"),
    ]  # fmt: skip
    stage.api.say(TICKER, {"trades": [*bad, trade(1, "99", 12, "0.5")]})

    assert through(stage, Side.BUY, "100", 10, 30) == Decimal("0.5")


@pytest.mark.parametrize(
    "answer",
    [{}, {"trades": None}, {"trades": [{}]}, [], None, b"<html>", failure(429), failure(500), failure(None)],
)
def test_trades_that_cannot_be_read_are_unavailable_and_not_none(answer: object) -> None:
    stage = Stage()
    stage.api.say(TICKER, answer)

    with pytest.raises(MarketDataUnavailable, match="trades of BTC-USD"):
        through(stage, Side.BUY, "100", 0, 30)
    with pytest.raises(MarketDataUnavailable, match="trades of BTC-USD"):
        stage.market.last_trade(BTC)
    with pytest.raises(MarketDataUnavailable, match="trades of BTC-USD"):
        stage.market.traded_range(BTC, NOON, HALF_PAST)


def test_a_product_that_coinbase_does_not_know_has_no_trades() -> None:
    stage = Stage()

    assert through(stage, Side.BUY, "100", 0, 30) == 0
    assert stage.market.last_trade(BTC) is None
    assert stage.market.traded_range(BTC, NOON, HALF_PAST) is None


def test_the_last_trade_is_the_latest_of_now() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": []})
    nothing = stage.market.last_trade(BTC)
    stage.pass_time(1)
    stage.api.say(TICKER, {"trades": [trade(1, "98", 10), trade(3, "101", 30), trade(2, "99", 20)]})

    assert nothing is None
    assert stage.market.last_trade(BTC) == 101


def test_a_twins_trades_may_bear_the_name_of_the_shared_book() -> None:
    stage = Stage()
    stage.api.say("/market/products", product_list(product_row("BTC-USDC", alias="BTC-USD")))
    stage.api.say("/market/products/BTC-USDC/ticker", {"trades": [trade(1, "99", 12)]})
    stage.market.products()

    usdc = ProductId("BTC", "USDC")
    assert stage.market.volume_through(usdc, Side.BUY, Decimal(100), NOON, HALF_PAST) == 1


def test_trades_and_products_are_kept_within_bounds() -> None:
    stage = Stage()

    def page(_: Params) -> object:
        look = stage.api.count("/ticker")
        return {"trades": [trade(250 * look + number, "99", 30 + look) for number in range(250)]}

    stage.api.say(TICKER, page)
    for _ in range(10):
        stage.pass_time(1)
        stage.market.last_trade(BTC)
    assert through(stage, Side.BUY, "100", 0, 40) == TRADES_KEPT

    for number in range(PRODUCTS_KEPT):
        stage.api.say(f"/market/products/A{number}-USD/ticker", {"trades": []})
        stage.market.last_trade(ProductId(f"A{number}", "USD"))
    asked = stage.api.count("/ticker")
    through(stage, Side.BUY, "100", 0, 40)
    assert stage.api.count("/ticker") == asked + 1


def candle(minute: int, low: float, high: float) -> dict[str, str]:
    start = int(after_noon(60 * minute).timestamp())
    return candle_row(Candle(start, low, high, low, high, 1.0))


def test_the_range_is_that_of_the_trades_where_they_reach_back() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": [trade(4, "95", 30), trade(3, "101", 29), trade(2, "99", 20), trade(1, "1", 7)]})

    assert stage.market.traded_range(BTC, after_noon(10), after_noon(29)) == TradedRange(Decimal(99), Decimal(101))
    assert stage.market.traded_range(BTC, after_noon(10), HALF_PAST) == TradedRange(Decimal(95), Decimal(101))
    assert stage.market.traded_range(BTC, after_noon(10), after_noon(12)) is None
    assert stage.api.count("/candles") == 0


def test_a_trade_that_was_shown_late_is_in_the_range_of_the_next_span() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": [trade(2, "99", 20), trade(1, "100", 0)]})
    before = stage.market.traded_range(BTC, after_noon(10), HALF_PAST)
    stage.pass_time(30)
    stage.api.say(TICKER, {"trades": [trade(4, "100", 45), trade(3, "90", 29), trade(2, "99", 20)]})

    assert before == TradedRange(Decimal(99), Decimal(99))
    assert stage.market.traded_range(BTC, HALF_PAST, after_noon(60)) == TradedRange(Decimal(90), Decimal(100))


def test_where_the_trades_do_not_reach_back_every_candle_counts_that_the_span_touches() -> None:
    stage = Stage()
    stage.pass_time(60)  # 12:01:30
    stage.api.say(TICKER, {"trades": [trade(1, "100", 80)]})
    stage.api.say(CANDLES, {"candles": [candle(1, 98, 103), candle(0, 97, 101), candle(-1, 50, 200)]})

    found = stage.market.traded_range(BTC, after_noon(30), after_noon(90))

    assert found == TradedRange(Decimal(97), Decimal(103))
    query = dict(stage.api.asked[-1][1])
    assert (query["start"], query["end"]) == (str(int(NOON.timestamp())), str(int(NOON.timestamp()) + 120))


@pytest.mark.parametrize(
    "ticker",
    [
        pytest.param({"trades": []}, id="no trades"),
        pytest.param({"trades": [trade(2, "99", 20), trade(1, "99", 8.5)]}, id="they begin inside the span"),
        pytest.param({"trades": [trade(2, "99", 20), {}, trade(1, "99", 0)]}, id="one cannot be read"),
    ],
)
def test_trades_that_may_be_missing_do_not_make_the_range(ticker: object) -> None:
    stage = Stage()
    stage.api.say(TICKER, ticker)
    stage.api.say(CANDLES, {"candles": [candle(0, 90, 110)]})

    assert stage.market.traded_range(BTC, after_noon(10), HALF_PAST) == TradedRange(Decimal(90), Decimal(110))


def test_a_gap_between_two_looks_is_filled_by_candles() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": [trade(2, "99", 20), trade(1, "99", 0)]})
    stage.market.last_trade(BTC)
    stage.pass_time(30)
    stage.api.say(TICKER, {"trades": [trade(9, "99", 59), trade(8, "99", 50)]})
    stage.api.say(CANDLES, {"candles": [candle(0, 90, 110)]})

    assert stage.market.traded_range(BTC, after_noon(30), after_noon(60)) == TradedRange(Decimal(90), Decimal(110))


def test_nothing_traded_has_no_range() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": []})
    stage.api.say(CANDLES, {"candles": []})

    assert stage.market.traded_range(BTC, NOON, HALF_PAST) is None


@pytest.mark.parametrize("candles", [failure(500), {}, {"candles": [candle(0, 90, 110), {}]}])
def test_a_range_with_holes_is_unavailable(candles: object) -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": []})
    stage.api.say(CANDLES, candles)

    with pytest.raises(MarketDataUnavailable, match="candles of BTC-USD"):
        stage.market.traded_range(BTC, NOON, HALF_PAST)


def test_after_days_of_sleep_the_range_is_read_in_hours() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": []})
    stage.api.say(CANDLES, {"candles": [candle(0, 90, 110)]})

    assert stage.market.traded_range(BTC, NOON - timedelta(days=10), HALF_PAST) == TradedRange(
        Decimal(90), Decimal(110)
    )
    assert stage.api.count("/candles") == 1
    assert dict(stage.api.asked[-1][1])["granularity"] == "ONE_HOUR"


def test_each_product_has_its_own_trades() -> None:
    stage = Stage()
    stage.api.say(TICKER, {"trades": [trade(1, "99", 12)]})
    stage.api.say("/market/products/ETH-USD/ticker", {"trades": []})

    assert through(stage, Side.BUY, "100", 0, 30) == 1
    assert stage.market.volume_through(ETH, Side.BUY, Decimal(100), NOON, HALF_PAST) == 0
