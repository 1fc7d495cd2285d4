"""A market in which something happens every minute, and a configuration that trades it as often as it may."""

import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from core.model.market import Candle
from tests.blackbox.exchange import EAGER
from tests.fakes.candle_data import FIRST_DAY, write_candles

COINS = {
    "BTC": 50_000.0,
    "ETH": 2_000.0,
    "SOL": 150.0,
    "BNB": 600.0,
    "LTC": 80.0,
    "BCH": 400.0,
    "AAVE": 200.0,
    "LINK": 90.0,
    "AVAX": 110.0,
    "ZEC": 300.0,
}
"""Prices of two decimals, none so low that one of them would be a large step."""

BENCHMARK = "BTC"
DATA_MINUTES = 28 * 60
RISE_A_MINUTE = 1.0001
USD_A_MINUTE = 200_000.0

CAPITAL = 2000
DEPOSITED = 10_000
PAPER_CASH = 10_000
PRODUCT_SHARE, TOTAL_SHARE = Decimal("0.031"), Decimal("0.25")

SETTLE_SECONDS = 122
"""The least that the configuration allows: so long a lost order is in doubt."""

STRATEGIES = ("price_move", "momentum", "mean_reversion")

TRADING: Mapping[str, object] = {
    **EAGER,
    # Bought at once, held for a minute, sold, bought again; up to eight small positions.
    "policy.risk.max_open_positions": 8,
    "policy.regime.bull.max_open_positions": 8,
    "policy.regime.chop.max_open_positions": 8,
    "policy.risk.max_position_size_pct": 3.1,
    "policy.risk.min_position_size_pct": 1.0,
    "policy.risk.min_trade_notional_usd": 1.0,
    "policy.position_sizing.tier_1_pct": 3.0,
    "policy.position_sizing.tier_2_pct": 3.0,
    "policy.position_sizing.tier_3_pct": 3.0,
    "policy.risk.max_new_positions_per_cycle": 2,
    **{f"signals.strategies.{name}.max_hold_minutes": 1 for name in STRATEGIES},
    "policy.risk.max_trades_per_hour": 100,
    "policy.risk.max_trades_per_day": 1000,
    "policy.risk.per_symbol_trade_spacing_seconds": 0,
    "policy.risk.per_symbol_cooldown_minutes": 0,
    "policy.risk.per_symbol_cooldown_after_loss_minutes": 0,
    "policy.risk.per_symbol_cooldown_after_stop_minutes": 0,
    "policy.risk.cooldown_after_loss_trades": 20,
    "policy.risk.cooldown_minutes": 0,
    "policy.execution.unknown_settle_seconds": SETTLE_SECONDS,
    # What stopped it is soon over.
    "policy.circuit_breakers.api_error_window_seconds": 10,
    "policy.circuit_breakers.exception_window_seconds": 5,
    "policy.circuit_breakers.exception_recovery_seconds": 1,
    "policy.circuit_breakers.crash_recovery_seconds": 1,
    # Files change often: snapshots, rotated logs. A small disk is enough.
    "app.state.snapshot_every_cycles": 4,
    "app.logging.max_bytes": 65_536,
    "app.logging.backup_count": 20,
    "app.loop.min_free_disk_mb": 10,
    "app.live.capital_usd": CAPITAL,
}


def lively_market(folder: Path, seed: int) -> Path:
    """Write candles of coins that rise slowly and swing within their minutes: stops, targets and limits are met."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)  # noqa: S311 - prices, no secret
    for name, price in COINS.items():
        factor = 1.0 if name == BENCHMARK else RISE_A_MINUTE
        candles, close = [], price
        for minute in range(DATA_MINUTES):
            opened, close = close, price * factor ** (minute + 1) * (1 + draw.uniform(-2e-4, 2e-4))
            down, up = draw.uniform(5e-4, 15e-4), draw.uniform(5e-4, 15e-4)
            if name != BENCHMARK and draw.random() < 0.25:
                down, up = draw.choice(((0.009, up), (down, 0.012)))
            low, high = min(opened, close) * (1 - down), max(opened, close) * (1 + up)
            volume = round(USD_A_MINUTE / price + 0.123, 3)
            start = FIRST_DAY + 60 * minute
            candles.append(Candle(start, round(opened, 2), round(high, 2), round(low, 2), round(close, 2), volume))
        write_candles(folder / f"{name}-USD_1m.csv", candles)
    return folder
