"""
Double entry: every movement of an account is one entry whose postings add up to zero in each currency.

Seen from the account, money that comes in from OUTSIDE leaves a negative amount there, and so does what the MARKET
paid; what it was paid, and FEES, are positive. So the sum over all names is zero at any time, and AVAILABLE and HOLD
are what the owner has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import Enum
from typing import NamedTuple

from core.model.money import EXACT_DIGITS, ZERO, plain


class Name(Enum):
    """The accounts of the ledger, one of each per currency."""

    AVAILABLE = "available"
    HOLD = "hold"
    OUTSIDE = "outside"
    MARKET = "market"
    FEES = "fees"


class Movement(Enum):
    """Why an entry was made."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    HOLD = "hold"
    FILL = "fill"


class Posting(NamedTuple):
    name: Name
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One movement.

    `number` counts from 1 without a gap; `reference` is the id of the order or of the fill, or the owner's words.
    """

    number: int
    movement: Movement
    reference: str
    postings: tuple[Posting, ...]


Totals = Mapping[tuple[Name, str], Decimal]
"""What stands in each account."""


def fold(entries: Iterable[Entry]) -> Totals:
    """Add up entries from the first one on."""
    totals: dict[tuple[Name, str], Decimal] = {}
    with localcontext(prec=EXACT_DIGITS):
        for entry in entries:
            for name, currency, amount in entry.postings:
                totals[name, currency] = totals.get((name, currency), ZERO) + amount
    return totals


def faults_of(entries: Iterable[Entry]) -> list[str]:
    """Return in words what is wrong with a run of entries from the first one on; nothing when it is sound."""
    faults: list[str] = []
    for number, entry in enumerate(entries, start=1):
        if entry.number != number:
            faults.append(f"entry {number} is numbered {entry.number}")
        faults += [f"entry {entry.number}: {fault}" for fault in imbalances(fold([entry]))]
    return faults


def imbalances(totals: Totals) -> list[str]:
    """Return in words the currencies whose accounts do not add up to zero, and the owner's accounts below it."""
    sums: dict[str, Decimal] = {}
    with localcontext(prec=EXACT_DIGITS):
        for (_, currency), amount in totals.items():
            sums[currency] = sums.get(currency, ZERO) + amount
    return [f"{currency} is off by {plain(amount)}" for currency, amount in sums.items() if amount != 0]
