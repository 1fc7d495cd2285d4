"""How an entry finds its price and an exit its buyers: new quotes, post-only rejections, a collar that widens."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from core.model.orders import OrderType, Purpose
from tests.builders import make_product
from tests.scenarios.stage import ETH, Line, closings, fills, orders, set_stage, with_faults

HOLD_SHORTLY = {"signals.strategies.price_move.max_hold_minutes": 5}


def _entries(lines: list[Line]) -> list[Line]:
    return [order for order in orders(lines) if order["purpose"] == "entry"]


def _exits(lines: list[Line]) -> list[Line]:
    return [order for order in orders(lines) if order["purpose"] == "exit"]


def test_a_quote_that_does_not_fill_follows_the_bid_a_bounded_number_of_times(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.market.move(ETH, 0.1, at_minute=2.1)
    stage.market.move(ETH, 0.1, at_minute=2.2)

    line = stage.play(3)[-1]

    quotes = [order for order in _entries([line]) if order["order_type"] == "limit_post_only"]
    prices = [Decimal(order["limit_price"]) for order in quotes]
    assert len(quotes) == 3  # one, and max_requotes
    assert prices == sorted(prices)
    assert len(set(prices)) == 3
    assert len({order["client_order_id"] for order in quotes}) == 3
    assert len({order["lot"] for order in quotes}) == 1
    assert len(line["portfolio"]["positions"]) == 1


@pytest.mark.parametrize(("requotes", "quotes"), [(0, 1), (1, 2)])
def test_the_number_of_new_quotes_is_the_settings(tmp_path: Path, requotes: int, quotes: int) -> None:
    stage = set_stage(tmp_path, {"policy.execution.max_requotes": requotes})
    stage.buy_one(ETH)

    lines = stage.play(3)

    assert [order["order_type"] for order in _entries(lines)] == ["limit_post_only"] * quotes + ["limit_ioc"]


def test_each_quote_is_proven_over_before_the_next_one_is_intended(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)

    lines = stage.play(3)

    names = [order["client_order_id"] for order in _entries(lines)]
    events = [
        (event["kind"], event.get("client_order_id") or event["order"]["client_order_id"])
        for event in stage.journal()
        if event["kind"] in ("INTENT", "CLOSED")
    ]
    for before, after in pairwise(names):
        assert events.index(("CLOSED", before)) < events.index(("INTENT", after))


def test_a_quote_that_is_not_proven_over_has_no_successor(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "shows_open", True))

    lines = stage.play(3)

    assert len(_entries(lines)) == 1
    assert lines[-1]["risk"]["refused"] == []  # nobody even tried


def test_what_a_quote_filled_is_taken_off_the_next_one(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"policy.execution.taker_fallback": False})
    stage.buy_one(ETH)
    stage.market.move(ETH, -0.3, at_minute=2.02)
    stage.clock.at(2.02, lambda: stage.market.set_volume(ETH, 12.0))

    line = stage.play(3)[-1]

    quotes = _entries([line])
    spent = sum(
        Decimal(fill["price"]) * Decimal(fill["size"])
        for fill in fills([line], "BUY")
        if fill["client_order_id"] == quotes[0]["client_order_id"]
    )
    wish = Decimal(quotes[0]["size"]) * Decimal(quotes[0]["limit_price"])
    second = Decimal(quotes[1]["size"]) * Decimal(quotes[1]["limit_price"])
    assert spent > 0
    assert wish - spent - Decimal("0.01") <= second <= wish - spent + Decimal("0.01")


def test_a_post_only_rejection_is_answered_by_a_new_quote_and_then_by_an_ioc(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.POST_ONLY: "INVALID_LIMIT_PRICE_POST_ONLY"}))

    line = stage.play(3)[-1]

    assert [(order["order_type"], order["outcome"]) for order in _entries([line])] == [
        ("limit_post_only", "REJECTED"),
        ("limit_post_only", "REJECTED"),
        ("limit_post_only", "REJECTED"),
        ("limit_ioc", "ACCEPTED"),
    ]
    assert fills([line], "BUY")


@pytest.mark.parametrize("code", ["INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"])
def test_one_post_only_rejection_costs_one_of_the_new_quotes(tmp_path: Path, code: str) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def reject_once() -> None:
        made[0].rejects[OrderType.POST_ONLY] = code
        made[0].rejects_left = 1

    stage.clock.at(1.6, reject_once)

    lines = stage.play(3)

    assert [order["outcome"] for order in _entries(lines)] == ["REJECTED", "ACCEPTED", "ACCEPTED", "ACCEPTED"]


def test_an_entry_that_is_rejected_for_good_is_not_sent_in_another_form(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.POST_ONLY: "GEOFENCING_RESTRICTION"}))

    lines = stage.play(3)

    assert [order["outcome"] for order in _entries(lines)] == ["REJECTED"]
    assert lines[-1]["no_trade_reason"] == "orders_refused"


def test_a_slow_exchange_leaves_no_time_for_new_quotes(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"app.loop.cycle_deadline_seconds": 30})
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "slow_seconds", 15))

    lines = stage.play(3)

    assert [order["order_type"] for order in _entries(lines)] == ["limit_post_only"] * 2
    assert lines[-1]["portfolio"]["positions"] == []


def test_an_exit_without_buyers_goes_lower_with_each_attempt_and_never_below_its_bound(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)
    stage.clock.at(7.4, lambda: stage.market.set_book(ETH, level_size="0.002"))

    lines = stage.play(14)

    attempts = _exits(lines)
    per_line = [len(_exits([line])) for line in lines]
    prices = [Decimal(order["limit_price"]) for order in attempts[:4]]
    assert max(per_line) == 3  # exit_attempts_per_cycle
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices)) == 4
    bid = Decimal("2058.97")
    assert prices[0] == pytest.approx(bid * Decimal("0.985"), abs=Decimal("0.02"))
    assert min(Decimal(order["limit_price"]) for order in attempts) >= bid * Decimal("0.95") - Decimal("0.02")
    assert stage.alerts("exit_incomplete")
    assert all(item.get("flattening") for line in lines[8:] for item in line["protection"] or [])


def test_a_rest_that_is_too_small_for_the_venue_is_said_to_be_stuck(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {**HOLD_SHORTLY, "universe.refresh_interval_seconds": 60})
    stage.buy_one(ETH)
    stage.clock.at(4.5, lambda: stage.market.set_product(replace(make_product(ETH), quote_min_size=Decimal(60))))
    stage.clock.at(7.4, lambda: stage.market.set_book(ETH, level_size="0.0175"))

    lines = stage.play(10)

    left = lines[-1]["portfolio"]["positions"][0]["quantity"]
    assert [(note["purpose"], note["reason"]) for note in lines[-1]["execution"]["not_sent"]] == [
        ("exit", "below_minimum")
    ]
    assert f"less than ETH-USD takes in an order ({left}, at least " in stage.alerts("position_stuck")[0]


def test_an_exit_that_is_not_proven_over_is_not_repeated(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    made = with_faults(stage)
    stage.buy_one(ETH)

    def lose() -> None:
        made[0].lose_answers = 1
        made[0].loses_purpose = Purpose.EXIT

    stage.clock.at(7.5, lose)

    lines = stage.play(10)

    assert [order["outcome"] for order in _exits(lines)] == ["UNKNOWN"]
    assert closings(lines) == [("exit", "max_hold")]
    assert not stage.alerts("oversold")


def test_a_market_that_is_closed_when_the_exit_is_planned_costs_no_guard(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {**HOLD_SHORTLY, "universe.refresh_interval_seconds": 60})
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(4.5, lambda: stage.market.set_product(make_product(ETH, post_only=True)))
    stage.clock.at(9.5, lambda: stage.market.set_product(make_product(ETH)))

    lines = stage.play(13)

    cancelled = len(made[0].cancelled)
    assert not _exits(lines[:10])
    assert [item["guards"] for line in lines[7:10] for item in line["protection"]] == [1, 1, 1]
    assert closings(lines) == [("exit", "max_hold")]  # once the market is open, and its rules are read again
    assert cancelled == 4  # three quotes of the entry, and the guard
