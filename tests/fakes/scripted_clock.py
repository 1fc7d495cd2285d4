"""A virtual clock with a diary: what is to happen at a moment happens when time gets there, also inside a cycle."""

from collections.abc import Callable
from datetime import datetime, timedelta

from runner.adapters.virtual_clock import VirtualClock

Action = Callable[[], None]


class ScriptedClock:
    """Port `Clock` in virtual time; waits stop at each entry of the diary, run it, and ask again whether to go on."""

    def __init__(self, start: datetime) -> None:
        self._clock = VirtualClock(start)
        self._begin = start
        self._diary: list[tuple[datetime, Action]] = []

    def at(self, minute: float, action: Action) -> None:
        """Do something so many minutes after the beginning."""
        self._diary.append((self._begin + timedelta(minutes=minute), action))
        self._diary.sort(key=lambda entry: entry[0])

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        while self._diary and self._diary[0][0] <= moment:
            entry = self._diary[0]
            due, action = entry
            self._clock.wait_until(due, keep_waiting)
            if entry in self._diary:  # who was asked whether to go on may have waited, too, and past it
                self._diary.remove(entry)  # not before: a process that dies in the wait leaves it to the next one
                action()
            if not keep_waiting():
                return
        self._clock.wait_until(moment, keep_waiting)

    def jump(self, span: timedelta) -> None:
        self._clock.jump(span)
