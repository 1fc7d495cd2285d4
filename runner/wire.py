"""
One HTTP exchange as plain values: the seam between our transport and whatever answers it.

Below it sits either a socket or, in the same process, the simulated exchange. Nothing above it knows which.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """
    A request as it leaves us. `target` is the path with its query; `headers` have the names as sent.

    One of them is the token, so they show themselves to nobody (L15). `may_leave` is asked once more when a new
    connection stands, before the first byte: to make one takes seconds, and the kill switch may come in them (L5).
    """

    method: str
    host: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    may_leave: Callable[[], bool] = field(default=_always, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer, whole. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotSent(Exception):
    """No byte of the request left this process: it has no effect."""


class AnswerLost(Exception):
    """The request may have arrived; a whole, honest answer did not come back in time."""


class Wire(Protocol):
    """Who carries a request to its host and brings the answer back."""

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        """
        Make one exchange within a total time. Redirects are answers, not followed.

        Raises:
            NotSent
            AnswerLost
        """
        ...
