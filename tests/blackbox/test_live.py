"""LIVE against an exchange in another process, in real time: what it says, records and leaves at the exchange."""

import signal
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from core.errors import ExitCode
from tests.blackbox.bot import Bot, Line, stopped, wait_until
from tests.blackbox.exchange import NOWHERE, Exchange, start_again
from tests.independent_checker import check

LIVE = ("--live", "--interval", "1")
NOTHING_AMISS = {"open_orders", "unknown_orders"}
CAPITAL, DEPOSITED = Decimal(2000), Decimal(10_000)


def test_banner_journal_and_every_line_say_live_on_loopback_and_the_orders_are_there(
    live_bot: Bot, exchange: Exchange
) -> None:
    done = live_bot.run([*LIVE, "--cycles", "3"])

    assert done.code == 0, done.text
    assert done.errors == ""
    assert "Mode: LIVE\n" in done.output
    assert f"Venue: loopback (an exchange on this machine, {exchange.url})" in done.output
    assert "2000 USD, 0 open positions" in done.output
    assert [(run["mode"], run["venue"]) for run in _of_kind(live_bot, "RUN")] == [("LIVE", "loopback")]
    assert [(line["mode"], line["venue"]) for line in live_bot.lines()] == [("LIVE", "loopback")] * 3
    assert {order["product_id"] for order in exchange.orders(side="BUY", status="FILLED")} == {"ETH-USD", "SOL-USD"}
    _agrees_with_the_exchange(live_bot, exchange)
    _is_guarded(live_bot, exchange)
    found = check(live_bot.audit_file, live_bot.config_dir).violations
    assert [str(one) for one in found if one.code != "timestamp"] == []  # its slots are minutes
    assert exchange.stop()[0] == 0


def test_killed_while_an_entry_rests_and_again_with_a_position_it_books_each_fill_once(
    live_bot: Bot, exchange: Exchange
) -> None:
    process = live_bot.start([*LIVE, "--loop"])
    wait_until(lambda: bool(exchange.orders(side="BUY", status="OPEN")), process)
    stopped(process, signal.SIGKILL)
    process = live_bot.start([*LIVE, "--loop"])
    wait_until(lambda: bool(exchange.orders(side="SELL", status="OPEN")), process)
    stopped(process, signal.SIGKILL)

    done = live_bot.run([*LIVE, "--cycles", "2"])

    assert done.code == 0, done.text
    runs = _of_kind(live_bot, "RUN")
    assert len(runs) == 3
    assert len({run["account"] for run in runs}) == 1
    _agrees_with_the_exchange(live_bot, exchange)
    _is_guarded(live_bot, exchange)
    slots = [line["slot"] for line in live_bot.lines()]
    assert slots == [record["slot"] for record in _of_kind(live_bot, "TICK")]
    assert live_bot.lines()[-1]["reconcile"].keys() == NOTHING_AMISS


def test_a_kill_file_while_an_entry_rests_cancels_it_at_the_exchange_and_leaves_the_guards(
    live_bot: Bot, exchange: Exchange
) -> None:
    exchange.config(live_bot.config_dir, {"policy.execution.maker_ttl_seconds": 3})
    process = live_bot.start([*LIVE, "--loop"])
    wait_until(lambda: _one_is_guarded_and_one_rests(exchange), process)
    (entry,) = exchange.orders(side="BUY", status="OPEN")

    live_bot.kill_file.touch()
    wait_until(lambda: not exchange.orders(side="BUY", status="OPEN"), process)
    at_kill = exchange.state()
    seen = live_bot.count_lines()
    wait_until(lambda: live_bot.count_lines() >= seen + 3, process)
    after = exchange.state()
    stopped(process)

    (cancelled,) = [order for order in after["orders"] if order["order_id"] == entry["order_id"]]
    assert (cancelled["status"], cancelled["filled_size"]) == ("CANCELLED", "0")
    assert after["requests"]["orders"] == at_kill["requests"]["orders"]  # no order since
    assert len(exchange.orders(side="SELL", status="OPEN")) == 1
    assert {line["no_trade_reason"] for line in live_bot.lines()[-2:]} == {"kill_switch"}
    _agrees_with_the_exchange(live_bot, exchange)


def test_cancel_all_in_the_kill_file_takes_the_guards_away_too(live_bot: Bot, exchange: Exchange) -> None:
    process = live_bot.start([*LIVE, "--loop"])
    wait_until(lambda: bool(exchange.orders(side="SELL", status="OPEN")), process)

    live_bot.kill_file.write_text("cancel-all\n")

    wait_until(lambda: not exchange.orders(status="OPEN"), process)
    assert stopped(process).code == 0


def test_an_exchange_that_hangs_costs_cycles_and_nothing_else(live_bot: Bot, exchange: Exchange) -> None:
    process = live_bot.start([*LIVE, "--loop"])
    wait_until(lambda: len(exchange.orders(side="SELL", status="OPEN")) == 2, process)

    exchange.hang()
    wait_until(lambda: "the account could not be read" in live_bot.log(), process)
    exchange.wake()
    seen = live_bot.count_lines()
    wait_until(lambda: live_bot.count_lines() >= seen + 3, process)
    done = stopped(process)

    assert done.code == 0, done.text
    reasons = [line["no_trade_reason"] for line in live_bot.lines()]
    assert "broker_unavailable" in reasons
    assert live_bot.lines()[-1]["reconcile"].keys() == NOTHING_AMISS
    _agrees_with_the_exchange(live_bot, exchange)


