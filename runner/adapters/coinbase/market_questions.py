"""The market's questions: which address answers them with a key and without, and how one is asked of many products."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

from runner.adapters.coinbase.errors import ApiUnavailable
from runner.adapters.coinbase.fields import BadField, Row, row_of
from runner.adapters.coinbase.routes import BASE

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

OUTAGE_AFTER = 3
"""So many questions in a row without an answer, and the rest is not asked: each may cost a whole timeout."""

Params = Sequence[tuple[str, str]]


class GetApi(Protocol):
    """What the market needs of the API client."""

    @property
    def is_signed(self) -> bool:
        """Whether requests carry our key."""
        ...

    def get(self, path: str, params: Params = ()) -> object:
        """
        Ask, again if need be, and return the strictly parsed answer.

        Raises:
            ApiUnavailable: No usable answer; `status` tells why when there was any.
        """
        ...


class MarketQuestions:
    """
    Asks the signed endpoints when there is a key, else their public twins.

    The limit of requests is then that of the account, not that of the address we come from.
    """

    def __init__(self, api: GetApi) -> None:
        self.is_signed = api.is_signed
        self._api = api
        self._prefix = BASE if api.is_signed else f"{BASE}/market"

    def ask(self, path: str, params: Params = ()) -> Row:
        """
        Ask one question; `path` begins behind `/brokerage` or `/brokerage/market`.

        Raises:
            ApiUnavailable
            BadField: The answer is not an object.
        """
        return row_of(self._api.get(f"{self._prefix}{path}", params), f"answer of {path}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round(Generic[K, T]):
    """
    What was read, by what was asked for.

    `error` is the first failure, None when there was none (that something does not exist is an answer). `is_complete`:
    everything was asked for.
    """

    found: dict[K, T]
    error: ApiUnavailable | BadField | None
    is_complete: bool


def read_each(
    keys: Sequence[K], read: Callable[[K], T | None], is_late: Callable[[], bool], note: Callable[[str], None]
) -> Round[K, T]:
    """
    Read one thing after the other; one that fails costs itself only. `note` is told of each failure.

    It stops when `is_late`, and when `OUTAGE_AFTER` questions in a row were not answered. None read is left out.
    """
    found: dict[K, T] = {}
    error: ApiUnavailable | BadField | None = None
    in_a_row = 0
    for key in keys:
        if in_a_row >= OUTAGE_AFTER or is_late():
            note(f"{len(keys)} asked for, no further after {len(found)} were read")
            return Round(found=found, error=error, is_complete=False)
        try:
            value = read(key)
        except ApiUnavailable as unavailable:
            if unavailable.status == HTTPStatus.NOT_FOUND:
                in_a_row = 0
                continue
            in_a_row += 1
            error = error or unavailable
            note(f"{key}: {unavailable}")
            continue
        except BadField as bad:
            in_a_row = 0
            error = error or bad
            note(f"{key}: {bad}")
            continue
        in_a_row = 0
        if value is not None:
            found[key] = value
    return Round(found=found, error=error, is_complete=True)
