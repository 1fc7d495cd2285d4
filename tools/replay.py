"""
Decide recorded cycles again.

    python -m tools.replay --all                  every cycle that the tape has
    python -m tools.replay --cycle N              the cycle of the audit line whose seq is N
    python -m tools.replay --all --config DIR     which decisions would be others under the settings of DIR, and why
    python -m tools.replay --all --decisions      which decisions this code makes otherwise than the one that ran

The shipped loop runs on the tape (data/tape) with the settings of then. Every byte of the audit lines and the journal
records that it would write is compared with what was written. Nothing in data/ or logs/ is touched.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from core.errors import ConfigError, StateUnusable
from runner.adapters.process_facts import code_hash
from runner.audit_line import AUDIT_NAME
from runner.options import ROOT
from runner.progress import Advance, show_progress
from runner.recovery import JOURNAL_NAME
from runner.terminal import complain, say
from runner.wiring import Configuration, load_configuration
from tools.replaying.identity import NoSuchCycle, Replay
from tools.replaying.reading import count_lines, unreadable
from tools.replaying.report import identity_json, identity_words, other_keys, what_if_json, what_if_words
from tools.replaying.verdict import Verdict
from tools.replaying.watching import NobodyWatches, Watcher
from tools.replaying.what_if import OtherCode, OtherSettings, WhatIf

NOTHING_FOUND, FOUND, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 when all is identical, 1 when something is not, 2 when it cannot be told."""
    options = _parser().parse_args(arguments)
    problem = unreadable(options.data_dir / JOURNAL_NAME, options.logs_dir / AUDIT_NAME)
    if problem is not None:
        complain(f"❌ {problem}")
        return UNUSABLE
    try:
        other = None if options.config is None else load_configuration(options.config)
        return _decide_again(options, other)
    except (ConfigError, NoSuchCycle) as error:
        complain(f"❌ {error}")
        return UNUSABLE
    except StateUnusable as error:
        complain(f"❌ {error}")
        return FOUND


def _decide_again(options: argparse.Namespace, other: Configuration | None) -> int:
    code = OtherCode() if options.decisions else None
    settings = None if other is None else OtherSettings(other.settings)
    watcher: Watcher = settings or code or NobodyWatches()
    with _progress(options) as advance:
        replay = Replay(options.data_dir, options.logs_dir, lambda: advance(""), watcher)
        verdict = replay.all() if options.all else replay.one(options.cycle)
    if verdict.is_empty or (settings is None and code is None):
        return _tell_identity(verdict, options)
    if settings is not None and other is not None:
        then = replay.documents()
        return _tell_what_if(settings.found, other_keys(then, other.documents), options)
    return NOTHING_FOUND if code is None else _tell_what_if(code.found, {}, options)


def _tell_identity(verdict: Verdict, options: argparse.Namespace) -> int:
    _tell(
        options,
        identity_json(verdict),
        identity_words(verdict, options.data_dir, options.cycle, code_hash(ROOT)),
    )
    return UNUSABLE if verdict.is_empty else NOTHING_FOUND if verdict.is_good else FOUND


def _tell_what_if(found: WhatIf, keys: dict[str, tuple[str, str]], options: argparse.Namespace) -> int:
    if options.cycle is not None:
        found = found.about(options.cycle)
    _tell(options, what_if_json(found, keys), what_if_words(found, keys))
    return FOUND if found.changes else NOTHING_FOUND


def _tell(options: argparse.Namespace, facts: dict[str, object], words: Iterable[str]) -> None:
    for line in [json.dumps(facts)] if options.json else words:
        say(line)


def _progress(options: argparse.Namespace) -> AbstractContextManager[Advance]:
    is_shown = sys.stdout.isatty() and not options.json
    total = count_lines(options.logs_dir) if options.all else options.cycle
    return show_progress(total, enabled=is_shown, name="deciding again")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit: 0 nothing differs, 1 something differs, is lost or damaged, 2 wrong use, or it cannot be told.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="every cycle that the tape has")
    which.add_argument("--cycle", type=_positive, metavar="N", help="one cycle: the seq of its audit line")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--config", type=Path, metavar="DIR", help="decide under the settings of this folder instead")
    how.add_argument("--decisions", action="store_true", help="tell differences by product and gate, not by bytes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
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
