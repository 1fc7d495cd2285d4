"""A broker between bot and account that lies, loses answers or is silent, when the test says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.errors import BrokerUnavailable, OrderOutcomeUnknown
from core.model.orders import Balance, FeeRates, Fill, Order, OrderId, OrderKey, OrderReport, OrderStatus
from core.ports import Broker, Clock


class FaultyBroker:
    """
    Port `Broker`: the account behind it, with faults.

    `lose_answers`: so many submits are accepted (`after`) or not (`before`) and then lost. `hidden_until`: orders and
    fills of a lost submit cannot be seen before that moment. `extra_cash`: what the account says it has too much.
    `shows_open`: no order is ever over; `before_fees` is called when the fee rates are read.
    `has_defect`: reading the balances ends in an error that nobody expected; `slow_seconds`: so long it takes.
    """

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self.submitted: list[Order] = []
        self.cancelled: list[OrderId] = []
        self.lose_answers = 0
        self.loses_before_acceptance = False
        self.hidden_until: datetime | None = None
        self.unavailable = False
        self.extra_cash = Decimal(0)
        self.has_defect = False
        self.slow_seconds = 0
        self.shows_open = False
        self.before_fees: Callable[[], None] = lambda: None
        self._broker = broker
        self._clock = clock

    def submit(self, order: Order) -> OrderId:
        self.submitted.append(order)
        if self.lose_answers > 0:
            self.lose_answers -= 1
            if not self.loses_before_acceptance:
                self._broker.submit(order)
            raise OrderOutcomeUnknown("the answer was lost")
        return self._broker.submit(order)

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        self._answer()
        self.cancelled.extend(order_ids)
        self._broker.cancel(order_ids)

    def preview(self, order: Order) -> str | None:
        self._answer()
        return self._broker.preview(order)

    def find(self, key: OrderKey) -> OrderReport | None:
        self._answer()
        report = None if self._hides() else self._broker.find(key)
        return replace(report, status=OrderStatus.OPEN) if report is not None and self.shows_open else report

    def open_orders(self) -> Sequence[OrderReport]:
        self._answer()
        return self._broker.open_orders()

    def fills(self, since: datetime) -> Sequence[Fill]:
        self._answer()
        return () if self._hides() else self._broker.fills(since)

    def balances(self) -> Mapping[str, Balance]:
        self._answer()
        self._clock.wait_until(self._clock.now() + timedelta(seconds=self.slow_seconds), lambda: True)
        if self.has_defect:
            raise ZeroDivisionError("a defect of the program")
        balances = dict(self._broker.balances())
        if self.extra_cash:
            cash = balances["USD"]
            balances["USD"] = replace(cash, available=cash.available + self.extra_cash)
        return balances

    def fee_rates(self) -> FeeRates:
        self._answer()
        self.before_fees()
        return self._broker.fee_rates()

    def _answer(self) -> None:
        if self.unavailable:
            raise BrokerUnavailable("the script says so")

    def _hides(self) -> bool:
        return self.hidden_until is not None and self._clock.now() < self.hidden_until
