"""
The last look at a finished order, right before its INTENT (L7).

It repeats the checks of `risk` on what is really about to be sent, with the facts of this moment, by the same formulas:
an order planned from an approved proposal at an unchanged quote always passes. A sell reduces risk, so no limit on
entries can refuse it: only the kill switch, HALTED and CANCEL_ONLY, and an order that is itself wrong.
"""

from dataclasses import replace
from decimal import Decimal

from core.exposure import asked_exits, exposure, free_cash
from core.model.guards import TradingState
from core.model.market import Product, Quote
from core.model.money import ZERO, plain
from core.model.orders import Order, OrderType, Purpose, Side
from core.model.signals import Tier
from core.model.verdicts import Breach, OrderRefused, Refusal
from core.risk.caps import entry_caps, position_count_breach
from core.risk.cycle_gates import cycle_breach, pacing_breach
from core.risk.product_gates import (
    collar_breach,
    eligible_breach,
    held_lot,
    market_breach,
    order_breach,
    quote_breach,
    shown_value,
    spread_breach,
)
from core.risk.view import RiskView, shown, worst_fee_fraction
from core.settings import PolicySettings
from core.venue_rules import exit_price, is_on_grid, largest_notional, smallest_size

MAY_SELL = (TradingState.ARMED, TradingState.REDUCE_ONLY)
EXIT_SLIPPAGE_FACTOR = 2
"""An exit may be priced this many times the exit slippage below the bid, which may have risen since the plan."""


def last_hop(order: Order, view: RiskView, policy: PolicySettings) -> OrderRefused | None:
    """Return why an order must not be sent, or None. The order's own INTENT, if the ledger has it, does not count."""
    view = _without(order, view)
    breach = _shape_breach(order, view)
    if breach is None:
        breach = _entry_breach(order, view, policy) if order.side is Side.BUY else _exit_breach(order, view, policy)
    if breach is None:
        return None
    return OrderRefused(order=order, reason=breach.reason, observed=breach.observed, limit=breach.limit)


def _shape_breach(order: Order, view: RiskView) -> Breach | None:
    """Refuse an order that contradicts itself: side and purpose, numbers, end."""
    if (order.side is Side.BUY) is not (order.purpose is Purpose.ENTRY):
        return _invalid(f"{order.side.value} for {order.purpose.value}", "BUY enters, SELL exits")
    for number in (order.size, order.limit_price):
        if not number.is_finite() or number <= 0:
            return _invalid(f"size {order.size} at {order.limit_price}", "finite and positive")
    rests = order.order_type is OrderType.POST_ONLY
    if rests is not (order.end_time is not None):
        return _invalid(f"{order.order_type.value} until {order.end_time}", "an end if and only if it rests")
    if order.end_time is not None and order.end_time <= view.now:
        return _invalid(f"ends at {order.end_time}", f"after {view.now}")
    return None


def _entry_breach(order: Order, view: RiskView, policy: PolicySettings) -> Breach | None:
    breach = cycle_breach(view, policy)
    if breach is not None:
        return breach
    tier = view.tiers.get(order.product_id)
    if tier is None:
        return Breach(reason=Refusal.NOT_ELIGIBLE, observed=str(order.product_id), limit="an eligible product")
    breach = eligible_breach(order.product_id, tier, view)
    if breach is not None:
        return breach
    product = view.products[order.product_id]
    breach = (
        _venue_breach(order, product, policy.risk.min_trade_notional_usd)
        or order_breach(order.product_id, view.ledger)
        or quote_breach(order.product_id, view, policy.execution.max_quote_age_seconds)
    )
    if breach is not None:
        return breach
    quote = view.quotes[order.product_id]
    return (
        spread_breach(quote, tier, view)
        or _price_breach(order, quote, tier, policy)
        or _lot_breach(order, view, policy)
        or _worst_case_breach(order, product, quote, view, policy)
    )


def _price_breach(order: Order, quote: Quote, tier: Tier, policy: PolicySettings) -> Breach | None:
    """Keep every entry inside the collar, and one that takes inside the slippage budget as well."""
    breach = collar_breach(order.limit_price, quote, tier, policy.execution)
    if breach is not None or order.order_type is not OrderType.IOC:
        return breach
    highest = quote.mid * (1 + policy.execution.max_slippage_fraction.of(tier))
    if order.limit_price > highest:
        return Breach(reason=Refusal.PRICE_COLLAR, observed=shown(order.limit_price), limit=shown(highest))
    return None


def _lot_breach(order: Order, view: RiskView, policy: PolicySettings) -> Breach | None:
    """Let an entry grow its own lot (a second leg, an add) or open one, but never sit beside another of the product."""
    own = view.ledger.lots.get(order.lot_id)
    if own is not None and own.product_id != order.product_id:
        return Breach(reason=Refusal.NOT_OUR_LOT, observed=f"a lot of {own.product_id}", limit=str(order.product_id))
    held = held_lot(order.product_id, view, policy.risk.dust_threshold_usd)
    if held is not None and own is None:
        return Breach(reason=Refusal.ALREADY_HELD, observed=held.lot_id, limit="its own lot")
    return None


