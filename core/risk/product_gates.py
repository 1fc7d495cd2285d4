"""The gates that concern one product: may it be traded, what is its price worth, do we already have or want it."""

from datetime import datetime, timedelta
from decimal import Decimal

from core.exposure import is_dust
from core.model.ledger import Ledger
from core.model.market import Product, ProductId, Quote
from core.model.money import plain
from core.model.orders import Order, OrderType, Purpose, Side
from core.model.portfolio import Lot
from core.model.signals import Tier
from core.model.verdicts import Breach, ExitReason, Refusal
from core.risk.view import RiskView, shown, worst_fee_fraction
from core.settings import ExecutionPolicy, RiskLimits
from core.venue_rules import are_usable, entry_price, usable_close


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
    Return the order of ours that forbids a new entry: an UNKNOWN one (L4), else any that is open but a guard.

    Every lot has its guard resting, and may be added to nevertheless: `self_cross_breach` keeps the two apart. Coins
    that were sold beyond a lot are bought back before anything else.
    """
    if product_id in ledger.oversold:
        return Breach(reason=Refusal.OVERSOLD, observed=plain(ledger.oversold[product_id].quantity), limit="none")
    states = [state for state in ledger.open_orders.values() if state.order.product_id == product_id]
    for state in states:
        if state.is_unknown:
            return Breach(reason=Refusal.UNKNOWN_ORDER, observed=state.order.client_order_id, limit="none")
    for state in states:
        if state.order.purpose is not Purpose.PROTECTION:
            return Breach(reason=Refusal.OPEN_ORDER, observed=state.order.client_order_id, limit="none")
    return None


def self_cross_breach(price: Decimal, product_id: ProductId, ledger: Ledger) -> Breach | None:
    """
    Return why a buy at a price would trade against a guard of ours: at or above its target, or not above its stop.

    A guard's stop turns it into a sale at the market; a buy of ours down there would be waiting for it.
    """
    breach = target_cross_breach(price, product_id, ledger)
    if breach is not None:
        return breach
    for order in _resting_sells(product_id, ledger):
        if order.stop_price is not None and price <= order.stop_price:
            limit = f"above our own stop at {plain(order.stop_price)}"
            return Breach(reason=Refusal.SELF_CROSS, observed=plain(price), limit=limit)
    return None


def target_cross_breach(price: Decimal, product_id: ProductId, ledger: Ledger) -> Breach | None:
    """Return why a buy at a price would meet a sell of ours that rests in the book; a stop-limit asleep does not."""
    for order in _resting_sells(product_id, ledger):
        if order.order_type is not OrderType.STOP_LIMIT and price >= order.limit_price:
            limit = f"below our own sell at {plain(order.limit_price)}"
            return Breach(reason=Refusal.SELF_CROSS, observed=plain(price), limit=limit)
    return None


def _resting_sells(product_id: ProductId, ledger: Ledger) -> list[Order]:
    orders = (state.order for state in ledger.open_orders.values())
    return [order for order in orders if order.product_id == product_id and order.side is Side.SELL]


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


def sources_breach(price: Decimal, quote: Quote, tier: Tier, view: RiskView, policy: ExecutionPolicy) -> Breach | None:
    """
    Return a breach unless a limit price and the mid both lie within the tier's collar of the last candle's close.

    Quote and candle come from different answers of the venue: a price that only one of them knows is not traded on. A
    missing close agrees with nothing (L17).
    """
    collar = policy.price_collar_fraction.of(tier)
    close = usable_close(view.candle_closes.get(quote.product_id))
    if close is None:
        return Breach(reason=Refusal.SOURCES_DISAGREE, observed="no fresh candle", limit=shown(collar))
    distance = max(abs(price - close), abs(quote.mid - close)) / close
    if distance > collar:
        return Breach(reason=Refusal.SOURCES_DISAGREE, observed=shown(distance), limit=shown(collar))
    return None


def edge_breach(
    target_fraction: Decimal | None, quote: Quote, tier: Tier, view: RiskView, policy: ExecutionPolicy
) -> Breach | None:
    """
    Return a breach when what a trade hopes for does not pay for itself.

    Net edge = target - (entry fee + exit fee + spread + slippage budget of the tier), all as fractions and at the
    worst: both legs take, at the account's own rates of this moment.
    """
    least = policy.min_net_edge_fraction
    fee = worst_fee_fraction(view.fees)
    edge = None
    if fee is not None and target_fraction is not None:
        edge = target_fraction - (2 * fee + quote.spread_fraction + policy.max_slippage_fraction.of(tier))
    if edge is None or not edge.is_finite() or edge < least:
        return Breach(reason=Refusal.EDGE_BELOW_COSTS, observed=shown(edge), limit=f"at least {shown(least)}")
    return None


def price_breach(
    product: Product, tier: Tier, target_fraction: Decimal, view: RiskView, policy: ExecutionPolicy
) -> Breach | None:
    """Return what is wrong with the quote that an entry would be priced from, with that price, or with its prospect."""
    breach = quote_breach(product.product_id, view, policy.max_quote_age_seconds)
    if breach is not None:
        return breach
    quote = view.quotes[product.product_id]
    price = entry_price(product, quote)
    return (
        spread_breach(quote, tier, view)
        or collar_breach(price, quote, tier, policy)
        or sources_breach(price, quote, tier, view, policy)
        or self_cross_breach(price, product.product_id, view.ledger)
        or edge_breach(target_fraction, quote, tier, view, policy)
    )


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

    A close that fits several cooldowns (a stop is mostly a loss too) waits for the longest. A product whose guards the
    venue refused rests as after a stop: it would refuse the next one's, too.
    """
    close = ledger.last_closes.get(product_id)
    if close is not None:
        minutes = limits.per_symbol_cooldown_minutes
        if close.was_loss:
            minutes = max(minutes, limits.per_symbol_cooldown_after_loss_minutes)
        if close.reason in (ExitReason.STOP_LOSS.value, ExitReason.UNGUARDED.value):
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
