"""The bot's own wall clock, which can be set wrong, on top of the true time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from core.ports import Clock


class WanderingClock:
    """
    Port `Clock`: shows the true time and an offset, which others change, also while it is waited on.

    Its monotonic time is the true one. As with the machine's clock, a wait ends at its moment by either of the two, so
    that a clock that is set back does not lengthen it.
    """

    def __init__(self, truth: Clock) -> None:
        self._truth = truth
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return self._truth.now() + self.offset

    def monotonic(self) -> float:
        return self._truth.monotonic()

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        end = self._truth.now() + (moment - self.now())
        while True:
            offset = self.offset
            self._truth.wait_until(min(end, moment - offset), partial(self._goes_on, offset, keep_waiting))
            if self.offset == offset or self._truth.now() >= end:
                return

    def _goes_on(self, offset: timedelta, keep_waiting: Callable[[], bool]) -> bool:
        return keep_waiting() and self.offset == offset
