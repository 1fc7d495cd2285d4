"""One run: the account, the exchange, the disk, the clocks, and the bot that is started again whatever ends it."""

import contextlib
import importlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast
from unittest.mock import patch

from core.errors import ConfigError, ExitCode, TraderError
from core.model.guards import DiskRoom
from runner.adapters.coinbase.credentials import KEY_VARIABLE, SECRET_VARIABLE
from runner.adapters.process_facts import disk_room
from runner.adapters.simulated_coinbase.access import Access
from runner.adapters.simulated_coinbase.account_keys import AccountKey, make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour, DuplicateAnswer, Lags
from runner.adapters.simulated_coinbase.faults import FaultPlan
from runner.adapters.simulated_coinbase.routes import Endpoint
from runner.desk import Desk
from tests.fakes.disk import Disk
from tests.fakes.spy_os import Call, Crash
from tests.loopback.live_desk import LiveDesk, open_live_desk
from tests.loopback.oracle import lines_of
from tests.simulation.caches import cached
from tests.simulation.cheap_access import CheapAccess, cheap_client
from tests.simulation.plan import Plan
from tests.simulation.wandering_clock import WanderingClock
from tests.simulation.windowed_faults import WindowedFaults

KILL_FILE = "data/KILL_SWITCH"
PAUSE = timedelta(minutes=1)
"""After an end that was not asked for the bot is started again this much later, as a supervisor would."""

IDLE_STARTS_MAX = 400
"""A run whose bot does not get anywhere ends as one that did not finish."""


@dataclass(slots=True, kw_only=True)
class ArmedCrash:
    """
    The process ends at the `calls`-th file call of a kind to a file, or at the `calls`-th request.

    `name` and `file` are those of the file call, "" stands for any; `endpoint` and `when` those of the request, with ""
    for any; `is_at_request` says which of the two is meant. `is_power`: with it the machine ends, and what was not
    synced. `written`: the share of a write that still gets there. `chain`: so many calls after each of the next starts
    it ends again.
    """

    calls: int
    is_power: bool
    salt: int
    is_at_request: bool = False
    name: str = ""
    file: str = ""
    endpoint: str = ""
    when: str = ""
    written: float = 0.0
    chain: list[int] = field(default_factory=list)
    down_minutes: float = 0.0


@dataclass(slots=True, kw_only=True)
class Defect:
    """The next `times` requests to an endpoint ("": any) end in an exception that nobody expects."""

    endpoint: str
    when: str
    times: int


class PlantedDefect(Exception):
    """Stands for whatever may be wrong in the program itself."""


FileFault = Callable[[Call], None]
"""Looks at a file call and raises what it does to it."""


