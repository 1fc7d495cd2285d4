"""What the account is worth: cash plus lots at the bid. One formula for equity, used everywhere."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from core.model.ledger import Ledger
from core.model.market import ProductId, Quote
from core.model.money import ZERO
from core.model.portfolio import Lot


def fresh_quotes(quotes: Mapping[ProductId, Quote], now: datetime, max_age_seconds: int) -> Mapping[ProductId, Quote]:
    """Keep the quotes that are neither older than `max_age_seconds` nor from the future by as much."""
    max_age = timedelta(seconds=max_age_seconds)
    return {product_id: quote for product_id, quote in quotes.items() if abs(now - quote.at) <= max_age}


def equity(ledger: Ledger, quotes: Mapping[ProductId, Quote], quote_currencies: Collection[str]) -> Decimal | None:
    """
    Return cash in the allowed quote currencies (at par) plus every lot at its bid; None without a bid for a lot.

    An entry order that rests has not spent anything yet; no fee for selling is taken off. Coins sold beyond our lots
    are a debt: what it costs to buy them back is taken off, None without an ask.
    """
    total = sum((amount for currency, amount in ledger.cash.items() if currency in quote_currencies), ZERO)
    for lot in ledger.lots.values():
        quote = quotes.get(lot.product_id)
        if quote is None:
            return None
        total += lot.quantity * quote.bid
    for product_id, oversold in ledger.oversold.items():
        quote = quotes.get(product_id)
        if quote is None:
            return None
        total -= oversold.quantity * quote.ask
    return total


def unrealised(lots: Collection[Lot], quotes: Mapping[ProductId, Quote]) -> Decimal | None:
    """Return the lots' value at the bid minus their cost (entry fees included); None without a bid."""
    total = ZERO
    for lot in lots:
        quote = quotes.get(lot.product_id)
        if quote is None:
            return None
        total += lot.quantity * quote.bid - lot.cost
    return total
