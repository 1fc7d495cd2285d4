"""The exchange's clock: the injected one, held back while something is done whose moment has passed already."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime


class VenueTime:
    """
    Give it to the matching engine as its `now`.

    The exchange works when it is asked, not in between. A cancel that was due ten seconds ago is done first, and with
    the clock of ten seconds ago, so that what traded since does not reach the order any more; an order that came ten
    seconds ago is accepted then, and what traded since does.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._held: datetime | None = None

    def now(self) -> datetime:
        return self._held or self._now()

    @contextmanager
    def held_at(self, moment: datetime) -> Iterator[None]:
        """Let the clock stand at a past moment."""
        self._held = moment
        try:
            yield
        finally:
            self._held = None
