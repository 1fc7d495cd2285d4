"""What a file of the tape begins with: all that deciding its cycles again needs besides the journal and the tape."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.ports import Position
from core.settings_builder import Document
from runner.audit_line import RunFacts
from runner.desk import Desk
from runner.tape.image import image_of
from runner.tape.text import micros_of, moment_of

FORMAT = 1
_DECIMAL = "decimal"


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeHeader:
    """
    Where a file of the tape begins.

    `at` is the loop's time then, `journal` where the journal ended (None: it was new), `untold` how many of its last
    events no line had told yet, `segment` what the next line says of the file before it, `findings` what the start got
    over (codes and words), `opening` the money that a new ledger was given. `memory` is what the run remembered; None
    at its start. `cycles` and `ends_at` say when it ends by itself.
    """

    run: RunFacts
    account: str
    documents: Mapping[str, Document]
    interval_seconds: int
    cycles: int | None
    ends_at: datetime | None
    is_virtual: bool
    owner_shares_account: bool
    measures_memory: bool
    measures_limits: bool
    at: datetime
    journal: Position | None
    untold: int = 0
    segment: tuple[Mapping[str, object], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()
    opening: tuple[str, str, str] | None = None
    memory: Mapping[str, Any] | None = field(default=None, repr=False)

    def text(self) -> str:
        """Return the header as JSON."""
        body: dict[str, Any] = {name: getattr(self, name) for name in TapeHeader.__dataclass_fields__}
        body |= {
            "format": FORMAT,
            "run": dataclasses.asdict(self.run),
            "at": micros_of(self.at),
            "ends_at": None if self.ends_at is None else micros_of(self.ends_at),
            "journal": None if self.journal is None else [self.journal.seq, self.journal.hash],
        }
        return json.dumps(body, separators=(",", ":"), default=_plain)

    @classmethod
    def of(cls, text: str) -> "TapeHeader":
        """
        Read a header.

        Raises:
            ValueError: It is not one that this version knows.
        """
        body = json.loads(text, object_hook=_revived)
        if not isinstance(body, dict) or body.pop("format", None) != FORMAT:
            raise ValueError("the header is not of a format that this version reads")
        body["run"] = RunFacts(**body["run"])
        body["at"] = moment_of(body["at"])
        body["ends_at"] = None if body["ends_at"] is None else moment_of(body["ends_at"])
        body["journal"] = None if body["journal"] is None else Position(*body["journal"])
        body["segment"] = tuple(body["segment"])
        body["findings"] = tuple((code, text) for code, text in body["findings"])
        try:
            return cls(**body)
        except TypeError as error:
            raise ValueError(f"the header is not of a format that this version reads: {error}") from error

    @property
    def begins_a_run(self) -> bool:
        return self.memory is None


def header_writer(start: TapeHeader) -> Callable[[Mapping[str, object] | None], str]:
    """Return how to print the header of each file of a run that begins so."""

    def write(standing: Mapping[str, Any] | None) -> str:
        if standing is None:
            return start.text()
        return dataclasses.replace(start, untold=0, findings=(), opening=None, **standing).text()

    return write


def standing_of(desk: Desk) -> dict[str, object]:
    """Return where a run stands between two cycles."""
    return {
        "at": desk.tape.time,
        "journal": desk.book.position,
        "segment": tuple(desk.audit_segment),
        "memory": image_of(desk),
    }


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    raise TypeError(f"no JSON form for {value!r}")


def _revived(value: dict[str, Any]) -> Any:
    return Decimal(value[_DECIMAL]) if value.keys() == {_DECIMAL} else value
