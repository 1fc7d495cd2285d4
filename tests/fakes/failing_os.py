"""The name `os` of one module, with calls that fail on the files that a test names; everything else is the real one."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class FailingOs:
    """
    Delegate to `os`, follow which file a descriptor is of, and count the calls on each file.

    `fail` makes one kind of call fail on one file (None: on any) from now on; `change` puts something else in its
    place. `calls` are (name of the call, name of the file), in their order; `before` and `after` are called with the
    number of each one.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[int], None] = lambda _number: None
        self.after: Callable[[int], None] = lambda _number: None
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
        descriptor = int(self._run("open", Path(path).name, path, *arguments))
        self._files[descriptor] = Path(path).name.removesuffix(".new").removesuffix(".tmp")
        return descriptor

    def replace(self, source: Path, target: Path) -> None:
        self._run("replace", source.name, source, target)

    def unlink(self, path: Path) -> None:
        self._run("unlink", path.name, path)

    def write(self, descriptor: int, data: bytes) -> int:
        return int(self._call("write", descriptor, data))

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        return int(self._call("pwrite", descriptor, data, offset))

    def pread(self, descriptor: int, count: int, offset: int) -> bytes:
        return bytes(self._call("pread", descriptor, count, offset))

    def posix_fadvise(self, descriptor: int, *arguments: int) -> None:
        self._call("posix_fadvise", descriptor, *arguments)

    def fsync(self, descriptor: int) -> None:
        self._call("fsync", descriptor)

    def _call(self, name: str, descriptor: int, *arguments: object) -> Any:
        return self._run(name, self._files.get(descriptor, ""), descriptor, *arguments)

    def _run(self, name: str, file: str, *arguments: object) -> Any:
        self.calls.append((name, file))
        number = len(self.calls)
        self.before(number)
        changed = self._changed.get((name, file)) or self._changed.get((name, None))
        try:
            return (changed or getattr(os, name))(*arguments)
        finally:
            self.after(number)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)
