"""Leave out what costs time at each start and request, and decides nothing here."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import core.indicators
import runner.adapters.coinbase.signed_client
import runner.adapters.configuration.settings_files
import runner.adapters.tape_files
import runner.main_loop
import runner.market_watch
import runner.run_records
from runner.adapters.coinbase.credentials import Credentials
from runner.adapters.coinbase.plain_client import HEADERS
from runner.adapters.coinbase.strict_json import render
from runner.adapters.coinbase.transport import Attempt, Transport
from runner.adapters.record_file import RecordFile
from runner.adapters.simulated_coinbase.access import Access, ApiKey
from runner.wire import HttpRequest, HttpResponse
from tests.independent_checker import Report
from tests.independent_checker.orders import Problem
from tests.independent_checker.story import Schema

Judge = Callable[[Schema, int, dict[str, Any]], list[Problem]]

FILE_BYTES = 6_000
TAPE_BYTES = 400
"""In the place of a megabyte."""

WINDOW_MINUTES = 120
"""Of candles, instead of a day."""


def make_quick(stack: ExitStack) -> None:
    """
    Until the stack ends: no signatures, two hours of candles, configuration and code read once.

    The signed requests themselves are proven elsewhere (tests/loopback over sockets): here the same bodies go to the
    same transport by the same wire, and the exchange takes everybody for the account's key.
    """
    for module, name, value in _replacements():
        stack.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, value)


def _replacements() -> list[tuple[Any, str, Any]]:
    cached = (
        (runner.adapters.configuration.settings_files, "parse_strict"),
        (runner.main_loop, "load_configuration"),
        (runner.run_records, "code_hash"),
        (sys.modules[Report.__module__], "read_limits"),
    )
    return [
        (core.indicators, "WINDOW_MINUTES", WINDOW_MINUTES),
        (core.indicators, "_VOLUME_RATE", WINDOW_MINUTES // core.indicators.RECENT_VOLUME_MINUTES),
        (runner.market_watch, "HISTORY_MINUTES", WINDOW_MINUTES + 10),
        (runner.adapters.tape_files, "_MEGABYTE", TAPE_BYTES),
        (runner.adapters.coinbase.signed_client, "SignedClient", UnsignedClient),
        (Access, "signer", _first_key),
        (Schema, "problems", _judged_once(Schema.problems)),
        (RecordFile, "__init__", _small(RecordFile.__init__)),
        *((module, name, functools.cache(getattr(module, name))) for module, name in cached),
    ]


def _small(make: Callable[..., None]) -> Callable[..., None]:
    """Let the files of a chain be full after a few records: some end while the program runs."""

    def init(self: RecordFile, *given: Any, **named: Any) -> None:
        if named.get("bytes_max") is not None:
            named["bytes_max"] = FILE_BYTES
        make(self, *given, **named)

    return init


def _judged_once(judge: Judge) -> Judge:
    """Hold a line against the schema once: the lines before a crash are the same in all branches after it."""
    known: dict[str, list[Problem]] = {}

    def problems(schema: Schema, number: int, body: dict[str, Any]) -> list[Problem]:
        key = str(body.get("hash"))
        if key not in known:
            known[key] = judge(schema, number, body)
        return known[key]

    return problems


class UnsignedClient:
    """A `Client` of the API that has a key and does not sign."""

    is_signed = True

    def __init__(self, transport: Transport, authority: str, _credentials: Credentials) -> None:
        self._transport = transport
        self._authority = authority

    def get(self, path: str, params: Sequence[tuple[str, str]], attempt: Attempt) -> HttpResponse:
        return self._send("GET", f"{path}?{urlencode(params)}" if params else path, b"", attempt)

    def post(self, path: str, body: Mapping[str, object], attempt: Attempt) -> HttpResponse:
        return self._send("POST", path, render(body), attempt)

    def _send(self, method: str, target: str, body: bytes, attempt: Attempt) -> HttpResponse:
        headers = {"Authorization": "Bearer nobody", "Content-Type": "application/json", **HEADERS}
        request = HttpRequest(method=method, host=self._authority, target=target, headers=headers, body=body)
        return self._transport.send(request, attempt)


def _first_key(access: Access, _request: HttpRequest, _now: object) -> ApiKey:
    return next(iter(access._keys.values()))
