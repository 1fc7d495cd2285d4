"""
Who may do what: bearer tokens (coinbase_api 1.5) and the rights of the keys that sign them.

A token is checked as the exchange does it: signature, issuer, subject, validity, and a `uri` that names method, host
and path of this very request, without the query. Written without the library that makes our tokens, so that a mistake
in either shows.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from runner.adapters.simulated_coinbase.order_rows import PORTFOLIO_ID
from runner.wire import HttpRequest

ISSUER = "cdp"
LIFETIME_MAX_SECONDS = 120


class Verify(Protocol):
    """The public half of a key: `algorithm` is ES256 or EdDSA, `signature` the raw bytes of the token."""

    @property
    def algorithm(self) -> str: ...

    def accepts(self, signature: bytes, message: bytes) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key of the account, with its rights, and the portfolio that it is bound to."""

    name: str
    verify: Verify
    can_view: bool = True
    can_trade: bool = True
    can_transfer: bool = False
    portfolio_id: str = PORTFOLIO_ID


class Access:
    """The keys that the exchange knows; the latest one given under a name counts."""

    def __init__(self, *keys: ApiKey) -> None:
        self._keys = {key.name: key for key in keys}

    def grant(self, key: ApiKey) -> None:
        """Add a key, or change its rights."""
        self._keys[key.name] = key

    def revoke(self, name: str) -> None:
        del self._keys[name]

    def signer(self, request: HttpRequest, now: datetime) -> ApiKey | None:
        """Return the key that signed a request, or None when its token is not good for it at `now`."""
        token = _bearer(request.headers)
        parts = token.split(".")
        if len(parts) != 3:
            return None
        header, claims = _json_of(parts[0]), _json_of(parts[1])
        key = self._keys.get(str(header.get("kid")))
        if key is None or header.get("alg") != key.verify.algorithm or not header.get("nonce"):
            return None
        signature = _bytes_of(parts[2])
        if not _claims_hold(claims, key, request, now.timestamp()):
            return None
        return key if key.verify.accepts(signature, f"{parts[0]}.{parts[1]}".encode()) else None


def said_of_itself(request: HttpRequest) -> str:
    """Return the token of a request and the name of the key that it claims, as text; blank without a token."""
    token = _bearer(request.headers)
    return f"Bearer {token} of {_json_of(token.partition('.')[0]).get('kid')}" if token else ""


def is_signed(request: HttpRequest) -> bool:
    """Tell whether a request carries a token, whatever it is worth."""
    return _bearer(request.headers) != ""


def _bearer(headers: Mapping[str, str]) -> str:
    found = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    scheme, _, token = found.partition(" ")
    return token if scheme == "Bearer" else ""


def _claims_hold(claims: Mapping[str, object], key: ApiKey, request: HttpRequest, now: float) -> bool:
    begin, end = claims.get("nbf"), claims.get("exp")
    if not isinstance(begin, int) or not isinstance(end, int) or end - begin > LIFETIME_MAX_SECONDS:
        return False
    path = request.target.partition("?")[0]
    return (
        begin <= now < end
        and claims.get("iss") == ISSUER
        and claims.get("sub") == key.name
        and claims.get("uri") == f"{request.method} {request.host}{path}"
    )


def _bytes_of(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""


def _json_of(part: str) -> Mapping[str, object]:
    try:
        found = json.loads(_bytes_of(part))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
