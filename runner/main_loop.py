"""
The trading loop: one decision cycle per minute.

    tick -> guard -> reconcile -> exits and upkeep -> universe -> triggers -> rules -> risk -> executor
         -> StateStore -> audit line

Run it with `python -m runner.main_loop --help`, or through `./app_run_live.sh`, which makes the environment first.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType

from core.errors import AlreadyRunning, ExitCode, RecordNotDurable, StateUnusable, TraderError
from core.model.records import CycleStarted
from runner.cycle import Cycle, Status
from runner.desk import Desk
from runner.options import RunOptions, parse_options
from runner.progress import show_progress
from runner.schedule import Tick
from runner.stages.closing import note_exception, store_and_audit
from runner.stages.guards import breakers, exits_and_upkeep, guard, must_own_lock, reconcile, watch_kill_switch
from runner.stages.ideas import execute, risk, rules, triggers, universe
from runner.terminal import complain
from runner.wiring import Configuration, load_configuration, open_desk

Stage = Callable[[Cycle, Desk], None]
OpenDesk = Callable[[Configuration, RunOptions, Callable[[], str | None]], AbstractContextManager[Desk]]

WATCH: tuple[tuple[str, Stage], ...] = (
    ("guard", guard),
    ("reconcile", reconcile),
    ("exits", exits_and_upkeep),
    ("universe", universe),
    ("triggers", triggers),
    ("breakers", breakers),
)
"""Done in every cycle, whatever was found before: exits first (L6), and the market is always watched."""

TRADE: tuple[tuple[str, Stage], ...] = (("rules", rules), ("risk", risk), ("execution", execute))
"""Done until one of them, or anything before, gives a reason not to buy."""


class TradingLoop:
    """
    Run decision cycles on the grid until stopped.

    Constructing reads and checks the configuration and does nothing else: no lock, no file, no network. `run` does.
    """

    def __init__(
        self,
        config_dir: str | Path | None = None,
        options: RunOptions | None = None,
        open_desk: OpenDesk = open_desk,
        configuration: Configuration | None = None,
    ) -> None:
        """
        Load the configuration, unless one is given.

        Raises:
            ConfigError: It cannot be used; the message names file, key, value and fix.
        """
        self.options = options or RunOptions()
        self.configuration = configuration or load_configuration(Path(config_dir or self.options.config_dir))
        self._open_desk = open_desk
        self._stop_reason: str | None = None

    @property
    def config_hash(self) -> str:
        """The 16 hex digits that stand in every audit line of this configuration."""
        return self.configuration.settings.config_hash

    def stop(self, reason: str) -> None:
        """Ask for an orderly end. Safe in a signal handler: it only sets a flag."""
        self._stop_reason = reason

    def run(self) -> None:
        """
        Trade until stopped, until the asked number of cycles is done, or until a replay's data end.

        Raises:
            TraderError: The start was refused or the run may not go on; its `exit_code` says which.
        """
        with (
            self._open_desk(self.configuration, self.options, lambda: self._stop_reason) as desk,
            show_progress(self.options.cycles, enabled=desk.is_virtual) as advance,
        ):
            for tick in self._ticks(desk):
                status = self.run_cycle(tick, desk)
                advance(f"{status.value}, equity {desk.equity_words()}")

    def _ticks(self, desk: Desk) -> Iterator[Tick]:
        """Yield each turn when its time has come; every wait watches for a stop and for the kill switch."""
        done, last_slot = desk.memory.cycles_done, desk.book.ledger.last_slot
        if done and last_slot is not None:  # a run that is played back from its middle
            tick = desk.grid.next_tick(desk.clock.now(), last_slot)
        else:
            tick = self._first_tick(desk)
        while self.options.cycles is None or done < self.options.cycles:
            if desk.ends_at is not None and tick.starts_at >= desk.ends_at:
                desk.log.info("the replay's data end here")
                return
            desk.clock.wait_until(tick.starts_at, lambda: self._goes_on(desk))
            if desk.stop_reason() is not None:
                return
            tick = desk.grid.still_on_time(tick, desk.clock.now())
            yield tick
            done += 1
            tick = desk.grid.next_tick(desk.clock.now(), tick.slot)

    def _first_tick(self, desk: Desk) -> Tick:
        tick = desk.grid.first_tick(desk.clock.now(), desk.book.ledger.last_slot)
        if tick.starts_at > desk.clock.now():
            desk.log.info(
                "this minute's slot was used before: the first cycle starts at %s", f"{tick.starts_at:%H:%M:%SZ}"
            )
        return tick

    def _goes_on(self, desk: Desk) -> bool:
        watch_kill_switch(desk)
        return desk.stop_reason() is None

    def run_cycle(self, tick: Tick, desk: Desk) -> Status:
        """Spend one minute: watch, trade while nothing speaks against it, write down what happened."""
        must_own_lock(desk)
        desk.book.begin_file_when_full()
        cycle = Cycle.begin(tick, desk.clock, desk.settings.app.loop.cycle_deadline_seconds)
        desk.book.record(CycleStarted(at=cycle.started_at, slot=tick.slot), durable=False)
        try:
            for name, stage in WATCH:
                desk.tape.stage(name, cycle)
                with cycle.stage(name):
                    stage(cycle, desk)
            for name, stage in TRADE:
                if cycle.is_over:
                    break
                desk.tape.stage(name, cycle)
                with cycle.stage(name):
                    stage(cycle, desk)
        except (AlreadyRunning, RecordNotDurable, StateUnusable):
            raise  # the run may not go on; the next start closes this cycle's line (L1)
        except Exception as error:  # noqa: BLE001 - the loop's last resort: one line, one breaker, next minute
            note_exception(cycle, desk, error)
        desk.tape.stage("end", cycle)
        return store_and_audit(cycle, desk)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_options(sys.argv[1:] if arguments is None else arguments)
    os.umask(0o077)  # what we write is for its owner alone
    asked_early: list[str] = []
    _on_signals(asked_early.append)
    try:
        loop = TradingLoop(options=options)
        _on_signals(loop.stop)
        for reason in asked_early:
            loop.stop(reason)
        loop.run()
    except TraderError as error:
        complain(f"❌ {error}")
        return int(error.exit_code)
    return int(ExitCode.OK)


def _on_signals(stop: Callable[[str], None]) -> None:
    """Let a signal only be noted: a write that it falls into is finished, and a second one changes nothing (D16)."""

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        stop(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup has its way
        signal.signal(signal.SIGHUP, ask_to_stop)


def _ignore_signals() -> None:
    """Let no late signal change how an end looks: the interpreter puts their defaults back while it tidies up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    code = main()
    _ignore_signals()
    sys.exit(code)
