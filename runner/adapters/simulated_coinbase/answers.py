"""An answer and how it travels back, and the bodies that Coinbase sends when something is wrong (coinbase_api 2, 3)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from runner.wire import HttpResponse

_JSON = {"content-type": "application/json; charset=utf-8"}
_HTML = {"content-type": "text/html; charset=UTF-8"}
_TEXT = {"content-type": "text/plain; charset=utf-8"}


class Manner(Enum):
    """How an answer reaches its asker."""

    WHOLE = "whole"
    REFUSED = "refused"  # no connection at all
    CLOSED = "closed"  # the connection ends without a byte
    RESET = "reset"  # it ends with a reset
    DRIPPED_BODY = "dripped body"  # byte by byte
    DRIPPED_HEADERS = "dripped headers"
    TRUNCATED = "truncated"  # fewer bytes than announced
    ENDLESS = "endless"  # a body that never ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the exchange says, how, and how much later than at once; `drip` is the time between two bytes."""

    response: HttpResponse
    manner: Manner = Manner.WHOLE
    delay: timedelta = timedelta(0)
    drip: timedelta = timedelta(0)

    def with_header(self, name: str, value: str) -> "Answer":
        return replace(self, response=replace(self.response, headers={**self.response.headers, name: value}))


class Refusal(Exception):
    """A request that gets an error status instead of an answer of its endpoint."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(f"{response.status}")
        self.response = response


def json_answer(value: object, status: int = 200) -> HttpResponse:
    return raw_json(json.dumps(value, separators=(",", ":"), ensure_ascii=False), status)


def raw_json(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, headers=_JSON, body=text.encode())


def error(status: int, code: str, details: str) -> HttpResponse:
    return json_answer({"error": code, "error_details": details, "message": details}, status)


def bad_request(details: str) -> Refusal:
    return Refusal(error(400, "INVALID_ARGUMENT", details))


def unauthorized() -> HttpResponse:
    return HttpResponse(status=401, headers=_TEXT, body=b"Unauthorized\n")


def missing_scopes() -> HttpResponse:
    return error(403, "PERMISSION_DENIED", "Missing required scopes")


def rate_limited() -> HttpResponse:
    return json_answer({"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}, 429)


def resource_exhausted() -> HttpResponse:
    return error(429, "resource_exhausted", "too many requests")


def html(status: int, title: str) -> HttpResponse:
    page = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return HttpResponse(status=status, headers=_HTML, body=page.encode())


def redirect() -> HttpResponse:
    headers: Mapping[str, str] = {**_HTML, "location": "https://login.example/"}
    return HttpResponse(status=302, headers=headers, body=b"")
