"""The room that each cap leaves for one more entry: risk sizes by it, the last hop checks the finished order by it."""

from decimal import Decimal

from core.exposure import Exposure, themes_of
from core.model.market import Product, ProductId
from core.model.money import ZERO
from core.model.verdicts import Breach, Refusal
from core.risk.sizing import Cap
from core.risk.view import RiskView
from core.settings import PolicySettings
from core.venue_rules import largest_notional


def entry_caps(
    product: Product,
    *,
    price: Decimal,
    shown_value: Decimal,
    cash: Decimal,
    equity: Decimal,
    fee_fraction: Decimal,
    at_risk: Exposure,
    view: RiskView,
    policy: PolicySettings,
) -> tuple[Cap, ...]:
    """
    Return every cap on one more entry, as room for its notional without fees.

    Exposure and cash are shares of money that the fee uses up too: their room is divided by 1 + fee. `shown_value` is
    what the book displays at the best price of the side that the order meets or joins.
    """
    limits = policy.risk
    product_id = product.product_id
    spends = 1 + fee_fraction
    # One coin is one risk, whatever it is quoted in: the universe may move from BTC-USD to BTC-USDC while we hold it.
    held = sum((cost for other, cost in at_risk.by_product.items() if other.base == product_id.base), ZERO)
    return (
        Cap(code=Refusal.TOTAL_CAP, room_usd=(equity * limits.max_total_at_risk_fraction - at_risk.total) / spends),
        Cap(code=Refusal.PRODUCT_CAP, room_usd=(equity * limits.max_position_size_fraction - held) / spends),
        *_theme_caps(product_id, equity=equity, spends=spends, at_risk=at_risk, view=view, policy=policy),
        Cap(code=Refusal.CASH, room_usd=cash / spends),
        Cap(code=Refusal.ORDER_NOTIONAL, room_usd=limits.max_order_notional_usd),
        Cap(code=Refusal.BOOK_DEPTH, room_usd=shown_value * limits.max_order_depth_fraction),
        Cap(code=Refusal.VENUE_MAX, room_usd=largest_notional(product, price)),
    )


def position_count_breach(
    product_id: ProductId, at_risk: Exposure, planned: int, view: RiskView, policy: PolicySettings
) -> Breach | None:
    """
    Return why one more position is one too many: opened in this cycle, or held, open and unknown together.

    A product that is a position already does not open another. The regime's cap counts when it is the smaller one.
    """
    if product_id in at_risk.positions:
        return None
    per_cycle = policy.risk.max_new_positions_per_cycle
    if planned >= per_cycle:
        return Breach(reason=Refusal.NEW_POSITIONS_PER_CYCLE, observed=str(planned), limit=str(per_cycle))
    rule = None if view.regime is None else policy.regime.get(view.regime)
    most = 0 if rule is None else min(policy.risk.max_open_positions, rule.max_open_positions)
    if len(at_risk.positions) >= most:
        return Breach(reason=Refusal.MAX_POSITIONS, observed=str(len(at_risk.positions)), limit=str(most))
    return None


def _theme_caps(
    product_id: ProductId,
    *,
    equity: Decimal,
    spends: Decimal,
    at_risk: Exposure,
    view: RiskView,
    policy: PolicySettings,
) -> tuple[Cap, ...]:
    caps: list[Cap] = []
    for theme in themes_of(product_id, view.themes):
        share = policy.risk.max_theme_fraction(theme)
        if share is not None:
            room = equity * share - at_risk.by_theme.get(theme, ZERO)
            caps.append(Cap(code=Refusal.THEME_CAP, room_usd=room / spends))
    return tuple(caps)
