"""Small builders with good defaults: a test names only the one fact that it is about."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.ledger.fold import Ledger
from core.model.guards import TradingState
from core.model.market import Book, Candle, Level, Product, ProductId, Quote
from core.model.orders import (
    ClientOrderId,
    FeeRates,
    LotId,
    Order,
    OrderId,
    OrderKey,
    OrderStatus,
    OrderType,
    Outcome,
    Purpose,
    Side,
)
from core.model.portfolio import ExitPlan, Lot, OrderState, Period
from core.model.signals import Features, Proposal, Regime, Tier, Trigger, TriggerKind
from core.risk.view import RiskView
from core.settings import (
    BreakerLimits,
    ConvictionSettings,
    Exclusions,
    ExecutionPolicy,
    ExitPolicy,
    Hysteresis,
    PolicySettings,
    PositionSizing,
    ProtectionKind,
    ProtectionPolicy,
    RegimePolicy,
    RegimeSettings,
    RiskLimits,
    SignalSettings,
    StrategySettings,
    TierFloors,
    TierFractions,
    TriggerSettings,
    UniverseSettings,
)

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BTC = ProductId("BTC", "USD")
ETH = ProductId("ETH", "USD")


# --- settings: the shipped conservative numbers; change single ones with dataclasses.replace --------------------------


def make_policy(*, tier_1: str = "0.05", tier_2: str = "0.04", tier_3: str = "0.03") -> PolicySettings:
    sizing = PositionSizing(
        tier_1_fraction=Decimal(tier_1), tier_2_fraction=Decimal(tier_2), tier_3_fraction=Decimal(tier_3)
    )
    return PolicySettings(
        profile="conservative",
        risk=make_risk_limits(),
        position_sizing=sizing,
        regime={
            Regime.BULL: RegimePolicy(size_multiplier=Decimal("1.0"), max_open_positions=5),
            Regime.CHOP: RegimePolicy(size_multiplier=Decimal("0.8"), max_open_positions=4),
            Regime.BEAR: RegimePolicy(size_multiplier=Decimal("0.6"), max_open_positions=3),
            Regime.CRASH: RegimePolicy(size_multiplier=Decimal("0.0"), max_open_positions=0),
        },
        protection=ProtectionPolicy(kind=ProtectionKind.AUTO, stop_limit_offset_fraction=Decimal("0.03")),
        exits=ExitPolicy(
            trailing_stop_enabled=True,
            trailing_arms_at_fraction=Decimal("0.025"),
            trailing_stop_fraction=Decimal("0.015"),
            max_exit_slippage_fraction=Decimal("0.015"),
            exit_slippage_step_fraction=Decimal("0.0075"),
            exit_slippage_limit_fraction=Decimal("0.05"),
            exit_attempts_per_cycle=3,
        ),
        execution=make_execution_policy(),
        circuit_breakers=make_breaker_limits(),
    )


def make_risk_limits() -> RiskLimits:
    return RiskLimits(
        max_total_at_risk_fraction=Decimal("0.25"),
        max_position_size_fraction=Decimal("0.05"),
        min_position_size_fraction=Decimal("0.02"),
        max_open_positions=5,
        max_new_positions_per_cycle=1,
        max_per_theme_pct={"LAYER1": Decimal(15), "LAYER2": Decimal(10), "DEFI": Decimal(10), "MEME": Decimal(5)},
        min_capital_usd=Decimal(100),
        min_trade_notional_usd=Decimal(2),
        max_order_notional_usd=Decimal(600),
        max_order_depth_fraction=Decimal("0.5"),
        dust_threshold_usd=Decimal(1),
        daily_stop_pnl_fraction=Decimal("-0.03"),
        weekly_stop_pnl_fraction=Decimal("-0.07"),
        max_drawdown_fraction=Decimal("0.1"),
        max_trades_per_day=24,
        max_trades_per_hour=5,
        min_seconds_between_trades=180,
        per_symbol_trade_spacing_seconds=900,
        cooldown_after_loss_trades=3,
        cooldown_minutes=60,
        per_symbol_cooldown_minutes=30,
        per_symbol_cooldown_after_loss_minutes=60,
        per_symbol_cooldown_after_stop_minutes=120,
        allow_pyramiding=False,
        max_adds_per_asset_per_day=0,
        pyramid_cooldown_seconds=600,
    )


def make_execution_policy() -> ExecutionPolicy:
    return ExecutionPolicy(
        maker_fee_fraction=Decimal("0.005"),
        taker_fee_fraction=Decimal("0.009"),
        maker_ttl_seconds=20,
        max_requotes=2,
        min_net_edge_fraction=Decimal("0.0025"),
        poll_interval_seconds=2,
        taker_fallback=True,
        max_slippage_fraction=TierFractions(tier_1=Decimal("0.002"), tier_2=Decimal("0.004"), tier_3=Decimal("0.006")),
        price_collar_fraction=TierFractions(tier_1=Decimal("0.01"), tier_2=Decimal("0.02"), tier_3=Decimal("0.03")),
        max_quote_age_seconds=10,
        post_trade_reconcile_wait_seconds=Decimal("0.5"),
        unknown_settle_seconds=150,
    )


def make_breaker_limits() -> BreakerLimits:
    return BreakerLimits(
        max_candle_age_seconds=180,
        max_stale_share_fraction=Decimal("0.5"),
        max_consecutive_api_errors=3,
        max_api_errors_in_window=10,
        api_error_window_seconds=300,
        api_recovery_seconds=120,
        max_exceptions_in_window=2,
        exception_window_seconds=300,
        exception_recovery_seconds=600,
        crash_recovery_seconds=3600,
        mismatch_cycles_to_reduce=2,
        mismatch_cycles_to_halt=3,
        max_clock_jump_seconds=5,
        max_clock_skew_seconds=5,
    )


def make_trigger_settings(*, max_per_cycle: int = 5, min_score: float = 0.2) -> TriggerSettings:
    return TriggerSettings(
        price_move_15m_fraction=0.012,
        price_move_60m_fraction=0.022,
        volume_spike_ratio=4.0,
        volume_spike_min_move_fraction=0.005,
        breakout_min_fraction=0.001,
        breakout_lookback_minutes=720,
        momentum_minutes=240,
        momentum_min_move_fraction=0.025,
        momentum_min_up_share_fraction=0.51,
        mean_reversion_minutes=240,
        mean_reversion_min_zscore=3.0,
        min_score=min_score,
        max_per_cycle=max_per_cycle,
    )


def make_regime_settings() -> RegimeSettings:
    return RegimeSettings(
        benchmark="BTC",
        bull_24h_fraction=0.03,
        bear_24h_fraction=-0.03,
        crash_24h_fraction=-0.12,
        crash_60m_fraction=-0.05,
    )


def make_strategy_settings(
    *, enabled: bool = True, stop: str = "0.02", target: str = "0.04", max_hold_minutes: int = 240
) -> StrategySettings:
    return StrategySettings(
        enabled=enabled,
        stop_fraction=Decimal(stop),
        target_fraction=Decimal(target),
        max_hold_minutes=max_hold_minutes,
    )


def make_signal_settings(*, min_conviction: float = 0.35, disabled: Sequence[str] = ()) -> SignalSettings:
    return SignalSettings(
        triggers=make_trigger_settings(),
        regime=make_regime_settings(),
        conviction=ConvictionSettings(
            strength_weight=0.5,
            confidence_weight=0.3,
            agreement_bonus=0.1,
            tier_1_bonus=0.05,
            min_conviction=min_conviction,
        ),
        strategies={
            name: make_strategy_settings(enabled=name not in disabled)
            for name in ("price_move", "momentum", "mean_reversion")
        },
    )


def make_universe_settings(
    *, max_products: int = 60, failures_to_leave: int = 2, passes_to_return: int = 2
) -> UniverseSettings:
    return UniverseSettings(
        quote_currencies=("USD", "USDC", "USDT"),
        refresh_interval_seconds=3600,
        max_products=max_products,
        min_eligible_products=2,
        tiers={
            Tier.TIER_1: _floors(("BTC", "ETH"), volume=10_000_000, spread="0.002", depth=5_000),
            Tier.TIER_2: _floors(("DOGE", "ADA"), volume=2_000_000, spread="0.0035", depth=2_000),
            Tier.TIER_3: _floors(("SHIB", "PEPE"), volume=500_000, spread="0.006", depth=500),
        },
        depth_within_fraction=Decimal("0.005"),
        exclusions=Exclusions(assets=("USDT", "WBTC")),
        themes={"LAYER1": ("BTC", "ETH", "ADA"), "MEME": ("DOGE", "SHIB", "PEPE")},
        hysteresis=Hysteresis(passes_to_return=passes_to_return, failures_to_leave=failures_to_leave),
    )


def _floors(assets: tuple[str, ...], *, volume: int, spread: str, depth: int) -> TierFloors:
    return TierFloors(
        assets=assets,
        min_volume_24h_usd=Decimal(volume),
        max_spread_fraction=Decimal(spread),
        min_depth_usd=Decimal(depth),
    )


# --- the market -------------------------------------------------------------------------------------------------------


def make_product(
    product_id: ProductId = BTC, *, volume: str | None = "50000000", blocked_by: str = "", post_only: bool = False
) -> Product:
    """Build an open product; `blocked_by` names one of Coinbase's flags to raise, or `offline`."""
    return Product(
        product_id=product_id,
        base_increment=Decimal("0.00000001"),
        price_increment=Decimal("0.01"),
        base_min_size=Decimal("0.00000001"),
        base_max_size=Decimal(10_000),
        quote_min_size=Decimal(1),
        quote_max_size=Decimal(10_000_000),
        quote_volume_24h=None if volume is None else Decimal(volume),
        online=blocked_by != "offline",
        trading_disabled=blocked_by == "trading_disabled",
        is_disabled=blocked_by == "is_disabled",
        cancel_only=blocked_by == "cancel_only",
        auction_mode=blocked_by == "auction_mode",
        view_only=blocked_by == "view_only",
        limit_only=blocked_by == "limit_only",
        post_only=post_only,
    )


