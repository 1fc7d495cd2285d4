"""Answers that are wrong on purpose: what a fault makes of the one that would have been right."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from runner.adapters.simulated_coinbase.answers import (
    Answer,
    Manner,
    html,
    missing_scopes,
    rate_limited,
    redirect,
    resource_exhausted,
    unauthorized,
)
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.wire import HttpResponse

NEVER = HttpResponse(status=0, headers={}, body=b"")
"""The answer of a connection that gives none."""

_DEPTH = 2000
_ENUMS = re.compile(rb'"(status|side|order_type|liquidity_indicator|trade_type|product_type)":"[A-Za-z_]+"')
_NUMBER_TEXT = re.compile(rb'":"(-?\d+(?:\.\d+)?)"')


def _with_body(body: bytes) -> Callable[[HttpResponse], HttpResponse]:
    return lambda response: replace(response, body=body)


def _first_number(text: bytes) -> Callable[[HttpResponse], HttpResponse]:
    """Put a text in place of the first amounts of an answer."""
    return lambda response: replace(response, body=_NUMBER_TEXT.sub(b'":' + text, response.body, count=40))


def _top_level(change: Callable[[object], object]) -> Callable[[HttpResponse], HttpResponse]:
    """Change each object of an answer, whatever its depth; numbers and order of the keys stay."""

    def changed(response: HttpResponse) -> HttpResponse:
        try:
            value = json.loads(response.body)
        except ValueError:
            return response
        text = json.dumps(_deep(value, change), separators=(",", ":"), ensure_ascii=False)
        return replace(response, body=text.encode())

    return changed


def _deep(value: object, change: Callable[[object], object]) -> object:
    if isinstance(value, dict):
        return change({key: _deep(inner, change) for key, inner in value.items()})
    if isinstance(value, list):
        return [_deep(inner, change) for inner in value]
    return value


def _with_nulls(value: object) -> object:
    return dict.fromkeys(value) if isinstance(value, dict) else value


def _with_extras(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {"aa_new_field": {"nested": [1, None, "x"]}, **value, "zz_new_field": "NEW_VALUE"}


def _with_other_types(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {key: _other_type(inner) for key, inner in value.items()}


def _other_type(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return [value]
    return value


def _with_unknown_enums(response: HttpResponse) -> HttpResponse:
    return replace(response, body=_ENUMS.sub(rb'"\1":"NEVER_SEEN_BEFORE"', response.body))


def _with_duplicate_keys(response: HttpResponse) -> HttpResponse:
    """Say everything twice, the second time with `success` turned round."""
    if not response.body.startswith(b"{"):
        return response
    again = response.body[1:].replace(b'"success":true', b'"success":false')
    return replace(response, body=response.body[:-1] + b"," + again)


_SPOILT: Mapping[Fault, Callable[[HttpResponse], HttpResponse]] = {
    Fault.RATE_LIMITED_AFTER: lambda _: rate_limited(),
    Fault.BAD_GATEWAY_AFTER: lambda _: html(502, "Bad Gateway"),
    Fault.GATEWAY_TIMEOUT_AFTER: lambda _: html(504, "Gateway Time-out"),
    Fault.EMPTY_BODY: _with_body(b""),
    Fault.NO_CONTENT: lambda response: replace(response, status=204, body=b""),
    Fault.HTML_BODY: lambda _: html(200, "Just a moment..."),
    Fault.NULL_BODY: _with_body(b"null"),
    Fault.LIST_BODY: _with_body(b"[]"),
    Fault.BROKEN_JSON: lambda response: replace(response, body=response.body[: len(response.body) // 2]),
    Fault.DEEP_JSON: _with_body(b"[" * _DEPTH + b"]" * _DEPTH),
    Fault.DUPLICATE_KEYS: _with_duplicate_keys,
    Fault.NAN_NUMBERS: _first_number(b"NaN"),
    Fault.HUGE_NUMBERS: _first_number(b"9" * 5000),
    Fault.NULL_FIELDS: _top_level(_with_nulls),
    Fault.EXTRA_FIELDS: _top_level(_with_extras),
    Fault.UNKNOWN_ENUMS: _with_unknown_enums,
    Fault.WRONG_TYPES: _top_level(_with_other_types),
}

_MANNERS: Mapping[Fault, Manner] = {
    Fault.REFUSED: Manner.REFUSED,
    Fault.LOST_BEFORE: Manner.CLOSED,
    Fault.RESET_BEFORE: Manner.RESET,
    Fault.LOST_AFTER: Manner.CLOSED,
    Fault.RESET_AFTER: Manner.RESET,
    Fault.ACCEPTED_LATE: Manner.CLOSED,
    Fault.DRIPPED_BODY: Manner.DRIPPED_BODY,
    Fault.DRIPPED_HEADERS: Manner.DRIPPED_HEADERS,
    Fault.TRUNCATED_BODY: Manner.TRUNCATED,
    Fault.ENDLESS_BODY: Manner.ENDLESS,
}

_INSTEAD: Mapping[Fault, Callable[[], HttpResponse]] = {
    Fault.RATE_LIMITED: rate_limited,
    Fault.RATE_LIMITED_HTML: lambda: html(429, "Too Many Requests"),
    Fault.RESOURCE_EXHAUSTED: resource_exhausted,
    Fault.UNAUTHORIZED: unauthorized,
    Fault.FORBIDDEN: missing_scopes,
    Fault.SERVER_ERROR: lambda: html(500, "Internal Server Error"),
    Fault.BAD_GATEWAY: lambda: html(502, "Bad Gateway"),
    Fault.UNAVAILABLE: lambda: html(503, "Service Unavailable"),
    Fault.REDIRECT: redirect,
}


def quoting(response: HttpResponse, words: str) -> HttpResponse:
    """Put these words into every text of an answer that says no; any other is returned as it is."""
    is_no = response.status >= 400 or b'"success":false' in response.body
    if not (is_no and words):
        return response
    try:
        body = json.dumps(_with_words(json.loads(response.body), words), separators=(",", ":")).encode()
    except ValueError:
        body = response.body + words.encode()
    return replace(response, body=body)


def _with_words(value: object, words: str) -> object:
    if isinstance(value, dict):
        return {key: _with_words(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_words(inner, words) for inner in value]
    return f"{value} {words}" if isinstance(value, str) else value


def without_effect(fault: Fault) -> Answer:
    """Return what a request gets that the exchange never acted on (or not yet)."""
    response = _INSTEAD[fault]() if fault in _INSTEAD else NEVER
    return Answer(response=response, manner=_MANNERS.get(fault, Manner.WHOLE))


def spoilt(response: HttpResponse, fault: Fault | None, behaviour: Behaviour) -> Answer:
    """Return the answer as this fault lets it out; None: as it is."""
    if fault is None:
        return Answer(response=response)
    change = _SPOILT.get(fault)
    answer = Answer(response=change(response) if change else response, manner=_MANNERS.get(fault, Manner.WHOLE))
    if fault is Fault.LATE_ANSWER:
        return replace(answer, delay=behaviour.answers_late_by)
    return replace(answer, drip=behaviour.drips_every)
