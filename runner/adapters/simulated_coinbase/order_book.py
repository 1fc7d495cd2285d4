"""
The account's orders as the exchange shows them, later than the engine knows them (coinbase_api 2.9, 2.12, 2.13).

The engine decides at once; here live the lags, the cancels that are still to come, and the two answers to a
client_order_id that is known already.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import OrderNotSent, OrderRejected
from core.model.money import ZERO
from core.model.orders import Fill, OrderId, OrderStatus
from runner.adapters.simulated_coinbase.answers import Refusal, html
from runner.adapters.simulated_coinbase.behaviour import Behaviour, DuplicateAnswer
from runner.adapters.simulated_coinbase.order_requests import Ask, Reject, order_of
from runner.adapters.simulated_coinbase.order_rows import configuration_of, fill_row, order_row, shown_status
from runner.adapters.simulated_coinbase.venue_time import VenueTime
from runner.matching.engine import MatchingEngine
from runner.matching.order_record import CancelResult, OrderRecord, new_record
from runner.matching.venue_order import VenueOrder

HOLD_FAILURE = "HOLD_FAILURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How an order was asked for: the id that its sender gave it, and its configuration as sent."""

    client_order_id: str
    configuration: Mapping[str, object]
    at: datetime


class OrderBook:
    """All orders of the account, ours and the owner's own."""

    def __init__(self, engine: MatchingEngine, time: VenueTime, behaviour: Behaviour) -> None:
        self._engine = engine
        self._time = time
        self._behaviour = behaviour
        self._accepted: dict[OrderId, OrderRecord] = {}
        self._lively: dict[OrderId, OrderRecord] = {}
        """Those of them that may still be shown with a status that is not final."""
        self._sent: dict[OrderId, Sent] = {}
        self._latest: dict[str, OrderId] = {}
        self._cancels: dict[OrderId, datetime] = {}
        for record in engine.records():  # restored from before a restart
            self._keep(record, _sent_as_shown(record))

    def settle(self, now: datetime) -> None:
        """Do the cancels that have become due, each at its moment."""
        for order_id, due in sorted(self._cancels.items(), key=lambda item: item[1]):
            if due <= now:
                del self._cancels[order_id]
                with self._time.held_at(due):
                    self._engine.cancel(order_id)

    # --- what changes orders ------------------------------------------------------------------------------------------

    def create(self, ask: Ask, now: datetime, *, fails: bool = False) -> OrderRecord:
        """
        Accept an order; a client_order_id that is remembered gives its first order, or a reject.

        `fails`: it is accepted, and found FAILED when it is looked up.

        Raises:
            Reject: The order is refused.
            Refusal: The market gives no answer to check it against.
        """
        known = self._remembered(ask.client_order_id, now)
        if known is not None:
            if self._behaviour.duplicates is DuplicateAnswer.REJECT:
                raise Reject("DUPLICATE_CLIENT_ORDER_ID", "client_order_id was used before")
            return known
        order = order_of(ask, self._engine_id(ask.client_order_id))
        record = self._fail(order, now) if fails else self._submit(order)
        configuration = {name: _with_extras(given) for name, given in ask.configuration.items()}
        self._keep(record, Sent(client_order_id=ask.client_order_id, configuration=configuration, at=now))
        return record

    def place(self, order: VenueOrder) -> OrderRecord:
        """
        Take in an order that the owner placed another way.

        Raises:
            Reject: The order is refused.
        """
        record = self._submit(order)
        self._keep(record, _sent_as_shown(record))
        return record

    def cancel(self, order_id: str, now: datetime) -> str | None:
        """Ask for a cancel; return the reason why there will be none, or None. It is done `lags.cancel` later."""
        record = self.find(order_id, now)
        if record is None:
            return "UNKNOWN_CANCEL_ORDER"
        if record.order_id in self._cancels:
            return "DUPLICATE_CANCEL_REQUEST"
        if record.status.is_final:
            return "ORDER_IS_FULLY_FILLED" if record.status is OrderStatus.FILLED else "UNKNOWN_CANCEL_ORDER"
        if self._behaviour.lags.cancel:
            self._cancels[record.order_id] = now + self._behaviour.lags.cancel
            return None
        return None if self._engine.cancel(record.order_id) is CancelResult.DONE else "UNKNOWN_CANCEL_ORDER"

    def refusal_of(self, ask: Ask) -> str | None:
        """
        Return the code with which an order would be refused now, or None.

        Raises:
            Reject: The request makes no order at all.
            Refusal: The market gives no answer to check it against.
        """
        try:
            return self._engine.preview(order_of(ask, "preview"))
        except OrderNotSent:
            raise Refusal(html(503, "Service Unavailable")) from None

    # --- what is shown ------------------------------------------------------------------------------------------------

    def accepted(self) -> Sequence[OrderRecord]:
        """Return every order that is kept, oldest first, as the engine knows it."""
        self._engine.resting()
        return list(self._accepted.values())

    def sent(self, order_id: OrderId) -> Sent:
        return self._sent[order_id]

    def find(self, order_id: str, now: datetime) -> OrderRecord | None:
        """Return an order by the exchange's id; None also while it is not shown yet."""
        self._engine.resting()
        record = self._accepted.get(OrderId(order_id))
        return record if record is not None and self.is_shown(record, now) else None

    def newest_first(self, now: datetime, *, without_final: bool = False) -> list[OrderRecord]:
        """Return the orders that are shown; `without_final`: only those that may have a status that is not final."""
        self._engine.resting()
        if without_final:
            for record in list(self._lively.values()):
                if record.status.is_final and not self.is_pending(record, now):
                    del self._lively[record.order_id]
        latest = now - self._behaviour.lags.order
        kept = self._lively if without_final else self._accepted
        return [record for record in reversed(kept.values()) if record.created_at <= latest]

    def is_shown(self, record: OrderRecord, now: datetime) -> bool:
        return record.created_at + self._behaviour.lags.order <= now

    def is_pending(self, record: OrderRecord, now: datetime) -> bool:
        return now < record.created_at + self._behaviour.lags.pending

    def status(self, record: OrderRecord, now: datetime) -> str:
        """Return the status that the order is shown with."""
        is_pending, is_cancelling = self.is_pending(record, now), record.order_id in self._cancels
        return shown_status(record, is_pending=is_pending, is_cancelling=is_cancelling)

    def row(self, record: OrderRecord, now: datetime) -> dict[str, object]:
        sent = self._sent[record.order_id]
        return order_row(
            record,
            client_order_id=sent.client_order_id,
            configuration=sent.configuration,
            is_pending=self.is_pending(record, now),
            is_cancelling=record.order_id in self._cancels,
        )

    def fill_rows(self, since: datetime, until: datetime, now: datetime) -> list[dict[str, object]]:
        """Return the fills with since <= time <= until that are shown already, newest first."""
        shown = [fill for fill in self._engine.fills(since) if fill.at <= until and self._is_listed(fill, now)]
        return [
            fill_row(fill, in_quote=self._accepted[fill.order_id].order.quote_size is not None)
            for fill in reversed(shown)
        ]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _is_listed(self, fill: Fill, now: datetime) -> bool:
        record = self._accepted.get(fill.order_id)
        if record is None or self.is_pending(record, now):
            return False
        lags = self._behaviour.lags
        return fill.at + (lags.fills * _share_of(fill) if lags.fills_vary else lags.fills) <= now

    def _remembered(self, client_order_id: str, now: datetime) -> OrderRecord | None:
        order_id = self._latest.get(client_order_id)
        if order_id is None:
            return None
        memory = self._behaviour.id_memory
        if memory is not None and now - self._sent[order_id].at > memory:
            return None
        self._engine.resting()
        return self._accepted[order_id]

    def _engine_id(self, client_order_id: str) -> str:
        """Return the name of the order in the engine, which remembers ids for longer than we may be asked to."""
        if client_order_id not in self._latest:
            return client_order_id
        again = sum(sent.client_order_id == client_order_id for sent in self._sent.values())
        return f"{client_order_id} again {again}"

    def _submit(self, order: VenueOrder) -> OrderRecord:
        try:
            return self._engine.submit(order)
        except OrderRejected as error:
            raise Reject(error.reason, _message_of(error)) from None
        except OrderNotSent:
            raise Refusal(html(503, "Service Unavailable")) from None

    def _fail(self, order: VenueOrder, now: datetime) -> OrderRecord:
        """Accept an order only to find out that it cannot be held for."""
        try:
            code = self._engine.preview(order)
        except OrderNotSent:
            raise Refusal(html(503, "Service Unavailable")) from None
        if code is not None:
            raise Reject(code)
        record = new_record(order, size=order.base_size or ZERO, at=now)
        record.status, record.reject_reason, record.closed_at = OrderStatus.FAILED, HOLD_FAILURE, now
        self._engine.restore(record)
        return record

    def _keep(self, record: OrderRecord, sent: Sent) -> None:
        self._accepted[record.order_id] = self._lively[record.order_id] = record
        self._sent[record.order_id] = sent
        self._latest[sent.client_order_id] = record.order_id
        if self._behaviour.orders_kept is not None:
            self._forget_beyond(self._behaviour.orders_kept)

    def _forget_beyond(self, kept: int) -> None:
        """Forget the oldest orders that are over: a list of all that ever were takes ever longer to go through."""
        while len(self._accepted) > kept + len(self._engine.resting()):
            oldest = next(record for record in self._accepted.values() if record.status.is_final)
            del self._accepted[oldest.order_id]
            self._lively.pop(oldest.order_id, None)
            forgotten = self._sent.pop(oldest.order_id)
            if self._latest.get(forgotten.client_order_id) == oldest.order_id:
                del self._latest[forgotten.client_order_id]


def _sent_as_shown(record: OrderRecord) -> Sent:
    """Return how an order was sent of which only the order itself is known."""
    order = record.order
    return Sent(client_order_id=order.client_order_id, configuration=configuration_of(order), at=record.created_at)


def _message_of(error: OrderRejected) -> str:
    return "Insufficient balance in source account" if "INSUFFICIENT_FUND" in error.reason else ""


def _with_extras(given: object) -> object:
    """Return a configuration as it is echoed: with keys that were never sent."""
    return {**given, "rfq_disabled": False, "reduce_only": False} if isinstance(given, dict) else given


def _share_of(fill: Fill) -> float:
    """Return a number in [0, 1) that belongs to a fill for ever."""
    return zlib.crc32(fill.fill_id.encode()) / 2**32
