"""How busy the bot of a run is: changes to the shipped configuration, and those that are drawn on top of them."""

import random
from collections.abc import Mapping
from typing import Any

PACE: Mapping[str, Any] = {
    "universe.min_eligible_products": 1,
    "app.logging.level": "ERROR",
    "universe.refresh_interval_seconds": 600,
    "policy.execution.poll_interval_seconds": 4,
    "policy.execution.maker_ttl_seconds": 8,
    "policy.execution.max_requotes": 1,
}
"""Fewer looks at each order than shipped, and a smaller universe: more cycles and more orders in the same time."""

DENSE: Mapping[str, Any] = {
    "signals.triggers.price_move_15m_pct": 0.08,
    "signals.triggers.price_move_60m_pct": 0.15,
    "signals.triggers.volume_spike_min_move_pct": 0.05,
    "signals.triggers.momentum_min_move_pct": 0.2,
    "signals.triggers.mean_reversion_min_zscore": 1.0,
    "signals.triggers.min_score": 0.01,
    "signals.conviction.min_conviction": 0.01,
    "signals.strategies.price_move.max_hold_minutes": 7,
    "signals.strategies.momentum.max_hold_minutes": 9,
    "signals.strategies.mean_reversion.max_hold_minutes": 5,
    "policy.risk.max_trades_per_hour": 100,
    "policy.risk.max_trades_per_day": 1000,
    "policy.risk.per_symbol_trade_spacing_seconds": 60,
    "policy.risk.per_symbol_cooldown_minutes": 1,
    "policy.risk.per_symbol_cooldown_after_loss_minutes": 1,
    "policy.risk.per_symbol_cooldown_after_stop_minutes": 1,
    "policy.risk.cooldown_after_loss_trades": 20,
    "policy.risk.cooldown_minutes": 1,
}
"""Something is bought as soon as it may be, and sold minutes later: the more orders, the more answers can get lost."""

HAIL: Mapping[str, Any] = {
    **DENSE,
    "signals.strategies.price_move.max_hold_minutes": 2,
    "signals.strategies.momentum.max_hold_minutes": 3,
    "signals.strategies.mean_reversion.max_hold_minutes": 2,
    "policy.risk.max_adds_per_asset_per_day": 100,
    "policy.circuit_breakers.max_consecutive_api_errors": 100,
    "policy.circuit_breakers.max_api_errors_in_window": 1000,
    "app.loop.cycle_deadline_seconds": 20,
    "app.loop.market_data_seconds": 5,
}
"""Denser still, with little time, and a bot that trades on although half of all answers to orders are lost."""

CALMER: Mapping[str, Any] = {
    "signals.triggers.price_move_15m_pct": 0.6,
    "signals.triggers.price_move_60m_pct": 1.2,
    "signals.triggers.momentum_min_move_pct": 1.5,
    "signals.triggers.mean_reversion_min_zscore": 3.0,
    "signals.triggers.min_score": 0.1,
}

PROFILES: Mapping[str, Mapping[str, Any]] = {"dense": DENSE, "busy": {}, "calmer": CALMER, "hail": HAIL}
_WEIGHTS = {"dense": 3, "busy": 6, "calmer": 6, "hail": 1}
"""A day of many orders takes three times as long to play as another."""

_LOSS_LIMITS = ((-0.1, -7.0, 10.0), (-0.2, -7.0, 10.0), (-0.1, -0.2, 0.6), (-0.19, -0.2, 0.21))
SMALLEST_FILE = 65536


def draw_profile(draw: random.Random) -> str:
    return draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]


def draw_settings(draw: random.Random, products: int) -> dict[str, Any]:
    """Return limits that are met within a day, kinds of protection, and files that are full within an hour."""
    chosen: dict[str, Any] = {"app.state.snapshot_every_cycles": draw.choice((1, 7, 60, 60))}
    if draw.random() < 0.25:
        chosen["policy.protection.kind"] = draw.choice(("stop_limit", "bracket"))
    if draw.random() < 0.4:
        day, week, drawdown = draw.choice(_LOSS_LIMITS)
        chosen["policy.risk.daily_stop_pnl_pct"] = day
        chosen["policy.risk.weekly_stop_pnl_pct"] = week
        chosen["policy.risk.max_drawdown_pct"] = drawdown
    if draw.random() < 0.3:
        chosen["app.records.journal_max_bytes"] = SMALLEST_FILE
        chosen["app.records.audit_max_bytes"] = draw.choice((SMALLEST_FILE, 4 * SMALLEST_FILE))
    if draw.random() < 0.1:
        chosen["signals.regime.crash_60m_pct"] = draw.choice((-0.4, -0.8))
        chosen["policy.circuit_breakers.crash_recovery_seconds"] = 900
    if draw.random() < 0.15:
        chosen["universe.min_eligible_products"] = products
    return chosen
