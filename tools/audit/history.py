"""
The journal, folded record by record beside the audit that tells of it (L11), with a second set of books.

The second books (`tools.verify_alone.Books`) share nothing with `core.ledger`: cash, lots, fees and profit from fills
alone. Memory: one ledger, and the events since the last audit line.
"""

from collections.abc import Iterator
from decimal import Context, localcontext

from core.errors import StateUnusable
from core.ledger.fold import apply
from core.model.codec import decode_event
from core.model.ledger import Ledger
from core.model.money import EXACT_DIGITS, plain
from core.model.orders import ClientOrderId
from core.model.records import CashFlow, CycleStarted, Event, FillBooked, RunStopped
from tools.audit.chain import ChainCheck, Line
from tools.audit.findings import At, Findings
from tools.audit.state_check import StateFile
from tools.verify_alone import Books

FIRST_OF_A_FILE = {"kind", "segment"}
"""The members of a record that only says how the file before it ended: no event."""

_EXACT = Context(prec=EXACT_DIGITS)


class History:
    """
    What the journal says, up to the record that was read last.

    `slots`, `events`: since they were last taken. `is_whole`: the fold is right so far; False after damage, and then
    nothing can be held against it any more.
    """

    def __init__(self, check: ChainCheck, states: list[StateFile], findings: Findings) -> None:
        self.ledger = Ledger()
        self.seq, self.hash = 0, ""
        self.slots: list[int] = []
        self.events: list[Event] = []
        self.is_whole = True
        self.fills = 0
        self.books = Books()
        self._states = states
        self._findings = findings
        self._check = check
        self._lines: Iterator[Line] = iter(check)
        self._has_stopped = False

    def advance_to(self, seq: int, *, keep: bool = True) -> bool:
        """Read on to a record; return whether it was reached. `keep` False forgets the events on the way."""
        while self.seq < seq and (line := next(self._lines, None)) is not None:
            self._note(line)
            if not keep:
                self.events.clear()
        return self.seq == seq

    def take(self) -> tuple[list[int], list[Event]]:
        """Return slots and events since this was last asked."""
        taken = (self.slots, self.events)
        self.slots, self.events = [], []
        return taken

    def read_rest(self, early_bytes: int) -> list[int]:
        """
        Read to the end; return the slots of which a line should tell and does not.

        `early_bytes` is what the journal had before the audit was opened: of cycles after that, the line was not there
        yet. One cycle may be open, where the run has not stopped: it is under way, or the next start closes it.
        """
        early = len(self.slots) if self._check.bytes <= early_bytes else 0
        for line in self._lines:
            self._note(line)
            self.events.clear()
            if self._check.bytes <= early_bytes:
                early = len(self.slots)
        silent = self.slots[:early]
        return silent if self._has_stopped and self._check.bytes <= early_bytes else silent[:-1]

    def _note(self, line: Line) -> None:
        self.seq, self.hash = line.seq, line.hash
        if not line.is_sound:
            self._stop("the journal is damaged here")
        if not self.is_whole:
            return
        body = line.body() or {}
        for key in ("seq", "prev", "hash"):
            body.pop(key, None)
        at = At(findings=self._findings, file=line.file, line=line.number, seq=line.seq)
        if body.keys() != FIRST_OF_A_FILE:
            self._fold(body, at)
        for state in self._states:
            if state.seq == line.seq:
                state.compare(line.hash, self.ledger)

    def _fold(self, body: dict[str, object], at: At) -> None:
        try:
            event = decode_event(body)
            self._book(event)
            self.ledger = apply(self.ledger, event)
        except (ValueError, StateUnusable, ArithmeticError) as error:
            at.report("event", str(error), "an event that can follow from the ones before it")
            self._stop("an event cannot be folded")
            return
        self._has_stopped = isinstance(event, RunStopped)
        if isinstance(event, CycleStarted):
            self.slots.append(event.slot)
        self.events.append(event)
        if isinstance(event, FillBooked):
            self.compare_books(at)

    def _book(self, event: Event) -> None:
        """Write into the second books; before the ledger has the event, which must not know a fill yet."""
        if isinstance(event, CashFlow):
            with localcontext(_EXACT):
                self.books.cash[event.currency] += event.amount
        elif isinstance(event, FillBooked) and event.fill.fill_id not in self.ledger.fill_ids:
            state = self._order(event.fill.client_order_id)
            fill = {name: str(getattr(event.fill, name)) for name in ("product_id", "price", "size", "fee")}
            with localcontext(_EXACT):
                fill["side"] = event.fill.side.value
                self.books.book(fill, *state)
            self.fills += 1

    def _order(self, name: ClientOrderId) -> tuple[str, str]:
        """Return lot and purpose of an order; of one that is not known, none: the fold refuses its fill."""
        state = self.ledger.open_orders.get(name) or self.ledger.closed_orders.get(name)
        return ("", "") if state is None else (state.order.lot_id, state.order.purpose.value)

    def compare_books(self, at: At) -> None:
        """Hold the ledger against the second books."""
        ledger, books = self.ledger, self.books.as_line()
        found = {
            "cash": {name: plain(amount) for name, amount in ledger.cash.items()},
            "positions": {
                str(lot.lot_id): [str(lot.product_id), plain(lot.quantity), plain(lot.cost)]
                for lot in ledger.lots.values()
            },
            "oversold": {str(name): plain(missing.quantity) for name, missing in ledger.oversold.items()},
            "realised": plain(ledger.realised),
            "fees": plain(ledger.fees),
        }
        for name, value in found.items():
            if value != books[name]:
                at.report("ledger", f"{name} {value}", f"{books[name]} from the fills alone")

    def _stop(self, why: str) -> None:
        if self.is_whole:
            self.is_whole = False
            self._findings.note(f"{why}: state, books and lines are held against the journal up to seq {self.seq - 1}")
