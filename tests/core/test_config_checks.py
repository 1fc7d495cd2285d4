"""Every logical check fires one step past its limit, is silent at the limit, and says what to do."""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from core.config_checks.all_checks import ALL_CHECKS, DOCUMENT_CHECKS, check, check_documents
from core.config_checks.findings import ConfigView, Finding, FindingSeverity
from runner.adapters.configuration.settings_files import findings
from tests.config_files import Documents, shipped_documents

RISK = "policy.risk."
EXECUTION = "policy.execution."
EXITS = "policy.exits."
BREAKERS = "policy.circuit_breakers."
TRIGGERS = "signals.triggers."
MOMENTUM = "signals.strategies.momentum."
LIVE: dict[str, object] = {"app.app.mode": "LIVE", "app.exchange.read_only": False}


@dataclass(frozen=True, slots=True)
class Row:
    """A check's code, changes that make it fire, where and with which value; and the last changes that do not."""

    code: str
    past: dict[str, object]
    path: str
    limit: dict[str, object]


def one(code: str, path: str, past: object, limit: object) -> Row:
    """Build the row of a check that one changed value makes fire."""
    return Row(code, {path: past}, path, {path: limit})


PYRAMIDING: dict[str, object] = {RISK + "allow_pyramiding": True, RISK + "max_adds_per_asset_per_day": 1}