def make_book(
    product_id: ProductId = BTC, *, bid: str = "99.95", ask: str = "100.05", size: str = "1000", at: datetime = NOON
) -> Book:
    """Build a book with one level a side; an empty price leaves that side empty."""
    return Book(
        product_id=product_id,
        bids=(Level(Decimal(bid), Decimal(size)),) if bid else (),
        asks=(Level(Decimal(ask), Decimal(size)),) if ask else (),
        at=at,
    )


def make_candle(
    minute: int = 0, close: float = 100.0, *, opened: float | None = None, volume: float = 1.0, wick: float = 0.0
) -> Candle:
    """Build the candle of a minute of the epoch; `wick` is how far high and low reach beyond the body."""
    start = close if opened is None else opened
    return Candle(minute * 60, start, max(start, close) + wick, min(start, close) - wick, close, volume)


# --- signals ----------------------------------------------------------------------------------------------------------


def make_features(
    *,
    move_15m: float = 0.0,
    move_60m: float = 0.0,
    move_24h: float = 0.0,
    volume_ratio: float = 1.0,
    breakout_fraction: float = 0.0,
    momentum: float = 0.0,
    up_share: float = 0.5,
    zscore: float = 0.0,
) -> Features:
    """Describe a quiet market but for what is named."""
    return Features(
        last_start=0,
        last_close=100.0,
        move_15m=move_15m,
        move_60m=move_60m,
        move_24h=move_24h,
        volume_ratio=volume_ratio,
        breakout_fraction=breakout_fraction,
        momentum=momentum,
        up_share=up_share,
        zscore=zscore,
    )


