"""The ledger's order events: from INTENT to the end. An end is final, and an id is used once (L3)."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from core.errors import StateUnusable
from core.model.ledger import CLOSED_ORDERS_KEPT, EntryMark, Ledger
from core.model.orders import ClientOrderId, LotId, Order, OrderId, OrderStatus, Outcome, Purpose, Side
from core.model.portfolio import Lot, OrderState
from core.model.records import CancelRequested, Intent, LookedUp, OrderClosed, OutcomeKnown, Sent


def intended(ledger: Ledger, event: Intent) -> Ledger:
    order = event.order
    if order.client_order_id in ledger.open_orders or order.client_order_id in ledger.closed_orders:
        raise StateUnusable(f"order {order.client_order_id} was intended before: an id is used once")
    state = OrderState(order=order, plan=event.plan, reason=event.reason, slot=event.slot, intent_at=event.at)
    after = replace(ledger, open_orders={**ledger.open_orders, order.client_order_id: state})
    if order.purpose is Purpose.ENTRY:
        return replace(after, entries=_with_entry(ledger, event))
    if order.purpose is Purpose.COVER:
        if order.side is not Side.BUY or order.product_id not in ledger.oversold:
            raise StateUnusable(f"cover {order.client_order_id} must be a BUY of coins that were sold beyond a lot")
        return after
    lot = _lot_to_sell(ledger, order)
    return after if order.purpose is Purpose.PROTECTION else replace(after, lots=_with_exit(ledger, lot, event.reason))


def _with_entry(ledger: Ledger, event: Intent) -> tuple[EntryMark, ...]:
    order = event.order
    if order.side is not Side.BUY or event.plan is None:
        raise StateUnusable(f"entry {order.client_order_id} must be a BUY with an exit plan")
    if any(_is_attempt_of(event, other) for other in (*ledger.open_orders.values(), *ledger.closed_orders.values())):
        return ledger.entries
    is_add = any(lot.product_id == order.product_id for lot in ledger.lots.values())
    return (*ledger.entries, EntryMark(at=event.at, product_id=order.product_id, lot_id=order.lot_id, is_add=is_add))


def _is_attempt_of(event: Intent, other: OrderState) -> bool:
    """Tell whether an earlier order is the same entry: a new quote of it, or the IOC at its end, counts once."""
    return (
        other.order.lot_id == event.order.lot_id and other.order.purpose is Purpose.ENTRY and other.slot == event.slot
    )


def _lot_to_sell(ledger: Ledger, order: Order) -> Lot:
    lot = ledger.lots.get(order.lot_id)
    if lot is None or lot.product_id != order.product_id or order.side is not Side.SELL:
        word, name = order.purpose.value, order.client_order_id
        raise StateUnusable(f"{word} {name} must be a SELL of a lot of ours: {order.lot_id} is none")
    return lot


def _with_exit(ledger: Ledger, lot: Lot, reason: str) -> Mapping[LotId, Lot]:
    return {**ledger.lots, lot.lot_id: replace(lot, exit_reason=reason, exit_attempts=lot.exit_attempts + 1)}


def sent(ledger: Ledger, event: Sent) -> Ledger:
    known_order(ledger, event.client_order_id)
    return ledger


def outcome_known(ledger: Ledger, event: OutcomeKnown) -> Ledger:
    state = _open_order(ledger, event.client_order_id)
    if not state.is_unknown and event.outcome is not state.outcome:
        raise StateUnusable(f"order {event.client_order_id} was ACCEPTED: it cannot become {event.outcome.value}")
    if event.outcome is Outcome.UNKNOWN:
        return _with_open(ledger, replace(state, outcome=Outcome.UNKNOWN))
    if event.outcome is Outcome.ACCEPTED:
        order_id = same_order_id(state, event.order_id)
        return _with_open(ledger, replace(state, outcome=Outcome.ACCEPTED, order_id=order_id))
    if state.filled_size > 0:
        raise StateUnusable(f"order {event.client_order_id} has fills: it cannot be {event.outcome.value}")
    return _with_closed(ledger, replace(state, outcome=event.outcome, status=OrderStatus.FAILED))


def looked_up(ledger: Ledger, event: LookedUp) -> Ledger:
    state = _open_order(ledger, event.client_order_id)
    return _with_open(ledger, replace(state, lookups=state.lookups + 1))


def cancel_requested(ledger: Ledger, event: CancelRequested) -> Ledger:
    state = _open_order(ledger, event.client_order_id)
    return _with_open(ledger, replace(state, cancel_requested=True))


def order_closed(ledger: Ledger, event: OrderClosed) -> Ledger:
    if not event.status.is_final:
        raise StateUnusable(f"order {event.client_order_id} cannot be closed as {event.status.value}")
    state = _open_order(ledger, event.client_order_id)
    return _with_closed(ledger, replace(state, status=event.status))


def known_order(ledger: Ledger, client_order_id: ClientOrderId) -> OrderState:
    state = ledger.open_orders.get(client_order_id) or ledger.closed_orders.get(client_order_id)
    if state is None:
        raise StateUnusable(f"order {client_order_id} is not one of ours: it was never intended")
    return state


def _open_order(ledger: Ledger, client_order_id: ClientOrderId) -> OrderState:
    state = known_order(ledger, client_order_id)
    if client_order_id not in ledger.open_orders:
        raise StateUnusable(f"order {client_order_id} is already {state.status.value}: an end is final")
    return state


def same_order_id(state: OrderState, order_id: OrderId | None) -> OrderId | None:
    """Return the exchange's id of an order; it never changes (L3: one id of ours, one order there)."""
    if order_id is None or state.order_id in (None, order_id):
        return order_id or state.order_id
    raise StateUnusable(f"order {state.order.client_order_id} is {state.order_id} at the exchange, not {order_id}")


def _with_open(ledger: Ledger, state: OrderState) -> Ledger:
    return replace(ledger, open_orders={**ledger.open_orders, state.order.client_order_id: state})


def _with_closed(ledger: Ledger, state: OrderState) -> Ledger:
    key = state.order.client_order_id
    closed = {**ledger.closed_orders, key: state}
    # The present slot's orders stay: attempts, and what an entry has spent, are counted from them.
    for oldest in tuple(islice(closed, max(len(closed) - CLOSED_ORDERS_KEPT, 0))):
        if closed[oldest].slot != ledger.last_slot:
            del closed[oldest]
    open_orders = {other: kept for other, kept in ledger.open_orders.items() if other != key}
    return replace(ledger, open_orders=open_orders, closed_orders=closed)
