"""Requests without a key: Coinbase's public data, for a run that never signs and so never loads the SDK."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from runner.adapters.coinbase.transport import Attempt, Transport
from runner.wire import HttpRequest, HttpResponse, NotSent

HEADERS: Mapping[str, str] = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Cache-Control": "no-cache",  # public answers are cached for a second otherwise
}
"""Of every request, signed or not."""


class PlainClient:
    """A `Client` of the API that does not sign."""

    is_signed = False

    def __init__(self, transport: Transport, authority: str) -> None:
        self._transport = transport
        self._authority = authority

    def get(self, path: str, params: Sequence[tuple[str, str]], attempt: Attempt) -> HttpResponse:
        target = f"{path}?{urlencode(params)}" if params else path
        headers = {"User-Agent": "247trader-v2", **HEADERS}
        request = HttpRequest(method="GET", host=self._authority, target=target, headers=headers, body=b"")
        return self._transport.send(request, attempt)

    def post(self, path: str, _body: Mapping[str, object], _attempt: Attempt) -> HttpResponse:
        raise NotSent(f"POST {path} needs an API key")
