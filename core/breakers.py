"""
Circuit breakers and the trading state, as values.

A cycle's observation and the breakers' memory go in, the changes come out; the ledger keeps the memory (L13). Counts
trip when they reach their limit; shares, jumps and skews when they exceed it. Every breaker stops entries and leaves
exits alone (REDUCE_ONLY, L6). Only two HALT: a mismatch that lasts, because then we do not know what we own, and a
clock so wrong that the exchange takes no request of ours anyway.

| breaker            | trips                             | recovers                                              |
|--------------------|-----------------------------------|-------------------------------------------------------|
| stale_data         | share too high, or not known      | when the condition is over                            |
| api_errors         | in a row, or in the window        | so long after the last error                          |
| empty_universe     | too few eligible, or not known    | when the condition is over                            |
| daily_stop         | loss of the day at the limit      | never before the next UTC midnight                    |
| weekly_stop        | loss of the week at the limit     | never before the next ISO Monday, 00:00 UTC           |
| drawdown           | below the peak by the limit       | when equity is known to be above the limit again      |
| exception_burst    | so many in the window             | so long after the last exception                      |
| volatility_crash   | regime is crash                   | so long after the regime is known to have left crash  |
| reconcile_mismatch | cycles in a row; later HALTED     | when account and ledger agree; from HALTED only if    |
|                    |                                   | they do in the first cycle of a run (a person looked) |
| clock_jump         | jump too large, or not known      | with the next cycle without a jump                    |
| clock_skew         | too far off, or not to be read;   | when the clocks are known to agree again              |
|                    | HALTED where LIVE would not start |                                                       |
| disk_space         | bytes or inodes short, unknown    | when the condition is over                            |

Unknown money figures and an unknown regime change nothing here: risk refuses entries by itself while they last, and
one missing quote must not latch a stop until Monday. They do not lift a latch either.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from core.breaker_rules import RULES, Case, Limits, Observation, Trip
from core.model.guards import Breaker, BreakerState, TradingState
from core.model.records import BreakerChanged

__all__ = ["CLOSED", "Limits", "Observation", "blocking", "judge", "trading_state"]

CLOSED = BreakerState(tripped=False, level=TradingState.ARMED, detail="", since=None, until=None, trips=0)
"""A breaker that never tripped."""


def judge(
    states: Mapping[Breaker, BreakerState], seen: Observation, limits: Limits, now: datetime
) -> tuple[BreakerChanged, ...]:
    """Return the breakers that trip, change their level or end, or recover; nothing for the others."""
    changes: list[BreakerChanged] = []
    closed = Case(CLOSED, seen, limits, now)  # shared: nearly every cycle finds nearly every breaker closed
    for breaker, rule in RULES.items():
        state = states.get(breaker, CLOSED)
        trip = rule(closed if state is CLOSED else Case(state, seen, limits, now))
        if trip is None and not state.tripped:
            continue
        after = _recovered(state, now) if trip is None else _tripped(state, trip, now)
        if after is not state:
            changes.append(BreakerChanged(at=now, breaker=breaker, state=after))
    return tuple(changes)


def trading_state(states: Mapping[Breaker, BreakerState], kill_on: bool) -> TradingState:
    """Return the strictest state that a tripped breaker demands; HALTED while the kill switch is on."""
    if kill_on:
        return TradingState.HALTED
    return max((state.level for state in states.values() if state.tripped), default=TradingState.ARMED)


def blocking(states: Mapping[Breaker, BreakerState]) -> tuple[Breaker, ...]:
    """Return the tripped breakers, in the order of the enum."""
    if not any(state.tripped for state in states.values()):
        return ()
    return tuple(breaker for breaker in Breaker if states.get(breaker, CLOSED).tripped)


def _tripped(state: BreakerState, trip: Trip, now: datetime) -> BreakerState:
    if not state.tripped:
        return BreakerState(
            tripped=True, level=trip.level, detail=trip.detail, since=now, until=trip.until, trips=state.trips + 1
        )
    if (trip.level, trip.until) == (state.level, state.until):
        return state  # the detail moves in every cycle; it is not worth a record each time
    return replace(state, level=trip.level, detail=trip.detail, until=trip.until)


def _recovered(state: BreakerState, now: datetime) -> BreakerState:
    # `since` parts the errors that tripped it from new ones: a window may be longer than the recovery time.
    return replace(CLOSED, detail="recovered", since=now, trips=state.trips)