@dataclass(slots=True)
class World:
    """A run under way. `reached` counts what should be reached sometimes, `problems` are violations so far."""

    plan: Plan
    desk: LiveDesk
    disk: Disk
    clock: WanderingClock
    faults: WindowedFaults
    key: AccountKey
    reached: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)
    file_faults: list[FileFault] = field(default_factory=list)
    armed: ArmedCrash | None = None
    struck: ArmedCrash | None = None
    is_starting: bool = False
    is_running: bool = False
    crashed_in_start: bool = False
    is_over: bool = False
    ends: Counter[str] = field(default_factory=Counter)
    before_next_start: list[Callable[[], None]] = field(default_factory=list)
    pause: timedelta = timedelta(0)
    is_muted: bool = False
    kill_is_unreadable: bool = False
    room: DiskRoom | None = None
    """What the file system has left, where that is not the truth."""
    defects: list["Defect"] = field(default_factory=list)
    open_before: int | None = None
    cut_runs: dict[str, None] = field(default_factory=dict)
    """The runs that ended without an orderly end."""
    runs_without_tape: dict[str, None] = field(default_factory=dict)
    """Those of them after which the machine lost its power: the tape is not synced (runner/adapters/tape_files.py)."""

    def at(self, minute: float, action: Callable[[], None]) -> None:
        """Do something at a moment of true time, unless the run is over by then."""
        self.desk.at(minute, lambda: None if self.is_over else action())

    def during(self, begin_at: float, until: float, begin: Callable[[], None], undo: Callable[[], None]) -> None:
        """Let something last from a moment to another, or to the calm; it is undone once."""
        self.at(begin_at, lambda: self.lasting(until, begin, undo))

    def lasting(self, until: float, begin: Callable[[], None], undo: Callable[[], None]) -> None:
        """Let something begin now and last to a moment, or to the calm; it is undone once."""

        def end() -> None:
            self.undo.remove(undo)
            undo()

        begin()
        self.undo.append(undo)
        self.at(until, end)

    def calm_down(self) -> None:
        """Let nothing go wrong any more."""
        self.is_over = True
        while self.undo:
            self.undo.pop()()
        self.faults.clear()
        self.armed = None
        self.defects.clear()

    # --- playing ------------------------------------------------------------------------------------------------------

    def play_until(self, minute: float) -> None:
        """
        Let the bot run until a moment, and start it again whatever ends it before.

        Its end may come early: a wait that is cut short does what it waited for. It is then ordered anew.
        """
        is_ordered = False

        def end() -> None:
            nonlocal is_ordered
            is_ordered = False
            self.stop("the time is up")

        def order_end() -> None:
            nonlocal is_ordered
            if not is_ordered:
                is_ordered = True
                self.desk.at(minute, end)

        order_end()
        for _ in range(IDLE_STARTS_MAX):
            while self.before_next_start:
                self.before_next_start.pop(0)()
            if self.desk.minutes() >= minute:
                return
            order_end()
            self._run()
            self._rest(self.pause, minute)
            self.pause = timedelta(0)
        self.problems.append(f"not_finished: {IDLE_STARTS_MAX} starts, and it is minute {self.desk.minutes():g}")

    def _rest(self, pause: timedelta, minute: float) -> None:
        left = timedelta(minutes=minute - self.desk.minutes())
        if pause and left > timedelta(0):
            self.desk.clock.wait_until(self.desk.clock.now() + min(pause, left), lambda: True)

    def _run(self) -> None:
        """Start the bot and see it end; afterwards the next process may begin."""
        self.is_starting, self.is_running = True, True
        try:
            self.desk.play(1 << 30)
        except Crash:
            self.clear_up_after_crash()
        except TraderError as error:
            self._note_end(error)
            self._note_cut_run()
            self.disk.end_process()
            self.pause = PAUSE
        except PlantedDefect:  # not in a stage, which notes it in its line: it ends the process, with a traceback
            self.reached["defect in a start" if self.is_starting else "defect while the line was being made"] += 1
            self._note_cut_run()
            self.disk.end_process()
            self.pause = PAUSE
        else:
            self.reached["orderly stop"] += 1
            self.disk.end_process()
        finally:
            self.is_starting = self.is_running = False
            self.desk.loop = None

    def _note_end(self, error: TraderError) -> None:
        code = ExitCode(error.exit_code).name
        self.ends[f"{type(error).__name__} ({code}) {'at a start' if self.is_starting else 'while running'}"] += 1
        self.desk.refused_starts.append(f"{type(error).__name__}: {error}")
        self.reached[f"ended with {code}"] += 1
        if isinstance(error, ConfigError) and not self.reached["config: broken"]:
            self.problems.append(f"config_refused: {error}")

    def _note_cut_run(self) -> None:
        self.cut_runs |= dict.fromkeys(line["run_id"] for line in lines_of(self.desk)[-1:])

    def clear_up_after_crash(self, *, reads_lines: bool = True) -> None:
        """Leave what the crash leaves; `reads_lines` False: the records are damaged, and the start wrote nothing."""
        self.desk.crashes += 1
        crash, self.struck = self.struck, None
        if crash is None:
            raise AssertionError("a crash that nobody ordered")
        if reads_lines:
            self._note_cut_run()
        if crash.is_power:
            self.runs_without_tape |= self.cut_runs
            left = self.disk.power_loss(random.Random(crash.salt))  # noqa: S311 - a simulation
            self.reached["power loss that lost something" if left != "everything kept" else "power loss"] += 1
        else:
            self.disk.end_process()
        self.pause = timedelta(minutes=crash.down_minutes)
        if crash.chain:
            self.armed = ArmedCrash(
                calls=crash.chain[0],
                chain=crash.chain[1:],
                is_power=crash.is_power,
                written=crash.written,
                salt=crash.salt,
            )

    def stop(self, reason: str) -> None:
        """Ask the bot, where it runs, for an orderly end, as SIGTERM does."""
        if self.desk.loop is not None:
            self.desk.loop.stop(reason)

    # --- the hooks ----------------------------------------------------------------------------------------------------

    def on_file_call(self, call: Call) -> None:
        """Let what is planned happen to a file call."""
        if self.is_muted:
            return
        armed = self.armed
        if armed is not None and not armed.is_at_request and armed.name in ("", call.name) and armed.file in call.path:
            armed.calls -= 1
            if armed.calls <= 0:
                self.reached[f"crash in {_kind_of(call.path)}"] += 1
                self._note_crash(armed, f"at {call.name}")
                raise Crash(int(call.size * armed.written))
        if call.path.endswith(KILL_FILE):
            self.kill_is_unreadable = False
        for fault in self.file_faults:
            fault(call)

    def at_request(self, endpoint: Endpoint, when: str) -> None:
        """Let the process end at a request, or a defect show itself, where one is planned."""
        if self.is_muted:
            return
        armed = self.armed
        if armed is not None and armed.is_at_request and _is_meant(armed.endpoint, armed.when, endpoint, when):
            armed.calls -= 1
            if armed.calls <= 0:
                self.reached[f"crash {when} {endpoint.value if endpoint in _POSTS else 'another request'}"] += 1
                self._note_crash(armed, "at a request")
                self.disk.crash()
        for defect in self.defects:
            if _is_meant(defect.endpoint, defect.when, endpoint, when):
                defect.times -= 1
                self.defects = [one for one in self.defects if one.times > 0]
                self.reached[f"defect {when} {endpoint.value if endpoint in _POSTS else 'another request'}"] += 1
                raise PlantedDefect(endpoint.value)

    def _note_crash(self, armed: ArmedCrash, where: str) -> None:
        self.armed, self.struck = None, armed
        self.reached[f"crash {where}, {'power' if armed.is_power else 'process'}"] += 1
        if self.is_starting:
            self.reached["crash in a start or a recovery"] += 1
            self.reached["double crash in a start or a recovery"] += self.crashed_in_start
        self.crashed_in_start = self.is_starting
        if any(written.is_unresolved for written in self.desk.witness.journal.alive.values()):
            self.reached["crash during UNKNOWN"] += 1

    def opened(self, open_desk: Callable[[], AbstractContextManager[Desk]]) -> AbstractContextManager[Desk]:
        """Note when a start is over and the loop begins."""

        @contextmanager
        def noting() -> Iterator[Desk]:
            with open_desk() as desk:
                self.is_starting = False
                self.crashed_in_start = False
                yield desk

        return noting()


