"""All planted bugs, by what they break."""

from tests.planted_bugs.bug import Bug
from tests.planted_bugs.lists import (
    accounting,
    control,
    disk,
    evidence,
    exchange,
    guards,
    limits,
    orders,
    records,
    tape,
)

BUGS: tuple[Bug, ...] = (
    *records.BUGS,
    *disk.BUGS,
    *tape.BUGS,
    *evidence.BUGS,
    *orders.BUGS,
    *guards.BUGS,
    *limits.BUGS,
    *accounting.BUGS,
    *exchange.BUGS,
    *control.BUGS,
)
