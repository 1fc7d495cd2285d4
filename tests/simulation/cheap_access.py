"""
Requests without cryptography: a token says who made it and from when to when it is good, and is believed.

The SDK, `requests` and two signatures take half of a simulated day. In most seeds this client and this check stand in
their place, above the same transport; tokens still end, and a clock that is off still spoils them.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch
from urllib.parse import urlencode

from core.ports import Clock
from runner.adapters.coinbase.plain_client import HEADERS
from runner.adapters.coinbase.strict_json import render
from runner.adapters.coinbase.transport import Attempt, Transport
from runner.adapters.simulated_coinbase.access import ApiKey
from runner.wire import HttpRequest, HttpResponse

TOKEN_SECONDS = 120
_SCHEME = "Bearer cheap-"


class CheapClient:
    """A `Client` of the API that signs with a promise."""

    is_signed = True

    def __init__(self, transport: Transport, authority: str, clock: Clock) -> None:
        self._transport = transport
        self._authority = authority
        self._clock = clock

    def get(self, path: str, params: Sequence[tuple[str, str]], attempt: Attempt) -> HttpResponse:
        target = f"{path}?{urlencode(params)}" if params else path
        return self._send("GET", target, b"", attempt)

    def post(self, path: str, body: Mapping[str, object], attempt: Attempt) -> HttpResponse:
        return self._send("POST", path, render(body), attempt)

    def _send(self, method: str, target: str, body: bytes, attempt: Attempt) -> HttpResponse:
        headers = {**HEADERS, "Authorization": f"{_SCHEME}{int(self._clock.now().timestamp())}"}
        request = HttpRequest(method=method, host=self._authority, target=target, headers=headers, body=body)
        return self._transport.send(request, attempt)


class CheapAccess:
    """What the exchange asks about a request, in the place of `Access`."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def signer(self, request: HttpRequest, now: datetime) -> ApiKey | None:
        """Return the key, when the request carries a token that is good at `now`."""
        token = request.headers.get("Authorization", "")
        begin = token.removeprefix(_SCHEME)
        if begin == token or not int(begin) <= now.timestamp() < int(begin) + TOKEN_SECONDS:
            return None
        return self._key


@contextmanager
def cheap_client(clock: Callable[[], Clock]) -> Iterator[None]:
    """Let every connection that is opened meanwhile use a cheap client on the clock of the moment."""

    def client(transport: Transport, authority: str, _credentials: object) -> CheapClient:
        return CheapClient(transport, authority, clock())

    with patch.object(importlib.import_module("runner.adapters.coinbase.connection"), "_client", client):
        yield
