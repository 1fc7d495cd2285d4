"""
What a cycle over Coinbase's protocol costs, by hand: `python -m tests.benchmarks.bench_coinbase`. Half an hour.

The bot runs in real time against a simulated exchange in another process, so that memory and CPU are the bot's alone:
PAPER without a key, LIVE signed through the SDK, and the embedded exchange. First each by itself, as fast as it goes;
then at the shipped rate limits; then with 150 ms to each answer. Beside the figures stand those of freqtrade.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from tests.config_files import ROOT, shipped_documents, write_config
from tests.profiles import QUIET

PRODUCTS = 60
FILLER_PRODUCTS = 640
"""With these the list of products is about as long as Coinbase's: 0.9 MB."""

MIB = 1 << 20
RSS_MB_GOAL, RSS_MB_MAX = 55, 64
FREQTRADE = "freqtrade, 60 pairs once a minute: 61 requests, 2.0 MB, 0.85 s of CPU a cycle, 322 MiB"
FASTEST: Mapping[str, object] = {
    # The most that the schema allows: what Coinbase itself allows.
    "app.exchange.public_requests_per_second": 10,
    "app.exchange.private_requests_per_second": 30,
}
FAR_SECONDS = 0.15

Line = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to run the bot."""

    name: str
    flags: Sequence[str]
    has_key: bool = False
    is_embedded: bool = False
    changes: Mapping[str, object] = field(default_factory=dict)
    far_seconds: float = 0.0


PAPER = Case(name="PAPER, loopback, no key", flags=("--paper", "--market", "coinbase"))
LIVE = Case(name="LIVE, loopback, signed by the SDK", flags=("--live",), has_key=True)
EMBEDDED = Case(name="PAPER, exchange in the process", flags=("--paper", "--market", "simulated"), is_embedded=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One audit line, with the CPU seconds that its process had used by then and its memory, in bytes."""

    line: Line
    cpu_seconds: float
    rss: int
    peak: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_coinbase", description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--cycles", type=int, default=6, help="of each run (6); the last ones are quiet")
    parser.add_argument("--only", choices=("fast", "shipped", "far"), help="one of the three parts")
    options = parser.parse_args()
    print(f"{FREQTRADE}. RSS here: goal {RSS_MB_GOAL} MB, limit {RSS_MB_MAX} MB (10^6 bytes)")
    if options.only in (None, "fast"):
        print("\n== one after the other, at the most requests a second that Coinbase allows (10 public, 30 private)")
        for case in (PAPER, LIVE, EMBEDDED):
            _report([replace(case, changes=FASTEST)], options.cycles)
    if options.only in (None, "shipped"):
        print("\n== side by side, at the shipped 5 requests a second (public) and 10 (private)")
        _report([PAPER, LIVE], options.cycles)
    if options.only in (None, "far"):
        print(f"\n== side by side, at the shipped limits, each answer {FAR_SECONDS * 1000:.0f} ms late")
        _report([replace(case, far_seconds=FAR_SECONDS) for case in (PAPER, LIVE)], options.cycles)


def _report(cases: Sequence[Case], cycles: int) -> None:
    """Run cases side by side and print each one's cycles."""
    with ExitStack() as stack:
        runs = [(case, stack.enter_context(_running(case, cycles))) for case in cases]
        found: dict[str, list[Sample]] = {case.name: [] for case in cases}
        while any(run.process.poll() is None for _, run in runs):
            for case, run in runs:
                found[case.name] += run.new_samples()
            time.sleep(0.03)
        for case, run in runs:
            found[case.name] += run.new_samples()
            assert run.process.returncode == 0, run.output()
            _print_case(case, found[case.name], run)


@dataclass(slots=True, kw_only=True)
class _Run:
    """The bot in its process, watched from here."""

    process: subprocess.Popen[bytes]
    folder: Path
    seen: int = 0
    start_cpu_seconds: float | None = None
    last: tuple[float, int, int] = (0.0, 0, 0)

    def new_samples(self) -> list[Sample]:
        """Return what was written since the last look, as the process stands now."""
        with suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError, KeyError):
            self.last = _usage(self.process.pid)
        if self.start_cpu_seconds is None and (self.folder / "data" / "journal.jsonl").exists():
            self.start_cpu_seconds = self.last[0]
        lines = _lines(self.folder / "logs" / "247trader-v2_audit.jsonl")
        new, self.seen = lines[self.seen :], len(lines)
        cpu, rss, peak = self.last
        return [Sample(line=line, cpu_seconds=cpu, rss=rss, peak=peak) for line in new]

    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8")[-2000:]