def make_trigger(
    kind: TriggerKind = TriggerKind.PRICE_MOVE_15M,
    *,
    product_id: ProductId = BTC,
    direction: int = 1,
    strength: float = 0.8,
    confidence: float = 0.5,
) -> Trigger:
    return Trigger(
        product_id=product_id,
        kind=kind,
        direction=direction,
        strength=strength,
        confidence=confidence,
        observed=0.02 * direction,
        threshold=0.012,
    )


def make_proposal(
    product_id: ProductId = BTC,
    *,
    tier: Tier = Tier.TIER_1,
    size: str = "0.05",
    conviction: float = 0.8,
    stop: str = "0.02",
    target: str = "0.04",
    max_hold_seconds: int = 3600,
) -> Proposal:
    return Proposal(
        product_id=product_id,
        strategy="price_move",
        tier=tier,
        conviction=conviction,
        size_fraction=Decimal(size),
        stop_fraction=Decimal(stop),
        target_fraction=Decimal(target),
        max_hold_seconds=max_hold_seconds,
        triggers=(TriggerKind.PRICE_MOVE_15M,),
    )


# --- what we own, asked for and may look at ---------------------------------------------------------------------------


def make_quote(
    product_id: ProductId = BTC,
    *,
    bid: str = "100",
    ask: str = "100.02",
    size: str = "1000",
    age_seconds: float = 0,
) -> Quote:
    return Quote(
        product_id=product_id,
        bid=Decimal(bid),
        ask=Decimal(ask),
        bid_size=Decimal(size),
        ask_size=Decimal(size),
        at=NOON - timedelta(seconds=age_seconds),
    )


