"""
The last look at a finished order, right before its INTENT (L7).

It repeats the checks of `risk` on what is really about to be sent, with the facts of this moment, by the same formulas:
an order planned from an approved proposal at an unchanged quote always passes.
"""

from dataclasses import replace

from core.model.orders import Order, Purpose
from core.model.portfolio import ExitPlan
from core.model.verdicts import Breach, OrderRefused
from core.risk.entry_hop import entry_breach
from core.risk.order_form import form_breach
from core.risk.restoring_hop import cover_breach, exit_breach, protection_breach
from core.risk.view import RiskView
from core.settings import PolicySettings


def last_hop(
    order: Order, view: RiskView, policy: PolicySettings, *, plan: ExitPlan | None = None
) -> OrderRefused | None:
    """
    Return why an order must not be sent, or None. The order's own INTENT, if the ledger has it, does not count.

    `plan` is how the lot that an entry opens or grows is to be closed (as in its INTENT); None for all other orders.
    """
    view = _without(order, view)
    breach = form_breach(order, view.now) or _purpose_breach(order, plan, view, policy)
    if breach is None:
        return None
    return OrderRefused(order=order, reason=breach.reason, observed=breach.observed, limit=breach.limit)


def _purpose_breach(order: Order, plan: ExitPlan | None, view: RiskView, policy: PolicySettings) -> Breach | None:
    if order.purpose is Purpose.ENTRY:
        return entry_breach(order, plan, view, policy)
    if order.purpose is Purpose.EXIT:
        return exit_breach(order, view, policy)
    if order.purpose is Purpose.PROTECTION:
        return protection_breach(order, view, policy)
    return cover_breach(order, view, policy)


def _without(order: Order, view: RiskView) -> RiskView:
    orders = view.ledger.open_orders
    if order.client_order_id not in orders:
        return view
    others = {key: state for key, state in orders.items() if key != order.client_order_id}
    return replace(view, ledger=replace(view.ledger, open_orders=others))
