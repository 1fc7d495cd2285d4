"""
Recorded cycles under other settings: the same facts, each cycle by itself, and which decisions would be others.

Each cycle is decided with the ledger as it was then: what another decision would have led to later is not told, because
nobody knows how the market would have answered. What the tape does not have (the candles, book or quote of a product
that nobody asked for then) is named as unknown and never guessed.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.decision import Decision, decide
from core.exits import ExitReview
from core.model.market import ProductId
from core.model.verdicts import Reason
from core.settings import Settings
from runner.cycle import Cycle
from runner.desk import Desk
from runner.records.chain import Record
from runner.tape.player import Player
from runner.tape.ports import Ports
from tools.replaying.capture import Capture
from tools.replaying.compared import Difference
from tools.replaying.other_facts import OtherFacts
from tools.replaying.verdicts import (
    NO_TRIGGER,
    Verdict,
    exclusions_of,
    exits_of,
    exits_of_line,
    verdicts_of,
    verdicts_of_cycle,
    verdicts_of_line,
)

UNKNOWN = "unknown"
COUNTED = "metrics."
"""What only counts is no decision."""

NEEDS_FACTS = ("quote_missing", "book_missing", "fees_unknown")
"""Refusals that, for want of a fact on the tape, say nothing."""

Pairs = Iterable[tuple[str, Verdict, Verdict]]
Unknown = Callable[[ProductId], str | None]
_ABOUT_IDEAS = (Reason.NO_TRIGGERS, Reason.NO_PROPOSALS, Reason.ALL_REFUSED, Reason.UNKNOWN_ORDER, Reason.NOT_PLANNABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One decision that would be another: of a product, a lot, or the whole cycle (`subject` is then `cycle`)."""

    cycle: int
    slot: int
    at: str
    subject: str
    before: Verdict
    after: Verdict


@dataclass(slots=True)
class WhatIf:
    """What was found; `undecided` cycles ended before there was anything to decide."""

    decided: int = 0
    undecided: int = 0
    changed: int = 0
    not_as_recorded: int = 0
    changes: list[Change] = field(default_factory=list)

    def about(self, cycle: int) -> "WhatIf":
        """Return the part that is about one cycle."""
        changes = [change for change in self.changes if change.cycle == cycle]
        return WhatIf(decided=1, changed=int(bool(changes)), changes=changes)

    def by_reason(self) -> Counter[str]:
        """Count the changes by what was decided before and after."""
        return Counter(f"{_code(one.before)} -> {_code(one.after)}" for one in self.changes)

    def note(self, line: Record, pairs: Pairs) -> None:
        """Keep what is decided otherwise in the cycle of a line."""
        before = len(self.changes)
        self.decided += 1
        for subject, then, now in pairs:
            if then.decision != now.decision:
                self.changes.append(_change(line, subject, then, now))
        self.changed += len(self.changes) > before

    def other(self, line: Record, before: Verdict, after: Verdict) -> None:
        """Keep a difference in a cycle of which all decisions are the same."""
        self.changes.append(_change(line, "record", before, after))
        self.changed += 1


def _change(line: Record, subject: str, before: Verdict, after: Verdict) -> Change:
    body = line.body
    return Change(
        cycle=line.place.seq,
        slot=int(body["slot"]),
        at=str(body["timestamp"]),
        subject=subject,
        before=before,
        after=after,
    )


def _code(verdict: Verdict) -> str:
    return f"{verdict.stage}: {verdict.code}"


class OtherSettings:
    """A `Watcher` that decides each cycle once more, under settings of its own."""

    def __init__(self, settings: Settings) -> None:
        self.found = WhatIf()
        self._settings = settings
        self._capture = Capture()
        self._other: OtherFacts | None = None

    def ports(self, ports: Ports) -> Ports:
        return self._capture.ports(ports)

    def opened(self, desk: Desk, player: Player) -> None:
        self._capture.opened(desk, player)
        self._other = OtherFacts(self._settings, desk)

    def stage(self, name: str, cycle: Cycle) -> None:
        self._capture.stage(name, cycle)

    def decided(self, line: Record, found: Difference | None) -> None:
        """Decide the cycle of this line under the other settings, and compare."""
        facts, desk, cycle, other = self._capture.facts, self._capture.desk, self._capture.cycle, self._other
        self._capture.facts = None
        self.found.not_as_recorded += found is not None
        if facts is None or desk is None or cycle is None or other is None:
            self.found.undecided += 1
            return
        asked = self._capture.asked
        was = decide(facts, desk.settings)
        theirs = other.of(facts, asked, started_at=cycle.started_at, refreshed=cycle.universe_refreshed)
        now = decide(theirs, self._settings)

        def unknown(product_id: ProductId) -> str | None:
            return other.unknown(product_id, facts, asked)

        pairs = [*_of_the_cycle(was, now), *_of_lots(was, now), *_of_products(was, now, unknown)]
        if cycle.universe_refreshed:
            pairs += _of_the_universe(was, now, unknown)
        self.found.note(line, pairs)


