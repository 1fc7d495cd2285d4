"""Sinks in the place of journal and audit: what is written now is held against what was written then, byte for byte."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import StateUnusable
from core.model.records import RunStarted
from core.model.verdicts import Reason
from core.ports import Position
from runner.audit_sections import proposals_section, risk_section, triggers_section
from runner.cycle import Cycle
from runner.records.chain import SEGMENT_KIND, Place, Record, seal
from runner.tape.player import TapeOver
from tools.replaying.reading import RecordedAudit, RecordedJournal

NOTHING = "(nothing)"
INTERRUPTED = Reason.INTERRUPTED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One member that came out otherwise: where, what was recorded, and what is computed now."""

    where: str
    member: str
    recorded: str
    recomputed: str


class JournalDiffers(StateUnusable):
    """
    The next record of the journal comes out otherwise: what follows it in the cycle means nothing.

    Attributes:
        difference: The first member that differs.
    """

    def __init__(self, difference: Difference) -> None:
        super().__init__(f"{difference.where}, {difference.member}")
        self.difference = difference


class ComparedJournal:
    """Port `RecordLog` in the journal's place."""

    def __init__(self, journal: RecordedJournal, end: int | None = None) -> None:
        """`end` is the last record that the run can have written; None when no other run came after it."""
        self._journal = journal
        self._end = end
        self.records = 0

    def end_if_full(self) -> Mapping[str, object] | None:
        """Return how the file ended where the recorded run ended one."""
        record = self._journal.chain.peek()
        if record is None or record.body.get("kind") != SEGMENT_KIND:
            return None
        ended: Mapping[str, object] = record.body["segment"]
        return ended

    def append(self, body: Mapping[str, object], *, durable: bool) -> Position:  # noqa: ARG002 - nothing is written
        """
        Hold one record against the next one of the journal.

        Raises:
            JournalDiffers
            TapeOver: The recorded run was cut off here.
        """
        begins_file = body.get("kind") == SEGMENT_KIND
        record = self._journal.chain.peek() if begins_file else self._journal.peek()
        is_later = record is not None and self._end is not None and record.place.seq > self._end
        if record is None or is_later or _begins_another_run(record.body, body):
            raise TapeOver("the journal of this run ends here: its process ended before it wrote more")
        _, place = seal(body, self._journal.chain.before)
        if place.hash != record.place.hash:
            raise JournalDiffers(difference(f"journal seq {record.place.seq}", record.body, body))
        self.records += 1
        if begins_file:
            self._journal.chain.take()
        return Position(seq=place.seq, hash=place.hash)


def _begins_another_run(recorded: Mapping[str, Any], body: Mapping[str, object]) -> bool:
    """Tell whether a run is over where another begins: it may have ended before its own first record was written."""
    return recorded.get("kind") == RunStarted.kind and recorded.get("run_id") != body.get("run_id")


class ComparedAudit:
    """Port `RecordLog` in the audit's place. It goes on after a difference, on the recorded chain."""

    def __init__(self, audit: RecordedAudit, segment: Sequence[object]) -> None:
        """`segment` is what the run itself knows of the file before its next line."""
        self._audit = audit
        self._segment = segment
        self.found: Difference | None = None
        self.line: Record | None = None
        self.written: Mapping[str, object] = {}

    def end_if_full(self) -> Mapping[str, object] | None:
        """Return how the file ended where the recorded run ended one before its next line."""
        record = self._audit.peek()
        if record is None or self._segment:
            return None
        ended: Mapping[str, object] | None = record.body.get("segment")
        return ended

    def append(self, body: Mapping[str, object], *, durable: bool) -> Position:  # noqa: ARG002 - nothing is written
        """Hold one line against the recorded one of its slot; `line` is that one, None when there is none."""
        self.found, self.line, self.written = None, None, body
        record = self._audit.peek()
        if record is None or not _are_of_one_cycle(record.body, body):
            return Position(seq=0, hash="")
        before = self._audit.chain.before
        self.line = self._audit.take()
        _, place = seal(body, _before(record, before))
        if place.hash != record.place.hash:
            self.found = difference(f"line {record.place.seq}", record.body, body)
        return Position(seq=record.place.seq, hash=record.place.hash)


def _before(record: Record, before: Place) -> Place:
    """Return where the chain stood: a chain that begins anew begins at its own first line."""
    return before if record.place.seq == before.seq + 1 else Place(seq=record.place.seq - 1)


def _are_of_one_cycle(recorded: Mapping[str, Any], body: Mapping[str, object]) -> bool:
    """Tell whether two lines are of one cycle, and written by those who decided it."""
    was_cut_off = recorded.get("no_trade_reason") == INTERRUPTED and body.get("no_trade_reason") != INTERRUPTED
    return not was_cut_off and (recorded.get("slot"), recorded.get("run_id")) == (body["slot"], body["run_id"])


# --- which member? ----------------------------------------------------------------------------------------------------


def difference(where: str, recorded: Mapping[str, Any], body: Mapping[str, object]) -> Difference:
    """Return the first member in which two records differ."""
    recomputed = json.loads(json.dumps(body))
    recorded, recomputed = _decisions_first(recorded), _decisions_first(recomputed)
    for member, then, now in differing(recorded, recomputed):
        return Difference(where=where, member=member, recorded=shown(then), recomputed=shown(now))
    return Difference(where=where, member="(bytes)", recorded="another text", recomputed="the same values")


def decided_otherwise(line: Record, cycle: Cycle) -> Difference | None:
    """Return what a cycle that was not finished has decided otherwise than its line says; None for nothing."""
    sections = {
        "triggers": None if cycle.triggers is None else triggers_section(cycle.triggers),
        "proposals": proposals_section(cycle),
        "risk": risk_section(cycle),
    }
    then = {name: line.body.get(name) for name in sections}
    reached = {name: section for name, section in sections.items() if section is not None}
    if all(json.loads(json.dumps(section)) == then[name] for name, section in reached.items()):
        return None
    return difference(f"line {line.place.seq}", {name: then[name] for name in reached}, reached)


_DECISIONS = ("status", "no_trade_reason", "universe", "regime", "triggers", "proposals", "risk", "exits", "execution")


def _decisions_first(body: Mapping[str, Any]) -> dict[str, Any]:
    """Put what was decided before what was counted: the first difference is to be the one that means something."""
    return {name: body[name] for name in dict.fromkeys((*_DECISIONS, *body)) if name in body}


def differing(then: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield every leaf that differs, with its path; a missing one is NOTHING."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in [*then, *(key for key in now if key not in then)]:
            inner = f"{path}.{key}" if path else str(key)
            yield from differing(then.get(key, NOTHING), now.get(key, NOTHING), inner)
    elif isinstance(then, list) and isinstance(now, list):
        for place in range(max(len(then), len(now))):
            one = then[place] if place < len(then) else NOTHING
            other = now[place] if place < len(now) else NOTHING
            yield from differing(one, other, f"{path}[{place}]")
    elif type(then) is not type(now) or then != now:
        yield path, then, now


def shown(value: Any) -> str:
    """Print a value for people, not too long."""
    text = value if value == NOTHING else json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:197]}..."
