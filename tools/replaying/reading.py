"""What was recorded, read side by side: the journal with its fold, the audit's lines, the tape by runs and files."""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import StateUnusable
from core.ledger.fold import apply
from core.model.codec import decode_event
from core.model.ledger import Ledger
from core.model.records import Event, RunStopped
from core.ports import Position
from runner.adapters.tape_files import FOLDER_NAME, TapeFileReader, TapeFrame, tape_names
from runner.audit_line import AUDIT_NAME
from runner.records.chain import SEGMENT_KIND, START, Place, Record
from runner.records.reader import ChainReader, ended_segments, segment_path, start_of_last_file
from runner.recovery import JOURNAL_NAME
from runner.tape.header import TapeHeader
from runner.tape.recorder import DIGEST_DIGITS, Frame, vouched

UNTOLD_MAX = 10_000
"""More events than any cycle has."""


class RecordsDamaged(StateUnusable):
    """Journal or audit cannot be read on; the message says where."""


class RecordedChain:
    """A chain read once from its beginning, with a look at what comes next. `before` is where the next one begins."""

    def __init__(self, path: Path, since: Place) -> None:
        self.path = path
        self.before = since
        self._records = iter(ChainReader(path, since))
        self._ahead: Record | None = None
        self._is_over = False

    def peek(self) -> Record | None:
        """
        Return the next record, None at the end.

        Raises:
            RecordsDamaged
        """
        if self._ahead is None and not self._is_over:
            try:
                self._ahead = next(self._records, None)
            except StateUnusable as error:
                raise RecordsDamaged(str(error)) from error
            self._is_over = self._ahead is None
        return self._ahead

    def take(self) -> Record | None:
        record = self.peek()
        if record is not None:
            self.before, self._ahead = record.place, None
        return record


class RecordedJournal:
    """The journal's events, and the ledger that is their fold up to where it was read."""

    def __init__(self, data_dir: Path) -> None:
        self.chain = RecordedChain(data_dir / JOURNAL_NAME, START)
        self.ledger = Ledger()
        self._recent: deque[tuple[int, Event]] = deque(maxlen=UNTOLD_MAX)
        self._told = 0
        self._passed: list[Position | None] = []

    def peek(self) -> Record | None:
        """Return the next record that is an event."""
        self._pass_segments()
        return self.chain.peek()

    def _pass_segments(self) -> None:
        while self._is_at_segment():
            self._pass_segment()

    def _is_at_segment(self) -> bool:
        record = self.chain.peek()
        return record is not None and record.body.get("kind") == SEGMENT_KIND

    def _pass_segment(self) -> None:
        self._passed.append(self.position)
        self.chain.take()

    @property
    def position(self) -> Position | None:
        place = self.chain.before
        return Position(seq=place.seq, hash=place.hash) if place.seq else None

    def stands_at(self, position: Position | None) -> bool:
        """Tell whether no event lies between a position and here: records that begin a file may."""
        return position == self.position or position in self._passed

    def fold_to(self, seq: int) -> None:
        """
        Apply what was written, up to a record.

        Raises:
            StateUnusable: The journal is damaged, or ends before.
        """
        while self.chain.before.seq < seq:
            if self._is_at_segment():
                self._pass_segment()
            elif self.fold_next() is None:
                raise StateUnusable(f"{self.chain.path} ends before seq {seq}, to which the tape refers")

    def fold_next(self) -> Event | None:
        """Apply the next record as it was written; None at the end."""
        record = self.peek()
        if record is None:
            return None
        try:
            event = decode_event(record.body)
            after = apply(self.ledger, event)
        except (ValueError, StateUnusable) as error:
            words = f"{self.chain.path}, seq {record.place.seq}: it is no event that fits here: {error}"
            raise RecordsDamaged(words) from error
        self.took(event, after)
        return event

    def took(self, event: Event, after: Ledger) -> None:
        """Go on by one record whose event, and the ledger after it, are known."""
        record = self.chain.take()
        self._passed.clear()
        self.ledger = after
        self._recent.append((0 if record is None else record.place.seq, event))

    def told_up_to(self, seq: int) -> None:
        """Forget events that a line has told, also those that are still to be read."""
        self._told = max(self._told, seq)
        while self._recent and self._recent[0][0] <= seq:
            self._recent.popleft()

    @property
    def ends_in_order(self) -> bool:
        """Whether the last event is the stop of a run, which comes after the line of its last cycle."""
        return bool(self._recent) and isinstance(self._recent[-1][1], RunStopped)

    def untold(self) -> list[Event]:
        return [event for seq, event in self._recent if seq > self._told]


