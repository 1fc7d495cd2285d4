"""The name `os` of one module, with calls that fail on the files that a test names; everything else is the real one."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

ON_DESCRIPTORS = ("write", "pwrite", "fsync", "pread")


class FailingOs:
    """
    Delegate to `os`, follow which file a descriptor is of, and count the calls on each file.

    `fail` makes one kind of call fail on one file (None: on any) from now on; `change` puts something else in its
    place, which gets the real function. `calls` are (name of the call, name of the file), in their order.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self._files: dict[int, str] = {}
        self._changed: dict[tuple[str, str | None], Callable[..., Any]] = {}

    def fail(self, call: str, file: str | None = None, code: int = errno.EIO) -> None:
        def run(*_arguments: object) -> None:
            raise OSError(code, os.strerror(code))

        self._changed[call, file] = run

    def change(self, call: str, file: str | None, run: Callable[..., Any]) -> None:
        self._changed[call, file] = run

    def heal(self) -> None:
        self._changed.clear()

    def open(self, path: str | Path, *arguments: int) -> int:
        descriptor = os.open(path, *arguments)
        self._files[descriptor] = Path(path).name.removesuffix(".new").removesuffix(".tmp")
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        return int(self._call("write", descriptor, data))

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        return int(self._call("pwrite", descriptor, data, offset))

    def pread(self, descriptor: int, count: int, offset: int) -> bytes:
        return bytes(self._call("pread", descriptor, count, offset))

    def fsync(self, descriptor: int) -> None:
        self._call("fsync", descriptor)

    def _call(self, name: str, descriptor: int, *arguments: object) -> Any:
        file = self._files.get(descriptor, "")
        self.calls.append((name, file))
        changed = self._changed.get((name, file)) or self._changed.get((name, None))
        if changed is not None:
            return changed(descriptor, *arguments)
        return getattr(os, name)(descriptor, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)
