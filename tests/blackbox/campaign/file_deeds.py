"""Disks that fill, files and folders that vanish or are replaced under a running process, and are put back."""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from core.errors import ExitCode
from tests.blackbox.campaign.plan import Deed
from tests.blackbox.campaign.scene import DISK, Scene

FULL_SECONDS = 30.0
"""So long a disk stays full at most."""

GONE = (*DISK, ExitCode.ALREADY_RUNNING)
"""Which file is missed first, journal (74) or lock (75), depends on the moment."""

BLOCK = 4096
BALLAST = "ballast"


def count(scene: Scene, deed: Deed, stage: str) -> None:
    scene.figures.stages[f"{deed.name}|{stage}"] += 1
    scene.tell(f"{deed} -> {stage}")


# --- space ------------------------------------------------------------------------------------------------------------


def _fill(scene: Scene, leave: int) -> None:
    """Take all space of the small disk but so many blocks."""
    path = scene.bot.folder / BALLAST
    with path.open("ab", buffering=0) as stream:
        with contextlib.suppress(OSError):
            while stream.write(bytes(1 << 20)) == 1 << 20:
                continue
        with contextlib.suppress(OSError):
            while stream.write(bytes(BLOCK)) == BLOCK:
                continue
        size = path.stat().st_size
        stream.truncate(max(size - leave * BLOCK, 0))


def free(scene: Scene) -> None:
    (scene.bot.folder / BALLAST).unlink(missing_ok=True)


def _full_disk(scene: Scene, deed: Deed) -> None:
    """Fill the disk under a running process; it ends, or there is space again before it needs any."""
    if not scene.is_small_disk:
        return  # it is said at the campaign's end that this was left out
    draw = random.Random(deed.draw)  # noqa: S311 - a disk
    running = scene.running
    if running is None or not scene.at(deed.moment, lambda: _fill(scene, draw.choice((0, 0, 1, 2)))):
        return
    running.forgiven = DISK  # also when the space comes back at the very moment of the write
    stage = scene.stage()
    if draw.random() < 0.5:
        scene.wait_while_up(deed.pause)
    else:
        scene.wait_while_up(FULL_SECONDS)
    free(scene)
    ended = not scene.is_up()
    if ended:
        scene.collect(DISK, deed.name)
    count(scene, deed, f"{stage}{'' if ended else ', space in time'}")


def _start_when_full(scene: Scene, deed: Deed) -> None:
    """Start on a full disk: it is refused, or runs as long as the last block lasts."""
    if not scene.is_small_disk or not scene.at(deed.moment, scene.kill):
        return
    scene.wait_for_end((), "kill")
    _fill(scene, random.Random(deed.draw).choice((0, 0, 1, 2)))  # noqa: S311 - a disk
    started = scene.start()
    started.forgiven = DISK
    scene.wait_while_up(8.0)
    free(scene)
    if scene.is_up():
        count(scene, deed, "has started")
        return
    scene.collect((*DISK, ExitCode.REFUSED), deed.name)
    count(scene, deed, "refused" if not started.is_ready else "has started")


def _limit(scene: Scene, deed: Deed) -> None:
    """Let no file of the process grow beyond a few bytes more: the write that would comes out short."""
    draw = random.Random(deed.draw)  # noqa: S311 - a limit
    running = scene.running
    if running is None:
        return

    def limit() -> None:
        path = draw.choice((scene.bot.audit_file, scene.bot.data / "journal.jsonl"))
        size = path.stat().st_size if path.exists() else 0
        most = size + draw.choice((0, 1, 50, 200, 400, 900))
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    if scene.at(deed.moment, limit):
        stage = scene.stage()
        scene.wait_for_end(DISK, deed.name)
        count(scene, deed, stage)


def _fail_a_sync(scene: Scene, deed: Deed) -> None:
    """Let the n-th fsync of the journal fail, in a process that is traced for it: it ends, and repeats none."""
    if not can_trace():
        return
    if scene.is_up():
        scene.signal(signal.SIGTERM)
        scene.wait_for_end((ExitCode.OK,), "terminate")
    nth = 1 + deed.draw % 9
    journal = str(scene.bot.data / "journal.jsonl")
    failing = ("-e", "trace=fsync", "-e", f"inject=fsync:error=EIO:when={nth}")
    started = scene.start(under=["strace", "-f", "-qq", "-o", os.devnull, "-P", journal, *failing])
    scene.wait_for_end(DISK, deed.name)
    count(scene, deed, f"fsync {nth}" if started.is_ready else "before it was ready")


