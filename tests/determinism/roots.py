"""What a run has left, in one number: the ends of its two chains, and every byte of what it keeps."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

KEPT = (
    "data/journal*.jsonl",
    "logs/247trader-v2_audit*.jsonl",
    "logs/247trader-v2_anchors.jsonl",
    "data/tape/**/*",
    "data/.state.json*",
    "data/emergency.bin",
)
CHAINS = ("data/journal.jsonl", "logs/247trader-v2_audit.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """`chains`: the last hash of journal and audit. `files`: SHA-256 of each file that is kept, by its name."""

    chains: Mapping[str, str]
    files: Mapping[str, str]
    lines: int

    @property
    def digest(self) -> str:
        """Return 16 hex digits over all of it."""
        text = json.dumps([sorted(self.chains.items()), sorted(self.files.items())])
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def root_of(folder: Path) -> Root:
    """
    Read what a run in a folder has left.

    Raises:
        FileNotFoundError: It has no journal or no audit.
    """
    paths = [path for pattern in KEPT for path in sorted(folder.glob(pattern)) if path.is_file()]
    return Root(
        chains={name: _last_hash(folder / name) for name in CHAINS},
        files={path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        lines=sum(path.read_bytes().count(b"\n") for path in folder.glob(KEPT[1])),
    )


def first_difference(one: Path, other: Path) -> str:
    """Say in which file, line and field two runs part; "" when they do not."""
    left, right = root_of(one), root_of(other)
    for name in sorted({**left.files, **right.files}):
        if left.files.get(name) == right.files.get(name):
            continue
        if name not in left.files or name not in right.files:
            return f"{name} is there once only"
        if not name.endswith(".jsonl"):
            return f"{name} differs"
        with (one / name).open("rb") as here, (other / name).open("rb") as there:
            for number, (ours, theirs) in enumerate(zip_longest(here, there, fillvalue=b""), 1):
                if ours != theirs:
                    return f"{name}, line {number}: {_fields(ours, theirs)}"
    return ""


def _fields(ours: bytes, theirs: bytes) -> str:
    if not (ours and theirs):
        return "one ends here"
    left, right = json.loads(ours), json.loads(theirs)
    names = [name for name in sorted({**left, **right}) if left.get(name) != right.get(name)]
    name = next((name for name in names if name not in ("hash", "prev", "journal_hash")), names[0] if names else "")
    return f"{name}: {_short(left.get(name))} and {_short(right.get(name))}"


def _short(value: object) -> str:
    return json.dumps(value)[:120]


def _last_hash(path: Path) -> str:
    lines = path.read_bytes().splitlines()
    return str(json.loads(lines[-1])["hash"]) if lines else ""
