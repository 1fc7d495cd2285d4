"""A wire that can end the process at any request, and that makes real waiting for an answer count in virtual time."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

from core.ports import Clock
from runner.wire import AnswerLost, HttpRequest, HttpResponse, Wire

NEARLY = 0.9
REAL_PATIENCE_SECONDS = 0.25
"""So long an answer over a socket is really waited for; the bot believes that it was the whole of its own time."""


class PowerCut(BaseException):
    """The process is gone. No `except` of the program sees it, and nothing is put in order."""


def cut() -> NoReturn:
    """End the process, of which nobody but the wire knows."""
    raise PowerCut


class BreakableWire:
    """Port `Wire`: passes requests on, until the one at which the power goes; `end_process` is how it goes."""

    def __init__(self, wire: Wire, clock: Clock, *, is_real: bool) -> None:
        """`is_real`: below are sockets, and waiting for them takes real time."""
        self._wire = wire
        self._is_real = is_real
        self._clock = clock
        self._cut_in: int | None = None
        self._after_the_answer = False
        self.end_process: Callable[[], NoReturn] = cut
        self.sent = 0
        self.about_to_leave: Callable[[HttpRequest], None] = _nothing
        self.arrived: Callable[[HttpRequest], None] = _nothing
        """Called when the exchange has acted, whatever becomes of its answer. Both may raise."""

    def cut_power(self, *, after_requests: int, after_the_answer: bool) -> None:
        """Let the process end at a request: before it leaves, or when the exchange has acted and nobody heard of it."""
        self._cut_in, self._after_the_answer = after_requests, after_the_answer

    def restore_power(self) -> None:
        """Let the next process live until told otherwise."""
        self._cut_in = None

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        self.sent += 1
        self.about_to_leave(request)
        is_last = self._is_last()
        if is_last and not self._after_the_answer:
            self.end_process()
        began, patience = time.monotonic(), timeout_seconds
        if self._is_real:
            patience = min(timeout_seconds, REAL_PATIENCE_SECONDS)
        try:
            response = self._wire.send(request, patience)
        except AnswerLost:
            self.arrived(request)
            if self._is_real and time.monotonic() - began >= patience * NEARLY:
                self._clock.wait_until(self._clock.now() + timedelta(seconds=timeout_seconds), lambda: True)
            if is_last:
                self.end_process()
            raise
        self.arrived(request)
        if is_last:
            self.end_process()
        return response

    def _is_last(self) -> bool:
        if self._cut_in is None:
            return False
        self._cut_in -= 1
        if self._cut_in > 0:
            return False
        self._cut_in = None
        return True


def _nothing(_request: HttpRequest) -> None:
    return
