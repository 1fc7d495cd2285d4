"""The ledger's FILL event: a position is the sum of unique fills, in exact amounts (L10)."""

from dataclasses import replace
from datetime import datetime
from decimal import localcontext

from core.errors import StateUnusable
from core.ledger.lots import bought, sold
from core.ledger.orders import known_order, same_order_id
from core.ledger.oversold import bought_back, sold_beyond, split
from core.ledger.periods import with_profit
from core.model.ledger import Ledger
from core.model.money import EXACT_DIGITS, ZERO
from core.model.orders import Fill, Purpose, Side
from core.model.portfolio import LastClose, Lot, OrderState
from core.model.records import FillBooked
from core.model.verdicts import ExitReason


def fill_booked(ledger: Ledger, event: FillBooked) -> Ledger:
    """
    Book one fill of ours once. One of a foreign order is refused, not skipped: nobody may write it down as ours.

    An order that is over, or was called absent or rejected, may have filled all the same: what the exchange executed is
    a fact (L10), and gives such an order its id there.
    """
    fill = event.fill
    if fill.fill_id in ledger.fill_ids:
        return ledger
    state = known_order(ledger, fill.client_order_id)
    with localcontext(prec=EXACT_DIGITS):
        filled = _with_fill(state, fill)
        after = _bought(ledger, filled, event) if fill.side is Side.BUY else _sold(ledger, filled, event)
        value = fill.price * fill.size
        flow = -(value + fill.fee) if fill.side is Side.BUY else value - fill.fee
        quote = fill.product_id.quote
        key = fill.client_order_id
        is_open = key in ledger.open_orders
        return replace(
            after,
            cash={**ledger.cash, quote: ledger.cash.get(quote, ZERO) + flow},
            fees=ledger.fees + fill.fee,
            fill_ids=ledger.fill_ids | {fill.fill_id},
            fills_cursor=fill.at if ledger.fills_cursor is None else max(ledger.fills_cursor, fill.at),
            open_orders={**ledger.open_orders, key: filled} if is_open else ledger.open_orders,
            closed_orders=ledger.closed_orders if is_open else {**ledger.closed_orders, key: filled},
        )


def _with_fill(state: OrderState, fill: Fill) -> OrderState:
    order = state.order
    if (
        (fill.product_id, fill.side) != (order.product_id, order.side)
        or min(fill.size, fill.price) <= 0
        or fill.fee < 0
    ):
        raise StateUnusable(f"fill {fill.fill_id} does not match its order {order.client_order_id}: {fill}")
    filled_size = state.filled_size + fill.size
    if filled_size > order.size:
        raise StateUnusable(
            f"fill {fill.fill_id}: order {order.client_order_id} is for {order.size}, {filled_size} filled"
        )
    return replace(
        state,
        order_id=same_order_id(state, fill.order_id),
        filled_size=filled_size,
        filled_value=state.filled_value + fill.price * fill.size,
        fees=state.fees + fill.fee,
    )


def _bought(ledger: Ledger, state: OrderState, event: FillBooked) -> Ledger:
    lot_id, fill = state.order.lot_id, event.fill
    if state.order.purpose is Purpose.COVER:
        return bought_back(ledger, state, fill, event.at)
    return replace(ledger, lots={**ledger.lots, lot_id: bought(ledger.lots.get(lot_id), state, fill)})


def _sold(ledger: Ledger, state: OrderState, event: FillBooked) -> Ledger:
    lot = ledger.lots.get(state.order.lot_id)
    parts = split(event.fill, ZERO if lot is None else lot.quantity)
    after = ledger
    if lot is not None and parts.within is not None:
        after = _sold_from(after, lot, state, parts.within, event.at)
    return after if parts.beyond is None else sold_beyond(after, parts.beyond)


def _sold_from(ledger: Ledger, lot: Lot, state: OrderState, fill: Fill, at: datetime) -> Ledger:
    sale = sold(lot, fill)
    after = with_profit(replace(ledger, lots={**ledger.lots, lot.lot_id: sale.lot}), sale.profit, at)
    return after if sale.lot.quantity > 0 else _lot_ended(after, sale.lot, _why_ended(lot, state, fill), at)


def _why_ended(lot: Lot, state: OrderState, fill: Fill) -> str:
    """Name what ended a lot: the exit that was begun, else which side of its guard the price reached."""
    if lot.exit_reason is not None:
        return lot.exit_reason
    if state.order.purpose is not Purpose.PROTECTION:
        return state.reason
    reason = ExitReason.TAKE_PROFIT if fill.price >= lot.target_price else ExitReason.STOP_LOSS
    return str(reason.value)


def _lot_ended(ledger: Ledger, lot: Lot, reason: str, at: datetime) -> Ledger:
    was_loss = lot.realised < 0
    close = LastClose(at=at, was_loss=was_loss, reason=reason)
    return replace(
        ledger,
        lots={lot_id: kept for lot_id, kept in ledger.lots.items() if lot_id != lot.lot_id},
        last_closes={**ledger.last_closes, lot.product_id: close},
        loss_streak=ledger.loss_streak + 1 if was_loss else 0,
        last_loss_at=at if was_loss else ledger.last_loss_at,
    )
