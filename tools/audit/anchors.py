"""Anchors: read what was kept of a log's past, and prove that the log was only continued since."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.adapters.anchor_file import CHAIN
from runner.records.merkle import Anchor, Tree
from tools.audit.chain import Unreadable, json_object
from tools.audit.findings import At, Findings

JOURNAL = "journal"
CHAINS = (CHAIN, JOURNAL)
_LINE_BYTES_MAX = 4096
_TEXT = re.compile(r"(?:(audit|journal):)?([1-9][0-9]{0,15}):([0-9a-f]{64})")
_ROOT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Kept:
    """An anchor, and where it was read; `is_local`: in the file beside the log, not brought from outside."""

    anchor: Anchor
    file: Path
    line: int
    is_local: bool = False


def read_anchor_file(path: Path, findings: Findings, *, is_local: bool = False) -> list[Kept]:
    """
    Return the anchors of a file, one a line, as JSON or text; a line that is still being written is left out.

    In the file beside the log a crash may leave a line that is none, and no more is said of it.

    Raises:
        Unreadable
    """
    kept = []
    for number, raw in _lines(path):
        anchor = _from_json(raw) or from_text(raw.decode("ascii", "replace"))
        if anchor is not None:
            kept.append(Kept(anchor, path, number, is_local))
        elif raw.strip() and raw.endswith(b"\n"):
            found = repr(raw[:40].decode("ascii", "replace"))
            if is_local:
                findings.note(f"{path}:{number}: {found} is no anchor (a crash leaves such a line): it proves nothing")
                continue
            At(findings=findings, file=path, line=number, seq=None).report("anchor", found, "an anchor: size and root")
    return kept


def anchors_of(file_or_text: str, findings: Findings) -> list[Kept]:
    """
    Return the anchors that an argument names: `[chain:]size:root`, or a file of them.

    Raises:
        Unreadable: Neither.
    """
    anchor = from_text(file_or_text) or _from_json(file_or_text.encode())
    if anchor is not None:
        return [Kept(anchor, Path("--anchor"), 1)]
    path = Path(file_or_text)
    if not path.is_file():
        raise Unreadable(f"--anchor {file_or_text}: neither a file nor SIZE:ROOT with a root of 64 hex digits")
    kept = read_anchor_file(path, findings)
    if not kept:
        raise Unreadable(f"--anchor {file_or_text}: there is no anchor in it; give what `tools.audit anchor` printed")
    return kept


def from_text(text: str) -> Anchor | None:
    match = _TEXT.fullmatch(text.strip())
    return None if match is None else Anchor(chain=match[1] or CHAIN, size=int(match[2]), root=match[3], first="")


def _from_json(raw: bytes) -> Anchor | None:
    found = json_object(raw) or {}
    chain, size, root, first = (found.get(name) for name in ("chain", "size", "root", "first"))
    if type(size) is not int or size < 1 or not isinstance(root, str) or _ROOT.fullmatch(root) is None:
        return None
    if chain not in (*CHAINS, None):
        return None
    return Anchor(chain=str(chain or CHAIN), size=size, root=root, first=first if isinstance(first, str) else "")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as stream:
            number = 0
            while raw := stream.readline(_LINE_BYTES_MAX):
                number += 1
                yield number, raw
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error


class AnchorCheck:
    """Compare the roots of a chain with the anchors that were kept of it, as its records pass by."""

    def __init__(self, chain: str, kept: list[Kept], findings: Findings) -> None:
        self.proven = 0
        self.proven_up_to = 0
        self._findings = findings
        self._by_size: dict[int, list[Kept]] = {}
        self._other_root: dict[Kept, str] = {}
        self._firsts: list[str] = []
        for item in kept:
            if item.anchor.chain == chain:
                self._by_size.setdefault(item.anchor.size, []).append(item)

    def __bool__(self) -> bool:
        return bool(self._by_size)

    def on_record(self, tree: Tree) -> None:
        """Look at the tree after each record."""
        if tree.size == 1:
            self._firsts.append(tree.first)
        waiting = self._by_size.get(tree.size)
        if waiting is not None:
            root = tree.root()
            self._by_size[tree.size] = [item for item in waiting if not self._is_proven(item, tree, root)]

    def _is_proven(self, item: Kept, tree: Tree, root: str) -> bool:
        if item.anchor.root == root:
            self.proven += 1
            self.proven_up_to = max(self.proven_up_to, tree.size)
            return True
        if item.anchor.first in ("", tree.first):
            self._other_root[item] = root
        return False

    def finish(self, last_seq: int, *, is_afresh: bool) -> None:
        """Report every anchor that the log does not go on from; one beside it may be of the log before `is_afresh`."""
        former = 0
        for item in (item for waiting in self._by_size.values() for item in waiting):
            anchor, at = item.anchor, At(findings=self._findings, file=item.file, line=item.line, seq=item.anchor.size)
            if item in self._other_root:
                at.report("anchor", f"root {self._other_root[item][:16]}: records were changed", anchor.root[:16])
            elif item.is_local and is_afresh and anchor.first != self._firsts[-1]:
                former += 1
            elif anchor.first in ("", *self._firsts):
                found = f"the {anchor.chain} ends at record {last_seq}: it was cut off"
                at.report("anchor", found, f"at least {anchor.size} records")
            else:
                found = f"the {anchor.chain} begins with record {', '.join(self._firsts) or 'none'}"
                at.report("anchor", found, f"record {anchor.first}: it is another log")
        if former:
            self._findings.note(f"{former} anchors are of a log that was begun afresh since")