class RecordedAudit:
    """The lines, in their order."""

    def __init__(self, logs_dir: Path) -> None:
        path = logs_dir / AUDIT_NAME
        self.chain = RecordedChain(path, _first_place(path))
        self.last: Record | None = None

    def peek(self) -> Record | None:
        return self.chain.peek()

    def take(self) -> Record | None:
        record = self.chain.take()
        self.last = record or self.last
        return record

    def has_grown(self) -> bool:
        """Tell whether a loop has gone on writing lines since the end was reached."""
        try:
            return self.chain.path.stat().st_size > self.chain.before.offset
        except OSError:
            return True


@dataclass(frozen=True, slots=True)
class Recorded:
    """Journal and lines, read side by side."""

    journal: RecordedJournal
    audit: RecordedAudit

    def pass_line(self) -> None:
        """Leave out a line: what it tells was told."""
        line = self.audit.take()
        if line is not None:
            self.journal.told_up_to(line.body["journal_seq"] or 0)


def lines_of(logs_dir: Path) -> Iterator[Record]:
    """
    Yield every line, verified.

    Raises:
        StateUnusable: They are damaged.
    """
    path = logs_dir / AUDIT_NAME
    return iter(ChainReader(path, _first_place(path)))


def find_line(logs_dir: Path, seq: int) -> Record | None:
    """Return the line with a number; None when there is none."""
    return next((line for line in lines_of(logs_dir) if line.place.seq == seq), None)


def unreadable(*paths: Path) -> str | None:
    """Say which of these files cannot be read at all; None: they can."""
    for path in paths:
        try:
            path.open("rb").close()
        except OSError as error:
            return f"{path} cannot be read ({error.strerror}); name the folders of a run: --data-dir, --logs-dir"
    return None


def count_lines(logs_dir: Path) -> int:
    """Return how many lines the audit has, without checking them: for a progress bar."""
    path = logs_dir / AUDIT_NAME
    count = 0
    for name in [*(segment_path(path, number + 1) for number in range(ended_segments(path))), path]:
        if name.is_file():
            with name.open("rb") as file:
                count += sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return count


def _first_place(path: Path) -> Place:
    """Return where the first line is: of the whole chain, or of the file that begins anew after it was emptied."""
    last = start_of_last_file(path)
    return last if last.seq == 0 else START


# --- the tape ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFile:
    """
    One file of the tape: its header, or what is wrong with it.

    `was_cut_off`: its header was never written whole, because the process was killed or the disk full; so it tells of
    no cycle.
    """

    path: Path
    header: TapeHeader | None
    problem: str = ""
    was_cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeRun:
    """The files of one run, in their order; the first kept one may begin inside the run."""

    run_id: str
    files: tuple[TapeFile, ...]


def header_of(file: TapeFile) -> TapeHeader:
    if file.header is None:
        raise StateUnusable(f"{file.path}: {file.problem}")
    return file.header


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFolder:
    """
    The runs that the tape has, oldest first, and the files whose header is there and cannot be read.

    `begins_cut_off`: before the first run there is a file that may have told of cycles.
    """

    runs: list[TapeRun]
    unreadable: list[TapeFile]
    begins_cut_off: bool


