"""Names of orders: an order is named after the slot, the leg and the attempt, never after what it asks for (L3)."""

import hashlib
import uuid

from core.model.ledger import Ledger
from core.model.market import ProductId
from core.model.orders import ClientOrderId, LotId, Purpose


def client_order_id(account: str, product_id: ProductId, slot: int, leg: str, attempt: int) -> ClientOrderId:
    """
    Return the name of an order: a slot key (design section 7), as a UUID in its version 8 form (RFC 9562, 5.8).

    Side, size, price, host and clock are left out, so whatever is retried in the slot meets the same id (L3). `attempt`
    rises only when the previous one is proven dead.
    """
    # A length in front of each part: no two lists of parts join to the same text.
    parts = (account, str(product_id), str(slot), leg, str(attempt))
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = bytearray(hashlib.sha256(text.encode()).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return ClientOrderId(str(uuid.UUID(bytes=bytes(digest))))


def attempts_made(
    ledger: Ledger, slot: int, purpose: Purpose, product_id: ProductId, lot_id: LotId | None = None
) -> int:
    """Return how many orders of a purpose a slot has intended for a product, or for one lot of it: the next attempt."""
    return sum(
        1
        for states in (ledger.open_orders, ledger.closed_orders)
        for state in states.values()
        if state.slot == slot  # first: nearly all are of other slots
        and (state.order.purpose, state.order.product_id) == (purpose, product_id)
        and lot_id in (None, state.order.lot_id)
    )
