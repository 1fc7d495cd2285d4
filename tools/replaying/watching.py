"""Who looks on while cycles are decided again."""

from typing import Protocol

from runner.cycle import Cycle
from runner.desk import Desk
from runner.records.chain import Record
from runner.tape.player import Player
from runner.tape.ports import Ports
from tools.replaying.compared import Difference


class Watcher(Protocol):
    """Somebody who looks on while cycles are decided again."""

    def opened(self, desk: Desk, player: Player) -> None:
        """See the desk of a run, before its first cycle."""
        ...

    def ports(self, ports: Ports) -> Ports:
        """Put something between the loop and what the tape says."""
        ...

    def stage(self, name: str, cycle: Cycle) -> None:
        """See a cycle where one of its stages begins."""
        ...

    def decided(self, line: Record, found: Difference | None) -> None:
        """See the recorded line of the cycle, and what came out otherwise."""
        ...


class NobodyWatches:
    """A `Watcher` that does not look."""

    def opened(self, desk: Desk, player: Player) -> None: ...

    def ports(self, ports: Ports) -> Ports:
        return ports

    def stage(self, name: str, cycle: Cycle) -> None: ...

    def decided(self, line: Record, found: Difference | None) -> None: ...