def _worst_case_breach(
    order: Order, product: Product, quote: Quote, view: RiskView, policy: PolicySettings
) -> Breach | None:
    fee_fraction = worst_fee_fraction(view.fees)
    if view.equity is None or fee_fraction is None:
        return Breach(reason=Refusal.EQUITY_UNKNOWN, observed="unknown", limit="a finite amount")
    limits = policy.risk
    # A second leg belongs to the entry that its lot was counted for.
    others = [mark for mark in view.ledger.entries if mark.lot_id != order.lot_id]
    at_risk = exposure(
        view.ledger,
        view.quotes,
        view.themes,
        fee_fraction=fee_fraction,
        dust_usd=limits.dust_threshold_usd,
    )
    breach = pacing_breach(others, 0, limits, view.now) or position_count_breach(
        order.product_id, at_risk, 0, view, policy
    )
    if breach is not None:
        return breach
    caps = entry_caps(
        product,
        price=order.limit_price,
        shown_value=shown_value(quote, Side.SELL if order.order_type is OrderType.IOC else Side.BUY),
        cash=free_cash(view.ledger, order.product_id.quote, fee_fraction),
        equity=view.equity,
        fee_fraction=fee_fraction,
        at_risk=at_risk,
        view=view,
        policy=policy,
    )
    for cap in caps:
        if not cap.room_usd.is_finite() or order.notional > cap.room_usd:
            return Breach(reason=cap.code, observed=shown(order.notional), limit=shown(cap.room_usd))
    return None


def _exit_breach(order: Order, view: RiskView, policy: PolicySettings) -> Breach | None:
    if view.kill_switch_on:
        return Breach(reason=Refusal.KILL_SWITCH, observed="on", limit="off")
    if view.trading_state not in MAY_SELL:
        limit = " or ".join(state.name for state in MAY_SELL)
        return Breach(reason=Refusal.TRADING_STATE, observed=view.trading_state.name, limit=limit)
    lot = view.ledger.lots.get(order.lot_id)
    if lot is None or lot.product_id != order.product_id:
        return Breach(reason=Refusal.NOT_OUR_LOT, observed=order.lot_id, limit=f"a lot of {order.product_id}")
    left = lot.quantity - asked_exits(view.ledger, order.lot_id)
    if order.size > left:
        return Breach(reason=Refusal.OVERSELL, observed=plain(order.size), limit=plain(left))
    product = view.products.get(order.product_id)
    breach = market_breach(product)
    if breach is not None or product is None:
        return breach
    return _venue_breach(order, product, ZERO) or _exit_price_breach(order, product, view, policy)


def _exit_price_breach(order: Order, product: Product, view: RiskView, policy: PolicySettings) -> Breach | None:
    """Refuse a sell that gives the coins away. The quote may be old: a stop must not wait for a fresh one."""
    quote = view.quotes.get(order.product_id)
    slippage = policy.exits.max_exit_slippage_fraction
    if not slippage.is_finite():
        return Breach(reason=Refusal.LIMIT_UNUSABLE, observed=f"max_exit_slippage = {slippage}", limit="finite")
    if quote is None or not quote.bid.is_finite():
        return Breach(reason=Refusal.QUOTE_MISSING, observed="none", limit="a finite bid")
    lowest = exit_price(product, quote, slippage * EXIT_SLIPPAGE_FACTOR)
    if order.limit_price < lowest:
        return Breach(reason=Refusal.EXIT_PRICE, observed=plain(order.limit_price), limit=plain(lowest))
    return None


def _venue_breach(order: Order, product: Product, min_notional: Decimal) -> Breach | None:
    """Return which of the venue's rules the order breaks: post-only market, increments, least and largest size."""
    if product.post_only and order.order_type is not OrderType.POST_ONLY:
        return Breach(reason=Refusal.MARKET_CLOSED, observed="post_only", limit=order.order_type.value)
    if not is_on_grid(order.size, product.base_increment):
        return Breach(reason=Refusal.OFF_INCREMENT, observed=plain(order.size), limit=plain(product.base_increment))
    if not is_on_grid(order.limit_price, product.price_increment):
        return Breach(
            reason=Refusal.OFF_INCREMENT, observed=plain(order.limit_price), limit=plain(product.price_increment)
        )
    least = smallest_size(product, order.limit_price, min_notional)
    if order.size < least:
        return Breach(reason=Refusal.VENUE_MIN, observed=plain(order.size), limit=plain(least))
    most = largest_notional(product, order.limit_price)
    if order.notional > most:
        return Breach(reason=Refusal.VENUE_MAX, observed=shown(order.notional), limit=shown(most))
    return None


def _without(order: Order, view: RiskView) -> RiskView:
    orders = view.ledger.open_orders
    if order.client_order_id not in orders:
        return view
    others = {key: state for key, state in orders.items() if key != order.client_order_id}
    return replace(view, ledger=replace(view.ledger, open_orders=others))


def _invalid(observed: str, limit: str) -> Breach:
    return Breach(reason=Refusal.INVALID_ORDER, observed=observed, limit=limit)