def can_trace() -> bool:
    """Tell whether this machine has strace, and lets it trace."""
    try:
        return subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "true"], check=False).returncode == 0
    except FileNotFoundError:
        return False


def _take_descriptors(scene: Scene, deed: Deed) -> None:
    """Let a process open no more files and connections for a while: it keeps what it has, and comes back."""
    running = scene.running
    if running is None:
        return
    pid, spare = running.process.pid, (None, 0, 1, 2)[deed.draw % 4]

    def take() -> None:
        with contextlib.suppress(OSError):
            most = 3 if spare is None else max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1 + spare
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, _DESCRIPTORS[1]))

    if scene.at(deed.moment, take):
        running.forgiven = DISK  # a snapshot, too, is a file to be opened
        stage = scene.stage()
        scene.wait(deed.pause)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _DESCRIPTORS)
        count(scene, deed, stage)


_DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)


# --- files ------------------------------------------------------------------------------------------------------------


def _gone(path_of: Callable[[Scene], Path], replace: Callable[[Path, Path], None]) -> Callable[[Scene, Deed], None]:
    """Return a deed: move something away, put another in its place, wait for the end, put it back."""

    def act_on(scene: Scene, deed: Deed) -> None:
        path = path_of(scene)
        away = path.with_name(path.name + ".away")

        stages: list[str] = []

        def act() -> None:
            stages.append(scene.stage())
            scene.files_are_away = True
            path.rename(away)
            replace(away, path)

        if not path.exists() or not scene.at(deed.moment, act):
            return
        scene.wait_for_end(GONE, deed.name)
        _remove(path)
        away.rename(path)
        scene.files_are_away = False
        count(scene, deed, stages[0])

    return act_on


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _nothing(_away: Path, _path: Path) -> None:
    """Put nothing in its place."""


def _new_folder(_away: Path, path: Path) -> None:
    path.mkdir(mode=0o700)


def _copy(away: Path, path: Path) -> None:
    shutil.copy2(away, path)


def _without_lock(*, new: bool) -> Callable[[Scene, Deed], None]:
    def act_on(scene: Scene, deed: Deed) -> None:
        def act() -> None:
            scene.lock_file.unlink()
            if new:
                os.close(os.open(scene.lock_file, os.O_CREAT | os.O_WRONLY, 0o600))

        if scene.at(deed.moment, act):
            stage = scene.stage()
            scene.wait_for_end((ExitCode.ALREADY_RUNNING,), deed.name)
            count(scene, deed, stage)

    return act_on


def _remove_snapshot(scene: Scene, deed: Deed) -> None:
    """The snapshot is a cache: nobody misses it, neither while running nor at the next start."""

    def act() -> None:
        for name in (".state.json", ".state.json.bak"):
            (scene.bot.data / name).unlink(missing_ok=True)

    if scene.at(deed.moment, act):
        stage = scene.stage()
        if deed.draw % 2:
            scene.kill()
            scene.wait_for_end((), "kill")
            act()
        count(scene, deed, stage)


DEEDS: Mapping[str, Callable[[Scene, Deed], None]] = {
    "fill the disk": _full_disk,
    "limit file size": _limit,
    "start on a full disk": _start_when_full,
    "fail a sync": _fail_a_sync,
    "take descriptors": _take_descriptors,
    "move data away": _gone(lambda scene: scene.bot.data, _nothing),
    "replace data": _gone(lambda scene: scene.bot.data, _new_folder),
    "move logs away": _gone(lambda scene: scene.bot.audit_file.parent, _nothing),
    "move audit away": _gone(lambda scene: scene.bot.audit_file, _nothing),
    "replace audit": _gone(lambda scene: scene.bot.audit_file, _copy),
    "move journal away": _gone(lambda scene: scene.bot.data / "journal.jsonl", _nothing),
    "remove lock": _without_lock(new=False),
    "replace lock": _without_lock(new=True),
    "remove snapshot": _remove_snapshot,
}
