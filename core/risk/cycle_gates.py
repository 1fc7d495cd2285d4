"""The gates that concern the whole cycle: when one is shut, nothing new is bought, and each proposal gets its code."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from core.model.guards import TradingState
from core.model.ledger import EntryMark, Ledger
from core.model.signals import Regime
from core.model.verdicts import Breach, Refusal
from core.performance import daily_fraction, drawdown_fraction, weekly_fraction
from core.risk.view import RiskView, shown, worst_fee_fraction
from core.settings import PolicySettings, RiskLimits


def cycle_breach(view: RiskView, policy: PolicySettings) -> Breach | None:
    """
    Return the first shut gate of the cycle, or None.

    Order: kill switch, trading state, then whether the numbers exist that everything below needs, capital, losses
    (day, week, drawdown), regime, pause after a losing streak. Pacing comes after these: see `pacing_breach`.
    """
    gates: tuple[Callable[[], Breach | None], ...] = (
        lambda: _switch_breach(view),
        lambda: _unusable_limit(policy),
        lambda: _capital_breach(view, policy.risk),
        lambda: _loss_breach(view, policy.risk),
        lambda: _regime_breach(view, policy),
        lambda: _streak_breach(view.ledger, policy.risk, view.now),
    )
    return next((breach for gate in gates if (breach := gate()) is not None), None)


def pacing_breach(entries: Sequence[EntryMark], planned: int, limits: RiskLimits, now: datetime) -> Breach | None:
    """
    Return the first pacing limit that one more entry would break: spacing, then per hour, then per day.

    Entries count from their INTENT, whatever became of them; `planned` are the ones already approved in this cycle. An
    entry dated after `now` (the clock went back) counts as just made.
    """
    spacing = limits.min_seconds_between_trades
    latest = max((mark.at for mark in entries), default=None)
    passed = 0 if planned else None if latest is None else int((now - latest).total_seconds())
    if passed is not None and passed < spacing:
        return Breach(reason=Refusal.TRADE_SPACING, observed=f"{passed} s", limit=f"{spacing} s")
    windows = (
        (Refusal.TRADES_PER_HOUR, timedelta(hours=1), limits.max_trades_per_hour),
        (Refusal.TRADES_PER_DAY, timedelta(days=1), limits.max_trades_per_day),
    )
    for reason, span, most in windows:
        made = planned + sum(1 for mark in entries if mark.at > now - span)
        if made >= most:
            return Breach(reason=reason, observed=str(made), limit=str(most))
    return None


def _switch_breach(view: RiskView) -> Breach | None:
    if view.kill_switch_on:
        return Breach(reason=Refusal.KILL_SWITCH, observed="on", limit="off")
    if view.trading_state is not TradingState.ARMED:
        return Breach(reason=Refusal.TRADING_STATE, observed=view.trading_state.name, limit=TradingState.ARMED.name)
    return None


def _unusable_limit(policy: PolicySettings) -> Breach | None:
    """Refuse a limit that is not a finite number: a comparison with it would mean nothing."""
    numbers: list[tuple[str, object]] = [
        (f"{section}.{limit.name}", getattr(getattr(policy, section), limit.name))
        for section in ("risk", "position_sizing", "execution")
        for limit in dataclasses.fields(getattr(policy, section))
    ]
    for name in ("max_slippage_fraction", "price_collar_fraction"):
        tiers = getattr(policy.execution, name)
        numbers += [(f"execution.{name}.{tier.name}", getattr(tiers, tier.name)) for tier in dataclasses.fields(tiers)]
    numbers += [(f"risk.max_per_theme_pct.{theme}", cap) for theme, cap in policy.risk.max_per_theme_pct.items()]
    numbers += [(f"regime.{regime.value}", rule.size_multiplier) for regime, rule in policy.regime.items()]
    for name, number in numbers:
        if isinstance(number, Decimal) and not number.is_finite():
            return Breach(reason=Refusal.LIMIT_UNUSABLE, observed=f"{name} = {number}", limit="a finite number")
    return None


def _capital_breach(view: RiskView, limits: RiskLimits) -> Breach | None:
    if worst_fee_fraction(view.fees) is None:
        return Breach(reason=Refusal.FEES_UNKNOWN, observed="unknown", limit="two fractions in 0..1")
    if view.equity is None or not view.equity.is_finite():
        return Breach(reason=Refusal.EQUITY_UNKNOWN, observed="unknown", limit="a finite amount")
    if view.equity < limits.min_capital_usd:
        return Breach(
            reason=Refusal.BELOW_MIN_CAPITAL, observed=shown(view.equity), limit=shown(limits.min_capital_usd)
        )
    return None


def _loss_breach(view: RiskView, limits: RiskLimits) -> Breach | None:
    day = daily_fraction(view.ledger, view.equity, view.now)
    week = weekly_fraction(view.ledger, view.equity, view.now)
    drawdown = drawdown_fraction(view.ledger, view.equity)
    if day is None or week is None or drawdown is None:
        observed = f"day {shown(day)}, week {shown(week)}, drawdown {shown(drawdown)}"
        return Breach(reason=Refusal.LOSS_LIMITS_UNKNOWN, observed=observed, limit="all three known")
    if day <= limits.daily_stop_pnl_fraction:
        return Breach(reason=Refusal.DAILY_STOP, observed=shown(day), limit=shown(limits.daily_stop_pnl_fraction))
    if week <= limits.weekly_stop_pnl_fraction:
        return Breach(reason=Refusal.WEEKLY_STOP, observed=shown(week), limit=shown(limits.weekly_stop_pnl_fraction))
    if drawdown >= limits.max_drawdown_fraction:
        return Breach(reason=Refusal.DRAWDOWN, observed=shown(drawdown), limit=shown(limits.max_drawdown_fraction))
    return None


def _regime_breach(view: RiskView, policy: PolicySettings) -> Breach | None:
    if view.regime is None or view.regime not in policy.regime:
        observed = "unknown" if view.regime is None else view.regime.value
        return Breach(reason=Refusal.REGIME_UNKNOWN, observed=observed, limit="a regime with a policy")
    if view.regime is Regime.CRASH:
        return Breach(reason=Refusal.REGIME_CRASH, observed=view.regime.value, limit="not crash")
    return None


def _streak_breach(ledger: Ledger, limits: RiskLimits, now: datetime) -> Breach | None:
    """Pause after a losing streak; a streak whose last loss has no time pauses for good (fail closed)."""
    if ledger.loss_streak < limits.cooldown_after_loss_trades:
        return None
    if ledger.last_loss_at is not None and now >= ledger.last_loss_at + timedelta(minutes=limits.cooldown_minutes):
        return None
    return Breach(
        reason=Refusal.LOSS_STREAK,
        observed=f"{ledger.loss_streak} losses, the last at {ledger.last_loss_at or 'an unknown time'}",
        limit=f"{limits.cooldown_after_loss_trades} losses pause {limits.cooldown_minutes} min",
    )
