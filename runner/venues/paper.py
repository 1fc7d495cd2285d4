"""Venues without a network: the seeded market and recorded candles, with a paper account at the port."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from core.errors import ConfigError, StartRefused
from core.model.market import MINUTE_SECONDS
from core.model.orders import FeeRates
from core.ports import Clock, MarketData
from core.settings import Settings, SimulationSection
from runner.adapters.markets.replay_market import open_replay
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.paper.paper_broker import PaperBroker
from runner.adapters.system_clock import SystemClock
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.market import VenueMarket
from runner.options import RunOptions
from runner.venues.outside import OpenBroker, Opening, Outside

VIRTUAL_START = datetime(2026, 1, 5, tzinfo=UTC)
"""A rehearsal of the simulated market in virtual time begins on this Monday."""

HISTORY_BEFORE_REPLAY = timedelta(hours=12)
"""
A replay begins so far into its data: before that, the volume of 24 hours says little about a product.

Until a product's window is full, a day into the data, the lines say `warming_up`.
"""


class TradableMarket(MarketData, VenueMarket, Protocol):
    """A market that the bot sees and that the paper broker trades on."""


def policy_fees(settings: Settings) -> FeeRates:
    """Return the fee rates of the configuration, for accounts that have no tier of their own."""
    execution = settings.policy.execution
    return FeeRates(maker_fraction=execution.maker_fee_fraction, taker_fraction=execution.taker_fee_fraction)


def paper_account(
    settings: Settings, market: TradableMarket, clock: Clock, fee_rates: FeeRates | None = None
) -> OpenBroker:
    """Return how to open the paper account on a market, at the configured fee rates or at those of an account."""
    rates = fee_rates or policy_fees(settings)
    share = settings.app.market_model.maker_fill_share_fraction
    return lambda ledger: PaperBroker.from_ledger(
        ledger, market=market, fee_rates=rates, maker_fill_share=share, now=clock.now
    )


def paper_opening(settings: Settings, market: MarketData) -> Callable[[], Opening]:
    """Return how to ask for a new paper account's money: in the first allowed currency that the market trades in."""

    def opening() -> Opening:
        traded = {product.product_id.quote for product in market.products()}
        allowed = settings.universe.quote_currencies
        currency = next((currency for currency in allowed if currency in traded), None)
        if currency is None:
            raise StartRefused(
                f"venue {market.venue} trades in none of {', '.join(allowed)} (universe.yaml: quote_currencies)"
            )
        return Opening(currency=currency, amount=settings.app.paper.starting_cash_usd, reason="paper starting cash")

    return opening


def account_name(name: str, settings: Settings) -> str:
    """Return the account's name; slots of another length than a minute's must not be mixed with those."""
    seconds = settings.app.loop.interval_seconds
    return name if seconds == MINUTE_SECONDS else f"{name}-every-{seconds}s"


def simulation_of(settings: Settings, options: RunOptions) -> SimulationSection:
    """Return the simulated market's settings, with the seed that was asked for."""
    section = settings.app.simulation
    return section if options.seed is None else dataclasses.replace(section, seed=options.seed)


def open_simulation(settings: Settings, options: RunOptions) -> Outside:
    """Open the seeded market, plugged in at the port."""
    section = simulation_of(settings, options)
    is_virtual = options.speed == "max"
    clock: Clock = VirtualClock(VIRTUAL_START) if is_virtual else SystemClock()
    market = simulated_market(section, settings.app.market_model, clock.now)
    return Outside(
        clock=clock,
        market=market,
        open_broker=paper_account(settings, market, clock),
        opening=paper_opening(settings, market),
        account=account_name(f"paper-seed-{section.seed}" + ("-virtual" if is_virtual else ""), settings),
        is_virtual=is_virtual,
        ends_at=None,
        note=f"embedded simulated exchange, seed {section.seed}; invented prices, no evidence for real ones",
    )


def open_recorded(settings: Settings, options: RunOptions, path: Path) -> Outside:
    """
    Open recorded candles, in virtual time unless asked otherwise.

    Raises:
        ConfigError: The files cannot be used, or are too short.
    """
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
        opening=paper_opening(settings, replay.market),
        account=account_name("paper", settings),
        is_virtual=is_virtual,
        ends_at=replay.end,
        note="recorded candles; quotes and depth are modelled (app.yaml: market_model)",
    )
