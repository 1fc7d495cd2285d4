"""
The protector: every open lot has an order at the exchange that guards it, or it is on its way out.

Guards are planned by `core.protection` from the lot and its live guards; here they are placed and cancelled, through
the same sender as all orders, so also behind the same kill switch (L5). What cannot be guarded is said out loud.
"""

from collections.abc import Collection
from dataclasses import dataclass

from core.exits import ExitDue
from core.model.orders import ClientOrderId, LotId, OrderStatus, Outcome
from core.model.portfolio import Lot
from core.model.verdicts import ExitReason
from runner.bookkeeper import Bookkeeper
from runner.cycle import Cycle, OrderNote
from runner.orders.coverage import is_covered, live_guards
from runner.orders.planned import Planned, Planning
from runner.orders.reject_codes import exit_reached, is_kind_unsupported, is_market_closed
from runner.orders.sending import Sender

STEPS_MAX = 4
"""Rounds of cancelling and placing for one lot in one go: another kind, a slice joined with the rest."""

REFUSED_CYCLES_MAX = 5
"""In so many cycles the venue may refuse a lot's guard; then the lot is sold: nothing would hold its stop for us."""

LEAVING_CYCLES_MAX = 3
"""So long a lot that is due gets no further guard while one of its own is being cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A guard that was accepted in a slot, and `refused_in`, what it puts an end to when it is there a cycle later."""

    key: ClientOrderId
    slot: int
    refused_in: tuple[int, ...]


