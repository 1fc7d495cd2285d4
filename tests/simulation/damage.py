"""What people and disks do to files between two runs, and beside a running bot: it must be refused, or do no harm."""

import random
from dataclasses import dataclass
from pathlib import Path

from core.errors import AlreadyRunning, ExitCode, TraderError
from tests.fakes.spy_os import Crash
from tests.simulation.plan import Disturbance
from tests.simulation.world import PlantedDefect, World

TARGETS = {
    "journal": "data/journal.jsonl",
    "audit": "logs/247trader-v2_audit.jsonl",
    "state": "data/.state.json",
    "backup": "data/.state.json.bak",
    "lock": "data/247trader-v2.lock",
    "pid": "data/247trader-v2.pid",
    "policy": "config/policy.yaml",
}
HARMLESS = ("backup", "lock", "pid")
"""Nobody's decision depends on these."""

MUST_REFUSE = {("journal", "deleted"), ("journal", "emptied"), ("policy", "deleted"), ("policy", "emptied")}
MINUTES_TO_NOTICE = 3.0
EDITS = ("comment", "threshold", "broken")


# --- between two runs -------------------------------------------------------------------------------------------------


def plan_damage(world: World, item: Disturbance) -> None:
    """Stop the bot at a moment, damage a file, start it, and put the file right again."""

    def ask() -> None:
        if world.desk.loop is not None:
            world.before_next_start.append(lambda: _damage(world, item))
            world.stop("SIGTERM")

    world.at(item.minute, ask)


def _damage(world: World, item: Disturbance) -> None:
    what, how = item.args["file"], item.args["how"]
    path = world.desk.folder / TARGETS[what]
    if not path.exists():
        return
    world.desk.witness.journal.read_on()
    before = path.read_bytes()
    harmed = _harmed(before, how, item.args["place"])
    if harmed == before:
        return
    _put(path, harmed)
    world.disk.forget_unsynced()
    refusal, untouched = _try_to_start(world)
    verdict = "survived" if refusal is None else "refused"
    world.reached[f"damage to {what}, {how}: {verdict}"] += 1
    world.reached[f"damage {verdict}"] += 1
    if refusal is None and ((what, how) in MUST_REFUSE):
        world.problems.append(f"damage_not_seen: {what} {how} at {item.args['place']}, and the bot started")
    if refusal is not None and not untouched:
        world.problems.append(f"files_changed_by_a_refused_start: {what} {how}: {refusal}")
    if refusal is not None:
        _put(path, before)
    elif how == "flipped" and what not in HARMLESS:
        _put_right(world, path, before, harmed)
    world.disk.forget_unsynced()


def _harmed(content: bytes, how: str, place: float) -> bytes | None:
    if how == "deleted":
        return None
    if how == "emptied":
        return b""
    if not content:
        return content
    if how == "cut":
        return content[: int(place * len(content))]
    bit = int(place * len(content) * 8)
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << (bit % 8)
    return bytes(flipped)


def _put(path: Path, content: bytes | None) -> None:
    """Make a file have this content, in place; None: remove it."""
    if content is None:
        path.unlink()
    elif path.exists():
        path.write_bytes(content)
    else:
        path.write_bytes(content)
        path.chmod(0o600)


def _put_right(world: World, path: Path, before: bytes, harmed: bytes | None) -> None:
    """
    Turn the bit back where it is now: the file may have grown or got a number meanwhile.

    A last line that a crash had cut off is torn with or without it: the next file names it as it is.
    """
    if harmed is None:
        return
    is_last_line = path.suffix == ".jsonl" and before[:-1].rpartition(b"\n")[0] == harmed[:-1].rpartition(b"\n")[0]
    for candidate in (path, *sorted(path.parent.glob(f"{path.stem}.*.jsonl"))):
        if candidate.exists() and (content := candidate.read_bytes()).startswith(harmed):
            if is_last_line and candidate != path and content == harmed:
                world.reached["damage to a last line that was kept as torn"] += 1
            else:
                candidate.write_bytes(before + content[len(harmed) :])
            return
    world.reached["damage that was gone by itself"] += 1


