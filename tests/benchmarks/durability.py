"""What durability costs a cycle: the real loop on a simulated market, synced as in real time, its file calls timed."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.desk import Desk
from runner.main_loop import TradingLoop
from runner.options import RunOptions
from runner.records import durable_files
from runner.venues.choice import open_outside
from runner.wiring import Configuration, open_desk
from tests.config_files import shipped_documents, write_config
from tests.profiles import BUSY, QUIET

MEASURED = ("write", "pwrite", "fsync", "replace", "pread", "open")
CYCLES = 240


@dataclass(slots=True)
class Meter:
    """Stands for `os` in the module of durable files, and keeps count, seconds and bytes of what goes through."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    bytes_written: int = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._measured(name, real) if name in MEASURED else real

    def _measured(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            began = time.perf_counter()
            result = real(*arguments)
            self.seconds[name] += time.perf_counter() - began  # type: ignore[assignment]
            self.counts[name] += 1
            if name in ("write", "pwrite"):
                self.bytes_written += len(arguments[1])
            return result

        return run

    def file_seconds(self) -> float:
        return float(sum(self.seconds.values()))


def bench_cycles(folder: Path) -> None:
    """Print fsyncs, milliseconds and bytes per cycle, of quiet minutes and of busy ones."""
    for label, changes in (("quiet", QUIET), ("busy", {**BUSY, "app.simulation.products": 20})):
        short, long = (_run(folder / f"{label}{cycles}", changes, cycles) for cycles in (1, CYCLES + 1))
        print(f"{f'a {label} cycle':32}{_per_cycle(long, short, CYCLES)}")
        print(f"{'  start, first cycle and stop':32}{_per_cycle(short, Meter(), 1)}")


def _per_cycle(meter: Meter, without: Meter, cycles: int) -> str:
    fsyncs, writes = ((meter.counts[name] - without.counts[name]) / cycles for name in ("fsync", "write"))
    seconds = (meter.file_seconds() - without.file_seconds()) / cycles
    synced = (meter.seconds["fsync"] - without.seconds["fsync"]) / cycles
    size = (meter.bytes_written - without.bytes_written) / cycles
    return (
        f"{fsyncs:7.2f} fsyncs {writes:7.2f} writes {size:9.0f} bytes {seconds * 1e3:8.2f} ms in file calls, "
        f"{synced * 1e3:.2f} of them in fsync"
    )


def _run(folder: Path, changes: Mapping[str, object], cycles: int) -> Meter:
    config = write_config(folder / "config", shipped_documents(changes))
    options = RunOptions(
        market="simulated",
        speed="max",
        seed=7,
        cycles=cycles,
        config_dir=config,
        data_dir=folder / "data",
        logs_dir=folder / "logs",
    )
    with _metered() as meter, contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        TradingLoop(options=options, open_desk=_open_durable).run()
    return meter


@contextmanager
def _metered() -> Iterator[Meter]:
    meter, names = Meter(), vars(durable_files)
    names["os"] = meter
    try:
        yield meter
    finally:
        names["os"] = os


def _open_durable(
    configuration: Configuration, options: RunOptions, stop_reason: Callable[[], str | None]
) -> AbstractContextManager[Desk]:
    mode = options.mode or configuration.settings.app.app.mode
    outside = open_outside(configuration.settings, options, mode)
    return open_desk(configuration, options, stop_reason, replace(outside, is_durable=True))
