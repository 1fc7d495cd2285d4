"""
How fast records are verified and asked, by hand: `python -m tests.benchmarks.bench_audit [folder] [--days N]`.

Plays a simulated day (with its journal, for the whole verification), makes a year of lines of it (525,600, sealed anew
minute by minute), and prints records per second of each check on one core, seconds of each question, and of jq beside.
"""

import argparse
import hashlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from runner.audit_line import AUDIT_NAME
from runner.records.chain import NO_HASH, SEAL_BYTES, seal_of
from tests.config_files import ROOT
from tests.program_runs import DAY_CYCLES, SIMULATED_DAY, run_program

QUESTIONS = (
    (("stats",), "[.status,.no_trade_reason]"),
    (("reasons",), "[.risk.refused[]?.reason]"),
    (("latency",), ".stage_latencies"),
    (("hashes",), "[.config_hash,.code_hash]"),
    (("fills", "--csv"), ".execution.fills[]"),
    (("pnl",), "[.timestamp,.pnl.realised]"),
    (("stats", "--since", "2026-12-31"), 'select(.timestamp>="2026-12-31")|.status'),
)
_LINK = re.compile(rb',"seq":[0-9]+,"prev":"[0-9a-f]{64}"\Z')
_SLOT = re.compile(rb'"slot":[0-9]+')
_TIME = re.compile(rb'"timestamp":"[^"]+"')


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        run = run_program(folder, [*SIMULATED_DAY, "--cycles", str(DAY_CYCLES)])
        _timed("verify, a day with its journal", DAY_CYCLES, ["verify", *_where(folder)])
        year = folder / "year" / "logs"
        year.mkdir(parents=True)
        lines = make_lines(run.audit, year / AUDIT_NAME, options.days)
        print(f"{lines} lines, {(year / AUDIT_NAME).stat().st_size / 1e6:.0f} MB")
        where = ["--logs-dir", str(year), "--data-dir", str(year / "none")]
        _timed("verify --chain-only", lines, ["verify", "--chain-only", *where])
        _timed("anchor (chain and Merkle tree)", lines, ["anchor", *where])
        _timed("verify without a journal (chain, schema)", lines, ["verify", *where], code=1)
        for arguments, query in QUESTIONS:
            ours = _timed(" ".join(arguments), lines, [*arguments, *where])
            theirs = _jq(query, year / AUDIT_NAME)
            print(f"{'':44}jq -c '{query}': {theirs:.1f} s, {theirs / ours:.1f} times as long")
        _floor(year / AUDIT_NAME, lines)


def make_lines(source: Path, target: Path, days: int) -> int:
    """Repeat the lines of a day, a minute after the other, as one sealed chain."""
    day = source.read_bytes().splitlines(keepends=True)
    first = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // 60
    prev, seq = NO_HASH, 0
    with target.open("wb") as stream:
        for _ in range(days):
            for raw in day:
                slot = first + seq
                seq += 1
                at = datetime.fromtimestamp(slot * 60, tz=UTC)
                body = _LINK.sub(b"", raw[:-SEAL_BYTES])
                body = _SLOT.sub(b'"slot":%d' % slot, body, count=1)
                body = _TIME.sub(f'"timestamp":"{at:%Y-%m-%dT%H:%M:%SZ}"'.encode(), body, count=1)
                body += b',"seq":%d,"prev":"%b"' % (seq, prev.encode())
                prev = hashlib.sha256(body).hexdigest()
                stream.write(body + seal_of(prev))
    return seq


def _where(folder: Path) -> list[str]:
    return ["--logs-dir", str(folder / "logs"), "--data-dir", str(folder / "data")]


def _timed(label: str, lines: int, arguments: list[str], *, code: int = 0) -> float:
    """Run the tool as a user does, its start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        done = subprocess.run(
            [sys.executable, "-m", "tools.audit", *arguments], cwd=ROOT, stdout=nowhere, check=False
        ).returncode
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{label:44}{seconds:7.1f} s ({cpu:.1f} s CPU), {lines / cpu:9.0f} records/s, {after.ru_maxrss / 1e3:.0f} MB")
    if done != code:
        raise SystemExit(f"{label}: exit {done}")
    return seconds


def _jq(query: str, path: Path) -> float:
    began = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(["jq", "-c", query, str(path)], stdout=nowhere, check=True)
    return time.perf_counter() - began


def _floor(path: Path, lines: int) -> None:
    """What no verifier in this language goes below: read every line and hash it."""
    began = time.process_time()
    with path.open("rb") as stream:
        for raw in stream:
            hashlib.sha256(raw).digest()
    spent = time.process_time() - began
    print(f"{'reading and hashing alone':44}{spent:7.1f} s, {lines / spent:9.0f} records/s")


if __name__ == "__main__":
    main()
