"""
The one seam that every request to Coinbase passes, whoever made it and whatever carries it.

Here a request that must not leave is stopped, waits for its turn, is sent inside its deadline, and is accounted for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from core.ports import Clock
from runner.adapters.coinbase import routes
from runner.adapters.coinbase.rate_limit import Channel, RateLimiter
from runner.adapters.coinbase.silence import Silence, Silent
from runner.wire import AnswerLost, HttpRequest, HttpResponse, NotSent, Wire

WAITS_MAX = 100
SHORTEST_WAIT_SECONDS = 0.001
UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`deadline` is a moment of the clock's `monotonic`: the wait for a token counts, too."""

    deadline: float
    is_retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """
    One HTTP request, as the observer learns of it.

    `status` is None without an answer; then `error` says why: `no_token` (our own limit), `silence` (put off, as the
    last ones were not answered), `not_sent`, `answer_lost`. `unusable` is no request of its own: the answer that was
    reported before it is no JSON object.
    `seconds` are those on the wire, not the wait for a token. Bytes are those of head and body, as carried.
    """

    channel: Channel
    endpoint: str
    method: str
    status: int | None
    error: str | None
    seconds: float
    bytes_sent: int
    bytes_received: int
    is_retry: bool


Observer = Callable[[CallFacts], None]


class Transport:
    """Sends requests, one at a time."""

    def __init__(
        self,
        *,
        wire: Wire,
        limiter: RateLimiter,
        clock: Clock,
        read_only: bool,
        orders_allowed: Callable[[], bool],
        observer: Observer,
    ) -> None:
        """`orders_allowed` is asked in the last moment before an order leaves, after any wait (L5)."""
        self._wire = wire
        self._limiter = limiter
        self._silence = Silence(clock.monotonic)
        self._clock = clock
        self._read_only = read_only
        self._orders_allowed = orders_allowed
        self._observer = observer

    def refusal(self, method: str, path: str) -> str | None:
        """Return why such a request must not leave, None when it may."""
        if _is_question(method, path):
            return None
        if self._read_only:
            return "exchange.read_only is true: no order and no cancel may leave"
        if path != routes.CANCEL and not self._orders_allowed():
            return "orders are stopped"
        return None

    def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        """
        Send one request when it may and when it is its turn.

        Raises:
            NotSent: Refused, no token in time, or the wire did not get to send a byte.
            Silent: A question, while the exchange answers nothing.
            AnswerLost
        """
        path = request.target.partition("?")[0]
        self._stop_if_refused(request.method, path)
        if _is_question(request.method, path) and self._silence.is_now():
            self._report(request, attempt, error="silence")
            raise Silent("the exchange does not answer; the question is put off for a few seconds")
        if not self._get_token(request.method, path, attempt.deadline):
            self._report(request, attempt, error="no_token")
            raise NotSent("no token of the rate limit in time")
        return self._carry(request, attempt)

    def unusable(self, method: str, path: str) -> None:
        """Report that the last answer, whose status promised one, holds nothing that can be read."""
        self._observer(
            CallFacts(
                channel=routes.channel_of(path),
                endpoint=routes.endpoint_of(path),
                method=method,
                status=None,
                error=UNUSABLE,
                seconds=0.0,
                bytes_sent=0,
                bytes_received=0,
                is_retry=False,
            )
        )

    def _stop_if_refused(self, method: str, path: str) -> None:
        reason = self.refusal(method, path)
        if reason is not None:
            raise NotSent(reason)

    def _get_token(self, method: str, path: str, deadline: float) -> bool:
        """Wait for a token and take it; False when none comes in time. After every wait the refusals count anew."""
        channel = routes.channel_of(path)
        is_cancel = path == routes.CANCEL
        is_order = _is_order(method, path)
        for _ in range(WAITS_MAX):
            seconds = self._limiter.seconds_to_wait(channel, is_cancel=is_cancel)
            if seconds <= 0:
                self._limiter.take(channel)
                return True
            if self._clock.monotonic() + seconds >= deadline:
                return False
            span = timedelta(seconds=max(seconds, SHORTEST_WAIT_SECONDS))
            self._clock.wait_until(self._clock.now() + span, self._orders_allowed if is_order else _always)
            self._stop_if_refused(method, path)
        return False

    def _carry(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        channel = routes.channel_of(request.target.partition("?")[0])
        began = self._clock.monotonic()
        if began >= attempt.deadline:
            raise NotSent("the deadline had passed")
        try:
            response = self._wire.send(self._stoppable(request), attempt.deadline - began)
        except (NotSent, AnswerLost) as lost:
            seconds = self._clock.monotonic() - began
            self._silence.unheard(seconds)
            error = "not_sent" if isinstance(lost, NotSent) else "answer_lost"
            self._report(request, attempt, error=error, seconds=seconds)
            raise
        self._silence.heard()
        self._limiter.answered(channel, response.status, _retry_after(response))
        self._report(request, attempt, response=response, seconds=self._clock.monotonic() - began)
        return response

    def _stoppable(self, request: HttpRequest) -> HttpRequest:
        """Let the wire ask again about an order: until its connection stands, no byte of it has left (L5)."""
        is_order = _is_order(request.method, request.target.partition("?")[0])
        return replace(request, may_leave=self._orders_allowed) if is_order else request

    def _report(
        self,
        request: HttpRequest,
        attempt: Attempt,
        *,
        response: HttpResponse | None = None,
        error: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        path = request.target.partition("?")[0]
        never_left = error in ("no_token", "silence", "not_sent")
        self._observer(
            CallFacts(
                channel=routes.channel_of(path),
                endpoint=routes.endpoint_of(path),
                method=request.method,
                status=None if response is None else response.status,
                error=error,
                seconds=seconds,
                bytes_sent=0 if never_left else _sent(request),
                bytes_received=0 if response is None else _received(response),
                is_retry=attempt.is_retry,
            )
        )


def _is_question(method: str, path: str) -> bool:
    """Tell whether a request changes nothing, whatever becomes of it."""
    return method == "GET" or path == routes.PREVIEW


def _is_order(method: str, path: str) -> bool:
    """Tell whether a request is for the kill switch to stop: all but questions and cancels."""
    return path != routes.CANCEL and not _is_question(method, path)


def _always() -> bool:
    return True


def _retry_after(response: HttpResponse) -> float:
    """Return the seconds of a Retry-After; its other form, a date, is no longer in use with APIs."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0.0


def _sent(request: HttpRequest) -> int:
    head = sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    return len(request.method) + len(request.target) + 14 + head + len(request.body)


def _received(response: HttpResponse) -> int:
    """A wire that unpacks a body tells its length as carried in `content-length`."""
    head = sum(len(name) + len(value) + 4 for name, value in response.headers.items())
    carried = response.headers.get("content-length", "")
    return head + (int(carried) if carried.isascii() and carried.isdigit() else len(response.body))
