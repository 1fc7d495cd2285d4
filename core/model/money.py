"""
Exact numbers: rounding and printing of Decimal amounts.

Every rounding of an amount in this program happens here, and each call says which way.
The decimal context is Python's default (28 digits): a size of 18 digits times a price of
10 digits is exact; `FEE_STEP` and `COST_STEP` keep products of three numbers short.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)

COST_STEP = Decimal("0.00000001")
"""Grain of fees and of a lot's cost share, in quote currency."""

EXACT_DIGITS = 100
"""Context precision of the books: products and sums of amounts of up to 36 digits never round by accident."""


def plain(amount: Decimal) -> str:
    """Print an amount without exponent and without trailing zeros, so equal amounts look equal."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def round_down(amount: Decimal, step: Decimal) -> Decimal:
    """Round to a multiple of `step`, toward minus infinity."""
    return (amount / step).to_integral_value(ROUND_FLOOR) * step


def round_up(amount: Decimal, step: Decimal) -> Decimal:
    """Round to a multiple of `step`, toward plus infinity."""
    return (amount / step).to_integral_value(ROUND_CEILING) * step


def round_even(amount: Decimal, step: Decimal = COST_STEP) -> Decimal:
    """Round to the nearest multiple of `step`, ties to even."""
    return (amount / step).to_integral_value(ROUND_HALF_EVEN) * step
