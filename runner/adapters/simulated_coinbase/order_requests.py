"""
The bodies of order requests, read as strictly as the exchange reads them (coinbase_api 2.9, 2.10, 2.12).

A field that is not known, or of the wrong JSON type, is a 400. What is well-formed and still makes no order (two sizes,
a size that is no number) is a business reject and comes out as a `Reject`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from core.model.market import ProductId
from core.model.orders import ClientOrderId, Side
from runner.adapters.simulated_coinbase.answers import bad_request
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder

CLIENT_ID_LENGTH_MAX = 128
CANCELS_MAX = 100

_TEXT, _BOOL, _OBJECT, _LIST = "string", "bool", "message", "list"

_CREATE = {
    "client_order_id": _TEXT,
    "product_id": _TEXT,
    "side": _TEXT,
    "order_configuration": _OBJECT,
    "attached_order_configuration": _OBJECT,
    "preview_id": _TEXT,
    "sor_preference": _TEXT,
    "leverage": _TEXT,
    "margin_type": _TEXT,
    "retail_portfolio_id": _TEXT,
    "cost_basis_method": _TEXT,
}
_PREVIEW = {name: kind for name, kind in _CREATE.items() if name != "client_order_id"}
_SIZES = {"base_size": _TEXT, "quote_size": _TEXT}
_LIMIT = {**_SIZES, "limit_price": _TEXT}
_STOP = {"base_size": _TEXT, "limit_price": _TEXT, "stop_price": _TEXT, "stop_direction": _TEXT}
_BRACKET = {"base_size": _TEXT, "limit_price": _TEXT, "stop_trigger_price": _TEXT}
_END = {"end_time": _TEXT}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What one configuration key stands for; `kind` None: a kind that this exchange does not take for spot."""

    fields: Mapping[str, str]
    kind: Kind | None = None
    time_in_force: TimeInForce = TimeInForce.GTC


_SHAPES = {
    "market_market_ioc": _Shape(_SIZES, Kind.MARKET, TimeInForce.IOC),
    "market_market_fok": _Shape(_SIZES),
    "sor_limit_ioc": _Shape(_LIMIT, Kind.LIMIT, TimeInForce.IOC),
    "limit_limit_gtc": _Shape({**_LIMIT, "post_only": _BOOL}, Kind.LIMIT, TimeInForce.GTC),
    "limit_limit_gtd": _Shape({**_LIMIT, **_END, "post_only": _BOOL}, Kind.LIMIT, TimeInForce.GTD),
    "limit_limit_fok": _Shape(_LIMIT, Kind.LIMIT, TimeInForce.FOK),
    "stop_limit_stop_limit_gtc": _Shape(_STOP, Kind.STOP_LIMIT, TimeInForce.GTC),
    "stop_limit_stop_limit_gtd": _Shape({**_STOP, **_END}, Kind.STOP_LIMIT, TimeInForce.GTD),
    "trigger_bracket_gtc": _Shape(_BRACKET, Kind.BRACKET, TimeInForce.GTC),
    "trigger_bracket_gtd": _Shape({**_BRACKET, **_END}, Kind.BRACKET, TimeInForce.GTD),
    "twap_limit_gtd": _Shape({**_LIMIT, **_END, "start_time": _TEXT, "number_buckets": _TEXT, "bucket_size": _TEXT}),
    "scaled_limit_gtc": _Shape({**_SIZES, "num_orders": _TEXT, "min_price": _TEXT, "max_price": _TEXT}),
}
_STOP_DIRECTIONS = {Side.BUY: "STOP_DIRECTION_STOP_UP", Side.SELL: "STOP_DIRECTION_STOP_DOWN"}

_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A well-formed order request, before anybody asked whether it can be had."""

    client_order_id: str
    product_id: str
    side: str
    configuration: Mapping[str, object]
    is_attached: bool


class Reject(Exception):
    """A business reject: `code` is Coinbase's, with or without PREVIEW_ in front."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def read_create(body: bytes) -> Ask:
    """
    Read the body of a create request.

    Raises:
        Refusal: 400; the body is not what the endpoint takes.
    """
    fields = _fields(_json_of(body), _CREATE)
    name = _text(fields, "client_order_id")
    if not 0 < len(name) <= CLIENT_ID_LENGTH_MAX:
        raise bad_request("client_order_id is required and has at most 128 characters")
    return _ask(fields, name)


def read_preview(body: bytes) -> Ask:
    """
    Read the body of a preview request.

    Raises:
        Refusal: 400; the body is not what the endpoint takes.
    """
    return _ask(_fields(_json_of(body), _PREVIEW), "")


