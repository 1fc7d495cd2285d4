"""
Requests signed by the official SDK: its client makes paths and tokens, everything below is our transport.

Importing this module loads the SDK, requests and cryptography (some 15 MB): only a run that has a key does.
"""

import io
import logging
from collections.abc import Mapping, Sequence

from coinbase.rest import RESTClient  # type: ignore[import-untyped]  # the SDK has no types
from requests import PreparedRequest, Response

from runner.adapters.coinbase.credentials import Credentials
from runner.adapters.coinbase.plain_client import HEADERS
from runner.adapters.coinbase.strict_json import render
from runner.adapters.coinbase.transport import Attempt, Transport
from runner.wire import HttpRequest, HttpResponse


class SignedClient:
    """A `Client` of the API whose requests carry a fresh token each."""

    is_signed = True

    def __init__(self, transport: Transport, authority: str, credentials: Credentials) -> None:
        _silence_the_sdk()
        self._sdk = _Sdk(
            api_key=credentials.key_name,
            api_secret=credentials.secret.reveal(),
            base_url=authority,
        )
        self._sdk.session.trust_env = False  # no proxies, no netrc, no other certificates
        self._sdk.session.headers.clear()
        self._sdk.session.headers.update(HEADERS)
        self._sdk.session.adapters.clear()
        self._sdk.session.mount("https://", _Seam(transport))

    def get(self, path: str, params: Sequence[tuple[str, str]], attempt: Attempt) -> HttpResponse:
        grouped: dict[str, list[str]] = {}
        for name, value in params:
            grouped.setdefault(name, []).append(value)
        self._sdk.timeout = attempt
        return _plain(self._sdk.get(path, grouped))

    def post(self, path: str, body: Mapping[str, object], attempt: Attempt) -> HttpResponse:
        self._sdk.timeout = attempt
        return _plain(self._sdk.post(path, data=dict(body)))


class _Sdk(RESTClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, which hands over answers as they came: its own reading parses twice and logs bodies."""

    def send_request(
        self,
        http_method: str,
        url_path: str,
        params: Mapping[str, Sequence[str]] | None,
        headers: Mapping[str, str],
        data: Mapping[str, object] | None = None,
    ) -> Response:
        response: Response = self.session.request(
            http_method,
            f"https://{self.base_url}{url_path}",  # of the SDK: whether it is TLS is the wire's matter
            params=params,
            data=None if data is None else render(data),
            headers=headers,
            timeout=self.timeout,
            allow_redirects=False,
        )
        return response


class _Seam:
    """What `requests` takes for its adapter. The `timeout` of a request is our `Attempt`: requests passes it on."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(
        self,
        request: PreparedRequest,
        *,
        stream: bool,
        timeout: Attempt,
        verify: object,
        cert: object,
        proxies: object,
    ) -> Response:
        """Carry one request; TLS and proxies are not for requests to decide."""
        del stream, verify, cert, proxies
        body = request.body or b""
        answer = self._transport.send(
            HttpRequest(
                method=request.method or "",
                host=(request.url or "").split("/")[2],
                target=request.path_url,
                headers=dict(request.headers),
                body=body if isinstance(body, bytes) else body.encode("utf-8"),
            ),
            timeout,
        )
        response = Response()
        response.status_code = answer.status
        # Without a Location nothing in requests can begin to think about a redirect.
        response.headers.update({name: value for name, value in answer.headers.items() if name != "location"})
        response.raw = io.BytesIO(answer.body)
        response.request = request
        response.url = request.url or ""
        return response

    def close(self) -> None:
        """Do nothing: connections belong to the wire."""


def _plain(response: Response) -> HttpResponse:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpResponse(status=response.status_code, headers=headers, body=response.content)


def _silence_the_sdk() -> None:
    """Its logger has its own handler on stderr, for whole bodies."""
    logger = logging.getLogger("coinbase.RESTClient")
    logger.handlers.clear()
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
