"""
What a power loss may leave of files: a model of what is on the disk and what is only in the kernel's memory.

The rules are those of the weakest disk that we support. What a file got since its last fsync is there in part, wholly,
as zeros, as garbage, or not at all; a name that was made, changed or removed is that only after an fsync of its
folder, whatever was done with the file; files and folders know nothing of each other. Two things are taken for
granted, as every journaling file system gives them: a rename happens or not (never half), and changes of one name keep
their order.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

STATES_MAX = 64
"""Up to so many combinations all are played; of more, see `Unsynced.states`."""

RENAMES_MAX = 6
"""Of more unsynced changes to connected names, only the ones up to some moment are played as done."""

ReadNow = Callable[[str], bytes]


@dataclass(slots=True, eq=False)
class Node:
    """
    A file or folder, whatever its names are.

    `saved` is its content on the disk where that is not just the first `saved_size` bytes of what it has now.
    `ends`: where each append since ended. `versions`: what it was after each other change since. `detached` is its
    content once it has no name any more. `is_doubtful`: an fsync failed, and later ones do not write what that one
    should have: the kernel has forgotten it.
    """

    is_folder: bool = False
    saved_size: int = 0
    saved: bytes | None = None
    ends: list[int] = field(default_factory=list)
    versions: list[bytes] = field(default_factory=list)
    detached: bytes | None = None
    is_doubtful: bool = False
    touched: int = 0

    @property
    def is_dirty(self) -> bool:
        return bool(self.ends or self.versions)

    def synced(self, size: int) -> None:
        """Everything is on the disk now, unless the kernel lost it."""
        if not self.is_doubtful:
            self.saved_size, self.saved = size, None
            self.ends, self.versions = [], []


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of names in one folder: created (no source), removed (no target), or moved."""

    source: str | None
    target: str | None
    node: Node
    number: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.source, self.target) if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskState:
    """
    What is left: in words, and each path that is different from what is there now.

    Content None: there is no such file. A folder that is gone has `gone_folders`.
    """

    name: str
    files: Mapping[str, bytes | None]
    gone_folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Choice:
    """One way in which one thing may be left; `content` of a node, or the changes of names that were done."""

    label: str
    content: bytes | None = None
    done: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Thing:
    """Something that a power loss may leave in several ways: the content of a node, or changes to connected names."""

    name: str
    node: Node | None
    touched: int
    choices: tuple[_Choice, ...]
    """The first: nothing of it is on the disk. The last: all of it."""


