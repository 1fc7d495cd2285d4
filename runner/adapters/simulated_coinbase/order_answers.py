"""What the order endpoints answer (coinbase_api 2.9, 2.10, 2.12 to 2.14)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from core.model.money import ZERO, plain
from core.model.orders import FeeRates, OrderStatus, Side
from runner.adapters.simulated_coinbase.answers import Refusal, bad_request, error, json_answer
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.listed_market import ListedMarket
from runner.adapters.simulated_coinbase.market_answers import number_in, only
from runner.adapters.simulated_coinbase.order_book import OrderBook
from runner.adapters.simulated_coinbase.order_requests import (
    Ask,
    Reject,
    order_of,
    read_cancel,
    read_create,
    read_preview,
)
from runner.adapters.simulated_coinbase.routes import Endpoint, Route
from runner.matching.order_record import OrderRecord
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from runner.wire import HttpResponse

ORDERS_PAGE = 100
FILLS_PAGE = 100
NIL, NIL_PREVIEW, NIL_CANCEL = (
    "UNKNOWN_FAILURE_REASON",
    "UNKNOWN_PREVIEW_FAILURE_REASON",
    "UNKNOWN_CANCEL_FAILURE_REASON",
)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(9999, 1, 1, tzinfo=UTC)
_STATUSES = (
    *(status.value for status in OrderStatus),
    "QUEUED",
    "CANCEL_QUEUED",
    "EDIT_QUEUED",
    "UNKNOWN_ORDER_STATUS",
)
_FINAL = frozenset(status.value for status in OrderStatus if status.is_final)
_PREVIEW_ONLY = (
    "INVALID_BASE_SIZE",
    "INVALID_QUOTE_SIZE",
    "MISSING_PRODUCT",
    "NOT_ALLOWED_BY",
    "STOP_PRICE",
    "INVALID_STOP",
)
"""Beginnings of reasons that the list of order failures does not know: they show in the preview's field alone (2.9)."""

Params = Mapping[str, Sequence[str]]


