"""The minute grid: when the next cycle starts, and which slot it uses."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One turn of the loop: its slot, when it starts (UTC), and how many slots were left out before it."""

    slot: int
    starts_at: datetime
    missed_slots: int


@dataclass(frozen=True, slots=True)
class MinuteGrid:
    """
    Slots are `floor(epoch / interval)`; a slot is used once, also across restarts and clock jumps.

    Missed slots are counted, never caught up.
    """

    interval_seconds: int

    def first_tick(self, now: datetime, last_slot: int | None) -> Tick:
        """Take the running slot at once when it is still free, else the next one."""
        slot = self.slot_at(now)
        if last_slot is not None and slot <= last_slot:
            return self.next_tick(now, last_slot)
        return self._tick(slot, last_slot)

    def next_tick(self, now: datetime, last_slot: int) -> Tick:
        """Take the first slot that starts now or later and was not used."""
        slot = self.slot_at(now)
        if self.start_of(slot) < now:
            slot += 1
        return self._tick(max(slot, last_slot + 1), last_slot)

    def still_on_time(self, tick: Tick, now: datetime) -> Tick:
        """Return the tick, or the running slot's when time leapt past it: a jump of the clock, a suspended machine."""
        slot = self.slot_at(now)
        if slot <= tick.slot:
            return tick
        return Tick(slot=slot, starts_at=self.start_of(slot), missed_slots=tick.missed_slots + slot - tick.slot)

    def slot_at(self, now: datetime) -> int:
        return int(now.timestamp() // self.interval_seconds)

    def start_of(self, slot: int) -> datetime:
        return datetime.fromtimestamp(slot * self.interval_seconds, UTC)

    def _tick(self, slot: int, last_slot: int | None) -> Tick:
        missed = 0 if last_slot is None else slot - last_slot - 1
        return Tick(slot=slot, starts_at=self.start_of(slot), missed_slots=missed)