class Unsynced:
    """The names and contents of one folder tree: what they are now, and what of it is on the disk."""

    def __init__(self, files: Mapping[str, int], folders: Iterable[str]) -> None:
        """Begin with files (path and size) and folders that are all on the disk."""
        self.names: dict[str, Node] = {path: Node(saved_size=size) for path, size in files.items()}
        self.names.update({path: Node(is_folder=True) for path in folders})
        self._on_disk: dict[str, Node] = dict(self.names)
        self._pending: list[Change] = []

    def is_clean(self) -> bool:
        """Tell whether a power loss now would change nothing."""
        return not self._pending and not any(node.is_dirty for node in self.names.values())

    def certain_size(self, path: str) -> int:
        """Return how many of a file's first bytes are on the disk under this name, whatever happens."""
        node = self.names.get(path)
        if node is None or self._on_disk.get(path) is not node or any(path in item.names for item in self._pending):
            return 0
        return node.saved_size if node.saved is None else 0

    # --- what happens -------------------------------------------------------------------------------------------------

    def found(self, path: str, size: int, *, is_folder: bool = False) -> None:
        """Take in what was made behind our back, as on the disk."""
        self.names[path] = self._on_disk[path] = Node(is_folder=is_folder, saved_size=size)

    def forget(self, path: str) -> None:
        """Take a name for gone, on the disk, too."""
        self.names.pop(path, None)
        self._on_disk.pop(path, None)

    def created(self, path: str, number: int, *, is_folder: bool = False) -> Node:
        node = Node(is_folder=is_folder, touched=number)
        self.names[path] = node
        self._pending.append(Change(source=None, target=path, node=node, number=number))
        return node

    def removed(self, path: str, content: bytes, number: int) -> None:
        node = self.names.pop(path)
        self._detach(node, content)
        self._pending.append(Change(source=path, target=None, node=node, number=number))

    def moved(self, source: str, target: str, replaced: bytes | None, number: int) -> None:
        """`replaced` is the content of the file that had the name `target`, None when none had it."""
        if target in self.names and replaced is not None:
            self._detach(self.names[target], replaced)
        node = self.names.pop(source)
        self.names[target] = node
        self._pending.append(Change(source=source, target=target, node=node, number=number))

    def appended(self, node: Node, end: int, number: int) -> None:
        if node.saved is None:
            node.ends.append(end)
        node.touched = number

    def about_to_change(self, node: Node, before: bytes) -> None:
        """Something else than an append comes: remember what is on the disk."""
        if node.saved is None:
            node.saved = before[: node.saved_size]
            node.versions, node.ends = [before] if node.ends else [], []

    def changed(self, node: Node, after: bytes, number: int) -> None:
        node.versions.append(after)
        node.touched = number

    def folder_synced(self, folder: str) -> None:
        """Bring the names directly in a folder to the disk."""
        done = [change for change in self._pending if _parent(change.names[-1]) == folder]
        _apply(self._on_disk, done)
        self._pending = [change for change in self._pending if change not in done]

    def _detach(self, node: Node, content: bytes) -> None:
        if sum(1 for other in self.names.values() if other is node) <= 1:
            node.detached = content

    # --- what may be left ---------------------------------------------------------------------------------------------

    def states(self, read: ReadNow, by_turns: str | None = None) -> list[DiskState]:
        """
        Return every legal state after a power loss at this moment, each once.

        Of more than `STATES_MAX` combinations: each thing (a file's content, changes to connected names) in all its
        ways with all others kept, and with all others lost, and all pairs of the two that were touched last. What is
        in the folder `by_turns` makes no combinations: each state has the next of its ways.
        """
        apart: list[_Thing] = []
        things: list[_Thing] = []
        for thing in self._things(read):
            is_apart = by_turns is not None and thing.name.removeprefix("names ").startswith(f"{by_turns}/")
            (apart if is_apart else things).append(thing)
        turn = sum(thing.touched for thing in apart)
        found: dict[tuple[object, ...], DiskState] = {}
        for number, combination in enumerate(_combinations(things), turn):
            ways = [thing.choices[number % len(thing.choices)] for thing in apart]
            state = self._state([*things, *apart], [*combination, *ways], read)
            found.setdefault((*sorted(state.files.items()), *state.gone_folders), state)
        return list(found.values())

    def certain(self, read: ReadNow) -> dict[str, bytes]:
        """Return what is left in every case, by path."""
        return {
            path: self._content(node, read)[: node.saved_size] if node.saved is None else node.saved
            for path, node in self._on_disk.items()
            if not node.is_folder and self._has_its_folders(path)
        }

    def _has_its_folders(self, path: str) -> bool:
        folder = _parent(path)
        return not folder or (folder in self._on_disk and self._has_its_folders(folder))

    def draw_state(self, read: ReadNow, draw: random.Random) -> DiskState:
        """Return one legal state; each thing is left in any of its ways, whatever the others are."""
        things = self._things(read)
        return self._state(things, [draw.choice(thing.choices) for thing in things], read)

    def _things(self, read: ReadNow) -> list[_Thing]:
        things = []
        seen: dict[Node, str] = {}
        changing = ((change.names[-1], change.node) for change in self._pending)
        for path, node in (*self.names.items(), *self._on_disk.items(), *changing):
            seen.setdefault(node, path)
        for node, path in seen.items():
            if node.is_dirty:
                choices = tuple(_contents(node, self._content(node, read)))
                things.append(_Thing(path, node, node.touched, choices))
        for group in _connected(self._pending):
            choices = tuple(_Choice(_in_words(done), done=done) for done in _subsets(group))
            things.append(_Thing(f"names {group[0].names[-1]}", None, group[-1].number, choices))
        return sorted(things, key=lambda thing: thing.touched)

    def _content(self, node: Node, read: ReadNow) -> bytes:
        """Return what a node has now."""
        if node.is_folder:
            return b""
        for path, named in self.names.items():
            if named is node:
                return read(path)
        return node.detached or b""

    def _state(self, things: Sequence[_Thing], choices: Sequence[_Choice], read: ReadNow) -> DiskState:
        contents: dict[Node, bytes] = {}
        done: list[Change] = []
        labels = []
        for thing, choice in zip(things, choices, strict=True):
            if thing.node is not None:
                contents[thing.node] = choice.content or b""
            done += choice.done
            if choice is not thing.choices[-1]:
                labels.append(f"{thing.name}: {choice.label}")
        left = dict(self._on_disk)
        _apply(left, sorted(done, key=lambda change: change.number))
        gone = tuple(path for path, node in self.names.items() if node.is_folder and left.get(path) is not node)
        files: dict[str, bytes | None] = {}
        for path in dict.fromkeys((*self.names, *left)):
            node = left.get(path)
            if any(path == folder or path.startswith(f"{folder}/") for folder in gone):
                if path in self.names and not self.names[path].is_folder:
                    files[path] = None
            elif node is None:
                files[path] = None
            elif node in contents or self.names.get(path) is not node:
                content = contents.get(node)
                files[path] = self._content(node, read) if content is None else content
        unchanged = [
            path
            for path, content in files.items()
            if path in self.names and content is not None and content == read(path)
        ]
        for path in unchanged:
            del files[path]
        return DiskState(name="; ".join(labels) or "everything kept", files=files, gone_folders=gone)


