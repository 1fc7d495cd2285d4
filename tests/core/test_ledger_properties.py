"""The ledger against an independent double-entry book, written here in fractions and without its code."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.ledger.fold import Ledger, apply, fold
from core.model.codec import decode, decode_event, encode, encode_event
from core.model.market import ProductId
from core.model.orders import Order, OrderStatus, Outcome, Side
from core.model.records import Event
from tests.builders import BTC, ETH, make_cover, make_guard, make_order
from tests.event_builders import (
    make_bought,
    make_cash_flow,
    make_closed,
    make_fill,
    make_intent,
    make_mark,
    make_outcome,
    make_run,
    make_tick,
)

PRODUCTS = (BTC, ETH, ProductId("DOGE", "USDC"))
sizes = st.integers(1, 10**12).map(lambda units: Decimal(units).scaleb(-8))
prices = st.integers(1, 10**14).map(lambda units: Decimal(units).scaleb(-10))
fees = st.integers(0, 10**10).map(lambda units: Decimal(units).scaleb(-8))
parts = st.integers(1, 10).map(lambda tenths: Decimal(tenths) / 10)


@dataclass
class Book:
    """Accounts in fractions: every fill moves value between cash, coins at cost, fees paid and profit."""

    cash: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    paid_in: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    coins: dict[ProductId, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    bought: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    received: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    fees: Fraction = Fraction(0)

    def fill(self, product_id: ProductId, side: Side, price: Decimal, size: Decimal, fee: Decimal) -> None:
        value, quote = Fraction(price) * Fraction(size), product_id.quote
        self.fees += Fraction(fee)
        if side is Side.BUY:
            self.cash[quote] -= value + Fraction(fee)
            self.bought[quote] += value + Fraction(fee)
            self.coins[product_id] += Fraction(size)
        else:
            self.cash[quote] += value - Fraction(fee)
            self.received[quote] += value - Fraction(fee)
            self.coins[product_id] -= Fraction(size)


class LedgerMachine(RuleBasedStateMachine):
    """
    Random trading: entries, exits, guards, covers, deposits, restarts from the written state.

    Fills are partial, repeated, late, of orders called absent, and of more coins than a lot has left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ledger = apply(Ledger(), make_run())
        self.book = Book()
        self.fills: list[Event] = []
        self.slot = 0
        self.names = 0

    def _record(self, event: Event) -> None:
        self.ledger = apply(self.ledger, decode_event(json.loads(json.dumps(encode_event(event), sort_keys=True))))

    def _name(self, word: str) -> str:
        self.names += 1
        return f"{word}-{self.names}"

    @rule(amount=st.integers(-(10**9), 10**9))
    def move_money(self, amount: int) -> None:
        self._record(make_cash_flow(str(Decimal(amount).scaleb(-2))))
        self.book.cash["USD"] += Fraction(amount, 100)
        self.book.paid_in["USD"] += Fraction(amount, 100)

    @rule(equity=st.integers(1, 10**9))
    def cycle(self, equity: int) -> None:
        self.slot += 1
        self._record(make_tick(self.slot))
        self._record(make_mark(str(equity), slot=self.slot))

    @rule(product_id=st.sampled_from(PRODUCTS), size=sizes, price=prices)
    def intend_entry(self, product_id: ProductId, size: Decimal, price: Decimal) -> None:
        order = make_order(product_id, name=self._name("entry"), size=f"{size:f}", price=f"{price:f}")
        self._record(make_intent(order, slot=self.slot))

    @precondition(lambda self: self.ledger.lots)
    @rule(data=st.data(), part=parts)
    def intend_exit(self, data: st.DataObject, part: Decimal) -> None:
        lot = data.draw(st.sampled_from(list(self.ledger.lots.values())))
        order = make_order(
            lot.product_id,
            name=self._name("exit"),
            lot=lot.lot_id,
            side=Side.SELL,
            size=f"{lot.quantity * part:f}",
        )
        self._record(make_intent(order, slot=self.slot))

    @precondition(lambda self: self.ledger.lots)
    @rule(data=st.data(), part=parts)
    def intend_guard(self, data: st.DataObject, part: Decimal) -> None:
        lot = data.draw(st.sampled_from(list(self.ledger.lots.values())))
        self._record(
            make_intent(make_guard(lot, name=self._name("guard"), size=f"{lot.quantity * part:f}"), slot=self.slot)
        )

    @precondition(lambda self: self.ledger.lots)
    @rule(data=st.data(), price=prices, fee=fees, part=parts)
    def lose_a_race(self, data: st.DataObject, price: Decimal, fee: Decimal, part: Decimal) -> None:
        """Let the guard of a lot fill in part, and then the exit that replaced it in full."""
        lot = data.draw(st.sampled_from(list(self.ledger.lots.values())))
        guard = make_guard(lot, name=self._name("guard"), size=f"{lot.quantity:f}")
        exit_order = make_order(
            lot.product_id, name=self._name("exit"), lot=lot.lot_id, side=Side.SELL, size=f"{lot.quantity:f}"
        )
        for order in (guard, exit_order):
            self._record(make_intent(order, slot=self.slot))
        self._fill(guard, price, lot.quantity * part, fee)
        self._fill(exit_order, price, lot.quantity, fee)

    @precondition(lambda self: self.ledger.oversold)
    @rule(data=st.data(), price=prices, fee=fees, part=parts)
    def cover_too_much(self, data: st.DataObject, price: Decimal, fee: Decimal, part: Decimal) -> None:
        product_id = data.draw(st.sampled_from(list(self.ledger.oversold)))
        size = self.ledger.oversold[product_id].quantity * (1 + part)
        cover = make_cover(product_id, name=self._name("cover"), size=f"{size:f}")
        self._record(make_intent(cover, slot=self.slot))
        self._fill(cover, price, size, fee)

    @precondition(lambda self: self.ledger.oversold)
    @rule(data=st.data(), size=sizes, part=parts, exact=st.booleans())
    def intend_cover(self, data: st.DataObject, size: Decimal, part: Decimal, exact: bool) -> None:
        product_id = data.draw(st.sampled_from(list(self.ledger.oversold)))
        size = self.ledger.oversold[product_id].quantity * part if exact else size
        self._record(make_intent(make_cover(product_id, name=self._name("cover"), size=f"{size:f}"), slot=self.slot))

    @precondition(lambda self: self.ledger.lots)
    @rule(data=st.data(), price=prices, fee=fees)
    def sell_out(self, data: st.DataObject, price: Decimal, fee: Decimal) -> None:
        lot = data.draw(st.sampled_from(list(self.ledger.lots.values())))
        order = make_order(
            lot.product_id, name=self._name("exit"), lot=lot.lot_id, side=Side.SELL, size=f"{lot.quantity:f}"
        )
        self._record(make_intent(order, slot=self.slot))
        self._fill(order, price, lot.quantity, fee)

    @precondition(lambda self: self.ledger.open_orders)
    @rule(data=st.data(), price=prices, fee=fees, part=parts)
    def fill_order(self, data: st.DataObject, price: Decimal, fee: Decimal, part: Decimal) -> None:
        state = data.draw(st.sampled_from(list(self.ledger.open_orders.values())))
        if state.remaining_size > 0:
            self._fill(state.order, price, state.remaining_size * part, fee)

    @precondition(lambda self: self.ledger.closed_orders)
    @rule(data=st.data(), price=prices, fee=fees, part=parts)
    def fill_late(self, data: st.DataObject, price: Decimal, fee: Decimal, part: Decimal) -> None:
        state = data.draw(st.sampled_from(list(self.ledger.closed_orders.values())))
        rest = state.order.size - state.filled_size
        if rest > 0:
            self._fill(state.order, price, rest * part, fee)
            assert self.ledger.closed_orders[state.order.client_order_id].order_id is not None

    def _fill(self, order: Order, price: Decimal, size: Decimal, fee: Decimal) -> None:
        fill = make_fill(
            self._name("fill"),
            order=order.client_order_id,
            product_id=order.product_id,
            side=order.side,
            price=f"{price:f}",
            size=f"{size:f}",
            fee=f"{fee:f}",
        )
        self._record(fill)
        self.fills.append(fill)
        self.book.fill(order.product_id, order.side, price, size, fee)

    @precondition(lambda self: self.fills)
    @rule(data=st.data())
    def repeat_fill(self, data: st.DataObject) -> None:
        before = self.ledger

        self._record(data.draw(st.sampled_from(self.fills)))

        assert self.ledger is before

    @precondition(lambda self: self.ledger.open_orders)
    @rule(data=st.data())
    def end_order(self, data: st.DataObject) -> None:
        state = data.draw(st.sampled_from(list(self.ledger.open_orders.values())))
        if state.filled_size == 0:
            self._record(make_outcome(state.order.client_order_id, Outcome.ABSENT))
        else:
            self._record(make_closed(state.order.client_order_id, OrderStatus.CANCELLED))

    @rule()
    def restart(self) -> None:
        before = self.ledger

        self.ledger = decode(Ledger, json.loads(json.dumps(encode(before))))

        assert self.ledger == before
        for name in ("lots", "open_orders", "closed_orders", "oversold", "last_closes", "cash"):
            assert list(getattr(self.ledger, name)) == list(getattr(before, name))

    @invariant()
    def cash_is_what_flowed(self) -> None:
        assert {key: Fraction(value) for key, value in self.ledger.cash.items() if value} == {
            key: value for key, value in self.book.cash.items() if value
        }

    @invariant()
    def coins_are_what_was_bought_and_not_sold(self) -> None:
        held: dict[ProductId, Fraction] = defaultdict(Fraction)
        for lot in self.ledger.lots.values():
            assert lot.quantity > 0
            held[lot.product_id] += Fraction(lot.quantity)
        for product_id, oversold in self.ledger.oversold.items():
            assert oversold.quantity > 0
            held[product_id] -= Fraction(oversold.quantity)
        assert {key: value for key, value in held.items() if value} == {
            key: value for key, value in self.book.coins.items() if value
        }

    @invariant()
    def nothing_is_lost_between_cash_cost_and_profit(self) -> None:
        cost = sum((Fraction(lot.cost) for lot in self.ledger.lots.values()), Fraction(0))
        cash = sum(map(Fraction, self.ledger.cash.values()), Fraction(0))

        owed = sum((Fraction(oversold.proceeds) for oversold in self.ledger.oversold.values()), Fraction(0))

        assert cash + cost == sum(self.book.paid_in.values()) + Fraction(self.ledger.realised) + owed
        assert cost - Fraction(self.ledger.realised) - owed == sum(self.book.bought.values()) - sum(
            self.book.received.values()
        )
        assert Fraction(self.ledger.fees) == self.book.fees


LedgerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
TestLedger = LedgerMachine.TestCase


@settings(max_examples=40, deadline=None, derandomize=True)
@given(order=st.permutations(range(6)), data=st.data())
def test_fills_of_independent_orders_give_the_same_totals_in_any_order(order: list[int], data: st.DataObject) -> None:
    names = [f"o{i}" for i in range(6)]
    base = fold(Ledger(), [make_run(), *(make_intent(make_order(name=name), slot=i) for i, name in enumerate(names))])
    fills = [
        make_fill(f"f{i}", order=name, price=f"{data.draw(prices):f}", size="0.12345678", fee=f"{data.draw(fees):f}")
        for i, name in enumerate(names)
    ]

    straight, shuffled = fold(base, fills), fold(base, [fills[i] for i in order])

    assert straight == shuffled


@settings(max_examples=20, deadline=None, derandomize=True)
@given(cut=st.integers(0, 14))
def test_a_restart_at_any_point_makes_no_difference(cut: int) -> None:
    events: list[Event] = [make_run(), make_cash_flow(), make_tick(1), make_mark("10000")]
    for i in range(2, 4):
        events += [make_tick(i), *make_bought(f"b{i}", price="0.00001234", size="123456.78", slot=i)]

    before = decode(Ledger, json.loads(json.dumps(encode(fold(Ledger(), events[:cut])))))

    assert encode(fold(before, events[cut:])) == encode(fold(Ledger(), events))
