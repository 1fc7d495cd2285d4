"""
The history that is swept, some eight minutes long, in which everything happens that a crash may fall into.

A start in an empty folder, entries that fill in part, guards in two parts, snapshots, a stop; a torn tail in both
chains, so that the next start ends two files; an answer that is lost, exits, and a kill file in the middle of an entry.
"""

from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.crash_sweep.world import World

KILL_MINUTE, ALIVE_MINUTE = 4.99, 6.5
TORN = b'{"at":"2026'


def play(world: World) -> None:
    """Play it from the beginning to the end."""
    desk = world.desk
    desk.at(KILL_MINUTE, lambda: _kill_at_the_next_order(world))
    desk.at(ALIVE_MINUTE, lambda: desk.kill_file.unlink(missing_ok=True))
    world.play(2)
    _tear(world)
    desk.exchange.faults.script(Fault.LOST_AFTER, Endpoint.CREATE)
    world.is_recovering = True
    world.play(3)
    world.is_recovering = False
    world.play(3)


def _tear(world: World) -> None:
    """Leave half a record at the end of both chains, as a process that died in a write does."""
    for path in (world.desk.folder / "data" / "journal.jsonl", world.desk.audit_file):
        with path.open("ab") as file:
            file.write(TORN)
    world.disk.forget_unsynced()


def _kill_at_the_next_order(world: World) -> None:
    def touch(_number: int, endpoint: Endpoint) -> None:
        if endpoint is Endpoint.CREATE and world.desk.minutes() < ALIVE_MINUTE:
            world.desk.kill_file.write_text("cancel-all", "utf-8")

    world.desk.witness.after_request = touch
