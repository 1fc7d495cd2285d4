"""
One market and one seed, traded in three ways, in virtual time, by the real program on real files.

PORT: PAPER with the simulated market plugged in at the port. PUBLIC: PAPER as with `--market coinbase`, which sees that
market as Coinbase shows it to everybody, and fills its own paper account. LIVE: an account at the simulated exchange,
signed by the SDK. What each run decided and traded is read from its records.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from unittest.mock import patch

from core.settings import Mode, Settings
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.simulated_coinbase.account_keys import make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.adapters.system_clock import SystemClock
from runner.adapters.virtual_clock import VirtualClock
from runner.desk import Desk
from runner.main_loop import TradingLoop
from runner.options import RunOptions
from runner.venues import coinbase
from runner.venues.outside import Outside
from runner.venues.paper import account_name, paper_account, paper_opening, policy_fees
from runner.wiring import Configuration, open_desk
from tests.config_files import shipped_documents, write_config
from tests.profiles import BUSY

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
CASH = 10_000
NOWHERE = "http://127.0.0.1:9"
"""The address of an exchange in this process: nothing listens there."""

UNHURRIED = 1_000_000
"""Requests a second: nobody waits for a token."""

Line = dict[str, Any]


class Way(Enum):
    PORT = "PAPER at the port"
    PUBLIC = "PAPER on Coinbase's protocol"
    LIVE = "LIVE on Coinbase's protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """
    What is played. `is_timeless`: no request waits for a token, no candle has to settle, no public answer is repeated.

    Then a moment is the same moment in all three ways, and what is left of their differences is not one of time.
    """

    seed: int
    cycles: int
    products: int
    is_timeless: bool
    changes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The records of one way."""

    way: Way
    folder: Path

    def lines(self) -> list[Line]:
        """Return the audit lines."""
        return _records(self.folder / "logs" / "247trader-v2_audit.jsonl")

    def journal(self) -> list[Line]:
        """Return the journal's records."""
        return _records(self.folder / "data" / "journal.jsonl")


def play(way: Way, plan: Play, folder: Path) -> Played:
    """Play a plan in one way, in a new folder."""
    folder.mkdir()
    key = make_key(f"three ways {plan.seed}")
    key_file = folder / "key.json"
    key_file.write_text(key.key_file(), "utf-8")
    key_file.chmod(0o600)
    changes: dict[str, object] = {
        **BUSY,
        "app.simulation.products": plan.products,
        "app.simulation.seed": plan.seed,
        "app.paper.starting_cash_usd": CASH,
        "app.live.capital_usd": CASH,
        "app.exchange.api_url": NOWHERE,
        **plan.changes,
    }
    if way is Way.LIVE:
        changes |= {"app.exchange.read_only": False, "app.exchange.key_file": str(key_file)}
    options = RunOptions(
        mode=Mode.LIVE if way is Way.LIVE else Mode.PAPER,
        cycles=plan.cycles,
        config_dir=write_config(folder / "config", shipped_documents(changes)),
        data_dir=folder / "data",
        logs_dir=folder / "logs",
    )

    def open_one(
        configuration: Configuration, options: RunOptions, stop_reason: Callable[[], str | None]
    ) -> AbstractContextManager[Desk]:
        outside = _outside(way, plan, configuration.settings, options)
        return open_desk(configuration, options, stop_reason, outside)

    with contextlib.redirect_stdout(None):
        TradingLoop(options=options, open_desk=open_one).run()
    return Played(way=way, folder=folder)


def _outside(way: Way, plan: Play, settings: Settings, options: RunOptions) -> Outside:
    clock = VirtualClock(MONDAY)
    market = simulated_market(settings.app.simulation, settings.app.market_model, clock.now)
    if way is Way.PORT:
        return Outside(
            clock=clock,
            market=market,
            open_broker=paper_account(settings, market, clock),
            opening=paper_opening(settings, market),
            account=account_name("paper", settings),
            is_virtual=True,
            ends_at=None,
            note="",
        )
    exchange = open_exchange(
        market=market,
        now=clock.now,
        balances={"USD": Decimal(CASH)},
        fee_rates=policy_fees(settings),
        maker_fill_share=settings.app.market_model.maker_fill_share_fraction,
        keys=[make_key(f"three ways {plan.seed}").api_key],
        behaviour=Behaviour(public_cache=Behaviour().public_cache * (not plan.is_timeless)),
        token_now=SystemClock().now,
    )
    wire = InProcessWire(exchange, clock)
    open_way = coinbase.open_live if way is Way.LIVE else coinbase.open_public
    with patch.object(coinbase, "CANDLE_SETTLE_SECONDS", 0.0 if plan.is_timeless else coinbase.CANDLE_SETTLE_SECONDS):
        outside = open_way(_paced(settings, plan), options, {}, clock=clock, wire=wire)
    return replace(outside, is_virtual=True)


