"""One order at the exchange: how far it has come, and the names that it and its fills are given."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum

from core.model.money import ZERO
from core.model.orders import ClientOrderId, OrderId, OrderStatus, Side
from runner.matching.venue_order import Kind, VenueOrder


class CancelResult(Enum):
    DONE = "done"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_FILLED = "already_filled"
    ALREADY_OVER = "already_over"


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """
    One accepted order. Only the engine changes it.

    `size`: the base amount that it is for; for one sized in money what that buys when it arrives. `limit_price`: the
    limit in force; a triggered BRACKET has another than it was sent with; None for a MARKET order. `rests_at`: the
    price at which it rests in the book; None for one that does not (it takes at once, or its stop has yet to trigger).
    `is_triggered`: a trade has reached its stop. `hold`: in base currency of a sell, in quote currency of a buy.
    `flow`: the part of the traded volume that was its to take and is not filled yet (below zero after a restart: what
    was filled before it). `advanced_to`: how far the tape has been read for it. `reject_reason`: why it FAILED;
    the engine fails none, but an exchange on top of it may.
    """

    order: VenueOrder
    order_id: OrderId
    created_at: datetime
    size: Decimal
    limit_price: Decimal | None
    rests_at: Decimal | None
    advanced_to: datetime
    status: OrderStatus = OrderStatus.OPEN
    is_triggered: bool = False
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    fill_count: int = 0
    hold: Decimal = ZERO
    cancel_requested: bool = False
    last_fill_at: datetime | None = None
    closed_at: datetime | None = None
    reject_reason: str = ""
    flow: Decimal = ZERO

    @property
    def remaining(self) -> Decimal:
        return self.size - self.filled_size


def new_record(order: VenueOrder, *, size: Decimal, at: datetime) -> OrderRecord:
    """Build the record of an order that was accepted at `at`; nothing of it is filled or held yet."""
    rests = order.post_only or order.kind is Kind.BRACKET
    return OrderRecord(
        order=order,
        order_id=order_id_of(order.client_order_id),
        created_at=at,
        size=size,
        limit_price=order.limit_price,
        rests_at=order.limit_price if rests else None,
        advanced_to=at,
    )


def order_id_of(client_order_id: ClientOrderId) -> OrderId:
    """Name an order after the one id that is never used twice, as a UUID in its version 8 form (RFC 9562, 5.8)."""
    digest = bytearray(hashlib.sha256(f"order of {client_order_id}".encode()).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return OrderId(str(uuid.UUID(bytes=bytes(digest))))


def fill_id_of(order_id: OrderId, number: int) -> str:
    """Name an order's fill; `number` starts at 1."""
    return f"{order_id}-{number}"


def priority(record: OrderRecord) -> tuple[Decimal, datetime, str]:
    """Sort the orders of a side best price first, then oldest first (sides do not compete)."""
    price = record.rests_at or ZERO
    return (-price if record.order.side is Side.BUY else price, record.created_at, record.order_id)
