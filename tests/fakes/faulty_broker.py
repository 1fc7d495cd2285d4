"""A broker between bot and account that lies, loses answers or is silent, when the test says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.errors import BrokerUnavailable, OrderOutcomeUnknown, OrderRejected
from core.model.orders import (
    Balance,
    ClientOrderId,
    FeeRates,
    Fill,
    Order,
    OrderId,
    OrderKey,
    OrderReport,
    OrderStatus,
    OrderType,
    Purpose,
)
from core.ports import Broker, Clock


class FaultyBroker:
    """
    Port `Broker`: the account behind it, with faults.

    Submits. `lose_answers`: so many are accepted (`loses_before_acceptance`: not even that) and then lost, only those
    of `loses_purpose` when it is set. `rejects`: the code that every order of a type is rejected with; `rejects_left`:
    how many times, None for ever. `before_submit` is called with each order.
    Cancels. `ignores_cancels`: they are taken and nothing happens; `before_cancel` is called before they take effect.
    Questions. `hidden_until`: orders and fills cannot be seen before that moment. `shows_open`: no order is ever over.
    `fills_late_seconds`: so long after it happened a fill is first listed, while its order tells of it at once.
    `lost`: ids that are never found; `lost_to_looks`: only the lists show them. `names_no_client`: fills name the
    exchange's order id only. `foreign_orders` and `foreign_fills` are somebody else's; `restated` changes what is
    reported of an order. `preview_says` is the answer to every preview. `extra_cash`: what the account says it has too
    much; `shows_cash`: what it says it has, None for the truth. `before_fees` is called when the fee rates are read.
    `has_defect`: reading the balances ends in an error that nobody expected; `slow_seconds`: so long it takes.
    `unavailable`: no question gets an answer; each is given up after `hang_seconds`.
    """

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self.submitted: list[Order] = []
        self.cancelled: list[OrderId] = []
        self.previewed: list[Order] = []
        self.asked_for: list[OrderKey] = []
        self.lose_answers = 0
        self.loses_before_acceptance = False
        self.loses_purpose: Purpose | None = None
        self.rejects: dict[OrderType, str] = {}
        self.rejects_left: int | None = None
        self.before_submit: Callable[[Order], None] = lambda _order: None
        self.ignores_cancels = False
        self.before_cancel: Callable[[], None] = lambda: None
        self.hidden_until: datetime | None = None
        self.lost: list[ClientOrderId] = []
        self.lost_to_looks: list[ClientOrderId] = []
        self.names_no_client = False
        self.foreign_orders: list[OrderReport] = []
        self.foreign_fills: list[Fill] = []
        self.restated: Callable[[OrderReport], OrderReport] = lambda report: report
        self.preview_says: str | None = None
        self.unavailable = False
        self.hang_seconds = 0
        self.extra_cash = Decimal(0)
        self.shows_cash: Decimal | None = None
        self.has_defect = False
        self.slow_seconds = 0
        self.fills_late_seconds = 0
        self.shows_open = False
        self.before_fees: Callable[[], None] = lambda: None
        self._ids: dict[OrderId, ClientOrderId] = {}
        self._broker = broker
        self._clock = clock

    def submit(self, order: Order) -> OrderId:
        self.submitted.append(order)
        self.before_submit(order)
        self._reject(order)
        if self.lose_answers > 0 and self.loses_purpose in (None, order.purpose):
            self.lose_answers -= 1
            if not self.loses_before_acceptance:
                self._ids[self._broker.submit(order)] = order.client_order_id
            raise OrderOutcomeUnknown("the answer was lost")
        order_id = self._broker.submit(order)
        self._ids[order_id] = order.client_order_id
        return order_id

    def _reject(self, order: Order) -> None:
        code = self.rejects.get(order.order_type)
        if code is None or self.rejects_left == 0:
            return
        if self.rejects_left is not None:
            self.rejects_left -= 1
        raise OrderRejected(code)

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        self._answer()
        self.cancelled.extend(order_ids)
        self.before_cancel()
        if not self.ignores_cancels:
            self._broker.cancel(order_ids)

    def preview(self, order: Order) -> str | None:
        self._answer()
        self.previewed.append(order)
        return self.preview_says or self._broker.preview(order)

    def find(self, key: OrderKey) -> OrderReport | None:
        self._answer()
        self.asked_for.append(key)
        if not key.client_order_id and key.order_id is not None:  # known by the exchange's id only
            key = replace(key, client_order_id=self._ids.get(key.order_id, key.client_order_id))
        hides = self._hides() or key.client_order_id in (*self.lost, *self.lost_to_looks)
        report = None if hides else self._broker.find(key)
        if report is None:
            return next((other for other in self.foreign_orders if other.order_id == key.order_id), None)
        return self.restated(replace(report, status=OrderStatus.OPEN) if self.shows_open else report)

    def open_orders(self) -> Sequence[OrderReport]:
        self._answer()
        ours = () if self._hides() else self._broker.open_orders()
        return [self.restated(report) for report in ours if report.client_order_id not in self.lost] + [
            report for report in self.foreign_orders if not report.status.is_final
        ]

    def fills(self, since: datetime) -> Sequence[Fill]:
        self._answer()
        shown_until = self._clock.now() - timedelta(seconds=self.fills_late_seconds)
        found = () if self._hides() else [fill for fill in self._broker.fills(since) if fill.at <= shown_until]
        if self.names_no_client:
            found = [replace(fill, client_order_id=ClientOrderId("")) for fill in found]
        return [*found, *(fill for fill in self.foreign_fills if fill.at >= since)]

    def balances(self) -> Mapping[str, Balance]:
        self._answer()
        self._clock.wait_until(self._clock.now() + timedelta(seconds=self.slow_seconds), lambda: True)
        if self.has_defect:
            raise ZeroDivisionError("a defect of the program")
        balances = dict(self._broker.balances())
        cash = balances["USD"]
        shown = cash.total if self.shows_cash is None else self.shows_cash
        balances["USD"] = replace(cash, available=shown - cash.hold + self.extra_cash)
        return balances

    def fee_rates(self) -> FeeRates:
        self._answer()
        self.before_fees()
        return self._broker.fee_rates()

    def _answer(self) -> None:
        if self.unavailable:
            self._clock.wait_until(self._clock.now() + timedelta(seconds=self.hang_seconds), lambda: True)
            raise BrokerUnavailable("the script says so")

    def _hides(self) -> bool:
        return self.hidden_until is not None and self._clock.now() < self.hidden_until