_POSTS = (Endpoint.CREATE, Endpoint.CANCEL)
_FILES = ("journal", "audit", "tape", ".state.json", "KILL_SWITCH", ".lock", ".pid")


def _is_meant(endpoint: str, when: str, asked: Endpoint, now: str) -> bool:
    return endpoint in ("", asked.value) and when == now


def _kind_of(path: str) -> str:
    """Return what a file is for, by its name."""
    return next((name.strip(".") for name in _FILES if name in path), "another file or a folder")


@contextmanager
def open_world(plan: Plan, folder: Path) -> Iterator[World]:
    """Open everything of a run; nothing is planned in it and nothing runs yet."""
    lag = timedelta(seconds=plan.lag_seconds)
    behaviour = Behaviour(
        lags=Lags(
            order=lag / 3,
            fills=lag,
            balances=lag * 4 / 3,
            pending=lag * 2 / 3,
            cancel=lag / 2,
            fills_vary=plan.lags_vary,
        ),
        duplicates=DuplicateAnswer.REJECT if plan.rejects_duplicates else DuplicateAnswer.FIRST_ORDER,
        answers_late_by=timedelta(seconds=30),
        acts_late_by=timedelta(seconds=4),
    )
    key = make_key("simulation")
    with ExitStack() as stack:
        desk = stack.enter_context(
            open_live_desk(
                folder,
                seed=plan.seed,
                over_sockets=False,
                products=plan.products,
                behaviour=behaviour,
                changes=plan.changes,
                begin=plan.begins_at,
                key=key,
            )
        )
        clock = WanderingClock(desk.clock)
        desk.bot_clock, desk.is_durable = clock, True
        desk.environ = {KEY_VARIABLE: key.name, SECRET_VARIABLE: key.secret}
        if not plan.is_signed:
            stack.enter_context(cheap_client(lambda: clock))
            desk.exchange.access = cast(Access, CheapAccess(key.api_key))
        stack.enter_context(cached())
        faults = WindowedFaults(desk.minutes)
        desk.exchange.faults = cast(FaultPlan, faults)
        disk = Disk(folder)
        world = World(plan, desk, disk, clock, faults, key)
        disk.on_call = world.on_file_call
        opening = importlib.import_module("runner.ports_opening")
        stack.enter_context(patch.object(opening, "disk_room", lambda *given: world.room or disk_room(*given)))
        open_desk = desk.open_desk
        desk.open = lambda *given: world.opened(lambda: open_desk(*given))
        stack.enter_context(disk.installed())
        stack.enter_context(contextlib.redirect_stdout(None))
        yield world
