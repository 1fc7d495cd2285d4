"""Which endpoint a request is for (coinbase_api 2), and its query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import parse_qs, unquote

BASE = "/api/v3/brokerage"


class Endpoint(Enum):
    """The endpoints that exist here; a public twin is the same endpoint."""

    TIME = "time"
    PRODUCTS = "products"
    PRODUCT = "product"
    BOOK = "product_book"
    BEST_BID_ASK = "best_bid_ask"
    CANDLES = "candles"
    TRADES = "ticker"
    ACCOUNTS = "accounts"
    ACCOUNT = "account"
    KEY_PERMISSIONS = "key_permissions"
    TRANSACTION_SUMMARY = "transaction_summary"
    CREATE = "orders"
    PREVIEW = "orders/preview"
    CANCEL = "orders/batch_cancel"
    ORDER = "orders/historical"
    ORDERS = "orders/historical/batch"
    FILLS = "orders/historical/fills"
    NOT_BUILT = "not built"  # the real exchange has it, this one does not
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One request's place: `argument` is the id in the path, `is_public` the unsigned twin."""

    endpoint: Endpoint
    is_public: bool
    argument: str
    params: Mapping[str, Sequence[str]]


_FIXED = {
    ("GET", "time"): Endpoint.TIME,
    ("GET", "products"): Endpoint.PRODUCTS,
    ("GET", "product_book"): Endpoint.BOOK,
    ("GET", "best_bid_ask"): Endpoint.BEST_BID_ASK,
    ("GET", "accounts"): Endpoint.ACCOUNTS,
    ("GET", "key_permissions"): Endpoint.KEY_PERMISSIONS,
    ("GET", "transaction_summary"): Endpoint.TRANSACTION_SUMMARY,
    ("POST", "orders"): Endpoint.CREATE,
    ("POST", "orders/preview"): Endpoint.PREVIEW,
    ("POST", "orders/batch_cancel"): Endpoint.CANCEL,
    ("GET", "orders/historical/batch"): Endpoint.ORDERS,
    ("GET", "orders/historical/fills"): Endpoint.FILLS,
    ("POST", "orders/edit"): Endpoint.NOT_BUILT,
    ("POST", "orders/edit_preview"): Endpoint.NOT_BUILT,
    ("POST", "orders/close_position"): Endpoint.NOT_BUILT,
    ("GET", "portfolios"): Endpoint.NOT_BUILT,
}
_PUBLIC = (Endpoint.PRODUCTS, Endpoint.PRODUCT, Endpoint.BOOK, Endpoint.CANDLES, Endpoint.TRADES)


@lru_cache(maxsize=256)
def route(method: str, target: str) -> Route:
    """Find the endpoint of a request target; a path that is not known has the endpoint UNKNOWN."""
    path, _, query = target.partition("?")
    params: dict[str, list[str]] = parse_qs(query, keep_blank_values=True) if query else {}
    if not path.startswith(f"{BASE}/"):
        return Route(endpoint=Endpoint.UNKNOWN, is_public=False, argument="", params=params)
    rest = path[len(BASE) + 1 :]
    is_public = rest.startswith("market/")
    endpoint, argument = _find(method, rest.removeprefix("market/"))
    if is_public and endpoint not in _PUBLIC:
        endpoint = Endpoint.UNKNOWN
    return Route(
        endpoint=endpoint,
        is_public=is_public or endpoint is Endpoint.TIME,
        argument=unquote(argument),
        params=params,
    )


def _find(method: str, path: str) -> tuple[Endpoint, str]:
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return fixed, ""
    if method != "GET":
        return Endpoint.UNKNOWN, ""
    parts = path.split("/")
    if parts[:2] == ["orders", "historical"] and len(parts) == 3:
        return Endpoint.ORDER, parts[2]
    if parts[0] == "accounts" and len(parts) == 2:
        return Endpoint.ACCOUNT, parts[1]
    if parts[0] != "products" or len(parts) not in (2, 3):
        return Endpoint.UNKNOWN, ""
    if len(parts) == 2:
        return Endpoint.PRODUCT, parts[1]
    return {"candles": Endpoint.CANDLES, "ticker": Endpoint.TRADES}.get(parts[2], Endpoint.UNKNOWN), parts[1]
