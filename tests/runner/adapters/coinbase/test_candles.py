"""Coinbase's candles: closed minutes only, in order, each once; how many requests they cost; what a failure costs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MarketDataUnavailable
from core.indicators import ProductWindow
from core.model.market import Candle, ProductId
from runner.adapters.coinbase.candles import HOUR, MINUTE, PAGE_BUCKETS, PAGES_MAX, bucket_for, candles_of
from runner.adapters.coinbase.coinbase_market import CLOCK_GRAIN
from runner.adapters.coinbase.fields import BadField
from tests.builders import BTC, ETH, NOON, make_signal_settings
from tests.fakes.scripted_api import Params, candle_row, failure, time_answer
from tests.runner.adapters.coinbase.market_stage import Stage

NOON_SECONDS = int(NOON.timestamp())
PATH = "/market/products/BTC-USD/candles"


def make_candle(minutes_from_noon: int, close: float = 100.5, volume: float = 2.5) -> Candle:
    return Candle(NOON_SECONDS + 60 * minutes_from_noon, 100.0, 101.0, 99.0, close, volume)


def rows(*minutes: int) -> list[dict[str, str]]:
    return [candle_row(make_candle(minute)) for minute in minutes]


def starts(stage: Stage, since: int) -> list[int]:
    """Return the minutes from noon that were read."""
    found = stage.market.candles([BTC], since)[BTC]
    return [(candle.start - NOON_SECONDS) // 60 for candle in found]


def test_texts_newest_first_become_candles_oldest_first() -> None:
    stage = Stage()
    stage.api.say(PATH, {"candles": rows(-1, -2, -4)})

    found = stage.market.candles([BTC], NOON_SECONDS - 300)

    assert found == {BTC: [make_candle(-4), make_candle(-2), make_candle(-1)]}
    assert isinstance(found[BTC][0].close, float)


def test_the_open_minute_and_the_future_are_dropped() -> None:
    stage = Stage()  # half a minute past noon
    stage.api.say(PATH, {"candles": rows(2, 1, 0, -1)})

    assert starts(stage, NOON_SECONDS - 300) == [-1]


@pytest.mark.parametrize(("ahead", "minutes"), [(30, [-1]), (33, [-2])])
def test_closed_is_what_is_closed_by_the_clock_of_the_exchange(ahead: float, minutes: list[int]) -> None:
    stage = Stage(ahead_seconds=ahead)
    stage.api.say(PATH, {"candles": rows(0, -1, -2)})

    assert starts(stage, NOON_SECONDS - 300)[-1:] == minutes


def test_an_exchange_whose_clock_is_not_known_is_taken_to_be_five_seconds_behind() -> None:
    stage = Stage(ahead_seconds=None)
    stage.api.say(PATH, {"candles": rows(0, -1)})
    stage.pass_time(32.5)  # 12:01:02.5

    before = starts(stage, NOON_SECONDS - 300)
    stage.pass_time(3)
    after = starts(stage, NOON_SECONDS - 300)

    assert (before, after) == ([-1], [-1, 0])


def test_a_minute_that_closes_in_a_moment_by_the_exchanges_clock_is_waited_for() -> None:
    stage = Stage(ahead_seconds=1.5)
    stage.api.say(PATH, {"candles": rows(0, -1)})
    stage.pass_time(30)  # ours shows 12:01:00, theirs 12:00:58.5

    assert starts(stage, NOON_SECONDS) == [0]
    assert stage.clock.now() == NOON + timedelta(seconds=61.5) + CLOCK_GRAIN


def test_a_minute_that_closes_later_is_not_waited_for() -> None:
    stage = Stage(ahead_seconds=2.5)
    stage.api.say(PATH, {"candles": rows(0, -1)})
    stage.pass_time(30)

    assert starts(stage, NOON_SECONDS) == []
    assert stage.clock.now() == NOON + timedelta(seconds=60)


def test_a_candle_is_asked_for_when_it_has_settled() -> None:
    stage = Stage(settle_seconds=0.75)
    stage.api.say(PATH, {"candles": rows(0, -1)})
    stage.pass_time(30.1)

    assert starts(stage, NOON_SECONDS) == [0]
    assert stage.clock.now() == NOON + timedelta(seconds=60.75) + CLOCK_GRAIN


@pytest.mark.parametrize(("ahead", "minutes", "waited"), [(0.1, [0], 2.1), (2.0, [0], 4.0), (2.1, [], 0.0)])
def test_a_clock_that_is_a_little_ahead_makes_a_cycle_wait_longer_and_not_miss_its_candle(
    ahead: float, minutes: list[int], waited: float
) -> None:
    """A cycle begins with a minute of our clock: without a longer wait all would be decided a minute late."""
    stage = Stage(settle_seconds=2, ahead_seconds=ahead)
    stage.api.say(PATH, {"candles": rows(0, -1)})
    stage.pass_time(30)

    assert starts(stage, NOON_SECONDS) == minutes
    assert stage.clock.now() == NOON + timedelta(seconds=60 + waited) + (CLOCK_GRAIN if minutes else timedelta(0))


def test_a_minute_that_was_waited_for_is_over_though_the_exchanges_time_is_due_to_be_measured_anew() -> None:
    stage = Stage(settle_seconds=2)
    stage.api.say(PATH, {"candles": rows(1, 0, -1)})
    stage.pass_time(31)
    starts(stage, NOON_SECONDS)  # measured at 12:01:01: their time is ours
    stage.api.say("/time", lambda _: time_answer(stage.clock.now() - timedelta(seconds=0.1)))
    stage.pass_time(58.5)  # 12:02:00.5; due at 12:02:01

    assert starts(stage, NOON_SECONDS) == [0, 1]


def test_rows_out_of_order_and_twice_are_put_in_order_and_the_fuller_one_stays() -> None:
    stage = Stage()
    thin, full = make_candle(-2, close=99.5, volume=1), make_candle(-2, close=100.9, volume=3)
    stage.api.say(PATH, {"candles": [candle_row(one) for one in (make_candle(-3), full, make_candle(-1), thin, full)]})

    assert stage.market.candles([BTC], NOON_SECONDS - 300) == {BTC: [make_candle(-3), full, make_candle(-1)]}


def test_rows_before_since_are_ignored_and_since_within_a_minute_begins_with_the_next() -> None:
    stage = Stage()
    stage.api.say(PATH, {"candles": rows(-1, -2, -3, -4)})

    assert starts(stage, NOON_SECONDS - 179) == [-2, -1]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"low": "100.6"}, id="low above close"),
        pytest.param({"high": "100.2"}, id="high below close"),
        pytest.param({"open": "101.1"}, id="open above high"),
        pytest.param({"low": "0", "open": "0", "close": "0"}, id="zero"),
        pytest.param({"low": "-1"}, id="negative"),
        pytest.param({"volume": "-0.1"}, id="negative volume"),
        pytest.param({"volume": "9" * 25}, id="huge volume"),
        pytest.param({"high": "9" * 13}, id="huge price"),
        pytest.param({"close": "1e2"}, id="exponent"),
        pytest.param({"close": ""}, id="empty"),
        pytest.param({"close": None}, id="null"),
        pytest.param({"close": "NaN"}, id="NaN"),
        pytest.param({"start": str(NOON_SECONDS - 61)}, id="off the minute"),
        pytest.param({"start": "-60"}, id="before the epoch"),
        pytest.param({"start": "1767614280.0"}, id="start with a point"),
    ],
)
def test_a_row_that_is_no_candle_is_left_out_and_said(changes: dict[str, object]) -> None:
    stage = Stage()
    stage.api.say(PATH, {"candles": [candle_row(make_candle(-1)), {**candle_row(make_candle(-2)), **changes}]})

    assert starts(stage, NOON_SECONDS - 300) == [-1]
    assert len(stage.notes) == 1
    assert stage.notes[0].startswith("BTC-USD: 1 candles left out: ")


def test_a_minute_without_volume_and_unknown_fields_are_taken() -> None:
    stage = Stage()
    stage.api.say(PATH, {"candles": [{**candle_row(make_candle(-1, volume=0)), "trades": 7}], "next": {}})

    assert stage.market.candles([BTC], NOON_SECONDS - 300) == {BTC: [make_candle(-1, volume=0)]}


def test_no_candles_is_an_empty_list() -> None:
    stage = Stage()
    stage.api.say(PATH, {"candles": []})

    assert stage.market.candles([BTC], NOON_SECONDS - 300) == {BTC: []}


BROKEN = [
    pytest.param({}, id="empty object"),
    pytest.param({"candles": None}, id="null"),
    pytest.param({"candles": {}}, id="object"),
    pytest.param({"candles": [{}]}, id="no usable row"),
    pytest.param([], id="list"),
    pytest.param(b"<html>", id="HTML"),
    pytest.param(failure(500), id="500"),
    pytest.param(failure(400), id="400"),
    pytest.param(failure(None), id="timeout"),
]


@pytest.mark.parametrize("answer", BROKEN)
def test_a_product_that_cannot_be_read_is_absent_and_costs_no_other(answer: object) -> None:
    stage = Stage()
    stage.api.say(PATH, answer)
    stage.api.say("/market/products/ETH-USD/candles", {"candles": rows(-1)})

    found = stage.market.candles([BTC, ETH], NOON_SECONDS - 300)

    assert found == {ETH: [make_candle(-1)]}
    assert len(stage.notes) == 1
    assert stage.notes[0].startswith("BTC-USD: ")


@pytest.mark.parametrize("answer", BROKEN)
def test_when_nothing_can_be_read_the_data_are_unavailable(answer: object) -> None:
    stage = Stage()
    stage.api.say(PATH, answer)

    with pytest.raises(MarketDataUnavailable, match="nothing could be read"):
        stage.market.candles([BTC], NOON_SECONDS - 300)


def test_a_product_that_coinbase_does_not_know_is_absent_and_no_failure() -> None:
    assert Stage().market.candles([BTC], NOON_SECONDS - 300) == {}


def test_no_products_are_no_question() -> None:
    stage = Stage()

    assert stage.market.candles([], 0) == {}
    assert stage.api.asked == []


def test_sixty_known_products_cost_sixty_requests_and_one_for_the_time() -> None:
    stage = Stage()
    products = [ProductId(f"A{number}", "USD") for number in range(60)]
    for product_id in products:
        stage.api.say(f"/market/products/{product_id}/candles", {"candles": rows(0)})
    stage.pass_time(30)

    stage.market.candles(products, NOON_SECONDS)
    stage.pass_time(60)
    stage.market.candles(products, NOON_SECONDS + 60)

    assert stage.api.count("/candles") == 120
    assert len(stage.api.asked) == 122


def asked_spans(stage: Stage) -> list[tuple[int, int]]:
    """Return what each page asked for, in minutes from noon."""
    spans = []
    for _, params in stage.api.asked:
        query = dict(params)
        if "start" in query:
            assert query["granularity"] == "ONE_MINUTE"
            spans.append(((int(query["start"]) - NOON_SECONDS) // 60, (int(query["end"]) - NOON_SECONDS) // 60))
    return spans


def exchange(params: Params, *, counts_the_end: bool) -> object:
    """Answer as Coinbase does: 350 buckets at most, newest first, the open minute included."""
    query = dict(params)
    first, last = int(query["start"]), int(query["end"]) - (0 if counts_the_end else 60)
    minutes = range((first - NOON_SECONDS) // 60, (last - NOON_SECONDS) // 60 + 1)
    if len(minutes) > 300:
        return failure(400, "too many")
    return {"candles": rows(*reversed([minute for minute in minutes if minute <= 0]))}


@pytest.mark.parametrize("counts_the_end", [True, False])
@pytest.mark.parametrize("minutes", [1, 2, 298, 299, 300, 301, 597, 598, 599, 1495])
def test_history_has_no_seams_and_no_page_of_more_than_300_however_the_end_is_counted(
    minutes: int, counts_the_end: bool
) -> None:
    stage = Stage()
    stage.api.say(PATH, lambda params: exchange(params, counts_the_end=counts_the_end))

    assert starts(stage, NOON_SECONDS - 60 * minutes) == list(range(-minutes, 0))
    assert len(asked_spans(stage)) == -(-minutes // PAGE_BUCKETS)
    assert all(end - start <= PAGE_BUCKETS for start, end in asked_spans(stage))


def test_a_page_that_fails_costs_its_product_all_of_its_history() -> None:
    stage = Stage()
    stage.api.say(
        PATH,
        lambda params: failure(500) if len(stage.api.asked) == 3 else exchange(params, counts_the_end=True),
    )
    stage.api.say("/market/products/ETH-USD/candles", {"candles": rows(-1)})

    assert list(stage.market.candles([BTC, ETH], NOON_SECONDS - 60 * 1400)) == [ETH]


def test_a_history_beyond_the_limit_of_pages_is_refused_and_not_cut() -> None:
    stage = Stage()
    stage.api.say(PATH, lambda params: exchange(params, counts_the_end=True))
    longest = PAGES_MAX * PAGE_BUCKETS

    assert len(starts(stage, NOON_SECONDS - 60 * longest)) == longest
    with pytest.raises(MarketDataUnavailable):
        starts(stage, NOON_SECONDS - 60 * (longest + 1))


def test_after_three_questions_in_a_row_without_an_answer_no_more_are_asked() -> None:
    stage = Stage()
    products = [ProductId(f"A{number}", "USD") for number in range(60)]
    for product_id in products:
        stage.api.say(f"/market/products/{product_id}/candles", failure(None))
    stage.api.say("/market/products/A0-USD/candles", {"candles": rows(-1)})

    found = stage.market.candles(products, NOON_SECONDS - 300)

    assert list(found) == [products[0]]
    assert stage.api.count("/candles") == 4
    assert stage.notes[-1] == "60 asked for, no further after 1 were read"


@pytest.mark.parametrize(("seconds", "read"), [(40.5, 11), (20, 5)])
def test_a_slow_exchange_is_asked_until_ten_seconds_before_the_cycles_end_or_a_quarter(
    seconds: float, read: int
) -> None:
    stage = Stage()
    stage.cycle_time.end_at(stage.clock.monotonic() + seconds)
    products = [ProductId(f"A{number}", "USD") for number in range(60)]

    def slowly(_: Params) -> object:
        stage.pass_time(3)
        return {"candles": rows(-1)}

    for product_id in products:
        stage.api.say(f"/market/products/{product_id}/candles", slowly)

    assert len(stage.market.candles(products, NOON_SECONDS - 300)) == read


def test_a_key_asks_the_signed_twin() -> None:
    stage = Stage(is_signed=True)
    stage.api.say("/products/BTC-USD/candles", {"candles": rows(-1)})

    assert starts(stage, NOON_SECONDS - 300) == [-1]


def test_a_long_span_is_read_in_hours() -> None:
    assert bucket_for(0) is MINUTE
    assert bucket_for(9 * 299 * 60) is MINUTE
    assert bucket_for(9 * 299 * 60 + 1) is HOUR


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.decimals(allow_nan=False), st.lists(st.none()),
    st.integers(0, 5).map(lambda minute: str(NOON_SECONDS + 60 * minute)), st.sampled_from(["1", "2", "3", "1.5", "0"]),
)  # fmt: skip
CANDLE_ROWS = st.dictionaries(st.sampled_from(["start", "low", "high", "open", "close", "volume", "x"]), VALUES)


@given(answer=st.one_of(VALUES, st.lists(st.one_of(CANDLE_ROWS, VALUES), max_size=8)))
def test_whatever_comes_a_window_can_take_it_or_it_is_a_bad_field(answer: object) -> None:
    window = ProductWindow(make_signal_settings().triggers)
    try:
        page = candles_of({"candles": answer}, NOON_SECONDS, NOON_SECONDS + 600)
    except BadField:
        return
    for start in sorted(page.by_start):
        assert NOON_SECONDS <= start < NOON_SECONDS + 600
        assert window.push(page.by_start[start])
