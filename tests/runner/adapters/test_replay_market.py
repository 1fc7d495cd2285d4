"""A replay shows what its files say up to now, and nothing of what they say later."""

import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from core.model.market import Candle, ProductId
from core.model.orders import Side
from core.settings import MarketModel
from runner.adapters.markets.replay_market import ReplayFeed, open_replay
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import BTC
from tests.fakes.candle_data import FIRST_DAY, random_candles, write_candles

ROOT = Path(__file__).resolve().parents[3]
BEGIN = datetime.fromtimestamp(FIRST_DAY, UTC)
MODEL = MarketModel(
    spread_fraction=Decimal("0.0006"),
    depth_fraction=Decimal("0.2"),
    levels=10,
    maker_fill_share_fraction=Decimal("0.1"),
)


def feed_of(path: Path) -> ReplayFeed:
    return ReplayFeed(path, spread_fraction=0.0006, depth_fraction=0.2)


def test_the_venue_says_that_quotes_are_modelled_and_the_span_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "january"
    folder.mkdir()
    write_candles(folder / "BTC-USD_1m.csv.gz", random_candles(100))
    write_candles(folder / "ETH-USD_1m.csv", random_candles(100, first=FIRST_DAY + 600))

    replay = open_replay(folder, MODEL, VirtualClock(BEGIN).now)

    assert replay.market.venue == "replay:january:modelled-book"
    assert (replay.first_start, replay.end) == (BEGIN, BEGIN + timedelta(minutes=110))
    assert [str(product.product_id) for product in replay.market.products()] == ["BTC-USD", "ETH-USD"]


def test_a_single_file_is_a_market_of_one_product(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "BTC-USDT_1m.csv.gz", random_candles(100))

    market = open_replay(path, MODEL, VirtualClock(BEGIN).now).market

    assert market.venue == "replay:BTC-USDT_1m:modelled-book"
    assert [product.product_id for product in market.products()] == [ProductId("BTC", "USDT")]


def test_all_candles_come_back_whatever_day_they_are_on(tmp_path: Path) -> None:
    candles = random_candles(5 * 1440, missing=[*range(100, 110), *range(1430, 3000), 3001, 5000])
    feed = feed_of(write_candles(tmp_path / "BTC-USD_1m.csv.gz", candles))

    assert feed.closed(BTC, FIRST_DAY, feed.end) == candles
    assert feed.closed(BTC, FIRST_DAY, FIRST_DAY + 6000) == candles[:100]
    assert feed.closed(BTC, feed.end - 600, feed.end + 10**6) == candles[-10:]
    assert feed.closed(BTC, FIRST_DAY - 10**6, FIRST_DAY + 60) == candles[:1]


def test_increments_follow_the_decimals_of_the_data(tmp_path: Path) -> None:
    market = open_replay(
        write_candles(tmp_path / "BTC-USD_1m.csv", random_candles(200)), MODEL, VirtualClock(BEGIN).now
    ).market

    product = market.products()[0]

    assert (product.price_increment, product.base_increment) == (Decimal("0.01"), Decimal("0.001"))
    assert (product.base_min_size, product.quote_min_size) == (Decimal("0.001"), Decimal(1))


@pytest.mark.parametrize("has_rows", [False, True], ids=["no rows", "rows without volume"])
def test_the_last_price_is_quoted_for_three_quiet_minutes_and_then_nothing_is(tmp_path: Path, has_rows: bool) -> None:
    candles = random_candles(2000, missing=() if has_rows else range(1500, 1600))
    if has_rows:
        candles[1500:1600] = [candle._replace(volume=0.0) for candle in candles[1500:1600]]
    clock = VirtualClock(BEGIN + timedelta(minutes=1500))
    market = open_replay(write_candles(tmp_path / "BTC-USD_1m.csv", candles), MODEL, clock.now).market
    last_close = next(candle for candle in candles if candle.start == FIRST_DAY + 1499 * 60).close

    quiet = market.quotes([BTC])[BTC]
    clock.jump(timedelta(seconds=179))
    still = market.quotes([BTC])[BTC]
    clock.jump(timedelta(seconds=1))
    gone = (market.quotes([BTC]), market.book(BTC))
    clock.jump(timedelta(minutes=97))

    assert float(quiet.mid) == pytest.approx(last_close, abs=0.011)
    assert (still.bid, still.ask) == (quiet.bid, quiet.ask)
    assert gone == ({}, None)
    assert BTC in market.quotes([BTC])


def test_nothing_trades_in_a_quiet_minute(tmp_path: Path) -> None:
    candles = random_candles(2000, missing=range(1500, 1600))
    market = open_replay(
        write_candles(tmp_path / "BTC-USD_1m.csv", candles), MODEL, VirtualClock(BEGIN + timedelta(days=1)).now
    ).market

    quiet = BEGIN + timedelta(minutes=1500)

    assert market.volume_through(BTC, Side.BUY, Decimal(10**6), quiet, quiet + timedelta(minutes=2)) == 0


def test_a_row_without_volume_is_a_minute_without_a_trade(tmp_path: Path) -> None:
    candles = random_candles(10)
    candles[5] = candles[5]._replace(volume=0.0)
    feed = feed_of(write_candles(tmp_path / "BTC-USD_1m.csv", candles))

    assert feed.closed(BTC, FIRST_DAY, feed.end) == candles[:5] + candles[6:]


