"""Find the cycle that somebody asks about, decide it again, and put its chain together."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.decision import Decision, decide
from core.errors import TraderError
from core.model.market import ProductId
from runner.cycle import Cycle
from runner.desk import Desk
from runner.records.chain import Record
from runner.tape.player import Player
from runner.tape.ports import Ports
from tools.replaying.capture import Asked, Capture
from tools.replaying.chain import Floors, chain_of, floors_of, outcome_links
from tools.replaying.compared import INTERRUPTED, Difference
from tools.replaying.held import held_links
from tools.replaying.identity import Replay
from tools.replaying.link import Link
from tools.replaying.reading import lines_of

_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}")
_NUMBER = re.compile(r"#[0-9]{1,12}")
HOURS, MINUTES = 24, 60


class NoAnswer(TraderError):
    """The cycle or the product is not there, or its facts are lost; the message says which."""


class NoTime(TraderError):
    """What should be a time is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The chain of one product in one cycle. `is_as_recorded`: the cycle came out byte for byte as its line."""

    product: str
    cycle: int
    at: str
    head: str
    is_as_recorded: bool
    links: tuple[Link, ...]

    def words(self) -> Iterator[str]:
        yield f"{self.product} in cycle {self.cycle}, {self.at} ({self.head})"
        yield from (link.text() for link in self.links)
        if not self.is_as_recorded:
            yield "   note: this code does not decide the cycle as it was recorded (python -m tools.replay tells more)"


class Asker:
    """A `Watcher` that keeps the facts of the last cycle that was decided, and the latest floors before it."""

    def __init__(self, product: str) -> None:
        self.product_id: ProductId | None = None
        self.floors: Floors | None = None
        self.decision: Decision | None = None
        self.links: tuple[Link, ...] = ()
        self._product = product
        self._capture = Capture()

    def ports(self, ports: Ports) -> Ports:
        return self._capture.ports(ports)

    def opened(self, desk: Desk, player: Player) -> None:
        self._capture.opened(desk, player)

    def stage(self, name: str, cycle: Cycle) -> None:
        self._capture.stage(name, cycle)

    def decided(self, line: Record, found: Difference | None) -> None:  # noqa: ARG002 - the verdict has it
        """Keep what a refresh measured, and what was decided."""
        facts, desk, cycle = self._capture.facts, self._capture.desk, self._capture.cycle
        self._capture.facts, self.links = None, ()
        if desk is None or cycle is None:
            return
        asked: Asked = self._capture.asked
        listed = [*desk.memory.catalogue] if asked.products is None else [one.product_id for one in asked.products]
        self.product_id = self.product_id or _named(self._product, listed, desk)
        if self.product_id is None:
            return
        if cycle.universe_refreshed:
            self.floors = floors_of(self.product_id, asked, desk.settings, str(line.body["timestamp"]))
        if facts is not None:
            decision = decide(facts, desk.settings)
            held = held_links(self.product_id, facts.lots, desk.settings.policy.exits, line.body)
            self.links = (*held, *chain_of(self.product_id, facts, decision, self.floors, desk.settings))


def _named(name: str, listed: list[ProductId], desk: Desk) -> ProductId | None:
    """Return the product of a name; of a bare asset the one in the universe, else the first that is listed."""
    universe = desk.memory.universe
    eligible = () if universe is None else universe.eligible
    wanted = name.upper()
    same = [one for one in (*eligible, *listed) if wanted in (str(one), one.base)]
    return same[0] if same else None


def ask(data_dir: Path, logs_dir: Path, product: str, time: str | None, advance: Callable[[], None]) -> Answer:
    """
    Decide the cycle again that is asked about.

    Raises:
        NoAnswer: There is no such cycle or product, or its facts are lost.
        NoTime: `time` is none.
        StateUnusable: Journal or audit are damaged.
    """
    line = _line(logs_dir, time)
    if line.body.get("no_trade_reason") == INTERRUPTED:
        raise NoAnswer(
            f"cycle {line.place.seq} ({line.body['timestamp']}) was cut off by a crash before it had decided; "
            "its line was written by the next start"
        )
    asker = Asker(product)
    verdict = Replay(data_dir, logs_dir, advance, asker).one(line.place.seq)
    if not verdict.cycles:
        raise NoAnswer(
            f"cycle {line.place.seq} ({line.body['timestamp']}) has a line, but the tape in {data_dir / 'tape'} does "
            "not have what it was told: it is older than what is kept, or lost"
        )
    if verdict.lost:
        raise NoAnswer(f"cycle {line.place.seq} ({line.body['timestamp']}): its facts are lost: {verdict.lost[0][2]}")
    if asker.product_id is None:
        raise NoAnswer(f"{product!r} is no product that this venue listed then; write BASE-QUOTE, such as BTC-USD")
    body = line.body
    links = asker.links or (
        Link(step="cycle", is_open=False, words=f"ended early: {body['error'] or body['no_trade_reason']}"),
    )
    return Answer(
        product=str(asker.product_id),
        cycle=line.place.seq,
        at=str(body["timestamp"]),
        head=f"{body['mode']} on {body['venue']}, {body['status']}{_reason(body['no_trade_reason'])}",
        is_as_recorded=verdict.identical == 1,
        links=(*links, *outcome_links(asker.product_id, body)),
    )


def _reason(reason: str | None) -> str:
    return "" if reason is None else f": {reason}"


# --- which cycle? -----------------------------------------------------------------------------------------------------


def _line(logs_dir: Path, time: str | None) -> Record:
    """Return the line that is meant; what is not there is said with what is there instead."""
    number = int(time[1:]) if time is not None and _NUMBER.fullmatch(time) else None
    last: Record | None = None
    before: Record | None = None
    at = _moment(time)
    for line in lines_of(logs_dir):
        last = line
        if number == line.place.seq:
            return line
        if at is not None and _at(line) < at + timedelta(minutes=1):
            before = line
    if last is None:
        raise NoAnswer("the audit has no line yet")
    if time is None:
        return last
    if number is not None:
        raise NoAnswer(f"there is no cycle {number}: the audit's lines end with {last.place.seq}")
    if at is None:
        return _line(logs_dir, f"{_at(last):%Y-%m-%d}T{int(time.split(':')[0]):02d}:{time.split(':')[1]}")
    if before is None or _at(before) < at:
        near = "" if before is None else f"; the cycle before it is {before.place.seq} at {before.body['timestamp']}"
        raise NoAnswer(f"no cycle began at {at:%Y-%m-%dT%H:%MZ}{near}")
    return before


def _at(line: Record) -> datetime:
    return datetime.fromisoformat(line.body["timestamp"])


def _moment(time: str | None) -> datetime | None:
    """
    Return a whole date and minute; None for anything else that is legal.

    Raises:
        NoTime: It is not a time.
    """
    if time is None or _is_clock(time) or _NUMBER.fullmatch(time):
        return None
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        raise NoTime(f"{time!r} is no time; write HH:MM, YYYY-MM-DDTHH:MM (UTC), or '#N' for audit line N") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.replace(second=0, microsecond=0)


def _is_clock(time: str) -> bool:
    hours, _, minutes = time.partition(":")
    return _CLOCK.fullmatch(time) is not None and int(hours) < HOURS and int(minutes) < MINUTES
