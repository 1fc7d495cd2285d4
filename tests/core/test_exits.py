"""What must be closed: each rule at its price and one tick before, in its priority, and what cannot be judged."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.exits import BlockedBy, ExitReview, due_exits, new_peaks
from core.model.market import Quote
from core.model.orders import LotId
from core.model.portfolio import Lot
from core.model.verdicts import ExitReason
from core.settings import PolicySettings
from tests.builders import BTC, ETH, NOON, make_lot, make_policy, make_quote

NO_TRAILING = replace(make_policy(), exits=replace(make_policy().exits, trailing_stop_enabled=False))


def at(bid: str, age_seconds: float = 0) -> Quote:
    return make_quote(BTC, bid=bid, ask="1000", age_seconds=age_seconds)


def review(lot: Lot, *quotes: Quote, policy: PolicySettings | None = None) -> ExitReview:
    return due_exits([lot], {quote.product_id: quote for quote in quotes}, NOON, policy or make_policy())


def reason(lot: Lot, *quotes: Quote, policy: PolicySettings | None = None) -> ExitReason | None:
    found = review(lot, *quotes, policy=policy)
    assert not found.blocked
    return found.due[0].reason if found.due else None


@pytest.mark.parametrize(
    ("lot", "bid", "bid_before", "expected"),
    [
        pytest.param(make_lot(), "98", "98.01", ExitReason.STOP_LOSS, id="stop"),
        pytest.param(make_lot(), "104", "103.99", ExitReason.TAKE_PROFIT, id="target"),
        # Armed at 102.5; 1.5 % below a peak of 103 is 101.455.
        pytest.param(make_lot(peak="103"), "101.455", "101.456", ExitReason.TRAILING_STOP, id="trailing"),
    ],
)
def test_a_lot_is_due_at_its_price_and_not_one_tick_before(
    lot: Lot, bid: str, bid_before: str, expected: ExitReason
) -> None:
    assert reason(lot, at(bid)) is expected
    assert reason(lot, at(bid_before)) is None


def test_the_trailing_stop_wakes_at_its_arming_gain_and_not_before() -> None:
    assert reason(make_lot(peak="102.5"), at("100")) is ExitReason.TRAILING_STOP
    assert reason(make_lot(peak="102.49"), at("100")) is None


def test_the_trailing_stop_can_be_switched_off() -> None:
    assert reason(make_lot(peak="103"), at("100"), policy=NO_TRAILING) is None


def test_a_lot_is_due_when_it_was_held_for_its_time() -> None:
    assert reason(make_lot(age_seconds=3600), at("100")) is ExitReason.MAX_HOLD
    assert reason(make_lot(age_seconds=3599.99), at("100")) is None


@pytest.mark.parametrize(
    ("lot", "bid", "expected"),
    [
        pytest.param(make_lot(peak="110", age_seconds=9999), "98", ExitReason.STOP_LOSS, id="stop before all"),
        pytest.param(
            make_lot(peak="110", age_seconds=9999), "104", ExitReason.TAKE_PROFIT, id="target before trailing"
        ),
        pytest.param(
            make_lot(peak="103", age_seconds=9999), "101", ExitReason.TRAILING_STOP, id="trailing before time"
        ),
    ],
)
def test_the_most_urgent_reason_is_given(lot: Lot, bid: str, expected: ExitReason) -> None:
    assert reason(lot, at(bid)) is expected


@pytest.mark.parametrize("begun", list(ExitReason))
def test_an_exit_that_was_begun_is_finished_whatever_the_price_does(begun: ExitReason) -> None:
    assert reason(make_lot(exit_reason=begun.value), at("100")) is begun


def test_the_price_of_adds_moves_stop_and_target() -> None:
    lot = replace(make_lot(quantity="2"), bought_value=Decimal(220))

    assert reason(lot, at("107.81")) is None
    assert reason(lot, at("107.8")) is ExitReason.STOP_LOSS


def test_the_fee_in_the_cost_moves_neither_stop_nor_target() -> None:
    assert reason(make_lot(cost="105"), at("98.01")) is None


def test_dust_cannot_be_sold_and_is_left_alone() -> None:
    assert reason(make_lot(quantity="0.02"), at("50")) is ExitReason.STOP_LOSS
    assert reason(make_lot(quantity="0.02"), at("49.99")) is None


def test_a_lot_without_a_quote_is_reported_as_not_judged() -> None:
    found = review(make_lot())

    assert found.due == ()
    assert [(blocked.reason, blocked.due) for blocked in found.blocked] == [(BlockedBy.QUOTE_MISSING, None)]


def test_an_old_quote_judges_nothing() -> None:
    assert reason(make_lot(), at("50", age_seconds=10)) is ExitReason.STOP_LOSS
    assert review(make_lot(), at("50", age_seconds=10.001)).blocked[0].reason is BlockedBy.QUOTE_STALE
    assert review(make_lot(), at("50", age_seconds=-10.001)).blocked[0].reason is BlockedBy.QUOTE_STALE


@pytest.mark.parametrize(
    ("lot", "due"),
    [
        pytest.param(make_lot(age_seconds=3600), ExitReason.MAX_HOLD, id="held too long"),
        pytest.param(make_lot(exit_reason="stop_loss"), ExitReason.STOP_LOSS, id="begun before"),
    ],
)
def test_what_is_due_without_looking_at_a_price_is_named_although_it_is_blocked(lot: Lot, due: ExitReason) -> None:
    found = review(lot)

    assert (found.due, found.blocked[0].due) == ((), due)


def test_one_lot_without_a_quote_does_not_keep_another_from_its_exit() -> None:
    found = due_exits([make_lot(ETH), make_lot(BTC)], {BTC: at("90")}, NOON, make_policy())

    assert [item.lot_id for item in found.due] == [make_lot(BTC).lot_id]
    assert [item.lot_id for item in found.blocked] == [make_lot(ETH).lot_id]


def test_an_exit_says_what_was_seen_and_the_limit() -> None:
    due = review(make_lot(), at("97.5")).due[0]

    assert (due.observed, due.limit) == ("97.5", "at most 98")


def test_only_a_fresh_higher_bid_since_the_entry_makes_a_new_peak() -> None:
    lot = make_lot(peak="103", age_seconds=5)

    def peaks(quote: Quote) -> Mapping[LotId, Decimal]:
        return new_peaks([lot], {BTC: quote}, NOON, make_policy())

    assert peaks(at("103.01")) == {lot.lot_id: Decimal("103.01")}
    assert peaks(at("103")) == {}
    assert peaks(at("110", age_seconds=5.001)) == {}
    assert peaks(at("110", age_seconds=-10.001)) == {}


def test_a_lot_without_a_quote_keeps_its_peak() -> None:
    assert new_peaks([make_lot()], {}, NOON + timedelta(hours=1), make_policy()) == {}
