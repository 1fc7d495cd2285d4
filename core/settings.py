"""
Settings: frozen values that the stages are given, each only its part.

Fields named `x_fraction` are fed by the key `x_pct` or `x_bps` of the file, every other field by the key of its own
name (`core/settings_builder.py`). There are no defaults: a limit that is not set blocks the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from core.model.signals import Regime, Tier


class Mode(Enum):
    DRY_RUN = "DRY_RUN"
    PAPER = "PAPER"
    LIVE = "LIVE"


# --- app.yaml ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSection:
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSection:
    """
    Coinbase, or what stands in for it. `key_file` empty: the key comes from the environment.

    A skew of our clock above `max_clock_skew_seconds` refuses LIVE.
    """

    market: str
    read_only: bool
    api_url: str
    key_file: str
    request_timeout_seconds: int
    public_requests_per_second: int
    private_requests_per_second: int
    max_clock_skew_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSection:
    """What of a real account the bot may count as its own (the least of it and what is there)."""

    capital_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSection:
    interval_seconds: int
    cycle_deadline_seconds: int
    market_data_seconds: int
    min_free_disk_mb: int
    min_free_inodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingSection:
    level: str
    max_bytes: int
    backup_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsSection:
    dedupe_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsSection:
    """A file of journal or audit that has reached its size ends, and the next one begins."""

    journal_max_bytes: int
    audit_max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSection:
    snapshot_every_cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeSection:
    """How large a file of the tape gets, and how much of the tape is kept: what reaches one of the two limits goes."""

    file_max_mb: int
    keep_days: int
    keep_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSection:
    starting_cash_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSection:
    seed: int
    products: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketModel:
    """The documented stand-in for a book where there are only candles (comments in app.yaml)."""

    spread_fraction: Decimal
    depth_fraction: Decimal
    levels: int
    maker_fill_share_fraction: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    app: AppSection
    exchange: ExchangeSection
    live: LiveSection
    loop: LoopSection
    logging: LoggingSection
    alerts: AlertsSection
    records: RecordsSection
    state: StateSection
    tape: TapeSection
    paper: PaperSection
    simulation: SimulationSection
    market_model: MarketModel


# --- policy.yaml ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    max_total_at_risk_fraction: Decimal
    max_position_size_fraction: Decimal
    min_position_size_fraction: Decimal
    max_open_positions: int
    max_new_positions_per_cycle: int
    max_per_theme_pct: Mapping[str, Decimal]
    """Percent points, by theme: `max_theme_fraction` is the reader."""
    min_capital_usd: Decimal
    min_trade_notional_usd: Decimal
    max_order_notional_usd: Decimal
    max_order_depth_fraction: Decimal
    dust_threshold_usd: Decimal
    daily_stop_pnl_fraction: Decimal
    weekly_stop_pnl_fraction: Decimal
    max_drawdown_fraction: Decimal
    max_trades_per_day: int
    max_trades_per_hour: int
    min_seconds_between_trades: int
    per_symbol_trade_spacing_seconds: int
    cooldown_after_loss_trades: int
    cooldown_minutes: int
    per_symbol_cooldown_minutes: int
    per_symbol_cooldown_after_loss_minutes: int
    per_symbol_cooldown_after_stop_minutes: int
    allow_pyramiding: bool
    max_adds_per_asset_per_day: int
    pyramid_cooldown_seconds: int

    def max_theme_fraction(self, theme: str) -> Decimal | None:
        """Return the cap of a theme as a fraction of equity; None when it has none."""
        points = self.max_per_theme_pct.get(theme)
        return None if points is None else points / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSizing:
    tier_1_fraction: Decimal
    tier_2_fraction: Decimal
    tier_3_fraction: Decimal

    def of(self, tier: Tier) -> Decimal:
        return {
            Tier.TIER_1: self.tier_1_fraction,
            Tier.TIER_2: self.tier_2_fraction,
            Tier.TIER_3: self.tier_3_fraction,
        }[tier]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimePolicy:
    size_multiplier: Decimal
    max_open_positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPolicy:
    trailing_stop_enabled: bool
    trailing_arms_at_fraction: Decimal
    trailing_stop_fraction: Decimal
    max_exit_slippage_fraction: Decimal
    exit_slippage_step_fraction: Decimal
    exit_slippage_limit_fraction: Decimal
    exit_attempts_per_cycle: int


class ProtectionKind(Enum):
    """How a lot is guarded at the exchange. AUTO: a bracket where the venue takes one, else a stop-limit."""

    AUTO = "auto"
    BRACKET = "bracket"
    STOP_LIMIT = "stop_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionPolicy:
    """`stop_limit_offset_fraction`: how far below its stop price a stop-limit may sell."""

    kind: ProtectionKind
    stop_limit_offset_fraction: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFractions:
    tier_1: Decimal
    tier_2: Decimal
    tier_3: Decimal

    def of(self, tier: Tier) -> Decimal:
        return {Tier.TIER_1: self.tier_1, Tier.TIER_2: self.tier_2, Tier.TIER_3: self.tier_3}[tier]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPolicy:
    maker_fee_fraction: Decimal
    taker_fee_fraction: Decimal
    maker_ttl_seconds: int
    max_requotes: int
    min_net_edge_fraction: Decimal
    poll_interval_seconds: int
    taker_fallback: bool
    max_slippage_fraction: TierFractions
    price_collar_fraction: TierFractions
    max_quote_age_seconds: int
    post_trade_reconcile_wait_seconds: Decimal
    unknown_settle_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    max_candle_age_seconds: int
    max_stale_share_fraction: Decimal
    max_consecutive_api_errors: int
    max_api_errors_in_window: int
    api_error_window_seconds: int
    api_recovery_seconds: int
    max_exceptions_in_window: int
    exception_window_seconds: int
    exception_recovery_seconds: int
    crash_recovery_seconds: int
    mismatch_cycles_to_reduce: int
    mismatch_cycles_to_halt: int
    max_clock_jump_seconds: int
    max_clock_skew_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    profile: str
    risk: RiskLimits
    position_sizing: PositionSizing
    regime: Mapping[Regime, RegimePolicy]
    exits: ExitPolicy
    protection: ProtectionPolicy
    execution: ExecutionPolicy
    circuit_breakers: BreakerLimits


# --- signals.yaml -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSettings:
    price_move_15m_fraction: float
    price_move_60m_fraction: float
    volume_spike_ratio: float
    volume_spike_min_move_fraction: float
    breakout_min_fraction: float
    breakout_lookback_minutes: int
    momentum_minutes: int
    momentum_min_move_fraction: float
    momentum_min_up_share_fraction: float
    mean_reversion_minutes: int
    mean_reversion_min_zscore: float
    min_score: float
    max_per_cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeSettings:
    benchmark: str
    bull_24h_fraction: float
    bear_24h_fraction: float
    crash_24h_fraction: float
    crash_60m_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvictionSettings:
    strength_weight: float
    confidence_weight: float
    agreement_bonus: float
    tier_1_bonus: float
    min_conviction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    enabled: bool
    stop_fraction: Decimal
    target_fraction: Decimal
    max_hold_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    triggers: TriggerSettings
    regime: RegimeSettings
    conviction: ConvictionSettings
    strategies: Mapping[str, StrategySettings]


# --- universe.yaml ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFloors:
    assets: tuple[str, ...]
    min_volume_24h_usd: Decimal
    max_spread_fraction: Decimal
    min_depth_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hysteresis:
    passes_to_return: int
    failures_to_leave: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UniverseSettings:
    quote_currencies: tuple[str, ...]
    refresh_interval_seconds: int
    max_products: int
    min_eligible_products: int
    tiers: Mapping[Tier, TierFloors]
    depth_within_fraction: Decimal
    exclusions: Exclusions
    themes: Mapping[str, tuple[str, ...]]
    hysteresis: Hysteresis


# --- all of it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole effective configuration of a run, with its hashes (16 hex digits each)."""

    app: AppSettings
    policy: PolicySettings
    signals: SignalSettings
    universe: UniverseSettings
    config_hash: str
    app_hash: str
