"""The real clock: the only place that reads or waits for the machine's time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

LONGEST_NAP_SECONDS = 0.5
"""So often a wait looks up: at most a second passes before a stop or the kill switch is seen (L5)."""


class SystemClock:
    """Port `Clock` on the machine's clocks."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def start_at(self, moment: datetime) -> None:
        """Let this clock show `moment` now: a replay in real time plays another date."""
        self._offset = moment - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        """Wait by the monotonic clock too: a wall clock that is set back does not lengthen the wait."""
        deadline = time.monotonic() + (moment - self.now()).total_seconds()
        while keep_waiting():
            left = min((moment - self.now()).total_seconds(), deadline - time.monotonic())
            if left <= 0:
                return
            time.sleep(min(left, LONGEST_NAP_SECONDS))
