"""Draws a plan from a seed: a swarm, in which each seed has a few of the troubles, and some seeds have none."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.loopback.storms import LIES, LOSING
from tests.loopback.troubles import KILL_TEXTS, PRODUCT_CHANGES
from tests.simulation.damage import EDITS, draw_damage
from tests.simulation.files_that_fail import CRASH_FILES, KINDS, ROOMS
from tests.simulation.plan import DAY_MINUTES, Disturbance, Plan
from tests.simulation.profiles import PACE, PROFILES, draw_profile, draw_settings

SIGNED_EVERY = 20
"""In each such seed the official SDK signs."""

QUIET_CHANCE = 0.06
"""In so many seeds nothing goes wrong."""

FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
DAYS_TO_CHOOSE_FROM = 300

_POSTS = [Endpoint.CREATE.value, Endpoint.CANCEL.value]
_FILE_CALLS = ("", "", "write", "write", "fsync", "replace", "open", "lstat", "fstat", "close", "unlink")


def draw_plan(seed: int, minutes: int) -> Plan:
    """Return the plan of a seed: it depends on these two numbers and on nothing else."""
    draw = random.Random(f"simulation {seed} {minutes}")  # noqa: S311 - a simulation
    begin = FIRST_DAY + timedelta(days=draw.randrange(DAYS_TO_CHOOSE_FROM), minutes=draw.randrange(DAY_MINUTES))
    profile = draw_profile(draw)
    products = draw.choice((2, 3, 3, 4))
    is_signed = seed % SIGNED_EVERY == 0
    return Plan(
        seed=seed,
        minutes=minutes,
        begin=begin.isoformat(),
        profile=profile,
        products=products,
        lag_seconds=draw.choice((0.0, 0.0, 0.0, 1.0, 3.0, 10.0, 40.0)),
        lags_vary=draw.random() < 0.5,
        rejects_duplicates=draw.random() < 0.5,
        is_signed=is_signed,
        ending=draw.choice(("", "", "", "stop", "cancel-all")),
        changes={**PACE, **PROFILES[profile], **draw_settings(draw, products)},
        disturbances=_ordered(
            [
                *_owner(draw, minutes),
                *_troubles(draw, minutes),
                *(_hail(draw, minutes) if profile == "hail" else ()),
            ]
        ),
    )


def _ordered(items: list[Disturbance]) -> tuple[Disturbance, ...]:
    return tuple(sorted(items, key=lambda item: item.minute))


def _troubles(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """Yield what goes wrong: for each kind it is drawn whether there is any in this seed."""
    if draw.random() < QUIET_CHANCE:
        return
    for chance, make in _KINDS:
        if draw.random() < chance:
            yield from make(draw, minutes)


def _times(
    draw: random.Random, minutes: int, every: float, lasts: tuple[float, float] = (0.0, 0.0)
) -> Iterator[tuple[float, float]]:
    """Yield beginnings and ends, about `every` minutes from one end to the next beginning."""
    moment = draw.uniform(0.1, 1.5) * every
    while moment + lasts[1] < minutes:
        until = moment + draw.uniform(*lasts)
        yield round(moment, 3), round(until, 3)
        moment = until + draw.uniform(0.3, 1.7) * every


def _salt(draw: random.Random) -> int:
    return draw.getrandbits(32)


# --- the exchange -----------------------------------------------------------------------------------------------------


def _owner(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    if draw.random() < 0.7:
        for minute, _ in _times(draw, minutes, draw.choice((8.0, 20.0, 60.0))):
            yield Disturbance(kind="owner", minute=minute, salt=_salt(draw))


def _fault(draw: random.Random, span: tuple[float, float], fault: Fault, share: float, *endpoints: str) -> Disturbance:
    args: dict[str, Any] = {"fault": fault.value, "probability": round(share, 4)}
    if endpoints:
        args["endpoints"] = list(endpoints)
    return Disturbance(kind="fault", minute=span[0], until=span[1], salt=_salt(draw), args=args)


_USUAL = [fault for fault in Fault if fault not in LIES]


def _steady(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """A few faults all day long, rarely each."""
    for fault in draw.sample(_USUAL, draw.randrange(2, 14)):
        is_rare = not fault.applies_to(Endpoint.TIME)
        probability = draw.uniform(0.01, 0.25) if is_rare else draw.uniform(0.0005, 0.006)
        yield _fault(draw, (0.0, float(minutes)), fault, probability)


def _losses(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """Answers to orders and cancels get lost all day long."""
    for fault in draw.sample(LOSING, draw.randrange(1, 5)):
        yield _fault(draw, (0.0, float(minutes)), fault, draw.uniform(0.02, 0.15), *_POSTS)


def _hail(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """Half of all answers to orders are lost or late, all day long; for some minutes all are late."""
    for fault in _LOSING_OR_LATE:
        yield _fault(draw, (0.0, float(minutes)), fault, draw.uniform(0.05, 0.12), *_POSTS)
    for span in _times(draw, minutes, 100.0, (5.0, 10.0)):
        yield _fault(draw, span, Fault.LATE_ANSWER, 1.0, *_POSTS)


_LOSING_OR_LATE = (*(fault for fault in LOSING if fault is not Fault.LOST_BEFORE), Fault.LATE_ANSWER)
"""An order that never arrived keeps its product waiting for minutes: it is left to the others to lose those."""

_OF_LISTS = (
    Fault.FILLS_MISSING,
    Fault.FILLS_REPEATED,
    Fault.FILLS_SHUFFLED,
    Fault.ORDER_MISSING,
    Fault.CURSOR_REPEATED,
)


def _bad_lists(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """Lists of fills and orders come with rows missing, twice, or in another order, all day long."""
    for fault in draw.sample(_OF_LISTS, draw.randrange(1, 4)):
        yield _fault(draw, (0.0, float(minutes)), fault, draw.uniform(0.02, 0.4))


def _storms(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """Minutes in which the exchange does nearly nothing right."""
    for begin, end in _times(draw, minutes, draw.choice((15.0, 40.0, 120.0)), (0.5, 6.0)):
        for fault in draw.sample(_USUAL, draw.randrange(1, 7)):
            yield _fault(draw, (begin, end), fault, draw.uniform(0.02, 0.5))


_ENDPOINTS = (
    Endpoint.CREATE,
    Endpoint.CANCEL,
    Endpoint.ORDERS,
    Endpoint.ORDER,
    Endpoint.FILLS,
    Endpoint.ACCOUNTS,
    Endpoint.CANDLES,
    Endpoint.BEST_BID_ASK,
    Endpoint.TIME,
)
_SILENT = (
    Fault.UNAVAILABLE,
    Fault.REFUSED,
    Fault.LOST_BEFORE,
    Fault.LOST_AFTER,
    Fault.LATE_ANSWER,
    Fault.RATE_LIMITED,
)


def _outages(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """Endpoints are turned off one by one, and on again in another order."""
    for begin, end in _times(draw, minutes, 150.0, (4.0, 12.0)):
        for endpoint in draw.sample(_ENDPOINTS, draw.randrange(1, 6)):
            fault = draw.choice(_SILENT)
            off, on = sorted((draw.uniform(begin, end), draw.uniform(begin, end)))
            yield _fault(draw, (round(off, 3), round(on, 3)), fault, 1.0, endpoint.value)


def _no_guards(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """For a while every order fails after it was accepted, or most are refused: what was bought cannot be guarded."""
    for begin, end in _times(draw, minutes, 200.0, (6.0, 30.0)):
        if draw.random() < 0.5:
            yield _fault(draw, (begin, end), Fault.FAILED_LATER, 1.0)
        else:
            yield _fault(draw, (begin, end), Fault.POST_ONLY_REJECT, 0.9)


def _slow_quotes(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """For a while each look at the quotes takes so long that the cycle's time is up."""
    for begin, end in _times(draw, minutes, 200.0, (3.0, 10.0)):
        yield _fault(draw, (begin, end), Fault.LATE_ANSWER, 1.0, Endpoint.BEST_BID_ASK.value)


