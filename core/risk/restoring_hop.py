"""
The last look at orders that reduce risk or restore what is due: exits, guards and covers.

No limit on entries can refuse them: only the kill switch, HALTED and CANCEL_ONLY, and an order that is itself wrong.
"""

from decimal import Decimal

from core.exposure import asked_covers, asked_sells, reserved_cash
from core.model.guards import TradingState
from core.model.market import Product
from core.model.money import ZERO, plain, round_down, round_up
from core.model.orders import Order, OrderType
from core.model.portfolio import Lot
from core.model.verdicts import Breach, Refusal
from core.risk.order_form import venue_breach
from core.risk.product_gates import market_breach, target_cross_breach
from core.risk.view import RiskView, shown, worst_fee_fraction
from core.settings import PolicySettings
from core.venue_rules import cover_price, exit_price, highest_cover_price, lowest_exit_price, stop_limit_price

MAY_SEND = (TradingState.ARMED, TradingState.REDUCE_ONLY)


def exit_breach(order: Order, view: RiskView, policy: PolicySettings) -> Breach | None:
    """Return why an exit must not be sent. A guard that may still sell the same coins counts: never a double sale."""
    return (
        _switch_breach(view)
        or _lot_breach(order, view)
        or _venue_breach(order, view)
        or _exit_price_breach(order, view.products[order.product_id], view, policy)
    )


def protection_breach(order: Order, view: RiskView, policy: PolicySettings) -> Breach | None:
    """Return why a guard must not be sent. It asks for no quote: it is priced from its lot."""
    return (
        _switch_breach(view)
        or _lot_breach(order, view)
        or _venue_breach(order, view)
        or _guard_price_breach(order, view.ledger.lots[order.lot_id], view.products[order.product_id], policy)
    )


def cover_breach(order: Order, view: RiskView, policy: PolicySettings) -> Breach | None:
    """Return why a cover must not be sent: it may buy only what is missing, near the price, with cash that is free."""
    return (
        _switch_breach(view)
        or _missing_breach(order, view)
        or _venue_breach(order, view)
        or target_cross_breach(order.limit_price, order.product_id, view.ledger)
        or _cover_price_breach(order, view.products[order.product_id], view, policy)
        or _cash_breach(order, view)
    )


def _switch_breach(view: RiskView) -> Breach | None:
    if view.kill_switch_on:
        return Breach(reason=Refusal.KILL_SWITCH, observed="on", limit="off")
    if view.trading_state not in MAY_SEND:
        limit = " or ".join(state.name for state in MAY_SEND)
        return Breach(reason=Refusal.TRADING_STATE, observed=view.trading_state.name, limit=limit)
    return None


def _lot_breach(order: Order, view: RiskView) -> Breach | None:
    """Refuse to sell what is not ours (L9), or more than is left when everything sells that still may."""
    lot = view.ledger.lots.get(order.lot_id)
    if lot is None or lot.product_id != order.product_id:
        return Breach(reason=Refusal.NOT_OUR_LOT, observed=order.lot_id, limit=f"a lot of {order.product_id}")
    left = lot.quantity - asked_sells(view.ledger, order.lot_id)
    if order.size > left:
        return Breach(reason=Refusal.OVERSELL, observed=plain(order.size), limit=plain(left))
    return None


def _missing_breach(order: Order, view: RiskView) -> Breach | None:
    oversold = view.ledger.oversold.get(order.product_id)
    missing = ZERO if oversold is None else oversold.quantity - asked_covers(view.ledger, order.product_id)
    if order.size > missing:
        return Breach(reason=Refusal.COVER_EXCESS, observed=plain(order.size), limit=plain(missing))
    return None


def _venue_breach(order: Order, view: RiskView) -> Breach | None:
    product = view.products.get(order.product_id)
    breach = market_breach(product)
    return breach if breach is not None or product is None else venue_breach(order, product, ZERO)


def _exit_price_breach(order: Order, product: Product, view: RiskView, policy: PolicySettings) -> Breach | None:
    """Refuse a sell that gives the coins away. The quote may be old: a stop must not wait for a fresh one."""
    quote = view.quotes.get(order.product_id)
    widest = policy.exits.exit_slippage_limit_fraction
    if not widest.is_finite():
        return Breach(reason=Refusal.LIMIT_UNUSABLE, observed=f"exit_slippage_limit = {widest}", limit="finite")
    if quote is None or not quote.bid.is_finite():
        return Breach(reason=Refusal.QUOTE_MISSING, observed="none", limit="a finite bid")
    by_close = lowest_exit_price(product, view.candle_closes.get(order.product_id), widest)
    lowest = max(exit_price(product, quote, widest), by_close or ZERO)
    if order.limit_price < lowest:
        return Breach(reason=Refusal.EXIT_PRICE, observed=plain(order.limit_price), limit=plain(lowest))
    return None


def _guard_price_breach(order: Order, lot: Lot, product: Product, policy: PolicySettings) -> Breach | None:
    """Refuse a guard that is not that of its lot, give or take an increment: it would sell too soon or too cheap."""
    offset = policy.protection.stop_limit_offset_fraction
    if not offset.is_finite():
        return Breach(reason=Refusal.LIMIT_UNUSABLE, observed=f"stop_limit_offset = {offset}", limit="finite")
    step, stop = product.price_increment, order.stop_price or ZERO
    due = round_down(lot.stop_price, step)
    if abs(stop - due) > step:
        return Breach(reason=Refusal.EXIT_PRICE, observed=plain(stop), limit=plain(due))
    if order.order_type is OrderType.BRACKET:
        lowest = round_up(lot.target_price, step) - step
    else:
        lowest = stop_limit_price(product, stop, offset)
    if order.limit_price < lowest:
        return Breach(reason=Refusal.EXIT_PRICE, observed=plain(order.limit_price), limit=plain(lowest))
    return None


def _cover_price_breach(order: Order, product: Product, view: RiskView, policy: PolicySettings) -> Breach | None:
    quote = view.quotes.get(order.product_id)
    widest = policy.exits.exit_slippage_limit_fraction
    if not widest.is_finite():
        return Breach(reason=Refusal.LIMIT_UNUSABLE, observed=f"exit_slippage_limit = {widest}", limit="finite")
    if quote is None or not quote.ask.is_finite():
        return Breach(reason=Refusal.QUOTE_MISSING, observed="none", limit="a finite ask")
    by_close = highest_cover_price(product, view.candle_closes.get(order.product_id), widest)
    highest = cover_price(product, quote, widest)
    highest = highest if by_close is None else min(highest, by_close)
    if order.limit_price > highest:
        return Breach(reason=Refusal.PRICE_COLLAR, observed=plain(order.limit_price), limit=plain(highest))
    return None


def _cash_breach(order: Order, view: RiskView) -> Breach | None:
    fee_fraction = worst_fee_fraction(view.fees)
    if fee_fraction is None:
        return Breach(reason=Refusal.FEES_UNKNOWN, observed="unknown", limit="two fractions in 0..1")
    quote = order.product_id.quote
    cost: Decimal = order.notional * (1 + fee_fraction)
    free = view.ledger.cash.get(quote, ZERO) - reserved_cash(view.ledger, quote, fee_fraction)
    if cost > free:
        return Breach(reason=Refusal.CASH, observed=shown(cost), limit=shown(free))
    return None
