"""
Paths beside the protocol, for tests that run the exchange in another process: what happened, and what is to happen.

`GET /sim/state`; `POST /sim/faults {name: probability}` (replaces all); `POST /sim/product {product_id, action}` with
an action of `delist`, `lose_book`, `restore` or the name of a flag to raise; `POST /sim/order {client_order_id,
product_id, side, base_size[, limit_price]}`, the owner's own; `POST /sim/deposit {currency, amount}`. Amounts may be
numbers or texts. They exist only where an exchange is wrapped in this; anything that is not understood is a 400.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from decimal import Decimal, DecimalException
from typing import Any

from core.model.market import Product, ProductId
from core.model.money import plain
from core.model.orders import ClientOrderId, Side
from runner.adapters.simulated_coinbase.answers import Answer, Refusal, error, json_answer
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.order_requests import Reject
from runner.adapters.simulated_coinbase.order_rows import rfc3339
from runner.matching.order_record import OrderRecord
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from runner.wire import HttpRequest, HttpResponse

PREFIX = "/sim/"
_FLAGS = tuple(field.name for field in fields(Product) if field.type is bool and field.name != "online")


class ControlledExchange:
    """An exchange that can be looked into and steered through its own port."""

    def __init__(self, exchange: SimulatedCoinbase) -> None:
        self._exchange = exchange
        self._actions: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
            "faults": self._set_faults,
            "product": self._change_product,
            "order": self._place_by_hand,
            "deposit": self._deposit,
        }

    def answer(self, request: HttpRequest) -> Answer:
        if not request.target.startswith(PREFIX):
            return self._exchange.answer(request)
        return Answer(response=self._control(request))

    def _control(self, request: HttpRequest) -> HttpResponse:
        name = request.target.removeprefix(PREFIX)
        if (request.method, name) == ("GET", "state"):
            return json_answer(state_of(self._exchange))
        action = self._actions.get(name) if request.method == "POST" else None
        if action is None:
            return error(404, "unknown", f"no such path: {request.method} {request.target}")
        try:
            given = json.loads(request.body, parse_float=Decimal)  # amounts of money: no binary fractions
            if not isinstance(given, dict):
                raise TypeError("not a JSON object")
            return json_answer({"done": action(given)})
        except (KeyError, TypeError, ValueError, RecursionError, DecimalException) as problem:
            return error(400, "INVALID_ARGUMENT", f"{type(problem).__name__}: {problem}")
        except Reject as reject:
            return error(409, reject.code, "the exchange refuses that")
        except Refusal as refusal:
            return refusal.response

    def _set_faults(self, given: Mapping[str, Any]) -> object:
        wanted = {Fault(name): float(probability) for name, probability in given.items()}
        for fault, probability in wanted.items():
            if not 0 <= probability <= 1:
                raise ValueError(f"{fault.value}: {probability} is not a probability")
        self._exchange.faults.clear()
        for fault, probability in wanted.items():
            self._exchange.faults.add(fault, probability)
        return len(wanted)

    def _change_product(self, given: Mapping[str, Any]) -> object:
        market, product_id, action = self._exchange.market, ProductId.parse(str(given["product_id"])), given["action"]
        simple = {"delist": market.delist, "lose_book": market.lose_book, "restore": market.restore}
        if action in simple:
            simple[action](product_id)
            return action
        product = market.product(product_id)
        if product is None or action not in _FLAGS:
            raise ValueError(f"{product_id}: cannot {action}; known are {', '.join((*simple, *_FLAGS))}")
        raised: dict[str, Any] = {action: True}
        market.change(replace(product, **raised))
        return action

    def _place_by_hand(self, given: Mapping[str, Any]) -> object:
        price = given.get("limit_price")
        order = VenueOrder(
            client_order_id=ClientOrderId(str(given["client_order_id"])),
            product_id=ProductId.parse(str(given["product_id"])),
            side=Side(given["side"]),
            kind=Kind.MARKET if price is None else Kind.LIMIT,
            time_in_force=TimeInForce.IOC if price is None else TimeInForce.GTC,
            base_size=_amount(given["base_size"]),
            limit_price=None if price is None else _amount(price),
        )
        return self._exchange.place_by_hand(order).order_id

    def _deposit(self, given: Mapping[str, Any]) -> object:
        currency, amount = str(given["currency"]), _amount(given["amount"])
        if not re.fullmatch(r"[A-Z0-9]{1,20}", currency):
            raise ValueError(f"{currency!a} is not a currency")
        self._exchange.deposit(currency, amount)
        return plain(amount)


def _amount(given: object) -> Decimal:
    """
    Return an amount that the books can hold to the last digit.

    Raises:
        ValueError: It is none.
    """
    text = str(given)
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,18})?", text):
        raise ValueError(f"{text[:80]!a} is not an amount")
    return Decimal(text)


def state_of(exchange: SimulatedCoinbase) -> dict[str, object]:
    """Return what really happened: orders, balances, whether the books are sound, requests and faults so far."""
    orders = [_order_of(exchange, record) for record in exchange.orders()]
    return {
        "orders": orders,
        "balances": {
            currency: {"available": plain(balance.available), "hold": plain(balance.hold)}
            for currency, balance in exchange.books.account.balances().items()
        },
        "book_faults": exchange.books.faults(),
        "requests": {endpoint.value: number for endpoint, number in exchange.traffic.requests.items()},
        "signed_requests": exchange.traffic.signed,
        "bytes": {"in": exchange.traffic.bytes_in, "out": exchange.traffic.bytes_out},
        "faults": {fault.value: number for fault, number in exchange.faults.counts.items()},
    }


def _order_of(exchange: SimulatedCoinbase, record: OrderRecord) -> dict[str, object]:
    order = record.order
    return {
        "order_id": record.order_id,
        "client_order_id": exchange.client_order_id_of(record),
        "product_id": str(order.product_id),
        "side": order.side.value,
        "kind": order.kind.value,
        "time_in_force": order.time_in_force.value,
        "status": record.status.value,
        "size": plain(record.size),
        "limit_price": None if order.limit_price is None else plain(order.limit_price),
        "stop_price": None if order.stop_price is None else plain(order.stop_price),
        "filled_size": plain(record.filled_size),
        "filled_value": plain(record.filled_value),
        "fees": plain(record.fees),
        "fill_count": record.fill_count,
        "created_at": rfc3339(record.created_at),
        "closed_at": None if record.closed_at is None else rfc3339(record.closed_at),
    }
