"""
The player: the tape of a run, line by line, for ports that answer what was answered then.

It knows nothing of what the loop will ask. A question that is not the next one on the tape means that this code, with
these settings, goes another way than the one that was recorded: then the play of the cycle ends.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from core.errors import StateUnusable
from runner.tape.text import error_of, micros_of, moment_of

NANOSECONDS = 1_000_000_000


class TapeOver(StateUnusable):
    """The tape ends here: nobody knows what the loop was told after it."""


class TapeDiffers(StateUnusable):
    """
    The loop asks something else than what was asked when the tape was recorded.

    Attributes:
        recorded: What was asked then.
        asked: What is asked now.
    """

    def __init__(self, recorded: str, asked: str) -> None:
        super().__init__(f"the loop was told {recorded!r} here, and asks for {asked!r} now")
        self.recorded = recorded
        self.asked = asked


class PlainLines:
    """Write out what the recorder shortened: `=` for the answer, or for the products of candles, of the time before."""

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}
        self._names = ""

    def of(self, text: str) -> list[str]:
        """Return the lines of the next record, or part of one."""
        return [self._plain(line) if "\t" in line else line for line in text.split("\n")[:-1]]

    def _plain(self, line: str) -> str:
        question, _, row = line.partition("\t")
        letter = question[0]
        if letter == "c":
            since, _, names = question.partition(" ")
            self._names = self._names if names == "=" else names
            question = f"{since} {self._names}"
        if row == "=":
            row = self._answers[letter]
        elif not row.startswith("!["):
            self._answers[letter] = row
        return f"{question}\t{row}"


class Player:
    """
    One run's tape from the beginning of one of its files.

    Until `start` it stands still and tells the time of the header: what is built meanwhile asks nothing of the tape.
    """

    def __init__(self, texts: Iterator[str | None], at: datetime) -> None:
        """`texts` are the records, whole or in parts, in their order; None where a new file of the run begins."""
        self.now = at
        self.micros = micros_of(at)
        self.elapsed = 0.0
        self._texts = texts
        self._plain = PlainLines()
        self._lines: list[str] = []
        self._place = 0
        self._elapsed_ns = 0
        self._facts: dict[str, Any] = {}
        self._silent: dict[str, int] = {}
        self._is_started = False

    def start(self) -> None:
        self._is_started = True

    # --- what ports ask -----------------------------------------------------------------------------------------------

    def read_now(self) -> datetime:
        words = self._moved("t")
        if words is not None:
            self.micros += int(words)
            self.now = moment_of(self.micros)
        return self.now

    def read_elapsed(self) -> float:
        words = self._moved("m")
        if words is not None:
            if words.startswith("!"):
                self.elapsed = float(words[1:])
                self._elapsed_ns = round(self.elapsed * NANOSECONDS)
            else:
                self._elapsed_ns += int(words)
                self.elapsed = self._elapsed_ns / NANOSECONDS
        return self.elapsed

    def fact(self, name: str) -> Any:
        """Return the fact's value, as JSON, at this reading."""
        line = self._peek()
        if line.startswith(f"f{name} "):
            _, silent, value = line.split(" ", 2)
            if int(silent) == self._silent.get(name, 0):
                self._take()
                self._silent[name] = 0
                self._facts[name] = json.loads(value)
                return self._facts[name]
        if name not in self._facts:
            raise TapeDiffers(line[:80], f"fact {name}")
        self._silent[name] = self._silent.get(name, 0) + 1
        return self._facts[name]

    def fact_now(self, name: str) -> Any:
        """Return a fact as it was last told, without a reading; None before."""
        return self._facts.get(name)

    def answer(self, letter: str, question: str) -> str:
        """
        Return the text of the next answer, if it is the one to this question.

        Raises:
            Exception: The error that was the answer.
        """
        line = self._peek()
        recorded, _, row = line.partition("\t")
        if recorded != f"{letter}{question}":
            raise TapeDiffers(recorded[:200], f"{letter}{question}"[:200])
        self._take()
        if row.startswith("!["):
            raise error_of(row[1:])
        return row

    def wait(self, keep_waiting: Callable[[], bool]) -> None:
        """Ask the caller as often as it was asked then."""
        self.expect("w")
        while True:
            line = self._peek()
            if line == "e":
                self._take()
                return
            if not line.startswith("a"):
                raise TapeDiffers(line[:80], "the end of a wait")
            self._take()
            for _ in range(int(line[1:])):
                keep_waiting()

    def expect(self, line: str) -> None:
        """Take the next line, which must be this one."""
        found = self._peek()
        if found != line:
            raise TapeDiffers(found[:200], line)
        self._take()

    def end_cycle(self, slot: int) -> None:
        """Take the end of the record of this slot's cycle."""
        self.expect(f"cut {slot}")
        self._silent.clear()

    def skip_cycle(self) -> None:
        """Leave out what is left of the record of this cycle, and keep what it says of facts and time."""
        while True:
            line = self._peek()
            self._take()
            self._learn(line)
            if line.startswith("cut "):
                self._silent.clear()
                return

    def skip_to(self, line: str) -> bool:
        """Go on behind the next line of this text in the record of this cycle; False, and at its end: there is none."""
        while not (found := self._peek()).startswith("cut "):
            self._take()
            self._learn(found)
            if found == line:
                self._silent.clear()
                return True
        return False

    def _learn(self, line: str) -> None:
        kind = line[0]
        if kind == "t":
            self.micros += int(line[1:].split(" ", maxsplit=1)[0])
            self.now = moment_of(self.micros)
        elif kind == "m":
            words = line[1:].split(" ", maxsplit=1)[0]
            exact = words.startswith("!")
            self._elapsed_ns = round(float(words[1:]) * NANOSECONDS) if exact else self._elapsed_ns + int(words)
            self.elapsed = float(words[1:]) if exact else self._elapsed_ns / NANOSECONDS
        elif kind == "f":
            name, _, value = line[1:].split(" ", 2)
            self._facts[name] = json.loads(value)

    # --- lines --------------------------------------------------------------------------------------------------------

    def _moved(self, kind: str) -> str | None:
        """Return by how much a clock moved since its last reading; None when it did not."""
        if not self._is_started:
            return None
        line = self._peek()
        if line.startswith(kind):
            moved, _, silent = line[1:].partition(" ")
            if int(silent or 0) == self._silent.get(kind, 0):
                self._take()
                self._silent[kind] = 0
                return moved
        self._silent[kind] = self._silent.get(kind, 0) + 1
        return None

    def _peek(self) -> str:
        while self._place == len(self._lines):
            try:
                text = next(self._texts)
            except StopIteration:
                raise TapeOver("the tape ends here") from None
            if text is None:
                self._plain, self._elapsed_ns = PlainLines(), 0
            else:
                self._lines, self._place = self._read(text), 0
        return self._lines[self._place]

    def _read(self, text: str) -> list[str]:
        try:
            return self._plain.of(text)
        except (KeyError, IndexError) as error:
            raise TapeOver(f"the tape says no more than before, of what it never said: {error}") from error

    def _take(self) -> None:
        self._place += 1