class OtherCode:
    """A `Watcher` that compares what this code decides with what the lines say was decided."""

    def __init__(self) -> None:
        self.found = WhatIf()
        self._cycle: Cycle | None = None

    def ports(self, ports: Ports) -> Ports:
        return ports

    def opened(self, desk: Desk, player: Player) -> None:
        """Nothing of a run is needed but its cycles."""

    def stage(self, name: str, cycle: Cycle) -> None:  # noqa: ARG002 - the cycle fills up by itself
        self._cycle = cycle

    def decided(self, line: Record, found: Difference | None) -> None:
        """Compare the cycle, as far as it came, with its line."""
        cycle, self._cycle = self._cycle, None
        if cycle is None:
            self.found.undecided += 1
            return
        self.found.not_as_recorded += found is not None
        then = {} if found is None else verdicts_of_line(line.body, cycle)
        now = {} if found is None else verdicts_of_cycle(cycle)
        products = dict.fromkeys((*then, *now))
        pairs = [*_of_lots_told(line, cycle)] if found is not None else []
        pairs += [(str(one), then.get(one, NOT_WISHED), now.get(one, NOT_WISHED)) for one in products]
        before = len(self.found.changes)
        self.found.note(line, pairs)
        is_decided = found is not None and not found.member.startswith(COUNTED)
        if found is not None and is_decided and len(self.found.changes) == before:
            member = (
                Verdict(found.where, found.member, found.recorded),
                Verdict(found.where, found.member, found.recomputed),
            )
            self.found.other(line, *member)


NOT_WISHED = Verdict("rules", "no_proposal")


# --- pairs of before and after ----------------------------------------------------------------------------------------


def _of_the_cycle(was: Decision, now: Decision) -> Pairs:
    yield "cycle", _regime(was), _regime(now)
    yield "cycle", Verdict("state", was.state.name, _tripped(was)), Verdict("state", now.state.name, _tripped(now))
    if any(one.reason is not None and one.reason not in _ABOUT_IDEAS for one in (was, now)):
        yield "cycle", _reason(was), _reason(now)


def _regime(decision: Decision) -> Verdict:
    regime = None if decision.watched is None else decision.watched.regime
    return Verdict("regime", UNKNOWN if regime is None else regime.value)


def _tripped(decision: Decision) -> str:
    return "; ".join(f"{one.breaker.value}: {one.state.detail}" for one in decision.changes)


def _reason(decision: Decision) -> Verdict:
    about_ideas = decision.reason is None or decision.reason in _ABOUT_IDEAS
    return Verdict("cycle", "entries_allowed" if decision.reason is None or about_ideas else decision.reason.value)


def _of_lots(was: Decision, now: Decision) -> Pairs:
    then, later = exits_of(was.exits), exits_of(now.exits)
    for lot_id in dict.fromkeys((*then, *later)):
        yield f"lot {lot_id}", then.get(lot_id, KEPT), later.get(lot_id, KEPT)


def _of_lots_told(line: Record, cycle: Cycle) -> Pairs:
    if cycle.lot_facts is None:
        return
    then = exits_of_line(line.body)
    later = exits_of(ExitReview(due=tuple(cycle.exits), blocked=tuple(cycle.blocked_exits)))
    for lot_id in dict.fromkeys((*then, *later)):
        yield f"lot {lot_id}", then.get(lot_id, KEPT), later.get(lot_id, KEPT)


KEPT = Verdict("exits", "kept")


def _of_the_universe(was: Decision, now: Decision, unknown: Unknown) -> Pairs:
    then = {} if was.universe is None else exclusions_of(was.universe)
    later = {} if now.universe is None else exclusions_of(now.universe)
    for product_id in dict.fromkeys((*then, *later)):
        after = later.get(product_id, UNLISTED)
        yield str(product_id), then.get(product_id, UNLISTED), _or_unknown(after, product_id, unknown)


UNLISTED = Verdict("universe", "not_listed")


def _of_products(was: Decision, now: Decision, unknown: Unknown) -> Pairs:
    then, later = verdicts_of(was), verdicts_of(now)
    for product_id in dict.fromkeys((*then, *later)):
        after = later.get(product_id, NO_TRIGGER)
        yield str(product_id), then.get(product_id, NO_TRIGGER), _or_unknown(after, product_id, unknown)


def _or_unknown(verdict: Verdict, product_id: ProductId, unknown: Unknown) -> Verdict:
    """Return the verdict, unless it was only given for want of a fact that the tape does not have."""
    why = unknown(product_id) if verdict.code in NEEDS_FACTS else None
    return verdict if why is None else Verdict(verdict.stage, UNKNOWN, why)
