"""The part of the API client that the account's side needs."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from runner.adapters.coinbase.api import PostKind


class PrivateApi(Protocol):
    """Signed questions and orders; `CoinbaseApi` is one."""

    def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> object:
        """
        Ask, and return strictly parsed JSON.

        Raises:
            ApiUnavailable
        """
        ...

    def post(self, path: str, body: Mapping[str, object], *, kind: PostKind) -> object:
        """
        Send once, and return strictly parsed JSON.

        Raises:
            ApiNotSent
            ApiRefused
            ApiOutcomeUnknown
        """
        ...