class Protector:
    """Keep the guards of all lots equal to the lots."""

    def __init__(self, *, sender: Sender, book: Bookkeeper) -> None:
        self._sender = sender
        self._book = book
        self._due: list[ExitDue] = []
        self._why: dict[LotId, str] = {}
        self._refused_in: dict[LotId, tuple[int, ...]] = {}
        self._leaves_since: dict[LotId, int] = {}
        self._on_trial: dict[LotId, _Trial] = {}
        self._doubted: dict[LotId, None] = {}

    @property
    def has_due(self) -> bool:
        """Whether a lot could not be guarded because its stop is reached: it must be sold."""
        return bool(self._due)

    def take_due(self) -> list[ExitDue]:
        due, self._due = self._due, []
        return due

    def why_unguarded(self, lot: Lot) -> str | None:
        """Say why a lot is not guarded, or may not be for long, as far as the last attempt told; None when it is."""
        if is_covered(self._book.ledger, lot):
            is_doubted = lot.lot_id in self._doubted
            return "the guard before failed after it was accepted, and so may this one" if is_doubted else None
        if self._sender.is_killed():
            return "the kill switch is on"
        return self._why.get(lot.lot_id, "its guard is not known to be at the exchange")

    def protect(self, planning: Planning, cycle: Cycle, being_sold: Collection[LotId] = ()) -> None:
        """
        Bring the guards of every lot in line with it.

        What is left of lots that are `being_sold` is guarded as well, where that can be: the next cycle goes on
        selling, but the run may end before it. Such a lot does not become due once more.
        """
        for lot in tuple(self._book.ledger.lots.values()):
            self._end_trial(lot, cycle)
            if not self._is_due(lot) and not self._sender.is_killed():
                self._protect_lot(lot, planning, cycle)
        self._due = [due for due in self._due if due.lot_id not in being_sold]
        lots = self._book.ledger.lots
        self._why = {lot_id: why for lot_id, why in self._why.items() if lot_id in lots}
        self._refused_in = {lot_id: slots for lot_id, slots in self._refused_in.items() if lot_id in lots}
        self._leaves_since = {lot_id: slot for lot_id, slot in self._leaves_since.items() if lot_id in lots}
        self._on_trial = {lot_id: trial for lot_id, trial in self._on_trial.items() if lot_id in lots}
        self._doubted = {lot_id: None for lot_id in self._doubted if lot_id in lots}

    def _protect_lot(self, lot: Lot, planning: Planning, cycle: Cycle) -> None:
        self._why.pop(lot.lot_id, None)
        if self._is_leaving(lot, cycle):
            self._why[lot.lot_id] = "it is to be sold as soon as its guards are over"
            return
        if self._was_refused_before(lot, cycle):
            # Beside those that rest, the venue took none for the rest of the lot: it may take one for all of it.
            self._sender.cancel_and_look(
                [state.order.client_order_id for state in live_guards(self._book.ledger, lot.lot_id)]
            )
        for _ in range(STEPS_MAX):
            now = self._book.ledger.lots.get(lot.lot_id)  # a guard may have filled meanwhile
            if now is None:
                return
            steps = planning.protection(now)
            if isinstance(steps, ExitDue):
                self._due.append(steps)
                return
            if isinstance(steps, OrderNote):
                self._why[lot.lot_id] = f"{steps.reason}: {steps.observed}, limit {steps.limit}"
                return
            if not steps.cancel and not steps.place:
                return
            if steps.cancel and not self._sender.cancel_and_look(steps.cancel):
                self._why[lot.lot_id] = "a guard that is to be replaced is not over yet"
                return
            if not all(self._placed(planned, now, planning, cycle) for planned in steps.place):
                return

    def _placed(self, planned: Planned, lot: Lot, planning: Planning, cycle: Cycle) -> bool:
        """Place one guard; return whether to go on with the lot."""
        answer = self._sender.place(planned, planning, cycle)
        if answer.is_accepted:
            self._look_at_accepted(planned.order.client_order_id, lot, cycle)
            return not self._is_due(lot)
        is_rejected = answer.outcome is Outcome.REJECTED
        if is_rejected and is_kind_unsupported(answer.reason) and planning.note_unsupported(planned.order):
            return True
        reached = exit_reached(answer.reason) if is_rejected else None
        if reached is not None:
            limit = f"guard at {planned.order.stop_price} and {planned.order.limit_price}"
            self._due.append(ExitDue(lot_id=lot.lot_id, reason=reached, observed=answer.reason, limit=limit))
        elif is_rejected and not is_market_closed(answer.reason):
            self._count_refusal(lot, answer.reason, cycle.tick.slot)
        what = "refused before sending" if answer.outcome is None else answer.outcome.value
        self._why[lot.lot_id] = f"{planned.order.order_type.value} {what}: {answer.reason}"
        return False

    def _is_leaving(self, lot: Lot, cycle: Cycle) -> bool:
        """
        Tell whether a lot that is due only waits for the end of guards whose cancel was asked for.

        A further guard would have to be cancelled before the sale as well: where cancels take their time, two parts of
        a lot would be guarded in turn, and it would never be sold. It is not waited for for ever either: a guard that
        cannot be cancelled must not leave the rest of the lot without one.
        """
        guards = live_guards(self._book.ledger, lot.lot_id)
        is_due = any(due.lot_id == lot.lot_id for due in cycle.exits)
        if not (is_due and any(state.cancel_requested for state in guards)):
            self._leaves_since.pop(lot.lot_id, None)
            return False
        slot = cycle.tick.slot
        if slot - self._leaves_since.setdefault(lot.lot_id, slot) < LEAVING_CYCLES_MAX:
            return True
        del self._leaves_since[lot.lot_id]
        return False

    def _is_due(self, lot: Lot) -> bool:
        return any(due.lot_id == lot.lot_id for due in self._due)

    def _look_at_accepted(self, key: ClientOrderId, lot: Lot, cycle: Cycle) -> None:
        """Accepted is not yet resting: a guard that has FAILED since was refused after all, and is tried again."""
        self._sender.settle([key])
        if self._has_failed(key):
            self._count_refusal(lot, OrderStatus.FAILED.value, cycle.tick.slot)
        else:
            before = self._on_trial.get(lot.lot_id)
            refused_in = (*(before.refused_in if before else ()), *self._refused_in.pop(lot.lot_id, ()))
            self._on_trial[lot.lot_id] = _Trial(key=key, slot=cycle.tick.slot, refused_in=refused_in)

    def _end_trial(self, lot: Lot, cycle: Cycle) -> None:
        """
        Judge a guard in the cycle after its own: until then it may fail unseen, and the lot be naked for a minute.

        One that failed was refused in its own cycle; one that did not ends the count of those that were.
        """
        trial = self._on_trial.get(lot.lot_id)
        if trial is None or trial.slot >= cycle.tick.slot or cycle.reconciled is None:
            return
        del self._on_trial[lot.lot_id]
        self._doubted.pop(lot.lot_id, None)
        if self._has_failed(trial.key):
            self._doubted[lot.lot_id] = None
            self._refused_in[lot.lot_id] = (*trial.refused_in, *self._refused_in.get(lot.lot_id, ()))
            self._count_refusal(lot, OrderStatus.FAILED.value, trial.slot)

    def _has_failed(self, key: ClientOrderId) -> bool:
        state = self._book.ledger.closed_orders.get(key)
        return state is not None and state.status is OrderStatus.FAILED

    def _was_refused_before(self, lot: Lot, cycle: Cycle) -> bool:
        """Tell whether the venue refused a guard of this lot in an earlier cycle, and none since."""
        slots = self._refused_in.get(lot.lot_id, ())
        return bool(slots) and slots[-1] < cycle.tick.slot and not is_covered(self._book.ledger, lot)

    def _count_refusal(self, lot: Lot, why: str, slot: int) -> None:
        """Count the cycles whose guards the venue did not take; a lot that it takes none for is sold."""
        slots = self._refused_in.get(lot.lot_id, ())
        if slot not in slots:
            slots = self._refused_in[lot.lot_id] = (*slots, slot)
        if len(slots) >= REFUSED_CYCLES_MAX:
            limit = f"a guard within {REFUSED_CYCLES_MAX} cycles"
            self._due.append(ExitDue(lot_id=lot.lot_id, reason=ExitReason.UNGUARDED, observed=why, limit=limit))
