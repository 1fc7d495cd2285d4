"""
The executor: one order at a time, plan on disk before the first byte leaves (L2), nothing sent twice (L3).

Entries rest first (post-only, good till a near date); what is left of them crosses within the slippage budget or is
given up. Exits cross at once. The kill switch is read by the last hop, again before each send, and in every wait.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.errors import BrokerUnavailable, MarketDataUnavailable, OrderNotSent, OrderOutcomeUnknown, OrderRejected
from core.model.market import Product
from core.model.orders import ClientOrderId, Order, OrderId, Outcome, Purpose
from core.model.portfolio import ExitPlan, OrderState
from core.model.records import CancelRequested, Intent, OutcomeKnown, Sent
from core.model.signals import Tier
from core.model.verdicts import OrderRefused
from core.ports import Broker, Clock, KillCommand, KillSwitch
from core.settings import ExecutionPolicy
from runner.bookkeeper import Bookkeeper
from runner.cycle import Cycle, OrderNote, Reason
from runner.reconcile import Reconciler

CANCEL_LOOKS = 5
"""So often a cancelled or crossing order is looked up before the next cycle has to settle it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """
    An order ready to be written down, with why it exists.

    For an entry: how its lot is to be closed, and the tier whose slippage budget it may use; None for an exit.
    """

    order: Order
    plan: ExitPlan | None
    reason: str
    product: Product
    tier: Tier | None


Gate = Callable[[Order], OrderRefused | None]
Crossing = Callable[[Planned, OrderState], "Planned | OrderNote"]


