"""Whatever is sent, cancelled and waited for: money is conserved and no fill is better than the rules allow."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import OrderRejected
from core.model.market import Book, ProductId
from core.model.money import COST_STEP, round_up
from core.model.orders import ClientOrderId, Liquidity, Order, OrderStatus, OrderType, Side
from runner.matching.order_record import order_id_of
from tests.builders import BTC, ETH, NOON, make_key, make_order
from tests.runner.matching.paper_desk import FEES, SHARE, PaperDesk, make_desk

OPENING = {"USD": Decimal(3000), "BTC": Decimal("2.5"), "ETH": Decimal(0)}
PRODUCTS = (BTC, ETH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    product_id: ProductId
    side: Side
    order_type: OrderType
    size: Decimal
    price: Decimal
    life_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    which: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    product_id: ProductId
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    calls: int


Step = Submit | Cancel | Wait | Move | Fail

submits = st.builds(
    Submit,
    product_id=st.sampled_from(PRODUCTS),
    side=st.sampled_from(Side),
    order_type=st.sampled_from([OrderType.POST_ONLY, OrderType.IOC]),
    size=st.one_of(
        st.decimals(min_value="0.01", max_value="40", places=8), st.sampled_from([Decimal("2.5"), Decimal("0.3")])
    ),
    price=st.decimals(min_value="97", max_value="103", places=2),
    life_seconds=st.integers(1, 120),
)
steps = st.one_of(
    submits,
    submits,
    st.builds(Cancel, which=st.integers(0, 20)),
    st.builds(Wait, seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 17.0, 61.0])),
    st.builds(Move, product_id=st.sampled_from(PRODUCTS), percent=st.floats(-2, 2)),
    st.builds(Fail, calls=st.integers(1, 3)),
)


@settings(max_examples=120, deadline=None)
@given(script=st.lists(steps, max_size=25))
def test_no_script_can_break_the_account(script: list[Step]) -> None:
    desk = make_desk(usd="3000", btc="2.5", level_size="0.7", minute_volume=90.0)
    desk.market.add(ETH, level_size="0.7", minute_volume=90.0)
    sent: dict[ClientOrderId, Order] = {}
    books: dict[ClientOrderId, Book] = {}

    for number, step in enumerate(script):
        play(desk, step, number, sent, books)
        check_money(desk)
    desk.market.fail(0)
    desk.wait(300)

    check_money(desk)
    check_orders(desk, sent)
    check_depth(desk, sent, books)
    check_flow(desk)


def play(
    desk: PaperDesk, step: Step, number: int, sent: dict[ClientOrderId, Order], books: dict[ClientOrderId, Book]
) -> None:
    match step:
        case Submit():
            desk.market.fail(0)
            order = make_order(
                step.product_id,
                name=f"o{number}",
                side=step.side,
                order_type=step.order_type,
                size=str(step.size),
                price=str(step.price),
                end_seconds=(desk.clock.now() - NOON).total_seconds() + step.life_seconds,
            )
            book = desk.market.books([step.product_id])[step.product_id]
            try:
                desk.broker.submit(order)
            except OrderRejected:
                assert desk.broker.find(make_key(order.client_order_id)) is None
                return
            sent[order.client_order_id] = order
            books[order.client_order_id] = book
            assert desk.broker.submit(order) == desk.report(order.client_order_id).order_id
        case Cancel():
            desk.broker.cancel([order_id_of(ClientOrderId(f"o{step.which}"))])
        case Wait():
            desk.wait(step.seconds)
        case Move():
            desk.market.move(step.product_id, step.percent)
        case Fail():
            desk.market.fail(step.calls)


def check_money(desk: PaperDesk) -> None:
    """Double entry: each currency is its opening balance plus the flows of the fills, and nothing is below zero."""
    for _ in range(4):
        desk.broker.open_orders()  # a look that the market refused is made up for, so the next ones see one moment
    balances = desk.broker.balances()
    flows: defaultdict[str, Decimal] = defaultdict(Decimal)
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in desk.fills():
        base, quote = fill.product_id
        sign = 1 if fill.side is Side.BUY else -1
        flows[base] += sign * fill.size
        flows[quote] -= sign * fill.price * fill.size + fill.fee
    for report in desk.broker.open_orders():
        rest = report.size - report.filled_size
        if report.side is Side.SELL:
            held[report.product_id.base] += rest
        else:
            value = rest * report.limit_price
            held[report.product_id.quote] += value + round_up(value * FEES.maker_fraction, COST_STEP)
    for currency, balance in balances.items():
        assert balance.available >= 0
        assert balance.hold == held[currency]
        assert balance.total == OPENING[currency] + flows[currency]


def check_orders(desk: PaperDesk, sent: dict[ClientOrderId, Order]) -> None:
    """Every order has ended, its fills add up, none is worse than its limit, and fees are those of who rested."""
    filled: defaultdict[ClientOrderId, Decimal] = defaultdict(Decimal)
    for fill in desk.fills():
        order = sent[fill.client_order_id]
        filled[fill.client_order_id] += fill.size
        is_taker = order.order_type is OrderType.IOC
        rate = FEES.taker_fraction if is_taker else FEES.maker_fraction
        assert fill.fee == round_up(fill.price * fill.size * rate, COST_STEP)
        assert fill.liquidity is (Liquidity.TAKER if is_taker else Liquidity.MAKER)
        assert fill.price <= order.limit_price if order.side is Side.BUY else fill.price >= order.limit_price
        assert is_taker or fill.price == order.limit_price
        assert fill.size > 0
        assert order.end_time is None or fill.at <= order.end_time
    for key, order in sent.items():
        report = desk.report(key)
        assert report.status.is_final
        assert report.filled_size == filled[key] <= order.size
        assert (report.status is OrderStatus.FILLED) == (filled[key] == order.size)
    assert len({fill.fill_id for fill in desk.fills()}) == len(desk.fills())


def check_depth(desk: PaperDesk, sent: dict[ClientOrderId, Order], books: dict[ClientOrderId, Book]) -> None:
    """Per minute and side, what was taken never exceeds what the deepest book of that minute showed."""
    taken: defaultdict[tuple[ProductId, Side, int], Decimal] = defaultdict(Decimal)
    shown: defaultdict[tuple[ProductId, Side, int], Decimal] = defaultdict(Decimal)
    for key, order in sent.items():
        if order.order_type is not OrderType.IOC:
            continue
        fills = [fill for fill in desk.fills() if fill.client_order_id == key]
        at = desk.report(key).created_at
        side = (order.product_id, order.side, int(at.timestamp()) // 60)
        levels = books[key].asks if order.side is Side.BUY else books[key].bids
        for fill in fills:
            assert fill.size <= sum(level.size for level in levels if level.price == fill.price)
        taken[side] += sum((fill.size for fill in fills), Decimal(0))
        reachable = [
            level.size
            for level in levels
            if (level.price <= order.limit_price if order.side is Side.BUY else level.price >= order.limit_price)
        ]
        shown[side] = max(shown[side], sum(reachable, Decimal(0)))
    for side, size in taken.items():
        assert size <= shown[side]


def check_flow(desk: PaperDesk) -> None:
    """All resting fills of a side together are at most our share of everything that can have traded."""
    seconds = (desk.clock.now() - NOON) / timedelta(seconds=1)
    most = Decimal(repr(seconds + 1)) * Decimal("1.5") * SHARE
    for product_id in PRODUCTS:
        for side in Side:
            got = sum(
                fill.size
                for fill in desk.fills()
                if fill.liquidity is Liquidity.MAKER and (fill.product_id, fill.side) == (product_id, side)
            )
            assert got <= most