ROWS = [
    one("DEPRECATED_MAX_EXPOSURE", RISK + "max_exposure_pct", 25, None),
    one("DEPRECATED_CACHE_TTL", "universe.cache_ttl_seconds", 3600, None),
    one("MISSING_CIRCUIT_BREAKERS", "policy.circuit_breakers", None, {"max_clock_jump_seconds": 5}),
    Row(
        "CONTRADICTION_PYRAMIDING_NO_ADDS",
        {RISK + "allow_pyramiding": True, RISK + "max_adds_per_asset_per_day": 0},
        RISK + "max_adds_per_asset_per_day",
        PYRAMIDING,
    ),
    Row(
        "CONTRADICTION_PYRAMIDING_NO_ROOM",
        PYRAMIDING | {RISK + "max_position_size_pct": 3.0},
        RISK + "allow_pyramiding",
        PYRAMIDING | {RISK + "max_position_size_pct": 3.1},
    ),
    one("CONTRADICTION_ADDS_WITHOUT_PYRAMIDING", RISK + "max_adds_per_asset_per_day", 1, 0),
    one("UNSAFE_STOP_NOT_BELOW_TARGET", MOMENTUM + "stop_pct", 5.0, 4.9),
    one("UNSAFE_SIGN", RISK + "max_drawdown_pct", -0.1, 0),
    one("UNSAFE_SIGN", RISK + "daily_stop_pnl_pct", 0, -0.1),
    one("UNSAFE_SIGN", "policy.risk.max_per_theme_pct.MEME", -0.1, 0),
    one("UNSAFE_SIGN", "policy.execution.max_slippage_bps.tier_1", -1, 0),
    one("UNSAFE_POSITION_OVER_TOTAL", RISK + "max_position_size_pct", 25.1, 25.0),
    one("UNSAFE_POSITIONS_OVER_TOTAL", RISK + "max_open_positions", 6, 5),
    one("UNSAFE_DAILY_STOP_NOT_TIGHTER", RISK + "daily_stop_pnl_pct", -7.0, -6.9),
    one("UNSAFE_MIN_ORDER_OVER_MAX", RISK + "min_trade_notional_usd", 600.1, 600),
    one("UNSAFE_POSITION_MIN_OVER_MAX", RISK + "min_position_size_pct", 5.1, 5.0),
    one("UNSAFE_SPREAD_FLOOR", "universe.tiers.tier_3.max_spread_bps", 1001, 1000),
    one("UNSAFE_SLIPPAGE", EXECUTION + "max_slippage_bps.tier_2", 501, 500),
    one("UNSAFE_SLIPPAGE", "policy.exits.max_exit_slippage_bps", 501, 500),
    one("UNSAFE_SLIPPAGE", "policy.exits.exit_slippage_limit_bps", 501, 500),
    one("WARNING_HIGH_EXPOSURE", RISK + "max_total_at_risk_pct", 50.1, 50),
    one("UNSAFE_STALE_DATA", BREAKERS + "max_candle_age_seconds", 301, 300),
    one("UNSAFE_STALE_DATA", EXECUTION + "max_quote_age_seconds", 61, 60),
    one("WEEKLY_STOP_NOT_TIGHTER", RISK + "weekly_stop_pnl_pct", -10.0, -9.9),
    one("NOTIONAL_OVER_SMALLEST_POSITION", RISK + "min_trade_notional_usd", 2.1, 2.0),
    one("ORDER_CAP_BELOW_SMALLEST_POSITION", RISK + "max_order_notional_usd", 199.9, 200),
    one("PAPER_CASH_BELOW_MIN_CAPITAL", "app.paper.starting_cash_usd", 99.9, 100),
    one("DUST_OVER_NOTIONAL", RISK + "dust_threshold_usd", 2.1, 2.0),
    one("NEW_POSITIONS_OVER_OPEN", RISK + "max_new_positions_per_cycle", 6, 5),
    one("COOLDOWN_ORDER", RISK + "per_symbol_cooldown_after_loss_minutes", 29, 30),
    one("COOLDOWN_ORDER", RISK + "per_symbol_cooldown_after_stop_minutes", 59, 60),
    one("HOURLY_TRADES_OVER_DAILY", RISK + "max_trades_per_hour", 25, 24),
    one("TIER_SIZE_OVER_CAP", "policy.position_sizing.tier_2_pct", 5.1, 5.0),
    one("TIER_SIZE_BELOW_MIN", "policy.position_sizing.tier_3_pct", 1.9, 2.0),
    one("REGIME_MULTIPLIER_RANGE", "policy.regime.bull.size_multiplier", 1.1, 1),
    one("REGIME_MULTIPLIER_RANGE", "policy.regime.crash.size_multiplier", -0.1, 0),
    one("REGIME_ORDER", "policy.regime.bear.size_multiplier", 0.9, 0.8),
    one("REGIME_ORDER", "policy.regime.bear.max_open_positions", 5, 4),
    one("REGIME_CRASH_TRADES", "policy.regime.crash.size_multiplier", 0.1, 0),
    one("REGIME_CRASH_TRADES", "policy.regime.crash.max_open_positions", 1, 0),
    one("REGIME_POSITIONS_OVER_CAP", "policy.regime.bull.max_open_positions", 6, 5),
    one("REGIME_SIZE_DEAD_ZONE", "policy.regime.bear.size_multiplier", 0.39, 0.4),
    one("TARGET_BELOW_COSTS", "signals.strategies.mean_reversion.target_pct", 2.0, 2.01),
    one("STOP_INSIDE_SPREAD", MOMENTUM + "stop_pct", 0.6, 0.61),
    one("STOP_TOO_WIDE", MOMENTUM + "stop_pct", 20.1, 20),
    Row(
        "NO_STRATEGY",
        {f"signals.strategies.{name}.enabled": False for name in ("price_move", "momentum", "mean_reversion")},
        "signals.strategies.price_move.enabled",
        {f"signals.strategies.{name}.enabled": False for name in ("price_move", "momentum")},
    ),
    one("TRAILING_BELOW_ENTRY", "policy.exits.trailing_stop_pct", 2.5, 2.4),
    one("TRAILING_NEVER_ARMS", "policy.exits.trailing_arms_at_pct", 3.0, 2.9),
    one("SLIPPAGE_OVER_COLLAR", EXECUTION + "max_slippage_bps.tier_1", 101, 100),
    one("FEES_SWAPPED", EXECUTION + "maker_fee_bps", 91, 90),
    one("POLL_OVER_TTL", EXECUTION + "poll_interval_seconds", 9, 8),
    one("DEADLINE_OVER_INTERVAL", "app.loop.cycle_deadline_seconds", 60, 59),
    one("AUDIT_FILE_BELOW_A_DAY", "app.records.audit_max_bytes", 1440 * 4096 - 1, 1440 * 4096),
    one("MAKER_TTL_OVER_DEADLINE", EXECUTION + "maker_ttl_seconds", 15, 14),
    Row(
        "MAKER_TTL_OVER_DEADLINE",
        {EXECUTION + "post_trade_reconcile_wait_seconds": 5.25},
        EXECUTION + "maker_ttl_seconds",
        {EXECUTION + "post_trade_reconcile_wait_seconds": 5.24},
    ),
    Row(
        "MAKER_TTL_OVER_DEADLINE",
        {EXECUTION + "max_requotes": 5},
        EXECUTION + "maker_ttl_seconds",
        {EXECUTION + "max_requotes": 4},
    ),
    one("REQUESTS_OVER_DEADLINE", "app.loop.market_data_seconds", 45, 44),
    one("REQUESTS_OVER_DEADLINE", "app.exchange.request_timeout_seconds", 45, 44),
    one("EXIT_SLIPPAGE_ORDER", EXITS + "exit_slippage_limit_bps", 149, 150),
    one("EXIT_SLIPPAGE_STEP", EXITS + "exit_slippage_step_bps", 0, 0.1),
    Row(
        "EXIT_SLIPPAGE_STEP",
        {EXITS + "exit_slippage_step_bps": 0, EXITS + "exit_slippage_limit_bps": 151},
        EXITS + "exit_slippage_step_bps",
        {EXITS + "exit_slippage_step_bps": 0, EXITS + "exit_slippage_limit_bps": 150},
    ),
    one("STOP_LIMIT_TOO_TIGHT", "policy.protection.stop_limit_offset_bps", 149, 150),
    Row(
        "STOP_LIMIT_TOO_TIGHT",
        {"policy.protection.stop_limit_offset_bps": 1},
        "policy.protection.stop_limit_offset_bps",
        {"policy.protection.stop_limit_offset_bps": 1, "policy.protection.kind": "bracket"},
    ),
    one("STOP_LIMIT_TOO_WIDE", "policy.protection.stop_limit_offset_bps", 1751, 1750),
    one("EDGE_UNREACHABLE", "signals.strategies.mean_reversion.target_pct", 2.24, 2.25),
    Row(
        "EDGE_UNREACHABLE",
        {"signals.strategies.price_move.target_pct": 1.0},
        "signals.strategies.price_move.target_pct",
        {"signals.strategies.price_move.target_pct": 1.0, "signals.strategies.price_move.enabled": False},
    ),
    one("CLOCK_SKEW_ORDER", BREAKERS + "max_clock_skew_seconds", 31, 30),
    Row(
        "LIVE_CAPITAL_BELOW_MIN",
        LIVE | {"app.live.capital_usd": 99.9},
        "app.live.capital_usd",
        LIVE | {"app.live.capital_usd": 100},
    ),
    Row(
        "LIVE_CAPITAL_BELOW_MIN",
        LIVE | {"app.live.capital_usd": 99.9},
        "app.live.capital_usd",
        {"app.live.capital_usd": 99.9},
    ),
    Row(
        "LIVE_ON_LOOPBACK",
        LIVE | {"app.exchange.api_url": "http://127.0.0.1:8443"},
        "app.exchange.api_url",
        LIVE | {"app.exchange.api_url": "https://api.coinbase.com"},
    ),
    one("UNKNOWN_SETTLE_TOO_SHORT", EXECUTION + "unknown_settle_seconds", 127, 128),
    one("CANDLE_AGE_TOO_SHORT", BREAKERS + "max_candle_age_seconds", 119, 120),
    one("MISMATCH_ORDER", BREAKERS + "mismatch_cycles_to_reduce", 4, 3),
    Row("LIVE_READ_ONLY", LIVE | {"app.exchange.read_only": True}, "app.exchange.read_only", LIVE),
    Row("LIVE_OFF_MARKET", LIVE | {"app.exchange.market": "simulated"}, "app.exchange.market", LIVE),
    Row("LIVE_OFF_MARKET", LIVE | {"app.exchange.market": "replay:candles"}, "app.exchange.market", LIVE),
    one("THEME_UNKNOWN", RISK + "max_per_theme_pct.GAMING", 5, None),
    one("THEME_WITHOUT_CAP", "universe.themes.GAMING", ["SAND"], None),
    one("THEME_CAP_USELESS", RISK + "max_per_theme_pct.DEFI", 25.1, 25),
    one("THEME_CAP_TOO_SMALL", RISK + "max_per_theme_pct.DEFI", 1.9, 2.0),
    one("THEME_ASSET_IN_NO_TIER", "universe.themes.MEME", ["DOGE", "DOGGE"], ["DOGE"]),
    one("ASSET_IN_TWO_TIERS", "universe.tiers.tier_2.assets", ["DOGE", "BTC"], ["DOGE"]),
    one("ASSET_TIERED_AND_EXCLUDED", "universe.exclusions.assets", ["USDT", "USDC", "SOL"], ["USDT", "USDC"]),
    Row(
        "QUOTE_CURRENCY_NOT_EXCLUDED",
        {"universe.exclusions.assets": ["USDT"]},
        "universe.quote_currencies",
        {"universe.exclusions.assets": ["USDT", "USDC"]},
    ),
    one("TIER_FLOORS_ORDER", "universe.tiers.tier_2.min_volume_24h_usd", 10000001, 10000000),
    one("TIER_FLOORS_ORDER", "universe.tiers.tier_3.max_spread_bps", 34, 35),
    one("MIN_ELIGIBLE_UNREACHABLE", "universe.min_eligible_products", 61, 60),
    one("BENCHMARK_NOT_IN_TIER", "signals.regime.benchmark", "XBT", "ETH"),
    one("LOOKBACK_TOO_LONG", TRIGGERS + "breakout_lookback_minutes", 1440, 1439),
    one("LOOKBACK_TOO_LONG", TRIGGERS + "momentum_minutes", 1440, 1439),
    one("REGIME_THRESHOLDS_ORDER", "signals.regime.crash_24h_pct", -3.0, -3.1),
    one("MIN_CONVICTION_UNREACHABLE", "signals.conviction.min_conviction", 0.81, 0.8),
]


