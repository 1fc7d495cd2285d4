"""What only this machine knows: memory of the process, free disk, hash of the code that runs."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from core.model.guards import INODES_UNCOUNTED, DiskRoom

_CODE_FOLDERS = ("core", "runner")


def rss_mb() -> float | None:
    """Return the resident memory of this process in MB (10^6 bytes); None when it cannot be asked."""
    import psutil  # noqa: PLC0415 - not needed in virtual time, and it costs memory

    try:
        return float(round(psutil.Process(os.getpid()).memory_info().rss / 1e6, 1))
    except (OSError, psutil.Error):
        return None


def disk_room(*folders: Path) -> DiskRoom:
    """Return the least room that any of these folders' file systems has for us."""
    rooms = [_room_of(folder) for folder in folders]
    return DiskRoom(_least(room.free_mb for room in rooms), _least(room.free_inodes for room in rooms))


def _room_of(folder: Path) -> DiskRoom:
    try:
        facts = os.statvfs(folder)
    except OSError:
        return DiskRoom(None, None)
    inodes = facts.f_favail if facts.f_files else INODES_UNCOUNTED
    return DiskRoom(facts.f_bavail * facts.f_frsize // 1_000_000, inodes)


def _least(figures: Iterable[int | None]) -> int | None:
    """Return the smallest figure; None when one is not known."""
    known = list(figures)
    return None if None in known else min(figure for figure in known if figure is not None)


def code_hash(root: Path) -> str:
    """Return 16 hex digits of SHA-256 over path and bytes of every Python file that decides or acts."""
    digest = hashlib.sha256()
    for folder in _CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:16]
