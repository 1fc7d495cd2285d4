"""
The paper account: what may be spent and what open orders hold, by currency. Every amount is exact.

An order holds what it may still cost: a buy its unfilled value plus the fee at its rate, a sell its unfilled size
(coinbase_api section 10, item 8). A fill turns held money into coins or back. Nothing else moves money, so the total
of a currency is its opening balance plus the flows of the fills.
"""

from collections.abc import Mapping
from decimal import Decimal

from core.model.money import COST_STEP, ZERO, round_up
from core.model.orders import Balance, Order, Side


class PaperAccount:
    """Balances of one account. No balance, available or held, ever becomes negative."""

    def __init__(self, opening_balances: Mapping[str, Decimal]) -> None:
        """
        Open the account.

        Raises:
            ValueError: A balance is negative or not finite.
        """
        for currency, amount in opening_balances.items():
            if not (amount.is_finite() and amount >= 0):
                raise ValueError(f"not an opening balance: {amount} {currency}")
        self._available = dict(sorted(opening_balances.items()))
        self._held = dict.fromkeys(self._available, ZERO)

    def balances(self) -> Mapping[str, Balance]:
        return {
            currency: Balance(currency=currency, available=available, hold=self._held[currency])
            for currency, available in self._available.items()
        }

    def change_hold(self, currency: str, old: Decimal, new: Decimal) -> bool:
        """Replace an order's hold by another; False, and no change, when the account cannot cover it."""
        self._open(currency)
        left = self._available[currency] + old - new
        if left < 0:
            return False
        self._available[currency] = left
        self._held[currency] += new - old
        return True

    def exchange(self, *, pay: tuple[str, Decimal], receive: tuple[str, Decimal], release: Decimal) -> bool:
        """
        Book one fill: free `release` of the paid currency's holds, pay, receive.

        Return False, and change nothing, when the account cannot pay.
        """
        pay_currency, paid = pay
        receive_currency, received = receive
        self._open(pay_currency)
        self._open(receive_currency)
        left = self._available[pay_currency] + release - paid
        if left < 0:
            return False
        self._available[pay_currency] = left
        self._held[pay_currency] -= release
        self._available[receive_currency] += received
        return True

    def _open(self, currency: str) -> None:
        if currency not in self._available:
            self._available[currency] = ZERO
            self._held[currency] = ZERO


def hold_of(order: Order, remaining: Decimal, fee_fraction: Decimal) -> Decimal:
    """Return what the rest of an order may still cost, in the currency that it pays with."""
    if order.side is Side.SELL:
        return remaining
    value = remaining * order.limit_price
    return value + fee_of(value, fee_fraction)


def paying_currency(order: Order) -> str:
    return order.product_id.quote if order.side is Side.BUY else order.product_id.base


def fee_of(value: Decimal, fee_fraction: Decimal) -> Decimal:
    """Return the fee of a fill in quote currency, rounded against us."""
    return round_up(value * fee_fraction, COST_STEP)