def run_all(documents: Documents) -> tuple[Finding, ...]:
    early = check_documents(documents)
    return early if any(finding.code == "MISSING_CIRCUIT_BREAKERS" for finding in early) else early + check(documents)


def fired(documents: Documents, row: Row) -> list[Finding]:
    key = row.path.partition(".")[2]
    return [finding for finding in run_all(documents) if finding.code == row.code and finding.key == key]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.code} {row.path}" for row in ROWS])
def test_a_check_names_the_key_the_value_and_the_fix_one_step_past_its_limit(row: Row) -> None:
    documents = shipped_documents(row.past)

    found = fired(documents, row)

    assert len(found) >= 1
    written = row.past.get(row.path, "")
    if isinstance(written, int | float) and not isinstance(written, bool):
        assert Decimal(found[0].value) == Decimal(str(written))
    line = found[0].text()
    assert f"{row.code} {row.path.partition('.')[0]}.yaml: {found[0].key} = {found[0].value}: " in line
    assert line.endswith(f". Fix: {found[0].fix}")
    assert len(found[0].fix) > len("set it")


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.code} {row.path}" for row in ROWS])
def test_a_check_is_silent_at_its_limit(row: Row) -> None:
    if row.code in {one.code for one in DOCUMENT_CHECKS}:
        documents = shipped_documents()
    else:
        present = {path: value for path, value in row.limit.items() if value is not None}
        documents = shipped_documents(present)

    found = fired(documents, row)

    assert found == []


