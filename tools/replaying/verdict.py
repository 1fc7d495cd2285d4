"""What deciding again has given so far."""

from collections.abc import Callable
from dataclasses import dataclass, field

from runner.records.chain import Record
from tools.replaying.compared import INTERRUPTED, Difference


@dataclass(slots=True)
class Verdict:
    """What deciding again gave. `lost` are cycles with a line whose facts nobody has any more, and why."""

    identical: int = 0
    differing: list[tuple[int, int, Difference]] = field(default_factory=list)
    lost: list[tuple[int, int, str]] = field(default_factory=list)
    cut_off: int = 0
    before_tape: int = 0
    without_line: int = 0
    missing: list[int] = field(default_factory=list)
    """Slots of cycles whose line is gone from among the others."""
    unclosed: list[int] = field(default_factory=list)
    """Slots of cycles after the last line: one, when a crash came before its line and nothing was started since."""
    records: int = 0
    runs: int = 0
    last_same: int = 0
    has_begun: bool = False
    """Whether the tape had anything so far: the lines before it are only old."""
    codes: dict[str, None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    advance: Callable[[], None] = lambda: None

    def same(self, line: Record) -> None:
        """Count a cycle of which every byte is the same."""
        self.identical += 1
        self.last_same = line.place.seq
        self.advance()

    def differs(self, line: Record, found: Difference) -> None:
        """Note a cycle that comes out otherwise."""
        self.differing.append((line.place.seq, int(line.body["slot"]), found))
        self.advance()

    def passed(self, line: Record, why: str) -> None:
        """Note a line that cannot be decided again."""
        if line.body.get("no_trade_reason") == INTERRUPTED:
            self.cut_off += 1
        elif not self.has_begun:
            self.before_tape += 1
        else:
            self._lose(line, why)
        self.advance()

    def broke_off(self, line: Record, why: str) -> None:
        """Note a line of a run whose tape is there, and does not tell of it."""
        self._lose(line, why)
        self.advance()

    def _lose(self, line: Record, why: str) -> None:
        self.lost.append((line.place.seq, int(line.body["slot"]), why))

    def about(self, line: Record) -> "Verdict":
        """Return the part that is about one line."""
        seq = line.place.seq
        differing = [item for item in self.differing if item[0] == seq]
        lost = [item for item in self.lost if item[0] == seq]
        cut_off = int(line.body.get("no_trade_reason") == INTERRUPTED and not differing)
        return Verdict(
            identical=int(self.last_same == seq),
            differing=differing,
            lost=lost,
            cut_off=cut_off,
            runs=1,
            records=self.records,
            codes=self.codes,
            problems=self.problems,
        )

    @property
    def cycles(self) -> int:
        return self.identical + len(self.differing) + len(self.lost)

    @property
    def is_good(self) -> bool:
        return not (self.differing or self.lost or self.missing or self.problems)

    @property
    def is_empty(self) -> bool:
        """Whether nothing could be decided again, and nothing is wrong either."""
        return self.is_good and self.cycles + self.cut_off == 0
