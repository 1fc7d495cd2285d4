"""Coinbase's paths as far as the transport must know them: who may ask, what an order is, how a metric names them."""

import re

from runner.adapters.coinbase.rate_limit import Channel

BASE = "/api/v3/brokerage"
ORDERS = f"{BASE}/orders"
PREVIEW = f"{ORDERS}/preview"
CANCEL = f"{ORDERS}/batch_cancel"
TIME = f"{BASE}/time"

_PATH = re.compile(rf"{BASE}(/[A-Za-z0-9_-]+)+")
_IDS_FOLLOW = ("products", "accounts", "historical", "portfolios")
_NO_IDS = ("batch", "fills")
_ACCOUNT = ("/orders", "/accounts", "/transaction_summary", "/key_permissions")


def is_path(path: str) -> bool:
    """Tell whether this is a plain path of the API: a product id of strange characters does not make one."""
    return _PATH.fullmatch(path) is not None


def is_public(path: str) -> bool:
    """Tell whether Coinbase answers without a key."""
    return path == TIME or path.startswith(f"{BASE}/market/")


def channel_of(path: str) -> Channel:
    return Channel.PUBLIC if is_public(path) else Channel.PRIVATE


def endpoint_of(path: str) -> str:
    """Return the path without the base and with `{id}` for what names one thing: few values, fit for a metric."""
    words = path.removeprefix(BASE).split("/")
    for index in range(1, len(words)):
        if words[index - 1] in _IDS_FOLLOW and words[index] not in _NO_IDS:
            words[index] = "{id}"
    return "/".join(words)


def is_about_account(endpoint: str) -> bool:
    """Tell whether an endpoint is about our account; all others are about the market."""
    return endpoint.startswith(_ACCOUNT)
