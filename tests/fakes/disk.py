"""
A disk that can fail: a spy in the place of `os` in the modules that keep what must survive, on real files.

Every call is numbered and shown to a hook, which may let it fail (raise an OSError or any other exception), end the
process there (`Crash`), or have a write stop early (`ShortWrite`). What is not synced is remembered, so that a power
loss may leave any legal state of it (`unsynced.py`).

    disk = Disk(folder)
    with disk.installed():
        disk.on_call = hook            # Call(number, name, path, size); raise to make it fail
        ...                            # run the program; `Crash` comes out of it
        disk.end_process()             # what the kernel does: descriptors are closed, locks are gone
        disk.power_loss(draw)          # or: for state in disk.power_loss_states(): disk.become(state)

Paths are taken as the program gives them: a relative `root` goes with relative paths in the program, and then the whole
world can be moved with chdir.
"""

import fcntl
import importlib
import os
import pkgutil
import random
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runner.records
from tests.fakes.spy_os import Call, Crash, SpyFcntl, SpyOs
from tests.fakes.unsynced import DiskState, Node, Unsynced

MODULES = (
    *(f"{runner.records.__name__}.{module.name}" for module in pkgutil.iter_modules(runner.records.__path__)),
    "runner.adapters.record_file",
    "runner.adapters.state_store",
    "runner.adapters.instance_lock",
    "runner.adapters.kill_switch",
    "runner.adapters.tape_files",
    "runner.adapters.anchor_file",
)
"""Who touches files that must survive; tests/architecture/test_durable_files.py holds that nobody else does."""

PID = 4711
"""What the program takes for its process id, so that a run repeats to the byte."""

_PathLike = str | os.PathLike[str]
_Hook = Callable[[Call], None]


@dataclass(slots=True)
class _Open:
    path: str
    node: Node | None
    flags: int
    is_locked: bool = False


