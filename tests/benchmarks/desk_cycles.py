"""Cycles taken apart inside this process: what deciding costs without market and disk, and what the syncs cost."""

import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TypeVar

from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.records import CycleStarted
from core.ports import MarketData
from core.settings import Mode
from runner.cycle import Cycle
from runner.desk import Desk
from runner.options import RunOptions
from runner.records import durable_files
from runner.stages import planning
from runner.stages.closing import store_and_audit
from runner.stages.guards import breakers, exits_and_upkeep, guard, reconcile
from runner.stages.ideas import execute, risk, rules, triggers, universe
from runner.venues.choice import open_outside
from runner.wiring import load_configuration, open_desk

T = TypeVar("T")


class TimedMarket:
    """A market whose CPU time is added up, so that it can be taken off."""

    def __init__(self, market: MarketData) -> None:
        self.nanoseconds = 0
        self._market = market

    @property
    def venue(self) -> str:
        return self._market.venue

    def products(self) -> Sequence[Product]:
        return self._timed(self._market.products)

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        return self._timed(lambda: self._market.candles(product_ids, since))

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        return self._timed(lambda: self._market.quotes(product_ids))

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        return self._timed(lambda: self._market.books(product_ids))

    def _timed(self, call: Callable[[], T]) -> T:
        began = time.process_time_ns()
        try:
            return call()
        finally:
            self.nanoseconds += time.process_time_ns() - began


@dataclass(slots=True)
class Decisions:
    """Milliseconds of deciding, one per cycle, and in how many of them something was proposed, approved, ordered."""

    milliseconds: list[float] = field(default_factory=list)
    proposed: int = 0
    approved: int = 0

    def text(self) -> str:
        ordered = sorted(self.milliseconds)
        figures = {"median": statistics.median(ordered), "p99": ordered[int(len(ordered) * 0.99)], "max": ordered[-1]}
        words = ", ".join(f"{name} {value:.3f} ms" for name, value in figures.items())
        return f"{words} ({len(ordered)} cycles, {self.proposed} with proposals, {self.approved} with approvals)"


def decisions(config_dir: Path, folder: Path, cycles: int) -> Decisions:
    """Play cycles in virtual time and measure universe, triggers, rules, risk and plan, the market's part taken off."""
    found = Decisions()
    with _desk(config_dir, folder, speed="max") as (desk, market):
        for number in range(cycles + 1):
            cycle = _begin(desk, waits=True)
            began, asked = time.process_time_ns(), market.nanoseconds
            _decide(cycle, desk)
            spent = time.process_time_ns() - began - (market.nanoseconds - asked)
            if number:  # the first one asks for a day of candles
                found.milliseconds.append(spent / 1e6)
                found.proposed += bool(cycle.rules and cycle.rules.proposals)
                found.approved += bool(cycle.assessment and cycle.assessment.approved)
            if not cycle.is_over:
                execute(cycle, desk)
            store_and_audit(cycle, desk)
    return found


def _decide(cycle: Cycle, desk: Desk) -> None:
    universe(cycle, desk)
    triggers(cycle, desk)
    breakers(cycle, desk)  # writes nothing while nothing trips
    for stage in (rules, risk):
        if not cycle.is_over:
            stage(cycle, desk)
    if not cycle.is_over and cycle.assessment is not None:
        planning.entries(cycle.assessment.approved, cycle, desk)


@dataclass(slots=True)
class Syncs:
    """Milliseconds of each fsync, cycle by cycle, beside as many bare ones."""

    cycles: list[list[float]]
    bare: list[float]

    def text(self) -> str:
        counts = sorted(len(cycle) for cycle in self.cycles)
        spent = [sum(cycle) for cycle in self.cycles]
        return (
            f"{statistics.median(counts):.0f} fsyncs in a quiet cycle (at most {counts[-1]}, with a snapshot), "
            f"{statistics.median(spent):.2f} ms (max {max(spent):.2f}); a bare write with fsync: "
            f"{statistics.median(self.bare):.2f} ms"
        )


def syncs(config_dir: Path, folder: Path, cycles: int) -> Syncs:
    """Play quiet cycles on the real clock's wiring, without waiting for their slots, and time every sync."""
    each: list[list[float]] = []
    with _timed_syncs() as spent, _desk(config_dir, folder, speed="real") as (desk, _):
        for _ in range(cycles):
            spent.clear()
            cycle = _begin(desk, waits=False)
            _decide(cycle, desk)
            store_and_audit(cycle, desk)
            each.append(list(spent))
    return Syncs(each[1:], _bare_syncs(folder / "bare", cycles))


@contextmanager
def _timed_syncs() -> Iterator[list[float]]:
    spent: list[float] = []
    original = durable_files.sync

    def sync(descriptor: int) -> None:
        began = time.perf_counter()
        original(descriptor)
        spent.append((time.perf_counter() - began) * 1e3)

    durable_files.sync = sync
    try:
        yield spent
    finally:
        durable_files.sync = original


def _bare_syncs(path: Path, times: int) -> list[float]:
    descriptor, spent = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), []
    for _ in range(times):
        began = time.perf_counter()
        os.write(descriptor, b"x" * 1499 + b"\n")
        os.fsync(descriptor)
        spent.append((time.perf_counter() - began) * 1e3)
    os.close(descriptor)
    return spent


@contextmanager
def _desk(config_dir: Path, folder: Path, speed: str) -> Iterator[tuple[Desk, TimedMarket]]:
    configuration = load_configuration(config_dir)
    options = RunOptions(
        market="simulated", speed=speed, config_dir=config_dir, data_dir=folder / "data", logs_dir=folder / "logs"
    )
    outside = open_outside(configuration.settings, options, Mode.PAPER)
    market = TimedMarket(outside.market)
    world = dataclasses.replace(outside, market=market)
    with redirect_stdout(StringIO()), open_desk(configuration, options, lambda: None, world) as desk:
        yield desk, market
    sys.stdout.flush()


def _begin(desk: Desk, *, waits: bool) -> Cycle:
    """Start a cycle as the loop does, up to where deciding begins."""
    last = desk.book.ledger.last_slot
    tick = desk.grid.first_tick(desk.clock.now(), last)
    if waits:
        desk.clock.wait_until(tick.starts_at, lambda: True)
    cycle = Cycle.begin(tick, desk.clock, desk.settings.app.loop.cycle_deadline_seconds)
    desk.book.record(CycleStarted(at=cycle.started_at, slot=tick.slot), durable=False)
    for stage in (guard, reconcile, exits_and_upkeep):
        stage(cycle, desk)
    return cycle
