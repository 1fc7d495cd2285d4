"""
What we may do, and why not (stage 4).

Gates in their order; the first shut one gives the code.
Cycle (each proposal gets the same code): kill switch, trading state, limits usable, fees, equity, capital, losses of
day, week and from the peak, regime, losing streak, pacing.
Product: proposal usable, eligible, market open, candles fresh, nothing oversold, no unknown and no open order, quote
there, fresh, its spread, the price collar, the candle agrees, no guard of ours in the way, the target pays the costs,
already held (or the rules for adding), cooldown and spacing of the product.
Cycle again, counting what is already approved: pacing, positions of this cycle, positions in all.
Size: one call of `legal_size_usd` with every cap; the binding cap gives the code.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.exposure import Exposure, exposure, free_cash
from core.model.market import Product, ProductId
from core.model.money import ZERO
from core.model.orders import Side
from core.model.portfolio import Lot
from core.model.signals import Proposal
from core.model.verdicts import Approved, Assessment, Breach, Refusal, Refused
from core.risk.caps import entry_caps, position_count_breach
from core.risk.cycle_gates import cycle_breach, pacing_breach
from core.risk.product_gates import (
    add_breach,
    eligible_breach,
    held_lot,
    order_breach,
    price_breach,
    shown_value,
    symbol_pacing_breach,
)
from core.risk.sizing import TooSmall, legal_size_usd
from core.risk.view import RiskView, shown, worst_fee_fraction
from core.settings import PolicySettings
from core.venue_rules import entry_price, smallest_size

GATES = (
    *(Refusal.KILL_SWITCH, Refusal.TRADING_STATE, Refusal.LIMIT_UNUSABLE, Refusal.FEES_UNKNOWN, Refusal.EQUITY_UNKNOWN),
    *(Refusal.BELOW_MIN_CAPITAL, Refusal.LOSS_LIMITS_UNKNOWN, Refusal.DAILY_STOP, Refusal.WEEKLY_STOP),
    *(Refusal.DRAWDOWN, Refusal.REGIME_UNKNOWN, Refusal.REGIME_CRASH, Refusal.LOSS_STREAK),
    *(Refusal.TRADE_SPACING, Refusal.TRADES_PER_HOUR, Refusal.TRADES_PER_DAY),
    *(Refusal.PROPOSAL_UNUSABLE, Refusal.NOT_ELIGIBLE, Refusal.STALE_PRODUCT, Refusal.MARKET_CLOSED, Refusal.OVERSOLD),
    *(Refusal.UNKNOWN_ORDER, Refusal.OPEN_ORDER, Refusal.QUOTE_MISSING, Refusal.QUOTE_STALE, Refusal.SPREAD),
    *(Refusal.PRICE_COLLAR, Refusal.SOURCES_DISAGREE, Refusal.SELF_CROSS, Refusal.EDGE_BELOW_COSTS),
    *(Refusal.ALREADY_HELD, Refusal.ADDS_PER_DAY, Refusal.ADD_COOLDOWN, Refusal.SYMBOL_COOLDOWN),
    *(Refusal.SYMBOL_SPACING, Refusal.NEW_POSITIONS_PER_CYCLE, Refusal.MAX_POSITIONS),
    *(Refusal.WANTED_SIZE, Refusal.TOTAL_CAP, Refusal.PRODUCT_CAP, Refusal.THEME_CAP, Refusal.CASH),
    *(Refusal.ORDER_NOTIONAL, Refusal.BOOK_DEPTH, Refusal.VENUE_MAX),
)
"""All gates in the order in which they are asked; the caps at the end together give the size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """What the approvals so far in this cycle have used up, at the worst."""

    equity: Decimal
    fee_fraction: Decimal
    at_risk: Exposure
    approved: tuple[Approved, ...] = ()

    @property
    def new_positions(self) -> int:
        return sum(1 for approved in self.approved if approved.adds_to is None)

    def spent(self, currency: str) -> Decimal:
        """Return what the approvals may spend of a currency, fees included."""
        spends = (
            approved.notional * (1 + self.fee_fraction)
            for approved in self.approved
            if approved.product_id.quote == currency
        )
        return sum(spends, ZERO)

    def with_approved(self, approved: Approved, view: RiskView) -> "_Running":
        cost = approved.notional * (1 + self.fee_fraction)
        return _Running(
            equity=self.equity,
            fee_fraction=self.fee_fraction,
            at_risk=self.at_risk.plus(approved.product_id, cost, view.themes),
            approved=(*self.approved, approved),
        )


