"""
Orders and fills of a cycle, as a section of its audit line.

They are read off the journal events of the cycle, so that line and journal cannot tell two stories.
"""

from collections.abc import Sequence

from core.model.ledger import Ledger
from core.model.money import plain
from core.model.orders import ClientOrderId, Fill, Side
from core.model.portfolio import OrderState
from core.model.records import Event, FillBooked, Intent, OutcomeKnown
from runner.audit_sections import Json, utc
from runner.cycle import OrderNote


def execution_section(events: Sequence[Event], not_sent: Sequence[OrderNote], ledger: Ledger) -> Json:
    orders = [_order(event, events) for event in events if isinstance(event, Intent)]
    types = dict.fromkeys(str(order["order_type"]) for order in orders)
    return {
        "order_type": "+".join(types) or None,
        "orders": orders,
        "not_sent": [
            {
                "product": str(note.product_id),
                "purpose": note.purpose,
                "reason": note.reason,
                "observed": note.observed,
                "limit": note.limit,
            }
            for note in not_sent
        ],
        "fills": _fills([event.fill for event in events if isinstance(event, FillBooked)], ledger),
    }


def _order(intent: Intent, events: Sequence[Event]) -> Json:
    order = intent.order
    outcomes = [e for e in events if isinstance(e, OutcomeKnown) and e.client_order_id == order.client_order_id]
    outcome = outcomes[-1] if outcomes else None  # an UNKNOWN one may have been found within the cycle
    stop = {} if order.stop_price is None else {"stop_price": plain(order.stop_price)}
    return {
        "client_order_id": order.client_order_id,
        "order_id": None if outcome is None else outcome.order_id,
        "product": str(order.product_id),
        "side": order.side.value,
        "order_type": order.order_type.value,
        "purpose": order.purpose.value,
        "lot": order.lot_id,
        "size": plain(order.size),
        "limit_price": plain(order.limit_price),
        **stop,
        "reason": intent.reason,
        "outcome": None if outcome is None else outcome.outcome.value,
        "outcome_reason": "" if outcome is None else outcome.reason,
    }


def _fills(fills: Sequence[Fill], ledger: Ledger) -> list[Json]:
    """Return the executions, with the reason of its end where one of them was the last of its lot."""
    states = [_order_state(ledger, fill.client_order_id) for fill in fills]
    last = {state.order.lot_id: place for place, state in enumerate(states) if state is not None}
    shown: list[Json] = []
    for place, (fill, state) in enumerate(zip(fills, states, strict=True)):
        close = ledger.last_closes.get(fill.product_id)
        is_over = state is not None and state.order.lot_id not in ledger.lots and last[state.order.lot_id] == place
        ends = {"closes": close.reason} if is_over and close is not None and fill.side is Side.SELL else {}
        shown.append({**_fill(fill, state), **ends})
    return shown


def _fill(fill: Fill, state: OrderState | None) -> Json:
    return {
        "fill_id": fill.fill_id,
        "client_order_id": fill.client_order_id,
        "order_id": fill.order_id,
        "product": str(fill.product_id),
        "side": fill.side.value,
        "purpose": None if state is None else state.order.purpose.value,
        "lot": None if state is None else state.order.lot_id,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "liquidity": fill.liquidity.value,
        "at": utc(fill.at),
    }


def _order_state(ledger: Ledger, key: ClientOrderId) -> OrderState | None:
    return ledger.open_orders.get(key) or ledger.closed_orders.get(key)
