"""
Fills: each execution of an order of ours is booked once, each of somebody else's is counted once (L9, L10).

Exchanges name only their own order id in a fill, so an id that nobody here knows is looked up: it may belong to an
order of ours whose answer was lost, or that we took for dead.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from core.errors import BrokerUnavailable
from core.model.orders import ClientOrderId, Fill, OrderId, OrderKey, OrderReport, Outcome
from core.model.portfolio import OrderState
from core.model.records import FillBooked
from core.ports import Broker, Clock
from runner.bookkeeper import Bookkeeper
from runner.differences import ABSENT_ORDER_FILLED, FILL_ORDER_DIFFERS, Difference, about_order, compare_fill

FILLS_OVERLAP = timedelta(minutes=10)
"""Fills are asked for again from this much before the last one: late ones must not be missed."""

LOOKS_FOR_OWNER = 3
"""So often the order of a fill that nobody knows is looked up before the fill counts as foreign."""

ORDER_BEFORE_FILL = timedelta(days=1)
"""An order is looked for from this long before its fill."""

FOREIGN_KEPT = 5000

NO_CLIENT_ID = ClientOrderId("")

Name = TypeVar("Name", bound=str)

Accept = Callable[[OrderState, OrderReport], bool]
"""Take an UNKNOWN order for found; False when what was found is not what we meant."""


class FillBooking:
    """Read the account's fills and sort them into ours and foreign ones."""

    def __init__(
        self,
        *,
        broker: Broker,
        book: Bookkeeper,
        clock: Clock,
        accept: Accept,
        notice: Callable[[Difference], None],
    ) -> None:
        self._broker = broker
        self._book = book
        self._clock = clock
        self._accept = accept
        self._notice = notice
        # Until a first fill moves the cursor: an order of an earlier run may have filled after we took it for dead.
        self._known_since = min([clock.now(), *(state.intent_at for state in book.ledger.closed_orders.values())])
        self._owner_looks: dict[OrderId, int] = {}
        self._foreign_fills: dict[str, None] = {}
        self._foreign_orders: dict[OrderId, None] = {}
        self._foreign_new = 0
        self._booked_new = 0

    def take_counts(self) -> tuple[int, int]:
        """Return how many fills were booked, and how many foreign ones were seen, since this was last asked."""
        counts = self._booked_new, self._foreign_new
        self._booked_new = self._foreign_new = 0
        return counts

    def book_new(self) -> None:
        """
        Book what is new.

        A fill that counts as foreign is asked about again: an order of ours may have been found since, under its id.

        Raises:
            BrokerUnavailable: The fills, or the order of one of them, could not be read; the others are booked.
        """
        ledger = self._book.ledger
        times = [state.intent_at for state in ledger.open_orders.values()]
        since = min([*times, ledger.fills_cursor or self._known_since])
        ours: Mapping[OrderId, ClientOrderId] | None = None
        not_told: BrokerUnavailable | None = None
        for fill in self._broker.fills(since - FILLS_OVERLAP):
            if fill.fill_id in self._book.ledger.fill_ids:
                continue
            if ours is None:
                ours = self._ids_by_order_id()
            key = fill.client_order_id or ours.get(fill.order_id, NO_CLIENT_ID)
            if self._state(key) is None and fill.fill_id in self._foreign_fills:
                continue
            if self._state(key) is None:
                try:
                    key = self._owner(fill)
                except BrokerUnavailable as error:
                    not_told = error
                    continue
                ours = None if key else ours
            if key:
                self._book_fill(replace(fill, client_order_id=key))
        if not_told is not None:
            raise not_told

    def _book_fill(self, fill: Fill) -> None:
        state = self._state(fill.client_order_id)
        if state is not None and state.order_id not in (None, fill.order_id):
            # The exchange told us another id when it took the order: which one is ours, a person must find out.
            ours = f"order {state.order_id}"
            self._notice(about_order(FILL_ORDER_DIFFERS, fill.client_order_id, ours, f"fill of order {fill.order_id}"))
            return
        contradictions = [] if state is None else compare_fill(state, fill)
        if contradictions:
            for found in contradictions:
                self._notice(found)
            return  # the ledger would refuse it, and that ends the run: nobody would watch, in each run again
        if state is not None and state.outcome in (Outcome.ABSENT, Outcome.NOT_SENT, Outcome.REJECTED):
            said = about_order(ABSENT_ORDER_FILLED, fill.client_order_id, state.outcome.value, f"fill {fill.fill_id}")
            self._notice(said)
        self._book.record(FillBooked(at=self._clock.now(), fill=fill), durable=True)
        self._booked_new += 1

    def _owner(self, fill: Fill) -> ClientOrderId:
        """
        Find out whose order a fill belongs to that nobody knows; empty when it is not ours, or not to be told yet.

        The answer is remembered, and so is, in the end, that there is none: a foreign order costs a look or three.
        """
        if fill.client_order_id or fill.order_id in self._foreign_orders:
            self._note_foreign(fill)
            return NO_CLIENT_ID
        report = self._broker.find(
            OrderKey(
                client_order_id=NO_CLIENT_ID,
                order_id=fill.order_id,
                product_id=fill.product_id,
                since=fill.at - ORDER_BEFORE_FILL,
            )
        )
        looks = self._owner_looks[fill.order_id] = self._owner_looks.get(fill.order_id, 0) + 1
        if report is None and looks < LOOKS_FOR_OWNER:
            return NO_CLIENT_ID
        del self._owner_looks[fill.order_id]
        state = None if report is None else self._state(report.client_order_id)
        if report is None or state is None:
            self._note_foreign(fill)
            return NO_CLIENT_ID
        if state.is_unknown and not state.status.is_final and not self._accept(state, report):
            return NO_CLIENT_ID
        return state.order.client_order_id

    def _note_foreign(self, fill: Fill) -> None:
        self._foreign_new += 1
        _remember(self._foreign_fills, fill.fill_id)
        _remember(self._foreign_orders, fill.order_id)

    def _state(self, key: ClientOrderId) -> OrderState | None:
        ledger = self._book.ledger
        return ledger.open_orders.get(key) or ledger.closed_orders.get(key)

    def _ids_by_order_id(self) -> Mapping[OrderId, ClientOrderId]:
        ledger = self._book.ledger
        return {
            state.order_id: key
            for known in (ledger.closed_orders, ledger.open_orders)
            for key, state in known.items()
            if state.order_id is not None
        }


def _remember(memory: dict[Name, None], name: Name) -> None:
    memory[name] = None
    if len(memory) > FOREIGN_KEPT:
        del memory[next(iter(memory))]
