"""What a verification finds, one line each, and what it has to say besides."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: where (`line` 0: the file as a whole), a code, what is there, what should be."""

    file: str
    line: int
    seq: int | None
    code: str
    found: str
    expected: str

    def __str__(self) -> str:
        seq = "" if self.seq is None else f" seq {self.seq}:"
        return f"{self.file}:{self.line}:{seq} {self.code}: {self.found}; expected {self.expected}"

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "line": self.line,
            "seq": self.seq,
            "code": self.code,
            "found": self.found,
            "expected": self.expected,
        }


@dataclass(slots=True)
class Findings:
    """Count everything, show the first `shown_max` as they come; `notes` are facts that are no faults."""

    show: Callable[[Finding], None] = lambda _finding: None
    shown_max: int = SHOWN_MAX
    count: int = 0
    shown: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.count += 1
        if len(self.shown) < self.shown_max:
            self.shown.append(finding)
            self.show(finding)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """A place in a file, to report findings about it."""

    findings: Findings
    file: Path
    line: int
    seq: int | None

    def report(self, code: str, found: str, expected: str) -> None:
        self.findings.add(
            Finding(file=str(self.file), line=self.line, seq=self.seq, code=code, found=found, expected=expected)
        )
