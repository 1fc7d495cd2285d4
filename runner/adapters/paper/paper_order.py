"""One order on the paper exchange, and the names that it and its fills are given."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.model.money import ZERO
from core.model.orders import ClientOrderId, Order, OrderId, OrderReport, OrderStatus, Side


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """
    One accepted order. `flow` is the part of the traded volume that was ours to take and is not filled yet
    (below zero after a restart: what was filled before it); `advanced_to` is how far the tape has been read.
    """

    order: Order
    order_id: OrderId
    created_at: datetime
    advanced_to: datetime
    status: OrderStatus = OrderStatus.OPEN
    filled_size: Decimal = ZERO
    fill_count: int = 0
    hold: Decimal = ZERO
    flow: Decimal = ZERO

    @property
    def remaining(self) -> Decimal:
        return self.order.size - self.filled_size

    def report(self) -> OrderReport:
        return OrderReport(
            order_id=self.order_id,
            client_order_id=self.order.client_order_id,
            product_id=self.order.product_id,
            side=self.order.side,
            size=self.order.size,
            limit_price=self.order.limit_price,
            status=self.status,
            filled_size=self.filled_size,
            created_at=self.created_at,
        )


def order_id_of(client_order_id: ClientOrderId) -> OrderId:
    """Name an order after the one id that is never used twice."""
    return OrderId(f"paper-{client_order_id}")


def fill_id_of(order_id: OrderId, number: int) -> str:
    """Name an order's fill; `number` starts at 1."""
    return f"{order_id}-{number}"


def priority(record: OrderRecord) -> tuple[Decimal, datetime, str]:
    """Sort the orders of a side best price first, then oldest first (sides do not compete)."""
    price = record.order.limit_price
    return (-price if record.order.side is Side.BUY else price, record.created_at, record.order_id)