class Executor:
    """Send orders and see them through to their end, inside the cycle's deadline."""

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
        self._policy = policy
        self._stop_reason = stop_reason
        self._log = log

    def close_lots(self, planned: Sequence[Planned], gate: Gate, cycle: Cycle) -> None:
        """Send exits, each at once; what they leave is sold in the next cycle."""
        sent = [item for item in planned if self._place(item, gate, cycle)]
        self._settle_until_final(sent)

    def open_lots(self, planned: Sequence[Planned], gate: Gate, crossing: Crossing, cycle: Cycle) -> None:
        """Place all resting entries, then poll them together, cancel what is left, and cross the rest if allowed."""
        resting = [item for item in planned if not self._is_too_late(cycle) and self._place(item, gate, cycle)]
        self._let_rest(resting, cycle)
        self._cancel([item.order.client_order_id for item in resting])
        self._settle_until_final(resting)
        self._cross_the_rest(resting, gate, crossing, cycle)

    def cancel_for_kill(self, command: KillCommand) -> None:
        """
        Cancel own orders that increase risk (all own orders for `cancel-all`) and look until they are gone (L5).

        Raises:
            BrokerUnavailable: Not verified; the next cycle does it again.
        """
        ids = [
            state.order.client_order_id
            for state in self._book.ledger.open_orders.values()
            if command is KillCommand.CANCEL_ALL or state.order.purpose is Purpose.ENTRY
        ]
        if ids:
            self._cancel(ids)
            self._look_until_final(ids)

    def cancel_overdue(self) -> int:
        """Cancel entries that outlived their end; return how many there were."""
        now = self._clock.now()
        overdue = [
            state.order.client_order_id
            for state in self._book.ledger.open_orders.values()
            if state.order.end_time is not None and state.order.end_time <= now and not state.is_unknown
        ]
        if overdue:
            self._cancel(overdue)
            self._look_until_final(overdue)
        return len(overdue)

    # --- one order ------------------------------------------------------------------------------------------------

    def _place(self, planned: Planned, gate: Gate, cycle: Cycle) -> bool:
        """Write the intent, send it, write the outcome. Return whether there is now something to follow."""
        order = planned.order
        refused = gate(order)
        if refused is not None:
            cycle.last_hop_refusals.append(refused)
            return False
        now = self._clock.now()
        self._book.record(
            Intent(at=now, slot=cycle.tick.slot, order=order, plan=planned.plan, reason=planned.reason), durable=True
        )
        if self._kill_switch.read() is not None:
            cycle.end(Reason.KILL_SWITCH)
            self._note_outcome(order, Outcome.NOT_SENT, None, Reason.KILL_SWITCH.value)
            return False
        self._book.record(Sent(at=now, client_order_id=order.client_order_id), durable=False)
        return self._submit(order)

    def _submit(self, order: Order) -> bool:
        try:
            order_id = self._broker.submit(order)
        except OrderRejected as error:
            self._note_outcome(order, Outcome.REJECTED, None, error.reason)
            return order.purpose is Purpose.ENTRY  # a rejected maker may still cross
        except OrderNotSent as error:
            self._note_outcome(order, Outcome.NOT_SENT, None, str(error))
            return False
        except OrderOutcomeUnknown as error:
            self._note_outcome(order, Outcome.UNKNOWN, None, str(error))
            return False
        self._note_outcome(order, Outcome.ACCEPTED, order_id, "")
        return True

    def _note_outcome(self, order: Order, outcome: Outcome, order_id: OrderId | None, reason: str) -> None:
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

    # --- resting, cancelling, crossing ----------------------------------------------------------------------------

    def _may_wait(self) -> bool:
        return self._kill_switch.read() is None and self._stop_reason() is None

    def _let_rest(self, resting: Sequence[Planned], cycle: Cycle) -> None:
        poll = timedelta(seconds=self._policy.poll_interval_seconds)
        until = min(self._clock.now() + timedelta(seconds=self._policy.maker_ttl_seconds), cycle.deadline)
        while self._clock.now() < until and self._any_open(resting) and self._may_wait():
            self._clock.wait_until(min(self._clock.now() + poll, until), self._may_wait)
            self._settle_quietly()

    def _cancel(self, ids: Sequence[ClientOrderId]) -> None:
        states = [self._book.ledger.open_orders[key] for key in ids if key in self._book.ledger.open_orders]
        order_ids = [state.order_id for state in states if state.order_id is not None]
        if not order_ids:
            return
        for state in states:
            self._book.record(
                CancelRequested(at=self._clock.now(), client_order_id=state.order.client_order_id), durable=False
            )
        try:
            self._broker.cancel(order_ids)
        except BrokerUnavailable as error:
            self._log.warning("cancel not confirmed, the next cycle asks again: %s", error)

    def _settle_until_final(self, planned: Sequence[Planned]) -> None:
        self._look_until_final([item.order.client_order_id for item in planned])

    def _look_until_final(self, ids: Sequence[ClientOrderId]) -> None:
        pause = timedelta(seconds=float(self._policy.post_trade_reconcile_wait_seconds))
        for look in range(CANCEL_LOOKS):
            if not any(key in self._book.ledger.open_orders for key in ids):
                return
            if look:
                self._clock.wait_until(self._clock.now() + pause, lambda: True)
            self._settle_quietly()

    def _settle_quietly(self) -> None:
        try:
            self._reconciler.settle()
        except BrokerUnavailable as error:
            self._log.warning("could not look at own orders, the next look decides: %s", error)

    def _any_open(self, planned: Sequence[Planned]) -> bool:
        return any(item.order.client_order_id in self._book.ledger.open_orders for item in planned)

    def _cross_the_rest(self, resting: Sequence[Planned], gate: Gate, crossing: Crossing, cycle: Cycle) -> None:
        crossed = []
        for item in resting:
            state = self._book.ledger.closed_orders.get(item.order.client_order_id)
            if state is None or state.filled_size == item.order.size or self._is_too_late(cycle):
                continue  # still open (never two live orders for one wish), done, or out of time
            try:
                taker = crossing(item, state)
            except MarketDataUnavailable as error:
                self._log.warning("no quote to cross the rest of %s: %s", item.order.product_id, error)
                continue
            if isinstance(taker, OrderNote):
                cycle.not_sent.append(taker)
            elif self._place(taker, gate, cycle):
                crossed.append(taker)
        self._settle_until_final(crossed)

    def _is_too_late(self, cycle: Cycle) -> bool:
        if self._stop_reason() is not None:
            cycle.end(Reason.STOPPING)
            return True
        if cycle.is_late:
            cycle.end(Reason.DEADLINE)
            return True
        return False
