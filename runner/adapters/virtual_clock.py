"""A clock for rehearsals: waiting costs nothing, time passes only in waits."""

from collections.abc import Callable
from datetime import datetime, timedelta


class VirtualClock:
    """
    Port `Clock` in virtual time.

    `wait_until` asks once whether to go on waiting and then jumps to the moment.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._elapsed_seconds = 0.0

    def start_at(self, moment: datetime) -> None:
        """Begin at `moment`; no time passes by it."""
        self._now = moment

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed_seconds

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        if keep_waiting() and moment > self._now:
            self._elapsed_seconds += (moment - self._now).total_seconds()
            self._now = moment

    def jump(self, span: timedelta) -> None:
        """Set the wall clock forward or back, as an operator or a time server would."""
        self._now += span
