"""
Questions and orders to Coinbase as parsed JSON: one call, one deadline, one honest outcome.

A GET may be asked again inside its deadline. A POST that may create something is sent once, whatever happens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from core.ports import Clock
from runner.adapters.coinbase import routes
from runner.adapters.coinbase.cycle_time import CycleTime
from runner.adapters.coinbase.errors import ApiNotSent, ApiOutcomeUnknown, ApiRefused, ApiUnavailable
from runner.adapters.coinbase.silence import Silent
from runner.adapters.coinbase.strict_json import Json, StrictJsonError, parse
from runner.adapters.coinbase.transport import Attempt
from runner.wire import AnswerLost, HttpResponse, NotSent

TRIES_MAX = 3
RETRY_SECONDS = 0.25
BODY_READ_MAX = 8192
BODY_TEXT_MAX = 500

Params = Sequence[tuple[str, str]]


class PostKind(Enum):
    """What a POST does. ORDER may create or change something and is sent once; the others may be repeated."""

    ORDER = "order"
    CANCEL = "cancel"
    QUESTION = "question"


class Client(Protocol):
    """Who turns a call into a request: signed by the SDK, or plain."""

    @property
    def is_signed(self) -> bool: ...

    def get(self, path: str, params: Params, attempt: Attempt) -> HttpResponse:
        """
        Send one GET through the transport.

        Raises:
            NotSent
            AnswerLost
        """
        ...

    def post(self, path: str, body: Mapping[str, object], attempt: Attempt) -> HttpResponse:
        """
        Send one POST through the transport.

        Raises:
            NotSent
            AnswerLost
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How the tries of one call ended. `may_have_arrived`: at least one of them left this process."""

    response: HttpResponse | None
    problem: str
    may_have_arrived: bool


class CoinbaseApi:
    """The API for one thread."""

    def __init__(
        self,
        *,
        client: Client,
        refusal: Callable[[str, str], str | None],
        unusable: Callable[[str, str], None],
        clock: Clock,
        cycle_time: CycleTime,
        timeout_seconds: float,
        draw: Callable[[], float],
        redact: Callable[[str], str],
    ) -> None:
        """
        `refusal` and `unusable` are the transport's; `timeout_seconds` is for a whole call: waiting, all tries, the
        last byte. A GET that began before the cycle's end does not outlive it.

        `draw` gives numbers in [0, 1) for the jitter between tries.
        """
        self._client = client
        self._refusal = refusal
        self._unusable = unusable
        self._clock = clock
        self._cycle_time = cycle_time
        self._timeout_seconds = timeout_seconds
        self._draw = draw
        self._redact = redact

    @property
    def is_signed(self) -> bool:
        """Whether there is a key: without one only the public paths (`/market/...`, `/time`) answer."""
        return self._client.is_signed

    def get(self, path: str, params: Params = ()) -> Json:
        """
        Ask a question. `params` become the query in their order; repeat a key for a list.

        Raises:
            ApiUnavailable: No usable answer in time; `status` and `body_text` tell what there was (404).
        """
        what = f"GET {routes.endpoint_of(path)}"
        reason = self._reason_not_to_ask("GET", path)
        if reason is not None:
            raise ApiUnavailable(f"{what}: {reason}")
        deadline = self._cycle_time.deadline(self._timeout_seconds)
        ending = self._try(lambda attempt: self._client.get(path, params, attempt), TRIES_MAX, deadline)
        response = ending.response
        if response is None:
            raise ApiUnavailable(self._message(what, ending.problem))
        if not 200 <= response.status < 300:
            text = self._body_text(response)
            raise ApiUnavailable(f"{what}: {response.status} {text}", status=response.status, body_text=text)
        try:
            value = parse(response.body)
        except StrictJsonError as error:
            self._unusable("GET", path)
            text = self._body_text(response)
            raise ApiUnavailable(f"{what}: {error}", status=response.status, body_text=text) from None
        if not isinstance(value, dict):
            self._unusable("GET", path)  # every answer of this API is an object
        return value

    def post(self, path: str, body: Mapping[str, object], *, kind: PostKind) -> dict[str, Json]:
        """
        Send a body. Its amounts must be strings.

        Raises:
            ApiNotSent: No byte left: read only, stopped, no token in time, no connection.
            ApiRefused: A certain no: 401, 403, or a 400 that says why.
            ApiOutcomeUnknown: Anything else that is not a JSON object with a 2xx.
        """
        if kind is not _kind_of(path):
            raise ValueError(f"POST {path} is not of kind {kind}")
        what = f"POST {routes.endpoint_of(path)}"
        reason = self._reason_not_to_ask("POST", path)
        if reason is not None:
            raise ApiNotSent(f"{what}: {reason}")
        tries = 1 if kind is PostKind.ORDER else TRIES_MAX
        deadline = self._clock.monotonic() + self._timeout_seconds
        ending = self._try(lambda attempt: self._client.post(path, body, attempt), tries, deadline)
        if ending.response is None:
            error = ApiOutcomeUnknown if ending.may_have_arrived else ApiNotSent
            raise error(self._message(what, ending.problem))
        return self._judge(path, what, ending.response)

    def _reason_not_to_ask(self, method: str, path: str) -> str | None:
        if not routes.is_path(path):
            return "not a path of the API"
        if not self.is_signed and not routes.is_public(path):
            return "needs an API key"
        return self._refusal(method, path)

    def _try(self, send: Callable[[Attempt], HttpResponse], tries: int, deadline: float) -> _Ending:
        response, problem, may_have_arrived = None, "", False
        for number in range(tries):
            if number > 0 and not self._pause(number, deadline):
                break
            try:
                response = send(Attempt(deadline=deadline, is_retry=number > 0))
            except Silent as error:
                response, problem = None, str(error)
                break
            except NotSent as error:
                response, problem = None, str(error)
            except AnswerLost as error:
                response, problem, may_have_arrived = None, str(error), True
            else:
                may_have_arrived = True
                if response.status != 429 and response.status < 500:
                    break
        return _Ending(response=response, problem=problem, may_have_arrived=may_have_arrived)

    def _pause(self, number: int, deadline: float) -> bool:
        """Wait before another try; False when there is no time left for one."""
        seconds = RETRY_SECONDS * 2 ** (number - 1) * (0.5 + 0.5 * self._draw())
        if self._clock.monotonic() + seconds >= deadline:
            return False
        self._clock.wait_until(self._clock.now() + timedelta(seconds=seconds), lambda: True)
        return True

    def _judge(self, path: str, what: str, response: HttpResponse) -> dict[str, Json]:
        """Return the object of a 2xx; raise what any other answer means."""
        status = response.status
        try:
            body = parse(self._without_secrets(response.body))
        except StrictJsonError:
            body = None
        if 200 <= status < 300:
            if isinstance(body, dict):
                return body
            self._unusable("POST", path)
        code, message = _error_of(body)
        text = self._body_text(response)
        certain = status in (401, 403) or (status == 400 and code != "")
        if certain and not _claims_success(body):
            code = self._quotable(code) or f"HTTP_{status}"
            raise ApiRefused(status, code, self._quotable(message), body_text=text)
        raise ApiOutcomeUnknown(f"{what}: {status} {text}", status=status, body_text=text)

    def _message(self, what: str, problem: str) -> str:
        return f"{what}: {self._quotable(problem)}"

    def _body_text(self, response: HttpResponse) -> str:
        return self._quotable(response.body[:BODY_READ_MAX].decode("utf-8", "replace"))

    def _without_secrets(self, body: bytes) -> bytes:
        """Redact what an order was answered: its words go into records, and a server may repeat what it was sent."""
        return self._redact(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _quotable(self, text: str) -> str:
        """Make foreign text fit for a message: no secret, no control character, not long."""
        clean = self._redact(text)
        return "".join(letter if letter.isprintable() else " " for letter in clean[:BODY_TEXT_MAX]).strip()


def _kind_of(path: str) -> PostKind:
    return {routes.PREVIEW: PostKind.QUESTION, routes.CANCEL: PostKind.CANCEL}.get(path, PostKind.ORDER)


def _error_of(body: Json) -> tuple[str, str]:
    """Return code and words of an error body (`{"error", "error_details", "message"}`), "" where there is none."""
    if not isinstance(body, dict):
        return "", ""
    code, message = body.get("error"), body.get("message") or body.get("error_details")
    return code if isinstance(code, str) else "", message if isinstance(message, str) else ""


def _claims_success(body: Json) -> bool:
    return isinstance(body, dict) and (body.get("success") is True or bool(body.get("success_response")))
