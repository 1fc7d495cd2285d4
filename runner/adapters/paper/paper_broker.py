"""
The Broker port for PAPER: a matching engine with an account of its own, fed by the market that the bot sees.

The account has no file. The bot's journal is the truth (L11): after a restart the account is what the ledger says,
so paper money, like real money, survives crashes, and account and ledger can never tell two stories.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from core.errors import StateUnusable
from core.model.ledger import Ledger
from core.model.money import ZERO
from core.model.orders import (
    Balance,
    FeeRates,
    Fill,
    Order,
    OrderId,
    OrderKey,
    OrderReport,
    OrderStatus,
    OrderType,
)
from core.model.portfolio import OrderState
from runner.adapters.paper.matching_engine import MatchingEngine
from runner.adapters.paper.paper_account import PaperAccount
from runner.adapters.paper.paper_market import PaperMarket
from runner.adapters.paper.paper_order import OrderRecord, fill_id_of


class PaperBroker:
    """
    Port `Broker` on paper.

    `find` and `fills` know the orders and fills of this process, and after `from_ledger` the ledger's orders.
    """

    def __init__(
        self,
        *,
        market: PaperMarket,
        opening_balances: Mapping[str, Decimal],
        fee_rates: FeeRates,
        maker_fill_share: Decimal,
        now: Callable[[], datetime],
    ) -> None:
        """Open the account with these balances; paying money in is the journal's matter, not the broker's."""
        self._fee_rates = fee_rates
        self._engine = MatchingEngine(
            market=market,
            account=PaperAccount(opening_balances),
            fee_rates=fee_rates,
            maker_fill_share=maker_fill_share,
            now=now,
        )

    @classmethod
    def from_ledger(
        cls,
        ledger: Ledger,
        *,
        market: PaperMarket,
        fee_rates: FeeRates,
        maker_fill_share: Decimal,
        now: Callable[[], datetime],
    ) -> "PaperBroker":
        """
        Build the account again as the journal knows it.

        Balances are the ledger's cash and lots. Accepted resting orders rest again with what is left of them, and the
        tape since their acceptance counts once: what it gave before the restart is taken off. An accepted IOC whose end
        was not recorded is over, without further fills. An order of which no answer was recorded does not exist here.

        Raises:
            StateUnusable: Cash or coins do not cover the open orders: the journal contradicts itself.
        """
        broker = cls(
            market=market,
            opening_balances=_balances_of(ledger),
            fee_rates=fee_rates,
            maker_fill_share=maker_fill_share,
            now=now,
        )
        for state in (*ledger.closed_orders.values(), *ledger.open_orders.values()):
            if state.order_id is None:
                continue
            if not broker._engine.restore(_record_of(state, state.order_id, ledger.fill_ids)):
                raise StateUnusable(f"the paper account does not cover the open order {state.order_id}")
        return broker

    def submit(self, order: Order) -> OrderId:
        return self._engine.submit(order)

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        self._engine.cancel(order_ids)

    def preview(self, order: Order) -> str | None:
        return self._engine.preview(order)

    def find(self, key: OrderKey) -> OrderReport | None:
        return self._engine.find(key.client_order_id)

    def open_orders(self) -> Sequence[OrderReport]:
        return self._engine.open_orders()

    def fills(self, since: datetime) -> Sequence[Fill]:
        return self._engine.fills(since)

    def balances(self) -> Mapping[str, Balance]:
        return self._engine.balances()

    def fee_rates(self) -> FeeRates:
        return self._fee_rates


def _balances_of(ledger: Ledger) -> dict[str, Decimal]:
    balances = dict(ledger.cash)
    for lot in ledger.lots.values():
        base = lot.product_id.base
        balances[base] = balances.get(base, ZERO) + lot.quantity
    return balances


def _record_of(state: OrderState, order_id: OrderId, fill_ids: frozenset[str]) -> OrderRecord:
    status = state.status
    if not status.is_final and state.filled_size == state.order.size:
        status = OrderStatus.FILLED
    elif not status.is_final:
        status = OrderStatus.CANCELLED if state.order.order_type is OrderType.IOC else OrderStatus.OPEN
    return OrderRecord(
        order=state.order,
        order_id=order_id,
        created_at=state.intent_at,
        advanced_to=state.intent_at,
        status=status,
        filled_size=state.filled_size,
        fill_count=_fill_count(order_id, fill_ids),
        flow=-state.filled_size,
    )


def _fill_count(order_id: OrderId, fill_ids: frozenset[str]) -> int:
    count = 0
    while fill_id_of(order_id, count + 1) in fill_ids:
        count += 1
    return count
