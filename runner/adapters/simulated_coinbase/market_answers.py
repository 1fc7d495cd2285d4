"""What the market endpoints answer: products, books, quotes, candles, trades (coinbase_api 2.2 to 2.5)."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from core.errors import MarketDataUnavailable
from core.model.market import Level, Product, ProductId, Quote
from core.model.money import ZERO, plain
from runner.adapters.simulated_coinbase.answers import Refusal, bad_request, error, html, json_answer, raw_json
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.candle_rows import candle_rows, span_of
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.listed_market import ListedMarket
from runner.adapters.simulated_coinbase.product_rows import filler_rows, product_row
from runner.adapters.simulated_coinbase.routes import Endpoint, Route
from runner.adapters.simulated_coinbase.trade_tape import TradeTape
from runner.wire import HttpResponse

TRADES_MAX = 1000

Params = Mapping[str, Sequence[str]]


class MarketAnswers:
    """The endpoints that exist as public twins, and best_bid_ask."""

    def __init__(self, market: ListedMarket, behaviour: Behaviour) -> None:
        self._market = market
        self._behaviour = behaviour
        self._tape = TradeTape(market)
        self._endpoints = {
            Endpoint.PRODUCTS: self._products,
            Endpoint.PRODUCT: self._product,
            Endpoint.BOOK: self._book,
            Endpoint.BEST_BID_ASK: self._best_bid_ask,
            Endpoint.CANDLES: self._candles,
            Endpoint.TRADES: self._trades,
        }

    def answer(self, route: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        """
        Answer one request.

        Raises:
            Refusal: The request is answered with an error status.
        """
        try:
            return self._endpoints[route.endpoint](route, now, fault)
        except MarketDataUnavailable:
            raise Refusal(html(503, "Service Unavailable")) from None

    def _products(self, route: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        del now
        wanted = route.params.get("product_ids")
        products = [item for item in self._market.products() if not wanted or str(item.product_id) in wanted]
        quotes = self._quotes([item.product_id for item in products], fault)
        tradability = _tradability(route)
        rows = [
            json.dumps(
                product_row(item, quotes.get(item.product_id), with_tradability=tradability), separators=(",", ":")
            )
            for item in products
        ]
        if not wanted:
            rows += filler_rows(self._behaviour.filler_products)
        total = len(rows)
        first, limit = number_in(route.params, "offset", 0), number_in(route.params, "limit", total)
        rows = rows[first : first + limit]
        page = '"pagination":{"prev_cursor":"","next_cursor":"","has_next":false,"has_prev":false}'
        return raw_json(f'{{"products":[{",".join(rows)}],"num_products":{total},{page}}}')

    def _product(self, route: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        product = self._known(route.argument, now)
        quote = self._quotes([product.product_id], fault).get(product.product_id)
        return json_answer(product_row(product, quote, with_tradability=_tradability(route)))

    def _best_bid_ask(self, route: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        wanted = route.params.get("product_ids")
        # A comma list is one id that nobody knows: it gives nothing, as it did there (2.3).
        listed = [item.product_id for item in self._market.products() if not wanted or str(item.product_id) in wanted]
        quotes = self._quotes(listed, fault)
        books = [_pricebook(product_id, *_top(quotes.get(product_id), fault), now) for product_id in listed]
        return json_answer({"pricebooks": books})

    def _book(self, route: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        product = self._known(only(route.params, "product_id"), now)
        if only(route.params, "aggregation_price_increment"):
            raise Refusal(error(501, "UNIMPLEMENTED", "aggregation_price_increment is not simulated"))
        limit = number_in(route.params, "limit", 50)
        book = None if fault is Fault.BOOK_EMPTY else self._market.book(product.product_id)
        bids, asks = (book.bids[:limit], book.asks[:limit]) if book is not None else ((), ())
        if fault is Fault.BOOK_ONE_SIDED:
            asks = ()
        if fault is Fault.BOOK_CROSSED:
            bids, asks = asks, bids
        shown = _pricebook(product.product_id, bids, asks, now if book is None else book.at)
        return json_answer({"pricebook": shown, **_summary(bids, asks)})

    def _candles(self, route: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        product = self._known(route.argument, now)
        try:
            first, end, width = span_of(route.params)
        except ValueError as problem:
            raise bad_request(str(problem)) from None
        rows = candle_rows(self._market, product, first=first, end=end, width=width, now=now, fault=fault)
        return json_answer({"candles": rows})

    def _trades(self, route: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        del fault
        product = self._known(route.argument, now)
        limit = number_in(route.params, "limit", 0)
        if not 1 <= limit <= TRADES_MAX:
            raise bad_request(f"limit is required and is 1 to {TRADES_MAX}")
        since, until = (
            number_in(route.params, name, 0) if only(route.params, name) else None for name in ("start", "end")
        )
        rows = self._tape.rows(product, since=since, until=until, limit=limit, now=now)
        quote = self._market.quotes([product.product_id]).get(product.product_id)
        bid, ask = ("", "") if quote is None else (plain(quote.bid), plain(quote.ask))
        return json_answer({"trades": rows, "best_bid": bid, "best_ask": ask})

    def _known(self, text: str, now: datetime) -> Product:
        del now
        try:
            product = self._market.product(ProductId.parse(text))
        except ValueError:
            raise bad_request(f"invalid product_id {text!r}") from None
        if product is None:
            raise Refusal(error(404, "NOT_FOUND", "valid product_id not found"))
        return product

    def _quotes(self, product_ids: Sequence[ProductId], fault: Fault | None) -> Mapping[ProductId, Quote]:
        return {} if fault is Fault.BOOK_EMPTY else self._market.quotes(product_ids)


def only(params: Params, name: str) -> str:
    values = params.get(name, ())
    return values[0] if values else ""


def number_in(params: Params, name: str, default: int) -> int:
    """
    Return a whole number of the query.

    Raises:
        Refusal: 400; it is none.
    """
    text = only(params, name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise bad_request(f'parsing field "{name}": strconv.ParseInt: parsing "{text[:80]}": invalid syntax')
    return int(text)


def _tradability(route: Route) -> bool:
    return not route.is_public and only(route.params, "get_tradability_status").lower() == "true"


Side = Sequence[Level]


def _top(quote: Quote | None, fault: Fault | None) -> tuple[Side, Side]:
    if quote is None:
        return (), ()
    bid, ask = Level(quote.bid, quote.bid_size), Level(quote.ask, quote.ask_size)
    if fault is Fault.BOOK_ONE_SIDED:
        return (bid,), ()
    return ((ask,), (bid,)) if fault is Fault.BOOK_CROSSED else ((bid,), (ask,))


def _pricebook(product_id: ProductId, bids: Side, asks: Side, at: datetime) -> dict[str, object]:
    return {
        "product_id": str(product_id),
        "bids": [{"price": plain(level.price), "size": plain(level.size)} for level in bids],
        "asks": [{"price": plain(level.price), "size": plain(level.size)} for level in asks],
        "time": at.isoformat().replace("+00:00", "Z"),
    }


def _summary(bids: Side, asks: Side) -> dict[str, str]:
    if not bids or not asks:
        return dict.fromkeys(("last", "mid_market", "spread_bps", "spread_absolute"), "")
    bid, ask = bids[0].price, asks[0].price
    mid = (bid + ask) / 2
    spread = max(ask - bid, ZERO)
    return {
        "last": plain(bid),
        "mid_market": plain(mid),
        "spread_bps": plain(round(spread / mid * 10_000, 4)),
        "spread_absolute": plain(spread),
    }
