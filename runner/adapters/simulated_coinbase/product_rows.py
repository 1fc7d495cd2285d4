"""
Rows of the product list in the shape and size of the real ones (coinbase_api 2.2).

Figures of the day that no order rule needs and that the market does not know (highs, lows, changes) are empty, as they
are on the real exchange for a product without trades. An empty book empties the prices.
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from core.model.market import Product, Quote
from core.model.money import plain
from runner.matching.checks import quote_increment

_ABOUT = (
    "A made-up description, about as long as the real ones are: what the asset is called, when it began, what its "
    "network is used for and who looks after it. It is here because a client has to carry it, not to be read."
)
_FILLER_QUOTES = ("USDC", "EUR", "GBP", "BTC")


def product_row(product: Product, quote: Quote | None, *, with_tradability: bool) -> dict[str, object]:
    """Return one product; `with_tradability` fills in `view_only`, as get_tradability_status does."""
    base, quote_currency = product.product_id
    if quote is None:
        prices = dict.fromkeys(("price", "mid_market_price", "best_bid_price", "best_ask_price"), "")
    else:
        prices = {
            "price": plain(quote.bid),
            "mid_market_price": plain(quote.mid),
            "best_bid_price": plain(quote.bid),
            "best_ask_price": plain(quote.ask),
        }
    turnover = product.quote_volume_24h
    volume = "" if turnover is None or quote is None else plain(round(turnover / quote.mid, 8))
    return {
        "product_id": str(product.product_id),
        **prices,
        "price_percentage_change_24h": "",
        "volume_24h": volume,
        "volume_percentage_change_24h": "",
        "base_increment": plain(product.base_increment),
        "quote_increment": plain(quote_increment(product.product_id)),
        "quote_min_size": plain(product.quote_min_size),
        "quote_max_size": plain(product.quote_max_size),
        "base_min_size": plain(product.base_min_size),
        "base_max_size": plain(product.base_max_size),
        "price_increment": plain(product.price_increment),
        "status": "online" if product.online else "delisted",
        "trading_disabled": product.trading_disabled,
        "is_disabled": product.is_disabled,
        "cancel_only": product.cancel_only,
        "limit_only": product.limit_only,
        "post_only": product.post_only,
        "auction_mode": product.auction_mode,
        "view_only": product.view_only and with_tradability,
        "approximate_quote_24h_volume": "" if turnover is None else plain(turnover),
        "high_24h": "",
        "low_24h": "",
        **_names(base, quote_currency),
    }


@lru_cache(maxsize=2048)
def _names(base: str, quote: str) -> Mapping[str, object]:
    """Return the fields that are the same for ever."""
    return {
        "watched": False,
        "new": False,
        "base_name": base.title(),
        "quote_name": quote,
        "product_type": "SPOT",
        "quote_currency_id": quote,
        "base_currency_id": base,
        "fcm_trading_session_details": None,
        "alias": f"{base}-USD" if quote == "USDC" else "",
        "alias_to": [f"{base}-USDC"] if quote == "USD" else [],
        "base_display_symbol": base,
        "quote_display_symbol": "USD" if quote == "USDC" else quote,
        "product_venue": "CBE",
        "display_name": f"{base}-{quote}",
        "future_product_details": None,
        "equity_product_details": None,
        "icon_url": f"https://assets.example/{base.lower()}.png",
        "icon_color": "#0052ff",
        "about_description": _ABOUT,
        "new_at": "2023-01-01T00:00:00Z",
        "market_cap": "",
    }


@lru_cache(maxsize=4)
def filler_rows(number: int) -> tuple[str, ...]:
    """Return rows of products that nobody here trades, as JSON: invented bases, disabled, without a book."""
    rows: list[str] = []
    for index in range(number):
        base, quote = f"FILL{index // len(_FILLER_QUOTES)}", _FILLER_QUOTES[index % len(_FILLER_QUOTES)]
        row = {
            "product_id": f"{base}-{quote}",
            **dict.fromkeys(("price", "mid_market_price", "best_bid_price", "best_ask_price"), ""),
            "price_percentage_change_24h": "",
            "volume_24h": "0",
            "volume_percentage_change_24h": "",
            "base_increment": "0.01",
            "quote_increment": "0.0001",
            "quote_min_size": "1",
            "quote_max_size": "1000000",
            "base_min_size": "0.01",
            "base_max_size": "1000000",
            "price_increment": "0.0001",
            "status": "online",
            "trading_disabled": True,
            **dict.fromkeys(("cancel_only", "limit_only", "post_only", "auction_mode", "view_only"), False),
            "is_disabled": True,
            "approximate_quote_24h_volume": "0",
            "high_24h": "",
            "low_24h": "",
            **_names(base, quote),
        }
        rows.append(json.dumps(row, separators=(",", ":")))
    return tuple(rows)
