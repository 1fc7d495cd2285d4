"""When the questions of the present cycle end, so that the cycle does, too (L16)."""

from collections.abc import Callable

SECONDS_FOR_ORDERS = 10.0
"""What is asked of many products leaves this much of the cycle to who sees orders through, or a quarter of it."""


class CycleTime:
    """Told by the loop at each cycle's beginning; before the first one, questions have no end but their own."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ends_at = float("inf")
        self._seconds_for_orders = SECONDS_FOR_ORDERS

    def end_at(self, moment: float) -> None:
        """Set the cycle's deadline, a moment of the monotonic clock."""
        self._ends_at = moment
        self._seconds_for_orders = min(SECONDS_FOR_ORDERS, (moment - self._monotonic()) / 4)

    def round_ends_at(self, *, is_for_orders: bool) -> float:
        """
        Return the moment at which a round of questions that begins now asks no further.

        What orders and positions need goes on to the cycle's end, and for a while when it begins after that.
        """
        if is_for_orders:
            return max(self._ends_at, self._monotonic() + self._seconds_for_orders)
        return self._ends_at - self._seconds_for_orders

    def deadline(self, timeout_seconds: float) -> float:
        """
        Return the moment at which a question asked now is given up: its timeout, or the cycle's end before that.

        After that end only what sees orders through is asked, and it has the whole timeout.
        """
        now = self._monotonic()
        return min(now + timeout_seconds, self._ends_at) if now < self._ends_at else now + timeout_seconds