def assess(proposals: Sequence[Proposal], view: RiskView, policy: PolicySettings) -> Assessment:
    """
    Decide what may be bought, best conviction first (ties as they come), each with its legal size.

    What is approved counts against every cap, the cash and the pacing of what comes after it (L7).
    """
    if not proposals:
        return Assessment(approved=(), refused=())
    fee_fraction = worst_fee_fraction(view.fees)
    breach = cycle_breach(view, policy) or pacing_breach(view.ledger.entries, 0, policy.risk, view.now)
    if breach is not None or view.equity is None or fee_fraction is None:
        breach = breach or Breach(reason=Refusal.EQUITY_UNKNOWN, observed="unknown", limit="a finite amount")
        return Assessment(approved=(), refused=tuple(_refused(proposal, breach) for proposal in proposals))
    at_risk = exposure(
        view.ledger,
        view.quotes,
        view.themes,
        fee_fraction=fee_fraction,
        dust_usd=policy.risk.dust_threshold_usd,
    )
    running = _Running(equity=view.equity, fee_fraction=fee_fraction, at_risk=at_risk)
    refused: list[Refused] = []
    for proposal in sorted(proposals, key=_rank):
        verdict = _verdict(proposal, running, view, policy)
        if isinstance(verdict, Approved):
            running = running.with_approved(verdict, view)
        else:
            refused.append(_refused(proposal, verdict))
    return Assessment(approved=running.approved, refused=tuple(refused))


def _verdict(proposal: Proposal, running: _Running, view: RiskView, policy: PolicySettings) -> Approved | Breach:
    product_id, limits = proposal.product_id, policy.risk
    breach = (
        _proposal_breach(proposal)
        or eligible_breach(product_id, proposal.tier, view)
        or order_breach(product_id, view.ledger)
        or _planned_breach(product_id, running)
        or price_breach(view.products[product_id], proposal.tier, proposal.target_fraction, view, policy.execution)
    )
    if breach is not None:
        return breach
    lot = held_lot(product_id, view, limits.dust_threshold_usd)
    breach = (
        (add_breach(lot, view.ledger, limits, view.now) if lot is not None else None)
        or symbol_pacing_breach(product_id, view.ledger, limits, view.now)
        or position_count_breach(product_id, running.at_risk, running.new_positions, view, policy)
        or (pacing_breach(view.ledger.entries, len(running.approved), limits, view.now) if running.approved else None)
    )
    return breach or _sized(proposal, lot, running, view, policy)


def _sized(
    proposal: Proposal, lot: Lot | None, running: _Running, view: RiskView, policy: PolicySettings
) -> Approved | Breach:
    """
    Give the proposal the largest legal size up to its wish.

    The rules have put the regime's multiplier into the wish already, so it is not applied again; a wish above the
    tier's share is cut to it.
    """
    product, quote = view.products[proposal.product_id], view.quotes[proposal.product_id]
    price = entry_price(product, quote)
    share = min(proposal.size_fraction, policy.position_sizing.of(proposal.tier))
    caps = entry_caps(
        product,
        price=price,
        shown_value=shown_value(quote, Side.BUY),
        cash=free_cash(view.ledger, product.product_id.quote, running.fee_fraction)
        - running.spent(product.product_id.quote),
        equity=running.equity,
        fee_fraction=running.fee_fraction,
        at_risk=running.at_risk,
        view=view,
        policy=policy,
    )
    size = legal_size_usd(running.equity * share, caps, _minimum(product, price, running.equity, policy))
    if isinstance(size, TooSmall):
        return Breach(reason=size.code, observed=shown(size.observed), limit=f"at least {shown(size.limit)}")
    return Approved(
        proposal=proposal,
        notional=size.notional_usd,
        bound_by=size.bound_by,
        adds_to=None if lot is None else lot.lot_id,
    )


def _minimum(product: Product, price: Decimal, equity: Decimal, policy: PolicySettings) -> Decimal:
    """Return the least notional worth sending: ours, and what still meets the venue's minima once rounded down."""
    venue = smallest_size(product, price, policy.risk.min_trade_notional_usd) * price
    return max(venue, equity * policy.risk.min_position_size_fraction)


def _proposal_breach(proposal: Proposal) -> Breach | None:
    """Refuse a proposal without a usable size, stop, target and end: such a position could not be closed."""
    fractions = (proposal.size_fraction, proposal.stop_fraction, proposal.target_fraction)
    usable = all(fraction.is_finite() and fraction > 0 for fraction in fractions)
    if usable and proposal.stop_fraction < 1 and proposal.max_hold_seconds > 0 and 0 <= proposal.conviction <= 1:
        return None
    observed = (
        f"size {proposal.size_fraction}, stop {proposal.stop_fraction}, target {proposal.target_fraction}, "
        f"hold {proposal.max_hold_seconds} s, conviction {proposal.conviction}"
    )
    return Breach(reason=Refusal.PROPOSAL_UNUSABLE, observed=observed, limit="finite, positive, stop below 1")


def _planned_breach(product_id: ProductId, running: _Running) -> Breach | None:
    for approved in running.approved:
        if approved.product_id == product_id:
            return Breach(reason=Refusal.OPEN_ORDER, observed="approved in this cycle", limit="none")
    return None


def _rank(proposal: Proposal) -> float:
    # NaN would leave the order to chance; such a proposal is refused wherever it stands.
    return -proposal.conviction if math.isfinite(proposal.conviction) else 0.0


def _refused(proposal: Proposal, breach: Breach) -> Refused:
    return Refused(proposal=proposal, reason=breach.reason, observed=breach.observed, limit=breach.limit)
