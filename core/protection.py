"""
Protection: the order that rests at the exchange and guards a lot while the bot is silent.

A lot and its live guards go in, what is to be cancelled or placed comes out, so that the guards' sizes add up to the
lot. Nothing is remembered between calls: whatever happened since (a fill, a cancel that failed, a restart), the next
call is right again. Two rules make a race harmless: never more guarded than held, and never a new guard for coins
whose old one is not proven final.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from core.exposure import is_dust
from core.model.ledger import Ledger
from core.model.market import Product, Quote
from core.model.money import ZERO, plain, round_down, round_up
from core.model.orders import ClientOrderId, LotId, Order, OrderType, Purpose, Side
from core.model.portfolio import Lot, OrderState
from core.settings import PolicySettings, ProtectionKind
from core.slot_key import client_order_id
from core.venue_rules import largest_notional, smallest_size, stop_limit_price

PROTECTION_LEG = "protect"


class CancelReason(Enum):
    """Why a guard must go. Values go to the audit and are never renamed."""

    TOO_MUCH = "too_much"
    WRONG_PRICE = "wrong_price"
    SMALL_REST = "small_rest"


class Unprotected(Enum):
    """Why a lot cannot be guarded. Values go to the audit and are never renamed."""

    DUST = "dust"
    BELOW_MINIMUM = "below_minimum"
    MARKET_CLOSED = "market_closed"
    NO_PRICE = "no_price"
    PRICE_AT_STOP = "price_at_stop"
    PRICE_AT_TARGET = "price_at_target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A guard to be sent."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A guard to be cancelled; it still guards, and may still sell, until it is proven final."""

    client_order_id: ClientOrderId
    why: CancelReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprotectable:
    """
    No guard can be made: why, what was seen, and the limit.

    DUST is no risk, and not naked. PRICE_AT_STOP and PRICE_AT_TARGET mean that the lot must be sold now instead.
    """

    reason: Unprotected
    observed: str
    limit: str


def guards_of(ledger: Ledger, lot_id: LotId) -> tuple[OrderState, ...]:
    """Return the guards of a lot that may still sell: every one that is not final, UNKNOWN ones included."""
    return tuple(
        state
        for state in ledger.open_orders.values()
        if state.order.lot_id == lot_id and state.order.purpose is Purpose.PROTECTION
    )


def uncovered(ledger: Ledger, lot: Lot) -> Decimal:
    """Return how much of a lot no guard covers that is known to be at the exchange; an UNKNOWN one proves nothing."""
    known = (state.remaining_size for state in guards_of(ledger, lot.lot_id) if not state.is_unknown)
    return max(lot.quantity - sum(known, ZERO), ZERO)


def plan_protection(
    lot: Lot,
    guards: Sequence[OrderState],
    product: Product,
    *,
    quote: Quote | None,
    kind: ProtectionKind,
    account: str,
    slot: int,
    attempt: int,
    asked: Decimal,
    policy: PolicySettings,
) -> tuple[Place | Cancel, ...] | Unprotectable:
    """
    Return the next steps that bring the guards of a lot in line with it; () when they are, or when one is UNKNOWN.

    `guards` are those of `guards_of`; `asked` is what the lot's open exits may still sell; `quote` None: the price is
    not known, and the venue may judge it. `kind` is BRACKET or STOP_LIMIT, as the venue takes it. `attempt` counts the
    guards that this slot has intended for the lot (`attempts_made`), so each has its own name.

    Steps are either all cancels or one order. After a cancel, ask again once it is proven final.

    Raises:
        ValueError: `kind` is AUTO, which only a venue can resolve.
    """
    if kind is ProtectionKind.AUTO:
        raise ValueError("the kind of guard must be resolved: BRACKET or STOP_LIMIT")
    if any(state.is_unknown for state in guards):
        return ()
    cancels = _wrong_prices(lot, guards, product, policy) or _too_much(guards, max(lot.quantity - asked, ZERO))
    if cancels:
        return cancels
    guarded = sum((state.remaining_size for state in guards), ZERO)
    rest = round_down(lot.quantity - asked - guarded, product.base_increment)
    if rest <= 0 and (guards or lot.quantity <= asked):
        return ()
    dust = policy.risk.dust_threshold_usd
    if not guards and is_dust(lot, quote, dust):
        return _not(Unprotected.DUST, plain(rest), f"worth at least {plain(dust)}")
    prices = _prices(lot, product, kind, policy)
    refused = _unprotectable(lot, product, quote, prices)
    if refused is not None:
        return refused
    size = _slice(rest, largest_notional(product, prices.limit_price) / prices.limit_price, product)
    least = smallest_size(product, prices.limit_price, ZERO)
    if size >= least:
        leg = f"{PROTECTION_LEG}:{lot.lot_id}:{attempt}"
        name = client_order_id(account, lot.product_id, slot, leg, 0)
        return (Place(order=_guard(lot, name, size, prices)),)
    if guards:
        smallest = min(guards, key=lambda state: state.remaining_size)
        return (Cancel(client_order_id=smallest.order.client_order_id, why=CancelReason.SMALL_REST),)
    return _not(Unprotected.BELOW_MINIMUM, plain(size), plain(least))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prices:
    order_type: OrderType
    limit_price: Decimal
    stop_price: Decimal