class OrderAnswers:
    """Create, preview, cancel; read one order, many, fills."""

    def __init__(self, book: OrderBook, market: ListedMarket, fee_rates: FeeRates, behaviour: Behaviour) -> None:
        self._book = book
        self._market = market
        self._fee_rates = fee_rates
        self._behaviour = behaviour

    def answer(self, route: Route, body: bytes, now: datetime, fault: Fault | None) -> HttpResponse:
        """
        Answer one request.

        Raises:
            Refusal: The request is answered with an error status.
        """
        if route.endpoint is Endpoint.CREATE:
            return self._create(read_create(body), now, fault)
        if route.endpoint is Endpoint.PREVIEW:
            return self._preview(read_preview(body))
        if route.endpoint is Endpoint.CANCEL:
            return self._cancel(read_cancel(body), now, fault)
        if route.endpoint is Endpoint.ORDER:
            return self._order(route.argument, now, fault)
        if route.endpoint is Endpoint.ORDERS:
            return self._orders(route.params, now, fault)
        return self._fills(route.params, now, fault)

    # --- what changes orders ------------------------------------------------------------------------------------------

    def _create(self, ask: Ask, now: datetime, fault: Fault | None) -> HttpResponse:
        if fault is Fault.POST_ONLY_REJECT:
            return _rejected(ask, Reject("INVALID_LIMIT_PRICE_POST_ONLY"))
        try:
            record = self._book.create(ask, now, fails=fault is Fault.FAILED_LATER)
        except Reject as reject:
            return _rejected(ask, reject)
        order_id: str = record.order_id
        if fault is Fault.OTHER_ORDER:
            order_id = next((other.order_id for other in self._book.accepted() if other is not record), order_id)
        if fault is Fault.SUCCESS_WITHOUT_ID:
            order_id = ""
        answer = _accepted(self._book.row(record, now), order_id)
        if fault is Fault.REJECT_WITH_ID:  # a "no" that names the order which it nevertheless opened
            answer["success"] = False
            answer["error_response"] = _error_response(Reject(NIL))
        return json_answer(answer)

    def _preview(self, ask: Ask) -> HttpResponse:
        try:
            code = self._book.refusal_of(ask)
            order = order_of(ask, "preview") if code is None else None
        except Reject as reject:
            code, order = reject.code, None
        errors = [] if code is None else [_preview_code(code)]
        return json_answer({"errs": errors, "warning": [], "is_max": False, "preview_id": "", **self._estimate(order)})

    def _estimate(self, order: VenueOrder | None) -> dict[str, str]:
        if order is None:
            return dict.fromkeys(("order_total", "commission_total", "quote_size", "base_size", "slippage"), "0")
        quote = self._market.quotes([order.product_id]).get(order.product_id)
        bid, ask = (ZERO, ZERO) if quote is None else (quote.bid, quote.ask)
        price = order.limit_price or (ask if order.side is Side.BUY else bid)
        value = order.quote_size if order.base_size is None else order.base_size * price
        value = value or ZERO
        takes = order.kind is Kind.MARKET or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        fee = value * (self._fee_rates.taker_fraction if takes else self._fee_rates.maker_fraction)
        return {
            "order_total": plain(value + fee if order.side is Side.BUY else value - fee),
            "commission_total": plain(fee),
            "quote_size": plain(value),
            "base_size": plain(order.base_size or (value / price if price else ZERO)),
            "best_bid": plain(bid),
            "best_ask": plain(ask),
            "slippage": "0",
            "est_average_filled_price": plain(price),
        }

    def _cancel(self, order_ids: Sequence[str], now: datetime, fault: Fault | None) -> HttpResponse:
        results = []
        for order_id in order_ids:
            if fault is Fault.CANCEL_REFUSED:
                reason: str | None = "COMMANDER_REJECTED_CANCEL_ORDER"
            elif fault is Fault.CANCEL_FORGOTTEN:
                reason = None
            else:
                reason = self._book.cancel(order_id, now)
            results.append({"success": reason is None, "failure_reason": reason or NIL_CANCEL, "order_id": order_id})
        return json_answer({"results": results})

    # --- what is read -------------------------------------------------------------------------------------------------

    def _order(self, order_id: str, now: datetime, fault: Fault | None) -> HttpResponse:
        record = None if fault is Fault.ORDER_MISSING else self._book.find(order_id, now)
        if record is None:
            raise Refusal(error(404, "NOT_FOUND", "order with this orderID was not found"))
        row = self._book.row(record, now)
        return json_answer({"order": _altered(row) if fault is Fault.ORDER_ALTERED else row})

    def _orders(self, params: Params, now: datetime, fault: Fault | None) -> HttpResponse:
        statuses = _known_values(params, "order_status", _STATUSES)
        if self._behaviour.open_stands_alone and "OPEN" in statuses and len(statuses) > 1:
            raise bad_request("order_status OPEN cannot be combined with other statuses")
        limit = min(number_in(params, "limit", ORDERS_PAGE) or ORDERS_PAGE, self._behaviour.orders_page_max)
        first = number_in(params, "cursor", 0)
        begin, end = moment_in(params, "start_date", LONG_AGO), moment_in(params, "end_date", FAR_AHEAD)
        shown = self._book.newest_first(now, without_final=bool(statuses) and _FINAL.isdisjoint(statuses))
        asked = [(fact, params[name]) for name, fact in _FACTS.items() if name in params]
        found = [record for record in shown if begin <= record.created_at < end and _is_asked_for(record, asked)]
        if statuses:
            found = [record for record in found if self._book.status(record, now) in statuses]
        page = [self._book.row(record, now) for record in found[first : first + limit]]
        has_next = first + limit < len(found)
        following = str(first + limit) if has_next else ""
        if fault is Fault.ORDER_MISSING:
            page = page[1:]
        if fault is Fault.ORDER_ALTERED:
            page = [_altered(row) for row in page]
        if fault is Fault.CURSOR_REPEATED:
            has_next, following = True, str(first)
        return json_answer({"orders": page, "sequence": "0", "has_next": has_next, "cursor": following})

    def _fills(self, params: Params, now: datetime, fault: Fault | None) -> HttpResponse:
        since = moment_in(params, "start_sequence_timestamp", LONG_AGO)
        until = moment_in(params, "end_sequence_timestamp", FAR_AHEAD)
        limit = number_in(params, "limit", FILLS_PAGE) or FILLS_PAGE
        first = number_in(params, "cursor", 0)
        rows = [row for row in self._book.fill_rows(since, until, now) if _is_wanted(row, params)]
        page = rows[first : first + limit]
        following = str(first + limit) if len(page) == limit else ""  # a full page promises another, which may be empty
        if fault is Fault.FILLS_REPEATED:
            page = [row for row in page for _ in range(2)]
        if fault is Fault.FILLS_SHUFFLED:
            page = page[1::2] + page[::2]
        if fault is Fault.FILLS_MISSING:
            page = page[1:]
        if fault is Fault.CURSOR_REPEATED:
            following = str(first)
        return json_answer({"fills": page, "cursor": following})


