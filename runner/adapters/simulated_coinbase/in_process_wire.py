"""Port `Wire` without a socket: the simulated exchange in the same process, with its connection faults."""

from datetime import timedelta

from core.ports import Clock
from runner.adapters.simulated_coinbase.answers import Manner
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.wire import AnswerLost, HttpRequest, HttpResponse, NotSent

HEADER_BYTES = 200
"""About so many bytes of headers are dripped before a body begins."""


class InProcessWire:
    """Carry requests to an exchange in this process. Waiting is done on the clock, so virtual time stays virtual."""

    def __init__(self, exchange: SimulatedCoinbase, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        answer = self._exchange.answer(request)
        if answer.manner is Manner.REFUSED:
            raise NotSent("connection refused")
        if answer.manner in (Manner.CLOSED, Manner.RESET, Manner.TRUNCATED, Manner.ENDLESS):
            raise AnswerLost(f"the connection ended: {answer.manner.value}")
        takes = answer.delay
        if answer.manner is Manner.DRIPPED_BODY:
            takes += answer.drip * len(answer.response.body)
        elif answer.manner is Manner.DRIPPED_HEADERS:
            takes += answer.drip * HEADER_BYTES
        if takes.total_seconds() >= timeout_seconds:
            self._wait(timedelta(seconds=timeout_seconds))
            raise AnswerLost(f"no whole answer within {timeout_seconds:g} s")
        self._wait(takes)
        return answer.response

    def _wait(self, span: timedelta) -> None:
        if span:
            self._clock.wait_until(self._clock.now() + span, lambda: True)
