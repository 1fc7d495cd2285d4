"""The world of the sweep: one LIVE account on the simulated Coinbase, on a disk that can fail, as small as possible."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

from runner.adapters.simulated_coinbase.routes import Endpoint, route
from runner.wire import HttpRequest
from tests.crash_sweep.quick import make_quick
from tests.fakes.disk import Disk
from tests.fakes.spy_os import Call
from tests.loopback.live_desk import LiveDesk, open_live_desk

SEED = 248
"""Of this market the first minutes have all that the history needs: partial fills, guards in two parts, exits."""

CHANGES: Mapping[str, object] = {
    **{f"signals.strategies.{name}.max_hold_minutes": 2 for name in ("price_move", "momentum", "mean_reversion")},
    "signals.triggers.price_move_15m_pct": 0.1,
    "signals.triggers.price_move_60m_pct": 0.2,
    "signals.triggers.breakout_lookback_minutes": 60,
    "signals.triggers.momentum_minutes": 60,
    "signals.triggers.mean_reversion_minutes": 60,
    "policy.risk.per_symbol_cooldown_minutes": 0,
    "policy.execution.max_requotes": 1,
    "policy.execution.maker_ttl_seconds": 4,
    "app.state.snapshot_every_cycles": 2,
    "app.tape.keep_mb": 100,
}

CARELESS = ("data/247trader-v2.pid", "logs/live_247trader-v2.log")
"""For people alone: what is left of it decides nothing."""

TAPE = "data/tape"
"""Of its content a start reads nothing: each of its states comes with another one of the rest."""

Reached = Callable[["Point"], None]


@dataclass(frozen=True, slots=True)
class Point:
    """
    One place where the process may end: before a file call, before a request leaves, or when it has arrived.

    `part`: what the program was doing, see `PARTS`. `call` is the file call, None of a request.
    """

    number: int
    part: str
    name: str
    where: str
    call: Call | None = None

    def __str__(self) -> str:
        return f"{self.number} {self.name} {self.where} ({self.part})"


PARTS = ("start", "cycle", "recovery", "rotation", "kill", "shutdown")
_ROTATING = frozenset(("_create", "end_file", "_end_file", "_rename_ended", "turn_over"))
_ENDING = frozenset(("finish_run", "release"))
_IN_THE_LOOP = frozenset(("run_cycle", "_ticks"))
"""Functions of the program by which a call is told to be part of something."""


@dataclass(slots=True, kw_only=True)
class World:
    """The account, its disk, and the numbering of everything that reaches outside."""

    desk: LiveDesk
    disk: Disk
    home: Path
    is_recovering: bool = False
    """Whether the start to come is one after a crash."""
    points: int = 0
    posts: int = 0
    """Requests that may have changed something at the exchange."""
    reached: Reached = field(default=lambda _point: None)
    problems: list[str] = field(default_factory=list)
    taken_over: dict[str, bytes] = field(default_factory=dict)
    """What a branch found in its folder."""
    lost_power: bool = False
    """Whether a branch began with a power loss."""
    decided_again: int = 0
    """Cycles that `tools.replay` decided as they were decided."""
    ended: Callable[[BaseException | None], NoReturn] | None = None
    """What a branch does that is in the middle of a run when this run has ended; None in the history itself."""

    def play(self, cycles: int) -> None:
        """Start the program and let it do so many cycles, or less in a branch."""
        try:
            self.desk.play(cycles)
        except BaseException as error:
            if self.ended is not None:
                self.ended(error)
            raise
        if self.ended is not None:
            self.ended(None)
        self.disk.end_process()

    def watch(self) -> None:
        """Number every file call and every request from now on."""
        self.disk.on_call = self._file_call
        self.desk.wire.about_to_leave = lambda request: self._request("about to leave", request)
        self.desk.wire.arrived = lambda request: self._request("arrived", request)

    def _file_call(self, call: Call) -> None:
        self.points += 1
        self.reached(Point(self.points, self._part_now(), call.name, call.path, call))

    def _request(self, name: str, request: HttpRequest) -> None:
        self.points += 1
        where = f"{request.method} {request.target.partition('?')[0]}"
        if name == "arrived":
            self.posts += request.method == "POST"
        elif route(request.method, request.target).endpoint is Endpoint.CREATE:
            self._judge_create(request)
        self.reached(Point(self.points, self._part_now(), name, where))

    def _judge_create(self, request: HttpRequest) -> None:
        """No byte of an order leaves before its intent is on the disk, whatever happens to the power (L2)."""
        name = json.loads(request.body)["client_order_id"].encode("ascii")
        journal = (content for path, content in self.disk.on_disk().items() if path.startswith("data/journal"))
        if not any(name in content for content in journal):
            self.problems.append(f"intent_not_durable: {name.decode()} is sent, a power loss now would lose its intent")

    def _part_now(self) -> str:
        inside = functions_on_the_way()
        if inside & _ROTATING:
            return "rotation"
        if inside & _ENDING:
            return "shutdown"
        if inside & _IN_THE_LOOP:
            return "kill" if self.desk.kill_file.exists() else "cycle"
        return "recovery" if self.is_recovering else "start"


def functions_on_the_way() -> set[str]:
    """Return the names of all functions that are being called."""
    names = set()
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Open the account below a folder, which must be the working directory's `.` for branches to move it."""
    with ExitStack() as stack:
        make_quick(stack)
        desk = stack.enter_context(
            open_live_desk(folder, seed=SEED, over_sockets=False, products=2, changes=CHANGES, is_durable=True)
        )
        disk = Disk(folder, careless=CARELESS, by_turns=TAPE)
        stack.enter_context(disk.installed())
        yield World(desk=desk, disk=disk, home=Path.cwd())
