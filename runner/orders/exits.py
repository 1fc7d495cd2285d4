"""
Exits: a lot's guards make way, then it is sold in a bounded number of attempts, each at a fresh quote and wider.

The guards hold the coins, and one of them may fill while it is being cancelled. So nothing is sold before all of them
are proven final, and then only what the ledger still has: a lot is never sold twice (L9, L10).
"""

import logging
from collections.abc import Sequence

from core.errors import MarketDataUnavailable
from core.exits import ExitDue
from core.model.orders import ClientOrderId, LotId, Purpose
from core.order_plan import Unplannable
from core.ports import Severity
from core.settings import ExitPolicy
from runner.bookkeeper import Bookkeeper
from runner.cycle import Cycle, OrderNote
from runner.orders.planned import Planned, Planning
from runner.orders.sending import Sender


class Exits:
    """Sell lots that are due, and buy back what was sold beyond one."""

    def __init__(self, *, sender: Sender, book: Bookkeeper, policy: ExitPolicy, log: logging.Logger) -> None:
        self._sender = sender
        self._book = book
        self._policy = policy
        self._log = log

    def close_lots(self, due: Sequence[ExitDue], planning: Planning, cycle: Cycle) -> None:
        """Sell all of each lot; what is left goes on in the next cycle."""
        going = self._free_of_guards([item for item in due if self._may_be_sent(item, planning, cycle)], planning)
        for _ in range(self._policy.exit_attempts_per_cycle):
            sent = [key for item in going if (key := self._sell(item, planning, cycle)) is not None]
            if not sent:
                return
            self._sender.look_until_final(sent)

    def _may_be_sent(self, due: ExitDue, planning: Planning, cycle: Cycle) -> bool:
        """Plan first: no guard is cancelled for a sell that cannot be sent."""
        planned = self._plan(due, planning, cycle, fresh=False)
        if planned is None:
            return False
        refused = planning.last_look(planned, without=self._guards(due.lot_id))
        if refused is not None:
            cycle.last_hop_refusals.append(refused)
        return refused is None

    def _free_of_guards(self, due: Sequence[ExitDue], planning: Planning) -> list[ExitDue]:
        """Cancel the guards of all these lots together, and keep the lots whose guards are proven over."""
        self._sender.cancel_and_look([key for item in due for key in self._guards(item.lot_id)])
        free = []
        for item in due:
            left = self._guards(item.lot_id)
            if left:
                message = f"guard {left[0]} of lot {item.lot_id} is not proven over: the lot cannot be sold this cycle"
                planning.alert("guard_not_cancelled", item.lot_id, Severity.CRITICAL, message)
            else:
                free.append(item)
        return free

    def _guards(self, lot_id: LotId) -> list[ClientOrderId]:
        """Return the guards of a lot that are not final, UNKNOWN ones included: they may still sell."""
        return [
            key
            for key, state in self._book.ledger.open_orders.items()
            if state.order.lot_id == lot_id and state.order.purpose is Purpose.PROTECTION
        ]

    def _sell(self, due: ExitDue, planning: Planning, cycle: Cycle) -> ClientOrderId | None:
        """Send one attempt; return its id when there is something to follow."""
        if self._has_open_exit(due.lot_id):
            return None  # the attempt before is not proven over
        planned = self._plan(due, planning, cycle, fresh=True)
        if planned is None or not self._sender.place(planned, planning, cycle).is_accepted:
            return None
        return planned.order.client_order_id

    def _has_open_exit(self, lot_id: LotId) -> bool:
        return any(
            state.order.lot_id == lot_id and state.order.purpose is Purpose.EXIT
            for state in self._book.ledger.open_orders.values()
        )

    def _plan(self, due: ExitDue, planning: Planning, cycle: Cycle, *, fresh: bool) -> Planned | None:
        """Return the next sell of a lot; None, with a note of why, when there is none."""
        if due.lot_id not in self._book.ledger.lots:
            return None
        try:
            planned = planning.exit(due, fresh=fresh)
        except MarketDataUnavailable as error:
            self._log.warning("no quote to sell lot %s with: %s", due.lot_id, error)
            return None
        if not isinstance(planned, OrderNote):
            return planned
        cycle.not_sent.append(planned)
        if planned.reason == Unplannable.MARKET_CLOSED.value:
            message = (
                f"{planned.product_id} takes no sell of ours ({planned.observed}) and lot {due.lot_id} should be sold: "
                f"{due.reason.value}. Its guards stay at the exchange"
            )
            planning.alert("position_stuck", due.lot_id, Severity.CRITICAL, message)
        elif planned.reason == Unplannable.BELOW_MINIMUM.value:
            message = (
                f"what is left of lot {due.lot_id} is less than {planned.product_id} takes in an order "
                f"({planned.observed}, at least {planned.limit}): it stays until that changes"
            )
            planning.alert("position_stuck", due.lot_id, Severity.CRITICAL, message)
        return None

    def buy_back(self, planning: Planning, cycle: Cycle) -> None:
        """Restore coins that were sold beyond a lot: both sides of a guard, or a guard and an exit, have filled."""
        sent = []
        for product_id, missing in tuple(self._book.ledger.oversold.items()):
            message = f"{missing.quantity} {product_id.base} were sold beyond our lots; they are being bought back"
            planning.alert("oversold", str(product_id), Severity.CRITICAL, message)
            planned = planning.cover(product_id)
            if isinstance(planned, OrderNote):
                cycle.not_sent.append(planned)
            elif self._sender.place(planned, planning, cycle).is_accepted:
                sent.append(planned.order.client_order_id)
        self._sender.look_until_final(sent)