_FACTS: Mapping[str, Callable[[OrderRecord], str]] = {
    "order_ids": lambda record: record.order_id,
    "product_ids": lambda record: str(record.order.product_id),
    "order_types": lambda record: record.order.kind.value,
    "order_side": lambda record: record.order.side.value,
    "time_in_forces": lambda record: record.order.time_in_force.value,
    "product_type": lambda _record: "SPOT",
    "order_placement_source": lambda _record: "RETAIL_ADVANCED",
}
"""What an order list can be filtered by, and what an order has there."""


def _is_asked_for(record: OrderRecord, asked: Sequence[tuple[Callable[[OrderRecord], str], Sequence[str]]]) -> bool:
    return all(fact(record) in wanted for fact, wanted in asked)


def moment_in(params: Params, name: str, default: datetime) -> datetime:
    """
    Return a moment of the query.

    Raises:
        Refusal: 400; it is none.
    """
    text = only(params, name)
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(f'parsing field "{name}": "{text[:80]}" is not a timestamp') from None
    if moment.tzinfo is None:
        raise bad_request(f'parsing field "{name}": "{text[:80]}" is not a timestamp')
    return moment


def _known_values(params: Params, name: str, known: Sequence[str]) -> Sequence[str]:
    values = params.get(name, ())
    for value in values:
        if value not in known:
            raise bad_request(f'parsing field "{name}": "{value[:80]}" is not valid')
    return values


def _is_wanted(row: Mapping[str, object], params: Params) -> bool:
    asked = {"order_ids": "order_id", "product_ids": "product_id", "trade_ids": "trade_id"}
    return all(row[field] in params[name] for name, field in asked.items() if name in params)


def _accepted(row: Mapping[str, object], order_id: str) -> dict[str, object]:
    """Return the answer to an accepted order; it names the nil reason, as the real one does (py#49)."""
    success = {
        "order_id": order_id,
        "product_id": row["product_id"],
        "side": row["side"],
        "client_order_id": row["client_order_id"],
        "attached_order_id": "",
    }
    return {
        "success": True,
        "failure_reason": NIL,
        "order_id": order_id,
        "success_response": success,
        "order_configuration": row["order_configuration"],
    }


def _rejected(ask: Ask, reject: Reject) -> HttpResponse:
    return json_answer(
        {
            "success": False,
            "failure_reason": NIL,
            "order_id": "",
            "error_response": _error_response(reject),
            "order_configuration": ask.configuration,
        }
    )


def _error_response(reject: Reject) -> dict[str, str]:
    code = reject.code.removeprefix("PREVIEW_")
    is_preview_only = reject.code.startswith("PREVIEW_") and code.startswith(_PREVIEW_ONLY)
    return {
        "error": NIL if is_preview_only else code,
        "message": reject.message,
        "error_details": "",
        "preview_failure_reason": NIL_PREVIEW if code == NIL else _preview_code(code),
        "new_order_failure_reason": NIL,
    }


def _preview_code(code: str) -> str:
    return code if code.startswith("PREVIEW_") else f"PREVIEW_{code}"


def _altered(row: dict[str, object]) -> dict[str, object]:
    """Return another order under the same ids: ten times the size, the other side."""
    configuration = row["order_configuration"]
    given = dict(configuration) if isinstance(configuration, dict) else {}
    for name, fields in given.items():
        if isinstance(fields, dict) and "base_size" in fields:
            given[name] = {**fields, "base_size": plain(Decimal(str(fields["base_size"])) * 10)}
    side = "SELL" if row["side"] == "BUY" else "BUY"
    return {**row, "order_configuration": given, "side": side}