def make_lot(
    product_id: ProductId = BTC,
    *,
    name: str = "",
    quantity: str = "1",
    price: str = "100",
    cost: str | None = None,
    peak: str | None = None,
    age_seconds: float = 600,
    exit_reason: str | None = None,
) -> Lot:
    """Build a lot bought at `price` (`cost` adds a fee): stop 2 % below, target 4 % above, one hour at most."""
    value = Decimal(quantity) * Decimal(price)
    return Lot(
        lot_id=LotId(name or f"lot-{product_id}"),
        product_id=product_id,
        plan=ExitPlan(
            strategy="price_move",
            stop_fraction=Decimal("0.02"),
            target_fraction=Decimal("0.04"),
            max_hold_seconds=3600,
        ),
        opened_at=NOON - timedelta(seconds=age_seconds),
        quantity=Decimal(quantity),
        cost=value if cost is None else Decimal(cost),
        bought_quantity=Decimal(quantity),
        bought_value=value,
        peak_price=Decimal(peak or price),
        exit_reason=exit_reason,
    )


def make_order(
    product_id: ProductId = BTC,
    *,
    name: str = "order-1",
    lot: str = "",
    side: Side = Side.BUY,
    order_type: OrderType = OrderType.POST_ONLY,
    size: str = "1",
    price: str = "100",
    end_seconds: float = 30,
) -> Order:
    """Build an entry (BUY) or exit (SELL); a resting one ends `end_seconds` after noon."""
    return Order(
        client_order_id=ClientOrderId(name),
        product_id=product_id,
        side=side,
        order_type=order_type,
        purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
        lot_id=LotId(lot or name),
        size=Decimal(size),
        limit_price=Decimal(price),
        end_time=NOON + timedelta(seconds=end_seconds) if order_type is OrderType.POST_ONLY else None,
    )


def make_guard(
    lot: Lot,
    *,
    name: str = "guard-1",
    order_type: OrderType = OrderType.BRACKET,
    size: str = "",
    price: str = "104",
    stop: str = "98",
) -> Order:
    """Build a guard of a whole lot bought at 100: target 104 (a stop-limit names its own least price), stop 98."""
    return Order(
        client_order_id=ClientOrderId(name),
        product_id=lot.product_id,
        side=Side.SELL,
        order_type=order_type,
        purpose=Purpose.PROTECTION,
        lot_id=lot.lot_id,
        size=Decimal(size) if size else lot.quantity,
        limit_price=Decimal(price),
        stop_price=Decimal(stop),
    )


