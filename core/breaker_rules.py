"""
The rules of the circuit breakers: what each one demands now, None when it is, or may again be, closed.

The table in `core/breakers.py` says when each trips and recovers.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from core.model.guards import Breaker, BreakerState, TradingState
from core.model.money import plain, round_even
from core.model.signals import Regime
from core.settings import BreakerLimits, RiskLimits, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """
    What a cycle saw. None means: could not be told.

    Error counts come from the transport, call by call; `api_errors_in_window` covers `api_error_window_seconds`.
    `exception_times` are those of unexpected exceptions that ended a cycle; they reach back over the exception window
    and its recovery time at least. `stale_share_fraction` is of the eligible products. `mismatch_cycles` counts cycles
    in a row in which account and ledger disagreed, 0 when they agreed. `clock_jump_seconds` is wall clock against
    monotonic clock since the last cycle, signed. `clock_skew_seconds` is our clock minus the exchange's, signed: None
    on a venue without a clock of its own (the embedded ones keep ours), NaN when the exchange's could not be read.
    """

    api_errors_in_a_row: int
    api_errors_in_window: int
    last_api_error_at: datetime | None
    exception_times: tuple[datetime, ...]
    stale_share_fraction: Decimal | None
    eligible_products: int | None
    regime: Regime | None
    daily_fraction: Decimal | None
    weekly_fraction: Decimal | None
    drawdown_fraction: Decimal | None
    mismatch_cycles: int | None
    is_first_cycle_of_run: bool
    clock_jump_seconds: float | None
    free_disk_mb: int | None
    free_inodes: int | None
    clock_skew_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    The settings that breakers read, from three files.

    A skew above `halting_skew_seconds` is the one with which LIVE would not start.
    """

    breakers: BreakerLimits
    risk: RiskLimits
    min_eligible_products: int
    min_free_disk_mb: int
    min_free_inodes: int
    halting_skew_seconds: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(
            breakers=settings.policy.circuit_breakers,
            risk=settings.policy.risk,
            min_eligible_products=settings.universe.min_eligible_products,
            min_free_disk_mb=settings.app.loop.min_free_disk_mb,
            min_free_inodes=settings.app.loop.min_free_inodes,
            halting_skew_seconds=settings.app.exchange.max_clock_skew_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """What a rule demands now."""

    detail: str
    until: datetime | None = None
    level: TradingState = TradingState.REDUCE_ONLY


class Case(NamedTuple):
    """What a rule judges by. A plain tuple: the loop is judged in every cycle."""

    state: BreakerState
    seen: Observation
    limits: Limits
    now: datetime


Rule = Callable[[Case], Trip | None]


def _stale_data(case: Case) -> Trip | None:
    share, most = case.seen.stale_share_fraction, case.limits.breakers.max_stale_share_fraction
    if share is not None and share.is_finite() and share <= most:
        return None
    return Trip(detail=f"stale share {_shown(share)}, limit {_shown(most)}")


def _api_errors(case: Case) -> Trip | None:
    rules = case.limits.breakers
    in_a_row, in_window = case.seen.api_errors_in_a_row, case.seen.api_errors_in_window
    if case.state.tripped:
        recovery = timedelta(seconds=rules.api_recovery_seconds)
        is_quiet = case.seen.last_api_error_at is None or case.now >= case.seen.last_api_error_at + recovery
        return None if is_quiet and not _is_latched(case) else _hold(case.state)
    if in_a_row < rules.max_consecutive_api_errors and in_window < rules.max_api_errors_in_window:
        return None
    last, recovered_at = case.seen.last_api_error_at, case.state.since
    if last is not None and recovered_at is not None and last < recovered_at:
        return None
    return Trip(
        detail=f"{in_a_row} errors in a row, limit {rules.max_consecutive_api_errors}; "
        f"{in_window} in {rules.api_error_window_seconds} s, limit {rules.max_api_errors_in_window}",
        until=case.now + timedelta(seconds=rules.api_recovery_seconds),
    )


def _empty_universe(case: Case) -> Trip | None:
    count = case.seen.eligible_products
    if count is not None and count >= case.limits.min_eligible_products:
        return None
    observed = "unknown" if count is None else str(count)
    return Trip(detail=f"eligible products {observed}, limit {case.limits.min_eligible_products}")


def _daily_stop(case: Case) -> Trip | None:
    return _loss_stop(case, case.seen.daily_fraction, case.limits.risk.daily_stop_pnl_fraction, days=1)


def _weekly_stop(case: Case) -> Trip | None:
    to_monday = 7 - case.now.weekday()
    return _loss_stop(case, case.seen.weekly_fraction, case.limits.risk.weekly_stop_pnl_fraction, days=to_monday)


def _loss_stop(case: Case, fraction: Decimal | None, limit: Decimal, *, days: int) -> Trip | None:
    """Demand a stop until so many midnights (UTC) have passed."""
    if _is_latched(case) or fraction is None or not fraction.is_finite():
        return _hold(case.state)
    if fraction > limit:
        return None
    midnight = case.now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Trip(detail=f"{_shown(fraction)}, limit {_shown(limit)}", until=midnight + timedelta(days=days))


def _drawdown(case: Case) -> Trip | None:
    fraction, limit = case.seen.drawdown_fraction, case.limits.risk.max_drawdown_fraction
    if fraction is None or not fraction.is_finite():
        return _hold(case.state)
    if fraction < limit:
        return None
    return Trip(detail=f"{_shown(fraction)} below the high-water mark, limit {_shown(limit)}")


def _exception_burst(case: Case) -> Trip | None:
    rules = case.limits.breakers
    if not case.seen.exception_times and not case.state.tripped:
        return None
    recovery = timedelta(seconds=rules.exception_recovery_seconds)
    if case.state.tripped:
        is_quiet = all(case.now >= at + recovery for at in case.seen.exception_times)
        return None if is_quiet and not _is_latched(case) else _hold(case.state)
    begin = case.now - timedelta(seconds=rules.exception_window_seconds)
    recovered_at = case.state.since
    count = sum(at > begin and (recovered_at is None or at >= recovered_at) for at in case.seen.exception_times)
    if count < rules.max_exceptions_in_window:
        return None
    return Trip(
        detail=f"{count} exceptions in {rules.exception_window_seconds} s, limit {rules.max_exceptions_in_window}",
        until=case.now + recovery,
    )


def _volatility_crash(case: Case) -> Trip | None:
    if case.seen.regime is Regime.CRASH:
        return Trip(detail="regime is crash")
    if not case.state.tripped or case.seen.regime is None:
        return _hold(case.state)
    if case.state.until is None:
        until = case.now + timedelta(seconds=case.limits.breakers.crash_recovery_seconds)
        return Trip(detail=f"regime left crash for {case.seen.regime.value}, waiting", until=until)
    return _hold(case.state) if _is_latched(case) else None


def _reconcile_mismatch(case: Case) -> Trip | None:
    cycles = case.seen.mismatch_cycles
    if cycles is None:
        return _hold(case.state)
    if case.state.tripped and case.state.level is TradingState.HALTED:
        return None if cycles == 0 and case.seen.is_first_cycle_of_run else _hold(case.state)
    detail = f"account and ledger disagree for {cycles} cycles"
    if cycles >= case.limits.breakers.mismatch_cycles_to_halt:
        return Trip(detail=detail, level=TradingState.HALTED)
    if cycles >= case.limits.breakers.mismatch_cycles_to_reduce:
        return Trip(detail=detail)
    return _hold(case.state) if cycles > 0 else None


def _clock_jump(case: Case) -> Trip | None:
    jump, most = case.seen.clock_jump_seconds, case.limits.breakers.max_clock_jump_seconds
    if jump is not None and abs(jump) <= most:  # false for NaN, so that it trips
        return None
    observed = "unknown" if jump is None else f"{jump:.3f} s"
    return Trip(detail=f"wall clock jumped by {observed}, limit {most} s")


def _clock_skew(case: Case) -> Trip | None:
    """
    Judge our clock against the exchange's: ages, end times and request tokens mean nothing when they disagree.

    A clock that could not be read has failed (L17), but it does not lower a level that a known skew has set.
    """
    skew = case.seen.clock_skew_seconds
    if skew is None:
        return None
    if not math.isfinite(skew):
        return _hold(case.state) or Trip(detail="the exchange's time could not be read")
    most, halting = case.limits.breakers.max_clock_skew_seconds, case.limits.halting_skew_seconds
    detail = f"our clock is {skew:+.3f} s from the exchange's, limit {most} s"
    if abs(skew) > halting:
        return Trip(detail=detail, level=TradingState.HALTED)
    return Trip(detail=detail) if abs(skew) > most else None


def _disk_space(case: Case) -> Trip | None:
    """A full disk and one without inodes take no record alike; one of them that is not known has failed (L17)."""
    free, least = case.seen.free_disk_mb, case.limits.min_free_disk_mb
    if free is None or free < least:
        return Trip(detail=f"free disk {'unknown' if free is None else f'{free} MB'}, limit {least} MB")
    inodes, least = case.seen.free_inodes, case.limits.min_free_inodes
    if inodes is None or inodes < least:
        return Trip(detail=f"free inodes {'unknown' if inodes is None else inodes}, limit {least}")
    return None


RULES: Mapping[Breaker, Rule] = {
    Breaker.STALE_DATA: _stale_data,
    Breaker.API_ERRORS: _api_errors,
    Breaker.EMPTY_UNIVERSE: _empty_universe,
    Breaker.DAILY_STOP: _daily_stop,
    Breaker.WEEKLY_STOP: _weekly_stop,
    Breaker.DRAWDOWN: _drawdown,
    Breaker.EXCEPTION_BURST: _exception_burst,
    Breaker.VOLATILITY_CRASH: _volatility_crash,
    Breaker.RECONCILE_MISMATCH: _reconcile_mismatch,
    Breaker.CLOCK_JUMP: _clock_jump,
    Breaker.CLOCK_SKEW: _clock_skew,
    Breaker.DISK_SPACE: _disk_space,
}


def _shown(fraction: Decimal | None) -> str:
    if fraction is None or not fraction.is_finite():
        return "unknown"
    return plain(round_even(fraction, Decimal("0.000001")))


def _hold(state: BreakerState) -> Trip | None:
    """Demand what is in force: nothing new is known."""
    if not state.tripped:
        return None
    return Trip(detail=state.detail, until=state.until, level=state.level)


def _is_latched(case: Case) -> bool:
    return case.state.tripped and case.state.until is not None and case.now < case.state.until
