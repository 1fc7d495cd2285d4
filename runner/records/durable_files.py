"""
Every effect on the files that must survive: opened by us alone, written whole, synced, replaced at once.

All journal, audit, state and lock files go through these few functions, so that a fault can be put into one place. They
raise OSError; who calls them knows what that means for its file.
"""

import os
import stat
from pathlib import Path

from core.errors import DiskFailed, RecordNotDurable, StateUnusable

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH

_COMMON = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # NONBLOCK: a planted FIFO must not stop us


class SyncError(OSError):
    """An fsync failed: unlike any other failed call it must not be tried again, and leads to an end of its own."""


def not_durable(what: str, error: OSError, file_name: str = "") -> RecordNotDurable:
    """Return the error that ends the run after a failed file operation: a failed fsync has its own."""
    if isinstance(error, SyncError):
        text = f"{what}: {error}. It is not tried again; look at the disk before you start again"
        return DiskFailed(text, file_name)
    return RecordNotDurable(f"{what}: {error}. Make room, or mend what is named; then start again")


def open_to_append(path: Path) -> int:
    """Open an existing regular file of ours to append, and to read back; see `check_identity`."""
    return _checked(os.open(path, os.O_RDWR | os.O_APPEND | _COMMON), path)


def create_to_append(path: Path) -> int:
    """Create a file that must not exist yet, readable by us alone."""
    return _checked(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _COMMON, 0o600), path)


def open_to_read(path: Path) -> int:
    """Open an existing regular file of ours to read; see `check_identity`."""
    return _checked(os.open(path, os.O_RDONLY | _COMMON), path)


def open_or_create(path: Path) -> int:
    """Open a regular file of ours to read and write, creating it empty if it is not there."""
    return _checked(os.open(path, os.O_RDWR | os.O_CREAT | _COMMON, 0o600), path)


def create_in_place(path: Path) -> int:
    """Create a file that must not exist yet, readable by us alone, to be written at any place of it."""
    return _checked(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _COMMON, 0o600), path)


def open_in_place(path: Path) -> int:
    """Open an existing regular file of ours to be written at any place of it; see `check_identity`."""
    return _checked(os.open(path, os.O_RDWR | _COMMON), path)


def check_identity(descriptor: int, path: Path) -> None:
    """
    Refuse what only looks like our file, and what others could have written.

    That others may read is only said, of the folder (`runner.records.folders`).

    Raises:
        StateUnusable: See `check_kind`; or others may write to it.
    """
    mode = stat.S_IMODE(check_kind(descriptor, path).st_mode)
    if mode & WRITABLE_BY_OTHERS:
        raise StateUnusable(
            f"{path} can be written by others (mode {mode:04o}): what is in it may not be ours. See that it is as you "
            f"know it, then: chmod 600 {path}"
        )


def check_kind(descriptor: int, path: Path) -> os.stat_result:
    """
    Refuse what is not a plain file of ours.

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
    return facts


def create_if_missing(path: Path) -> None:
    """
    See that a file that somebody else will open by its name is a plain file of ours, and make it when it is not there.

    Raises:
        StateUnusable: See `check_kind`.
        OSError
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _COMMON, 0o600)
    try:
        check_kind(descriptor, path)
    finally:
        os.close(descriptor)


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


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """
    Write with one call at a place in a file; a short write is an error and is not continued.

    Raises:
        OSError
    """
    written = os.pwrite(descriptor, data, offset)
    if written != len(data):
        raise OSError(f"short write: {written} of {len(data)} bytes")


def reserve(descriptor: int, size: int) -> None:
    """Take the blocks of a file that will have this size, where the platform can be asked for it."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Return up to so many bytes from a place in a file; fewer at its end."""
    return os.pread(descriptor, count, offset)


def sync(descriptor: int) -> None:
    """
    Return when a file's content is on the disk. Never repeat one that failed: the kernel has dropped the pages.

    Raises:
        SyncError
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise SyncError(error.errno, f"fsync failed ({error.strerror})") from error


def sync_directory(directory: Path) -> None:
    """
    Return when the names in a directory are on the disk.

    Raises:
        SyncError
        OSError: It cannot be opened.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def forget_cached(descriptor: int) -> None:
    """Let the next read of a synced file come from the disk, where the platform can be asked for it."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def settle(path: Path) -> None:
    """
    Bring what an ended process wrote last to the disk, and let it be read from there; no effect without a file.

    After a failed fsync the kernel still shows pages that never reached the disk: those are dropped here.

    Raises:
        StateUnusable: See `check_identity`.
        SyncError
        OSError
    """
    try:
        descriptor = open_to_read(path)
    except FileNotFoundError:
        return
    try:
        sync(descriptor)
        forget_cached(descriptor)
    finally:
        os.close(descriptor)


def sync_way_to(path: Path) -> None:
    """
    Return when the names of a file's folder and of all folders above are on the disk, and all names beside the file.

    Whoever made one of them may have died before. One of others that we may not read is their matter.

    Raises:
        OSError
    """
    for folder in path.parents:
        try:
            sync_directory(folder)
        except PermissionError:
            if os.stat(folder).st_uid == os.geteuid():
                raise


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
    """Return the names in a directory, sorted; none when it is not there."""
    try:
        return sorted(os.listdir(directory))
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
