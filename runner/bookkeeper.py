"""The one way to change the ledger: an event is checked, written to the journal, then applied."""

from collections.abc import Callable, Mapping

from core.ledger.fold import apply
from core.model.codec import encode_event
from core.model.ledger import Ledger
from core.model.records import Event
from core.ports import Position, RecordLog
from runner.records.chain import SEGMENT_KIND


class Bookkeeper:
    """Keep journal and ledger equal (L11)."""

    def __init__(self, ledger: Ledger, journal: RecordLog, position: Position | None = None) -> None:
        """`position` is where the journal ended when it was opened; None for a new one."""
        self.ledger = ledger
        self.position = position
        self.recent_events: list[Event] = []
        self._journal = journal
        self._watchers: list[Callable[[Ledger], None]] = []

    def watch(self, watcher: Callable[[Ledger], None]) -> None:
        """Show every new ledger to somebody, as soon as it is one."""
        self._watchers.append(watcher)

    def record(self, event: Event, *, durable: bool) -> None:
        """
        Write one event and apply it.

        Raises:
            StateUnusable: The event contradicts the ledger; nothing was written.
            RecordNotDurable: It could not be written; the ledger is unchanged and the process must end.
        """
        after = apply(self.ledger, event)
        body: Mapping[str, object] = encode_event(event)
        self.position = self._journal.append(body, durable=durable)
        self.ledger = after
        self.recent_events.append(event)
        for watcher in self._watchers:
            watcher(after)

    def begin_file_when_full(self) -> None:
        """
        Let the next record begin a new file when the present one is full. Nothing else may be between the two.

        Raises:
            RecordNotDurable: As `record`.
        """
        ended = self._journal.end_if_full()
        if ended is not None:
            self.position = self._journal.append({"kind": SEGMENT_KIND, "segment": ended}, durable=True)

    def take_events(self) -> list[Event]:
        """Return what was recorded since this was last called: the events of one cycle."""
        taken, self.recent_events = self.recent_events, []
        return taken
