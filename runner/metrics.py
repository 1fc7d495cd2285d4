"""
The 16 metrics, by name, as they stand after each cycle, and one of our own; they ride in the audit line.

Counters (`*_total`) count since the run began. A labelled counter shows the labels that moved in the cycle, with their
new totals: a label's present value is its last one in the file. A labelled gauge leaves out the labels that are zero. A
gauge that this venue does not have (a rate limiter), or that has nothing to measure yet (no order placed), is null.
"""

from collections.abc import Callable, Iterable, Mapping

from core.model.guards import Breaker, BreakerState
from core.model.ledger import Ledger
from core.model.money import ZERO
from core.model.orders import ClientOrderId, Outcome, Purpose
from core.model.records import BreakerChanged, Event, FillBooked, Intent, OrderClosed, OutcomeKnown
from runner.cycle import Cycle, Standing, Status
from runner.tape.ports import Health

Counts = dict[str, int]


class Counter:
    """A labelled counter that remembers which labels moved since it was last shown."""

    def __init__(self) -> None:
        self._totals: Counts = {}
        self._moved: dict[str, None] = {}

    def add(self, label: str) -> None:
        self._totals[label] = self._totals.get(label, 0) + 1
        self._moved[label] = None

    def set(self, label: str, total: int) -> None:
        if self._totals.get(label, 0) != total:
            self._totals[label] = total
            self._moved[label] = None

    def totals(self) -> Counts:
        return dict(self._totals)

    def go_on_from(self, totals: Counts) -> None:
        """Take over totals that were shown already."""
        self._totals = dict(totals)
        self._moved.clear()

    def take_moved(self) -> Counts:
        """Return the totals of the labels that moved, and begin to watch anew."""
        moved = {label: self._totals[label] for label in self._moved}
        self._moved.clear()
        return moved