def test_an_exchange_that_was_away_trips_the_breaker_and_is_traded_on_when_it_is_back(
    live_bot: Bot, exchange: Exchange
) -> None:
    live_bot.kill_file.parent.mkdir()
    live_bot.kill_file.touch()  # so that nothing is held which a new exchange would not know
    process = live_bot.start_and_wait([*LIVE, "--loop"])

    exchange.kill()
    wait_until(lambda: "ALERT type=api_errors severity=WARNING" in live_bot.log(), process)
    start_again(exchange)
    live_bot.kill_file.unlink()
    wait_until(lambda: len(exchange.orders(side="SELL", status="OPEN")) == 2, process)
    done = stopped(process)

    assert done.code == 0, done.text
    assert "ALERT type=api_errors severity=INFO" in live_bot.log()  # over
    _agrees_with_the_exchange(live_bot, exchange)


def test_an_exchange_that_comes_back_without_our_coins_is_not_traded_on(live_bot: Bot, exchange: Exchange) -> None:
    process = live_bot.start([*LIVE, "--loop"])
    wait_until(lambda: len(exchange.orders(side="SELL", status="OPEN")) == 2, process)

    exchange.kill()
    start_again(exchange)
    wait_until(lambda: "ALERT type=reconcile_mismatch severity=CRITICAL" in live_bot.log(), process)
    wait_until(lambda: live_bot.lines()[-1]["trading_state"] == "HALTED", process)
    done = stopped(process)

    assert done.code == 0, done.text
    assert "lots_not_covered ETH: ledger" in live_bot.log()
    assert "Traceback" not in done.text + live_bot.log()
    assert exchange.orders() == []


def test_without_a_network_live_does_not_start_and_says_so_in_one_line(live_bot: Bot, exchange: Exchange) -> None:
    exchange.config(live_bot.config_dir, {"app.exchange.api_url": NOWHERE})

    done = live_bot.run([*LIVE, "--loop"])

    assert done.code == ExitCode.VENUE_UNAVAILABLE
    assert done.errors.startswith(f"❌ {NOWHERE} does not answer")
    assert "Connection refused" in done.errors
    assert "use --paper --market simulated" in done.errors  # with --live it would be refused
    assert done.errors.count("\n") == 1
    assert done.output == ""
    assert not live_bot.data.exists()


def _one_is_guarded_and_one_rests(exchange: Exchange) -> bool:
    orders = exchange.orders(status="OPEN")
    return sorted(order["side"] for order in orders) == ["BUY", "SELL"]


def _agrees_with_the_exchange(bot: Bot, exchange: Exchange) -> None:
    """
    Every order there is an intent of ours and there once; fills, coins and cash are the same to the last digit.

    No coin ever had two buys at a time, also when a crash had left the first one resting.
    """
    state = exchange.state()
    intents = [str(record["order"]["client_order_id"]) for record in _of_kind(bot, "INTENT")]
    theirs = [order["client_order_id"] for order in state["orders"]]
    assert _repeated(intents) == []
    assert _repeated(theirs) == []
    assert set(theirs) <= set(intents)
    fills = [record["fill"] for record in _of_kind(bot, "FILL")]
    assert _repeated([fill["fill_id"] for fill in fills]) == []
    assert len(fills) == sum(order["fill_count"] for order in state["orders"])
    portfolio = bot.lines()[-1]["portfolio"]
    held = {row["product"].partition("-")[0]: Decimal(row["quantity"]) for row in portfolio["positions"]}
    assert held == {coin: amount for coin, amount in _balances(state).items() if coin != "USD"}
    assert Decimal(portfolio["cash"]["USD"]) - CAPITAL == _balances(state)["USD"] - DEPOSITED
    assert state["book_faults"] == []
    for coin in {order["product_id"] for order in state["orders"]}:
        buys = [order for order in state["orders"] if (order["product_id"], order["side"]) == (coin, "BUY")]
        for first, second in pairwise(buys):
            assert first["closed_at"] is not None
            assert datetime.fromisoformat(first["closed_at"]) <= datetime.fromisoformat(second["created_at"])


def _is_guarded(bot: Bot, exchange: Exchange) -> None:
    """Every coin of every lot is in a resting order that sells it."""
    guards = {order["product_id"]: Decimal(order["size"]) for order in exchange.orders(side="SELL", status="OPEN")}
    positions = bot.lines()[-1]["portfolio"]["positions"]
    assert guards == {row["product"]: Decimal(row["quantity"]) for row in positions} != {}


def _balances(state: dict[str, Any]) -> dict[str, Decimal]:
    rows = state["balances"].items()
    return {currency: Decimal(row["available"]) + Decimal(row["hold"]) for currency, row in rows}


def _of_kind(bot: Bot, kind: str) -> list[Line]:
    return [record for record in bot.journal() if record["kind"] == kind]


def _repeated(keys: Sequence[str]) -> list[str]:
    return [key for key, times in Counter(keys).items() if times > 1]
