"""What the loop asks of the market's candles, in which order, and what it makes of what it did not get."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from core.errors import MarketDataUnavailable
from core.model.market import Candle, ProductId
from runner.adapters.virtual_clock import VirtualClock
from runner.market_watch import HISTORY_MINUTES, MarketWatch, Seen
from tests.builders import NOON, make_trigger_settings
from tests.fakes.scripted_market import ScriptedMarket

A, B, C, D = (ProductId(base, "USD") for base in "ABCD")
NOON_SECONDS = int(NOON.timestamp())


class Stage:
    """Port `MarketData` that takes `seconds` for each question about candles; a look has 20 s, on a virtual clock."""

    def __init__(self, *products: ProductId, seconds: float = 0.0) -> None:
        self.clock = VirtualClock(NOON)
        self.script = ScriptedMarket(self.clock.now)
        for product_id in products:
            self.script.add(product_id)
        self.venue = self.script.venue
        self.products, self.quotes, self.books = self.script.products, self.script.quotes, self.script.books
        self.seconds = seconds
        self.asked: list[tuple[str, int]] = []
        self.broken: list[ProductId] = []
        self.unread: list[ProductId] = []
        self.watch = MarketWatch(self, make_trigger_settings(), 180)

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        """Note the names and the minute from noon; leave out `unread` products, fail if all are `broken`."""
        self.asked.append(("".join(product_id.base for product_id in product_ids), (since - NOON_SECONDS) // 60))
        self.pass_time(self.seconds)
        if all(product_id in self.broken for product_id in product_ids):
            raise MarketDataUnavailable("the script says so")
        found = self.script.candles(product_ids, since)
        return {key: value for key, value in found.items() if key not in (*self.broken, *self.unread)}

    def pass_time(self, seconds: float) -> None:
        self.clock.wait_until(self.clock.now() + timedelta(seconds=seconds), lambda: True)

    def look(self, *products: ProductId) -> Seen:
        self.asked.clear()
        until = self.clock.now() + timedelta(seconds=20)
        return self.watch.look(products, self.clock.now(), lambda: self.clock.now() < until)

    def next_minute(self) -> None:
        self.pass_time(60 - self.clock.now().timestamp() % 60)


def test_newcomers_are_asked_one_by_one_and_then_all_are_known_together() -> None:
    stage = Stage(A, B)

    seen = stage.look(A, B)
    first = list(stage.asked)
    stage.next_minute()
    stage.look(A, B)

    assert list(seen.features) == [A, B]
    assert first == [("A", -HISTORY_MINUTES), ("B", -HISTORY_MINUTES)]
    assert stage.asked == [("AB", 0)]


def test_a_history_is_five_pages_of_300_candles() -> None:
    assert 1440 + 30 < HISTORY_MINUTES <= 5 * 299


def test_past_its_time_no_further_newcomer_is_asked_for_and_who_waits_is_warming() -> None:
    stage = Stage(A, B, C, seconds=10)

    seen = stage.look(A, B, C)

    assert [name for name, _ in stage.asked] == ["A", "B"]
    assert (list(seen.features), seen.warming, seen.stale) == ([A, B], (C,), ())


def test_known_products_are_asked_first_and_however_late_it_is() -> None:
    stage = Stage(A, B, C, seconds=25)
    stage.look(A)
    stage.next_minute()

    seen = stage.look(B, A, C)

    assert stage.asked == [("A", 0)]
    assert (list(seen.features), seen.warming) == ([A], (B, C))


def test_all_newcomers_are_known_after_some_looks() -> None:
    products = [ProductId(f"P{number}", "USD") for number in range(12)]
    stage = Stage(*products, seconds=4.5)
    looks = []
    for _ in range(5):
        looks.append(len(stage.look(*products).features))
        stage.next_minute()

    assert looks == [5, 9, 12, 12, 12]


def test_products_that_wait_for_different_minutes_are_asked_from_their_own() -> None:
    stage = Stage(A, B, C)
    stage.look(A, B, C)
    stage.next_minute()
    stage.unread = [B]
    stage.look(A, B, C)
    stage.next_minute()
    stage.unread = []

    seen = stage.look(A, B, C)

    assert stage.asked == [("AC", 1), ("B", 0)]
    assert {features.last_start for features in seen.features.values()} == {NOON_SECONDS + 60}


def test_a_product_that_is_not_read_is_asked_for_the_same_minute_again_and_goes_stale() -> None:
    stage = Stage(A, B)
    stage.look(A, B)
    stage.unread = [B]
    stale = []
    for _ in range(4):
        stage.next_minute()
        stale.append(stage.look(A, B).stale)

    assert stage.asked == [("A", 3), ("B", 0)]
    assert stale == [(), (), (), (B,)]


def test_a_product_that_was_quiet_for_long_is_asked_by_itself_from_where_it_is() -> None:
    stage = Stage(A, B)
    stage.look(A, B)
    stage.pass_time(61 * 60)
    stage.script.set_volume(B, 0)
    stage.look(A, B)

    assert stage.asked == [("A", 0), ("B", 0)]


def test_after_a_day_of_sleep_no_more_than_the_history_is_asked_for() -> None:
    stage = Stage(A)
    stage.look(A)
    stage.pass_time(2 * 86400)
    stage.look(A)

    assert stage.asked == [("A", 2880 - HISTORY_MINUTES)]


def test_a_history_that_fails_costs_no_other_and_is_asked_for_last_the_next_time() -> None:
    stage = Stage(A, B, C, seconds=10)
    stage.broken = [A]

    seen = stage.look(A, B, C)
    first = [name for name, _ in stage.asked]
    stage.next_minute()
    second = stage.look(A, B, C)

    assert first == ["A", "B"]
    assert (list(seen.features), seen.warming) == ([B], (A, C))
    assert [name for name, _ in stage.asked] == ["B", "C"]
    assert (list(second.features), second.warming) == ([B, C], (A,))


def test_a_few_that_never_answer_do_not_use_up_the_time_of_the_others() -> None:
    stage = Stage(A, B, C, D, seconds=10)
    stage.broken = [A, B, C]
    for _ in range(3):
        try:
            seen = stage.look(A, B, C, D)
        except MarketDataUnavailable:
            seen = None
        stage.next_minute()

    assert seen is not None
    assert list(seen.features) == [D]


def test_a_history_that_answers_again_takes_its_place_again() -> None:
    stage = Stage(A, B)
    stage.broken = [A]
    stage.look(A, B)
    stage.broken = []
    stage.next_minute()

    assert list(stage.look(A, B).features) == [A, B]


def test_when_nothing_can_be_read_the_data_are_unavailable_whether_new_or_known() -> None:
    stage = Stage(A, B)
    stage.broken = [A, B]
    with pytest.raises(MarketDataUnavailable):
        stage.look(A, B)

    stage.broken = []
    stage.look(A, B)
    stage.broken = [A, B]
    stage.next_minute()
    with pytest.raises(MarketDataUnavailable):
        stage.look(A, B, C)
    assert [name for name, _ in stage.asked] == ["AB"]


def test_a_product_that_left_is_forgotten() -> None:
    stage = Stage(A, B)
    stage.look(A, B)
    stage.look(A)

    stage.look(A, B)

    assert stage.asked == [("A", 0), ("B", -HISTORY_MINUTES)]


def test_a_look_at_nothing_sees_nothing() -> None:
    stage = Stage()

    seen = stage.look()

    assert (seen.features, seen.stale, seen.warming, stage.asked) == ({}, (), (), [])
