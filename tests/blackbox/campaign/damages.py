"""Files that a start finds torn, damaged, foreign or unreadable: it goes on, or refuses and leaves them as they are."""

import hashlib
import os
import random
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import ExitCode
from tests.blackbox.campaign.file_deeds import count
from tests.blackbox.campaign.plan import Deed
from tests.blackbox.campaign.scene import Scene

MEANT = (ExitCode.DATA, ExitCode.REFUSED)
ASIDE = ".aside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """
    What was done: how to undo it, with which codes a start may refuse, and whether it may also go on.

    `under`: a command under which the start is tried.
    """

    undo: Callable[[], None]
    codes: tuple[int, ...] = MEANT
    may_go_on: bool = False
    under: tuple[str, ...] = ()


Damager = Callable[[Scene, random.Random], Damage | None]


def _tear(name: str) -> Callable[[Scene, Deed], None]:
    """Return a deed: leave a torn last record behind, as a lost power would; the next start must get over it."""

    def act_on(scene: Scene, deed: Deed) -> None:
        draw = random.Random(deed.draw)  # noqa: S311 - a tear
        if not scene.at(deed.moment, scene.kill):
            return
        scene.wait_for_end((), "kill")
        path = scene.bot.audit_file if name == "audit" else scene.bot.data / "journal.jsonl"
        stage = scene.stage()
        data = path.read_bytes() if path.exists() else b""
        if not data.endswith(b"}\n"):
            return  # there is none yet, or it is torn already
        last = data.splitlines()[-1]
        cut = draw.randint(1, len(last) - 1)
        rest = draw.choice((last[:cut], last[:cut], bytes(cut), b"\xff" * cut))
        with path.open("ab") as stream:
            stream.write(rest)
        count(scene, deed, stage)

    return act_on


def _damage(scene: Scene, deed: Deed) -> None:
    """Damage something while the bot is down, start it, and put it right again."""
    if not scene.at(deed.moment, scene.kill):
        return
    scene.wait_for_end((), "kill")
    done = DAMAGERS[deed.detail](scene, random.Random(deed.draw))  # noqa: S311 - a damage
    if done is None:
        return
    before = _contents(scene.bot.data)
    started = scene.start(by_launcher=deed.draw % 3 == 0, under=done.under)
    if scene.wait_for_start(started) or scene.is_up():
        if not done.may_go_on:
            scene.violate("went_on", f"a start goes on although: {deed.detail}")
        scene.kill()
        scene.wait_for_end((), "kill")
        outcome = "goes on"
    else:
        code = scene.collect(done.codes, deed.name)
        outcome = f"refused with {code}"
        changed = sorted(key for key, value in _contents(scene.bot.data).items() if before.get(key) != value)
        if code in MEANT and changed:
            scene.violate("damage_touched", f"{deed.detail}: a refused start has changed {changed}")
    done.undo()
    scene.figures.stages[f"damage: {deed.detail}|{outcome}"] += 1
    scene.tell(f"{deed} -> {outcome}")


def _contents(folder: Path) -> dict[str, str]:
    """Return a digest of each record file; the files for people and the lock may change."""
    kept = ("journal", ".state")
    paths = [path for path in sorted(folder.iterdir()) if path.name.startswith(kept) and path.is_file()]
    return {path.name: hashlib.sha256(_bytes(path)).hexdigest() for path in paths}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError:
        return b""


# --- what can be damaged ----------------------------------------------------------------------------------------------


def _flip(path_of: Callable[[Scene], Path], *, may_go_on: bool) -> Damager:
    """Return how to change one hex digit of a hash before the last line."""

    def act_on(scene: Scene, draw: random.Random) -> Damage | None:
        path = path_of(scene)
        if not path.exists():
            return None
        data = path.read_bytes()
        end = data.rstrip(b"\n").rfind(b"\n") if path.suffix == ".jsonl" else len(data)
        places = [match.start(1) for match in re.finditer(rb'"(?:hash|sha256)":"([0-9a-f])', data[: max(end, 0)])]
        if not places:
            return None
        at = draw.choice(places)
        old = data[at : at + 1]

        def put(byte: bytes) -> None:
            if not path.exists():
                return  # it was put aside, and another is in its place or will be
            with path.open("r+b") as stream:
                stream.seek(at)
                stream.write(byte)

        def undo() -> None:
            if path.suffix == ".jsonl":
                put(old)
            else:
                _forget_snapshots(scene)

        put(b"0" if old != b"0" else b"1")
        return Damage(undo=undo, may_go_on=may_go_on)

    return act_on


def _forget_snapshots(scene: Scene) -> None:
    """Do what the message of a refusal says: the state is rebuilt from the journal."""
    for path in (scene.bot.data / ".state.json", scene.bot.data / ".state.json.bak"):
        path.unlink(missing_ok=True)


def _empty_snapshot(scene: Scene, _draw: random.Random) -> Damage | None:
    path = _snapshot(scene)
    if not path.exists():
        return None
    path.write_bytes(b"")
    return Damage(undo=lambda: _forget_snapshots(scene), may_go_on=True)


def _replaced(path_of: Callable[[Scene], Path], put: Callable[[Path, Path], None]) -> Damager:
    """Return how to set something aside and put something else in its place."""

    def act_on(scene: Scene, _draw: random.Random) -> Damage | None:
        path = path_of(scene)
        aside = scene.bot.folder / f"{path.name}{ASIDE}"
        if not path.exists() or (path.name == "journal.jsonl" and not _snapshot(scene).exists()):
            return None
        shutil.move(path, aside)
        put(aside, path)

        def undo() -> None:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
            shutil.move(aside, path)

        return Damage(undo=undo)

    return act_on


def _two_names(scene: Scene, _draw: random.Random) -> Damage | None:
    path = _journal(scene)
    other = scene.bot.folder / "another name"
    if not path.exists():
        return None
    other.hardlink_to(path)
    return Damage(undo=other.unlink)


KEPT_OUT = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Under this, a file is unreadable for root, too."""


