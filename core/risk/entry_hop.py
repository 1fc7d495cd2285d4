"""The last look at a buy that opens or grows a lot: every limit of `assess`, on what is really about to be sent."""

from core.exposure import exposure, free_cash
from core.model.market import Product, Quote
from core.model.orders import Order, OrderType, Side
from core.model.portfolio import ExitPlan
from core.model.signals import Tier
from core.model.verdicts import Breach, Refusal
from core.risk.caps import entry_caps, position_count_breach
from core.risk.cycle_gates import cycle_breach, pacing_breach
from core.risk.order_form import venue_breach
from core.risk.product_gates import (
    collar_breach,
    edge_breach,
    eligible_breach,
    held_lot,
    order_breach,
    quote_breach,
    self_cross_breach,
    shown_value,
    sources_breach,
    spread_breach,
)
from core.risk.view import RiskView, shown, worst_fee_fraction
from core.settings import PolicySettings


def entry_breach(order: Order, plan: ExitPlan | None, view: RiskView, policy: PolicySettings) -> Breach | None:
    """Return why an entry must not be sent. Without a `plan` nobody knows what it could earn: it is refused."""
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
        venue_breach(order, product, policy.risk.min_trade_notional_usd)
        or order_breach(order.product_id, view.ledger)
        or self_cross_breach(order.limit_price, order.product_id, view.ledger)
        or quote_breach(order.product_id, view, policy.execution.max_quote_age_seconds)
    )
    if breach is not None:
        return breach
    quote = view.quotes[order.product_id]
    return (
        spread_breach(quote, tier, view)
        or _price_breach(order, quote, tier, policy)
        or sources_breach(order.limit_price, quote, tier, view, policy.execution)
        or edge_breach(None if plan is None else plan.target_fraction, quote, tier, view, policy.execution)
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