def make_cover(
    product_id: ProductId = BTC, *, name: str = "cover-1", size: str = "0.5", price: str = "100.02"
) -> Order:
    """Build a buy of coins that were sold beyond a lot."""
    return Order(
        client_order_id=ClientOrderId(name),
        product_id=product_id,
        side=Side.BUY,
        order_type=OrderType.IOC,
        purpose=Purpose.COVER,
        lot_id=LotId(name),
        size=Decimal(size),
        limit_price=Decimal(price),
    )


def make_key(client_order_id: ClientOrderId, product_id: ProductId = BTC) -> OrderKey:
    """Return where to look for an order whose exchange id nobody knows."""
    return OrderKey(client_order_id=client_order_id, order_id=None, product_id=product_id, since=NOON)


def make_order_state(
    order: Order,
    *,
    outcome: Outcome | None = Outcome.ACCEPTED,
    status: OrderStatus = OrderStatus.OPEN,
    filled: str = "0",
    slot: int = 1,
) -> OrderState:
    return OrderState(
        order=order,
        plan=None,
        reason="price_move",
        slot=slot,
        intent_at=NOON,
        outcome=outcome,
        order_id=OrderId(f"exchange-{order.client_order_id}"),
        status=status,
        filled_size=Decimal(filled),
        filled_value=Decimal(filled) * order.limit_price,
    )


def make_ledger(
    *, cash: str = "10000", lots: Sequence[Lot] = (), orders: Sequence[OrderState] = (), equity: str = "10000"
) -> Ledger:
    """Build a ledger whose day, week and high-water mark all stand at `equity`."""
    mark = Decimal(equity)
    return Ledger(
        account="paper",
        cash={"USD": Decimal(cash)},
        lots={lot.lot_id: lot for lot in lots},
        open_orders={state.order.client_order_id: state for state in orders},
        equity=mark,
        high_water_mark=mark,
        day=Period(key="2026-01-05", equity_open=mark),
        week=Period(key="2026-01-05", equity_open=mark),
    )


def make_risk_view(
    *,
    ledger: Ledger | None = None,
    equity: str | None = "10000",
    quotes: Sequence[Quote] = (),
    products: Sequence[Product] = (),
    tiers: Mapping[ProductId, Tier] | None = None,
    kill_switch_on: bool = False,
    trading_state: TradingState = TradingState.ARMED,
    regime: Regime | None = Regime.BULL,
    closes: Mapping[ProductId, float] | None = None,
) -> RiskView:
    """Build an account of 10,000 USD in a bull market, BTC and ETH eligible at 100 USD; fees are 0.5 and 0.9 %."""
    return RiskView(
        now=NOON,
        trading_state=trading_state,
        kill_switch_on=kill_switch_on,
        regime=regime,
        ledger=ledger or make_ledger(),
        equity=None if equity is None else Decimal(equity),
        quotes={quote.product_id: quote for quote in (make_quote(BTC), make_quote(ETH), *quotes)},
        products={product.product_id: product for product in (make_product(BTC), make_product(ETH), *products)},
        tiers={BTC: Tier.TIER_1, ETH: Tier.TIER_1} if tiers is None else tiers,
        max_spread_fraction={
            Tier.TIER_1: Decimal("0.002"),
            Tier.TIER_2: Decimal("0.0035"),
            Tier.TIER_3: Decimal("0.006"),
        },
        themes={"LAYER1": ("BTC", "ETH", "ADA"), "MEME": ("DOGE", "SHIB", "PEPE")},
        fees=FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=Decimal("0.009")),
        stale=(),
        candle_closes={BTC: 100.0, ETH: 100.0} if closes is None else closes,
    )
