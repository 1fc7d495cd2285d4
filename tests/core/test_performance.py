"""The account against its loss limits."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.model.portfolio import Period
from core.performance import daily_fraction, drawdown_fraction, weekly_fraction
from tests.builders import NOON, make_ledger

LEDGER = replace(
    make_ledger(),
    equity=Decimal(950),
    high_water_mark=Decimal(1250),
    day=Period(key="2026-01-05", equity_open=Decimal(1000)),
    week=Period(key="2026-01-05", equity_open=Decimal(800)),
)


def test_day_week_and_drawdown_are_measured_on_marked_equity() -> None:
    equity = Decimal(1000)

    assert daily_fraction(LEDGER, Decimal(970), NOON) == Decimal("-0.03")
    assert weekly_fraction(LEDGER, equity, NOON) == Decimal("0.25")
    assert drawdown_fraction(LEDGER, equity) == Decimal("0.2")


def test_above_the_high_water_mark_there_is_no_drawdown() -> None:
    assert drawdown_fraction(LEDGER, Decimal(1300)) == 0


def test_a_new_day_opens_at_the_last_mark_and_the_week_goes_on() -> None:
    tomorrow = NOON + timedelta(days=1)

    assert daily_fraction(LEDGER, Decimal(931), tomorrow) == Decimal("-0.02")
    assert weekly_fraction(LEDGER, Decimal(1000), tomorrow) == Decimal("0.25")


def test_a_clock_that_went_back_a_day_forgets_no_loss() -> None:
    assert daily_fraction(LEDGER, Decimal(970), NOON - timedelta(days=1)) == Decimal("-0.03")


@pytest.mark.parametrize("equity", [None, Decimal("NaN"), Decimal("Infinity")])
def test_nothing_is_known_without_equity(equity: Decimal | None) -> None:
    assert daily_fraction(LEDGER, equity, NOON) is None
    assert weekly_fraction(LEDGER, equity, NOON) is None
    assert drawdown_fraction(LEDGER, equity) is None


def test_nothing_is_known_before_the_first_mark() -> None:
    new = replace(LEDGER, equity=None, high_water_mark=None, day=None, week=None)

    assert daily_fraction(new, Decimal(1000), NOON) is None
    assert weekly_fraction(new, Decimal(1000), NOON) is None
    assert drawdown_fraction(new, Decimal(1000)) is None


@pytest.mark.parametrize("mark", ["0", "-1", "NaN"])
def test_a_high_water_mark_that_makes_no_sense_is_unknown(mark: str) -> None:
    assert drawdown_fraction(replace(LEDGER, high_water_mark=Decimal(mark)), Decimal(1000)) is None