def _prices(lot: Lot, product: Product, kind: ProtectionKind, policy: PolicySettings) -> _Prices:
    """Return where a guard sells. A stop is rounded down (not sooner than meant), a target up (not for less)."""
    stop = round_down(lot.stop_price, product.price_increment)
    if kind is ProtectionKind.BRACKET:
        target = round_up(lot.target_price, product.price_increment)
        return _Prices(order_type=OrderType.BRACKET, limit_price=target, stop_price=stop)
    limit = stop_limit_price(product, stop, policy.protection.stop_limit_offset_fraction)
    return _Prices(order_type=OrderType.STOP_LIMIT, limit_price=limit, stop_price=stop)


def _wrong_prices(
    lot: Lot, guards: Sequence[OrderState], product: Product, policy: PolicySettings
) -> tuple[Cancel, ...]:
    """Return cancels of the guards whose prices are more than an increment from those of the lot as it is now."""
    cancels = []
    for state in guards:
        order = state.order
        is_bracket = order.order_type is OrderType.BRACKET
        kind = ProtectionKind.BRACKET if is_bracket else ProtectionKind.STOP_LIMIT
        due = _prices(lot, product, kind, policy)  # of its own kind: either kind guards
        off = max(abs(order.limit_price - due.limit_price), abs((order.stop_price or ZERO) - due.stop_price))
        if off > product.price_increment:
            cancels.append(Cancel(client_order_id=order.client_order_id, why=CancelReason.WRONG_PRICE))
    return tuple(cancels)


def _too_much(guards: Sequence[OrderState], wanted: Decimal) -> tuple[Cancel, ...]:
    """Return cancels that take away what is guarded beyond `wanted`: the smallest guard that suffices, else all."""
    excess = sum((state.remaining_size for state in guards), ZERO) - wanted
    if excess <= 0:
        return ()
    enough = [state for state in guards if state.remaining_size >= excess]
    chosen = [min(enough, key=lambda state: state.remaining_size)] if enough else guards
    return tuple(Cancel(client_order_id=state.order.client_order_id, why=CancelReason.TOO_MUCH) for state in chosen)


def _unprotectable(lot: Lot, product: Product, quote: Quote | None, prices: _Prices) -> Unprotectable | None:
    """Return why no guard can rest now."""
    if product.blocked_by is not None or product.post_only:
        return _not(Unprotected.MARKET_CLOSED, product.blocked_by or "post_only", "open")
    if prices.stop_price < product.price_increment:
        return _not(Unprotected.NO_PRICE, plain(prices.stop_price), f"at least {plain(product.price_increment)}")
    if quote is None:
        return None
    if quote.bid <= lot.stop_price:
        return _not(Unprotected.PRICE_AT_STOP, plain(quote.bid), f"above {plain(lot.stop_price)}")
    if prices.order_type is OrderType.BRACKET and quote.bid >= prices.limit_price:
        return _not(Unprotected.PRICE_AT_TARGET, plain(quote.bid), f"below {plain(prices.limit_price)}")
    return None


def _slice(rest: Decimal, most: Decimal, product: Product) -> Decimal:
    """Return the size of the next guard: all of the rest, or less of it when the venue takes no order so large."""
    if rest <= most:
        return rest
    # By halves, not "most, then the rest": that rest might be too small to be guarded.
    return round_down(min(most, rest / 2), product.base_increment)


def _guard(lot: Lot, name: ClientOrderId, size: Decimal, prices: _Prices) -> Order:
    return Order(
        client_order_id=name,
        product_id=lot.product_id,
        side=Side.SELL,
        order_type=prices.order_type,
        purpose=Purpose.PROTECTION,
        lot_id=lot.lot_id,
        size=size,
        limit_price=prices.limit_price,
        stop_price=prices.stop_price,
    )


def _not(reason: Unprotected, observed: str, limit: str) -> Unprotectable:
    return Unprotectable(reason=reason, observed=observed, limit=limit)
