"""
Orders: priced, rounded and named (stage 5, the pure half of the executor).

Every rounding goes toward less risk, and the venue's minima are checked after it. Reasons to plan nothing are values.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from core.model.market import Product, Quote
from core.model.money import ZERO, plain, round_down
from core.model.orders import LotId, Order, OrderType, Purpose, Side
from core.model.portfolio import Lot, OrderState
from core.model.signals import Tier
from core.model.verdicts import Approved
from core.settings import ExitPolicy, PolicySettings
from core.slot_key import client_order_id
from core.venue_rules import (
    cover_price,
    entry_price,
    exit_price,
    highest_cover_price,
    largest_notional,
    lowest_exit_price,
    smallest_size,
)

ENTRY_LEG = "entry"
TAKER_LEG = "entry-taker"
EXIT_LEG = "exit"
COVER_LEG = "cover"

END_MARGIN_SECONDS = 10
"""A resting order ends by itself this long after we would have cancelled it: a dead-man switch, should we be gone."""


class Unplannable(Enum):
    """Why there is no order. Values go to the audit and are never renamed."""

    MARKET_CLOSED = "market_closed"
    NO_PRICE = "no_price"
    BELOW_MINIMUM = "below_minimum"
    TAKER_OFF = "taker_off"
    SLIPPAGE = "slippage"
    ALREADY_ASKED = "already_asked"
    SOURCES_DISAGREE = "sources_disagree"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlannable:
    """No order can be made of it: why, what was seen, and the limit."""

    reason: Unplannable
    observed: str
    limit: str


def plan_entry(
    approved: Approved,
    product: Product,
    quote: Quote,
    *,
    account: str,
    slot: int,
    now: datetime,
    policy: PolicySettings,
    attempt: int = 0,
    spent: Decimal = ZERO,
) -> Order | NotPlannable:
    """
    Return a post-only buy at the bid that spends at most what was approved and is not `spent` yet (without fees).

    It dies by itself soon after `maker_ttl_seconds`. It opens a lot named after the entry's first order, or grows the
    one it adds to. A new quote is the next `attempt`: ask for one only when the order before it is proven final, and
    `spent` is what all before it have filled.
    """
    if product.blocked_by is not None:
        return _not(Unplannable.MARKET_CLOSED, product.blocked_by, "open")
    price = entry_price(product, quote)
    size = _entry_size(approved.notional - spent, price, product, policy)
    if isinstance(size, NotPlannable):
        return size
    first = client_order_id(account, approved.product_id, slot, ENTRY_LEG, 0)
    name = client_order_id(account, approved.product_id, slot, ENTRY_LEG, attempt)
    ttl_seconds = policy.execution.maker_ttl_seconds + END_MARGIN_SECONDS
    return Order(
        client_order_id=name,
        product_id=approved.product_id,
        side=Side.BUY,
        order_type=OrderType.POST_ONLY,
        purpose=Purpose.ENTRY,
        lot_id=approved.adds_to or LotId(first),
        size=size,
        limit_price=price,
        # Whole seconds, later rather than sooner: the venue's times need no fraction.
        end_time=now.replace(microsecond=0) + timedelta(seconds=ttl_seconds + 1),
    )


def plan_taker(
    previous: OrderState,
    product: Product,
    quote: Quote,
    *,
    account: str,
    tier: Tier,
    policy: PolicySettings,
    attempt: int = 0,
) -> Order | NotPlannable:
    """
    Return an immediate-or-cancel buy for what a finished resting entry did not fill.

    Its limit is the slippage budget above the mid, so it never pays more; it spends at most what is left of the first
    order's notional, and asks for at most the allowed share of what the best ask shows. Call it only when `previous` is
    proven final: an order that may still fill has no rest.
    """
    if not policy.execution.taker_fallback:
        return _not(Unplannable.TAKER_OFF, "off", "taker_fallback")
    if product.blocked_by is not None or product.post_only:
        return _not(Unplannable.MARKET_CLOSED, product.blocked_by or "post_only", "open")
    if not previous.status.is_final or previous.is_unknown:
        return _not(Unplannable.ALREADY_ASKED, previous.status.value, "a final status")
    budget = policy.execution.max_slippage_fraction.of(tier)
    price = round_down(quote.mid * (1 + budget), product.price_increment)
    if price < quote.ask:
        return _not(Unplannable.SLIPPAGE, plain(quote.ask), f"{plain(price)} ({plain(budget)} above mid)")
    order = previous.order
    depth = quote.ask * quote.ask_size * policy.risk.max_order_depth_fraction
    rest = order.size - previous.filled_size
    left = min(order.notional - previous.filled_value, rest * price, depth)
    size = _entry_size(left, price, product, policy)
    if isinstance(size, NotPlannable):
        return size
    return Order(
        client_order_id=client_order_id(account, order.product_id, previous.slot, TAKER_LEG, attempt),
        product_id=order.product_id,
        side=Side.BUY,
        order_type=OrderType.IOC,
        purpose=Purpose.ENTRY,
        lot_id=order.lot_id,
        size=size,
        limit_price=price,
    )


def plan_exit(
    lot: Lot,
    product: Product,
    quote: Quote,
    *,
    last_close: float | None,
    asked: Decimal,
    account: str,
    slot: int,
    policy: PolicySettings,
    attempt: int = 0,
) -> Order | NotPlannable:
    """
    Return an immediate-or-cancel sell of all of a lot that no open exit asks for already (`asked`, base currency).

    Its limit lies below the bid, further with each exit that the lot has tried (`exit_slippage`), but never the widest
    slippage below the last closed candle's close (`last_close`, None when there is no fresh one): a hole in the book is
    not a price. A rest below the venue's minima is dust: it cannot be sold.
    """
    if product.blocked_by is not None or product.post_only:
        return _not(Unplannable.MARKET_CLOSED, product.blocked_by or "post_only", "open")
    left = lot.quantity - asked
    if left <= 0:
        return _not(Unplannable.ALREADY_ASKED, plain(asked), plain(lot.quantity))
    lowest = lowest_exit_price(product, last_close, policy.exits.exit_slippage_limit_fraction)
    if lowest is not None and quote.bid < lowest:
        return _not(Unplannable.SOURCES_DISAGREE, plain(quote.bid), f"at least {plain(lowest)}")
    price = max(exit_price(product, quote, exit_slippage(policy.exits, lot.exit_attempts)), lowest or ZERO)
    size = round_down(min(left, largest_notional(product, price) / price), product.base_increment)
    least = smallest_size(product, price, ZERO)
    if size < least:
        return _not(Unplannable.BELOW_MINIMUM, plain(size), plain(least))
    return Order(
        client_order_id=client_order_id(account, lot.product_id, slot, f"{EXIT_LEG}:{lot.lot_id}", attempt),
        product_id=lot.product_id,
        side=Side.SELL,
        order_type=OrderType.IOC,
        purpose=Purpose.EXIT,
        lot_id=lot.lot_id,
        size=size,
        limit_price=price,
    )


def exit_slippage(exits: ExitPolicy, attempts: int) -> Decimal:
    """Return how far from the best price (a fraction) a sale may go that so many attempts came before; bounded."""
    widened = exits.max_exit_slippage_fraction + attempts * exits.exit_slippage_step_fraction
    return min(widened, exits.exit_slippage_limit_fraction)


def plan_cover(
    product: Product,
    quote: Quote,
    *,
    last_close: float | None,
    oversold: Decimal,
    asked: Decimal,
    account: str,
    slot: int,
    policy: PolicySettings,
    attempt: int = 0,
) -> Order | NotPlannable:
    """
    Return an immediate-or-cancel buy of coins that were `oversold` and that no open cover asks for (`asked`).

    Its limit lies above the ask as an exit's lies below the bid, wider with each `attempt` of the slot. A rest below
    the venue's minima stays missing: to buy more than that would be a position.
    """
    if product.blocked_by is not None or product.post_only:
        return _not(Unplannable.MARKET_CLOSED, product.blocked_by or "post_only", "open")
    left = oversold - asked
    if left <= 0:
        return _not(Unplannable.ALREADY_ASKED, plain(asked), plain(oversold))
    highest = highest_cover_price(product, last_close, policy.exits.exit_slippage_limit_fraction)
    if highest is not None and quote.ask > highest:
        return _not(Unplannable.SOURCES_DISAGREE, plain(quote.ask), f"at most {plain(highest)}")
    price = cover_price(product, quote, exit_slippage(policy.exits, attempt))
    price = price if highest is None else min(price, highest)
    size = round_down(min(left, largest_notional(product, price) / price), product.base_increment)
    least = smallest_size(product, price, ZERO)
    if size < least:
        return _not(Unplannable.BELOW_MINIMUM, plain(size), plain(least))
    name = client_order_id(account, product.product_id, slot, COVER_LEG, attempt)
    return Order(
        client_order_id=name,
        product_id=product.product_id,
        side=Side.BUY,
        order_type=OrderType.IOC,
        purpose=Purpose.COVER,
        lot_id=LotId(name),
        size=size,
        limit_price=price,
    )


def _entry_size(notional: Decimal, price: Decimal, product: Product, policy: PolicySettings) -> Decimal | NotPlannable:
    if price <= 0:
        return _not(Unplannable.NO_PRICE, plain(price), f"at least {plain(product.price_increment)}")
    size = round_down(min(notional, largest_notional(product, price)) / price, product.base_increment)
    least = smallest_size(product, price, policy.risk.min_trade_notional_usd)
    if size < least:
        return _not(Unplannable.BELOW_MINIMUM, plain(size), plain(least))
    return size


def _not(reason: Unplannable, observed: str, limit: str) -> NotPlannable:
    return NotPlannable(reason=reason, observed=observed, limit=limit)
