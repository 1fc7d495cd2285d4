"""The gates that concern one product: may it be traded, what is its price worth, do we already have or want it."""

from datetime import datetime, timedelta
from decimal import Decimal

from core.exposure import is_dust
from core.model.ledger import Ledger
from core.model.market import Product, ProductId, Quote
from core.model.orders import Side
from core.model.portfolio import Lot
from core.model.signals import Tier
from core.model.verdicts import Breach, ExitReason, Refusal
from core.risk.view import RiskView, shown
from core.settings import ExecutionPolicy, RiskLimits
from core.venue_rules import are_usable, entry_price


def eligible_breach(product_id: ProductId, tier: Tier, view: RiskView) -> Breach | None:
    """Return why a product may not be bought now: not eligible in that tier, its market closed, its candles stale."""
    found = view.tiers.get(product_id)
    if found is not tier:
        observed = "not eligible" if found is None else found.value
        return Breach(reason=Refusal.NOT_ELIGIBLE, observed=observed, limit=tier.value)
    if product_id in view.stale:
        return Breach(reason=Refusal.STALE_PRODUCT, observed="stale", limit="fresh candles")
    return market_breach(view.products.get(product_id))


def market_breach(product: Product | None) -> Breach | None:
    """Return why the venue would take no order of ours: rules unknown or unusable, or a flag that forbids it."""
    if product is None:
        return Breach(reason=Refusal.MARKET_CLOSED, observed="rules unknown", limit="open")
    if not are_usable(product):
        return Breach(reason=Refusal.MARKET_CLOSED, observed="rules unusable", limit="open")
    if product.blocked_by is not None:
        return Breach(reason=Refusal.MARKET_CLOSED, observed=product.blocked_by, limit="open")
    return None


def order_breach(product_id: ProductId, ledger: Ledger) -> Breach | None:
    """
    Return the order of ours that forbids a new entry: an UNKNOWN one (L4), else any that is open.

    An open sell counts too: we never trade against ourselves.
    """
    states = [state for state in ledger.open_orders.values() if state.order.product_id == product_id]
    for state in states:
        if state.is_unknown:
            return Breach(reason=Refusal.UNKNOWN_ORDER, observed=state.order.client_order_id, limit="none")
    for state in states:
        return Breach(reason=Refusal.OPEN_ORDER, observed=state.order.client_order_id, limit="none")
    return None


def quote_breach(product_id: ProductId, view: RiskView, max_age_seconds: int) -> Breach | None:
    """Return why a quote cannot be used: missing, not finite, too old, or from the future by as much."""
    quote = view.quotes.get(product_id)
    if quote is None or not _is_finite(quote):
        return Breach(reason=Refusal.QUOTE_MISSING, observed="none", limit="a finite quote")
    age = view.now - quote.at
    if abs(age) > timedelta(seconds=max_age_seconds):
        return Breach(reason=Refusal.QUOTE_STALE, observed=f"{age.total_seconds():.3f} s", limit=f"{max_age_seconds} s")
    return None


def spread_breach(quote: Quote, tier: Tier, view: RiskView) -> Breach | None:
    """Return a breach when the spread is above the tier's ceiling, or the tier has none (L17)."""
    ceiling = view.max_spread_fraction.get(tier)
    if ceiling is None or not ceiling.is_finite() or quote.spread_fraction > ceiling:
        return Breach(reason=Refusal.SPREAD, observed=shown(quote.spread_fraction), limit=shown(ceiling))
    return None


def collar_breach(price: Decimal, quote: Quote, tier: Tier, policy: ExecutionPolicy) -> Breach | None:
    """Return a breach when a limit price is further from the mid than the tier's collar, either way."""
    collar = policy.price_collar_fraction.of(tier)
    distance = abs(price - quote.mid) / quote.mid
    if distance > collar:
        return Breach(reason=Refusal.PRICE_COLLAR, observed=shown(distance), limit=shown(collar))
    return None


def price_breach(product: Product, tier: Tier, view: RiskView, policy: ExecutionPolicy) -> Breach | None:
    """Return what is wrong with the quote that an entry would be priced from, or with that price."""
    breach = quote_breach(product.product_id, view, policy.max_quote_age_seconds)
    if breach is not None:
        return breach
    quote = view.quotes[product.product_id]
    return spread_breach(quote, tier, view) or collar_breach(entry_price(product, quote), quote, tier, policy)


def held_lot(product_id: ProductId, view: RiskView, dust_usd: Decimal) -> Lot | None:
    """Return the newest lot of a product that is more than dust."""
    quote = view.quotes.get(product_id)
    lots = [
        lot for lot in view.ledger.lots.values() if lot.product_id == product_id and not is_dust(lot, quote, dust_usd)
    ]
    return max(lots, key=lambda lot: (lot.opened_at, lot.lot_id), default=None)


def add_breach(lot: Lot, ledger: Ledger, limits: RiskLimits, now: datetime) -> Breach | None:
    """Return why a lot may not be added to: pyramiding is off, the lot is being closed, too often, too soon."""
    if not limits.allow_pyramiding:
        return Breach(reason=Refusal.ALREADY_HELD, observed=lot.lot_id, limit="no pyramiding")
    if lot.exit_reason is not None:
        return Breach(reason=Refusal.ALREADY_HELD, observed=f"closing: {lot.exit_reason}", limit="not closing")
    entries = [mark for mark in ledger.entries if mark.product_id == lot.product_id]
    adds = sum(1 for mark in entries if mark.is_add and mark.at > now - timedelta(days=1))
    if adds >= limits.max_adds_per_asset_per_day:
        return Breach(reason=Refusal.ADDS_PER_DAY, observed=str(adds), limit=str(limits.max_adds_per_asset_per_day))
    latest = max((mark.at for mark in entries), default=lot.opened_at)
    return _too_soon(Refusal.ADD_COOLDOWN, latest, limits.pyramid_cooldown_seconds, now)


def symbol_pacing_breach(product_id: ProductId, ledger: Ledger, limits: RiskLimits, now: datetime) -> Breach | None:
    """
    Return why a product must rest: the cooldown after its last close, then the spacing of its entries.

    A close that fits several cooldowns (a stop is mostly a loss too) waits for the longest.
    """
    close = ledger.last_closes.get(product_id)
    if close is not None:
        minutes = limits.per_symbol_cooldown_minutes
        if close.was_loss:
            minutes = max(minutes, limits.per_symbol_cooldown_after_loss_minutes)
        if close.reason == ExitReason.STOP_LOSS.value:
            minutes = max(minutes, limits.per_symbol_cooldown_after_stop_minutes)
        breach = _too_soon(Refusal.SYMBOL_COOLDOWN, close.at, minutes * 60, now)
        if breach is not None:
            return breach
    latest = max((mark.at for mark in ledger.entries if mark.product_id == product_id), default=None)
    if latest is None:
        return None
    return _too_soon(Refusal.SYMBOL_SPACING, latest, limits.per_symbol_trade_spacing_seconds, now)


def shown_value(quote: Quote, side: Side) -> Decimal:
    """Return the value displayed at the best price of one side of the book, in quote currency."""
    return quote.bid * quote.bid_size if side is Side.BUY else quote.ask * quote.ask_size


def _too_soon(reason: Refusal, since: datetime, seconds: int, now: datetime) -> Breach | None:
    passed = int((now - since).total_seconds())
    if passed < seconds:
        return Breach(reason=reason, observed=f"{passed} s", limit=f"{seconds} s")
    return None


def _is_finite(quote: Quote) -> bool:
    return all(number.is_finite() for number in (quote.bid, quote.ask, quote.bid_size, quote.ask_size))
