"""Which market and which clock a run uses: the outside of the program, chosen once at the start."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from core.errors import ConfigError, StartRefused
from core.model.ledger import Ledger
from core.model.market import MINUTE_SECONDS
from core.model.orders import FeeRates
from core.ports import Broker, Clock, MarketData
from core.settings import Settings
from runner.adapters.markets.replay_market import open_replay
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.paper.paper_broker import PaperBroker
from runner.adapters.paper.paper_market import PaperMarket
from runner.adapters.system_clock import SystemClock
from runner.adapters.virtual_clock import VirtualClock
from runner.options import RunOptions

VIRTUAL_START = datetime(2026, 1, 5, tzinfo=UTC)
"""A rehearsal of the simulated market in virtual time begins on this Monday."""

HISTORY_BEFORE_REPLAY = timedelta(hours=12)
"""
A replay begins so far into its data: before that, the volume of 24 hours says little about a product.

Until a product's window is full, a day into the data, the lines say `warming_up`.
"""


class TradableMarket(MarketData, PaperMarket, Protocol):
    """A market that the bot sees and that the paper broker trades on."""


OpenBroker = Callable[[Ledger], Broker]
"""Open the account at the broker; a paper account is what the ledger says it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """
    The world of one run.

    `account` tells apart what must not be mixed in one data directory; `is_virtual`: time passes only in waits;
    `ends_at`: when the data of a replay end; `note` says in words what the venue is.
    """

    clock: Clock
    market: MarketData
    open_broker: OpenBroker
    account: str
    is_virtual: bool
    ends_at: datetime | None
    note: str


def open_outside(settings: Settings, options: RunOptions) -> Outside:
    """
    Build market and clock as asked.

    Raises:
        ConfigError: The market cannot be used; the message says what to write instead.
        StartRefused: The market is not available in this version.
    """
    asked = options.market or settings.app.exchange.market
    kind, _, path = asked.partition(":")
    if kind == "replay" and path:
        return _replay(settings, options, Path(path))
    if asked in ("auto", "simulated"):
        return _simulated(settings, options, is_auto=asked == "auto")
    if asked == "coinbase":
        raise StartRefused("market coinbase: this version has no Coinbase adapter yet; use simulated or replay:PATH")
    raise ConfigError(
        f"market {asked!r} is not known; use auto, simulated or replay:PATH (--market, app.yaml: exchange)"
    )


def paper_account(settings: Settings, market: TradableMarket, clock: Clock) -> OpenBroker:
    """Return how to open the paper account on a market, at the configured fee rates."""
    execution = settings.policy.execution
    rates = FeeRates(maker_fraction=execution.maker_fee_fraction, taker_fraction=execution.taker_fee_fraction)
    share = settings.app.market_model.maker_fill_share_fraction
    return lambda ledger: PaperBroker.from_ledger(
        ledger, market=market, fee_rates=rates, maker_fill_share=share, now=clock.now
    )


def _account(name: str, settings: Settings) -> str:
    """Return the account's name; slots of another length than a minute's must not be mixed with those."""
    seconds = settings.app.loop.interval_seconds
    return name if seconds == MINUTE_SECONDS else f"{name}-every-{seconds}s"


def _simulated(settings: Settings, options: RunOptions, *, is_auto: bool) -> Outside:
    section = settings.app.simulation
    if options.seed is not None:
        section = dataclasses.replace(section, seed=options.seed)
    is_virtual = options.speed == "max"
    clock: Clock = VirtualClock(VIRTUAL_START) if is_virtual else SystemClock()
    why = "auto: this version has no Coinbase adapter yet, so " if is_auto else ""
    market = simulated_market(section, settings.app.market_model, clock.now)
    return Outside(
        clock=clock,
        market=market,
        open_broker=paper_account(settings, market, clock),
        account=_account(f"paper-seed-{section.seed}" + ("-virtual" if is_virtual else ""), settings),
        is_virtual=is_virtual,
        ends_at=None,
        note=f"{why}embedded simulated exchange, seed {section.seed}; invented prices, no evidence for real ones",
    )


def _replay(settings: Settings, options: RunOptions, path: Path) -> Outside:
    is_virtual = options.speed != "real"
    clock: VirtualClock | SystemClock = VirtualClock(VIRTUAL_START) if is_virtual else SystemClock()
    replay = open_replay(path, settings.app.market_model, clock.now)
    clock.start_at(replay.first_start + HISTORY_BEFORE_REPLAY)
    if clock.now() >= replay.end:
        raise ConfigError(
            f"{path}: its candles span less than half a day, and a whole one only warms up; use longer files"
        )
    return Outside(
        clock=clock,
        market=replay.market,
        open_broker=paper_account(settings, replay.market, clock),
        account=_account("paper", settings),
        is_virtual=is_virtual,
        ends_at=replay.end,
        note="recorded candles; quotes and depth are modelled (app.yaml: market_model)",
    )
