"""How the account does against its loss limits. One formula each, for risk, breakers and the record alike."""

from datetime import datetime
from decimal import Decimal

from core.ledger.periods import periods_at
from core.model.ledger import Ledger
from core.model.money import ZERO
from core.model.portfolio import Period


def daily_fraction(ledger: Ledger, equity: Decimal | None, now: datetime) -> Decimal | None:
    """
    Return today's profit as a fraction of the equity at the day's start; None when it cannot be known.

    In the first cycle of a day, before its mark, the day opens at the last mark, as the ledger will book it.
    """
    return _fraction(periods_at(ledger, now, ledger.equity)[0], equity)


def weekly_fraction(ledger: Ledger, equity: Decimal | None, now: datetime) -> Decimal | None:
    """Return this ISO week's profit as a fraction of the equity at its start; None when it cannot be known."""
    return _fraction(periods_at(ledger, now, ledger.equity)[1], equity)


def drawdown_fraction(ledger: Ledger, equity: Decimal | None) -> Decimal | None:
    """
    Return how far equity is below the high-water mark, as a fraction of the mark; 0 at or above it.

    The ledger moves the mark along with money paid in or out, so a withdrawal is no drawdown. None when equity or mark
    are not known: a missing mark is never replaced by the present equity.
    """
    mark = ledger.high_water_mark
    if equity is None or mark is None or not equity.is_finite() or not mark.is_finite() or mark <= 0:
        return None
    return max((mark - equity) / mark, ZERO)


def _fraction(period: Period | None, equity: Decimal | None) -> Decimal | None:
    if period is None or equity is None or not equity.is_finite():
        return None
    fraction = period.pnl_fraction(equity)
    return fraction if fraction.is_finite() else None
