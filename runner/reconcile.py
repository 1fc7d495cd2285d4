"""
Reconcile: what the exchange says, held against what we wrote down.

It settles before anything is decided: UNKNOWN orders are searched for (L4), fills are booked once (L10), finished
orders are closed, and the account is compared with the ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from core.model.money import ZERO, plain
from core.model.orders import Balance, Fill, OrderReport, Outcome
from core.model.portfolio import OrderState
from core.model.records import FillBooked, LookedUp, OrderClosed, OutcomeKnown
from core.ports import Broker, Clock
from runner.bookkeeper import Bookkeeper

FILLS_OVERLAP = timedelta(minutes=10)
"""Fills are asked for again from this much before the last one: late ones must not be missed."""

LOOKUPS_FOR_ABSENCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that the exchange and the ledger do not agree on: a code, its subject, and both views."""

    code: str
    subject: str
    ledger: str
    exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one reconciliation found. `foreign_fills` are executions of orders that are not ours (L9)."""

    foreign_fills: int
    differences: tuple[Difference, ...]


class Reconciler:
    """Bring the ledger to what the exchange knows; decide nothing."""

    def __init__(self, broker: Broker, book: Bookkeeper, clock: Clock, unknown_settle_seconds: int) -> None:
        self._broker = broker
        self._book = book
        self._clock = clock
        self._settle_span = timedelta(seconds=unknown_settle_seconds)
        self._known_since = clock.now()

    def run(self) -> Reconciled:
        """
        Resolve, settle and compare.

        Raises:
            BrokerUnavailable: Some question got no answer; what was learnt before it is booked.
        """
        for state in tuple(self._book.ledger.open_orders.values()):
            if state.is_unknown:
                self._resolve(state)
        foreign, differences = self._settle()
        differences += self._compare(self._broker.balances())
        return Reconciled(foreign_fills=foreign, differences=tuple(differences))

    def settle(self) -> None:
        """
        Book new fills and close finished orders.

        Raises:
            BrokerUnavailable
        """
        self._settle()

    def _settle(self) -> tuple[int, list[Difference]]:
        foreign = self._book_fills()
        differences: list[Difference] = []
        for state in tuple(self._book.ledger.open_orders.values()):
            if not state.is_unknown:
                differences += self._follow(state)
        return foreign, differences

    def _resolve(self, state: OrderState) -> None:
        """Look for an UNKNOWN order; call it absent only when its life, and its token's, is over (design 7)."""
        order = state.order
        now = self._clock.now()
        report = self._broker.find(state.key)
        if report is not None:
            self._outcome(state, Outcome.ACCEPTED, report)
            return
        self._book.record(LookedUp(at=now, client_order_id=order.client_order_id), durable=False)
        dead_after = max(order.end_time or state.intent_at, state.intent_at) + self._settle_span
        if state.lookups + 1 >= LOOKUPS_FOR_ABSENCE and now >= dead_after:
            self._outcome(state, Outcome.ABSENT, None)

    def _outcome(self, state: OrderState, outcome: Outcome, report: OrderReport | None) -> None:
        self._book.record(
            OutcomeKnown(
                at=self._clock.now(),
                client_order_id=state.order.client_order_id,
                outcome=outcome,
                order_id=None if report is None else report.order_id,
                reason="resolved",
            ),
            durable=True,
        )

    def _book_fills(self) -> int:
        """Book each fill of an order of ours once; count the others."""
        ledger = self._book.ledger
        since = ledger.fills_cursor or min(
            (state.intent_at for state in ledger.open_orders.values()), default=self._known_since
        )
        foreign = 0
        for fill in self._broker.fills(since - FILLS_OVERLAP):
            if fill.fill_id in self._book.ledger.fill_ids:
                continue
            if self._is_ours(fill):
                self._book.record(FillBooked(at=self._clock.now(), fill=fill), durable=True)
            else:
                foreign += 1
        return foreign

    def _is_ours(self, fill: Fill) -> bool:
        ledger = self._book.ledger
        return fill.client_order_id in ledger.open_orders or fill.client_order_id in ledger.closed_orders

    def _follow(self, state: OrderState) -> list[Difference]:
        """Compare one accepted order with its intent, and close it once it is final and all its fills are booked."""
        report = self._broker.find(state.key)
        if report is None:
            return []  # not visible yet, or no longer: its fills and the next look decide
        differences = compare_with_intent(state, report)
        if not differences and report.status.is_final and report.filled_size == state.filled_size:
            self._book.record(
                OrderClosed(at=self._clock.now(), client_order_id=state.order.client_order_id, status=report.status),
                durable=True,
            )
        return differences

    def _compare(self, balances: Mapping[str, Balance]) -> list[Difference]:
        """Cash must be equal; of each coin the account must hold at least our lots (the rest is the owner's)."""
        ledger = self._book.ledger
        differences = []
        for currency, amount in ledger.cash.items():
            total = _total(balances, currency)
            if total != amount:
                differences.append(_difference("cash_differs", currency, amount, total))
        owned: dict[str, Decimal] = {}
        for lot in ledger.lots.values():
            owned[lot.product_id.base] = owned.get(lot.product_id.base, ZERO) + lot.quantity
        for asset, quantity in owned.items():
            total = _total(balances, asset)
            if total < quantity:
                differences.append(_difference("lots_not_covered", asset, quantity, total))
        return differences


def compare_with_intent(state: OrderState, report: OrderReport) -> list[Difference]:
    """Compare what the exchange returned for an id with what we meant, field by field (design 7)."""
    order = state.order
    pairs = (
        ("order_product_differs", str(order.product_id), str(report.product_id)),
        ("order_side_differs", order.side.value, report.side.value),
        ("order_size_differs", plain(order.size), plain(report.size)),
        ("order_price_differs", plain(order.limit_price), plain(report.limit_price)),
    )
    return [
        Difference(code=code, subject=order.client_order_id, ledger=ours, exchange=theirs)
        for code, ours, theirs in pairs
        if ours != theirs
    ]


def _total(balances: Mapping[str, Balance], currency: str) -> Decimal:
    balance = balances.get(currency)
    return ZERO if balance is None else balance.total


def _difference(code: str, subject: str, ours: Decimal, theirs: Decimal) -> Difference:
    return Difference(code=code, subject=subject, ledger=plain(ours), exchange=plain(theirs))
