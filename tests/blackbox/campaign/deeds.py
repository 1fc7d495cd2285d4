"""What is done to the bot's process, one deed after the other; those to its files are in file_deeds and damages."""

import random
import signal
from collections.abc import Callable, Mapping

from core.errors import ExitCode
from tests.blackbox.campaign import damages, file_deeds
from tests.blackbox.campaign.plan import Deed
from tests.blackbox.campaign.scene import DISK, NOT_ANSWERED, Scene

SIGNALS = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT, "hang up": signal.SIGHUP}


def do(scene: Scene, deed: Deed) -> None:
    """Do one deed to a process that trades (or starts), and leave the bot down or up, its files whole."""
    if deed.name.endswith("while starting"):
        _while_starting(scene, deed)
    else:
        if not scene.ensure_up(by_launcher=deed.draw % 4 == 0):
            return
        _DEEDS[deed.name](scene, deed)
    if deed.down:
        scene.wait(deed.down)


def _count(scene: Scene, deed: Deed, stage: str) -> None:
    scene.figures.stages[f"{deed.name}|{stage}"] += 1
    scene.tell(f"{deed} -> {stage}")


def _kill(scene: Scene, deed: Deed) -> None:
    if scene.at(deed.moment, scene.kill):
        scene.wait_for_end((), deed.name)
        _count(scene, deed, scene.stage())


def _while_starting(scene: Scene, deed: Deed) -> None:
    if scene.is_up():
        scene.signal(signal.SIGTERM)
        scene.wait_for_end((ExitCode.OK,), "terminate")
    started = scene.start(by_launcher=deed.draw % 4 == 0)
    scene.wait(deed.moment.seconds)
    if scene.running is not started:
        return  # it had ended for want of an answer
    was_ready = started.is_ready
    if deed.name == "kill while starting":
        scene.kill()
        scene.wait_for_end((), deed.name)
    else:
        number = SIGNALS[deed.detail]
        scene.signal(number)
        # Before its handlers are in place, a signal ends the process as it ends any; the shell of the launcher, too.
        early = () if was_ready else (-number, 128 + number)
        scene.wait_for_end((ExitCode.OK, *early), deed.name)
    _count(scene, deed, scene.stage())


def _stop(scene: Scene, deed: Deed) -> None:
    number = SIGNALS[deed.name]

    stage = _Staged(scene, lambda: scene.signal(number))
    if scene.at(deed.moment, stage.act):
        scene.mark_stopping(deed.name)
        scene.wait_for_end((ExitCode.OK,), deed.name)
        _count(scene, deed, stage.name)


def _stop_twice(scene: Scene, deed: Deed) -> None:
    draw = random.Random(deed.draw)  # noqa: S311 - a pause
    stage = _Staged(scene, lambda: scene.signal(signal.SIGTERM))
    if not scene.at(deed.moment, stage.act):
        return
    scene.mark_stopping(deed.name)
    for _ in range(draw.randint(1, 3)):
        scene.wait_while_up(draw.choice((0.0, 0.02, 0.2, 0.6)))
        if scene.is_up():
            scene.signal(SIGNALS[deed.detail])
    scene.wait_for_end((ExitCode.OK,), deed.name)
    _count(scene, deed, stage.name)


def _kill_while_stopping(scene: Scene, deed: Deed) -> None:
    draw = random.Random(deed.draw)  # noqa: S311 - a pause
    if not scene.at(deed.moment, lambda: scene.signal(SIGNALS[deed.detail])):
        return
    scene.mark_stopping(deed.name)
    scene.wait_while_up(draw.choice((0.0, 0.005, 0.02, 0.1, 0.4)))
    scene.kill()
    scene.wait_for_end((ExitCode.OK,), deed.name)
    _count(scene, deed, scene.stage())


def _pause(scene: Scene, deed: Deed) -> None:
    stage = _Staged(scene, lambda: scene.signal(signal.SIGSTOP))
    if not scene.at(deed.moment, stage.act):
        return
    span = scene.disturb()  # for the exchange's answers, time went on
    scene.wait(deed.pause)
    if deed.name == "kill while paused":
        scene.kill()
        scene.wait_for_end((), deed.name)
    else:
        scene.signal(signal.SIGCONT)
    span[1] = scene.now()
    _count(scene, deed, stage.name)


def _second(scene: Scene, deed: Deed) -> None:
    """Start a second one beside the first: it must go away, and the first must not care."""
    first = scene.running
    scene.wait(min(deed.moment.seconds, 2.0))
    if first is None or scene.running is not first:
        return
    pid_before = _pid_text(scene)
    second = scene.start_another(by_launcher=deed.draw % 3 == 0)
    scene.wait_until(lambda: second.process.poll() is not None, "the end of a second instance")
    if second.process.poll() is None:
        second.process.kill()
    network = NOT_ANSWERED if scene.was_disturbed(second.at) else ()
    scene.judge_end(second, (ExitCode.ALREADY_RUNNING, *network), deed.name)
    if scene.running is first and pid_before != _pid_text(scene):
        scene.violate("pid_file", "a second instance has changed it")
    _count(scene, deed, scene.stage())


def _second_without_lock(scene: Scene, deed: Deed) -> None:
    """Take the lock file away and start a second one at once: the first must go away, and no order is there twice."""
    first = scene.running
    if first is None or not scene.at(deed.moment, scene.lock_file.unlink):
        return
    second = scene.start_another()
    first_may = (ExitCode.ALREADY_RUNNING, *DISK)
    scene.wait_for_end(first_may, deed.name)
    scene.wait_until(lambda: second.is_ready or second.process.poll() is not None, "a second instance")
    if second.process.poll() is None:
        scene.running = second
    else:
        scene.judge_end(second, (ExitCode.DATA, ExitCode.ALREADY_RUNNING, *DISK), deed.name)
    _count(scene, deed, "two at once")


def _pid_text(scene: Scene) -> str:
    return scene.bot.pid_file.read_text() if scene.bot.pid_file.exists() else ""


class _Staged:
    """Does something, and remembers at which stage of a cycle it was done."""

    def __init__(self, scene: Scene, act: Callable[[], None]) -> None:
        self._scene, self._act = scene, act
        self.name = ""

    def act(self) -> None:
        self._act()
        self.name = self._scene.stage()


_DEEDS: Mapping[str, Callable[[Scene, Deed], None]] = {
    "kill": _kill,
    "kill while stopping": _kill_while_stopping,
    "kill while paused": _pause,
    "pause": _pause,
    "terminate": _stop,
    "interrupt": _stop,
    "hang up": _stop,
    "terminate twice": _stop_twice,
    "second instance": _second,
    "second instance without lock": _second_without_lock,
    **file_deeds.DEEDS,
    **damages.DEEDS,
}
