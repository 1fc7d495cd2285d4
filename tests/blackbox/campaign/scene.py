"""
One account's life as it is played: exchange, line, the bot's folder and its processes, one after the other.

Whatever ends a process is held against what the README says of its exit code at once; the rest is judged at the end.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import ExitCode
from tests.blackbox.bot import LOOP, Bot, clean_environment
from tests.blackbox.campaign.line import Line, Trap
from tests.blackbox.campaign.plan import EraPlan, Moment
from tests.blackbox.campaign.stages import stage_of
from tests.blackbox.exchange import Exchange

READY = "System started"
PATIENCE_SECONDS = 300.0
"""For whatever must happen, on a machine that is busy with other things; longer is a process that hangs."""

GIVE_UP_SECONDS = 6.0
"""A moment that has not come by then is now."""

RECORD_LOOK_SECONDS = 0.0005
"""What a record announces is done within milliseconds."""

NOT_ANSWERED = (ExitCode.VENUE_UNAVAILABLE, ExitCode.REFUSED)
"""How a start may end while the exchange, or a busy machine, does not answer it in time."""

MOMENT = "moment"
DISK = tuple(code for code in ExitCode if code.name in ("IO", "DISK"))
UNWELCOME = ("Traceback (most recent call last)", "Exception ignored", "Fatal Python error", "Segmentation fault")
LEFTOVERS = ("*.tmp", "*.new")


@dataclass(slots=True, kw_only=True)
class Started:
    """
    A process of the bot, what it prints, and how much of the journal was there before it.

    `forgiven`: codes with which it may end by itself from now on, because of what was done to it.
    """

    number: int
    process: "subprocess.Popen[bytes]"
    printed: Path
    at: float
    records_before: int
    was_killed: bool = False
    forgiven: tuple[int, ...] = ()
    stopping: str = ""
    killed_at: float = float("inf")

    @property
    def text(self) -> str:
        return self.printed.read_text("utf-8", "replace")

    @property
    def is_ready(self) -> bool:
        return READY in self.text


@dataclass(slots=True, kw_only=True)
class Figures:
    """What is counted while an era is played."""

    starts: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    slowest_end: float = 0.0


class Scene:
    """Holds everything of an era; deeds and events are done to it."""

    def __init__(
        self, plan: EraPlan, *, folder: Path, disk: Path, checkout: Path, exchange: Exchange, is_small_disk: bool
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.checkout = checkout
        self.exchange = exchange
        self.is_small_disk = is_small_disk
        self.line = Line(int(exchange.url.rpartition(":")[2]))
        self.bot = Bot(disk, folder / "config")
        self.running: Started | None = None
        self.latest: Started | None = None
        self.processes: list[subprocess.Popen[bytes]] = []
        self.violations: list[str] = []
        self.figures = Figures()
        self.disturbances: list[list[float | None]] = []
        self.kill_windows: list[list[float | None]] = []
        self.deposited = 0
        self.files_are_away = False
        self.began = time.time()
        self.on_tick: Callable[[], None] = _nothing

    @property
    def lock_file(self) -> Path:
        return self.bot.data / "247trader-v2.lock"

    # --- telling ------------------------------------------------------------------------------------------------------

    def seconds(self) -> float:
        return time.time() - self.began

    @staticmethod
    def now() -> float:
        return time.time()

    def tell(self, text: str) -> None:
        """Say what happens, with the second of the era: for the log of the era, and for whoever watches."""
        print(json.dumps({"at": round(self.seconds(), 3), "text": text}), flush=True)

    def violate(self, code: str, text: str) -> None:
        self.violations.append(f"{self.seconds():.2f} s: {code}: {text}")
        self.tell(f"VIOLATION {code}: {text}")

    # --- processes ----------------------------------------------------------------------------------------------------

    def start(self, *, by_launcher: bool = False, under: Sequence[str] = ()) -> Started:
        """Start the bot and return at once; it becomes the running one. `under`: a command that runs it."""
        self.running = self.latest = self.start_another(by_launcher=by_launcher, under=under)
        return self.running

    def start_another(self, *, by_launcher: bool = False, under: Sequence[str] = ()) -> Started:
        """Start a process on the bot's folders."""
        self.figures.starts += 1
        number = self.figures.starts
        command = [str(self.checkout / "app_run_live.sh")] if by_launcher else list(LOOP)
        flags = [f"--{self.plan.mode.lower()}", "--loop", "--interval", str(self.plan.interval)]
        printed = self.folder / f"printed.{number:03}.txt"
        before = self._records()
        with printed.open("wb") as stream:
            process = subprocess.Popen(
                [*under, *command, *self.bot.flags(flags)],
                cwd=self.folder,
                env=clean_environment({"PYTHONPATH": str(self.checkout)}),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return Started(number=number, process=process, printed=printed, at=time.time(), records_before=before)

    def _records(self) -> int:
        try:
            return len(self.bot.journal())
        except (OSError, ValueError):
            return 0  # it was damaged on purpose, and this start will not come far

    def is_up(self) -> bool:
        return self.running is not None and self.running.process.poll() is None

    def await_ready(self) -> bool:
        """Wait until the running process trades; False when it has ended before, as a start may."""
        running = self.running
        if running is None:
            return False
        if not self.wait_until(lambda: running.is_ready or self.running is not running, "a start"):
            return False
        return self.running is running

    def ensure_up(self, *, by_launcher: bool = False, tries: int = 60) -> bool:
        """See to it that a process trades, however often a start is refused for want of an answer."""
        for _ in range(tries):
            if not self.is_up():
                self.collect()
                self.start(by_launcher=by_launcher)
            if self.await_ready():
                return True
            self.wait(0.3)
        self.violate("never_up", f"not one of {tries} starts came to its first cycle")
        return False

    def signal(self, number: signal.Signals) -> None:
        if self.running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.running.process.pid, number)

    def kill(self) -> None:
        """End the running process as a power switch would, and note what it was doing."""
        if self.running is not None:
            self.running.was_killed = True
            self.signal(signal.SIGKILL)
            self.running.killed_at = time.time()

    def mark_stopping(self, how: str) -> None:
        """Note that the running process was asked to end."""
        if self.running is not None:
            self.running.stopping = how

    def stage(self) -> str:
        """Name what the process that was started last is doing, or was doing when it was killed."""
        one = self.latest
        if one is None:
            return "nothing"
        try:
            return stage_of(
                self.bot, self.line, one.records_before, is_stopping=bool(one.stopping), until=one.killed_at
            )
        except (OSError, ValueError):
            return "unreadable"

    def collect(self, allowed: Collection[int] = (), kind: str = "by itself") -> int | None:
        """Take note of an ended process: its code must be one that is allowed, and its words must be fit to print."""
        running = self.running
        if running is None or running.process.poll() is None:
            return None
        self.running = None
        return self.judge_end(running, allowed, kind)

    def judge_end(self, one: Started, allowed: Collection[int] = (), kind: str = "by itself") -> int:
        """Hold the end of a process against what may end it."""
        code = one.process.wait()
        expected = {*allowed, *one.forgiven}
        if one.was_killed:
            expected.add(-signal.SIGKILL)
            if one is self.latest and code == -signal.SIGKILL:
                self.figures.kills[self.stage()] += 1
        if not one.is_ready and (self.was_disturbed(one.at) or self.line.was_slow(one.at)):
            expected.update(NOT_ANSWERED)
        self.figures.codes[str(code)] += 1
        self.figures.ends[kind] += 1
        if code not in expected:
            words = " | ".join(one.text.strip().splitlines()[-4:])
            self.violate(
                "exit_code", f"start {one.number} ended with {code}, {kind}; {sorted(expected)} may be: {words}"
            )
        self._judge_words(one)
        if code == 0:
            self._judge_order(one)
        return code

    def _judge_words(self, one: Started) -> None:
        found = [word for word in UNWELCOME if word in one.text]
        if found:
            at = one.text.index(found[0])
            self.violate("words", f"start {one.number} printed: {one.text[at : at + 600]!r}")

    def _judge_order(self, one: Started) -> None:
        """After an orderly end nothing is left but what belongs there."""
        if self.bot.pid_file.exists() and self.bot.pid_file.read_text().strip() == str(one.process.pid):
            self.violate("pid_file", f"start {one.number} has left its pid file")
        left = [path.name for pattern in LEFTOVERS for path in self.bot.data.glob(pattern)]
        if left:
            self.violate("leftovers", f"start {one.number} has left {left}")
        journal = self.bot.journal()
        if one.is_ready and (not journal or journal[-1]["kind"] != "STOP"):
            self.violate("no_stop", f"start {one.number} ended in order, and the journal does not say so")

    def close(self) -> None:
        """Leave no process behind."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.exchange.kill()
        self.line.close()

    # --- waiting ------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look()
            time.sleep(0.01)

    def wait_while_up(self, seconds: float) -> None:
        """Wait, but not beyond the end of the running process, which is left to whoever expects it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.is_up():
            self.on_tick()
            time.sleep(0.005)

    def wait_for_start(self, one: Started) -> bool:
        """Wait until a process trades or has ended, which is left to whoever expects it; True when it trades."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not one.is_ready and one.process.poll() is None:
            if time.monotonic() > until:
                self.violate("hangs", f"start {one.number} neither trades nor ends after {PATIENCE_SECONDS:.0f} s")
                return False
            self.on_tick()
            time.sleep(0.01)
        return one.is_ready and one.process.poll() is None

    def wait_until(
        self,
        condition: Callable[[], bool],
        what: str,
        *,
        patience: float = PATIENCE_SECONDS,
        pause: float = 0.01,
    ) -> bool:
        """Wait for something that must happen; False, and a violation, when it does not. `pause` between two looks."""
        until = time.monotonic() + patience
        while not condition():
            if time.monotonic() > until:
                self.violate("hangs", f"waited {patience:.0f} s for {what}; doing: {self.stage()}")
                return False
            self._look()
            time.sleep(pause)
        return True

    def wait_for_end(self, allowed: Sequence[int], kind: str, *, patience: float = PATIENCE_SECONDS) -> int | None:
        """Wait for the end of the running process; it is killed when it does not come."""
        running = self.running
        if running is None:
            return None
        began, until = time.monotonic(), time.monotonic() + patience
        while running.process.poll() is None:
            if time.monotonic() > until:
                self.violate("hangs", f"{kind}: start {running.number} did not end in {patience:.0f} s; {self.stage()}")
                self.kill()
                running.process.wait()
                break
            self.on_tick()
            time.sleep(0.01)
        self.figures.slowest_end = max(self.figures.slowest_end, time.monotonic() - began)
        return self.collect(allowed, kind)

    def _look(self) -> None:
        """Let happen what is due, and take note of a process that ended although nobody asked it to."""
        self.on_tick()
        if self.running is not None and self.running.process.poll() is not None:
            self.collect()

    # --- moments ------------------------------------------------------------------------------------------------------

    def at(self, moment: Moment, act: Callable[[], None]) -> bool:
        """Do something to the running process at a moment of its life; False when it ended by itself before."""
        running = self.running
        once = _Once(act)
        if moment.kind == "request":
            self.line.arm(
                MOMENT,
                Trap(endpoint=moment.endpoint, phase=moment.phase, left=moment.nth, loses=moment.loses, act=once.do),
            )
        seen = _RecordWatch(self.bot, moment) if moment.kind == "record" else None
        until = time.monotonic() + (moment.seconds if moment.kind == "seconds" else GIVE_UP_SECONDS)
        while not once.is_done and time.monotonic() < until:
            self.on_tick()
            has_ended = running is None or running.process.poll() is not None
            if has_ended and not once.is_done:
                self.line.disarm(MOMENT)
                self._look()
                return False
            if seen is not None and seen.has_come():
                time.sleep(moment.seconds)
                break
            time.sleep(0.01 if seen is None else RECORD_LOOK_SECONDS)
        self.line.disarm(MOMENT)
        once.do()
        return True

    # --- disturbances -------------------------------------------------------------------------------------------------

    def disturb(self) -> list[float | None]:
        """Note that the exchange, or the way to it, is not as it should be from now on."""
        span: list[float | None] = [time.time(), None]
        self.disturbances.append(span)
        return span

    def was_disturbed(self, since: float) -> bool:
        return any(end is None or end >= since for _, end in self.disturbances)


class _Once:
    """Does something once, whoever asks first."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self.is_done = False

    def do(self) -> None:
        with self._lock:
            if not self.is_done:
                self._act()
                self.is_done = True


class _RecordWatch:
    """Looks for the n-th new record of a kind in journal or audit."""

    def __init__(self, bot: Bot, moment: Moment) -> None:
        is_line = moment.record == "audit line"
        self._path = bot.audit_file if is_line else bot.data / "journal.jsonl"
        self._mark = b'"hash":"' if is_line else f'"kind":"{moment.record}"'.encode()
        self._left = moment.nth
        self._offset = self._size()

    def has_come(self) -> bool:
        size = self._size()
        if size < self._offset:
            self._offset = 0  # a new file
        if size == self._offset:
            return False
        with contextlib.suppress(OSError), self._path.open("rb") as stream:
            stream.seek(self._offset)
            new = stream.read()
            self._offset += len(new)
            self._left -= new.count(self._mark)
        return self._left <= 0

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def _nothing() -> None:
    return