class Metrics:
    """Counters of this run and gauges of its last cycle."""

    def __init__(
        self,
        health: Health,
        rss_mb: Callable[[], float | None] | None,
        rate_limit_use: Callable[[], Mapping[str, float]] | None,
    ) -> None:
        """
        `rss_mb` reads the process's memory; None in virtual time, where a run repeats to the byte. What it cannot read
        is left out.

        `rate_limit_use` reads the share of each channel's limit in use since it was last read; None without a limiter.
        """
        self._rate_limit_use = rate_limit_use
        self._health = health
        self._rss_mb = rss_mb
        self._cycles = Counter()
        self._no_trade = Counter()
        self._fills = Counter()
        self._rejections = Counter()
        self._trips = Counter()
        self._api_errors = Counter()
        self._placed = 0
        self._filled = 0
        self._unprotected_seconds = 0.0

    def count(self, cycle: Cycle, status: Status, standing: Standing) -> None:
        """Add one finished cycle to the counters."""
        self._cycles.add(status.value)
        if status is not Status.EXECUTED and cycle.reason is not None:
            self._no_trade.add(cycle.reason.value)
        for label, total in self._health.errors_total.items():
            self._api_errors.set(label, total)
        for refused in cycle.assessment.refused if cycle.assessment is not None else ():
            self._rejections.add(refused.reason.value)
        for refusal in cycle.last_hop_refusals:
            self._rejections.add(refusal.reason.value)
        self._unprotected_seconds += cycle.unprotected_seconds
        for event in cycle.events:
            self._count_event(event, standing.ledger)

    def _count_event(self, event: Event, ledger: Ledger) -> None:
        if isinstance(event, Intent):
            self._placed += event.order.purpose is not Purpose.PROTECTION  # a guard is there in order not to fill
        elif isinstance(event, FillBooked):
            self._fills.add(event.fill.side.value)
        elif isinstance(event, OutcomeKnown) and event.outcome is Outcome.REJECTED:
            self._rejections.add(event.reason)
        elif isinstance(event, OrderClosed):
            self._filled += _is_a_filled_wish(event.client_order_id, ledger)
        elif isinstance(event, BreakerChanged) and event.state.tripped:
            self._trips.add(event.breaker.value)

    def totals(self) -> dict[str, Counts]:
        """Return the totals of every labelled counter, by the metric's name."""
        return {name: counter.totals() for name, counter in self._labelled().items()}

    def take_over(self, totals: Mapping[str, Counts], events: Iterable[Event], ledger: Ledger) -> None:
        """Go on from totals that somebody else counted, and count the orders among these events."""
        for event in events:
            self._count_event(event, ledger)
        for name, counter in self._labelled().items():
            counter.go_on_from(totals[name])

    def _labelled(self) -> dict[str, Counter]:
        return {
            "trader_cycle_total": self._cycles,
            "trader_no_trade_total": self._no_trade,
            "trader_fills_total": self._fills,
            "trader_order_rejections_total": self._rejections,
            "trader_circuit_breaker_trips_total": self._trips,
            "exchange_api_errors_total": self._api_errors,
        }

    def values(self, cycle: Cycle, standing: Standing) -> dict[str, object]:
        """Return the metrics after a cycle by their names, and the process's memory."""
        ledger, health = standing.ledger, self._health
        rss_mb = None if self._rss_mb is None else self._rss_mb()
        memory = {} if rss_mb is None else {"process_rss_mb": rss_mb}
        return {
            "trader_cycle_duration_seconds": round(cycle.total_seconds, 4),
            "trader_cycle_total": self._cycles.take_moved(),
            "trader_cycle_stage_count": _stage_counts(cycle),
            "trader_stage_duration_seconds": round(sum(cycle.stage_seconds.values()), 4),
            "exchange_rate_limit_utilization": None if self._rate_limit_use is None else dict(self._rate_limit_use()),
            "trader_exposure_pct": _exposure_pct(standing),
            "trader_open_positions": len(ledger.lots),
            "trader_pending_orders": len(ledger.open_orders),
            "trader_fill_ratio": round(self._filled / self._placed, 4) if self._placed else None,
            "trader_fills_total": self._fills.take_moved(),
            "trader_order_rejections_total": self._rejections.take_moved(),
            "trader_circuit_breaker_state": _tripped(ledger.breakers),
            "trader_circuit_breaker_trips_total": self._trips.take_moved(),
            "exchange_api_errors_total": self._api_errors.take_moved(),
            "exchange_api_consecutive_errors": health.consecutive_errors,
            "trader_no_trade_total": self._no_trade.take_moved(),
            "trader_unprotected_seconds_total": round(self._unprotected_seconds, 3),
            **memory,
        }


def _is_a_filled_wish(key: ClientOrderId, ledger: Ledger) -> bool:
    state = ledger.closed_orders.get(key)
    return state is not None and state.filled_size > ZERO and state.order.purpose is not Purpose.PROTECTION


def _stage_counts(cycle: Cycle) -> Counts:
    counts = {
        "proposals": 0 if cycle.rules is None else len(cycle.rules.proposals),
        "approved": 0 if cycle.assessment is None else len(cycle.assessment.approved),
        "executed": sum(_accepted(cycle.events)),
    }
    return {label: count for label, count in counts.items() if count}


def _accepted(events: Iterable[object]) -> Iterable[bool]:
    return (isinstance(event, OutcomeKnown) and event.outcome is Outcome.ACCEPTED for event in events)


def _exposure_pct(standing: Standing) -> dict[str, float] | None:
    exposure, equity = standing.exposure, standing.equity
    if exposure is None or equity is None or equity <= 0:
        return None
    pending = sum((state.worst_case_cost for state in standing.ledger.open_orders.values()), ZERO)
    shares = {"at_risk": exposure.total / equity, "pending": pending / equity}
    return {label: round(float(share * 100), 3) for label, share in shares.items() if share}


def _tripped(breakers: Mapping[Breaker, BreakerState]) -> Counts:
    return {breaker.value: 1 for breaker, state in breakers.items() if state.tripped}
