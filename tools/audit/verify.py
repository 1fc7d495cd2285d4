"""
Verify a bot's records: chains, schema, journal against audit, state against fold, ledger against fills, anchors.

Everything is read once, in the order in which the loop writes it, with a memory that does not grow with the logs. A
loop may go on writing meanwhile: what is judged is what was there at the beginning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.adapters.anchor_file import ANCHORS_NAME, CHAIN
from runner.audit_line import AUDIT_NAME
from runner.records.merkle import Tree
from runner.recovery import JOURNAL_NAME
from tools.audit.anchors import JOURNAL, AnchorCheck, Kept, anchors_of, read_anchor_file
from tools.audit.chain import ChainCheck, OpenedChain, Unreadable
from tools.audit.findings import At, Findings
from tools.audit.history import History
from tools.audit.lines import LineCheck
from tools.audit.state_check import StateFile, load_states

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a bot's records are."""

    data_dir: Path
    logs_dir: Path

    @property
    def journal(self) -> Path:
        return self.data_dir / JOURNAL_NAME

    @property
    def audit(self) -> Path:
        return self.logs_dir / AUDIT_NAME

    @property
    def anchors(self) -> Path:
        return self.logs_dir / ANCHORS_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was read, and what was proven of it; None where it is not there or was not asked for."""

    audit: ChainCheck | None
    journal: ChainCheck | None
    history: History | None
    states: list[StateFile]
    anchors: dict[str, AnchorCheck]

    def as_json(self) -> dict[str, Any]:
        return {
            "audit": None if self.audit is None else _figures(self.audit),
            "journal": None if self.journal is None else _figures(self.journal),
            "states": {state.path.name: state.seq for state in self.states if state.was_compared},
            "books": None if self.history is None else {"fills": self.history.fills} | self.history.books.as_line(),
            "anchored": {name: check.proven_up_to for name, check in self.anchors.items()},
        }


def _figures(check: ChainCheck) -> dict[str, Any]:
    return {
        "records": check.records,
        "bytes": check.bytes,
        "seq": check.seq,
        "hash": check.hash,
        "open_bytes": check.open_bytes,
    }


class Verification:
    """One pass over everything. `advance` is told how many bytes are done, of `size`."""

    def __init__(self, paths: Paths, anchors: list[str], findings: Findings) -> None:
        """
        Open what is there, in the order that a writing loop allows: what refers to something is opened before it.

        Raises:
            Unreadable: Nothing is there, or it cannot be read.
        """
        self._paths = paths
        self._findings = findings
        self._anchors: dict[str, AnchorCheck] = {}
        self._kept = self._read_anchors(anchors)
        self._states = load_states(paths.data_dir, findings)
        early = OpenedChain(paths.journal)
        self._early_bytes = early.size
        early.close()
        self._audit = OpenedChain(paths.audit)
        self._journal = OpenedChain(paths.journal)
        if not self._audit.is_there and not self._journal.is_there:
            raise Unreadable(
                f"there is nothing to verify: neither {paths.audit} nor {paths.journal}. Name the directories of the "
                "bot with --logs-dir and --data-dir"
            )
        self.size = self._audit.size + self._journal.size

    def close(self) -> None:
        self._audit.close()
        self._journal.close()

    def chains(self, advance: Advance) -> Verified:
        """Check bytes, links and anchors alone: not what the records say."""
        audit = self._check(self._audit, CHAIN, advance, 0)
        audit.run()
        journal = self._check(self._journal, JOURNAL, advance, self._audit.size)
        journal.run()
        return self._finish(audit, journal, None)

    def all(self, advance: Advance) -> Verified:
        """Check everything."""
        audit = self._check(self._audit, CHAIN, lambda done: advance(done + journal.bytes), 0)
        journal = self._check(self._journal, JOURNAL, lambda done: advance(done + audit.bytes), 0)
        history = History(journal, self._states, self._findings) if self._journal.is_there else None
        if history is None:
            self._at(self._paths.journal).report("journal", "it is not there", "the journal that the audit tells of")
        lines, line = LineCheck(history), None
        for line in audit:
            if line.is_sound:
                lines.check(line.body(), self._at(line.file, line.number, line.seq))
        if history is not None:
            silent = history.read_rest(self._early_bytes)
            if silent and history.is_whole:
                at = self._at(self._paths.audit, 0 if line is None else line.number, audit.seq)
                at.report("cycle", f"no line for the slots {silent[:10]}", "one line for each cycle that was started")
            history.compare_books(self._at(self._paths.journal, 0, history.seq))
        return self._finish(audit, journal, history)

    def _check(self, chain: OpenedChain, name: str, advance: Advance, before: int) -> ChainCheck:
        check = ChainCheck(chain, self._findings, lambda done: advance(before + done))
        anchors = AnchorCheck(name, self._kept, self._findings)
        self._anchors[name] = anchors
        if anchors:
            check.tree, check.on_record = Tree(), anchors.on_record
        return check

    def _finish(self, audit: ChainCheck, journal: ChainCheck, history: History | None) -> Verified:
        for name, check in ((CHAIN, audit), (JOURNAL, journal)):
            self._anchors[name].finish(check.seq, is_afresh=check.is_afresh)
            if check.open_bytes:
                self._findings.note(
                    f"{name}: open end, {check.open_bytes} bytes after seq {check.seq}: a record that is being "
                    "written, or was torn by a crash"
                )
        if history is not None and history.is_whole:
            for state in self._states:
                state.finish(history.seq)
        return Verified(
            audit=audit if self._audit.is_there else None,
            journal=journal if self._journal.is_there else None,
            history=history,
            states=self._states,
            anchors={name: check for name, check in self._anchors.items() if check},
        )

    def _read_anchors(self, asked: list[str]) -> list[Kept]:
        kept = [item for text in asked for item in anchors_of(text, self._findings)]
        if self._paths.anchors.is_file():
            kept += read_anchor_file(self._paths.anchors, self._findings, is_local=True)
        return kept

    def _at(self, file: Path, line: int = 0, seq: int | None = None) -> At:
        return At(findings=self._findings, file=file, line=line, seq=seq)
