"""One run of LIVE against the exchange, as asked for, and what came of it in figures."""

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from runner.adapters.simulated_coinbase.behaviour import Behaviour, DuplicateAnswer, Lags
from tests.loopback.live_desk import LiveDesk, open_live_desk
from tests.loopback.oracle import lines_of, unsettled, violations
from tests.loopback.storms import Rules, schedule, storms_of, tour
from tests.loopback.troubles import cut_power_often, random_moments, touch_kill_files, trouble_products

CALM_MINUTES = 15
"""So long before the end nothing goes wrong any more: by then everything must be settled."""

SETTLING_CYCLES = 10
"""What the last cycle ordered is known in the next one; which may order something, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What a run is made of.

    `is_tour`: every fault strikes once. `lag_seconds`: how late the exchange shows fills; the other lags go with it.
    `..._every`: minutes from one to the next on average, None for never.
    """

    seed: int
    cycles: int
    over_sockets: bool = False
    is_tour: bool = False
    storms: Mapping[str, Rules] = field(default_factory=dict)
    steady: Rules = field(default_factory=dict)
    calm_minutes: float = 12.0
    lag_seconds: float = 0.0
    products_every: float | None = None
    kills_every: float | None = None
    cuts_every: float | None = None
    stops_every: float | None = None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The figures of a run."""

    plan: Plan
    folder: Path
    violations: list[str]
    cycles: int
    statuses: Counter[str]
    reasons: Counter[str]
    requests: Counter[str]
    orders: Counter[str]
    outcomes: Counter[str]
    fills: int
    rejections: Counter[str]
    faults: Counter[str]
    unknown_found: int
    unknown_absent: int
    naked_minutes: Counter[str]
    unprotected_seconds: float
    alerts: Counter[str]
    breakers: Counter[str]
    states: Counter[str]
    starts: int
    crashes: int
    refused_starts: Counter[str]
    products: Counter[str]
    kills: Counter[str]
    owner: Counter[str]


def run(plan: Plan, folder: Path) -> Outcome:
    """Play a plan in a folder of its own and judge it."""
    with _open(plan, folder) as desk:
        desk.keep_owner_busy(plan.cycles)
        bad = plan.cycles - CALM_MINUTES
        if plan.storms:
            storms = storms_of(plan.seed, bad, plan.storms, calm=plan.calm_minutes)
            schedule(storms, plan.steady, bad, desk.exchange.faults, desk.at)
        if plan.is_tour:
            tour(bad, desk.exchange.faults, desk.at)
        products: Counter[str] = Counter()
        if plan.products_every is not None:
            products = trouble_products(desk, bad, every=plan.products_every)
        kills: Counter[str] = Counter()
        if plan.kills_every is not None:
            kills = touch_kill_files(desk, bad, every=plan.kills_every)
        if plan.cuts_every is not None:
            cut_power_often(desk, bad, every=plan.cuts_every)
        stops = [] if plan.stops_every is None else random_moments(desk.draw, bad, every=plan.stops_every)
        for minute in (*stops, plan.cycles):
            desk.play_through(minute)
        for extra in range(SETTLING_CYCLES):
            if not unsettled(desk):
                break
            desk.play_through(plan.cycles + extra + 1)
        return _outcome(plan, desk, products, kills)


def _open(plan: Plan, folder: Path) -> AbstractContextManager[LiveDesk]:
    lag = timedelta(seconds=plan.lag_seconds)
    behaviour = Behaviour(
        lags=Lags(order=lag / 3, fills=lag, balances=lag * 4 / 3, pending=lag / 3, cancel=lag / 2),
        duplicates=DuplicateAnswer.REJECT if plan.seed % 2 else DuplicateAnswer.FIRST_ORDER,
        answers_late_by=timedelta(seconds=30),
        acts_late_by=timedelta(seconds=4),
    )
    return open_live_desk(folder, seed=plan.seed, over_sockets=plan.over_sockets, behaviour=behaviour)


def _outcome(plan: Plan, desk: LiveDesk, products: Counter[str], kills: Counter[str]) -> Outcome:
    found = violations(desk)
    lines, seen, journal = lines_of(desk), desk.witness.seen, desk.witness.journal
    unknown = [written for written in journal.intents.values() if "UNKNOWN" in written.outcomes or not written.outcomes]
    return Outcome(
        plan=plan,
        folder=desk.folder,
        violations=found,
        cycles=len(lines),
        statuses=Counter(line["status"] for line in lines),
        reasons=Counter(line["no_trade_reason"] for line in lines if line["no_trade_reason"]),
        requests=Counter({endpoint.value: n for endpoint, n in desk.exchange.traffic.requests.items()}),
        orders=seen.orders_by_purpose,
        outcomes=Counter(outcome for written in journal.intents.values() for outcome in written.outcomes),
        fills=len(desk.witness.books.executed),
        rejections=seen.rejections,
        faults=Counter({fault.value: n for fault, n in desk.exchange.faults.counts.items()}),
        unknown_found=sum(written.outcomes[-1:] == ["ACCEPTED"] for written in unknown),
        unknown_absent=sum(written.outcomes[-1:] == ["ABSENT"] for written in unknown),
        naked_minutes=Counter(naked.why for naked in seen.naked),
        unprotected_seconds=sum(line["unprotected_seconds"] or 0 for line in lines),
        alerts=Counter(code for line in lines for code in line["alerts"]),
        breakers=Counter(name for line in lines for name in line["breakers"]),
        states=Counter(line["trading_state"] for line in lines),
        starts=desk.starts,
        crashes=desk.crashes,
        refused_starts=Counter(reason.partition(":")[0] for reason in desk.refused_starts),
        products=products,
        kills=kills,
        owner=desk.owner.did,
    )
