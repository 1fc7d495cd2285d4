"""
Reconcile: what the exchange says, held against what we wrote down.

It settles before anything is decided: UNKNOWN orders are searched for (L4), fills are booked once (L10), finished
orders are closed, and the account is compared with the ledger. It decides nothing; the one thing that it does at the
exchange is to cancel an order of ours that should not be alive.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.errors import BrokerUnavailable
from core.model.orders import ClientOrderId, OrderId, OrderReport, OrderStatus, Outcome
from core.model.portfolio import OrderState
from core.model.records import LookedUp, OrderClosed, OutcomeKnown
from core.ports import Broker, Clock
from runner.bookkeeper import Bookkeeper
from runner.differences import (
    ORDER_ALIVE,
    ORDER_LOST,
    Difference,
    about_order,
    compare_balances,
    compare_with_intent,
)
from runner.fill_booking import FillBooking

LOOKUPS_FOR_ABSENCE = 3
EMPTY_LOOKS_FOR_LOSS = 3
LOOKS_BEFORE_CANCEL_SECONDS = 2
"""No further look at what is to be cancelled begins later than this: the cancels are waiting (L5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """
    What one reconciliation found.

    `foreign_fills` are executions, new since the last look, of orders that are not ours; `foreign_orders` are the open
    orders of somebody else. Neither is touched (L9).
    """

    foreign_fills: int
    foreign_orders: int
    differences: tuple[Difference, ...]


class Reconciler:
    """Bring the ledger to what the exchange knows; decide nothing."""

    def __init__(
        self,
        broker: Broker,
        book: Bookkeeper,
        clock: Clock,
        unknown_settle_seconds: int,
        *,
        owner_shares_account: bool = False,
    ) -> None:
        """`owner_shares_account`: the account holds money that is not the bot's, too, so it may hold more."""
        self._broker = broker
        self._book = book
        self._clock = clock
        self._settle_span = timedelta(seconds=unknown_settle_seconds)
        self._owner_shares_account = owner_shares_account
        self._empty_looks: dict[ClientOrderId, int] = {}
        self._fills_awaited: dict[ClientOrderId, None] = {}
        self._contradicted: dict[ClientOrderId, None] = {}
        self._seen: dict[ClientOrderId, None] = {}
        self._inherited = frozenset(key for key, state in book.ledger.open_orders.items() if state.order_id is not None)
        self._noticed: list[Difference] = []
        self._fills = FillBooking(broker=broker, book=book, clock=clock, accept=self._accept, notice=self._notice)
        self._balances_differed = False

    def run(self) -> Reconciled:
        """
        Resolve, settle and compare.

        Raises:
            BrokerUnavailable: Some question got no answer; what was learnt before it is booked.
        """
        unknown = [state for state in self._book.ledger.open_orders.values() if state.is_unknown]
        presumed_absent = [state.order.client_order_id for state in unknown if not self._is_found(state)]
        self._fills.book_new()
        listed = self._broker.open_orders()
        seen = {report.client_order_id: report for report in listed}
        for key in presumed_absent:
            self._end_unless_seen(key, seen.get(key))
        differences = self._cancel_what_should_be_over(listed)
        for state in tuple(self._book.ledger.open_orders.values()):
            if not state.is_unknown:
                differences += self._follow(state, seen.get(state.order.client_order_id))
        booked, foreign = self._fills.take_counts()
        differences += self._compare_balances(is_moving=booked > 0 or bool(self._book.ledger.open_orders))
        return Reconciled(
            foreign_fills=foreign,
            foreign_orders=self._count_foreign(listed),
            differences=(*self.take_noticed(), *differences),
        )

    def settle(self, followed: Collection[ClientOrderId]) -> None:
        """
        Book new fills, of whichever order, and close those of the followed orders that are finished.

        Raises:
            BrokerUnavailable
        """
        self._fills.book_new()
        for state in tuple(self._book.ledger.open_orders.values()):
            is_full = state.filled_size == state.order.size
            if not state.is_unknown and (is_full or state.order.client_order_id in followed):
                self._noticed += self._follow(state, None)

    def is_contradicted(self, key: ClientOrderId) -> bool:
        """Tell whether the exchange last showed an order otherwise than meant: its id may be somebody else's (L9)."""
        return key in self._contradicted

    def is_seen(self, key: ClientOrderId) -> bool:
        """Tell whether the exchange has shown in this run what stands behind the id of an order."""
        return key in self._seen

    def is_inherited(self, key: ClientOrderId) -> bool:
        """Tell whether a run before left an order: what that run knew of its id went with it."""
        return key in self._inherited

    def look_at(self, keys: Collection[ClientOrderId]) -> None:
        """
        Compare accepted orders that this run has not seen yet with what the exchange shows of them.

        Raises:
            BrokerUnavailable: An answer did not come, or they come so slowly that the cancels would have to wait (L5).
        """
        until = self._clock.monotonic() + LOOKS_BEFORE_CANCEL_SECONDS
        for key in keys:
            state = self._book.ledger.open_orders[key]
            if state.order_id is None or key in self._seen:
                continue
            if self._clock.monotonic() >= until:
                raise BrokerUnavailable(f"answers take longer than {LOOKS_BEFORE_CANCEL_SECONDS} s")
            report = self._broker.find(state.key)
            if report is not None:
                self._compare(state, report)

    def awaits_fills(self, keys: Collection[ClientOrderId]) -> bool:
        """Tell whether one of these orders is over at the exchange while fills of it have yet to reach us."""
        return any(key in self._fills_awaited for key in keys)

    def take_noticed(self) -> tuple[Difference, ...]:
        """Return what was found wrong since this was last asked, outside of `run`."""
        noticed, self._noticed = self._noticed, []
        return tuple(dict.fromkeys(noticed))

    def _notice(self, difference: Difference) -> None:
        self._noticed.append(difference)

    # --- orders -------------------------------------------------------------------------------------------------------

    def _is_found(self, state: OrderState) -> bool:
        """Look for an UNKNOWN order; False when its life, and its token's, is over and no look found it (design 7)."""
        order = state.order
        report = self._broker.find(state.key)
        if report is not None:
            self._accept(state, report)
            return True
        if state.filled_size > 0:
            self._outcome(order.client_order_id, Outcome.ACCEPTED, state.order_id)  # a fill is evidence enough
            return True
        now = self._clock.now()
        self._book.record(LookedUp(at=now, client_order_id=order.client_order_id), durable=False)
        dead_after = max(order.end_time or state.intent_at, state.intent_at) + self._settle_span
        return state.lookups + 1 < LOOKUPS_FOR_ABSENCE or now < dead_after

    def _end_unless_seen(self, key: ClientOrderId, listed: OrderReport | None) -> None:
        """Call an UNKNOWN order absent, when neither a fill that came since nor the list of open orders shows it."""
        state = self._book.ledger.open_orders.get(key)
        if state is None or not state.is_unknown:
            return
        if listed is not None:
            self._accept(state, listed)
        elif state.filled_size > 0:
            self._outcome(key, Outcome.ACCEPTED, state.order_id)  # it filled, and is open no longer
        else:
            self._outcome(key, Outcome.ABSENT, None)

    def _accept(self, state: OrderState, report: OrderReport) -> bool:
        """Take an UNKNOWN order for found, if it is what we meant; one that is not stays unknown, and is reported."""
        differences = compare_with_intent(state.order, report)
        self._noticed += differences
        if not differences:
            self._seen[state.order.client_order_id] = None
            self._outcome(state.order.client_order_id, Outcome.ACCEPTED, report.order_id)
        return not differences

    def _outcome(self, key: ClientOrderId, outcome: Outcome, order_id: OrderId | None) -> None:
        self._book.record(
            OutcomeKnown(
                at=self._clock.now(), client_order_id=key, outcome=outcome, order_id=order_id, reason="resolved"
            ),
            durable=True,
        )

    def _follow(self, state: OrderState, listed: OrderReport | None) -> list[Difference]:
        """Compare one accepted order with its intent, and close it once it is final and all its fills are booked."""
        key = state.order.client_order_id
        report = listed or self._broker.find(state.key)
        if report is None:
            return self._not_found(state)
        differences = self._compare(state, report)
        if differences:
            return differences
        if report.status.is_final and report.filled_size == state.filled_size:
            self._close(key, report.status)
        elif report.status.is_final:
            self._fills_awaited[key] = None
        return []

    def _compare(self, state: OrderState, report: OrderReport) -> list[Difference]:
        """Hold what the exchange shows of an accepted order against its intent, and remember how that came out."""
        key = state.order.client_order_id
        self._empty_looks.pop(key, None)
        self._seen[key] = None
        self._contradicted.pop(key, None)
        differences = compare_with_intent(state.order, report)
        if differences:
            self._contradicted[key] = None
        return differences

    def _not_found(self, state: OrderState) -> list[Difference]:
        """
        Judge an accepted order that is not there: not visible yet, or no longer.

        Its own fills can prove that it is over; nothing else closes it. After the settle time it counts as lost, in
        each cycle, until somebody finds out.
        """
        key = state.order.client_order_id
        if state.filled_size == state.order.size:
            self._close(key, OrderStatus.FILLED)
            return []
        looks = self._empty_looks[key] = self._empty_looks.get(key, 0) + 1
        if looks < EMPTY_LOOKS_FOR_LOSS or self._clock.now() < state.intent_at + self._settle_span:
            return []
        return [about_order(ORDER_LOST, key, f"accepted as {state.order_id}", f"not found in {looks} looks")]

    def _close(self, key: ClientOrderId, status: OrderStatus) -> None:
        self._book.record(OrderClosed(at=self._clock.now(), client_order_id=key, status=status), durable=True)
        self._empty_looks.pop(key, None)
        self._fills_awaited.pop(key, None)
        self._seen.pop(key, None)

    def _cancel_what_should_be_over(self, listed: Sequence[OrderReport]) -> list[Difference]:
        """Ask for the cancel of each open order with an id of ours that the ledger holds for dead."""
        closed = self._book.ledger.closed_orders
        alive = [report for report in listed if report.client_order_id in closed]
        if alive:
            self._broker.cancel([report.order_id for report in alive])
        return [
            about_order(ORDER_ALIVE, report.client_order_id, _end_of(closed[report.client_order_id]), "open")
            for report in alive
        ]

    def _count_foreign(self, listed: Sequence[OrderReport]) -> int:
        ledger = self._book.ledger
        ours = (ledger.open_orders, ledger.closed_orders)
        return sum(not any(report.client_order_id in known for known in ours) for report in listed)

    # --- balances -----------------------------------------------------------------------------------------------------

    def _compare_balances(self, *, is_moving: bool) -> list[Difference]:
        """
        Compare the account's balances with the ledger.

        Fills and balances do not reach us in the same moment: while an order of ours is open, or a fill was booked
        since the last look, a difference that was not there before is excused once.
        """
        found = compare_balances(
            self._book.ledger, self._broker.balances(), owner_shares_account=self._owner_shares_account
        )
        is_new, self._balances_differed = not self._balances_differed, bool(found)
        return [] if is_moving and is_new else found


def _end_of(state: OrderState) -> str:
    """Say how an order of ours ended, as far as the ledger knows."""
    was_accepted = state.outcome is None or state.outcome is Outcome.ACCEPTED
    return state.status.value if was_accepted or state.outcome is None else state.outcome.value