def _lies(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    minute = draw.uniform(0.3, 0.95) * minutes
    fault = draw.choice(list(LIES))
    yield _fault(draw, (round(minute, 3), round(minute + 60.0, 3)), fault, 0.6)


def _products(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for begin, end in _times(draw, minutes, draw.choice((40.0, 150.0)), (2.0, 15.0)):
        yield Disturbance(
            kind="product", minute=begin, until=end, salt=_salt(draw), args={"change": draw.choice(PRODUCT_CHANGES)}
        )


def _echoes(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for minute, _ in _times(draw, minutes, 60.0):
        yield Disturbance(kind="echo", minute=minute)


def _drifts(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for begin, end in _times(draw, minutes, 300.0, (2.0, 20.0)):
        seconds = draw.choice((-1, 1)) * draw.choice((0.5, 4.0, 4.9, 5.0, 5.1, 8.0, 29.0, 31.0, 130.0))
        yield Disturbance(kind="drift", minute=begin, until=end, args={"seconds": seconds})


# --- the process ------------------------------------------------------------------------------------------------------


def _stops(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """An orderly stop, at any moment or in those seconds of a minute in which orders are followed."""
    for minute, _ in _times(draw, minutes, 150.0):
        moment = minute if draw.random() < 0.5 else int(minute) + round(draw.uniform(0.03, 0.2), 3)
        yield Disturbance(kind="stop", minute=moment, args={"pause": draw.choice((0.0, 0.0, 1.0, 6.0))})


def _crashes(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """The process or the machine ends: at any request, around an order or a cancel, or at a call to a file."""
    for minute, _ in _times(draw, minutes, draw.choice((90.0, 180.0, 360.0))):
        args: dict[str, Any] = {"power": draw.random() < 0.5, "down": draw.choice((0.0, 0.0, 0.5, 4.0))}
        where = draw.choice(("any", "order", "call", "call", "file"))
        if where in ("any", "order"):
            args |= {"calls": draw.randrange(1, 40 if where == "any" else 4), "after_the_answer": draw.random() < 0.6}
            args["at"] = "" if where == "any" else draw.choice((*_POSTS, Endpoint.CREATE.value))
        else:
            name = draw.choice(_FILE_CALLS) if where == "call" else ""
            args |= {"name": name, "file": draw.choice(CRASH_FILES) if where == "file" else ""}
            args["calls"] = draw.randrange(1, 12 if name else 60 if args["file"] else 150)
            args["written"] = draw.choice((0.0, 0.0, 0.4, 0.99, 1.0))
        if draw.random() < 0.3:
            args["chain"] = [draw.randrange(1, 70) for _ in range(draw.randrange(1, 4))]
        yield Disturbance(kind="crash", minute=minute, salt=_salt(draw), args=args)


def _defects(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """A defect that nobody thought of: an exception in the middle of some cycles."""
    for minute, _ in _times(draw, minutes, draw.choice((100.0, 300.0))):
        args = {
            "at": draw.choice(("", "", *_POSTS)),
            "when": draw.choice(("before", "after")),
            "times": draw.choice((1, 1, 2, 3)),
        }
        yield Disturbance(kind="defect", minute=minute, args=args)


def _frozen(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for minute, _ in _times(draw, minutes - 60, 400.0):
        yield Disturbance(kind="frozen", minute=minute, args={"minutes": draw.choice((0.1, 0.7, 3.0, 20.0))})


def _jumps(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for begin, end in _times(draw, minutes - 90, 400.0, (1.0, 12.0)):
        span = draw.choice((0.9, 3.0, 5.0, 6.0, 29.0, 31.0, 65.0, 600.0, 3000.0))
        yield Disturbance(kind="jump", minute=begin, until=end, args={"seconds": draw.choice((-1, 1)) * span})


# --- people and disks -------------------------------------------------------------------------------------------------


def _kills(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for begin, end in _times(draw, minutes, draw.choice((60.0, 200.0)), (1.2, 9.0)):
        where = draw.choice(("wait", "any", Endpoint.CREATE.value, Endpoint.CREATE.value, Endpoint.CANCEL.value))
        when = "after" if where == Endpoint.CREATE.value else draw.choice(("before", "after"))
        args: dict[str, Any] = {"text": draw.choice(KILL_TEXTS), "where": where, "when": when}
        args["requests"] = draw.randrange(1, 40 if where == "any" else 4)
        yield Disturbance(kind="kill", minute=begin, until=end, args=args)


def _seconds(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for minute, _ in _times(draw, minutes, 400.0):
        yield Disturbance(kind="second", minute=minute)


def _unlocked(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    yield Disturbance(kind="unlocked", minute=round(draw.uniform(0.1, 0.9) * minutes, 3))


def _edits(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for begin, end in _times(draw, minutes, 400.0, (3.0, 30.0)):
        yield Disturbance(kind="config", minute=begin, until=end, args={"edit": draw.choice(EDITS)})


def _disk(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for begin, end in _times(draw, minutes, 400.0, (0.5, 6.0)):
        args = {"what": draw.choice(KINDS), "times": draw.choice((1, 1, 3, 1 << 20))}
        yield Disturbance(kind="disk", minute=begin, until=end, args=args)


def _room(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    """The disk gets nearly full: the last room is kept for what must be written."""
    for begin, end in _times(draw, minutes, 300.0, (1.5, 12.0)):
        yield Disturbance(kind="room", minute=begin, until=end, args={"what": draw.choice(ROOMS)})


def _damage(draw: random.Random, minutes: int) -> Iterator[Disturbance]:
    for minute, _ in _times(draw, minutes, 400.0):
        yield Disturbance(kind="damage", minute=minute, args=draw_damage(draw))


_KINDS: tuple[tuple[float, Callable[[random.Random, int], Iterator[Disturbance]]], ...] = (
    (0.5, _steady),
    (0.6, _losses),
    (0.25, _bad_lists),
    (0.4, _storms),
    (0.3, _outages),
    (0.2, _no_guards),
    (0.15, _slow_quotes),
    (0.1, _lies),
    (0.45, _products),
    (0.3, _echoes),
    (0.15, _drifts),
    (0.4, _stops),
    (0.85, _crashes),
    (0.25, _defects),
    (0.2, _frozen),
    (0.2, _jumps),
    (0.4, _kills),
    (0.2, _seconds),
    (0.15, _unlocked),
    (0.3, _edits),
    (0.45, _disk),
    (0.25, _room),
    (0.3, _damage),
)
"""The chance that a seed has any of a kind, and what is drawn then."""
