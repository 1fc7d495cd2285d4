"""A branch of the history: a forked child takes over what was left, starts the program, and lives on until quiet."""

import gc
import os
import pickle
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from core.errors import TraderError
from tests.crash_sweep.laws import broken_laws
from tests.crash_sweep.left import FOLDERS, Left
from tests.crash_sweep.world import Point, World
from tests.loopback.journal_tail import JournalTail
from tests.loopback.oracle import unsettled

CONFIG, KEY_FILE = "config", "coinbase_key.json"
CYCLES_MAX = 14
"""Within so many minutes without faults everything must be settled: an order in doubt takes some five."""

RESTART_TAKES = timedelta(milliseconds=250)
"""No process begins at the moment at which the one before it began."""

SECONDS_MAX = 60
"""Of real time, for one branch."""


@dataclass(slots=True)
class Verdict:
    """What came of a branch: what is wrong, in words, and which way the restart took."""

    violations: list[str] = field(default_factory=list)
    trace: tuple[tuple[str, str], ...] = ()
    again: list[tuple[str, str, str]] = field(default_factory=list)
    """What is wrong after a second crash, inside the restart: its code, where it was, and the sentence."""
    figures: Counter[str] = field(default_factory=Counter)


class Children:
    """Forked children that each return a verdict by a file; at most so many at a time."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._folder = folder
        self._jobs = jobs
        self._running: dict[int, Callable[[Verdict], None]] = {}

    def start(self, work: Callable[[Path], Verdict], then: Callable[[Verdict], None]) -> None:
        """Let a child do something in a folder of its own; its verdict is handed on when it has ended."""
        if self.go_on_in_a_child(then):
            self.leave_after(work)

    def go_on_in_a_child(self, then: Callable[[Verdict], None]) -> bool:
        """Fork; return True in the child, which must come to an end by `leave_after`."""
        while len(self._running) >= self._jobs:
            self._collect()
        child = os.fork()
        if child == 0:
            gc.disable()
            signal.alarm(SECONDS_MAX)
            self._running = {}
            return True
        self._running[child] = then
        return False

    @property
    def own_folder(self) -> Path:
        """Return where a child may write; it is removed when the child leaves."""
        return self._folder / str(os.getpid())

    def leave_after(self, work: Callable[[Path], Verdict]) -> NoReturn:
        """Do the last work of a child, leave its verdict, and never return into the history."""
        code = 1
        try:
            try:
                verdict = work(self.own_folder)
            except BaseException:  # noqa: BLE001 - whatever it is, it belongs into the verdict
                verdict = Verdict([f"sweep: {traceback.format_exc()}"])
            (self._folder / f"{os.getpid()}.verdict").write_bytes(pickle.dumps(verdict))
            _remove(self.own_folder)
            code = 0
        finally:
            os._exit(code)

    def finish(self) -> None:
        """Wait for all."""
        while self._running:
            self._collect()

    def _collect(self) -> None:
        child, status = os.wait()
        then = self._running.pop(child, None)
        if then is None:
            return  # of another sweep, which was given up
        answer = self._folder / f"{child}.verdict"
        if os.waitstatus_to_exitcode(status) or not answer.exists():
            then(Verdict([f"sweep: the child ended with {os.waitstatus_to_exitcode(status)} and no verdict"]))
            return
        then(pickle.loads(answer.read_bytes()))  # noqa: S301 - from ourselves
        answer.unlink()


def take_over(world: World, left: Left, folder: Path) -> None:
    """Be the machine after the process death or power loss: other folder, nothing open, no fault."""
    disk = world.disk
    write_folders(left, folder, world.home)
    world.taken_over = left.files
    world.lost_power |= left.is_power_loss
    os.chdir(folder)
    disk.end_process()
    if left.is_power_loss:
        disk.forget_unsynced()
    elif left.torn is not None:
        disk.torn(left.torn, len(left.files[left.torn]))
    be_healthy(world)
    world.desk.clock.wait_until(world.desk.clock.now() + RESTART_TAKES, lambda: True)


def be_healthy(world: World) -> None:
    """Let no fault strike any more, and nobody remember what the records said before."""
    desk = world.desk
    desk.exchange.faults.clear()
    desk.witness.journal = JournalTail(desk.folder / "data" / "journal.jsonl")


def write_folders(left: Left, folder: Path, home: Path) -> None:
    """Write the folders as they were left, private as the program made them; the configuration is shared."""
    for path, content in left.files.items():
        target = folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    for folder_name in FOLDERS:
        (folder / folder_name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / CONFIG).symlink_to(home / CONFIG)
    shutil.copy2(home / KEY_FILE, folder / KEY_FILE)


def _remove(folder: Path) -> None:
    os.chdir(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)


def live_on(world: World) -> list[str]:
    """Start the program on what is there, let it run until everything is settled, and judge."""
    desk = world.desk
    begin = int(desk.minutes())
    for minute in range(begin + 1, begin + CYCLES_MAX + 2):
        desk.clock.at(minute + 0.97, lambda: _stop_when_quiet(world))
    try:
        desk.play(CYCLES_MAX)
    except TraderError as error:
        return [f"refused: {type(error).__name__}: {error}", *world.problems, *desk.witness.problems]
    world.reached = nothing
    try:
        return broken_laws(world)
    except TraderError as error:
        return [f"unreadable: {type(error).__name__}: {error}"]


def _stop_when_quiet(world: World) -> None:
    desk = world.desk
    if desk.loop is not None and not desk.kill_file.exists() and not unsettled(desk):
        desk.loop.stop("quiet")


def nothing(_point: Point) -> None:
    return
