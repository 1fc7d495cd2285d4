"""
Configurations for tests, as changes to the shipped one: `shipped_documents(BUSY)` in tests/config_files.py.

`python -m tests.profiles FOLDER` writes the busy one, for `--config-dir FOLDER`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.config_files import shipped_documents, write_config

BUSY: Mapping[str, object] = {
    # Lower thresholds: something happens in most minutes.
    "signals.triggers.price_move_15m_pct": 0.25,
    "signals.triggers.price_move_60m_pct": 0.5,
    "signals.triggers.volume_spike_ratio": 1.5,
    "signals.triggers.volume_spike_min_move_pct": 0.1,
    "signals.triggers.breakout_lookback_minutes": 240,
    "signals.triggers.momentum_min_move_pct": 0.6,
    "signals.triggers.mean_reversion_min_zscore": 1.8,
    "signals.triggers.min_score": 0.05,
    "signals.conviction.min_conviction": 0.1,
    # Near stops and targets, short holds: positions turn over.
    "signals.strategies.price_move.stop_pct": 0.7,
    "signals.strategies.price_move.target_pct": 0.9,
    "signals.strategies.price_move.max_hold_minutes": 60,
    "signals.strategies.momentum.stop_pct": 0.7,
    "signals.strategies.momentum.target_pct": 1.1,
    "signals.strategies.momentum.max_hold_minutes": 90,
    "signals.strategies.mean_reversion.stop_pct": 0.7,
    "signals.strategies.mean_reversion.target_pct": 0.8,
    "signals.strategies.mean_reversion.max_hold_minutes": 45,
    "policy.exits.trailing_arms_at_pct": 0.6,
    "policy.exits.trailing_stop_pct": 0.3,
    # Wider caps and a faster pace: the caps are met, several positions open in one cycle.
    "policy.risk.max_new_positions_per_cycle": 3,
    "policy.risk.allow_pyramiding": True,
    "policy.risk.max_adds_per_asset_per_day": 40,
    "policy.risk.pyramid_cooldown_seconds": 60,
    "policy.risk.max_trades_per_hour": 30,
    "policy.risk.max_trades_per_day": 400,
    "policy.risk.min_seconds_between_trades": 60,
    "policy.risk.per_symbol_trade_spacing_seconds": 120,
    "policy.risk.per_symbol_cooldown_minutes": 2,
    "policy.risk.per_symbol_cooldown_after_loss_minutes": 3,
    "policy.risk.per_symbol_cooldown_after_stop_minutes": 5,
    "policy.risk.cooldown_after_loss_trades": 8,
    "policy.risk.cooldown_minutes": 10,
    # Costs that let it trade for days before the loss limits end it.
    "policy.execution.maker_fee_bps": 1,
    "policy.execution.taker_fee_bps": 3,
}

QUIET: Mapping[str, object] = {
    "app.simulation.products": 5,
    "signals.triggers.price_move_15m_pct": 100.0,
    "signals.triggers.price_move_60m_pct": 100.0,
    "signals.triggers.volume_spike_min_move_pct": 100.0,
    "signals.triggers.breakout_min_pct": 100.0,
    "signals.triggers.momentum_min_move_pct": 100.0,
    "signals.triggers.mean_reversion_min_zscore": 20.0,
}
"""Nothing is ever bought, so that in real time no resting order makes a cycle longer than its slot; a quick start."""


if __name__ == "__main__":
    write_config(Path(sys.argv[1]), shipped_documents(BUSY))
