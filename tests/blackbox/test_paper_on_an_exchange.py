"""PAPER on the public market of an exchange in another process: what it asks there, and what `auto` chooses."""

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import ExitCode
from tests.blackbox.bot import Bot, stopped, wait_until
from tests.blackbox.conftest import Opened
from tests.blackbox.exchange import NOWHERE, Exchange, start_again
from tests.config_files import shipped_documents, write_config
from tests.profiles import QUIET

PAPER = ("--paper", "--interval", "1")
PUBLIC_ENDPOINTS = {"time", "products", "product_book", "candles", "ticker"}
ORDER_ENDPOINTS = {"orders", "orders/preview", "orders/batch_cancel"}
NO_KEY: Mapping[str, object] = {"app.exchange.key_file": ""}
START_SECONDS_MAX = 10.0
"""A promise to the operator is a few seconds; a busy machine must not fail the test."""


def test_without_a_key_it_asks_for_public_data_only_and_trades_its_own_money(bot: Bot, exchange: Exchange) -> None:
    bot.config_dir = exchange.config(bot.folder / "config", NO_KEY)

    done = bot.run([*PAPER, "--cycles", "3"])

    assert done.code == 0, done.text
    assert f"Venue: loopback (an exchange on this machine, {exchange.url}, public data without a key" in done.output
    assert "Account: paper-every-1s: 10000 USD" in done.output
    state = exchange.state()
    assert state["signed_requests"] == 0
    assert set(state["requests"]) <= PUBLIC_ENDPOINTS
    assert state["orders"] == []
    assert {line["venue"] for line in bot.lines()} == {"loopback"}
    fills = [record["fill"] for record in bot.journal() if record["kind"] == "FILL"]
    assert {fill["product_id"] for fill in fills} == {"ETH-USD", "SOL-USD"}
    for fill in fills:
        _lies_in_the_exchanges_book(exchange, fill["product_id"], Decimal(fill["price"]))
    guards = [record["order"] for record in bot.journal() if record["kind"] == "INTENT"]
    assert [order["purpose"] for order in guards].count("protection") == 2  # as LIVE does


def test_with_a_key_it_reads_the_accounts_fees_and_still_no_order_can_leave(bot: Bot, exchange: Exchange) -> None:
    bot.config_dir = exchange.config(bot.folder / "config")  # read_only is false: for PAPER that changes nothing

    done = bot.run([*PAPER, "--cycles", "3"])

    assert done.code == 0, done.text
    assert "read with a key; fees of the account's tier" in done.output
    state = exchange.state()
    assert state["requests"]["transaction_summary"] >= 1
    assert state["signed_requests"] > 0
    assert not ORDER_ENDPOINTS & set(state["requests"])
    assert state["orders"] == []
    assert state["balances"] == {"USD": {"available": "10000", "hold": "0"}}
    fills = [record["fill"] for record in bot.journal() if record["kind"] == "FILL"]
    assert fills
    assert {_fee_share(fill) for fill in fills} == {Decimal("0.0003")}  # the exchange's taker fee


@pytest.mark.parametrize("flags", [PAPER, ["--dry-run", "--market", "auto"]])
def test_a_key_that_may_withdraw_is_not_even_read_with(bot: Bot, open_exchange: Opened, flags: Sequence[str]) -> None:
    bot.config_dir = open_exchange("--can-transfer").config(bot.folder / "config")

    done = bot.run(flags)

    assert done.code == ExitCode.REFUSED, done.text
    assert "may move money out" in done.errors
    assert done.errors.count("\n") == 1
    assert not bot.data.exists()


def test_a_key_that_may_only_view_is_enough_to_read_with(bot: Bot, open_exchange: Opened) -> None:
    bot.config_dir = open_exchange("--view-only").config(bot.folder / "config")

    done = bot.run(PAPER)

    assert done.code == 0, done.text
    assert "read with a key; fees of the account's tier" in done.output


