"""All planted bugs, by what they break."""

from tests.planted_bugs.bug import Bug
from tests.planted_bugs.lists import accounting, control, exchange, guards, limits, orders, records

BUGS: tuple[Bug, ...] = (
    *records.BUGS,
    *orders.BUGS,
    *guards.BUGS,
    *limits.BUGS,
    *accounting.BUGS,
    *exchange.BUGS,
    *control.BUGS,
)
