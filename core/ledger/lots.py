"""
What one fill does to a lot. Amounts are exact; only a partial sale's share of the cost is rounded.

Whatever the share's rounding moves, it moves between two lines of the same book: the last sale of a lot takes the rest
of its cost exactly, so over a lot's life profit = money received - money spent, to the last digit (L10).
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from core.errors import StateUnusable
from core.model.money import round_even
from core.model.orders import Fill
from core.model.portfolio import Lot, OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A lot after a sale (quantity 0: it is over), and the profit of what was sold, after all fees."""

    lot: Lot
    profit: Decimal


def bought(lot: Lot | None, state: OrderState, fill: Fill) -> Lot:
    """
    Return the lot that a buy fill opens (`lot` None) or grows.

    Raises:
        StateUnusable: The order has no exit plan, or belongs to another product than the lot.
    """
    value = fill.price * fill.size
    if lot is None:
        if state.plan is None:
            raise StateUnusable(
                f"fill {fill.fill_id}: its order {fill.client_order_id} has no exit plan to open a lot by"
            )
        return Lot(
            lot_id=state.order.lot_id,
            product_id=fill.product_id,
            plan=state.plan,
            opened_at=fill.at,
            quantity=fill.size,
            cost=value + fill.fee,
            bought_quantity=fill.size,
            bought_value=value,
            peak_price=fill.price,
        )
    _check_product(lot, fill)
    return replace(
        lot,
        opened_at=min(lot.opened_at, fill.at),
        quantity=lot.quantity + fill.size,
        cost=lot.cost + value + fill.fee,
        bought_quantity=lot.bought_quantity + fill.size,
        bought_value=lot.bought_value + value,
        peak_price=max(lot.peak_price, fill.price),
    )


def sold(lot: Lot, fill: Fill) -> Sale:
    """
    Return the lot less what a sell fill took from it, at most all of it, with the profit.

    Raises:
        StateUnusable: Another product.
    """
    _check_product(lot, fill)
    is_last = fill.size == lot.quantity
    cost_share = lot.cost if is_last else round_even(lot.cost * fill.size / lot.quantity)
    profit = fill.price * fill.size - fill.fee - cost_share
    rest = replace(
        lot,
        quantity=lot.quantity - fill.size,
        cost=lot.cost - cost_share,
        realised=lot.realised + profit,
    )
    return Sale(lot=rest, profit=profit)


def _check_product(lot: Lot, fill: Fill) -> None:
    if lot.product_id != fill.product_id:
        raise StateUnusable(f"fill {fill.fill_id} is in {fill.product_id}, but lot {lot.lot_id} holds {lot.product_id}")
