"""
A Coinbase API that says what the test says, in the API's own JSON, and remembers what it was asked.

`MarketApi` answers every question about a market from one of ours, in the shapes that Coinbase documents.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from core.model.market import Book, Candle, Level, Product, ProductId
from core.ports import MarketData
from runner.adapters.coinbase.errors import ApiUnavailable
from runner.adapters.coinbase.strict_json import Json, StrictJsonError, parse

Params = Sequence[tuple[str, str]]
Answer = object | Exception | Callable[[Params], object]

BASE = "/api/v3/brokerage"
NOT_FOUND = '{"error":"unknown","error_details":"Not Found","message":"Not Found"}'


class ScriptedApi:
    """GETs by path. `say` sets an answer: a JSON value, bytes as they come, an error, or a function of the query."""

    def __init__(self, *, is_signed: bool = False) -> None:
        self.is_signed = is_signed
        self.asked: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self._answers: dict[str, Answer] = {}

    def say(self, path: str, answer: Answer) -> None:
        """`path` begins behind `/brokerage`."""
        self._answers[f"{BASE}{path}"] = answer

    def get(self, path: str, params: Params = ()) -> Json:
        self.asked.append((path, tuple(params)))
        answer = self._answers.get(path, failure(404, NOT_FOUND))
        found = answer(params) if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        try:
            return parse(found if isinstance(found, bytes) else json.dumps(found).encode())
        except StrictJsonError as error:
            raise ApiUnavailable(f"GET {path}: {error}", status=200) from None

    def count(self, ending: str) -> int:
        """Count the questions whose path ends so."""
        return sum(path.endswith(ending) for path, _ in self.asked)


def failure(status: int | None, body: str = "") -> ApiUnavailable:
    return ApiUnavailable(f"GET failed: {status} {body[:60]}", status=status, body_text=body)


# --- Coinbase's shapes ------------------------------------------------------------------------------------------------


def product_row(name: str = "BTC-USD", /, **changes: object) -> dict[str, object]:
    """Build a row of the list of products, as Coinbase sends it; a change to `...` takes the field out."""
    base, _, quote = name.partition("-")
    row: dict[str, object] = {
        "product_id": name, "price": "97000.01", "price_percentage_change_24h": "1.51234", "volume_24h": "8123.5",
        "volume_percentage_change_24h": "-3.1%", "base_increment": "0.00000001", "quote_increment": "0.01",
        "quote_min_size": "1", "quote_max_size": "150000000", "base_min_size": "0.00000001", "base_max_size": "3400",
        "base_name": "Bitcoin", "quote_name": "US Dollar", "watched": False, "is_disabled": False, "new": False,
        "status": "online", "cancel_only": False, "limit_only": False, "post_only": False, "trading_disabled": False,
        "auction_mode": False, "product_type": "SPOT", "quote_currency_id": quote, "base_currency_id": base,
        "fcm_trading_session_details": None, "mid_market_price": "", "alias": "", "alias_to": ["BTC-USDC"],
        "base_display_symbol": base, "quote_display_symbol": quote, "view_only": False, "price_increment": "0.01",
        "display_name": name, "product_venue": "CBE", "approximate_quote_24h_volume": "788000000.12",
        "new_at": "2023-01-01T00:00:00Z", "future_product_details": None, "market_cap": "",
    }  # fmt: skip
    row.update(changes)
    return {key: value for key, value in row.items() if value is not ...}


def product_list(*rows: object, next_cursor: str = "", has_next: bool = False) -> dict[str, object]:
    pagination = {"prev_cursor": "", "next_cursor": next_cursor, "has_next": has_next, "has_prev": False}
    return {"products": list(rows), "num_products": len(rows), "pagination": pagination}


def candle_row(candle: Candle) -> dict[str, str]:
    start, opened, high, low, close, volume = candle
    return {
        "start": str(start), "low": _text(low), "high": _text(high), "open": _text(opened), "close": _text(close),
        "volume": _text(volume),
    }  # fmt: skip


def price_book(
    name: str, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]], at: datetime
) -> dict[str, object]:
    return {
        "product_id": name,
        "bids": [{"price": price, "size": size} for price, size in bids],
        "asks": [{"price": price, "size": size} for price, size in asks],
        "time": stamp(at),
    }


def trade_row(number: int, price: str, size: str, at: datetime, name: str = "BTC-USD") -> dict[str, object]:
    return {
        "trade_id": str(number), "product_id": name, "price": price, "size": size, "time": stamp(at), "side": "SELL",
        "exchange": "",
    }  # fmt: skip


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def time_answer(at: datetime) -> dict[str, str]:
    seconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    return {"iso": stamp(at), "epochSeconds": str(int(seconds)), "epochMillis": str(round(seconds * 1000))}


def _text(number: float) -> str:
    return f"{number:.12f}".rstrip("0").rstrip(".")


# --- a whole market in these shapes -----------------------------------------------------------------------------------


class MarketApi:
    """Answers like Coinbase, about one of our markets. A page of candles is newest first, the open minute with it."""

    def __init__(self, market: MarketData, now: Callable[[], datetime], *, is_signed: bool = False) -> None:
        self.is_signed = is_signed
        self.asked: list[str] = []
        self.candle_spans: list[int] = []
        self._market = market
        self._now = now

    def get(self, path: str, params: Params = ()) -> Json:
        self.asked.append(path)
        query = dict(params)
        words = path.removeprefix(BASE).removeprefix("/market").strip("/").split("/")
        return parse(json.dumps(self._answer(words, query, params)).encode())

    def _answer(self, words: Sequence[str], query: Mapping[str, str], params: Params) -> object:
        match words:
            case ["time"]:
                return time_answer(self._now())
            case ["products"]:
                return product_list(*(_listed(product) for product in self._market.products()))
            case ["products", name]:
                return _listed(self._product(name))
            case ["product_book"]:
                return {"pricebook": self._book(query["product_id"], int(query["limit"]))}
            case ["best_bid_ask"]:
                return {"pricebooks": [self._book(name, 1) for key, name in params if key == "product_ids"]}
            case ["products", name, "candles"]:
                return {"candles": self._candles(name, int(query["start"]), int(query["end"]))}
            case ["products", name, "ticker"]:
                return {"trades": self._trades(name, int(query["limit"])), "best_bid": "", "best_ask": ""}
            case _:
                raise failure(404, NOT_FOUND)

    def _product(self, name: str) -> Product:
        product_id = ProductId.parse(name)
        for product in self._market.products():
            if product.product_id == product_id:
                return product
        raise failure(404, NOT_FOUND)

    def _book(self, name: str, limit: int) -> dict[str, object]:
        product_id = self._product(name).product_id
        book: Book = self._market.books([product_id])[product_id]
        return price_book(name, _side(book.bids[:limit]), _side(book.asks[:limit]), book.at)

    def _candles(self, name: str, start: int, end: int) -> list[dict[str, str]]:
        product_id = self._product(name).product_id
        self.candle_spans.append((end - start) // 60)
        if (end - start) // 60 > 350:
            raise failure(400, '{"error":"INVALID_ARGUMENT","message":"number of candles requested should be < 350"}')
        closed = [candle for candle in self._market.candles([product_id], start)[product_id] if candle.start <= end]
        minute = int(self._now().timestamp()) // 60 * 60
        if closed and start <= minute <= end:
            closed.append(Candle(minute, closed[-1].close, 1e6, 1e-6, 777.0, 1e6))  # open, and wild: it must not count
        return [candle_row(candle) for candle in reversed(closed)]

    def _trades(self, name: str, limit: int) -> list[dict[str, object]]:
        """Let each closed minute trade in ten steps from low to high."""
        product_id = self._product(name).product_id
        minute = int(self._now().timestamp()) // 60 * 60
        rows = []
        for candle in self._market.candles([product_id], minute - 1800)[product_id]:
            for step in range(10):
                at = datetime.fromtimestamp(candle.start + 6 * step + 3, UTC)
                price = candle.low + (candle.high - candle.low) * step / 9
                rows.append(trade_row(candle.start + step, _text(price), _text(candle.volume / 10), at, name))
        return rows[::-1][:limit]


def _listed(product: Product) -> dict[str, object]:
    return product_row(
        str(product.product_id),
        base_increment=f"{product.base_increment:f}",
        price_increment=f"{product.price_increment:f}",
        base_min_size=f"{product.base_min_size:f}",
        base_max_size=f"{product.base_max_size:f}",
        quote_min_size=f"{product.quote_min_size:f}",
        quote_max_size=f"{product.quote_max_size:f}",
        approximate_quote_24h_volume="" if product.quote_volume_24h is None else f"{product.quote_volume_24h:f}",
        post_only=product.post_only,
        limit_only=product.limit_only,
        view_only=product.view_only,
        alias_to=[],
    )


def _side(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(f"{level.price:f}", f"{level.size:f}") for level in levels]