def test_every_check_has_a_failing_fixture() -> None:
    assert {one.code for one in ALL_CHECKS} == {row.code for row in ROWS}


def test_the_shipped_configuration_has_no_finding_not_even_a_warning() -> None:
    assert findings(shipped_documents()) == ()


def test_the_seventeen_checks_of_the_seeds_are_all_here_once() -> None:
    seeds = sorted(one.seed for one in ALL_CHECKS if one.seed)

    assert seeds == sorted(
        [f"C{n}" for n in (1, 2, 3)] + [f"U{n}" for n in range(1, 10)] + ["D1", "D2"] + [f"M{n}" for n in (1, 2, 3)]
    )


def test_codes_are_unique() -> None:
    codes = [one.code for one in ALL_CHECKS]

    assert len(codes) == len(set(codes))


def test_high_exposure_warns_but_does_not_block() -> None:
    found = check(shipped_documents({RISK + "max_total_at_risk_pct": 80}))

    assert [(item.code, item.severity) for item in found] == [("WARNING_HIGH_EXPOSURE", FindingSeverity.WARNING)]


def test_a_check_on_a_key_that_is_not_there_fails_loudly() -> None:
    view = ConfigView(shipped_documents())

    with pytest.raises(TypeError, match=r"policy\.risk\.max_exposure_pct is not a number"):
        view.number("policy.risk.max_exposure_pct")
