"""A wire without a socket: each request gets the next answer of a script, in virtual time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.settings import ExchangeSection
from runner.adapters.coinbase.api import CoinbaseApi
from runner.adapters.coinbase.connection import connect
from runner.adapters.coinbase.credentials import Credentials
from runner.adapters.coinbase.cycle_time import CycleTime
from runner.adapters.coinbase.rate_limit import RateLimiter
from runner.adapters.coinbase.transport import CallFacts
from runner.adapters.virtual_clock import VirtualClock
from runner.wire import AnswerLost, HttpRequest, HttpResponse, NotSent

Ending = HttpResponse | NotSent | AnswerLost

EXCHANGE = ExchangeSection(
    market="coinbase",
    read_only=False,
    api_url="https://api.coinbase.com",
    key_file="",
    request_timeout_seconds=10,
    public_requests_per_second=5,
    private_requests_per_second=10,
    max_clock_skew_seconds=30,
)


def reply(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status=status, headers=headers or {}, body=body)


class ScriptedWire:
    """Port `Wire`. After the script's end its last entry is repeated. Each exchange takes `seconds` of the clock."""

    def __init__(self, clock: VirtualClock, *endings: Ending, seconds: float = 0.0) -> None:
        self.requests: list[HttpRequest] = []
        self.timeouts: list[float] = []
        self._clock = clock
        self._endings = list(endings)
        self._span = timedelta(seconds=seconds)

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        self.requests.append(request)
        self.timeouts.append(timeout_seconds)
        self._clock.wait_until(self._clock.now() + self._span, lambda: True)
        ending = self._endings.pop(0) if len(self._endings) > 1 else self._endings[0]
        if isinstance(ending, HttpResponse):
            return ending
        raise ending


class ApiDesk:
    """The API over a scripted wire, with all that it reports."""

    def __init__(
        self,
        *endings: Ending,
        credentials: Credentials | None = None,
        orders_allowed: Callable[[], bool] = lambda: True,
        seconds: float = 0.0,
        **settings: object,
    ) -> None:
        self.clock = VirtualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
        self.wire = ScriptedWire(self.clock, *endings, seconds=seconds)
        self.facts: list[CallFacts] = []
        connection = connect(
            replace(EXCHANGE, **settings),  # type: ignore[arg-type]
            credentials=credentials,
            wire=self.wire,
            clock=self.clock,
            orders_allowed=orders_allowed,
            observer=self.facts.append,
            seed=1,
        )
        self.api: CoinbaseApi = connection.api
        self.cycle_time: CycleTime = connection.cycle_time
        self.limiter: RateLimiter = connection.limiter

    @property
    def sent(self) -> int:
        return len(self.wire.requests)
