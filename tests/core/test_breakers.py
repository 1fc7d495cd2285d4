"""Circuit breakers: what trips them, what they remember, and what lets them recover."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.breakers import CLOSED, Limits, Observation, blocking, judge, trading_state
from core.model.guards import Breaker, BreakerState, TradingState
from core.model.signals import Regime
from tests.builders import NOON, make_breaker_limits, make_risk_limits

LIMITS = Limits(
    breakers=make_breaker_limits(),
    risk=make_risk_limits(),
    min_eligible_products=2,
    min_free_disk_mb=200,
    min_free_inodes=1000,
    halting_skew_seconds=30,
)
CALM = Observation(
    api_errors_in_a_row=0,
    api_errors_in_window=0,
    last_api_error_at=None,
    exception_times=(),
    stale_share_fraction=Decimal(0),
    eligible_products=20,
    regime=Regime.CHOP,
    daily_fraction=Decimal(0),
    weekly_fraction=Decimal(0),
    drawdown_fraction=Decimal(0),
    mismatch_cycles=0,
    is_first_cycle_of_run=False,
    clock_jump_seconds=0.0,
    clock_skew_seconds=0.2,
    free_disk_mb=5000,
    free_inodes=100_000,
)
NAN = Decimal("NaN")
States = Mapping[Breaker, BreakerState]


def seen(**facts: object) -> Observation:
    return replace(CALM, **facts)  # type: ignore[arg-type]


def after(states: States, observation: Observation, now: datetime = NOON) -> States:
    return {**states, **{change.breaker: change.state for change in judge(states, observation, LIMITS, now)}}


def later(**span: float) -> datetime:
    return NOON + timedelta(**span)


TRIPS: list[tuple[Breaker, dict[str, object], dict[str, object]]] = [
    (Breaker.STALE_DATA, {"stale_share_fraction": Decimal("0.5")}, {"stale_share_fraction": Decimal("0.51")}),
    (Breaker.STALE_DATA, {}, {"stale_share_fraction": None}),
    (Breaker.STALE_DATA, {}, {"stale_share_fraction": NAN}),
    (Breaker.API_ERRORS, {"api_errors_in_a_row": 2}, {"api_errors_in_a_row": 3}),
    (Breaker.API_ERRORS, {"api_errors_in_window": 9}, {"api_errors_in_window": 10}),
    (Breaker.EMPTY_UNIVERSE, {"eligible_products": 2}, {"eligible_products": 1}),
    (Breaker.EMPTY_UNIVERSE, {}, {"eligible_products": None}),
    (Breaker.DAILY_STOP, {"daily_fraction": Decimal("-0.0299")}, {"daily_fraction": Decimal("-0.03")}),
    (Breaker.WEEKLY_STOP, {"weekly_fraction": Decimal("-0.0699")}, {"weekly_fraction": Decimal("-0.07")}),
    (Breaker.DRAWDOWN, {"drawdown_fraction": Decimal("0.0999")}, {"drawdown_fraction": Decimal("0.1")}),
    (
        Breaker.EXCEPTION_BURST,
        {"exception_times": (NOON - timedelta(seconds=300), NOON)},
        {"exception_times": (NOON - timedelta(seconds=299), NOON)},
    ),
    (Breaker.VOLATILITY_CRASH, {"regime": Regime.BEAR}, {"regime": Regime.CRASH}),
    (Breaker.RECONCILE_MISMATCH, {"mismatch_cycles": 1}, {"mismatch_cycles": 2}),
    (Breaker.CLOCK_JUMP, {"clock_jump_seconds": 5.0}, {"clock_jump_seconds": 5.001}),
    (Breaker.CLOCK_JUMP, {"clock_jump_seconds": -5.0}, {"clock_jump_seconds": -5.001}),
    (Breaker.CLOCK_JUMP, {}, {"clock_jump_seconds": None}),
    (Breaker.CLOCK_JUMP, {}, {"clock_jump_seconds": float("nan")}),
    (Breaker.CLOCK_SKEW, {"clock_skew_seconds": 5.0}, {"clock_skew_seconds": 5.001}),
    (Breaker.CLOCK_SKEW, {"clock_skew_seconds": -5.0}, {"clock_skew_seconds": -30.0}),
    (Breaker.CLOCK_SKEW, {"clock_skew_seconds": None}, {"clock_skew_seconds": float("nan")}),
    (Breaker.CLOCK_SKEW, {"clock_skew_seconds": None}, {"clock_skew_seconds": float("inf")}),
    (Breaker.DISK_SPACE, {"free_disk_mb": 200}, {"free_disk_mb": 199}),
    (Breaker.DISK_SPACE, {}, {"free_disk_mb": None}),
    (Breaker.DISK_SPACE, {"free_inodes": 1000}, {"free_inodes": 999}),
    (Breaker.DISK_SPACE, {}, {"free_inodes": None}),
]


@pytest.mark.parametrize(
    ("breaker", "at_limit", "past"), TRIPS, ids=[f"{row[0].value}-{index}" for index, row in enumerate(TRIPS)]
)
def test_a_breaker_holds_at_its_limit_and_trips_one_step_past_it(
    breaker: Breaker, at_limit: dict[str, object], past: dict[str, object]
) -> None:
    changes = judge({}, seen(**past), LIMITS, NOON)

    assert judge({}, seen(**at_limit), LIMITS, NOON) == ()
    assert [(change.breaker, change.state.tripped, change.at) for change in changes] == [(breaker, True, NOON)]
    assert (changes[0].state.level, changes[0].state.since) == (TradingState.REDUCE_ONLY, NOON)
    assert changes[0].state.trips == 1
    assert changes[0].state.detail


def test_every_breaker_is_tripped_by_one_of_these_cases() -> None:
    assert list(dict.fromkeys(row[0] for row in TRIPS)) == list(Breaker)


@pytest.mark.parametrize(("breaker", "_at_limit", "past"), TRIPS)
def test_a_breaker_whose_condition_lasts_is_not_reported_again(
    breaker: Breaker, _at_limit: object, past: dict[str, object]
) -> None:
    tripped = after({}, seen(**past))

    assert judge(tripped, seen(**past), LIMITS, later(seconds=60)) == ()


def test_a_calm_cycle_changes_nothing() -> None:
    assert judge({}, CALM, LIMITS, NOON) == ()


@pytest.mark.parametrize(
    "breaker",
    [Breaker.STALE_DATA, Breaker.EMPTY_UNIVERSE, Breaker.CLOCK_JUMP, Breaker.CLOCK_SKEW, Breaker.DISK_SPACE],
)
def test_a_condition_that_is_over_recovers_with_the_next_look(breaker: Breaker) -> None:
    past = next(row[2] for row in TRIPS if row[0] is breaker)

    changes = judge(after({}, seen(**past)), CALM, LIMITS, later(seconds=60))

    assert [(change.breaker, change.state.tripped, change.state.trips) for change in changes] == [(breaker, False, 1)]
    assert changes[0].state.level is TradingState.ARMED


def test_trips_are_counted_over_recoveries() -> None:
    states: States = {}
    for _ in range(3):
        states = after(after(states, seen(free_disk_mb=0)), CALM)

    assert (states[Breaker.DISK_SPACE].trips, states[Breaker.DISK_SPACE].tripped) == (3, False)


# --- errors: so long after the last one -------------------------------------------------------------------------------


def test_api_errors_recover_so_long_after_the_last_error() -> None:
    tripped = after({}, seen(api_errors_in_a_row=3, last_api_error_at=NOON))
    again = seen(last_api_error_at=later(seconds=60))

    assert judge(tripped, again, LIMITS, later(seconds=179)) == ()
    assert judge(tripped, again, LIMITS, later(seconds=180))[0].state.tripped is False


def test_errors_still_in_the_window_do_not_trip_a_recovered_breaker_but_a_new_one_does() -> None:
    old = seen(api_errors_in_window=10, last_api_error_at=NOON)
    recovered = after(after({}, old), old, later(seconds=120))

    assert recovered[Breaker.API_ERRORS].tripped is False
    assert judge(recovered, old, LIMITS, later(seconds=180)) == ()
    new = seen(api_errors_in_window=11, last_api_error_at=later(seconds=180))
    assert judge(recovered, new, LIMITS, later(seconds=180))[0].state.tripped is True


def test_a_restart_that_knows_no_errors_keeps_a_tripped_breaker_for_its_time() -> None:
    tripped = after({}, seen(api_errors_in_a_row=3, last_api_error_at=NOON))

    assert judge(tripped, CALM, LIMITS, later(seconds=119)) == ()
    assert judge(tripped, CALM, LIMITS, later(seconds=120))[0].state.tripped is False


def test_an_exception_burst_recovers_so_long_after_the_last_exception() -> None:
    tripped = after({}, seen(exception_times=(NOON, NOON)))
    another = seen(exception_times=(later(seconds=60),))

    assert judge(tripped, another, LIMITS, later(seconds=659)) == ()
    assert judge(tripped, another, LIMITS, later(seconds=660))[0].state.tripped is False


# --- losses: latched to the calendar, and to the peak -----------------------------------------------------------------


def test_the_daily_stop_stays_until_midnight_even_when_the_loss_is_made_good() -> None:
    tripped = after({}, seen(daily_fraction=Decimal("-0.05")))
    midnight = datetime(2026, 1, 6, tzinfo=UTC)

    assert tripped[Breaker.DAILY_STOP].until == midnight
    assert judge(tripped, CALM, LIMITS, midnight - timedelta(microseconds=1)) == ()
    assert judge(tripped, CALM, LIMITS, midnight)[0].state.tripped is False


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        pytest.param(NOON, datetime(2026, 1, 12, tzinfo=UTC), id="on a Monday"),
        pytest.param(datetime(2026, 1, 11, 23, 59, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC), id="on a Sunday"),
        pytest.param(datetime(2025, 12, 31, 1, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC), id="over the year's end"),
    ],
)
def test_the_weekly_stop_stays_until_the_next_iso_monday(now: datetime, monday: datetime) -> None:
    tripped = after({}, seen(weekly_fraction=Decimal("-0.08")), now)

    assert tripped[Breaker.WEEKLY_STOP].until == monday
    assert judge(tripped, CALM, LIMITS, monday - timedelta(microseconds=1)) == ()
    assert judge(tripped, CALM, LIMITS, monday)[0].state.tripped is False


@pytest.mark.parametrize("unknown", [None, NAN])
def test_unknown_equity_neither_trips_nor_lifts_a_loss_limit(unknown: Decimal | None) -> None:
    blind = seen(daily_fraction=unknown, weekly_fraction=unknown, drawdown_fraction=unknown)
    lost = seen(daily_fraction=Decimal("-0.5"), weekly_fraction=Decimal("-0.5"), drawdown_fraction=Decimal("0.5"))
    tripped = after({}, lost)

    assert judge({}, blind, LIMITS, NOON) == ()
    assert judge(tripped, blind, LIMITS, later(days=30)) == ()
    assert len(tripped) == 3


def test_the_drawdown_holds_while_its_condition_does() -> None:
    tripped = after({}, seen(drawdown_fraction=Decimal("0.12")))

    assert judge(tripped, seen(drawdown_fraction=Decimal("0.1")), LIMITS, later(days=30)) == ()
    assert judge(tripped, seen(drawdown_fraction=Decimal("0.09")), LIMITS, later(days=30))[0].state.tripped is False


def test_a_loss_that_goes_on_into_the_next_day_keeps_the_stop_without_counting_again() -> None:
    lost = seen(daily_fraction=Decimal("-0.05"))

    states = after(after({}, lost), lost, later(days=1))

    assert states[Breaker.DAILY_STOP].until == datetime(2026, 1, 7, tzinfo=UTC)
    assert (states[Breaker.DAILY_STOP].trips, states[Breaker.DAILY_STOP].since) == (1, NOON)


# --- crash, mismatch --------------------------------------------------------------------------------------------------


def test_a_crash_ends_so_long_after_the_regime_has_left_it() -> None:
    crash = after({}, seen(regime=Regime.CRASH))
    assert judge(crash, seen(regime=None), LIMITS, later(hours=9)) == ()

    waiting = after(crash, CALM, later(hours=9))
    assert waiting[Breaker.VOLATILITY_CRASH].until == later(hours=10)
    assert judge(waiting, CALM, LIMITS, later(hours=10, seconds=-1)) == ()
    assert judge(waiting, CALM, LIMITS, later(hours=10))[0].state.tripped is False


def test_a_crash_that_comes_back_begins_the_wait_anew() -> None:
    waiting = after(after({}, seen(regime=Regime.CRASH)), CALM)

    again = after(waiting, seen(regime=Regime.CRASH), later(minutes=59))

    assert (again[Breaker.VOLATILITY_CRASH].until, again[Breaker.VOLATILITY_CRASH].trips) == (None, 1)
    assert judge(again, seen(regime=Regime.CRASH), LIMITS, later(hours=5)) == ()


def test_a_mismatch_that_lasts_goes_from_reduce_only_to_halted_as_one_trip() -> None:
    reduced = after({}, seen(mismatch_cycles=2))
    halted = after(reduced, seen(mismatch_cycles=3))

    assert reduced[Breaker.RECONCILE_MISMATCH].level is TradingState.REDUCE_ONLY
    assert halted[Breaker.RECONCILE_MISMATCH].level is TradingState.HALTED
    assert halted[Breaker.RECONCILE_MISMATCH].trips == 1


@pytest.mark.parametrize("cycles", [None, 1])
def test_a_mismatch_recovers_only_when_account_and_ledger_agree(cycles: int | None) -> None:
    reduced = after({}, seen(mismatch_cycles=2))

    assert judge(reduced, seen(mismatch_cycles=cycles), LIMITS, NOON) == ()
    assert judge(reduced, CALM, LIMITS, NOON)[0].state.tripped is False


def test_halted_by_a_mismatch_stays_until_a_new_run_finds_that_all_agrees() -> None:
    halted = after({}, seen(mismatch_cycles=3))

    assert judge(halted, CALM, LIMITS, later(days=1)) == ()
    assert judge(halted, seen(mismatch_cycles=1, is_first_cycle_of_run=True), LIMITS, NOON) == ()
    assert judge(halted, seen(is_first_cycle_of_run=True), LIMITS, NOON)[0].state.tripped is False


# --- clock skew -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_a_skew_with_which_live_would_not_start_halts_and_recovers_by_itself(sign: int) -> None:
    reduced = after({}, seen(clock_skew_seconds=30.0 * sign))
    halted = after(reduced, seen(clock_skew_seconds=30.001 * sign))
    eased = after(halted, seen(clock_skew_seconds=30.0 * sign))

    assert reduced[Breaker.CLOCK_SKEW].level is TradingState.REDUCE_ONLY
    assert (halted[Breaker.CLOCK_SKEW].level, halted[Breaker.CLOCK_SKEW].trips) == (TradingState.HALTED, 1)
    assert eased[Breaker.CLOCK_SKEW].level is TradingState.REDUCE_ONLY
    assert judge(halted, seen(clock_skew_seconds=5.0 * sign), LIMITS, NOON)[0].state.tripped is False


def test_a_clock_that_can_no_longer_be_read_changes_nothing_of_a_known_skew() -> None:
    halted = after({}, seen(clock_skew_seconds=31.0))

    assert judge(halted, seen(clock_skew_seconds=float("nan")), LIMITS, NOON) == ()


# --- the trading state ------------------------------------------------------------------------------------------------


def test_the_strictest_breaker_decides_and_the_kill_switch_halts() -> None:
    reduced = after({}, seen(free_disk_mb=0))
    halted = after(reduced, seen(free_disk_mb=0, mismatch_cycles=3))

    assert trading_state({}, kill_on=False) is TradingState.ARMED
    assert trading_state({Breaker.DISK_SPACE: CLOSED}, kill_on=False) is TradingState.ARMED
    assert trading_state(reduced, kill_on=False) is TradingState.REDUCE_ONLY
    assert trading_state(halted, kill_on=False) is TradingState.HALTED
    assert trading_state({}, kill_on=True) is TradingState.HALTED


def test_only_a_lasting_mismatch_a_hopeless_clock_and_the_kill_switch_stop_exits() -> None:
    for _breaker, _at_limit, past in TRIPS:
        assert trading_state(after({}, seen(**past)), kill_on=False) is TradingState.REDUCE_ONLY
    assert trading_state(after({}, seen(clock_skew_seconds=31.0)), kill_on=False) is TradingState.HALTED


def test_blocking_breakers_are_named_in_the_order_of_the_enum() -> None:
    states = after({}, seen(free_disk_mb=0, stale_share_fraction=None, daily_fraction=Decimal(-1)))
    states = {breaker: states[breaker] for breaker in reversed(list(states))}

    assert blocking(states) == (Breaker.STALE_DATA, Breaker.DAILY_STOP, Breaker.DISK_SPACE)
    assert blocking({Breaker.DISK_SPACE: CLOSED}) == ()
