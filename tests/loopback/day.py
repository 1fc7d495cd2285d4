"""
A whole day of LIVE against the simulated Coinbase: `python -m tests.loopback.day --cycles 1440 --seed 7 [--faults]`.

Prints progress and figures; ends with 1 when anything is wrong. `--in-process` leaves the sockets out, `--hard` adds
kill files, power cuts, stops and products that change.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

from tests.loopback.runs import Outcome, Plan, run
from tests.loopback.storms import LIES, STEADY, STORMS

SHOWN = 40


def main(arguments: list[str] | None = None) -> int:
    """Run the days asked for, one after the other; return 0 when nothing is wrong with any of them."""
    parser = argparse.ArgumentParser(prog="tests.loopback.day", description="A day of LIVE on a simulated Coinbase.")
    parser.add_argument("--cycles", type=int, default=1440)
    parser.add_argument("--seed", type=int, default=7, help="the first seed")
    parser.add_argument("--days", type=int, default=1, help="so many seeds, one after the other")
    parser.add_argument("--faults", action="store_true", help="storms of faults, and products that change")
    parser.add_argument("--hard", action="store_true", help="kill files, power cuts and stops, too")
    parser.add_argument("--lies", action="store_true", help="the exchange names other orders as ours")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds by which the exchange shows fills late")
    parser.add_argument("--calm", type=float, default=12.0, help="minutes between two storms")
    parser.add_argument("--in-process", action="store_true", help="no sockets: every second is virtual")
    given = parser.parse_args(arguments)
    is_bad = False
    for seed in range(given.seed, given.seed + given.days):
        plan = Plan(
            seed=seed,
            cycles=given.cycles,
            over_sockets=not given.in_process,
            storms={**(STORMS if given.faults else {}), **({"lies": LIES} if given.lies else {})},
            steady=STEADY if given.faults else {},
            calm_minutes=given.calm,
            lag_seconds=given.lag,
            products_every=35.0 if given.faults else None,
            kills_every=45.0 if given.hard else None,
            cuts_every=60.0 if given.hard else None,
            stops_every=120.0 if given.hard else None,
        )
        began = time.monotonic()
        outcome = run(plan, Path(tempfile.mkdtemp(prefix=f"live-{seed}-")))
        sys.stdout.write(figures(outcome, time.monotonic() - began))
        is_bad |= bool(outcome.violations)
    return 1 if is_bad else 0


def figures(outcome: Outcome, seconds: float) -> str:
    """Return a run's figures, one per line, and what is wrong with it."""
    lines = [f"seed {outcome.plan.seed}: {outcome.cycles} cycles in {seconds:.1f} s, files in {outcome.folder}"]
    for field in fields(Outcome):
        if field.name in ("plan", "folder", "cycles", "violations"):
            continue
        value = getattr(outcome, field.name)
        if isinstance(value, Counter):
            value = f"{sum(value.values())}: " + ", ".join(f"{key} {n}" for key, n in value.most_common())
        lines.append(f"  {field.name.replace('_', ' ')}: {value}")
    lines.append(f"  violations: {len(outcome.violations)}")
    lines += [f"    {text[:300]}" for text in outcome.violations[:SHOWN]]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
