"""
Damage to a log, and whether the verifier sees it: single bits, deletions, swaps, insertions, cuts.

A flipped bit can be seen only in its own line, or in the next one where it joins two lines: after an undamaged line the
verifier stands where it would stand without the damage. So flips that are at least SPACING lines apart are tried in one
pass, and each must be reported in its own place.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from runner.records.chain import START, seal
from runner.records.merkle import Tree
from tools.audit.anchors import AnchorCheck, Kept
from tools.audit.chain import ChainCheck, OpenedChain
from tools.audit.findings import Findings

SPACING = 4
NAME = Path("log.jsonl")


class LogInMemory(OpenedChain):
    """One file of a chain that is not on the disk."""

    def __init__(self, content: bytes) -> None:
        self.path = NAME
        self.size = len(content)
        self._content = content

    def files(self) -> Iterator[tuple[Path, BinaryIO | None, int]]:
        yield NAME, io.BytesIO(self._content), self.size


def make_log(records: int) -> list[bytes]:
    """Return the lines of a short log; every line is different."""
    place, lines = START, []
    for number in range(records):
        line, place = seal({"n": number}, place)
        lines.append(line)
    return lines


def findings_in(lines: Sequence[bytes], kept: Sequence[Kept] = ()) -> Findings:
    """Check the chain of these lines, and anchors that were kept of it."""
    findings = Findings(shown_max=len(lines) * 2)
    check = ChainCheck(LogInMemory(b"".join(lines)), findings)
    anchors = AnchorCheck("audit", list(kept), findings)
    if kept:
        check.tree, check.on_record = Tree(), anchors.on_record
    check.run()
    anchors.finish(check.seq, is_afresh=check.is_afresh)
    return findings


def is_detected(lines: Sequence[bytes], kept: Sequence[Kept] = ()) -> bool:
    return findings_in(lines, kept).count > 0


def anchor_of(lines: Sequence[bytes]) -> Kept:
    """Return the anchor that somebody kept when the log had these lines."""
    tree = Tree()
    for line in lines:
        tree.add(line[-67:-3].decode())
    return Kept(tree.anchor("audit"), Path("mail"), 1)


def flips(lines: Sequence[bytes], offset: int, bit: int, first: int) -> tuple[int, int]:
    """
    Flip one bit in every SPACING-th line from `first` on, at a byte's place in the line, in one pass.

    Returns:
        How many were flipped, and how many of them were reported in their own line or the next one.
    """
    damaged, places = list(lines), []
    shift = 0  # a newline that came or went moves the later lines
    for place in range(first, len(lines), SPACING):
        line = lines[place]
        if offset < len(line):
            damaged[place] = line[:offset] + bytes([line[offset] ^ 1 << bit]) + line[offset + 1 :]
            places.append(place + shift)
            shift += damaged[place].count(b"\n") - 1
    reported = {finding.line - 1 for finding in findings_in(damaged).shown}
    return len(places), sum(1 for place in places if {place, place + 1} & reported)
