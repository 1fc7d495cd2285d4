"""What a process death or a power loss leaves at one point of the history: whole folders, each state once."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash_sweep.world import TAPE, Point, World

Image = dict[str, bytes]
FOLDERS = ("data", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """
    One state: its short `code` among those of its point (`d0`, `p3`), what it is in words, and the files.

    `is_power_loss`: everything is on the disk. Otherwise the kernel still holds what was not synced; `torn` is a file
    that the process was writing to.
    """

    code: str
    name: str
    files: Image
    is_power_loss: bool = False
    torn: str | None = None


class Looking:
    """The states at each point; the folders are read anew only when something was changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: tuple[object, ...] = ()
        self._image: Image = {}

    def states(self, point: Point) -> Iterator[Left]:
        """Yield what may be left if the process ends, or the power goes, at this point."""
        image = self.image()
        yield Left(code="d0", name="process death", files=image)
        if point.call is not None and point.call.name == "write" and point.call.path in image:
            data, path = point.call.data, point.call.path
            cuts = dict.fromkeys(cut for cut in (len(data) // 3, 2 * len(data) // 3, len(data) - 1) if cut > 0)
            for number, cut in enumerate(cuts, 1):
                files = {**image, path: image[path] + data[:cut]}
                yield Left(code=f"d{number}", name=f"process death after {cut} bytes", files=files, torn=path)
        for number, state in enumerate(self._world.disk.power_loss_states()):
            left: Image = {path: content for path, content in image.items() if path not in state.files}
            left.update({path: content for path, content in state.files.items() if content is not None})
            files = {path: content for path, content in left.items() if not _is_in(path, state.gone_folders)}
            yield Left(code=f"p{number}", name=f"power loss, {state.name}", files=files, is_power_loss=True)

    def image(self) -> Image:
        """Return every file of the program; of its text log whatever was there at the last change of another."""
        seen = (self._world.disk.version, self._world.desk.kill_file.exists())
        if seen != self._seen:
            self._seen, self._image = seen, image_of(self._world.desk.folder)
        return self._image


def image_of(folder: Path) -> Image:
    """Return the content of every file of `data` and `logs`, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in FOLDERS
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


def digest_of(left: Left, *more: object) -> str:
    """
    Return the same for states on which the program must do the same; `more` is what else it depends on.

    What is in the text log makes no difference, nor what is in the tape, which no start reads.
    """
    digest = hashlib.sha256(repr(more).encode())
    for path, content in sorted(item for item in left.files.items() if not item[0].endswith(".log")):
        if path.startswith(f"{TAPE}/"):
            digest.update(f"{path}\0".encode())
            continue
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)
