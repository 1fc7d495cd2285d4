"""Days and weeks of profit and loss: their names, and how a new one begins."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.model.ledger import Ledger
from core.model.portfolio import Period


def day_key(at: datetime) -> str:
    """Return the UTC day as `YYYY-MM-DD`."""
    return at.date().isoformat()


def week_key(at: datetime) -> str:
    """Return the Monday of the ISO week as `YYYY-MM-DD`."""
    return (at.date() - timedelta(days=at.weekday())).isoformat()


def with_profit(ledger: Ledger, profit: Decimal, at: datetime) -> Ledger:
    """Return the ledger with a realised profit or loss, counted in its day and week too."""
    day, week = periods_at(ledger, at, ledger.equity)
    return replace(
        ledger,
        realised=ledger.realised + profit,
        day=None if day is None else replace(day, realised=day.realised + profit),
        week=None if week is None else replace(week, realised=week.realised + profit),
    )


def rolled(period: Period | None, key: str, last_equity: Decimal | None) -> Period | None:
    """
    Return the period named `key`, opened at the last mark before it; None while there was no mark at all.

    An earlier key changes nothing: a clock that jumps back must not wipe out a loss (L13).
    """
    if last_equity is None or (period is not None and key <= period.key):
        return period
    return Period(key=key, equity_open=last_equity)


def periods_at(ledger: Ledger, at: datetime, last_equity: Decimal | None) -> tuple[Period | None, Period | None]:
    """Return day and week as they are at `at`, opened at `last_equity` where a new one has begun."""
    key = day_key(at)
    if ledger.day is not None and key == ledger.day.key:
        return ledger.day, ledger.week  # the quick way of nearly every cycle
    return rolled(ledger.day, key, last_equity), rolled(ledger.week, week_key(at), last_equity)