def _usage(pid: int) -> tuple[float, int, int]:
    times = psutil.Process(pid).cpu_times()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines() if ":" in line
    )
    rss, peak = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return times.user + times.system, rss, peak


def _lines(path: Path) -> list[Line]:
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def _print_case(case: Case, samples: Sequence[Sample], run: _Run) -> None:
    print(f"\n{case.name}; start {run.start_cpu_seconds or 0:.2f} s of CPU")
    print("  cycle          requests    MB in  wall s  on the wire  waiting   CPU s   RSS MB (MiB)    stages")
    before = run.start_cpu_seconds or 0.0
    for number, sample in enumerate(samples):
        cpu, before = sample.cpu_seconds - before, sample.cpu_seconds
        kind = _kind(number, sample.line)
        print(f"  {number + 1} {kind:12} {_figures(sample, cpu)}")
    last = samples[-1]
    print(f"  peak {last.peak / 1e6:.1f} MB ({last.peak / MIB:.1f} MiB), limit {RSS_MB_MAX} MB, goal {RSS_MB_GOAL}")


def _kind(number: int, line: Line) -> str:
    if number == 0:
        return "first"
    return "warming up" if line["api"]["requests"] > PRODUCTS else "quiet"  # a history is five requests


def _figures(sample: Sample, cpu: float) -> str:
    """Waiting is what is neither on the wire nor CPU: for the rate limit, and up to 2 s for the candle to settle."""
    use, latencies = sample.line["api"], sample.line["stage_latencies"]
    wall = latencies["total_cycle"]
    stages = {name: seconds for name, seconds in latencies.items() if seconds >= 0.1 and name != "total_cycle"}
    own_cpu = cpu if sample.line["api"]["seconds"] else 0.0
    return (
        f"{use['requests']:9} {use['bytes_received'] / 1e6:8.3f} {wall:7.2f} {use['seconds']:12.3f} "
        f"{max(wall - use['seconds'] - own_cpu, 0):8.2f} {cpu:7.2f} {sample.rss / 1e6:8.1f} ({sample.rss / MIB:.1f})"
        f"    {', '.join(f'{name} {seconds:.2f}' for name, seconds in stages.items())}"
    )


# --- processes --------------------------------------------------------------------------------------------------------


@contextmanager
def _running(case: Case, cycles: int) -> Iterator[_Run]:
    """Start an exchange, if the case has one outside, and the bot; end both."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url = None if case.is_embedded else stack.enter_context(_exchange(folder / "exchange"))
        if url is not None and case.far_seconds:
            url = stack.enter_context(_slow_line(url, case.far_seconds))
        config = _config(case, folder, url)
        with (folder / "output").open("wb") as output:
            folders = ["--config-dir", config, "--data-dir", folder / "data", "--logs-dir", folder / "logs"]
            command = ["runner.main_loop", *case.flags, "--cycles", cycles, *folders]
            process = _start([str(word) for word in command], output=output.fileno())
        stack.callback(_stop, process)
        yield _Run(process=process, folder=folder)


def _config(case: Case, folder: Path, url: str | None) -> Path:
    """Write the shipped configuration with triggers so high that nothing is bought: a resting order would add waits."""
    changes = {**QUIET, "app.simulation.products": PRODUCTS, **case.changes}
    if url is not None:
        changes["app.exchange.api_url"] = url
    if case.has_key:
        changes |= {
            "app.exchange.read_only": False,
            "app.exchange.key_file": str(folder / "exchange" / "key.json"),
        }
    return write_config(folder / "config", shipped_documents(changes))


@contextmanager
def _exchange(folder: Path) -> Iterator[str]:
    command = ["tools.sim_exchange", "--products", str(PRODUCTS), "--filler-products", str(FILLER_PRODUCTS)]
    process = _start([*command, "--dir", str(folder)], output=subprocess.PIPE)
    try:
        yield _address_in(process)
    finally:
        _stop(process)


@contextmanager
def _slow_line(url: str, seconds: float) -> Iterator[str]:
    process = _start(["tests.benchmarks.slow_line", url, str(seconds)], output=subprocess.PIPE)
    try:
        yield _address_in(process)
    finally:
        _stop(process)


def _address_in(process: subprocess.Popen[bytes]) -> str:
    """Return the address that a server's first line names."""
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:[0-9]+", process.stdout.readline().decode("utf-8"))
    assert found is not None
    return found.group()


def _start(module: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=20)


if __name__ == "__main__":
    main()
