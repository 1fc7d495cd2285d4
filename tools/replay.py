"""
Decide recorded cycles again.

    python -m tools.replay --all          every cycle that the tape has
    python -m tools.replay --cycle N      the cycle of the audit line whose seq is N

The shipped loop runs on the tape (data/tape) with the settings of then. Every byte of the audit lines and the journal
records that it would write is compared with what was written. Nothing in data/ or logs/ is touched.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import TraderError
from runner.adapters.process_facts import code_hash
from runner.options import ROOT
from runner.progress import show_progress
from runner.terminal import complain, say
from tools.replaying.identity import Replay
from tools.replaying.reading import count_lines
from tools.replaying.verdict import Verdict

SHOWN = 20
IDENTICAL, FINDING, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 when all is identical, 1 when something is not, 2 when it cannot be told."""
    options = _parser().parse_args(arguments)
    is_shown = sys.stdout.isatty() and not options.json
    try:
        with show_progress(count_lines(options.logs_dir), enabled=is_shown, name="deciding again") as advance:
            replay = Replay(options.data_dir, options.logs_dir, lambda: advance(""))
            verdict = replay.all() if options.all else replay.one(options.cycle)
    except TraderError as error:
        complain(f"❌ {error}")
        return UNUSABLE
    if options.json:
        say(json.dumps(_facts(verdict)))
    else:
        for line in _words(verdict, options.data_dir, options.cycle):
            say(line)
    return UNUSABLE if verdict.is_empty else IDENTICAL if verdict.is_good else FINDING


def _words(verdict: Verdict, data_dir: Path, cycle: int | None) -> list[str]:
    """Return the verdict in words, the worst first."""
    lines = [f"❌ {problem}" for problem in verdict.problems]
    lines += [
        f"❌ cycle {seq} (slot {slot}): {found.where}, {found.member}: recorded {found.recorded}, decided again "
        f"{found.recomputed}"
        for seq, slot, found in verdict.differing[:SHOWN]
    ]
    if len(verdict.differing) > SHOWN:
        lines.append(
            f"   ... and {len(verdict.differing) - SHOWN} more, the last of them cycle {verdict.differing[-1][0]}"
        )
    if verdict.differing and len(verdict.differing) > 1:
        lines.append("   (Those after the first may follow from it: the loop's memory is put right at the next file.)")
    if verdict.lost:
        first, last = verdict.lost[0], verdict.lost[-1]
        lines.append(
            f"❌ {len(verdict.lost)} cycles have a line and no facts any more ({first[0]} to {last[0]}): {first[2]}"
        )
    if verdict.is_empty:
        lines.append(
            f"❌ nothing to decide again: {data_dir / 'tape'} has no cycle of these lines"
            if cycle is None
            else f"❌ cycle {cycle} cannot be decided again: the tape in {data_dir / 'tape'} does not have it"
        )
        return lines
    mark = "✅" if verdict.is_good else "❌"
    of = f"{verdict.identical:,} of {verdict.cycles:,} cycles identical"
    lines.append(
        f"{mark} {of}, to the byte: their lines, and {verdict.records:,} journal records of {verdict.runs} runs"
    )
    lines += _left_out(verdict)
    if verdict.codes and verdict.codes != {code_hash(ROOT): None}:
        lines.append(f"   recorded by code {', '.join(verdict.codes)}, decided again by {code_hash(ROOT)}")
    return lines


def _left_out(verdict: Verdict) -> list[str]:
    counts = (
        (verdict.cut_off, "were cut off by a crash: their lines, closed by the next start, are the same"),
        (verdict.before_tape, "are older than the tape that is kept"),
        (
            verdict.without_line,
            "are on the tape and not in the audit (emptied by hand?): only their journal was compared",
        ),
    )
    return [f"   {count:,} more {words}" for count, words in counts if count]


def _facts(verdict: Verdict) -> dict[str, object]:
    return {
        "identical": verdict.identical,
        "cycles": verdict.cycles,
        "differing": [
            {
                "cycle": seq,
                "slot": slot,
                "where": found.where,
                "member": found.member,
                "recorded": found.recorded,
                "recomputed": found.recomputed,
            }
            for seq, slot, found in verdict.differing
        ],
        "lost": [{"cycle": seq, "slot": slot, "why": why} for seq, slot, why in verdict.lost],
        "cut_off": verdict.cut_off,
        "before_tape": verdict.before_tape,
        "without_line": verdict.without_line,
        "journal_records": verdict.records,
        "runs": verdict.runs,
        "problems": verdict.problems,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit: 0 identical, 1 something differs or is lost, 2 wrong use, or nothing can be told.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--all", action="store_true", help="every cycle that the tape has")
    what.add_argument("--cycle", type=_positive, metavar="N", help="one cycle: the seq of its audit line")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data", metavar="D", help="default: data")
    parser.add_argument("--logs-dir", type=Path, default=ROOT / "logs", metavar="D", help="default: logs")
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
