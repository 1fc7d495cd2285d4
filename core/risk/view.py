"""Everything that risk may look at, gathered once per decision and again before each order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.model.guards import TradingState
from core.model.ledger import Ledger
from core.model.market import Product, ProductId, Quote
from core.model.money import plain, round_even
from core.model.orders import FeeRates
from core.model.signals import Regime, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskView:
    """
    The facts, each unknown as None or absent, never as a default (L8).

    `equity` is marked at the bid. `quotes` and `products` hold the eligible products and the ones we own; `tiers` only
    the eligible ones. `max_spread_fraction` is each tier's ceiling. `themes` are base assets by theme. `stale` are the
    products whose candles are too old. `candle_closes` are the closes of the last closed candles, only of products
    whose candles are fresh: the second source that a price must agree with.
    """

    now: datetime
    trading_state: TradingState
    kill_switch_on: bool
    regime: Regime | None
    ledger: Ledger
    equity: Decimal | None
    quotes: Mapping[ProductId, Quote]
    products: Mapping[ProductId, Product]
    tiers: Mapping[ProductId, Tier]
    max_spread_fraction: Mapping[Tier, Decimal]
    themes: Mapping[str, tuple[str, ...]]
    fees: FeeRates | None
    stale: Collection[ProductId]
    candle_closes: Mapping[ProductId, float]


def worst_fee_fraction(fees: FeeRates | None) -> Decimal | None:
    """Return the higher of the two fee rates; None when they are unknown or unusable."""
    if fees is None or not (fees.maker_fraction.is_finite() and fees.taker_fraction.is_finite()):
        return None
    worst = max(fees.maker_fraction, fees.taker_fraction)
    return worst if 0 <= worst < 1 else None


def shown(amount: Decimal | None) -> str:
    """Print an observed amount for the record, at most eight places."""
    if amount is None or not amount.is_finite():
        return "unknown"
    return plain(round_even(amount))