def _paced(settings: Settings, plan: Play) -> Settings:
    if not plan.is_timeless:
        return settings
    exchange = replace(
        settings.app.exchange, public_requests_per_second=UNHURRIED, private_requests_per_second=UNHURRIED
    )
    return replace(settings, app=replace(settings.app, exchange=exchange))


def _records(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# --- what a run decided and traded ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills:
    """The fills of one order, or of the orders of one slot, product and purpose, added up."""

    size: Decimal
    value: Decimal
    fees: Decimal
    pieces: int

    @property
    def price(self) -> Decimal:
        return self.value / self.size


Key = tuple[int, str, str]
"""Slot, product, purpose."""


def decisions(played: Played) -> dict[int, Line]:
    """Return what each slot saw and decided, with every amount; nothing of it depends on names of orders."""
    return {line["slot"]: _decision(line) for line in played.lines()}


def _decision(line: Line) -> Line:
    risk = line["risk"] or {"approved": [], "refused": []}
    as_they_are = (
        "status",
        "no_trade_reason",
        "regime",
        "triggers",
        "proposals",
        "breakers",
        "trading_state",
        "alerts",
    )
    exits = [{name: item[name] for name in ("reason", "blocked_by", "observed", "limit")} for item in line["exits"]]
    return {**{name: line[name] for name in as_they_are}, **risk, "exits": exits}


def gist(decision: Line) -> Line:
    """Return a decision without its amounts: what was done with which product and why."""
    return {
        "no_trade_reason": decision["no_trade_reason"],
        "triggers": [(item["product"], item["type"]) for item in (decision["triggers"] or {"top": []})["top"]],
        "proposals": [(item["product"], item["strategy"]) for item in (decision["proposals"] or {"made": []})["made"]],
        "approved": [item["product"] for item in decision["approved"]],
        "refused": [(item["product"], item["reason"]) for item in decision["refused"]],
        "exits": [item["reason"] for item in decision["exits"]],
        "trading_state": decision["trading_state"],
    }


def orders(played: Played) -> dict[int, list[Line]]:
    """Return the orders of each slot as they were meant, in the order in which they were sent."""
    found: dict[int, list[Line]] = {}
    for record in played.journal():
        if record["kind"] == "INTENT":
            names = ("product_id", "side", "purpose", "order_type", "size", "limit_price", "stop_price")
            found.setdefault(record["slot"], []).append({name: record["order"][name] for name in names})
    return found


def fills(played: Played) -> dict[Key, Fills]:
    """Return the fills by the slot of their order, product and purpose."""
    intents: dict[str, Key] = {}
    found: dict[Key, Fills] = {}
    for record in played.journal():
        if record["kind"] == "INTENT":
            order = record["order"]
            intents[order["client_order_id"]] = (record["slot"], order["product_id"], order["purpose"])
        elif record["kind"] == "FILL":
            fill = record["fill"]
            key, size = intents[fill["client_order_id"]], Decimal(fill["size"])
            before = found.get(key) or Fills(size=Decimal(0), value=Decimal(0), fees=Decimal(0), pieces=0)
            found[key] = Fills(
                size=before.size + size,
                value=before.value + size * Decimal(fill["price"]),
                fees=before.fees + Decimal(fill["fee"]),
                pieces=before.pieces + 1,
            )
    return found


def money(played: Played) -> dict[str, Decimal]:
    """Return equity, cash and PnL of the last line."""
    last = played.lines()[-1]
    return {
        "equity": Decimal(last["portfolio"]["equity"]),
        "cash": Decimal(last["portfolio"]["cash"]["USD"]),
        "realised": Decimal(last["pnl"]["realised"]),
        "unrealised": Decimal(last["pnl"]["unrealised"]),
        "fees": Decimal(last["pnl"]["fees"]),
    }
