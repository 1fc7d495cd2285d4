"""
One run in a process of its own: `python -m tests.determinism.play KIND SEED CYCLES`, below the working directory.

Its folder has a name of its own there, and is given as a relative path: what is recorded must not depend on the rest.
"""

import sys
from pathlib import Path

from tests.determinism.kinds import KINDS

FOLDER = Path("run")


def main(arguments: list[str]) -> int:
    """Play it; it ends well or with a traceback."""
    kind, seed, cycles = arguments
    FOLDER.mkdir(mode=0o700)
    KINDS[kind](FOLDER, int(seed), int(cycles))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
