"""
What is at risk, counted at the worst (L7). One formula for risk, the last hop, the record and the portfolio report.

A lot counts at its cost or its value at the bid, whichever is higher: a loss frees no room for new risk, and a gain
uses some. An entry order that is open, or whose fate is unknown, counts as if its rest were filled at its limit price,
plus the fee (L4). A lot without a quote counts at its cost; equity is unknown then, which stops new risk by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.model.ledger import Ledger
from core.model.market import ProductId, Quote
from core.model.money import ZERO
from core.model.orders import LotId, Purpose, Side
from core.model.portfolio import Lot

Themes = Mapping[str, tuple[str, ...]]
"""Base assets by theme; an asset may be in several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """
    Money at risk in quote currency (USD, USDC and USDT at par).

    `positions` are the products with a lot that is more than dust, or an entry order that may still fill.
    """

    total: Decimal
    by_product: Mapping[ProductId, Decimal]
    by_theme: Mapping[str, Decimal]
    positions: tuple[ProductId, ...]

    def plus(self, product_id: ProductId, cost: Decimal, themes: Themes) -> "Exposure":
        """Return the exposure after a further entry that costs `cost`, fee included."""
        by_theme = dict(self.by_theme)
        for theme in themes_of(product_id, themes):
            by_theme[theme] = by_theme.get(theme, ZERO) + cost
        return Exposure(
            total=self.total + cost,
            by_product={**self.by_product, product_id: self.by_product.get(product_id, ZERO) + cost},
            by_theme=by_theme,
            positions=self.positions if product_id in self.positions else (*self.positions, product_id),
        )


def exposure(
    ledger: Ledger,
    quotes: Mapping[ProductId, Quote],
    themes: Themes,
    *,
    fee_fraction: Decimal,
    dust_usd: Decimal,
) -> Exposure:
    """Return what the ledger has at risk: held, open and unknown, at the worst."""
    by_product: dict[ProductId, Decimal] = {}
    positions: dict[ProductId, None] = {}
    for lot in ledger.lots.values():
        quote = quotes.get(lot.product_id)
        by_product[lot.product_id] = by_product.get(lot.product_id, ZERO) + lot_exposure(lot, quote)
        if not is_dust(lot, quote, dust_usd):
            positions[lot.product_id] = None
    for state in ledger.open_orders.values():
        cost = state.worst_case_cost * (1 + fee_fraction)
        if cost > 0:
            product_id = state.order.product_id
            by_product[product_id] = by_product.get(product_id, ZERO) + cost
            positions[product_id] = None
    by_theme: dict[str, Decimal] = {}
    for product_id, amount in by_product.items():
        for theme in themes_of(product_id, themes):
            by_theme[theme] = by_theme.get(theme, ZERO) + amount
    return Exposure(
        total=sum(by_product.values(), ZERO), by_product=by_product, by_theme=by_theme, positions=tuple(positions)
    )


def lot_exposure(lot: Lot, quote: Quote | None) -> Decimal:
    """Return the higher of cost and value at the bid; the cost when there is no quote."""
    return lot.cost if quote is None else max(lot.cost, lot.quantity * quote.bid)


def is_dust(lot: Lot, quote: Quote | None, dust_usd: Decimal) -> bool:
    """Tell whether a lot is worth too little to be sold; judged at the bid, at its cost without a quote."""
    return (lot.cost if quote is None else lot.quantity * quote.bid) < dust_usd


def themes_of(product_id: ProductId, themes: Themes) -> tuple[str, ...]:
    """Return the themes that a product's base asset belongs to."""
    return tuple(theme for theme, assets in themes.items() if product_id.base in assets)


def free_cash(ledger: Ledger, currency: str, fee_fraction: Decimal) -> Decimal:
    """Return a currency's cash minus what open and unknown buys may still spend, and what coins not ours brought."""
    owed = (oversold.proceeds for product_id, oversold in ledger.oversold.items() if product_id.quote == currency)
    free = ledger.cash.get(currency, ZERO) - reserved_cash(ledger, currency, fee_fraction)
    return free - max(sum(owed, ZERO), ZERO)


def reserved_cash(ledger: Ledger, currency: str, fee_fraction: Decimal) -> Decimal:
    """Return what open and unknown buys may still spend of a currency, fees included."""
    return sum(
        (
            state.worst_case_cost * (1 + fee_fraction)
            for state in ledger.open_orders.values()
            if state.order.product_id.quote == currency
        ),
        ZERO,
    )


def asked_exits(ledger: Ledger, lot_id: LotId) -> Decimal:
    """Return how much of a lot its open and unknown exit orders may still sell."""
    return _still_sold(ledger, lot_id, (Purpose.EXIT,))


def asked_sells(ledger: Ledger, lot_id: LotId) -> Decimal:
    """Return how much of a lot all its open and unknown orders may still sell: exits and guards."""
    return _still_sold(ledger, lot_id, (Purpose.EXIT, Purpose.PROTECTION))


def asked_covers(ledger: Ledger, product_id: ProductId) -> Decimal:
    """Return how much of a product its open and unknown covers may still buy."""
    return sum(
        (
            state.remaining_size
            for state in ledger.open_orders.values()
            if state.order.product_id == product_id and state.order.purpose is Purpose.COVER
        ),
        ZERO,
    )


def _still_sold(ledger: Ledger, lot_id: LotId, purposes: tuple[Purpose, ...]) -> Decimal:
    return sum(
        (
            state.remaining_size
            for state in ledger.open_orders.values()
            if state.order.lot_id == lot_id and state.order.purpose in purposes and state.order.side is Side.SELL
        ),
        ZERO,
    )
