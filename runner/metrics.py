"""
The 16 metrics, by name, as they stand after each cycle; they ride in the audit line.

Counters (`*_total`) count since the run began. A label that was never counted is absent; a gauge that this venue does not
have (no rate limiter) or that has nothing to measure yet (no order placed) is null.
"""

from collections.abc import Callable, Iterable, Mapping

from core.model.guards import Breaker, BreakerState
from core.model.money import ZERO
from core.model.orders import Outcome
from core.model.records import BreakerChanged, FillBooked, Intent, OrderClosed, OutcomeKnown
from runner.api_health import ApiHealth
from runner.cycle import Cycle, Standing, Status

Counts = dict[str, int]


class Metrics:
    """Counters of this run and gauges of its last cycle."""

    def __init__(self, health: ApiHealth, rss_mb: Callable[[], float] | None) -> None:
        """`rss_mb` reads the process's memory; None in virtual time, where a run repeats to the byte."""
        self._health = health
        self._rss_mb = rss_mb
        self._cycles: Counts = {}
        self._no_trade: Counts = {}
        self._fills: Counts = {}
        self._rejections: Counts = {}
        self._trips: Counts = {}
        self._placed = 0
        self._filled = 0

    def count(self, cycle: Cycle, status: Status, standing: Standing) -> None:
        """Add one finished cycle to the counters."""
        _add(self._cycles, status.value)
        if status is not Status.EXECUTED and cycle.reason is not None:
            _add(self._no_trade, cycle.reason.value)
        if cycle.assessment is not None:
            for refused in cycle.assessment.refused:
                _add(self._rejections, refused.reason.value)
        for refusal in cycle.last_hop_refusals:
            _add(self._rejections, refusal.reason.value)
        for event in cycle.events:
            if isinstance(event, Intent):
                self._placed += 1
            elif isinstance(event, FillBooked):
                _add(self._fills, event.fill.side.value)
            elif isinstance(event, OutcomeKnown) and event.outcome is Outcome.REJECTED:
                _add(self._rejections, event.reason)
            elif isinstance(event, OrderClosed):
                state = standing.ledger.closed_orders.get(event.client_order_id)
                self._filled += state is not None and state.filled_size > ZERO
            elif isinstance(event, BreakerChanged) and event.state.tripped:
                _add(self._trips, event.breaker.value)

    def values(self, cycle: Cycle, standing: Standing) -> dict[str, object]:
        """Return the 16 metrics after a cycle by their names, and the process's memory."""
        ledger, health = standing.ledger, self._health
        return {
            "trader_cycle_duration_seconds": round(cycle.total_seconds, 4),
            "trader_cycle_total": dict(self._cycles),
            "trader_cycle_stage_count": _stage_counts(cycle),
            "trader_stage_duration_seconds": round(sum(cycle.stage_seconds.values()), 4),
            "exchange_rate_limit_utilization": None,
            "trader_exposure_pct": _exposure_pct(standing),
            "trader_open_positions": len(ledger.lots),
            "trader_pending_orders": len(ledger.open_orders),
            "trader_fill_ratio": round(self._filled / self._placed, 4) if self._placed else None,
            "trader_fills_total": dict(self._fills),
            "trader_order_rejections_total": dict(self._rejections),
            "trader_circuit_breaker_state": _tripped(ledger.breakers),
            "trader_circuit_breaker_trips_total": dict(self._trips),
            "exchange_api_errors_total": dict(health.errors_total),
            "exchange_api_consecutive_errors": health.consecutive_errors,
            "trader_no_trade_total": dict(self._no_trade),
            "process_rss_mb": None if self._rss_mb is None else self._rss_mb(),
        }


def _add(counts: Counts, label: str) -> None:
    counts[label] = counts.get(label, 0) + 1


def _stage_counts(cycle: Cycle) -> Counts:
    return {
        "proposals": 0 if cycle.rules is None else len(cycle.rules.proposals),
        "approved": 0 if cycle.assessment is None else len(cycle.assessment.approved),
        "executed": sum(_accepted(cycle.events)),
    }


def _accepted(events: Iterable[object]) -> Iterable[bool]:
    return (isinstance(event, OutcomeKnown) and event.outcome is Outcome.ACCEPTED for event in events)


def _exposure_pct(standing: Standing) -> dict[str, float] | None:
    exposure, equity = standing.exposure, standing.equity
    if exposure is None or equity is None or equity <= 0:
        return None
    pending = sum((state.worst_case_cost for state in standing.ledger.open_orders.values()), ZERO)
    return {
        "at_risk": round(float(exposure.total / equity * 100), 3),
        "pending": round(float(pending / equity * 100), 3),
    }


def _tripped(breakers: Mapping[Breaker, BreakerState]) -> Counts:
    return {breaker.value: 1 for breaker, state in breakers.items() if state.tripped}