def read_cancel(body: bytes) -> list[str]:
    """
    Return the order ids of a cancel request.

    Raises:
        Refusal: 400; the body is not what the endpoint takes.
    """
    ids = _fields(_json_of(body), {"order_ids": _LIST}).get("order_ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(item, str) for item in ids):
        raise bad_request("proto: (line 1:2): order_ids must be a list of strings")
    if len(ids) > CANCELS_MAX:
        raise bad_request(f"at most {CANCELS_MAX} order_ids are allowed")
    return ids


def order_of(ask: Ask, client_order_id: str) -> VenueOrder:
    """
    Turn a request into an order for the matching engine.

    Raises:
        Reject: The request makes no order.
    """
    name, given = next(iter(ask.configuration.items()))
    shape = _SHAPES[name]
    if shape.kind is None or not isinstance(given, dict):
        raise Reject("UNSUPPORTED_ORDER_CONFIGURATION")
    if ask.is_attached:
        raise Reject("ATTACHED_ORDERS_ONLY_ALLOWED_ON_MARKET_LIMIT")
    side = Side(ask.side)
    try:
        product_id = ProductId.parse(ask.product_id)
    except ValueError:
        raise Reject("INVALID_PRODUCT_ID") from None
    if shape.kind is Kind.STOP_LIMIT and given.get("stop_direction") != _STOP_DIRECTIONS[side]:
        raise Reject("PREVIEW_INVALID_STOP_PRICE", "a stop in this direction is not supported here")
    stop = "stop_trigger_price" if shape.kind is Kind.BRACKET else "stop_price"
    return VenueOrder(
        client_order_id=ClientOrderId(client_order_id),
        product_id=product_id,
        side=side,
        kind=shape.kind,
        time_in_force=shape.time_in_force,
        base_size=_amount(given, "base_size"),
        quote_size=_amount(given, "quote_size"),
        limit_price=_amount(given, "limit_price"),
        stop_price=_amount(given, stop),
        post_only=given.get("post_only") is True,
        end_time=_end_time(given),
    )


def _ask(fields: Mapping[str, object], client_order_id: str) -> Ask:
    side = _text(fields, "side")
    if side not in ("BUY", "SELL"):
        raise bad_request(f'proto: (line 1:2): invalid value for enum type: "{side}"')
    configuration = fields.get("order_configuration")
    if not isinstance(configuration, dict) or not configuration:
        raise bad_request("order_configuration is required")
    if len(configuration) > 1:
        raise bad_request("proto: (line 1:2): oneof coinbase.OrderConfiguration.order_configuration is already set")
    for name, given in configuration.items():
        if name not in _SHAPES:
            raise _unknown(name)
        if not isinstance(given, dict):
            raise _wrong(_OBJECT, given)
        _fields(given, _SHAPES[name].fields)
    return Ask(
        client_order_id=client_order_id,
        product_id=_text(fields, "product_id"),
        side=side,
        configuration=configuration,
        is_attached=bool(fields.get("attached_order_configuration")),
    )


def _json_of(body: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(body, object_pairs_hook=_unique)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text, and could not be echoed
    except (ValueError, RecursionError):
        raise bad_request("proto: syntax error (line 1:1): unexpected token") from None
    if not isinstance(value, dict):
        raise bad_request("proto: syntax error (line 1:1): unexpected token")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate field")
    return found


def _fields(given: Mapping[str, object], known: Mapping[str, str]) -> Mapping[str, object]:
    """Check names and JSON types; null means left out, as for any proto field."""
    types: Mapping[str, type] = {_TEXT: str, _BOOL: bool, _OBJECT: dict, _LIST: list}
    for name, value in given.items():
        if name not in known:
            raise _unknown(name)
        if value is not None and not isinstance(value, types[known[name]]):
            raise _wrong(known[name], value)
    return {name: value for name, value in given.items() if value is not None}


def _unknown(name: str) -> Exception:
    return bad_request(f'proto: (line 1:2): unknown field "{name}"')


def _wrong(kind: str, value: object) -> Exception:
    return bad_request(f"proto: (line 1:2): invalid value for {kind} type: {json.dumps(value)[:80]}")


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _amount(given: Mapping[str, object], name: str) -> Decimal | None:
    text = given.get(name)
    if not isinstance(text, str) or text == "":
        return None
    if _AMOUNT.fullmatch(text) is None:
        raise Reject("PREVIEW_NON_NUMERIC_ORDER_SIZE" if name.endswith("_size") else "INVALID_LIMIT_PRICE")
    return Decimal(text)


def _end_time(given: Mapping[str, object]) -> datetime | None:
    text = given.get("end_time")
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without a zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_request(f'proto: (line 1:2): invalid google.protobuf.Timestamp value "{text[:80]}"') from None
