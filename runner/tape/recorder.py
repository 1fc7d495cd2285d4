"""
The recorder: what the loop was told becomes lines of text, in the order in which it was told.

A record is what was told from the line before it was written to the next one. Its lines:

    t<us> [n]            the clock's time moved by so many microseconds     m<ns> [n]      likewise its monotonic time
    f<fact> <n> <value>  a fact that mostly stays as it is has changed      s<stage>       a stage of the cycle begins
    w, a<times>, e       a wait, how often it asked its caller, its end     cut <slot>     the record ends
    <letter><question>TAB<answer>    an answer of market or broker; `!` before an error, `=` for the one before

Whoever reads the clock, or a fact, and finds what stood there before leaves no line. `n` says how often that happened
in the record since the fact's line before, so that the place of a change is known to the reading.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from runner.tape.text import error_text

T = TypeVar("T")
DIGEST_DIGITS = 16
PART_CHARS = 32_768
"""An answer of this length goes to the file at once."""


class TapeSink(Protocol):
    """Where records go (`runner.adapters.tape_files`)."""

    def begin(self, header: str, at: datetime) -> None: ...

    def is_full(self, at: datetime) -> bool: ...

    def write(self, kind: bytes, slot: int, record: bytes) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class Frame:
    """The kinds of what stands in a tape's file."""

    HEADER = b"H"
    CYCLE = b"C"
    PART = b"P"


def vouched(header: str) -> bytes:
    """
    Return what the digest of a file's first record vouches for besides the record itself.

    Not for when the run ends: no cycle knows that, and the lines of a morning are the same whatever comes after it.
    """
    body = json.loads(header)
    return json.dumps({name: body[name] for name in body if name not in ("cycles", "ends_at")}).encode()


HeaderText = Callable[[Mapping[str, object] | None], str]
"""Return the header of a file; the desk's memory is given where the file begins inside a run."""


_CHANGEABLE = (list, dict)


class Counted(Protocol):
    """A fact whose silent readings are counted."""

    silent: int

    def forget(self) -> None: ...


_NOTHING = (object(), "\n")


class Recorder:
    """Gather lines and hand them on as records."""

    def __init__(self, sink: TapeSink, header: HeaderText, at: datetime, redact: Callable[[str], str]) -> None:
        """Begin the tape of a run; `at` is the time of its start."""
        self.now = at
        self.micros = 0
        self._sink = sink
        self._header = header
        self._redact = redact
        self._lines: list[str] = []
        self._slot = 0
        self._asks = 0
        self._answers: dict[str, tuple[object, str]] = {}
        self._counted: list[Counted] = []
        self._begin(None)

    def _begin(self, memory: Mapping[str, object] | None) -> None:
        header = self._header(memory)
        self._digest = hashlib.sha256(vouched(header))
        self._sink.begin(header, self.now)
        self._answers.clear()
        for fact in self._counted:
            fact.forget()

    def line(self, text: str) -> None:
        self._lines.append(text)
        self._asks = 0

    def asked(self) -> None:
        """Note that a wait asked its caller; asks in a row, with nothing told between them, share a line."""
        asks = self._asks + 1
        if asks > 1:
            self._lines[-1] = f"a{asks}"
        else:
            self._lines.append("a1")
        self._asks = asks

    def told(self, letter: str, question: str, call: Callable[[], T], text: Callable[[T], str]) -> T:
        """Ask, note the answer or the error, and pass it on."""
        try:
            answer = call()
        except Exception as error:
            self.line(f"{letter}{question}\t!{error_text(error, self._redact)}")
            raise
        before, shown = self._answers.get(letter, _NOTHING)
        if answer is before and type(answer) not in _CHANGEABLE:
            row = "="
        else:
            row = text(answer)
            self._answers[letter] = answer, row
            row = "=" if row == shown else row
        self.line(f"{letter}{question}\t{row}")
        if len(row) >= PART_CHARS:
            self.flush()  # sixty histories would be the largest thing in memory
        return answer

    def keep_counted(self, fact: "Counted") -> None:
        """Have a fact count by records, and forget what it told when a new file begins: each is read by itself."""
        self._counted.append(fact)

    # --- `Tape` of the desk --------------------------------------------------------------------------------------

    @property
    def time(self) -> datetime:
        """The time that was last told."""
        return self.now

    def stage(self, name: str, cycle: object) -> None:  # noqa: ARG002 - those who play the tape look at it
        """Mark where a stage of the cycle begins."""
        self.line(f"s{name}")

    def end_cycle(self, slot: int) -> str:
        """
        Hand on the record of the cycle; return its digest.

        Raises:
            RecordNotDurable
        """
        self.line(f"cut {slot}")
        for fact in self._counted:
            fact.silent = 0
        self._slot = slot
        self._write(Frame.CYCLE)
        digest = self._digest.hexdigest()[:DIGEST_DIGITS]
        self._digest = hashlib.sha256()
        return digest

    def turn_over(self, memory: Callable[[], Mapping[str, object]]) -> None:
        """
        Begin a new file when this one is full or a day old. Only right after a cycle: nothing may be waiting.

        Raises:
            RecordNotDurable
        """
        if not self._lines and self._sink.is_full(self.now):
            self._begin(memory())

    def flush(self) -> None:
        """
        Hand on what was told so far: before an order leaves, so that its decision outlives the process.

        Raises:
            RecordNotDurable
        """
        if self._lines:
            self._write(Frame.PART)
        self._asks = 0

    def sync(self) -> None:
        """
        Return when what was handed on so far is on the disk.

        Raises:
            RecordNotDurable
        """
        self._sink.sync()

    def close(self) -> None:
        """
        Hand on the rest and end the tape of this run.

        Raises:
            RecordNotDurable
        """
        self.flush()
        self._sink.close()

    def _write(self, kind: bytes) -> None:
        self._lines.append("")
        record = "\n".join(self._lines).encode()
        self._lines.clear()
        self._digest.update(record)
        self._sink.write(kind, self._slot, record)


_NEVER = object()


class Steady(Generic[T]):
    """A fact that mostly stays as it is: a reading that finds it unchanged only counts."""

    __slots__ = ("_last", "_name", "_tape", "_text", "silent")

    def __init__(self, tape: Recorder, name: str, text: Callable[[T], str]) -> None:
        self.silent = 0
        self._tape = tape
        self._name = name
        self._text = text
        self._last: object = _NEVER
        tape.keep_counted(self)

    def note(self, value: T) -> T:
        """Note one reading, and pass it on."""
        if value == self._last:
            self.silent += 1
            return value
        self._last = value
        self._tape.line(f"f{self._name} {self.silent} {self._text(value)}")
        self.silent = 0
        return value

    def forget(self) -> None:
        self._last = _NEVER
