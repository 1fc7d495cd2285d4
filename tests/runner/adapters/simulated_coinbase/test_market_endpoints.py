"""Checklist item 10: candles, products, books, quotes and trades, with what may be wrong with them."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from core.model.market import ProductId
from core.model.orders import Side
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from runner.wire import HttpRequest
from tests.builders import BTC, NOON, make_product
from tests.runner.adapters.simulated_coinbase.venue_desk import BASE, HOST, Json, VenueDesk, make_venue

MINUTE = int(NOON.timestamp())


def candles(
    venue: VenueDesk, first: int, end: int, *, granularity: str = "ONE_MINUTE", signed: bool = False
) -> list[dict[str, str]]:
    params = (("start", str(first)), ("end", str(end)), ("granularity", granularity))
    path = f"{'' if signed else '/market'}/products/BTC-USD/candles"
    reply = venue.get(path, *params, signed=signed)
    assert reply.status == 200, reply.text
    found: list[dict[str, str]] = reply.json["candles"]
    return found


def starts(rows: list[dict[str, str]]) -> list[int]:
    return [(int(row["start"]) - MINUTE) // 60 for row in rows]


# --- candles ----------------------------------------------------------------------------------------------------------


def test_10_candles_are_strings_newest_first_with_both_ends() -> None:
    venue = make_venue()

    rows = candles(venue, MINUTE - 180, MINUTE - 60)

    assert starts(rows) == [-1, -2, -3]
    assert rows[0] == {
        "start": str(MINUTE - 60),
        "low": "100.00",
        "high": "100.00",
        "open": "100.00",
        "close": "100.00",
        "volume": "600.00000000",
    }


def test_10_minutes_without_trades_are_absent() -> None:
    venue = make_venue()
    venue.market.set_volume(BTC, 0)

    assert candles(venue, MINUTE - 180, MINUTE) == []


def test_10_the_last_bar_is_open_and_grows() -> None:
    venue = make_venue()
    venue.wait(10)
    early = candles(venue, MINUTE, MINUTE + 60)
    venue.market.move(BTC, 3)
    venue.wait(20)
    later = candles(venue, MINUTE, MINUTE + 60)

    assert starts(early) == starts(later) == [0]
    assert (early[0]["volume"], later[0]["volume"]) == ("100.00000000", "300.00000000")
    assert (early[0]["high"], later[0]["high"]) == ("100.00", "103.00")


def test_10_at_the_start_of_a_minute_its_bar_is_not_there_yet() -> None:
    assert starts(candles(make_venue(), MINUTE - 60, MINUTE)) == [-1]


@pytest.mark.parametrize(("minutes", "status"), [(349, 200), (350, 400)])
def test_10_more_than_350_buckets_are_refused_and_nothing_is_answered(minutes: int, status: int) -> None:
    params = (("start", str(MINUTE - minutes * 60)), ("end", str(MINUTE)), ("granularity", "ONE_MINUTE"))

    reply = make_venue().get("/market/products/BTC-USD/candles", *params, signed=False)

    assert reply.status == status
    assert ("candles" in reply.json) is (status == 200)


@pytest.mark.parametrize(
    "params",
    [
        (("start", "1"), ("end", "2"), ("granularity", "ONE_WEEK")),
        (("start", "1"), ("granularity", "ONE_MINUTE")),
        (("start", "2026-01-05"), ("end", "2"), ("granularity", "ONE_MINUTE")),
        (("start", "2"), ("end", "1"), ("granularity", "ONE_MINUTE")),
    ],
)
def test_10_wrong_parameters_are_a_400(params: tuple[tuple[str, str], ...]) -> None:
    assert make_venue().get("/market/products/BTC-USD/candles", *params, signed=False).status == 400


def test_10_wider_bars_join_their_minutes() -> None:
    venue = make_venue()
    venue.market.follow(BTC, lambda minute: 100 + minute % 5)

    rows = candles(venue, MINUTE - 600, MINUTE - 1, granularity="FIVE_MINUTE")

    assert starts(rows) == [-5, -10]
    assert rows[0]["open"] == "100.00"
    assert float(rows[0]["high"]) >= 104
    assert rows[0]["volume"] == "3000.00000000"


@pytest.mark.parametrize(("first", "granularity"), [(60, "ONE_MINUTE"), (-60, "ONE_DAY")])
def test_10_the_open_bar_is_not_shown_when_it_begins_before_the_span_asked_for(first: int, granularity: str) -> None:
    venue = make_venue()
    venue.wait(30)

    assert candles(venue, MINUTE + first, MINUTE + 3600, granularity=granularity) == []


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (Fault.CANDLES_STALE, [-6, -7]),
        (Fault.CANDLE_MISSING, [-2, -3, -4, -5, -6, -7]),
        (Fault.CANDLE_FROM_FUTURE, [10, -1, -2, -3, -4, -5, -6, -7]),
        (Fault.CANDLES_OLDEST_FIRST, [-7, -6, -5, -4, -3, -2, -1]),
    ],
)
def test_10_candles_may_be_stale_missing_early_or_the_wrong_way_round(fault: Fault, shown: list[int]) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, Endpoint.CANDLES)

    assert starts(candles(venue, MINUTE - 420, MINUTE)) == shown
    assert starts(candles(venue, MINUTE - 420, MINUTE)) == [-1, -2, -3, -4, -5, -6, -7]


def test_10_a_closed_bar_may_be_revised_late() -> None:
    venue = make_venue()
    venue.market.follow(BTC, lambda minute: 100 + minute)
    venue.exchange.faults.script(Fault.CANDLE_REVISED_LATE, Endpoint.CANDLES)

    first = candles(venue, MINUTE - 120, MINUTE)
    second = candles(venue, MINUTE - 120, MINUTE)

    assert first[0]["start"] == second[0]["start"]
    assert (first[0]["volume"], second[0]["volume"]) == ("300.00000000", "600.00000000")
    assert first[0]["close"] != second[0]["close"]
    assert first[1:] == second[1:]


# --- products ---------------------------------------------------------------------------------------------------------


def test_10_a_product_row_has_every_group_of_fields_as_strings_and_bools() -> None:
    row = make_venue().get("/market/products/BTC-USD", signed=False).json

    assert row["product_id"] == "BTC-USD"
    assert (row["base_currency_id"], row["quote_currency_id"], row["product_type"]) == ("BTC", "USD", "SPOT")
    assert (row["price_increment"], row["quote_increment"], row["base_increment"]) == ("0.01", "0.01", "0.00000001")
    assert (row["best_bid_price"], row["best_ask_price"], row["mid_market_price"]) == ("99.95", "100.05", "100")
    assert (row["quote_min_size"], row["base_max_size"]) == ("1", "10000")
    assert row["approximate_quote_24h_volume"] == "50000000"
    assert row["volume_24h"] == "500000"
    assert row["status"] == "online"
    flags = ("trading_disabled", "is_disabled", "cancel_only", "limit_only", "post_only", "auction_mode", "view_only")
    assert [row[flag] for flag in flags] == [False] * 7
    assert row["fcm_trading_session_details"] is None


def test_10_an_empty_book_has_empty_strings_for_prices() -> None:
    venue = make_venue()
    venue.exchange.market.lose_book(BTC)

    row = venue.get("/market/products/BTC-USD", signed=False).json
    book = venue.get("/market/product_book", ("product_id", "BTC-USD"), signed=False).json

    assert {row[name] for name in ("price", "best_bid_price", "best_ask_price", "mid_market_price")} == {""}
    assert (book["pricebook"]["bids"], book["pricebook"]["asks"], book["mid_market"]) == ([], [], "")


def test_10_nine_hundred_products_are_about_a_megabyte() -> None:
    venue = make_venue(behaviour=Behaviour(filler_products=898))

    reply = venue.get("/market/products", signed=False)

    assert reply.json["num_products"] == len(reply.json["products"]) == 900
    assert 0.9e6 < len(reply.text) < 1.3e6
    assert {row["quote_currency_id"] for row in reply.json["products"]} == {"USD", "USDC", "EUR", "GBP", "BTC"}


def test_10_view_only_is_told_only_to_a_signed_asker_who_asks_for_it() -> None:
    venue = make_venue()
    venue.exchange.market.change(make_product(BTC, blocked_by="view_only"))
    ask = ("get_tradability_status", "True")

    assert venue.get("/products/BTC-USD", ask).json["view_only"] is True
    assert venue.get("/products/BTC-USD").json["view_only"] is False
    assert venue.get("/market/products/BTC-USD", ask, signed=False).json["view_only"] is False


def test_10_products_can_be_asked_for_by_id_and_unknown_ones_are_404() -> None:
    venue = make_venue()

    rows = venue.get("/products", ("product_ids", "ETH-USD"), ("product_ids", "XXX-USD")).json["products"]

    assert [row["product_id"] for row in rows] == ["ETH-USD"]
    assert venue.get("/products/XXX-USD").status == 404
    assert venue.get("/products/nonsense").status == 400


def test_10_public_twins_repeat_themselves_for_a_second_and_signed_ones_do_not() -> None:
    venue = make_venue()
    before = venue.get("/market/products/BTC-USD", signed=False).json["price"]
    venue.market.move(BTC, 5)
    venue.wait(0.999)
    cached = venue.get("/market/products/BTC-USD", signed=False).json["price"]
    signed = venue.get("/products/BTC-USD").json["price"]
    venue.wait(0.001)
    after = venue.get("/market/products/BTC-USD", signed=False).json["price"]

    assert before == cached
    assert signed == after != before


def test_10_no_cache_asks_past_the_cache() -> None:
    venue = make_venue()
    venue.get("/market/products/BTC-USD", signed=False)
    venue.market.move(BTC, 5)
    headers = {"Cache-Control": "no-cache"}
    request = HttpRequest(
        method="GET", host=HOST, target=f"{BASE}/market/products/BTC-USD", headers=headers, body=b"{}"
    )

    assert venue.send(request).json["price"] == "104.94"


# --- books and quotes -------------------------------------------------------------------------------------------------


def test_10_a_book_is_best_first_and_as_deep_as_asked() -> None:
    params = (("product_id", "BTC-USD"), ("limit", "2"))

    answer = make_venue().get("/market/product_book", *params, signed=False).json

    assert answer["pricebook"]["bids"] == [{"price": "99.95", "size": "1000"}, {"price": "99.9", "size": "1000"}]
    assert answer["pricebook"]["asks"][0]["price"] == "100.05"
    assert answer["pricebook"]["time"] == "2026-01-05T12:00:00Z"
    assert (answer["mid_market"], answer["spread_bps"], answer["spread_absolute"]) == ("100", "10", "0.1")


def test_10_best_bid_ask_wants_a_signature_and_repeated_ids() -> None:
    venue = make_venue()
    both = (("product_ids", "BTC-USD"), ("product_ids", "ETH-USD"))

    books = venue.get("/best_bid_ask", *both).json["pricebooks"]

    assert [book["product_id"] for book in books] == ["BTC-USD", "ETH-USD"]
    assert books[0]["bids"] == [{"price": "99.95", "size": "1000"}]
    assert venue.get("/best_bid_ask", *both, signed=False).status == 401
    assert venue.get("/best_bid_ask", ("product_ids", "BTC-USD,ETH-USD")).json["pricebooks"] == []
    assert venue.get("/market/best_bid_ask", *both, signed=False).status == 404


@pytest.mark.parametrize(
    ("fault", "bid", "ask"),
    [
        (Fault.BOOK_CROSSED, ["100.05"], ["99.95"]),
        (Fault.BOOK_ONE_SIDED, ["99.95"], []),
        (Fault.BOOK_EMPTY, [], []),
    ],
)
def test_10_books_may_be_crossed_one_sided_or_empty(fault: Fault, bid: list[str], ask: list[str]) -> None:
    venue = make_venue()
    venue.exchange.faults.script(fault, times=2)

    one = venue.get("/product_book", ("product_id", "BTC-USD"), ("limit", "1")).json["pricebook"]
    (top,) = venue.get("/best_bid_ask", ("product_ids", "BTC-USD")).json["pricebooks"]

    for book in (one, top):
        assert [level["price"] for level in book["bids"]] == bid
        assert [level["price"] for level in book["asks"]] == ask


# --- trades -----------------------------------------------------------------------------------------------------------


def trades(venue: VenueDesk, *params: tuple[str, str]) -> Json:
    return venue.get("/market/products/BTC-USD/ticker", *params, signed=False).json["trades"]


def test_10_trades_are_newest_first_and_the_same_when_asked_again() -> None:
    venue = make_venue()

    first = trades(venue, ("limit", "100"))
    venue.wait(60)
    second = trades(venue, ("limit", "124"))

    assert [row["time"] for row in first] == sorted((row["time"] for row in first), reverse=True)
    assert second[24:] == first


def test_10_trades_add_up_to_what_resting_orders_are_filled_from() -> None:
    venue = make_venue()
    venue.market.move(BTC, -2)
    venue.wait(60)

    rows = trades(venue, ("limit", "1000"), ("start", str(MINUTE)), ("end", str(MINUTE + 60)))

    volume = venue.market.volume_through(BTC, Side.BUY, Decimal(1000), NOON, NOON + timedelta(seconds=60))
    assert sum(Decimal(row["size"]) for row in rows) == volume == 600
    assert {row["side"] for row in rows} == {"BUY", "SELL"}


def test_10_trades_of_a_silent_product_are_looked_for_an_hour_back_and_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    venue = make_venue()
    venue.exchange.market.lose_book(BTC)
    looked: list[datetime] = []

    def nothing(_product_id: ProductId, since: datetime, _until: datetime) -> None:
        looked.append(since)

    monkeypatch.setattr(venue.exchange.market, "traded_range", nothing)

    assert trades(venue, ("limit", "1"), ("start", str(MINUTE - 86400))) == []
    assert (min(looked), len(looked)) == (NOON - timedelta(hours=1), 720)


def test_10_trades_need_a_limit() -> None:
    venue = make_venue()

    assert venue.get("/market/products/BTC-USD/ticker", signed=False).status == 400
    assert venue.get("/market/products/BTC-USD/ticker", ("limit", "1001"), signed=False).status == 400


# --- time -------------------------------------------------------------------------------------------------------------


def test_10_the_time_is_public_and_in_strings() -> None:
    venue = make_venue(behaviour=Behaviour(clock_skew=timedelta(seconds=7)))

    answer = venue.get("/time", signed=False)

    assert answer.json == {
        "iso": "2026-01-05T12:00:07Z",
        "epochSeconds": str(MINUTE + 7),
        "epochMillis": str((MINUTE + 7) * 1000),
    }
    assert answer.answer.response.headers["date"] == "Mon, 05 Jan 2026 12:00:07 GMT"
