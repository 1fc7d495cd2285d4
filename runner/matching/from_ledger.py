"""The exchange's side of a paper account after a restart: what the journal's fold says, and nothing else (L11)."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from core.errors import StateUnusable
from core.model.ledger import Ledger
from core.model.money import ZERO
from core.model.orders import FeeRates, OrderId, OrderStatus
from core.model.portfolio import OrderState
from runner.matching.account import Account
from runner.matching.books import Entry
from runner.matching.engine import MatchingEngine
from runner.matching.market import VenueMarket
from runner.matching.order_record import OrderRecord, fill_id_of, new_record
from runner.matching.venue_order import venue_order_of


def engine_from_ledger(
    ledger: Ledger,
    *,
    market: VenueMarket,
    fee_rates: FeeRates,
    maker_fill_share: Decimal,
    now: Callable[[], datetime],
    journal: Callable[[Entry], None] | None = None,
) -> MatchingEngine:
    """
    Build account and orders again as the journal knows them.

    Balances are the ledger's cash and lots. Accepted resting orders rest again with what is left of them, and the
    tape since their acceptance counts once: what it gave before the restart is taken off. A stop is untriggered again,
    and triggers again when the tape since then reached it. An accepted IOC whose end was not recorded is over, without
    further fills. An order of which no answer was recorded does not exist here.

    Raises:
        StateUnusable: Cash or coins do not cover the open orders: the journal contradicts itself.
    """
    engine = MatchingEngine(
        market=market,
        account=Account(_balances_of(ledger), journal=journal),
        fee_rates=fee_rates,
        maker_fill_share=maker_fill_share,
        now=now,
    )
    states = (*ledger.closed_orders.values(), *ledger.open_orders.values())
    for state in sorted(states, key=lambda state: state.intent_at):
        if state.order_id is None:
            continue
        if not engine.restore(_record_of(state, state.order_id, ledger.fill_ids)):
            raise StateUnusable(f"the paper account does not cover the open order {state.order_id}")
    return engine


def _balances_of(ledger: Ledger) -> dict[str, Decimal]:
    balances = dict(ledger.cash)
    for lot in ledger.lots.values():
        base = lot.product_id.base
        balances[base] = balances.get(base, ZERO) + lot.quantity
    return balances


def _record_of(state: OrderState, order_id: OrderId, fill_ids: frozenset[str]) -> OrderRecord:
    order = venue_order_of(state.order)
    record = new_record(order, size=state.order.size, at=state.intent_at)
    record.order_id = order_id
    record.status = state.status
    record.filled_size = state.filled_size
    record.filled_value = state.filled_value
    record.fees = state.fees
    record.fill_count = _fill_count(order_id, fill_ids)
    record.cancel_requested = state.cancel_requested
    record.flow = -state.filled_size
    if not state.status.is_final and state.filled_size == state.order.size:
        record.status = OrderStatus.FILLED
    elif not state.status.is_final:
        record.status = OrderStatus.OPEN if order.time_in_force.may_rest else OrderStatus.CANCELLED
    return record


def _fill_count(order_id: OrderId, fill_ids: frozenset[str]) -> int:
    count = 0
    while fill_id_of(order_id, count + 1) in fill_ids:
        count += 1
    return count
