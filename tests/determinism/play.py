"""
Runs in a process of their own: `python -m tests.determinism.play KIND SEED CYCLES [KIND SEED CYCLES]...`.

Each has a folder of its own below the working directory, given as a relative path: what is recorded must not depend on
the rest. Several share the process, and what one leaves in its memory must not be seen in the next.
"""

import sys
from pathlib import Path

from tests.determinism.kinds import KINDS


def folder_of(kind: str, seed: int) -> Path:
    """Name the folder of a run, below the working directory."""
    return Path(f"{kind}-{seed}")


def main(arguments: list[str]) -> int:
    """Play them one after the other; it ends well or with a traceback."""
    for kind, seed, cycles in zip(arguments[::3], map(int, arguments[1::3]), map(int, arguments[2::3]), strict=True):
        folder = folder_of(kind, seed)
        folder.mkdir(mode=0o700)
        KINDS[kind](folder, seed, cycles)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
