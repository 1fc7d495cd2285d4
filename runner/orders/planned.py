"""What passes between those who plan orders and those who send them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.exits import ExitDue
from core.model.market import Product, ProductId
from core.model.orders import ClientOrderId, Order, Outcome
from core.model.portfolio import ExitPlan, Lot, OrderState
from core.model.verdicts import Approved, OrderRefused
from core.ports import Severity
from runner.cycle import OrderNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """
    An order ready to be written down, with why it exists.

    `approved` is what an entry may spend, on which terms; None for all others.
    """

    order: Order
    reason: str
    product: Product
    approved: Approved | None = None

    @property
    def plan(self) -> ExitPlan | None:
        """How the lot of an entry is to be closed."""
        return None if self.approved is None else self.approved.exit_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What became of one attempt to send an order.

    `outcome` is None when the last hop or the kill switch kept it from being written down; `reason` is the exchange's
    code of a rejection, or why nothing was sent.
    """

    outcome: Outcome | None
    reason: str = ""

    @property
    def is_accepted(self) -> bool:
        return self.outcome is Outcome.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSteps:
    """What a lot needs to be guarded: guards to cancel first, and orders to place. Both empty: nothing is missing."""

    cancel: Sequence[ClientOrderId] = ()
    place: Sequence[Planned] = ()


class Planning(Protocol):
    """
    Whom the senders ask for orders while they work: each answer is made of the facts of that moment.

    An `OrderNote` says why there is no order.
    """

    def last_look(self, planned: Planned, without: Sequence[ClientOrderId] = ()) -> OrderRefused | None:
        """Return why an order must not be sent (L7); the open orders `without` are taken for cancelled."""
        ...

    def requote(self, previous: Planned, attempt: int) -> Planned | OrderNote:
        """Return a resting buy at the fresh bid for what an entry has not spent; all its orders must be final."""
        ...

    def crossing(self, previous: Planned, state: OrderState) -> Planned | OrderNote:
        """Return the order that takes what a finished resting buy left."""
        ...

    def exit(self, due: ExitDue, *, fresh: bool) -> Planned | OrderNote:
        """Return the next sell of a lot, at a quote read just now (`fresh`) or earlier in this cycle."""
        ...

    def protection(self, lot: Lot) -> GuardSteps | ExitDue | OrderNote:
        """Return what a lot needs to be guarded at the exchange; an `ExitDue` when its price is beyond a guard."""
        ...

    def note_unsupported(self, order: Order) -> bool:
        """Remember that the venue takes no such guard of this product; return whether another kind may be tried."""
        ...

    def cover(self, product_id: ProductId) -> Planned | OrderNote:
        """Return a buy of the coins that were sold beyond a lot."""
        ...

    def alert(self, code: str, key: str, severity: Severity, message: str) -> None: ...
