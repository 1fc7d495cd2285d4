"""
What a cycle costs, by hand: `python -m tests.benchmarks.bench_cycle [--full] [--replay FOLDER]`. A few minutes.

Prints memory, CPU, durable writes, start times and bytes of the shipped configuration, each beside its limit where
design 9 sets one. `--full` also measures 30 days of 20 products; `--replay` adds a replay of the folder's candles.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.benchmarks.desk_cycles import decisions, syncs
from tests.config_files import ROOT, shipped_documents, write_config
from tests.profiles import BUSY

DAY = 1440
MONTH = 30 * DAY
RSS_MB_MAX = 55
DECISION_MS_MAX = 10
MONTH_SECONDS_MAX = 12
QUIET_BYTES_MAX = 1500
DAY_MB_MAX = 3
SIMULATED = ("--market", "simulated", "--speed", "max", "--seed", "7")


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_cycle")
    parser.add_argument("--full", action="store_true", help="measure 30 days of 20 products, too")
    parser.add_argument("--replay", type=Path, help="a folder of candle files to replay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs = {count: _config(folder / f"config{count}", count) for count in (5, 20, 60)}
        _memory_and_bytes(configs[60], folder / "memory")
        _memory_in_real_time(configs[60], folder / "real")
        _print_decisions(configs[60], folder)
        _print_whole_cycles(configs, folder, options.replay)
        if options.full:
            seconds = _cpu_seconds(configs[20], folder / "month", [*SIMULATED, "--cycles", str(MONTH)])
            print(f"30 days, 20 products, measured: {seconds:.1f} s of CPU (limit {MONTH_SECONDS_MAX})")
        print(f"durable writes: {syncs(configs[60], folder / 'syncs', 200).text()}")
        _print_starts(configs, folder)


def _config(folder: Path, products: int, busy: bool = False) -> Path:
    changes = {**(BUSY if busy else {}), "app.simulation.products": products}
    return write_config(folder, shipped_documents(changes))


def _memory_and_bytes(config_dir: Path, folder: Path) -> None:
    """Run a day in virtual time, look at the halted process from outside, then at its files."""
    process = _start(config_dir, folder, [*SIMULATED, "--loop"])
    audit, journal = folder / "logs" / "247trader-v2_audit.jsonl", folder / "data" / "journal.jsonl"
    while _count_lines(audit) < DAY:
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)
    print(f"memory after {_count_lines(audit)} cycles, 60 products, virtual time: {_memory(process.pid)}")
    process.send_signal(signal.SIGCONT)
    _stop(process)
    _print_bytes(audit.read_bytes().splitlines(keepends=True)[:DAY])
    print(f"journal: {journal.stat().st_size / _count_lines(audit) * DAY / 1e6:.2f} MB a day")


def _print_bytes(lines: list[bytes]) -> None:
    sizes: dict[str, list[int]] = {}
    for line in lines:
        body = json.loads(line)
        held = " with positions" if (body["portfolio"] or {}).get("positions") else ""
        sizes.setdefault(f"{body['no_trade_reason'] or body['status']}{held}", []).append(len(line))
    print(
        f"audit: a day {sum(map(len, lines)) / 1e6:.2f} MB (limit {DAY_MB_MAX}); a quiet line at most {QUIET_BYTES_MAX}"
    )
    for name, found in sorted(sizes.items(), key=lambda item: -len(item[1])):
        print(f"  {len(found):5} x {name}: mean {statistics.mean(found):.0f}, longest {max(found)} bytes")


def _memory_in_real_time(config_dir: Path, folder: Path) -> None:
    process = _start(config_dir, folder, ["--market", "simulated", "--loop", "--dry-run", "--interval", "1"])
    audit = folder / "logs" / "247trader-v2_audit.jsonl"
    while _count_lines(audit) < 10:
        time.sleep(0.05)
    times = psutil.Process(process.pid).cpu_times()
    before = times.user + times.system
    time.sleep(10)
    times = psutil.Process(process.pid).cpu_times()
    spent = times.user + times.system - before
    print(f"memory in real time, 60 products: {_memory(process.pid)}; CPU at a cycle a second: {spent * 10:.1f} %")
    _stop(process)


def _memory(pid: int) -> str:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines() if ":" in line
    )
    now, peak = (int(status[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return f"RSS {now:.1f} MB, peak {peak:.1f} MB (limit {RSS_MB_MAX})"


def _print_decisions(shipped: Path, folder: Path) -> None:
    busy = _config(folder / "busy", 60, busy=True)
    for name, config_dir in (("shipped", shipped), ("busy", busy)):
        found = decisions(config_dir, folder / f"decide-{name}", 1000)
        print(f"deciding over 60 products, {name}: {found.text()} (limit {DECISION_MS_MAX} at the median)")


def _print_whole_cycles(configs: dict[int, Path], folder: Path, replay: Path | None) -> None:
    for count, config_dir in configs.items():
        each = _microseconds_a_cycle(config_dir, folder / f"cycles{count}", SIMULATED)
        month = f"; 30 days {each * MONTH / 1e6:.1f} s (limit {MONTH_SECONDS_MAX})" if count == 20 else ""
        print(f"whole cycle, {count} simulated products: {each:.0f} us of CPU{month}")
    if replay is not None:
        flags = ("--market", f"replay:{replay}", "--speed", "max")
        each = _microseconds_a_cycle(configs[5], folder / "replay", flags)
        print(f"whole cycle, replay: {each:.0f} us of CPU; 30 days {each * MONTH / 1e6:.1f} s")


def _microseconds_a_cycle(config_dir: Path, folder: Path, flags: Sequence[str]) -> float:
    """Return the CPU of a cycle: what a run of a few days costs more than one of an hour."""
    short, long = 60, 60 + 3 * DAY
    few, many = (
        _cpu_seconds(config_dir, folder / str(cycles), [*flags, "--cycles", str(cycles)]) for cycles in (short, long)
    )
    return (many - few) / (long - short) * 1e6


def _cpu_seconds(config_dir: Path, folder: Path, flags: Sequence[str]) -> float:
    before = _children_seconds()
    assert _start(config_dir, folder, flags).wait() == 0
    return _children_seconds() - before


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _print_starts(configs: dict[int, Path], folder: Path) -> None:
    helped = statistics.median(_help_seconds() for _ in range(5))
    print(f"--help: {helped:.2f} s")
    for count in (5, 60):
        seconds = statistics.median(
            _first_line_seconds(configs[count], folder / f"start{count}-{number}") for number in range(3)
        )
        print(f"start to the first audit line, {count} products: {seconds:.2f} s")


def _help_seconds() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "runner.main_loop", "--help"], cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - began


def _first_line_seconds(config_dir: Path, folder: Path) -> float:
    began = time.perf_counter()
    process = _start(config_dir, folder, ["--market", "simulated", "--loop", "--dry-run"])
    while not _count_lines(folder / "logs" / "247trader-v2_audit.jsonl"):
        time.sleep(0.002)
    seconds = time.perf_counter() - began
    _stop(process)
    return seconds


def _start(config_dir: Path, folder: Path, flags: Sequence[str]) -> subprocess.Popen[bytes]:
    folders = ["--config-dir", str(config_dir), "--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs")]
    return subprocess.Popen(
        [sys.executable, "-m", "runner.main_loop", *flags, *folders],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)


def _count_lines(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.read_bytes().count(b"\n")
    return 0


if __name__ == "__main__":
    main()
