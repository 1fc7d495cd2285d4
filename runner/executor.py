"""
The executor: plans become orders at the exchange, and every order is seen through to its end.

The work is done in `runner.orders`: the sender is the one way out (L2, L3, L5), entries rest and cross, exits make room
and sell, the protector guards what is held. Here they are put together into what a cycle asks for.
"""

import logging
from collections.abc import Callable, Collection, Sequence

from core.exits import ExitDue
from core.model.orders import LotId, Side
from core.model.portfolio import Lot
from core.ports import Broker, Clock, KillCommand, KillSwitch
from core.settings import PolicySettings
from runner.bookkeeper import Bookkeeper
from runner.cycle import Cycle
from runner.orders.coverage import CoverClock
from runner.orders.entries import Entries
from runner.orders.exits import Exits
from runner.orders.planned import Planned, Planning
from runner.orders.protector import Protector
from runner.orders.sending import Sender
from runner.reconcile import Reconciler


class Executor:
    """Open lots, guard them, close them; nothing else sends an order."""

    def __init__(
        self,
        *,
        broker: Broker,
        book: Bookkeeper,
        reconciler: Reconciler,
        clock: Clock,
        kill_switch: KillSwitch,
        policy: PolicySettings,
        stop_reason: Callable[[], str | None],
        log: logging.Logger,
    ) -> None:
        self._book = book
        self._clock = clock
        self._sender = Sender(
            broker=broker,
            book=book,
            reconciler=reconciler,
            clock=clock,
            kill_switch=kill_switch,
            policy=policy.execution,
            stop_reason=stop_reason,
            log=log,
        )
        self._protector = Protector(sender=self._sender, book=book)
        self._exits = Exits(sender=self._sender, book=book, policy=policy.exits, log=log)
        self._entries = Entries(
            sender=self._sender,
            protector=self._protector,
            book=book,
            clock=clock,
            policy=policy.execution,
            log=log,
        )
        self._cover_clock = CoverClock(clock, book.ledger, policy.risk.dust_threshold_usd)
        book.watch(self._cover_clock.note)

    def open_lots(self, planned: Sequence[Planned], planning: Planning, cycle: Cycle) -> None:
        """See entries through, and guard every fill."""
        self._entries.open_lots(planned, planning, cycle)
        self._sell_what_cannot_be_guarded(planning, cycle)

    def close_lots(self, due: Sequence[ExitDue], planning: Planning, cycle: Cycle) -> None:
        """Buy back what was sold too much of, and sell the lots that are due."""
        self._exits.buy_back(planning, cycle)
        if due:
            self._exits.close_lots(due, planning, cycle)

    def protect(self, planning: Planning, cycle: Cycle, being_sold: Collection[LotId]) -> None:
        """Guard every lot, also what is left of those being sold; another whose stop is reached is sold at once."""
        self._protector.protect(planning, cycle, being_sold)
        self._sell_what_cannot_be_guarded(planning, cycle)

    def _sell_what_cannot_be_guarded(self, planning: Planning, cycle: Cycle) -> None:
        due = self._protector.take_due()
        if due:
            cycle.exits = [*cycle.exits, *due]
            self._exits.close_lots(due, planning, cycle)

    def why_unguarded(self, lot: Lot) -> str | None:
        """Say why a lot is not guarded; None when it is."""
        return self._protector.why_unguarded(lot)

    def take_unprotected_seconds(self) -> float:
        """Return for how long, since this was last asked, any lot above dust was not fully guarded."""
        return self._cover_clock.take_seconds()

    # --- upkeep -------------------------------------------------------------------------------------------------------

    def cancel_for_kill(self, command: KillCommand) -> bool:
        """
        Cancel own orders that buy (all own orders for `cancel-all`) and look until they are gone (L5).

        Guards stay: they hold the stop while the bot is silent. False: not all are seen to be gone; ask again.
        """
        ids = [
            state.order.client_order_id
            for state in self._book.ledger.open_orders.values()
            if command is KillCommand.CANCEL_ALL or state.order.side is Side.BUY
        ]
        return self._sender.cancel_and_look(ids, is_urgent=True)

    def cancel_overdue(self) -> int:
        """Cancel entries that outlived their end; return how many there were."""
        now = self._clock.now()
        overdue = [
            state.order.client_order_id
            for state in self._book.ledger.open_orders.values()
            if state.order.end_time is not None and state.order.end_time <= now and not state.is_unknown
        ]
        if overdue:
            self._sender.cancel_and_look(overdue)
        return len(overdue)