def read_runs(data_dir: Path) -> TapeFolder:
    """Read the headers of all files of the tape."""
    folder = data_dir / FOLDER_NAME
    runs: list[list[TapeFile]] = []
    unreadable: list[TapeFile] = []
    begins_cut_off = False
    for name in tape_names(folder):
        file = _file(folder / name)
        if file.was_cut_off:
            begins_cut_off |= not runs
        elif file.header is None:
            unreadable.append(file)
        elif runs and _goes_on(runs[-1][-1], file.header):
            runs[-1].append(file)
        else:
            runs.append([file])
    found = [TapeRun(run_id=_run_id(files[0]), files=tuple(files)) for files in runs]
    return TapeFolder(runs=found, unreadable=unreadable, begins_cut_off=begins_cut_off)


def _goes_on(file: TapeFile, header: TapeHeader) -> bool:
    """Tell whether the run of a file goes on in the next one; in virtual time two starts may have the same name."""
    return _run_id(file) == header.run.run_id and not header.begins_a_run


def _run_id(file: TapeFile) -> str:
    return "" if file.header is None else file.header.run.run_id


def _file(path: Path) -> TapeFile:
    reader = TapeFileReader(path)
    frame = next(iter(reader), None)
    if frame is None or frame.text is None or frame.kind != Frame.HEADER:
        problem = reader.problem or (frame.problem if frame is not None else "") or "it has no header"
        was_cut_off = frame is None and (reader.is_torn or not reader.problem)
        return TapeFile(path=path, header=None, problem=problem, was_cut_off=was_cut_off)
    try:
        return TapeFile(path=path, header=TapeHeader.of(frame.text))
    except (ValueError, KeyError) as error:
        return TapeFile(path=path, header=None, problem=str(error))


class TapeTexts:
    """
    Iterate over the records of a run from one of its files on, for `Player`: texts, and None where a file begins.

    `digest` is that of the last whole record. A damaged frame ends the iteration; `problem` says so.
    """

    def __init__(self, files: tuple[TapeFile, ...]) -> None:
        self.digest = ""
        self.problem = ""
        self.cycles = 0
        self._files = list(files)
        self._frames: Iterator[TapeFrame] = iter(())
        self._reader: TapeFileReader | None = None
        self._ahead: TapeFrame | None = None
        self._sha = hashlib.sha256()
        self._next_header()

    def __iter__(self) -> Iterator[str | None]:
        return self

    def __next__(self) -> str | None:
        frame = self._peek()
        if frame is None:
            raise StopIteration
        if frame.kind == Frame.HEADER:
            self._next_header()
            return None
        self._ahead = None
        text = frame.text or ""
        self._sha.update(text.encode())
        if frame.kind == Frame.CYCLE:
            self.digest = self._sha.hexdigest()[:DIGEST_DIGITS]
            self._sha = hashlib.sha256()
            self.cycles += 1
        return text

    def file_ahead(self) -> TapeFile | None:
        """Return the file that begins here; None when the present one goes on."""
        frame = self._peek()
        return self._files[0] if frame is not None and frame.kind == Frame.HEADER else None

    def files_left(self) -> tuple[TapeFile, ...]:
        """Return the files of the run that were not begun."""
        return tuple(self._files)

    def _peek(self) -> TapeFrame | None:
        if self._ahead is None and not self.problem:
            self._ahead = next(self._frames, None)
            if self._ahead is None:
                self.problem = self._at_the_end_of_a_file()
            elif self._ahead.text is None:
                self.problem = f"{self._reader and self._reader.path.name}: {self._ahead.problem}"
                self._ahead = None
        return self._ahead

    def _at_the_end_of_a_file(self) -> str:
        """Look at the next file's header; return what keeps from going on."""
        if self._reader is not None and self._reader.problem:
            return f"{self._reader.path.name}: {self._reader.problem}"
        if not self._files:
            return ""
        self._ahead = TapeFrame(kind=Frame.HEADER, slot=0, text="")
        return ""

    def _next_header(self) -> None:
        file = self._files.pop(0)
        self._reader = TapeFileReader(file.path)
        self._frames = iter(self._reader)
        header = next(self._frames)
        self._sha = hashlib.sha256(vouched(header.text or "{}"))
        self._ahead = None
