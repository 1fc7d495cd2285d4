"""A position's life on paper: bought on a trigger, sold by stop, target, trailing stop or time."""

from pathlib import Path

import pytest

from core.settings import Mode
from tests.scenarios.stage import BTC, ETH, closings, exit_reasons, fills, orders, reasons, set_stage


def test_a_flat_market_is_watched_and_nothing_is_bought(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)

    lines = stage.play(3)

    assert reasons(lines) == ["no_candidates_from_triggers"] * 3
    assert [line["universe"]["total_eligible"] for line in lines] == [4, 4, 4]
    assert fills(lines) == []


def test_a_fast_rise_is_bought_post_only_first_and_crossed_for_the_rest(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)

    lines = stage.play(4)

    bought = next(line for line in lines if line["status"] == "EXECUTED")
    assert bought["no_trade_reason"] is None
    types = [order["order_type"] for order in orders([bought])]
    assert types == ["limit_post_only"] * 3 + ["limit_ioc", "bracket"]  # three quotes, the rest crosses, and is guarded
    assert bought["execution"]["order_type"] == "limit_post_only+limit_ioc+bracket"
    assert [(fill["product"], fill["side"], fill["liquidity"]) for fill in fills([bought])] == [
        ("ETH-USD", "BUY", "TAKER")
    ]
    assert [position["product"] for position in bought["portfolio"]["positions"]] == ["ETH-USD"]


@pytest.mark.parametrize(
    ("percent", "reason"),
    [pytest.param(-4.0, "stop_loss", id="a fall"), pytest.param(6.0, "take_profit", id="a further rise")],
)
def test_a_position_is_sold_at_the_exchange_when_the_price_goes_there(
    tmp_path: Path, percent: float, reason: str
) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.market.move(ETH, percent, at_minute=5.5)

    lines = stage.play(8)

    assert closings(lines) == [("protection", reason)]
    sold = next(line for line in lines if fills([line], "SELL"))
    assert sold["slot"] == lines[6]["slot"]
    assert sold["portfolio"]["positions"] == []
    assert sold["exits"] == []  # the bot had nothing left to do


def test_a_peak_that_is_given_back_sells_by_the_trailing_stop(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"policy.exits.trailing_arms_at_pct": 2.5, "policy.exits.trailing_stop_pct": 1.5})
    stage.buy_one(ETH)
    stage.market.move(ETH, 3.5, at_minute=5.5)
    stage.market.move(ETH, -2.0, at_minute=8.5)

    lines = stage.play(11)

    assert exit_reasons(lines) == ["trailing_stop"]


def test_a_position_that_goes_nowhere_is_sold_when_its_time_is_over(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"signals.strategies.price_move.max_hold_minutes": 30})
    stage.buy_one(ETH)

    lines = stage.play(40)

    assert exit_reasons(lines) == ["max_hold"]
    bought = next(i for i, line in enumerate(lines) if fills([line], "BUY"))
    sold = next(i for i, line in enumerate(lines) if fills([line], "SELL"))
    assert sold - bought == 31  # the first cycle in which 30 minutes since the fill are over


def test_an_exit_that_finds_no_buyers_goes_on_in_the_next_cycle_and_alerts(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(5.4, lambda: stage.market.set_book(ETH, level_size="0.005"))
    stage.market.move(ETH, -4.0, at_minute=5.5)

    lines = stage.play(30)

    assert set(exit_reasons(lines)) == {"stop_loss"}
    assert len(exit_reasons(lines)) > 1
    assert stage.alerts("exit_incomplete")
    assert lines[-1]["portfolio"]["positions"] == []


def test_without_a_fresh_quote_a_position_cannot_be_judged_and_equity_is_unknown(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)
    stage.clock.at(4.5, lambda: stage.market.go_stale(ETH))

    line = stage.play(7)[-1]

    assert [(item["reason"], item["blocked_by"]) for item in line["exits"]] == [(None, "quote_missing")]
    assert (line["portfolio"]["equity"], line["pnl"]["unrealised"], line["pnl"]["daily_pct"]) == (None, None, None)
    assert stage.alerts("exit_blocked")


def test_without_the_fallback_the_rest_of_an_entry_is_given_up(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"policy.execution.taker_fallback": False})
    stage.buy_one(ETH)

    lines = stage.play(4)

    assert {order["order_type"] for order in orders(lines)} == {"limit_post_only"}
    assert {note["reason"] for line in lines for note in line["execution"]["not_sent"]} == {"taker_off"}


def test_a_dry_run_decides_and_sends_nothing(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.buy_one(ETH)

    lines = stage.play(4, Mode.DRY_RUN)

    assert "dry_run" in reasons(lines)
    assert {line["mode"] for line in lines} == {"DRY_RUN"}
    assert orders(lines) == []
    planned = next(note for line in lines for note in line["execution"]["not_sent"])
    assert (planned["product"], planned["reason"]) == ("ETH-USD", "dry_run")
    assert not [event for event in stage.journal() if event["kind"] == "INTENT"]


def test_a_falling_market_is_not_bought_by_what_goes_with_the_trend(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"signals.strategies.mean_reversion.enabled": False})
    stage.market.move(ETH, -3.0, at_minute=1.5)

    lines = stage.play(5)

    refusals = {item["reason"] for line in lines if line["proposals"] for item in line["proposals"]["not_made"]}
    assert "direction_not_tradable" in refusals
    assert orders(lines) == []


def test_the_benchmark_missing_means_no_new_risk(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    stage.clock.at(0.5, lambda: stage.market.go_stale(BTC))
    stage.buy_one(ETH, at_minute=5.5)

    lines = stage.play(9)

    assert orders(lines) == []
    assert lines[-1]["regime"] is None