def _try_to_start(world: World) -> tuple[str | None, bool]:
    """Start the bot for one cycle; return why it refused, if so, and whether it left all files as they were."""
    files = _files(world)
    world.is_starting = True
    try:
        world.desk.play(1)
    except Crash:
        world.clear_up_after_crash(reads_lines=False)
        return _try_to_start(world)  # that start has judged nothing
    except PlantedDefect:
        world.disk.end_process()
        return None, True
    except TraderError as error:
        world.disk.end_process()
        world.reached[f"ended with {ExitCode(error.exit_code).name}"] += 1
        return f"{type(error).__name__}: {error}", _files(world) == files
    finally:
        world.is_starting, world.desk.loop = False, None
    world.disk.end_process()
    return None, True


def _files(world: World) -> dict[str, bytes]:
    """Return what a refused start must leave alone."""
    kept = (*world.desk.folder.glob("data/*"), *world.desk.folder.glob("data/.*"), *world.desk.folder.glob("logs/*"))
    names = {path: path.name for path in kept if path.is_file()}
    return {
        str(path): path.read_bytes()
        for path, name in names.items()
        if not name.startswith("live_") and not name.endswith((".pid", ".lock"))
    }


# --- beside a running bot ---------------------------------------------------------------------------------------------


def start_second(world: World) -> None:
    """Start a second bot on the same directory while the first one runs; it must not get anywhere."""
    first = world.desk.loop
    if first is None or world.is_starting:
        return
    muted, world.is_muted = world.is_muted, True
    try:
        world.desk.play(1)
    except AlreadyRunning:
        world.reached["second instance refused"] += 1
    except TraderError as error:  # the exchange did not even answer it
        world.reached[f"second instance did not get so far: {type(error).__name__}"] += 1
    else:
        world.problems.append("two_writers: a second bot ran a cycle on a directory in use")
    finally:
        world.is_muted, world.desk.loop = muted, first
        world.is_starting = False


def plan_unlocking(world: World, item: Disturbance) -> None:
    """Somebody removes the lock file while the bot runs: it must end itself."""

    def remove() -> None:
        if world.is_running and not world.is_starting:
            (world.desk.folder / TARGETS["lock"]).unlink(missing_ok=True)
            world.reached["lock file removed"] += 1
            must_have_ended(world.desk.loop, cycles_begun(), item.minute + MINUTES_TO_NOTICE)

    def must_have_ended(loop: object, begun: int, minute: float) -> None:
        """Look at a minute whether it has; one whose clock went back waits for its next cycle, and does nothing."""

        def look() -> None:
            if world.desk.loop is not loop:
                return
            if cycles_begun() == begun:
                must_have_ended(loop, begun, minute + MINUTES_TO_NOTICE)
            else:
                world.problems.append(f"runs_without_lock: {minute - item.minute} minutes after it was removed")

        world.at(minute, look)

    def cycles_begun() -> int:
        world.desk.witness.journal.read_on()
        return len(world.desk.witness.journal.slots)

    world.at(item.minute, remove)


def plan_edit(world: World, item: Disturbance) -> None:
    """Somebody edits the configuration while the bot runs, and takes it back later."""
    edit = _Edit(world, item.args["edit"], world.desk.config / "signals.yaml")
    world.during(item.minute, item.until, edit.make, edit.take_back)


@dataclass(slots=True)
class _Edit:
    world: World
    kind: str
    path: Path
    before: str = ""

    def make(self) -> None:
        self.before = self.path.read_text("utf-8")
        after = {
            "comment": f"{self.before}\n# a word\n",
            "threshold": self.before.replace('"min_conviction": 0.1', '"min_conviction": 0.2'),
            "broken": f"{self.before}\n: [",
        }[self.kind]
        self.path.write_text(after, "utf-8")
        self.world.reached[f"config: {self.kind}"] += 1

    def take_back(self) -> None:
        self.path.write_text(self.before, "utf-8")


def draw_damage(draw: random.Random) -> dict[str, object]:
    """Return what to damage and how."""
    what = draw.choice(list(TARGETS))
    how = draw.choice(("flipped", "flipped", "flipped", "deleted", "emptied"))
    if what == "audit":
        how = "flipped"  # an operator may empty or archive it: then a new chain begins, and nothing is left to check
    return {"file": what, "how": how, "place": round(draw.random() * 0.98, 4)}
