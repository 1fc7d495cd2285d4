"""
The Broker port for PAPER: a matching engine with an account of its own, fed by the market that the bot sees.

The account has no file. The bot's journal is the truth (L11): after a restart the account is what the ledger says,
so paper money, like real money, survives crashes, and account and ledger can never tell two stories.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from core.errors import BrokerUnavailable, OrderNotSent
from core.model.ledger import Ledger
from core.model.money import ZERO
from core.model.orders import Balance, FeeRates, Fill, Order, OrderId, OrderKey, OrderReport, OrderType, Side
from runner.matching.engine import MatchingEngine
from runner.matching.from_ledger import engine_from_ledger
from runner.matching.market import VenueMarket
from runner.matching.order_record import OrderRecord
from runner.matching.venue_order import VenueOrder, order_type_of, venue_order_of

CLIENT_ID_LENGTH_MAX = 128


class PaperBroker:
    """
    Port `Broker` on paper.

    `find` and `fills` know the orders and fills of this process, and after `from_ledger` the ledger's orders.
    """

    def __init__(self, engine: MatchingEngine) -> None:
        self._engine = engine

    @classmethod
    def from_ledger(
        cls,
        ledger: Ledger,
        *,
        market: VenueMarket,
        fee_rates: FeeRates,
        maker_fill_share: Decimal,
        now: Callable[[], datetime],
    ) -> "PaperBroker":
        """
        Build the account again as the journal knows it (see `engine_from_ledger`).

        Raises:
            StateUnusable: Cash or coins do not cover the open orders: the journal contradicts itself.
        """
        return cls(
            engine_from_ledger(ledger, market=market, fee_rates=fee_rates, maker_fill_share=maker_fill_share, now=now)
        )

    def submit(self, order: Order) -> OrderId:
        return self._engine.submit(_asked(order)).order_id

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        """Cancel orders; those unknown or over stay as they are."""
        for order_id in order_ids:
            self._engine.cancel(order_id)

    def preview(self, order: Order) -> str | None:
        try:
            return self._engine.preview(_asked(order))
        except OrderNotSent as error:
            raise BrokerUnavailable(str(error)) from error

    def find(self, key: OrderKey) -> OrderReport | None:
        record = self._engine.by_client_id(key.client_order_id)
        return None if record is None else _report_of(record)

    def open_orders(self) -> Sequence[OrderReport]:
        return [_report_of(record) for record in self._engine.resting()]

    def fills(self, since: datetime) -> Sequence[Fill]:
        return self._engine.fills(since)

    def balances(self) -> Mapping[str, Balance]:
        return self._engine.balances()

    def fee_rates(self) -> FeeRates:
        return self._engine.fee_rates


def _asked(order: Order) -> VenueOrder:
    """
    Translate an order that Coinbase's adapter could say, too.

    Raises:
        OrderNotSent: It could not; to trade it on paper would rehearse what cannot happen.
    """
    if not 0 < len(order.client_order_id) <= CLIENT_ID_LENGTH_MAX:
        raise OrderNotSent(f"a client_order_id has 1 to {CLIENT_ID_LENGTH_MAX} characters")
    if order.order_type in (OrderType.STOP_LIMIT, OrderType.BRACKET) and order.side is not Side.SELL:
        raise OrderNotSent(f"a {order.order_type.value} order guards a lot: it sells")
    return venue_order_of(order)


def _report_of(record: OrderRecord) -> OrderReport:
    order = record.order
    order_type = order_type_of(order)
    return OrderReport(
        order_id=record.order_id,
        client_order_id=order.client_order_id,
        product_id=order.product_id,
        side=order.side,
        size=record.size,
        limit_price=order.limit_price or ZERO,
        status=record.status,
        filled_size=record.filled_size,
        created_at=record.created_at,
        order_type=order_type,
        stop_price=None if order_type is None else order.stop_price,
    )
