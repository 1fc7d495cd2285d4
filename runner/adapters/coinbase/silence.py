"""An exchange that has fallen silent: each question would cost a whole timeout, and a cycle asks many (L16)."""

from collections.abc import Callable

IN_VAIN_SECONDS_MAX = 20.0
"""So long is waited, since the last answer, for answers that do not come: less than half of a cycle's deadline."""

PAUSE_SECONDS = 5.0
"""After that, a question is asked once in so long: a cycle that hangs comes to its end, and the next one asks."""


class Silent(Exception):
    """A question was not sent: the exchange answers nothing, and to repeat it at once is no use."""


class Silence:
    """Counts the seconds that were waited in vain. Any answer ends it; a refused connection costs no time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._in_vain_seconds = 0.0
        self._paused_until = 0.0

    def heard(self) -> None:
        """Note an answer, whatever it says."""
        self._in_vain_seconds = 0.0

    def unheard(self, seconds: float) -> None:
        """Note an exchange without an answer, and how long it was waited for."""
        self._in_vain_seconds += seconds
        self._paused_until = self._monotonic() + PAUSE_SECONDS

    def is_now(self) -> bool:
        """Tell whether a question had better not be asked."""
        return self._in_vain_seconds >= IN_VAIN_SECONDS_MAX and self._monotonic() < self._paused_until
