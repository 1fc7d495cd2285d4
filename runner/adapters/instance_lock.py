"""
One process per data directory (L14): flock on a file that is never deleted. The pid file beside it is for people.

The kernel drops the lock with the process, whatever ends it; a stale pid file means nothing.
"""

import fcntl
import os
from pathlib import Path

from core.errors import AlreadyRunning, StartRefused, StateUnusable
from runner.records import durable_files

_NAME = "247trader-v2"
_PID_BYTES_MAX = 32


class InstanceLock:
    """The lock of one data directory; held from `acquire` to `release` or the end of the process."""

    def __init__(self, data_dir: Path) -> None:
        self._lock_path = data_dir / f"{_NAME}.lock"
        self._pid_path = data_dir / f"{_NAME}.pid"
        self._descriptor: int | None = None
        self.problem: str | None = None
        """What went wrong with the pid file, which is for people only: a full disk must not keep us from cancelling."""

    def acquire(self) -> None:
        """
        Take the lock and write the pid file.

        Raises:
            AlreadyRunning: Another process holds it; the message says which, if its pid file can be read.
            StartRefused: The files cannot be opened.
            StateUnusable: One of them is not a regular file of ours.
        """
        try:
            descriptor = durable_files.open_or_create(self._lock_path)
        except OSError as error:
            raise StartRefused(f"{self._lock_path} cannot be opened: {error.strerror}") from error
        try:
            self._lock(descriptor)
            self._write_pid()
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def is_ours(self) -> bool:
        """Tell whether the file that we locked is still the one that others would lock. Ask in every cycle."""
        return self._descriptor is not None and self._is_at_path(self._descriptor)

    def release(self) -> None:
        """Give the lock back; the pid file goes if it is ours, the lock file stays for ever."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            if self._read_pid() == os.getpid():
                durable_files.remove_if_there(self._pid_path)
        except OSError:
            pass  # for people only; the lock is what counts
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = self._read_pid()
            who = "another process" if pid is None else f"process {pid}"
            raise AlreadyRunning(f"{who} runs on {self._lock_path.parent}; stop it first") from error
        except OSError as error:
            raise StartRefused(f"{self._lock_path} cannot be locked: {error.strerror}") from error
        if not self._is_at_path(descriptor):
            raise AlreadyRunning(f"{self._lock_path} was replaced while it was being locked; try again")

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            held, named = os.fstat(descriptor), os.lstat(self._lock_path)
        except OSError:
            return False
        return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino) and held.st_nlink == 1

    def _write_pid(self) -> None:
        try:
            descriptor = durable_files.open_or_create(self._pid_path)
        except OSError as error:
            raise StartRefused(f"{self._pid_path} cannot be opened: {error.strerror}") from error
        try:
            os.ftruncate(descriptor, 0)
            durable_files.write_whole(descriptor, f"{os.getpid()}\n".encode("ascii"))
        except OSError as error:
            self.problem = f"warning: {self._pid_path} cannot be written: {error}"
        finally:
            os.close(descriptor)

    def _read_pid(self) -> int | None:
        try:
            descriptor = durable_files.open_to_read(self._pid_path)
        except (OSError, StateUnusable):
            return None
        try:
            text = os.read(descriptor, _PID_BYTES_MAX).strip()
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return int(text) if text.isdigit() else None
