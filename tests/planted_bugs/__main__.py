"""
Plant every bug, one at a time, and see that it is caught: `python -m tests.planted_bugs [NAME...] [--results FILE]`.

First each check is run on a clean copy of the checkout: one that fails there catches nothing. Then, for each bug, a
copy with it must start and do quiet cycles, and one of its checks must fail. Ends with 0 when all are caught, with 1
when one is not, with 2 for a name that there is none of. The checkout itself is only read.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.planted_bugs.lists import BUGS
from tests.planted_bugs.planting import plant


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the bugs asked for and report each."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.planted_bugs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; all when none is named")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once (default 1)")
    parser.add_argument("--list", action="store_true", help="show names, what they break and their checks")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep what was found there, and go on from it")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in [bug.name for bug in BUGS]]
    if unknown:
        sys.stderr.write(f"no such planted bug: {', '.join(unknown)}; see --list\n")
        return 2
    if given.jobs < 1:
        sys.stderr.write(f"--jobs {given.jobs}: 1 or more\n")
        return 2
    bugs = [bug for bug in BUGS if bug.name in given.names] if given.names else list(BUGS)
    if given.list:
        for bug in bugs:
            sys.stdout.write(f"{bug.name} ({bug.breaks}, {bug.file}): {', '.join(bug.caught_by)}\n")
        return 0
    signal.signal(signal.SIGTERM, _stop)
    try:
        return plant(bugs, given.jobs, say, given.results)
    except KeyboardInterrupt:
        goes_on = "" if given.results is None else "; the same command goes on from here"
        sys.stderr.write(f"stopped{goes_on}\n")
        return 130


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def say(line: str) -> None:
    """Show a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
