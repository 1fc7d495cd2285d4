"""
Every effect on the files that must survive: opened by us alone, written whole, synced, replaced at once.

All journal, audit, state and lock files go through these few functions, so that a fault can be put into one place. They
raise OSError; who calls them knows what that means for its file.
"""

import os
import stat
from pathlib import Path

from core.errors import StateUnusable

_COMMON = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # NONBLOCK: a planted FIFO must not stop us


def open_to_append(path: Path) -> int:
    """Open an existing regular file of ours to append; see `check_identity`."""
    return _checked(os.open(path, os.O_WRONLY | os.O_APPEND | _COMMON), path)


def create_to_append(path: Path) -> int:
    """Create a file that must not exist yet, readable by us alone."""
    return _checked(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _COMMON, 0o600), path)


def open_to_read(path: Path) -> int:
    """Open an existing regular file of ours to read; see `check_identity`."""
    return _checked(os.open(path, os.O_RDONLY | _COMMON), path)


def open_or_create(path: Path) -> int:
    """Open a regular file of ours to read and write, creating it empty if it is not there."""
    return _checked(os.open(path, os.O_RDWR | os.O_CREAT | _COMMON, 0o600), path)


def check_identity(descriptor: int, path: Path) -> None:
    """
    Refuse what only looks like our file.

    Raises:
        StateUnusable: Not a regular file, owned by somebody else, or known under a second name.
    """
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise StateUnusable(f"{path} is not a regular file; move it away and look who put it there")
    if facts.st_uid != os.geteuid():
        raise StateUnusable(f"{path} belongs to user {facts.st_uid}, not to us; correct its owner")
    if facts.st_nlink != 1:
        raise StateUnusable(f"{path} has {facts.st_nlink} names (hard links); remove the others")


def write_whole(descriptor: int, data: bytes) -> None:
    """
    Write with one call; a short write is an error and is not continued.

    Raises:
        OSError
    """
    written = os.write(descriptor, data)
    if written != len(data):
        raise OSError(f"short write: {written} of {len(data)} bytes")


def is_still_at(path: Path, descriptor: int, size: int) -> bool:
    """Tell whether an open file is the one that its path names, and has the size that we gave it."""
    held = os.fstat(descriptor)
    try:
        named = os.lstat(path)
    except FileNotFoundError:
        return False
    return held.st_size == size and os.path.samestat(held, named)


def sync(descriptor: int) -> None:
    """Return when a file's content is on the disk. Never repeat one that failed: the kernel has dropped the pages."""
    os.fsync(descriptor)


def sync_directory(directory: Path) -> None:
    """Return when the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give a file another name at once, replacing what had it."""
    os.replace(source, target)


def remove_if_there(path: Path) -> bool:
    """Remove a leftover file; tell whether there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def names_in(directory: Path) -> list[str]:
    """Return the names in a directory; none when it is not there."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def size_of(path: Path) -> int | None:
    """Return a file's size in bytes without following a link; None when it is not there."""
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


def _checked(descriptor: int, path: Path) -> int:
    try:
        check_identity(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