def _contents(node: Node, now: bytes) -> Iterator[_Choice]:
    """Yield what may be left of a node's content, from nothing of what is unsynced to all of it."""
    if node.saved is not None:
        yield _Choice("old content", node.saved)
        for number, version in enumerate(node.versions[:-1], 1):
            yield _Choice(f"content of change {number}", version)
        yield _Choice("zeros", bytes(len(now)))
        yield _Choice("garbage", _garbage(len(now)))
        yield _Choice("all", now)
        return
    base, tail = now[: node.saved_size], now[node.saved_size :]
    size = len(tail)
    yield _Choice("absent", base)
    cuts = {size // 3: "1/3", 2 * size // 3: "2/3", size - 1: "n-1"}
    for number, end in enumerate(node.ends[:-1], 1):
        cuts[end - node.saved_size] = f"record {number}"
    for cut in sorted(cuts):
        if 0 < cut < size:
            yield _Choice(cuts[cut], base + tail[:cut])
    yield _Choice("zeros", base + bytes(size))
    yield _Choice("garbage", base + _garbage(size))
    yield _Choice("1/3, then zeros", base + tail[: size // 3] + bytes(size - size // 3))
    yield _Choice("all", now)


def _garbage(size: int) -> bytes:
    """Return bytes that are no text and hold no newline, as a block that belonged to something else."""
    return (bytes(range(0x80, 0x100)) * (size // 128 + 1))[:size]


def _combinations(things: Sequence[_Thing]) -> Iterator[list[_Choice]]:
    count = 1
    for thing in things:
        count *= len(thing.choices)
    if count <= STATES_MAX:
        yield from (list(choices) for choices in itertools.product(*(thing.choices for thing in things)))
        return
    kept, lost = [thing.choices[-1] for thing in things], [thing.choices[0] for thing in things]
    yield kept
    yield lost
    for place, thing in enumerate(things):
        for others in (kept, lost):
            for choice in thing.choices:
                yield [*others[:place], choice, *others[place + 1 :]]
    *_, before, last = things
    for one, other in itertools.product(before.choices, last.choices):
        yield [*kept[:-2], one, other]


def _connected(changes: Sequence[Change]) -> list[list[Change]]:
    """Group changes that share a name, directly or through others; the order is kept."""
    groups: list[list[Change]] = []
    for change in changes:
        touching = [group for group in groups if any(set(change.names) & set(other.names) for other in group)]
        merged = sorted([*(item for group in touching for item in group), change], key=lambda item: item.number)
        groups = [group for group in groups if group not in touching]
        groups.append(merged)
    return groups


def _subsets(group: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Return which of these changes may have been done: none is without the earlier ones of the same names."""
    if len(group) > RENAMES_MAX:
        return [tuple(group[:size]) for size in range(len(group) + 1)]
    found: list[tuple[Change, ...]] = [()]
    for change in group:
        found += [(*done, change) for done in found if _may_follow(change, done, group)]
    whole = tuple(group)
    return [*(done for done in found if done != whole), whole]


def _may_follow(change: Change, done: Sequence[Change], group: Sequence[Change]) -> bool:
    before = group[: group.index(change)]
    return all(other in done for other in before if set(other.names) & set(change.names))


def _apply(names: dict[str, Node], changes: Sequence[Change]) -> None:
    for change in changes:
        if change.source is not None:
            names.pop(change.source, None)
        if change.target is not None:
            names[change.target] = change.node


def _in_words(done: Sequence[Change]) -> str:
    return ", ".join(f"{change.source or ''}->{change.target or ''}" for change in done) or "none done"


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
