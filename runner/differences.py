"""What the exchange and the ledger do not agree on: each finding with a code, its subject and both views."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.model.ledger import Ledger
from core.model.money import ZERO, plain
from core.model.orders import Balance, ClientOrderId, Fill, Order, OrderReport
from core.model.portfolio import OrderState

ORDER_LOST = "order_lost"
ORDER_ALIVE = "order_alive"
ABSENT_ORDER_FILLED = "absent_order_filled"
FILL_ORDER_DIFFERS = "fill_order_differs"
FILL_DIFFERS = "fill_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that the exchange and the ledger do not agree on: a code, its subject, and both views."""

    code: str
    subject: str
    ledger: str
    exchange: str


def compare_with_intent(order: Order, report: OrderReport) -> list[Difference]:
    """
    Compare what the exchange returned for an id with what we meant, field by field (design 7).

    A kind of order that we never send, or a stop price that is not told, is a difference like any other. Another name
    means that the exchange's id, by which we asked, is that of somebody else's order.
    """
    pairs = (
        ("order_name_differs", order.client_order_id, report.client_order_id),
        ("order_product_differs", str(order.product_id), str(report.product_id)),
        ("order_side_differs", order.side.value, report.side.value),
        ("order_type_differs", order.order_type.value, _type_of(report)),
        ("order_size_differs", plain(order.size), plain(report.size)),
        ("order_price_differs", plain(order.limit_price), plain(report.limit_price)),
        ("order_stop_differs", _plain(order.stop_price), _plain(report.stop_price)),
    )
    return [
        Difference(code=code, subject=order.client_order_id, ledger=ours, exchange=theirs)
        for code, ours, theirs in pairs
        if ours != theirs
    ]


def compare_fill(state: OrderState, fill: Fill) -> list[Difference]:
    """Tell whether an order can have been filled like this: its product, its side, and no more than is left of it."""
    order, left = state.order, state.order.size - state.filled_size
    if (fill.product_id, fill.side) == (order.product_id, order.side) and fill.size <= left:
        return []
    ours = f"{order.side.value} {order.product_id}, {plain(left)} left"
    theirs = f"fill {fill.fill_id}: {fill.side.value} {plain(fill.size)} {fill.product_id}"
    return [about_order(FILL_DIFFERS, order.client_order_id, ours, theirs)]


def compare_balances(
    ledger: Ledger, balances: Mapping[str, Balance], *, owner_shares_account: bool
) -> list[Difference]:
    """
    Hold the account against the ledger's cash and lots.

    Of each coin the account must hold at least our lots. Its cash must be equal to ours, or, where the owner keeps
    money of their own in the account, at least as much: the rest is not ours to count (L9).
    """
    differences = []
    for currency, amount in ledger.cash.items():
        total = _total(balances, currency)
        if total < amount or (total != amount and not owner_shares_account):
            differences.append(_amounts("cash_differs", currency, amount, total))
    owned: dict[str, Decimal] = {}
    for lot in ledger.lots.values():
        owned[lot.product_id.base] = owned.get(lot.product_id.base, ZERO) + lot.quantity
    for asset, quantity in owned.items():
        total = _total(balances, asset)
        if total < quantity:
            differences.append(_amounts("lots_not_covered", asset, quantity, total))
    return differences


def about_order(code: str, subject: ClientOrderId, ours: str, theirs: str) -> Difference:
    return Difference(code=code, subject=subject, ledger=ours, exchange=theirs)


def _amounts(code: str, subject: str, ours: Decimal, theirs: Decimal) -> Difference:
    return Difference(code=code, subject=subject, ledger=plain(ours), exchange=plain(theirs))


def _total(balances: Mapping[str, Balance], currency: str) -> Decimal:
    balance = balances.get(currency)
    return ZERO if balance is None else balance.total


def _type_of(report: OrderReport) -> str:
    return "a kind we never send" if report.order_type is None else report.order_type.value


def _plain(price: Decimal | None) -> str:
    return "none" if price is None else plain(price)
