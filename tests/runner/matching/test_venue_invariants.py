"""Whatever kinds of orders are sent, cancelled and waited for: the books balance and no order does more than it may."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import OrderRejected
from core.model.money import COST_STEP, ZERO, round_even, round_up
from core.model.orders import ClientOrderId, Fill, Liquidity, OrderId, OrderStatus, Side
from runner.matching.books import Name
from runner.matching.order_record import OrderRecord, order_id_of
from runner.matching.tape import BRACKET_THROUGH
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from tests.builders import BTC
from tests.runner.matching.paper_desk import FEES
from tests.runner.matching.venue_desk import VenueDesk, make_venue

GTC, GTD, IOC, FOK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
CENT = Decimal("0.01")
OPENING = {"USD": Decimal(1500), "BTC": Decimal(8)}
Step = Callable[[VenueDesk, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """An order whose prices are so many percent off the last trade; a stop's limit, so many off its stop."""

    kind: Kind
    time_in_force: TimeInForce
    side: Side
    size: Decimal | None = None
    money: Decimal | None = None
    limit: Decimal = ZERO
    stop: Decimal | None = None
    post_only: bool = False

    def __call__(self, desk: VenueDesk, number: int) -> None:
        order = self._order(desk, number)
        foretold = desk.engine.preview(order)
        if foretold is None:
            assert desk.engine.submit(order) is desk.engine.submit(order)
            return
        with pytest.raises(OrderRejected, match=foretold):
            desk.engine.submit(order)
        assert desk.engine.by_client_id(order.client_order_id) is None

    def _order(self, desk: VenueDesk, number: int) -> VenueOrder:
        last = desk.market.last_trade(BTC)
        assert last is not None
        # A sell's prices mirror a buy's, but for a bracket, which is a sell only.
        sign = -1 if self.side is Side.SELL and self.kind is not Kind.BRACKET else 1
        stop = None if self.stop is None else last * (1 + sign * self.stop / 100)
        base = stop if stop is not None and self.kind is Kind.STOP_LIMIT else last
        return VenueOrder(
            client_order_id=ClientOrderId(f"o{number}"),
            product_id=BTC,
            side=self.side,
            kind=self.kind,
            time_in_force=self.time_in_force,
            base_size=self.size,
            quote_size=self.money,
            limit_price=None if self.kind is Kind.MARKET else round_even(base * (1 + sign * self.limit / 100), CENT),
            stop_price=None if stop is None else round_even(stop, CENT),
            post_only=self.post_only,
            end_time=desk.clock.now() + timedelta(seconds=60) if self.time_in_force is GTD else None,
        )


@dataclass(frozen=True, slots=True)
class Cancel:
    which: int

    def __call__(self, desk: VenueDesk, number: int) -> None:
        desk.engine.cancel(order_id_of(ClientOrderId(f"o{self.which}")))


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float

    def __call__(self, desk: VenueDesk, number: int) -> None:
        desk.wait(self.seconds)


@dataclass(frozen=True, slots=True)
class Move:
    percent: float

    def __call__(self, desk: VenueDesk, number: int) -> None:
        desk.market.move(BTC, self.percent)
        desk.wait(1)


@dataclass(frozen=True, slots=True)
class Owner:
    amount: Decimal

    def __call__(self, desk: VenueDesk, number: int) -> None:
        if self.amount >= 0:
            desk.engine.deposit("USD", self.amount, "owner")
        else:
            desk.engine.withdraw("USD", -self.amount, "owner")


def percent(least: str, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=least, max_value=most, places=2)


sizes = st.decimals(min_value="0.02", max_value="2.5", places=8) | st.sampled_from([Decimal(6), Decimal("0.3")])
sides = st.sampled_from(Side)
resting = st.builds(
    Submit,
    kind=st.just(Kind.LIMIT),
    time_in_force=st.sampled_from([GTC, GTD]),
    side=sides,
    size=sizes,
    limit=percent("-1.5", "0.3"),
    post_only=st.booleans(),
)
crossing = st.builds(
    Submit,
    kind=st.just(Kind.LIMIT),
    time_in_force=st.sampled_from([IOC, FOK]),
    side=sides,
    size=sizes,
    limit=percent("0", "0.6"),
)
market_sizes = st.builds(Submit, kind=st.just(Kind.MARKET), time_in_force=st.just(IOC), side=sides, size=sizes)
market_money = st.builds(
    Submit,
    kind=st.just(Kind.MARKET),
    time_in_force=st.just(IOC),
    side=st.just(Side.BUY),
    money=st.decimals(min_value="1", max_value="600", places=2),
)
stops = st.builds(
    Submit,
    kind=st.just(Kind.STOP_LIMIT),
    time_in_force=st.sampled_from([GTC, GTD]),
    side=sides,
    size=sizes,
    stop=percent("-0.1", "2"),
    limit=percent("-0.1", "2"),
)
brackets = st.builds(
    Submit,
    kind=st.just(Kind.BRACKET),
    time_in_force=st.sampled_from([GTC, GTD]),
    side=st.just(Side.SELL),
    size=sizes,
    stop=percent("-1.5", "0.1"),
    limit=percent("-0.1", "2"),
)
steps: st.SearchStrategy[Step] = st.one_of(
    resting,
    crossing,
    market_sizes,
    market_money,
    stops,
    brackets,
    brackets,
    st.builds(Cancel, st.integers(0, 20)),
    st.builds(Wait, st.sampled_from([0.0, 0.5, 5.0, 17.0, 45.0])),
    st.builds(Move, st.floats(-3, 3)),
    st.builds(Move, st.floats(-3, 3)),
    st.builds(Owner, st.decimals(min_value="-500", max_value="500", places=2)),
)


