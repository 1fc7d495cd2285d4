"""Stand-ins for parts of a desk that is played: nothing is written by them."""

from collections.abc import Callable, Mapping
from datetime import datetime

from core.ports import Position
from runner.cycle import Cycle
from runner.tape.player import Player
from tools.replaying.reading import TapeTexts
from tools.replaying.watching import Watcher


class PlayedTape:
    """The `Tape` of a desk that is played: what it should say next is on the real one."""

    def __init__(self, player: Player, texts: TapeTexts, watcher: Watcher, after_cycle: Callable[[], None]) -> None:
        self._player = player
        self._texts = texts
        self._watcher = watcher
        self._after_cycle = after_cycle
        self.cycle: Cycle | None = None
        """The cycle that is being decided."""

    @property
    def time(self) -> datetime:
        return self._player.now

    def stage(self, name: str, cycle: Cycle) -> None:
        self.cycle = cycle
        self._player.expect(f"s{name}")
        self._watcher.stage(name, cycle)

    def end_cycle(self, slot: int) -> str:
        self._player.end_cycle(slot)
        self.cycle = None
        return self._texts.digest

    def turn_over(self, memory: Callable[[], Mapping[str, object]]) -> None:  # noqa: ARG002 - the tape has it
        self._after_cycle()

    def close(self) -> None:
        """Nothing was opened."""


class NoAnchors:
    """The `Anchors` of a desk that is played: nothing is written, so nothing is anchored."""

    def note(self, position: Position) -> None: ...

    def latest(self) -> None:
        return None

    def write(self) -> None: ...
