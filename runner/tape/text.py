"""
Answers of market and broker as text, and back: exactly, to the last digit of every Decimal and bit of every float.

Text, because candles of few digits are shorter so than as doubles, before and after compression. A row never holds a
newline or a tab: free strings stand as JSON.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TypeVar

from core.errors import (
    BrokerUnavailable,
    MarketDataUnavailable,
    OrderNotSent,
    OrderOutcomeUnknown,
    OrderRejected,
)
from core.model.market import MINUTE_SECONDS, Book, Candle, Level, Product, ProductId, Quote
from core.model.orders import (
    Balance,
    ClientOrderId,
    FeeRates,
    Fill,
    Liquidity,
    OrderId,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
)

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ABSENT = "!"


def micros_of(moment: datetime) -> int:
    """Return microseconds since the epoch."""
    return (moment - EPOCH) // _MICROSECOND


def moment_of(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def ids_text(product_ids: Sequence[ProductId]) -> str:
    return ",".join(map(str, product_ids))


# --- market -----------------------------------------------------------------------------------------------------------


def candles_text(product_ids: Sequence[ProductId], since: int, answer: Mapping[ProductId, Sequence[Candle]]) -> str:
    """Print candles by product in the order asked; starts count from the minute of `since`."""
    base = since - since % MINUTE_SECONDS
    rows = []
    for product_id in product_ids:
        candles = answer.get(product_id)
        if candles is None:
            rows.append(_ABSENT)
        else:
            rows.append(
                ";".join([f"{s - base},{o!r},{high!r},{low!r},{c!r},{v!r}" for s, o, high, low, c, v in candles])
            )
    return "|".join(rows)


def candles_of(product_ids: Sequence[ProductId], since: int, text: str) -> dict[ProductId, list[Candle]]:
    base = since - since % MINUTE_SECONDS
    rows = text.split("|") if product_ids else []
    return {
        product_id: [_candle(one.split(","), base) for one in row.split(";")] if row else []
        for product_id, row in zip(product_ids, rows, strict=True)
        if row != _ABSENT
    }


def _candle(parts: Sequence[str], base: int) -> Candle:
    start, opened, high, low, close, volume = parts
    return Candle(int(start) + base, float(opened), float(high), float(low), float(close), float(volume))


def quotes_text(product_ids: Sequence[ProductId], now: int, answer: Mapping[ProductId, Quote]) -> str:
    """Print quotes by product in the order asked; their times count from `now`, in microseconds."""
    rows = []
    for product_id in product_ids:
        quote = answer.get(product_id)
        if quote is None:
            rows.append(_ABSENT)
        else:
            rows.append(f"{quote.bid},{quote.ask},{quote.bid_size},{quote.ask_size},{micros_of(quote.at) - now}")
    return "|".join(rows)


def quotes_of(product_ids: Sequence[ProductId], now: int, text: str) -> dict[ProductId, Quote]:
    rows = text.split("|") if product_ids else []
    found = {}
    for product_id, row in zip(product_ids, rows, strict=True):
        if row != _ABSENT:
            bid, ask, bid_size, ask_size, at = row.split(",")
            found[product_id] = Quote(
                product_id=product_id,
                bid=Decimal(bid),
                ask=Decimal(ask),
                bid_size=Decimal(bid_size),
                ask_size=Decimal(ask_size),
                at=moment_of(now + int(at)),
            )
    return found


def books_text(product_ids: Sequence[ProductId], now: int, answer: Mapping[ProductId, Book]) -> str:
    rows = []
    for product_id in product_ids:
        book = answer.get(product_id)
        if book is None:
            rows.append(_ABSENT)
        else:
            rows.append(f"{_levels_text(book.bids)};{_levels_text(book.asks)};{micros_of(book.at) - now}")
    return "|".join(rows)


def books_of(product_ids: Sequence[ProductId], now: int, text: str) -> dict[ProductId, Book]:
    rows = text.split("|") if product_ids else []
    found = {}
    for product_id, row in zip(product_ids, rows, strict=True):
        if row != _ABSENT:
            bids, asks, at = row.split(";")
            found[product_id] = Book(
                product_id=product_id, bids=_levels_of(bids), asks=_levels_of(asks), at=moment_of(now + int(at))
            )
    return found


def _levels_text(levels: Sequence[Level]) -> str:
    return " ".join([f"{price}:{size}" for price, size in levels])


def _levels_of(text: str) -> tuple[Level, ...]:
    pairs = [pair.split(":") for pair in text.split(" ")] if text else []
    return tuple(Level(Decimal(price), Decimal(size)) for price, size in pairs)


_RULES = (
    "base_increment",
    "price_increment",
    "base_min_size",
    "base_max_size",
    "quote_min_size",
    "quote_max_size",
    "quote_volume_24h",
)
_FLAGS = (
    "online",
    "trading_disabled",
    "is_disabled",
    "cancel_only",
    "limit_only",
    "post_only",
    "auction_mode",
    "view_only",
)


def products_text(products: Sequence[Product]) -> str:
    return "|".join([_product_text(product) for product in products])


def products_of(text: str) -> list[Product]:
    return [_product_of(row.split(",")) for row in text.split("|")] if text else []


def _product_text(product: Product) -> str:
    rules = ",".join([str(getattr(product, name)) for name in _RULES])
    flags = "".join(["1" if getattr(product, name) else "0" for name in _FLAGS])
    return f"{product.product_id},{rules},{flags}"


def _product_of(parts: Sequence[str]) -> Product:
    name, *rules, flags = parts
    values: dict[str, Any] = {key: Decimal(text) for key, text in zip(_RULES, rules, strict=True) if text != "None"}
    values["quote_volume_24h"] = values.get("quote_volume_24h")
    values |= {key: flag == "1" for key, flag in zip(_FLAGS, flags, strict=True)}
    return Product(product_id=ProductId.parse(name), **values)


# --- broker -----------------------------------------------------------------------------------------------------------


def report_text(report: OrderReport | None) -> str:
    if report is None:
        return "null"
    kind = "" if report.order_type is None else report.order_type.value
    return (
        f'[{quoted(report.order_id)},{quoted(report.client_order_id)},"{report.product_id}","{report.side.value}",'
        f'"{report.size}","{report.limit_price}","{report.status.value}","{report.filled_size}",'
        f'{micros_of(report.created_at)},"{kind}","{report.stop_price}"]'
    )


def report_of(row: Any) -> OrderReport | None:
    if row is None:
        return None
    order_id, client_id, product, side, size, price, status, filled, created, kind, stop = row
    return OrderReport(
        order_id=OrderId(order_id),
        client_order_id=ClientOrderId(client_id),
        product_id=ProductId.parse(product),
        side=Side(side),
        size=Decimal(size),
        limit_price=Decimal(price),
        status=OrderStatus(status),
        filled_size=Decimal(filled),
        created_at=moment_of(created),
        order_type=OrderType(kind) if kind else None,
        stop_price=None if stop == "None" else Decimal(stop),
    )


def fill_text(fill: Fill) -> str:
    return (
        f"[{quoted(fill.fill_id)},{quoted(fill.order_id)},{quoted(fill.client_order_id)},"
        f'"{fill.product_id}","{fill.side.value}","{fill.price}","{fill.size}","{fill.fee}",'
        f'"{fill.liquidity.value}",{micros_of(fill.at)}]'
    )


def fill_of(row: Any) -> Fill:
    fill_id, order_id, client_id, product, side, price, size, fee, liquidity, at = row
    return Fill(
        fill_id=fill_id,
        order_id=OrderId(order_id),
        client_order_id=ClientOrderId(client_id),
        product_id=ProductId.parse(product),
        side=Side(side),
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal(fee),
        liquidity=Liquidity(liquidity),
        at=moment_of(at),
    )


def list_text(write: Callable[[T], str]) -> Callable[[Sequence[T]], str]:
    return lambda items: f"[{','.join([write(item) for item in items])}]"


def list_of(read: Callable[[Any], T]) -> Callable[[str], list[T]]:
    return lambda text: [read(row) for row in json.loads(text)]


def balances_text(balances: Mapping[str, Balance]) -> str:
    rows = [f'[{quoted(key)},"{item.available}","{item.hold}"]' for key, item in balances.items()]
    return f"[{','.join(rows)}]"


def balances_of(text: str) -> dict[str, Balance]:
    return {
        currency: Balance(currency=currency, available=Decimal(available), hold=Decimal(hold))
        for currency, available, hold in json.loads(text)
    }


def fee_rates_text(rates: FeeRates) -> str:
    return f"{rates.maker_fraction},{rates.taker_fraction}"


def fee_rates_of(text: str) -> FeeRates:
    maker, taker = text.split(",")
    return FeeRates(maker_fraction=Decimal(maker), taker_fraction=Decimal(taker))


# --- errors -----------------------------------------------------------------------------------------------------------

_ERRORS = (MarketDataUnavailable, BrokerUnavailable, OrderNotSent, OrderOutcomeUnknown)


def error_text(error: Exception, redact: Callable[[str], str]) -> str:
    """Print an error's class and words; `redact` takes this run's secrets out of them (L15)."""
    reason = error.reason if isinstance(error, OrderRejected) else None
    return json.dumps([type(error).__name__, redact(str(error)), reason], separators=(",", ":"))


def error_of(text: str) -> Exception:
    """Return the error again: one of ours, or one of a foreign class with the same name and the same words."""
    name, words, reason = json.loads(text)
    if name == OrderRejected.__name__:
        return OrderRejected(reason, words[len(reason) + 2 :])
    for known in _ERRORS:
        if known.__name__ == name:
            return known(words)
    foreign: Exception = type(name, (Exception,), {"__str__": lambda _self: words})()
    return foreign