def test_after_the_end_candles_and_quotes_stop(tmp_path: Path) -> None:
    clock = VirtualClock(BEGIN + timedelta(minutes=1504))
    candles = random_candles(1500)
    market = open_replay(write_candles(tmp_path / "BTC-USD_1m.csv", candles), MODEL, clock.now).market

    assert market.candles([BTC], FIRST_DAY + 1499 * 60) == {BTC: candles[-1:]}
    assert market.quotes([BTC]) == {}


def test_turnover_counts_the_past_day_only(tmp_path: Path) -> None:
    candles = random_candles(3 * 1440)
    clock = VirtualClock(BEGIN + timedelta(hours=30, minutes=59))
    market = open_replay(write_candles(tmp_path / "BTC-USD_1m.csv", candles), MODEL, clock.now).market

    day = candles[6 * 60 : 30 * 60]
    turnover = market.products()[0].quote_volume_24h

    assert turnover == int(sum(candle.volume * candle.close for candle in day))


def test_going_back_reads_the_file_again_and_says_the_same(tmp_path: Path) -> None:
    candles = random_candles(4 * 1440)
    feed = feed_of(write_candles(tmp_path / "BTC-USD_1m.csv.gz", candles))

    late = feed.closed(BTC, feed.end - 60, feed.end)
    early = feed.closed(BTC, FIRST_DAY, FIRST_DAY + 60)
    late_again = feed.closed(BTC, feed.end - 60, feed.end)

    assert (late, early, late_again) == (candles[-1:], candles[:1], candles[-1:])


def test_memory_does_not_grow_with_the_days(tmp_path: Path) -> None:
    feed = feed_of(write_candles(tmp_path / "BTC-USD_1m.csv", random_candles(12 * 1440)))
    tracemalloc.start()
    feed.bar(BTC, FIRST_DAY + 3 * 86400)
    after_3_days = tracemalloc.get_traced_memory()[0]
    feed.bar(BTC, FIRST_DAY + 11 * 86400)
    after_11_days = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert after_11_days < after_3_days + 20_000


@pytest.mark.parametrize(
    ("names", "says"),
    [
        pytest.param([], "no candle file", id="an empty folder"),
        pytest.param(["notes_1m.csv"], "the name must begin with the product", id="no product in the name"),
        pytest.param(["BTC-USD_1m.csv", "BTC-USD_2m.csv"], "is there twice", id="a product twice"),
    ],
)
def test_a_folder_that_is_no_market_is_refused(tmp_path: Path, names: list[str], says: str) -> None:
    for name in names:
        write_candles(tmp_path / name, random_candles(3))

    with pytest.raises(ConfigError, match=says):
        feed_of(tmp_path)


def test_a_file_without_rows_or_with_a_bad_last_row_stops_the_start(tmp_path: Path) -> None:
    empty = write_candles(tmp_path / "BTC-USD_1m.csv", [])
    bad = write_candles(
        tmp_path / "ETH-USD_1m.csv", [*random_candles(3000), Candle(FIRST_DAY + 3000 * 60, 1.0, 1.0, 0.0, 1.0, 1.0)]
    )

    with pytest.raises(ConfigError, match="line 2: the file has no rows"):
        feed_of(empty)
    with pytest.raises(ConfigError, match="line 3002: a price is zero"):
        feed_of(bad)
    with pytest.raises(ConfigError, match="no candle file"):
        feed_of(tmp_path / "nothing")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minute=st.integers(1441, 2800), second=st.integers(0, 59), other_seed=st.integers(2, 10**6))
def test_what_comes_later_changes_nothing_that_can_be_seen_now(
    tmp_path: Path, minute: int, second: int, other_seed: int
) -> None:
    """No look ahead: two files that agree up to the minute in progress show the same, also decimals and turnover."""
    past = random_candles(minute + 1)
    future = [
        candle._replace(high=candle.high + 0.00001, volume=candle.volume + 0.00001)
        for candle in random_candles(2900, seed=other_seed, price=70.0)[minute + 1 :]
    ]
    now = BEGIN + timedelta(minutes=minute, seconds=second)

    views = []
    for later in (future, random_candles(2900)[minute + 1 :: 3]):
        path = write_candles(tmp_path / "BTC-USD_1m.csv", past + later)
        market = open_replay(path, MODEL, VirtualClock(now).now).market
        views.append(
            (
                market.candles([BTC], FIRST_DAY),
                market.quotes([BTC]),
                market.books([BTC]),
                market.products(),
                market.volume_through(BTC, Side.BUY, Decimal("100.01"), now - timedelta(minutes=3), now),
            )
        )

    assert views[0] == views[1]


def real_data() -> Path | None:
    """Return the folder of recorded candles, by CANDLE_DATA or beside the checkout, when it is there."""
    folder = Path(os.environ.get("CANDLE_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() and any(folder.glob("*.csv.gz")) else None


@pytest.mark.skipif(real_data() is None, reason="NO RECORDED CANDLES HERE: set CANDLE_DATA to a folder to run this")
def test_recorded_candles_play_from_the_first_minute_to_the_last() -> None:
    folder = real_data()
    assert folder is not None
    path = min(folder.glob("*.csv.gz"))
    feed = feed_of(path)
    product_id = feed.listings[0].product.product_id

    candles = feed.closed(product_id, feed.first_start, feed.end)

    assert candles[0].start == feed.first_start
    assert candles[-1].start + 60 == feed.end
    assert all(before.start < after.start for before, after in pairwise(candles))
