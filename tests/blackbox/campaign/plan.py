"""What a campaign does, and when: drawn from its seed before anything runs, and printed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.blackbox.campaign.line import ANSWERED, ASKED

LIVE, PAPER = "LIVE", "PAPER"
LAGS = ("order", "fills", "balances", "pending", "cancel")

LIES = (Fault.OTHER_ORDER, Fault.ORDER_ALTERED)
"""The exchange says that another order is ours: the bot may stop for good, and then the era would be over."""

DEEDS: Mapping[str, float] = {
    # The process.
    "kill": 12,
    "kill while starting": 3,
    "kill while stopping": 3,
    "kill while paused": 1,
    "pause": 4,
    "terminate": 3,
    "interrupt": 2,
    "hang up": 1,
    "terminate twice": 3,
    "stop while starting": 1.5,
    # Its files.
    "fill the disk": 3,
    "limit file size": 2,
    "start on a full disk": 1,
    "fail a sync": 1.5,
    "take descriptors": 1.5,
    "move data away": 1,
    "replace data": 1,
    "move logs away": 1,
    "remove lock": 1,
    "replace lock": 1,
    "move audit away": 1,
    "replace audit": 1,
    "move journal away": 1,
    "tear journal": 1.5,
    "tear audit": 1.5,
    "damage": 6,
    "remove snapshot": 1,
    # Two at once.
    "second instance": 2,
    "second instance without lock": 1,
}
"""What is done to the bot, one after the other, with weights."""

MODES = ("terminate", "interrupt", "hang up")

DAMAGES = (
    "flip journal",
    "flip audit",
    "flip snapshot",
    "empty snapshot",
    "no journal",
    "empty journal",
    "journal is a folder",
    "journal is a link",
    "journal has two names",
    "snapshot is a link",
    "lock is a folder",
    "unreadable journal",
    "unreadable snapshot",
    "unreadable audit",
    "half a policy",
    "open key file",
    "leftovers",
)

BACKGROUND: Mapping[str, float] = {
    "faults": 4,
    "kill file": 3,
    "cut": 3,
    "freeze": 1.5,
    "lose an order's request": 1.5,
    "lose an order's answer": 2.5,
    "hang the exchange": 2,
    "owner's order": 3,
    "deposit": 1,
}
"""What happens beside that, whatever the bot does, with weights."""

RECORDS = ("TICK", "INTENT", "SENT", "OUTCOME", "FILL", "MARK", "CLOSED", "CANCEL", "RUN", "audit line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """
    When a deed is done: so many seconds after the start, at a request, or when a record appears.

    `delay` seconds later, where something can still be in flight.
    """

    kind: str
    seconds: float = 0.0
    endpoint: Endpoint | None = None
    phase: str = ASKED
    loses: bool = False
    record: str = ""
    nth: int = 1

    def __str__(self) -> str:
        if self.kind == "request":
            name = "any" if self.endpoint is None else self.endpoint.value
            return f"at request {self.nth} ({name}) {self.phase}{', lost' if self.loses else ''}"
        if self.kind == "record":
            return f"at record {self.nth} {self.record} + {self.seconds * 1000:.0f} ms"
        return f"after {self.seconds:.2f} s"


AIMS = (
    Moment(kind="record", record="audit line"),
    Moment(kind="record", record="TICK"),
    Moment(kind="request", endpoint=Endpoint.FILLS),
    Moment(kind="request", endpoint=Endpoint.BEST_BID_ASK),
    Moment(kind="record", record="INTENT"),
    Moment(kind="request", endpoint=Endpoint.CREATE),
    Moment(kind="request", endpoint=Endpoint.CREATE, loses=True),
    Moment(kind="request", endpoint=Endpoint.CREATE, phase=ANSWERED),
    Moment(kind="request", endpoint=Endpoint.CANCEL),
    Moment(kind="record", record="CLOSED"),
    Moment(kind="record", record="MARK"),
)
"""Moments that lie in each stage of a cycle: most kills go through them, one after the other."""

AIMED = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that is done to the bot. `draw` seeds what it has to draw while it is done."""

    name: str
    moment: Moment
    detail: str
    pause: float
    down: float
    draw: int

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.name}{detail} {self.moment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something beside that: when, counted from the beginning of the era, and how long."""

    at: float
    name: str
    seconds: float
    faults: Mapping[str, float] = field(default_factory=dict)
    draw: int = 0

    def __str__(self) -> str:
        what = ", ".join(f"{name} {share:.2f}" for name, share in self.faults.items())
        return f"{self.at:.0f} s: {self.name} for {self.seconds:.1f} s{f' ({what})' if what else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EraPlan:
    """
    The life of one account on one exchange.

    `storm` seconds of deeds, then quiet; `settles`: until every order in doubt is proven or found. `forgets`: the
    exchange ends at the end of the storm and comes back without the account.
    """

    number: int
    seed: int
    mode: str
    interval: int
    storm: float
    settles: bool
    forgets: bool
    with_key: bool
    lags: Mapping[str, float]
    deeds: Sequence[Deed]
    events: Sequence[Event]

    def title(self) -> str:
        lags = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.lags.items()) or "none"
        return (
            f"era {self.number} (seed {self.seed}): {self.mode}{'' if self.with_key else ' without a key'}, interval "
            f"{self.interval} s, lags: {lags}, {self.storm:.0f} s of storm"
            + (", then the exchange forgets the account" if self.forgets else "")
            + (", until all doubts are over" if self.settles else "")
        )

    def text(self) -> str:
        words = [
            self.title(),
            *(f"  {number:2}. {deed}" for number, deed in enumerate(self.deeds, 1)),
            *(f"  at {event}" for event in self.events),
        ]
        return "\n".join(words)


def plan_era(number: int, seed: int, *, mode: str, storm: float, settles: bool) -> EraPlan:
    """Draw one era; deeds are drawn in plenty, as many are done as there is time for."""
    draw = random.Random(seed)  # noqa: S311 - a plan, no secret
    lags = {name: round(draw.uniform(0.1, 2.0), 2) for name in LAGS if draw.random() < 0.4}
    forgets = draw.random() < 0.12
    return EraPlan(
        number=number,
        seed=seed,
        mode=mode,
        interval=draw.choice((1, 1, 1, 2)),
        storm=storm,
        settles=settles,
        forgets=forgets and mode == LIVE and settles,
        with_key=mode == LIVE or draw.random() < 0.6,
        lags=lags,
        deeds=_deeds(draw, count=max(4, int(storm / 3)), mode=mode),
        events=_events(draw, storm, mode),
    )


def _deeds(draw: random.Random, count: int, mode: str) -> list[Deed]:
    """Draw deeds without a run of luck: each bag has every kind about as often as its weight says."""
    aims = _aims(draw, mode)
    names: list[str] = []
    while len(names) < count:
        bag = [name for name, weight in DEEDS.items() for _ in range(_times(draw, weight / 3))]
        draw.shuffle(bag)
        names += bag
    return [_deed(draw, name, aims, mode) for name in names[:count]]


def _aims(draw: random.Random, mode: str) -> Iterator[Moment]:
    """Draw aims without end, and without a run of luck; an order of PAPER is no request."""
    while True:
        bag = [aim for aim in AIMS if mode == LIVE or aim.kind == "record"]
        draw.shuffle(bag)
        yield from bag


def _times(draw: random.Random, expected: float) -> int:
    whole = int(expected)
    return whole + (draw.random() < expected - whole)


def _deed(draw: random.Random, name: str, aims: Iterator[Moment], mode: str) -> Deed:
    details = {"damage": DAMAGES, "terminate twice": MODES, "stop while starting": MODES, "kill while stopping": MODES}
    is_aimed = name == "kill" and draw.random() < AIMED
    return Deed(
        name=name,
        moment=next(aims) if is_aimed else _moment(draw, mode, starting=name.endswith("starting")),
        detail=draw.choice(details[name]) if name in details else "",
        pause=draw.choice((0.3, 1.0, 2.5, 6.0)) * draw.uniform(0.7, 1.3),
        down=draw.choice((0.0, 0.0, 0.3, 1.5)),
        draw=draw.randrange(1 << 30),
    )


def _moment(draw: random.Random, mode: str, *, starting: bool) -> Moment:
    if starting:
        return Moment(kind="seconds", seconds=draw.uniform(0.0, 2.2))
    kind = draw.choices(("seconds", "request", "record"), (2, 5, 5))[0]
    if kind == "seconds":
        return Moment(kind=kind, seconds=draw.uniform(0.5, 7.0))
    if kind == "record":
        record = draw.choice(RECORDS)
        return Moment(
            kind=kind, record=record, nth=draw.choice((1, 1, 2, 3)), seconds=draw.choice((0, 0, 0.003, 0.02, 0.3))
        )
    order = draw.random() < 0.65 and mode == LIVE
    endpoint = draw.choice((Endpoint.CREATE, Endpoint.CREATE, Endpoint.CREATE, Endpoint.CANCEL)) if order else None
    return Moment(
        kind=kind,
        endpoint=endpoint,
        phase=draw.choice((ASKED, ANSWERED)),
        loses=draw.random() < 0.5,
        nth=draw.choice((1, 1, 1, 2)) if order else draw.randint(1, 40),
    )


def _events(draw: random.Random, storm: float, mode: str) -> list[Event]:
    """Draw what happens beside the deeds, one thing about every six seconds; the exchange of PAPER may be killed."""
    kinds = {**BACKGROUND, **({"kill the exchange": 1.5} if mode == PAPER else {})}
    events = []
    at = draw.uniform(4.0, 9.0)
    while at < storm - 2.0:
        name = draw.choices(list(kinds), list(kinds.values()))[0]
        seconds = draw.choice((0.5, 2.0, 5.0)) * draw.uniform(0.7, 1.4)
        faults = _faults(draw) if name == "faults" else {}
        events.append(
            Event(
                at=round(at, 2),
                name=name,
                seconds=round(min(seconds * (2 if name in ("faults", "kill file") else 1), storm - at), 2),
                faults=faults,
                draw=draw.randrange(1 << 30),
            )
        )
        at += draw.uniform(2.0, 10.0)
    return events


def _faults(draw: random.Random) -> dict[str, float]:
    honest = [fault for fault in Fault if fault not in LIES]
    return {fault.value: round(draw.choice((0.05, 0.15, 0.4)), 2) for fault in draw.sample(honest, draw.randint(1, 5))}
