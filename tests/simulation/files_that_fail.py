"""Windows of time in which calls to files fail: full disk, bad sectors, too many open files, a hung mount."""

import errno
from collections.abc import Callable, Mapping

from core.model.guards import DiskRoom
from tests.fakes.spy_os import Call, ShortWrite, fault
from tests.simulation.plan import Disturbance
from tests.simulation.world import KILL_FILE, World

RECORDS = ("data/", "logs/")
CRASH_FILES = ("journal", "audit", "tape/", ".state.json", "KILL_SWITCH", "lock")
"""Parts of the names of files at which a run is ended on purpose."""


def plan_window(world: World, item: Disturbance) -> None:
    """Let calls of a kind fail for a while, or so many times."""
    fails = _KINDS[item.args["what"]]
    left = [item.args.get("times", 1 << 30)]

    def strike(call: Call) -> None:
        if left[0] <= 0 or not call.path.startswith(RECORDS):
            return
        error = fails(call)
        if error is not None:
            left[0] -= 1
            world.kill_is_unreadable |= call.path == KILL_FILE
            world.reached[f"disk: {item.args['what']}"] += 1
            raise error

    world.during(
        item.minute,
        item.until,
        lambda: world.file_faults.append(strike),
        lambda: world.file_faults.remove(strike),
    )


def plan_room(world: World, item: Disturbance) -> None:
    """Let the file system have too little room for a while, or not say how much."""

    def begin() -> None:
        world.reached[f"room: {item.args['what']}"] += 1
        world.room = _ROOMS[item.args["what"]]

    def undo() -> None:
        world.room = None

    world.during(item.minute, item.until, begin, undo)


_ROOMS = {
    "no megabytes": DiskRoom(free_mb=1, free_inodes=1 << 20),
    "no inodes": DiskRoom(free_mb=1 << 20, free_inodes=1),
    "not to be told": DiskRoom(free_mb=None, free_inodes=None),
}

ROOMS = tuple(_ROOMS)


def _full(call: Call) -> BaseException | None:
    return fault(errno.ENOSPC) if call.name in ("write", "pwrite", "mkdir") else None


def _nearly_full(call: Call) -> BaseException | None:
    return ShortWrite(call.size // 2) if call.name == "write" and call.size > 1 else None


def _bad_sync(call: Call) -> BaseException | None:
    return fault(errno.EIO) if call.name in ("fsync", "fdatasync") else None


def _bad_write(call: Call) -> BaseException | None:
    return fault(errno.EIO) if call.name == "write" else None


def _bad_rename(call: Call) -> BaseException | None:
    return fault(errno.EIO) if call.name == "replace" else None


def _too_many_open(call: Call) -> BaseException | None:
    return fault(errno.EMFILE) if call.name == "open" else None


def _unreadable(call: Call) -> BaseException | None:
    return fault(errno.EIO) if call.name in ("read", "pread") else None


def _hidden_kill_file(call: Call) -> BaseException | None:
    return fault(errno.EIO) if call.name == "lstat" and call.path == KILL_FILE else None


_KINDS: Mapping[str, Callable[[Call], BaseException | None]] = {
    "ENOSPC": _full,
    "short write": _nearly_full,
    "EIO on fsync": _bad_sync,
    "EIO on write": _bad_write,
    "EIO on rename": _bad_rename,
    "EMFILE": _too_many_open,
    "EIO on read": _unreadable,
    "EIO at the kill file": _hidden_kill_file,
}
KINDS = tuple(_KINDS)
