"""
The account at the exchange: what may be spent and what open orders hold, by currency. Every amount is exact.

An order holds what it may still cost: a buy its unfilled value plus the fee at its rate, a sell its unfilled size
(coinbase_api section 10, item 8). A fill turns held money into coins or back. Each movement is one balanced entry of
the books (`books`), applied whole or not at all.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext

from core.model.money import COST_STEP, EXACT_DIGITS, ZERO, plain, round_up
from core.model.orders import Balance
from runner.matching.books import Entry, Movement, Name, Posting, Totals, faults_of, fold, imbalances


class Account:
    """Balances of one account. No balance, available or held, ever becomes negative."""

    def __init__(
        self, opening_balances: Mapping[str, Decimal], *, journal: Callable[[Entry], None] | None = None
    ) -> None:
        """
        Open the account; `journal` is given every entry, the opening deposits first. It keeps none itself.

        Raises:
            ValueError: A balance is negative or not finite.
        """
        for currency, amount in opening_balances.items():
            if not (amount.is_finite() and amount >= 0):
                raise ValueError(f"not an opening balance: {amount} {currency}")
        self._journal = journal
        self._entries = 0
        self._currencies: dict[str, None] = {}
        self._totals: dict[tuple[Name, str], Decimal] = {}
        self._balances: Mapping[str, Balance] | None = None
        for currency, amount in sorted(opening_balances.items()):
            self.deposit(currency, amount, "opening balance")

    def balances(self) -> Mapping[str, Balance]:
        if self._balances is None:
            self._balances = {
                currency: Balance(
                    currency=currency,
                    available=self._totals[Name.AVAILABLE, currency],
                    hold=self._totals.get((Name.HOLD, currency), ZERO),
                )
                for currency in self._currencies
            }
        return self._balances

    def available(self, currency: str) -> Decimal:
        return self._totals.get((Name.AVAILABLE, currency), ZERO)

    def deposit(self, currency: str, amount: Decimal, reference: str) -> None:
        """
        Take in money or coins of the owner.

        Raises:
            ValueError: The amount is negative or not finite.
        """
        self._move_outside(Movement.DEPOSIT, currency, _owners(amount), reference)

    def withdraw(self, currency: str, amount: Decimal, reference: str) -> bool:
        """
        Pay out to the owner; False, and no change, when that much is not available.

        Raises:
            ValueError: The amount is negative or not finite.
        """
        return self._move_outside(Movement.WITHDRAWAL, currency, -_owners(amount), reference)

    def change_hold(self, currency: str, old: Decimal, new: Decimal, reference: str) -> bool:
        """Replace an order's hold by another; False, and no change, when the account cannot cover it."""
        more = new - old
        if more == 0:
            return True
        postings = (Posting(Name.AVAILABLE, currency, -more), Posting(Name.HOLD, currency, more))
        return self._post(Movement.HOLD, reference, postings)

    def settle(
        self,
        *,
        pay: tuple[str, Decimal],
        receive: tuple[str, Decimal],
        fee: tuple[str, Decimal],
        release: Decimal,
        reference: str,
    ) -> bool:
        """
        Book one fill: free `release` of the paid currency's holds, pay, receive, and pay the fee.

        Return False, and change nothing, when the account cannot pay.
        """
        pay_currency, paid = pay
        receive_currency, received = receive
        fee_currency, fee_amount = fee
        postings = (
            Posting(Name.AVAILABLE, pay_currency, release - paid),
            Posting(Name.HOLD, pay_currency, -release),
            Posting(Name.MARKET, pay_currency, paid),
            Posting(Name.AVAILABLE, receive_currency, received),
            Posting(Name.MARKET, receive_currency, -received),
            Posting(Name.AVAILABLE, fee_currency, -fee_amount),
            Posting(Name.FEES, fee_currency, fee_amount),
        )
        return self._post(Movement.FILL, reference, postings)

    def totals(self) -> Totals:
        """Return what stands in each account of the books."""
        return dict(self._totals)

    def faults(self, entries: Iterable[Entry] | None = None) -> list[str]:
        """
        Return in words what is wrong with the books; nothing when they are sound.

        Given all entries ever made, each of them must balance, too, and together they must give these balances.
        """
        found = imbalances(self._totals)
        found += [
            f"{name.value} {currency} is {plain(amount)}"
            for (name, currency), amount in self._totals.items()
            if name in _OWNERS and amount < 0
        ]
        if entries is None:
            return found
        kept = list(entries)
        found += faults_of(kept)
        if len(kept) != self._entries:
            found.append(f"{len(kept)} entries of {self._entries}")
        if fold(kept) != self._totals:
            found.append("the entries add up to other balances")
        return found

    def _move_outside(self, movement: Movement, currency: str, amount: Decimal, reference: str) -> bool:
        postings = (Posting(Name.AVAILABLE, currency, amount), Posting(Name.OUTSIDE, currency, -amount))
        return self._post(movement, reference, postings)

    def _post(self, movement: Movement, reference: str, postings: tuple[Posting, ...]) -> bool:
        """Apply one entry whole; False, and no change, when something of the owner's would fall below zero."""
        changed: dict[tuple[Name, str], Decimal] = {}
        with localcontext(prec=EXACT_DIGITS):
            for name, currency, amount in postings:
                key = (name, currency)
                before = changed[key] if key in changed else self._totals.get(key, ZERO)
                changed[key] = before + amount
        if any(amount < 0 for (name, _), amount in changed.items() if name in _OWNERS):
            return False
        self._totals.update(changed)
        self._currencies.update((currency, None) for name, currency in changed if name is Name.AVAILABLE)
        self._balances = None
        self._entries += 1
        if self._journal is not None:
            entry = Entry(number=self._entries, movement=movement, reference=reference, postings=postings)
            self._journal(entry)
        return True


_OWNERS = (Name.AVAILABLE, Name.HOLD)


def _owners(amount: Decimal) -> Decimal:
    if not (amount.is_finite() and amount >= 0):
        raise ValueError(f"not an amount of money: {amount}")
    return amount


def fee_of(value: Decimal, fee_fraction: Decimal) -> Decimal:
    """Return the fee of a fill in quote currency, rounded against us."""
    return round_up(value * fee_fraction, COST_STEP)