def can_be_kept_out() -> bool:
    """Tell whether files can be made unreadable for the bot, whoever runs this."""
    return os.geteuid() != 0 or shutil.which(KEPT_OUT[0]) is not None


def _unreadable(path_of: Callable[[Scene], Path]) -> Damager:
    def act_on(scene: Scene, _draw: random.Random) -> Damage | None:
        path = path_of(scene)
        if not path.exists() or not can_be_kept_out():
            return None
        mode = path.stat().st_mode & 0o777
        path.chmod(0)
        under = KEPT_OUT if os.geteuid() == 0 else ()
        return Damage(undo=lambda: path.chmod(mode), may_go_on=path.name.startswith(".state"), under=under)

    return act_on


def _half_a_policy(scene: Scene, _draw: random.Random) -> Damage | None:
    path = scene.bot.config_dir / "policy.yaml"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    def undo() -> None:
        path.write_bytes(whole)

    return Damage(undo=undo, codes=(ExitCode.CONFIG,))


def _open_key_file(scene: Scene, _draw: random.Random) -> Damage | None:
    key = scene.exchange.key_file
    if not scene.plan.with_key:
        return None
    key.chmod(0o644)
    return Damage(undo=lambda: key.chmod(0o600))


def _leftovers(scene: Scene, _draw: random.Random) -> Damage | None:
    """Leave files behind that an interrupted replacement leaves: they go with the next start."""
    names = (".state.json.tmp", "journal.jsonl.new")
    for name in names:
        (scene.bot.data / name).write_bytes(b'{"half":')

    def undo() -> None:
        left = [name for name in names if (scene.bot.data / name).exists()]
        if left and scene.latest is not None and scene.latest.is_ready:
            scene.violate("leftovers", f"{left} are still there after a start")

    return Damage(undo=undo, may_go_on=True, codes=())


def _journal(scene: Scene) -> Path:
    return scene.bot.data / "journal.jsonl"


def _snapshot(scene: Scene) -> Path:
    return scene.bot.data / ".state.json"


def _audit(scene: Scene) -> Path:
    return scene.bot.audit_file


def _put_nothing(_aside: Path, _path: Path) -> None:
    """Leave the place empty."""


DAMAGERS: Mapping[str, Damager] = {
    # Before a snapshot, the journal is not read at a start; and it may have one line only.
    "flip journal": _flip(_journal, may_go_on=True),
    "flip audit": _flip(_audit, may_go_on=False),
    "flip snapshot": _flip(_snapshot, may_go_on=True),
    "empty snapshot": _empty_snapshot,
    "no journal": _replaced(_journal, _put_nothing),
    "empty journal": _replaced(_journal, lambda _aside, path: path.touch(0o600)),
    "journal is a folder": _replaced(_journal, lambda _aside, path: path.mkdir()),
    "journal is a link": _replaced(_journal, lambda aside, path: path.symlink_to(aside)),
    "journal has two names": _two_names,
    "snapshot is a link": _replaced(_snapshot, lambda aside, path: path.symlink_to(aside)),
    "lock is a folder": _replaced(lambda scene: scene.lock_file, lambda _aside, path: path.mkdir()),
    "unreadable journal": _unreadable(_journal),
    "unreadable snapshot": _unreadable(_snapshot),
    "unreadable audit": _unreadable(_audit),
    "half a policy": _half_a_policy,
    "open key file": _open_key_file,
    "leftovers": _leftovers,
}

DEEDS: Mapping[str, Callable[[Scene, Deed], None]] = {
    "tear journal": _tear("journal"),
    "tear audit": _tear("audit"),
    "damage": _damage,
}