class Disk:
    """One folder tree of a program, seen through its calls."""

    def __init__(
        self,
        root: Path,
        *,
        on_call: _Hook | None = None,
        pid: int = PID,
        careless: Sequence[str] = (),
        by_turns: str | None = None,
    ) -> None:
        """
        Take everything below `root` for synced; a call fails when `on_call` raises.

        Files named in `careless` are taken for synced at once: the fewer states a power loss leaves. For the folder
        `by_turns` see `Unsynced.states`.
        """
        self.root = root
        self.on_call = on_call or _nothing
        self.calls = 0
        self.pid = pid
        self.processes = 1
        self.version = 0
        """Grows with everything that changes what is there, or what of it is on the disk."""
        self._careless = careless
        self._by_turns = by_turns
        self._open: dict[int, _Open] = {}
        self._is_dead = False
        self._unsynced = self._all_synced()
        self.spy = SpyOs(self)

    # --- the life of a process ----------------------------------------------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator["Disk"]:
        """Stand in for `os` (and `fcntl`) in the modules that keep what must survive."""
        modules = [importlib.import_module(name) for name in MODULES]
        before = [(module, name, getattr(module, name)) for module in modules for name in _replaced(module)]
        for module, name, _ in before:
            setattr(module, name, self.spy if name == "os" else SpyFcntl(self))
        try:
            yield self
        finally:
            for module, name, value in before:
                setattr(module, name, value)

    def crash(self) -> None:
        """
        End the process here: from now on nothing reaches the disk, until `end_process`.

        Raises:
            Crash: Always.
        """
        self._is_dead = True
        raise Crash

    def end_process(self) -> None:
        """Close what the process had open, as the kernel does; the next call is the next process's."""
        for descriptor in list(self._open):
            with suppress(OSError):
                os.close(descriptor)
        self._open.clear()
        self._is_dead = False
        self.processes += 1

    def move_open_files(self) -> None:
        """
        Let every open descriptor be the file of the same path below the present working directory.

        For a forked branch that goes on in a copy of the folder: what it has open belongs to where it came from.
        """
        for descriptor, opened in self._open.items():
            flags = opened.flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)
            copied = os.open(self.root / self._path_of(descriptor), flags)
            if not flags & os.O_DIRECTORY:
                os.lseek(copied, os.lseek(descriptor, 0, os.SEEK_CUR), os.SEEK_SET)
            os.dup2(copied, descriptor)
            os.close(copied)
            if opened.is_locked:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def power_loss(self, draw: random.Random) -> str:
        """End the process and leave one legal state of everything unsynced; return it in words."""
        self.end_process()
        state = self._unsynced.draw_state(self._read_now, draw)
        self.become(state)
        return state.name

    def power_loss_states(self) -> Sequence[DiskState]:
        """Return every legal state that a power loss at this moment may leave; nothing is changed."""
        return self._unsynced.states(self._read_now, self._by_turns)

    def become(self, state: DiskState) -> None:
        """Turn the real folder into what a power loss left; it is all synced then."""
        for path, content in state.files.items():
            if content is None:
                (self.root / path).unlink(missing_ok=True)
            elif not any(path.startswith(f"{folder}/") for folder in state.gone_folders):
                self._put(path, content)
        self.version += 1
        for folder in state.gone_folders:
            shutil.rmtree(self.root / folder, ignore_errors=True)
        self._unsynced = self._all_synced()

    def certain_size(self, path: str) -> int:
        """Return how many bytes of a file (relative to the root) a power loss now would leave for certain."""
        return self._unsynced.certain_size(path)

    def is_clean(self) -> bool:
        """Tell whether a power loss now would change nothing."""
        return self._unsynced.is_clean()

    def on_disk(self) -> dict[str, bytes]:
        """Return the files that every power loss leaves, with what every one leaves of them."""
        return self._unsynced.certain(self._read_now)

    def torn(self, path: str, size: int) -> None:
        """Take in that a dying process wrote the beginning of a record, so that a file has this size now."""
        node = self._unsynced.names.get(path)
        if node is not None:
            self._unsynced.appended(node, size, self.calls)

    def forget_unsynced(self) -> None:
        """Take everything that is there now for synced."""
        self.version += 1
        self._unsynced = self._all_synced()

    def _put(self, path: str, content: bytes) -> None:
        """Write a file anew, or cut it, so that one that is still open elsewhere stays as it is."""
        target = self.root / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    def _all_synced(self) -> Unsynced:
        files: dict[str, int] = {}
        folders = []
        for folder, _, names in os.walk(self.root):
            if Path(folder) != self.root:
                folders.append(self.relative(folder))
            for name in names:
                path = f"{folder}/{name}"
                if stat.S_ISREG(os.lstat(path).st_mode):
                    files[self.relative(path)] = os.lstat(path).st_size
        return Unsynced(files, folders)

    # --- for the spies ------------------------------------------------------------------------------------------------

    def about_to(self, name: str, path: _PathLike | int, size: int = 0, data: bytes = b"") -> Call:
        """Number a call and show it to the hook."""
        if self._is_dead:
            raise Crash
        self.calls += 1
        shown = self._path_of(path) if isinstance(path, int) else self.relative(path)
        call = Call(self.calls, name, shown, size, data)
        try:
            self.on_call(call)
        except Crash:
            self._is_dead = True
            raise
        return call

    def relative(self, path: _PathLike) -> str:
        text, root = os.fspath(path), os.fspath(self.root)
        if text == root:
            return ""
        return text.removeprefix(f"{root}/") if root != "." else text.removeprefix("./")

    @property
    def is_dead(self) -> bool:
        return self._is_dead

    def opened(self, descriptor: int, path: _PathLike, flags: int, *, is_new: bool) -> None:
        name = self.relative(path)
        self.version += is_new
        if not _is_outside(name):
            self._notice(name, os.lstat(path), is_new=is_new)
        self._open[descriptor] = _Open(name, self._unsynced.names.get(name), flags)

    def _notice(self, path: str, facts: os.stat_result, *, is_new: bool) -> None:
        """Take a folder that was made behind our back for one whose name nobody has synced; a file there is synced."""
        folder = path.rpartition("/")[0]
        if folder and folder not in self._unsynced.names:
            self._notice(folder, os.lstat(self.root / folder), is_new=False)
        if is_new and path not in self._careless:
            self._unsynced.created(path, self.calls)
        elif path not in self._unsynced.names:
            if path and stat.S_ISDIR(facts.st_mode):
                self._unsynced.created(path, self.calls, is_folder=True)
            else:
                self._unsynced.found(path, facts.st_size, is_folder=not path)

    def locked(self, descriptor: int) -> None:
        self._open[descriptor].is_locked = True

    def closed(self, descriptor: int) -> None:
        """Close it; a lock ends with it, though a forked branch of the test may have the descriptor, too."""
        opened = self._open.pop(descriptor, None)
        if opened is not None and opened.is_locked:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def wrote(self, descriptor: int, write: Callable[[], int], *, is_append: bool) -> int:
        """Write, and remember what is unsynced from now on."""
        self.version += 1
        opened = self._open.get(descriptor)
        node = None if opened is None else opened.node
        if opened is None or node is None:
            return write()
        if opened.path in self._careless:
            return int(self._carelessly(descriptor, node, write))
        if is_append and node.saved is None:
            written = write()
            self._unsynced.appended(node, os.fstat(descriptor).st_size, self.calls)
            return written
        return int(self.changed(descriptor, write))

    def changed(self, descriptor: int, change: Callable[[], Any]) -> Any:
        """Change a file in another way than by appending."""
        self.version += 1
        opened = self._open.get(descriptor)
        node = None if opened is None else opened.node
        if opened is None or node is None:
            return change()
        if opened.path in self._careless:
            return self._carelessly(descriptor, node, change)
        self._unsynced.about_to_change(node, _content_of(descriptor))
        result = change()
        self._unsynced.changed(node, _content_of(descriptor), self.calls)
        return result

    def _carelessly(self, descriptor: int, node: Node, change: Callable[[], Any]) -> Any:
        result = change()
        node.synced(os.fstat(descriptor).st_size)
        return result

    def appends(self, descriptor: int) -> bool:
        """Tell whether the next write goes to the end of a file."""
        opened = self._open.get(descriptor)
        if opened is not None and opened.flags & os.O_APPEND:
            return True
        return os.lseek(descriptor, 0, os.SEEK_CUR) == os.fstat(descriptor).st_size

    def synced(self, descriptor: int) -> None:
        self.version += 1
        opened = self._open.get(descriptor)
        if opened is None or opened.node is None:
            return
        if opened.node.is_folder:
            self._unsynced.folder_synced(opened.path)
        else:
            opened.node.synced(os.fstat(descriptor).st_size)

    def sync_failed(self, descriptor: int) -> None:
        """Remember that the kernel takes a file for written now, and that it is not."""
        opened = self._open.get(descriptor)
        if opened is not None and opened.node is not None and opened.node.is_dirty:
            opened.node.is_doubtful = True

    def removed(self, path: _PathLike, remove: Callable[[], None]) -> None:
        name = self.relative(path)
        node = self._unsynced.names.get(name)
        content = b"" if node is None or node.is_folder else self._read_now(name)
        remove()
        self.version += 1
        if name in self._careless:
            self._unsynced.forget(name)
        elif node is not None:
            self._unsynced.removed(name, content, self.calls)

    def moved(self, source: _PathLike, target: _PathLike, move: Callable[[], None]) -> None:
        new = self.relative(target)
        replaced = self._read_now(new) if new in self._unsynced.names else None
        move()
        self.version += 1
        old = self.relative(source)
        if old not in self._unsynced.names:
            self._unsynced.found(old, os.lstat(target).st_size)
        self._unsynced.moved(old, new, replaced, self.calls)

    def path_of_folder(self, descriptor: int) -> Path:
        """Return the path of a folder that is open, as the program gave it."""
        return self.root / self._open[descriptor].path

    def made_folder(self, path: _PathLike) -> None:
        self.version += 1
        self._unsynced.created(self.relative(path), self.calls, is_folder=True)

    def dropped_cache(self, descriptor: int) -> None:
        """Show what is on the disk, not what the kernel had in memory: after a failed fsync, the old content."""
        opened = self._open.get(descriptor)
        node = None if opened is None else opened.node
        if opened is None or node is None or not node.is_doubtful:
            return
        now = _content_of(descriptor)
        path = self.root / opened.path
        path.write_bytes(now[: node.saved_size] if node.saved is None else node.saved)
        node.is_doubtful = False
        node.synced(path.stat().st_size)

    def _path_of(self, descriptor: int) -> str:
        opened = self._open.get(descriptor)
        if opened is None:
            return f"descriptor {descriptor}"
        if opened.node is not None and self._unsynced.names.get(opened.path) is not opened.node:
            return next((path for path, node in self._unsynced.names.items() if node is opened.node), opened.path)
        return opened.path

    def _read_now(self, path: str) -> bytes:
        try:
            with open(self.root / path, "rb") as file:
                return file.read()
        except FileNotFoundError:  # removed behind our back
            return b""


def _nothing(_call: Call) -> None:
    return


def _is_outside(path: str) -> bool:
    return path.startswith(("/", "../")) or path == ".."


def _replaced(module: Any) -> Sequence[str]:
    return [name for name in ("os", "fcntl") if hasattr(module, name)]


def _content_of(descriptor: int) -> bytes:
    """Return a file's whole content by its descriptor, also one that is open for writing alone."""
    with open(f"/proc/self/fd/{descriptor}", "rb") as file:
        return file.read()