@settings(max_examples=100, deadline=None)
@given(script=st.lists(steps, min_size=25, max_size=40), level_size=st.sampled_from(["0.3", "2"]))
def test_no_script_can_break_the_exchange(script: list[Step], level_size: str) -> None:
    desk = make_venue(usd="1500", btc="8", level_size=level_size, minute_volume=90.0)

    for number, step in enumerate(script):
        step(desk, number)
        check_books(desk)
        check_orders(desk)


def check_books(desk: VenueDesk) -> None:
    """Nothing is below zero, every entry balances, holds are those of the open orders, fees those of the fills."""
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    for record in desk.engine.resting():
        currency = record.order.product_id.quote if record.order.side is Side.BUY else record.order.product_id.base
        held[currency] += record.hold
        if record.order.side is Side.SELL:
            assert record.hold == record.remaining
        else:
            rate = FEES.taker_fraction if record.rests_at is None else FEES.maker_fraction
            value = record.remaining * (record.limit_price or ZERO)
            assert record.hold == value + round_up(value * rate, COST_STEP)
    for currency, balance in desk.engine.balances().items():
        assert balance.available >= 0
        assert balance.hold == held[currency]
    totals = desk.account.totals()
    for currency, opening in OPENING.items():
        owners = sum(
            posting.amount
            for entry in desk.journal
            if entry.reference == "owner"
            for posting in entry.postings
            if posting.name is Name.OUTSIDE and posting.currency == currency
        )
        assert totals[Name.OUTSIDE, currency] == owners - opening
    fills = desk.all_fills()
    assert totals.get((Name.FEES, "USD"), ZERO) == sum(fill.fee for fill in fills)
    assert totals.get((Name.MARKET, "BTC"), ZERO) == sum(
        (fill.size if fill.side is Side.SELL else -fill.size for fill in fills), ZERO
    )
    assert desk.account.faults(desk.journal) == []


def check_orders(desk: VenueDesk) -> None:
    by_order: defaultdict[OrderId, list[Fill]] = defaultdict(list)
    for fill in desk.all_fills():
        by_order[fill.order_id].append(fill)
    for record in desk.engine.records():
        fills = by_order[record.order_id]
        assert record.filled_size == sum((fill.size for fill in fills), ZERO) <= record.size
        assert record.filled_value == sum((fill.size * fill.price for fill in fills), ZERO)
        assert record.fees == sum((fill.fee for fill in fills), ZERO)
        assert record.fill_count == len({fill.fill_id for fill in fills}) == len(fills)
        assert record.status.is_final == (record.hold == 0)
        if record.status is OrderStatus.FILLED:
            assert record.filled_size == record.size
        check_kind(record, fills)


def check_kind(record: OrderRecord, fills: list[Fill]) -> None:
    """Each order keeps to its own words."""
    order = record.order
    makers = [fill for fill in fills if fill.liquidity is Liquidity.MAKER]
    for fill in fills:
        rate = FEES.maker_fraction if fill in makers else FEES.taker_fraction
        assert fill.fee == round_up(fill.price * fill.size * rate, COST_STEP)
        assert order.end_time is None or fill.at <= order.end_time
        assert _least(record) <= fill.price <= _most(record)
    if order.post_only:
        assert makers == fills
    if not order.time_in_force.may_rest:
        assert record.status.is_final
        assert makers == []
    if order.time_in_force is FOK:
        assert record.filled_size in (ZERO, record.size)
    if order.quote_size is not None:
        assert record.filled_value + record.fees <= order.quote_size
    if order.kind is Kind.STOP_LIMIT and not record.is_triggered:
        assert fills == []
    if order.kind is Kind.BRACKET:
        check_bracket(record, fills)


def check_bracket(record: OrderRecord, fills: list[Fill]) -> None:
    """Target first, stop after, never both again: together they sell no more than the size."""
    target, stop = record.order.limit_price, record.order.stop_price
    assert target is not None
    assert stop is not None
    at_target = [fill for fill in fills if fill.price == target]
    at_stop = [fill for fill in fills if fill.price <= stop]
    assert len(at_target) + len(at_stop) == len(fills)
    assert fills[: len(at_target)] == at_target
    assert all(fill.liquidity is Liquidity.MAKER for fill in at_target)
    assert at_stop == [] or record.is_triggered
    assert sum((fill.size for fill in fills), ZERO) <= record.size


def _least(record: OrderRecord) -> Decimal:
    order = record.order
    if order.side is Side.BUY or order.limit_price is None:
        return ZERO
    if order.kind is Kind.BRACKET and order.stop_price is not None:
        return order.stop_price * (1 - BRACKET_THROUGH) - Decimal("0.01")
    return order.limit_price


def _most(record: OrderRecord) -> Decimal:
    """Return the limit of a buy; a triggered sell stop gets no better than its stop."""
    order = record.order
    if order.side is Side.BUY:
        return order.limit_price or Decimal("Infinity")
    if order.kind is Kind.STOP_LIMIT and order.stop_price is not None:
        return order.stop_price
    if order.kind is Kind.BRACKET and order.limit_price is not None:
        return order.limit_price
    return Decimal("Infinity")
