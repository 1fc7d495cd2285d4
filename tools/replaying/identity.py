"""
Decide all recorded cycles again, run after run, and hold every byte against what was written.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from core.errors import TraderError
from core.settings_builder import Document
from runner.records.chain import Record
from runner.tape.header import TapeHeader
from tools.replaying.compared import INTERRUPTED
from tools.replaying.played_run import PlayedRun
from tools.replaying.reading import Recorded, RecordedAudit, RecordedJournal, TapeFile, find_line, header_of, read_runs
from tools.replaying.verdict import Verdict
from tools.replaying.watching import NobodyWatches, Watcher


class NoSuchCycle(TraderError):
    """No line has this number."""


class Replay:
    """One pass over a data directory and its lines."""

    def __init__(
        self, data_dir: Path, logs_dir: Path, advance: Callable[[], None], watcher: Watcher | None = None
    ) -> None:
        """
        Look at what there is. `advance` is called once for each line.

        Raises:
            StateUnusable: Journal or audit cannot be read, or are damaged.
        """
        self.verdict = Verdict(advance=advance)
        self._logs_dir = logs_dir
        self._watcher = watcher or NobodyWatches()
        self.journal, self.audit = RecordedJournal(data_dir), RecordedAudit(logs_dir)
        self._recorded = Recorded(self.journal, self.audit)
        tape = read_runs(data_dir)
        self.runs = tape.runs
        self.verdict.has_begun = tape.begins_cut_off
        self.verdict.problems += [f"{file.path.name}: {file.problem}" for file in tape.unreadable]

    def all(self) -> Verdict:
        """
        Decide every cycle again that the tape has.

        Raises:
            StateUnusable: Journal or audit are damaged.
        """
        for place, run in enumerate(self.runs):
            files, end = run.files, self._journal_end(place)
            while files:
                self.reach(files[0])
                played = PlayedRun(files, self._recorded, self.verdict, self._watcher, journal_end=end)
                files = played.play()
            self.verdict.runs += 1
        self.rest()
        return self.verdict

    def one(self, seq: int) -> Verdict:
        """
        Decide again up to one line, from the beginning of the file that has it; the verdict is about that line alone.

        Raises:
            NoSuchCycle
            StateUnusable: Journal or audit are damaged.
        """
        line = find_line(self._logs_dir, seq)
        if line is None:
            raise NoSuchCycle(f"there is no cycle {seq}: no line of the audit has that seq")
        files = () if line.body.get("no_trade_reason") == INTERRUPTED else self._files_from(line)
        if not files:
            self.verdict.passed(line, "the tape does not have it")
            return self.verdict
        self.reach(files[0])
        self.verdict = Verdict(advance=self.verdict.advance)
        PlayedRun(files, self._recorded, self.verdict, self._watcher, until=seq).play()
        return self.verdict.about(line)

    def _files_from(self, line: Record) -> tuple[TapeFile, ...]:
        """Return the files of the line's run from the one on that has its cycle; none when it is not there."""
        found: tuple[TapeFile, ...] = ()
        for run in self.runs:
            if run.run_id == line.body["run_id"]:
                for place, file in enumerate(run.files):
                    if _seq(header_of(file)) < (line.body["journal_seq"] or 0):
                        found = run.files[place:]
        return found

    def _journal_end(self, place: int) -> int | None:
        """Return the journal's last record before the run after the one at a place; None for the last one."""
        later = self.runs[place + 1 : place + 2]
        return _seq(header_of(later[0].files[0])) if later else None

    def documents(self) -> Mapping[str, Document]:
        """Return the configuration files of the latest recorded run."""
        return header_of(self.runs[-1].files[-1]).documents

    def reach(self, file: TapeFile) -> None:
        """Go to where a file of the tape begins: its journal record, and the line that is the next one there."""
        header = header_of(file)
        self.journal.fold_to(_seq(header))
        if not self.journal.stands_at(header.journal):
            self.verdict.problems.append(f"{file.path.name} was recorded on another journal than this one")
        while (line := self.audit.peek()) is not None and self._is_before(line, header):
            self._recorded.pass_line()
            self.verdict.passed(line, "the tape does not have it")

    def _is_before(self, line: Record, header: TapeHeader) -> bool:
        if line.body.get("no_trade_reason") == INTERRUPTED and line.body["slot"] == self.journal.ledger.open_slot:
            return False  # it is closed when the run starts
        return (line.body["journal_seq"] or 0) <= _seq(header)

    def rest(self) -> None:
        """Look at what comes after the last tape."""
        while (line := self.audit.peek()) is not None:
            self._recorded.pass_line()
            self.verdict.passed(line, "the tape ends before it")
        while self.journal.fold_next() is not None:
            pass
        may_come = len(self.verdict.unclosed) < 2 and not self.journal.ends_in_order
        if not may_come and not self.audit.has_grown():
            self.verdict.missing += self.verdict.unclosed
            self.verdict.unclosed = []


def _seq(header: TapeHeader) -> int:
    """Return the journal's last record before a file of the tape."""
    return 0 if header.journal is None else header.journal.seq
