"""Going on in time where the last run of a data directory ended."""

from datetime import UTC, datetime, timedelta

from core.errors import StartRefused
from core.model.ledger import Ledger
from runner.schedule import MinuteGrid
from runner.venues.outside import Outside

FAR_AHEAD = timedelta(hours=1)
"""A clock that was set back by less is waited for."""


def resume_clock(world: Outside, grid: MinuteGrid, ledger: Ledger) -> None:
    """
    Let a virtual clock go on where the last run ended; a real one cannot go there.

    Raises:
        StartRefused: The next free slot is so far off that waiting for it would look like a bot that hangs.
    """
    if ledger.last_slot is None:
        return
    if world.ends_at is not None and not world.is_virtual:
        raise StartRefused("a replay in real time cannot go on from a state; use --speed max, or another --data-dir")
    # Counted in seconds: under a longer interval, the slot numbers of a shorter one lie past the end of the calendar.
    ahead = (ledger.last_slot + 1) * grid.interval_seconds - _last_known(world, ledger).timestamp()
    if ahead > grid.interval_seconds + FAR_AHEAD.total_seconds():
        raise StartRefused(
            f"the next free slot of this state begins {ahead / 86400:.1f} days ahead: its slots were of another length "
            "(--interval, app.yaml: loop.interval_seconds), or the clock was set back. Use the interval of before, "
            "correct the clock, or use another --data-dir"
        )
    if world.is_virtual:
        world.clock.wait_until(grid.start_of(ledger.last_slot + 1), lambda: True)


def _last_known(world: Outside, ledger: Ledger) -> datetime:
    """Return the time now; in virtual time, whose clock begins anew with each run, the end of the last marked day."""
    if not world.is_virtual or ledger.day is None:
        return world.clock.now()
    return datetime.fromisoformat(ledger.day.key).replace(tzinfo=UTC) + timedelta(days=1)
