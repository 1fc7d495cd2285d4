"""What the validator finds, and how its checks look at the parsed files."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from core.settings_builder import Document

MISSING = "(missing)"
NOT_SHOWN = "(not shown: it may be a secret)"

_OF_A_SECRET = re.compile(r"secret|private|password|passphrase|token|api_?key|-----BEGIN", re.IGNORECASE)
"""A key that was written into the configuration by mistake must not be printed, too (L15)."""


class FindingSeverity(Enum):
    """An ERROR blocks the start, a WARNING does not."""

    ERROR = "ERROR"
    WARNING = "WARNING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that is wrong with the configuration, said so that it can be mended.

    `file` is a name like `policy.yaml`; `key` a dotted path inside it, "" for the whole file; `value` what the file
    says there (`(missing)` when nothing does); `fix` completes the sentence "Fix: ...".
    """

    code: str
    severity: FindingSeverity
    file: str
    key: str
    value: str
    message: str
    fix: str

    @property
    def shown_value(self) -> str:
        """The value as it may be printed."""
        return NOT_SHOWN if _OF_A_SECRET.search(f"{self.key} {self.value}") else self.value

    def text(self) -> str:
        """Return the finding as one line for a person."""
        place = f"{self.file}: {self.key} = {self.shown_value}" if self.key else self.file
        return f"{self.severity.value} {self.code} {place}: {self.message}. Fix: {self.fix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Where a check failed: `path` starts with the file's name (`policy.risk.max_open_positions`)."""

    path: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class ConfigView:
    """
    Typed reading of parsed files whose shape the schemas have accepted.

    Paths are dotted and start with the file's name: `policy.risk.max_open_positions`.
    """

    documents: Mapping[str, Document]

    def get(self, path: str) -> object:
        """Return what stands at a path; None when nothing does."""
        value: object = self.documents
        for word in path.split("."):
            if not isinstance(value, Mapping) or word not in value:
                return None
            value = value[word]
        return value

    def number(self, path: str) -> Decimal:
        value = self.get(path)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise TypeError(f"{path} is not a number")
        return Decimal(value)

    def flag(self, path: str) -> bool:
        return self.get(path) is True

    def text(self, path: str) -> str:
        return spoken(self.get(path))

    def names(self, path: str) -> tuple[str, ...]:
        """Return a list's items, or a section's keys, in the file's order."""
        value = self.get(path)
        return tuple(str(item) for item in value) if isinstance(value, list | Mapping) else ()


@dataclass(frozen=True, slots=True)
class Check:
    """
    One check: its stable code, what it guards, and how it finds problems.

    `seed` is the check's number in the list of 17 that the project began with, "" for ours.
    """

    code: str
    severity: FindingSeverity
    seed: str
    guards: str
    problems: Callable[[ConfigView], Iterable[Problem]]

    def run(self, view: ConfigView) -> tuple[Finding, ...]:
        return tuple(self._finding(view, problem) for problem in self.problems(view))

    def _finding(self, view: ConfigView, problem: Problem) -> Finding:
        file, _, key = problem.path.partition(".")
        return Finding(
            code=self.code,
            severity=self.severity,
            file=f"{file}.yaml",
            key=key,
            value=view.text(problem.path),
            message=problem.message,
            fix=problem.fix,
        )


def spoken(value: object) -> str:
    """Return a parsed value as its file spells it; `(missing)` for None."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return "[" + ", ".join(spoken(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {spoken(item)}" for key, item in value.items()) + "}"
    return str(value)
