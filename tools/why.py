"""
Say why a product was or was not bought in a cycle: the whole chain of gates, each with what was seen and its limit.

    python -m tools.why SOL-USD                    in the latest cycle
    python -m tools.why SOL 13:31                  at that minute (UTC) of the latest day
    python -m tools.why SOL-USD 2026-01-05T13:31   at that minute
    python -m tools.why SOL-USD '#812'             in the cycle of audit line 812

The cycle is decided again on its tape, by the code that trades; what was sent and filled is read from its line.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import StateUnusable, TraderError
from runner.audit_line import AUDIT_NAME
from runner.options import ROOT
from runner.progress import show_progress
from runner.recovery import JOURNAL_NAME
from runner.terminal import complain, say
from tools.replaying.asking import Answer, NoTime, ask
from tools.replaying.reading import unreadable

ANSWERED, NO_ANSWER, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 with an answer, 1 when the cycle or the product is not there, 2 for wrong use."""
    options = _parser().parse_args(arguments)
    problem = unreadable(options.data_dir / JOURNAL_NAME, options.logs_dir / AUDIT_NAME)
    if problem is not None:
        complain(f"❌ {problem}")
        return UNUSABLE
    try:
        is_shown = sys.stdout.isatty() and not options.json
        with show_progress(None, enabled=is_shown, name="deciding again") as advance:
            answer = ask(options.data_dir, options.logs_dir, options.product, options.time, lambda: advance(""))
    except (StateUnusable, NoTime) as error:
        complain(f"❌ {error}")
        return UNUSABLE
    except TraderError as error:
        complain(f"❌ {error}")
        return NO_ANSWER
    for line in [json.dumps(_facts(answer))] if options.json else answer.words():
        say(line)
    return ANSWERED


def _facts(answer: Answer) -> dict[str, object]:
    return {
        "product": answer.product,
        "cycle": answer.cycle,
        "at": answer.at,
        "is_as_recorded": answer.is_as_recorded,
        "chain": [{"step": one.step, "open": one.is_open, "words": one.words} for one in answer.links],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.why",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit: 0 answered, 1 no such cycle or product, or its facts are lost, 2 wrong use or unreadable.",
    )
    parser.add_argument("product", metavar="PRODUCT", help="BTC-USD, or just BTC")
    parser.add_argument("time", metavar="TIME", nargs="?", help="HH:MM, YYYY-MM-DDTHH:MM, or '#N'; default: latest")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data", metavar="D", help="default: data")
    parser.add_argument("--logs-dir", type=Path, default=ROOT / "logs", metavar="D", help="default: logs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
