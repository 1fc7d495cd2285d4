"""
Decide recorded cycles again: `python -m tools.replay --all`, or `--cycle N`.

The shipped loop runs on the tape (data/tape) with the settings of then, and every byte of the audit lines and journal
records that it would write is compared with what was written. Nothing in data/ or logs/ is touched.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import TraderError
from runner.options import ROOT
from runner.terminal import complain, say
from tools.replaying.identity import Replay
from tools.replaying.verdict import Verdict

SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 when all is identical, 1 when not, 2 when it cannot be told."""
    options = _parser().parse_args(arguments)
    try:
        replay = Replay(options.data_dir, options.logs_dir, lambda _count: None)
        verdict = replay.all()
    except TraderError as error:
        complain(f"❌ {error}")
        return 2
    for line in report(verdict):
        say(line)
    return 0 if verdict.is_good else 1


def report(verdict: Verdict) -> list[str]:
    """Return the verdict in words."""
    lines = [f"❌ {problem}" for problem in verdict.problems]
    for seq, slot, found in verdict.differing[:SHOWN]:
        lines.append(
            f"❌ cycle {seq} (slot {slot}): {found.where}, {found.member}: recorded {found.recorded}, decided again "
            f"{found.recomputed}"
        )
    if len(verdict.differing) > SHOWN:
        lines.append(f"   ... and {len(verdict.differing) - SHOWN} more cycles that differ")
    if verdict.lost:
        lines.append(f"❌ {len(verdict.lost)} cycles lost: {verdict.lost[:3]}")
    mark = "✅" if verdict.is_good else "❌"
    lines.append(f"{mark} {verdict.identical} of {verdict.cycles} cycles identical")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.replay", allow_abbrev=False, description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--all", action="store_true", help="every cycle that the tape has")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data", metavar="D", help="default: data")
    parser.add_argument("--logs-dir", type=Path, default=ROOT / "logs", metavar="D", help="default: logs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