def test_auto_uses_an_exchange_that_answers_and_stays_with_it_when_it_ends(bot: Bot, exchange: Exchange) -> None:
    bot.config_dir = exchange.config(bot.folder / "config", {**NO_KEY, "app.exchange.market": "auto"})
    process = bot.start_and_wait([*PAPER, "--loop"])

    exchange.kill()
    wait_until(lambda: "ALERT type=api_errors severity=WARNING" in bot.log(), process)
    start_again(exchange)
    wait_until(lambda: "ALERT type=api_errors severity=INFO" in bot.log(), process)
    done = stopped(process)

    assert done.code == 0, done.text
    assert "Venue: loopback (" in done.output
    assert {line["venue"] for line in bot.lines()} == {"loopback"}
    assert any("api_errors" in line["breakers"] for line in bot.lines())


def test_auto_without_an_exchange_runs_on_the_embedded_one_and_says_so_everywhere(bot: Bot) -> None:
    process = bot.start([*PAPER, "--loop"])
    assert wait_until(lambda: bot.count_lines() >= 1, process) < START_SECONDS_MAX

    done = stopped(process)

    assert done.code == 0, done.text
    assert f"Venue: simulated (auto: {NOWHERE} does not answer" in done.output
    assert "check the connection" not in done.output  # nothing is asked of the user
    assert "embedded simulated Coinbase, seed 7; invented prices, no evidence for real ones)" in done.output
    assert {line["venue"] for line in bot.lines()} == {"simulated"}
    assert [record["venue"] for record in bot.journal() if record["kind"] == "RUN"] == ["simulated"]


def test_auto_does_not_go_over_to_an_exchange_that_comes_up_later(bot: Bot, exchange: Exchange) -> None:
    bot.config_dir = exchange.config(bot.folder / "config", {**QUIET, **NO_KEY, "app.exchange.market": "auto"})
    exchange.kill()
    process = bot.start_and_wait([*PAPER, "--loop"])

    start_again(exchange)
    seen = bot.count_lines()
    wait_until(lambda: bot.count_lines() >= seen + 3, process)
    stopped(process)

    assert {line["venue"] for line in bot.lines()} == {"simulated"}
    assert exchange.state()["requests"] == {}


def test_the_state_of_the_embedded_market_is_not_continued_on_an_exchange(bot: Bot, exchange: Exchange) -> None:
    assert bot.run(PAPER).code == 0
    bot.config_dir = exchange.config(bot.folder / "config", {**NO_KEY, "app.exchange.market": "auto"})

    done = bot.run(PAPER)

    assert done.code == ExitCode.REFUSED
    assert "venue simulated" in done.errors
    assert "venue loopback" in done.errors
    assert done.errors.count("\n") == 1


@pytest.mark.parametrize("flags", [["--market", "coinbase"], []], ids=["by flag", "by app.yaml"])
def test_coinbase_that_was_asked_for_and_does_not_answer_is_one_line_and_69(
    bot: Bot, tmp_path: Path, flags: list[str]
) -> None:
    market = {} if flags else {"app.exchange.market": "coinbase"}
    changes = {**QUIET, "app.exchange.api_url": NOWHERE, **market}
    bot.config_dir = write_config(tmp_path / "config", shipped_documents(changes))
    began = time.monotonic()

    done = bot.run([*PAPER, "--loop", *flags])

    assert time.monotonic() - began < START_SECONDS_MAX
    assert done.code == ExitCode.VENUE_UNAVAILABLE
    assert done.errors.startswith(f"❌ {NOWHERE} does not answer")
    assert "--market simulated" in done.errors
    assert done.errors.count("\n") == 1
    assert not bot.data.exists()


def test_coinbase_in_virtual_time_is_refused(bot: Bot) -> None:
    done = bot.run([*PAPER, "--market", "coinbase", "--speed", "max"])

    assert done.code == ExitCode.CONFIG
    assert "no virtual time" in done.errors
    assert done.errors.count("\n") == 1


def _lies_in_the_exchanges_book(exchange: Exchange, product_id: str, price: Decimal) -> None:
    """The market moves a hundredth of a percent a minute: a fill of seconds ago is near the present asks."""
    book = exchange.get(f"/api/v3/brokerage/market/product_book?product_id={product_id}&limit=5")["pricebook"]
    asks = [Decimal(level["price"]) for level in book["asks"]]
    assert abs(price / asks[0] - 1) < Decimal("0.0005")


def _fee_share(fill: dict[str, str]) -> Decimal:
    share = Decimal(fill["fee"]) / (Decimal(fill["price"]) * Decimal(fill["size"]))
    return share.quantize(Decimal("0.00001")).normalize()
