"""
The one way to the exchange: an order is judged, written down, sent once and looked up; cancels are verified.

The intent is durable before the first byte leaves (L2); no order is sent twice (L3). The kill switch is read by the
last hop, again before each send, and in every wait (L5).
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from core.errors import BrokerUnavailable, OrderNotSent, OrderOutcomeUnknown, OrderRejected
from core.model.orders import ClientOrderId, Order, OrderId, Outcome
from core.model.records import CancelRequested, Intent, OutcomeKnown, Sent
from core.ports import Broker, Clock, KillSwitch
from core.settings import ExecutionPolicy
from runner.bookkeeper import Bookkeeper
from runner.cycle import Cycle, Reason
from runner.orders.planned import Answer, Planned, Planning
from runner.reconcile import Reconciler

CANCEL_LOOKS = 5
"""So often a cancelled or crossing order is looked up before the next cycle has to settle it."""

FILL_LOOKS = 20
"""So often, when the exchange says that it is over and fills of it are late: what was bought has to be guarded."""

LOOKS_SECONDS = 10
"""So long at most, however slow the answers or long the pauses are: the rest of the cycle has to go on (L16)."""


class Sender:
    """Send, cancel and look up single orders; what to send is others' business."""

    def __init__(
        self,
        *,
        broker: Broker,
        book: Bookkeeper,
        reconciler: Reconciler,
        clock: Clock,
        kill_switch: KillSwitch,
        policy: ExecutionPolicy,
        stop_reason: Callable[[], str | None],
        log: logging.Logger,
    ) -> None:
        self._broker = broker
        self._book = book
        self._reconciler = reconciler
        self._clock = clock
        self._kill_switch = kill_switch
        self._look_pause = timedelta(seconds=float(policy.post_trade_reconcile_wait_seconds))
        self._stop_reason = stop_reason
        self._log = log

    # --- may we? ------------------------------------------------------------------------------------------------------

    def is_killed(self) -> bool:
        return self._kill_switch.read() is not None

    def may_wait(self) -> bool:
        return not self.is_killed() and self._stop_reason() is None

    def is_too_late(self, cycle: Cycle) -> bool:
        """Tell whether no further entry may be sent in this cycle, and note why."""
        if self.is_killed():
            cycle.end(Reason.KILL_SWITCH)
            return True
        if self._stop_reason() is not None:
            cycle.end(Reason.STOPPING)
            return True
        if cycle.is_late:
            cycle.end(Reason.DEADLINE)
            return True
        return False

    # --- one order ----------------------------------------------------------------------------------------------------

    def place(self, planned: Planned, planning: Planning, cycle: Cycle) -> Answer:
        """Ask the last hop, write the intent, send, write the outcome."""
        order = planned.order
        refused = planning.last_look(planned)
        if refused is not None:
            cycle.last_hop_refusals.append(refused)
            return Answer(outcome=None, reason=refused.reason.value)
        now = self._clock.now()
        self._book.record(
            Intent(at=now, slot=cycle.tick.slot, order=order, plan=planned.plan, reason=planned.reason), durable=True
        )
        if self.is_killed():
            cycle.end(Reason.KILL_SWITCH)
            return self._note(order, Outcome.NOT_SENT, None, Reason.KILL_SWITCH.value)
        self._book.record(Sent(at=now, client_order_id=order.client_order_id), durable=False)
        return self._submit(order)

    def _submit(self, order: Order) -> Answer:
        try:
            order_id = self._broker.submit(order)
        except OrderRejected as error:
            return self._note(order, Outcome.REJECTED, None, error.reason)
        except OrderNotSent as error:
            return self._note(order, Outcome.NOT_SENT, None, str(error))
        except OrderOutcomeUnknown as error:
            return self._note(order, Outcome.UNKNOWN, None, str(error))
        if self._is_taken(order_id):
            return self._note(order, Outcome.UNKNOWN, None, f"the answer names {order_id}, another order of ours")
        return self._note(order, Outcome.ACCEPTED, order_id, "")

    def _is_taken(self, order_id: OrderId) -> bool:
        """Tell whether an id of the exchange is that of an order before: then the answer is about that one."""
        ledger = self._book.ledger
        known = (ledger.open_orders, ledger.closed_orders)
        return any(state.order_id == order_id for states in known for state in states.values())

    def _note(self, order: Order, outcome: Outcome, order_id: OrderId | None, reason: str) -> Answer:
        self._book.record(
            OutcomeKnown(
                at=self._clock.now(),
                client_order_id=order.client_order_id,
                outcome=outcome,
                order_id=order_id,
                reason=reason,
            ),
            durable=True,
        )
        self._log.info(
            "order %s %s %s %s at %s: %s%s",
            order.purpose.value,
            order.side.value,
            order.size,
            order.product_id,
            order.limit_price,
            outcome.value,
            f" ({reason})" if reason else "",
        )
        return Answer(outcome=outcome, reason=reason)

    # --- cancel and look ----------------------------------------------------------------------------------------------

    def cancel_and_look(self, ids: Collection[ClientOrderId], *, is_urgent: bool = False) -> bool:
        """
        Ask for cancels and look until the orders are final; return whether that was seen of all of them.

        `is_urgent`: for a kill switch, which waits for no answer (L5).
        """
        if not ids:
            return True
        keys = [key for key in ids if key in self._book.ledger.open_orders]
        self._cancel(self._worth_a_cancel(keys, is_urgent=is_urgent))
        return self.look_until_final(ids)

    def _worth_a_cancel(self, keys: Sequence[ClientOrderId], *, is_urgent: bool) -> Sequence[ClientOrderId]:
        """
        Return the orders whose id the exchange has shown in this run: one that a wrong answer gave may be somebody
        else's (L9). The next cycle looks again at what is not to be seen now.

        A kill switch does not wait: it looks at what a run before left, whose doubts went with it, and cancels all.
        """
        reconciler = self._reconciler
        try:
            reconciler.look_at([key for key in keys if reconciler.is_inherited(key)] if is_urgent else keys)
        except BrokerUnavailable as error:
            self._log.warning("not every order that is to be cancelled was looked at before: %s", error)
        return keys if is_urgent else [key for key in keys if reconciler.is_seen(key)]

    def _cancel(self, ids: Sequence[ClientOrderId]) -> None:
        """
        Ask for the cancel of orders whose id at the exchange is known: an UNKNOWN one has to be found first.

        An id under which the exchange showed something else may be somebody else's order, which is not touched (L9).
        """
        order_ids = []
        for key in ids:
            order_id = self._book.ledger.open_orders[key].order_id
            if order_id is not None and not self._reconciler.is_contradicted(key):
                order_ids.append(order_id)
                self._book.record(CancelRequested(at=self._clock.now(), client_order_id=key), durable=False)
        if not order_ids:
            return
        try:
            self._broker.cancel(order_ids)
        except BrokerUnavailable as error:
            self._log.warning("cancel not confirmed, the next cycle asks again: %s", error)

    def look_until_final(self, ids: Collection[ClientOrderId]) -> bool:
        """
        Look so many times, with pauses, and not for too long; return whether all of these orders are final now.

        A kill switch that comes on meanwhile ends it at once: other orders may rest that have to be cancelled (L5).
        """
        was_killed = self.is_killed()

        def may_go_on() -> bool:
            return was_killed or not self.is_killed()

        until = self._clock.now() + timedelta(seconds=LOOKS_SECONDS)
        for look in range(FILL_LOOKS):
            if not self.any_open(ids):
                return True
            if look >= CANCEL_LOOKS and not self._reconciler.awaits_fills(ids):
                return False
            if look and (self._clock.now() >= until or not may_go_on()):
                return False
            if look:
                self._clock.wait_until(min(self._clock.now() + self._look_pause, until), may_go_on)
            self.settle(ids)
        return not self.any_open(ids)

    def settle(self, ids: Collection[ClientOrderId]) -> None:
        """Book new fills and follow these orders, once."""
        try:
            self._reconciler.settle(ids)
        except BrokerUnavailable as error:
            self._log.warning("could not look at own orders, the next look decides: %s", error)

    def any_open(self, ids: Collection[ClientOrderId]) -> bool:
        return any(key in self._book.ledger.open_orders for key in ids)
