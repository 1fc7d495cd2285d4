"""What a program takes for the modules `os` and `fcntl` while its disk is a `Disk` (tests/fakes/disk.py)."""

import fcntl
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.disk import Disk

_PathLike = str | os.PathLike[str]


class Crash(BaseException):
    """
    The process is gone. No `except` of the program sees it, and nothing after it reaches the disk.

    Raised by a hook; in a write, the first `written` bytes of it still get there.
    """

    def __init__(self, written: int = 0) -> None:
        super().__init__(written)
        self.written = written


class ShortWrite(BaseException):
    """Raised by a hook: the write stops after so many bytes, and says so."""

    def __init__(self, written: int) -> None:
        super().__init__(written)
        self.written = written


@dataclass(frozen=True, slots=True)
class Call:
    """One call that is about to be made. `path` is relative to the root; `size` and `data`: what is to be written."""

    number: int
    name: str
    path: str
    size: int = 0
    data: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"{self.number} {self.name} {self.path}" + (f" {self.size} bytes" if self.size else "")


def fault(number: int) -> OSError:
    """Return the error of a failed call, as the system would raise it: `raise fault(errno.EIO)`."""
    return OSError(number, f"{os.strerror(number)} (injected)")


class SpyOs:
    """What the program takes for the module `os`."""

    def __init__(self, disk: "Disk") -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        """Hand out constants and what touches no file; a file function that is not written down here is refused."""
        if name in _UNKNOWN:
            raise NotImplementedError(f"tests/fakes/disk.py knows nothing of os.{name}: teach it, then use it")
        return getattr(os, name)

    @property
    def process(self) -> int:
        """The number of the present process."""
        return self._disk.processes

    def getpid(self) -> int:
        return self._disk.pid

    # --- opening and reading ------------------------------------------------------------------------------------------

    def open(self, path: _PathLike, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        path = self._whole(path, dir_fd)
        self._disk.about_to("open", path)
        is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        descriptor = os.open(path, flags & ~os.O_TRUNC, mode)
        self._disk.opened(descriptor, path, flags, is_new=is_new)
        if flags & os.O_TRUNC and not is_new:
            self._disk.changed(descriptor, lambda: os.ftruncate(descriptor, 0))
        return descriptor

    def close(self, descriptor: int) -> None:
        try:
            if not self._disk.is_dead:
                self._disk.about_to("close", descriptor)
        finally:  # also one that fails has closed
            self._disk.closed(descriptor)

    def read(self, descriptor: int, size: int) -> bytes:
        self._disk.about_to("read", descriptor)
        return os.read(descriptor, size)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self._disk.about_to("pread", descriptor)
        return os.pread(descriptor, size, offset)

    def fdopen(self, descriptor: int, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if mode != "rb":
            raise NotImplementedError(f"tests/fakes/disk.py: fdopen(mode={mode!r}) hides its writes")
        return io.BufferedReader(_Raw(self, descriptor))

    def lstat(self, path: _PathLike, *, dir_fd: int | None = None) -> os.stat_result:
        path = self._whole(path, dir_fd)
        self._disk.about_to("lstat", path)
        return os.lstat(path)

    def stat(self, path: _PathLike | int, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        whole = path if isinstance(path, int) else self._whole(path, dir_fd)
        self._disk.about_to("stat", whole)
        return os.stat(whole, follow_symlinks=follow_symlinks)

    def fstat(self, descriptor: int) -> os.stat_result:
        self._disk.about_to("fstat", descriptor)
        return os.fstat(descriptor)

    def listdir(self, path: _PathLike = ".") -> list[str]:
        self._disk.about_to("listdir", path)
        return sorted(os.listdir(path))

    def statvfs(self, path: _PathLike | int) -> os.statvfs_result:
        self._disk.about_to("statvfs", path)
        return os.statvfs(path)

    def fstatvfs(self, descriptor: int) -> os.statvfs_result:
        self._disk.about_to("fstatvfs", descriptor)
        return os.fstatvfs(descriptor)

    def posix_fadvise(self, descriptor: int, offset: int, length: int, advice: int) -> None:
        self._disk.about_to("posix_fadvise", descriptor)
        if advice == os.POSIX_FADV_DONTNEED:
            self._disk.dropped_cache(descriptor)

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, descriptor: int, data: bytes) -> int:
        try:
            self._disk.about_to("write", descriptor, len(data), bytes(data))
        except Crash as crash:
            if crash.written:
                self._write(descriptor, data[: crash.written])
            raise
        except ShortWrite as short:
            return self._write(descriptor, data[: short.written])
        return self._write(descriptor, data)

    def _write(self, descriptor: int, data: bytes) -> int:
        is_append = self._disk.appends(descriptor)
        return self._disk.wrote(descriptor, lambda: os.write(descriptor, data), is_append=is_append)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        try:
            self._disk.about_to("pwrite", descriptor, len(data), bytes(data))
        except ShortWrite as short:
            data = data[: short.written]
        return int(self._disk.changed(descriptor, lambda: os.pwrite(descriptor, data, offset)))

    def ftruncate(self, descriptor: int, size: int) -> None:
        self._disk.about_to("ftruncate", descriptor)
        self._disk.changed(descriptor, lambda: os.ftruncate(descriptor, size))

    def posix_fallocate(self, descriptor: int, offset: int, length: int) -> None:
        self._disk.about_to("posix_fallocate", descriptor, length)
        self._disk.changed(descriptor, lambda: os.posix_fallocate(descriptor, offset, length))

    def fsync(self, descriptor: int) -> None:
        self._sync("fsync", descriptor)

    def fdatasync(self, descriptor: int) -> None:
        self._sync("fdatasync", descriptor)

    def _sync(self, name: str, descriptor: int) -> None:
        try:
            self._disk.about_to(name, descriptor)
        except OSError:
            self._disk.sync_failed(descriptor)
            raise
        self._disk.synced(descriptor)

    def fchmod(self, descriptor: int, mode: int) -> None:
        self._disk.about_to("fchmod", descriptor)
        os.fchmod(descriptor, mode)

    def chmod(self, path: _PathLike, mode: int) -> None:
        self._disk.about_to("chmod", path)
        os.chmod(path, mode)

    # --- names --------------------------------------------------------------------------------------------------------

    def replace(
        self, source: _PathLike, target: _PathLike, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        source, target = self._whole(source, src_dir_fd), self._whole(target, dst_dir_fd)
        self._disk.about_to("replace", target)
        self._disk.moved(source, target, lambda: os.replace(source, target))

    def rename(
        self, source: _PathLike, target: _PathLike, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        self.replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def unlink(self, path: _PathLike, *, dir_fd: int | None = None) -> None:
        path = self._whole(path, dir_fd)
        self._disk.about_to("unlink", path)
        self._disk.removed(path, lambda: os.unlink(path))

    def remove(self, path: _PathLike, *, dir_fd: int | None = None) -> None:
        self.unlink(path, dir_fd=dir_fd)

    def mkdir(self, path: _PathLike, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        path = self._whole(path, dir_fd)
        self._disk.about_to("mkdir", path)
        os.mkdir(path, mode)
        self._disk.made_folder(path)

    def rmdir(self, path: _PathLike) -> None:
        self._disk.about_to("rmdir", path)
        self._disk.removed(path, lambda: os.rmdir(path))

    def _whole(self, path: _PathLike, dir_fd: int | None) -> str:
        """Return a path that does not need a descriptor of its folder."""
        if dir_fd is None:
            return os.fspath(path)
        folder = self._disk.path_of_folder(dir_fd)
        return os.fspath(Path(folder) / path)


class SpyFcntl:
    """What the program takes for the module `fcntl`."""

    def __init__(self, disk: "Disk") -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(fcntl, name)

    def flock(self, descriptor: int, operation: int) -> None:
        self._disk.about_to("flock", descriptor)
        fcntl.flock(descriptor, operation)
        self._disk.locked(descriptor)


class _Raw(io.RawIOBase):
    """A file object whose reads go through the spy."""

    def __init__(self, spy: SpyOs, descriptor: int) -> None:
        super().__init__()
        self._spy = spy
        self._descriptor = descriptor
        self._process = spy.process

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def readinto(self, buffer: Any) -> int:
        data = self._spy.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self.closed:
            return
        try:
            if self._process == self._spy.process:  # one that is closed late must not close another's descriptor
                self._spy.close(self._descriptor)
        finally:
            super().close()


_HIDDEN = """
    creat dup dup2 lchmod chown fchown link symlink truncate sync sendfile copy_file_range pwritev preadv writev readv
    scandir walk makedirs removedirs renames access utime mkfifo mknod splice setxattr lockf
"""
_UNKNOWN = frozenset(_HIDDEN.split())
"""What could touch a file behind the spy's back."""
