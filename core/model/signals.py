"""What the market did, and what we would like to do about it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from core.model.market import ProductId


class Tier(Enum):
    """How much we trust a product's liquidity; tier 1 the most."""

    TIER_1 = "tier_1"
    TIER_2 = "tier_2"
    TIER_3 = "tier_3"


class Regime(Enum):
    """The market's weather, read from the benchmark product."""

    BULL = "bull"
    CHOP = "chop"
    BEAR = "bear"
    CRASH = "crash"


class TriggerKind(Enum):
    """What a trigger saw. The values go to the audit and are never renamed."""

    PRICE_MOVE_15M = "price_move_15m"
    PRICE_MOVE_60M = "price_move_60m"
    VOLUME_SPIKE = "volume_spike"
    BREAKOUT = "breakout"
    MOMENTUM = "momentum"
    MEAN_REVERSION = "mean_reversion"


class Features(NamedTuple):
    """
    What a product's window of closed one-minute candles says (all floats, all signed).

    Moves are fractions of the earlier close. `volume_ratio` is the recent volume rate over the
    day's. `breakout_fraction` is how far the last close stands above the highest high (positive) or
    below the lowest low (negative) of the lookback before it, else 0. `up_share` is the share of the
    momentum window's moving candles that closed higher. `zscore` is the last close against its rolling mean.
    A tuple, because one is built per product and minute.
    """

    last_start: int
    last_close: float
    move_15m: float
    move_60m: float
    move_24h: float
    volume_ratio: float
    breakout_fraction: float
    momentum: float
    up_share: float
    zscore: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """
    Something just happened to a product.

    `direction` is +1 up or -1 down; `strength` and `confidence` are in 0..1, `score` is their
    product; `observed` and `threshold` are what was compared.
    """

    product_id: ProductId
    kind: TriggerKind
    direction: int
    strength: float
    confidence: float
    observed: float
    threshold: float

    @property
    def score(self) -> float:
        return self.strength * self.confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """
    What a strategy would like to buy, before risk has spoken.

    `size_fraction` is the wanted share of equity; stop and target are fractions away from the
    entry price; the position is closed after `max_hold_seconds` at the latest.
    """

    product_id: ProductId
    strategy: str
    tier: Tier
    conviction: float
    size_fraction: Decimal
    stop_fraction: Decimal
    target_fraction: Decimal
    max_hold_seconds: int
    triggers: tuple[TriggerKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotProposed:
    """Why a triggered product led to no proposal: a machine code, what was seen, and the limit."""

    product_id: ProductId
    strategy: str
    reason: str
    observed: str
    limit: str
