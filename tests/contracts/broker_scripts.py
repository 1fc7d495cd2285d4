"""Scripts of orders, cancels and time, drawn from a seed, and how they are played to a broker."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.model.market import Product, ProductId
from core.model.money import ZERO, round_even
from core.model.orders import ClientOrderId, Fill, LotId, Order, OrderId, OrderReport, OrderType, Purpose, Side
from core.settings import MarketModel, SimulationSection
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.simulated_coinbase.listed_market import ModelMarket
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import BTC, ETH, NOON
from tests.contracts.broker_desks import Desk, Stage, scripted_market

STEPS = 50
MODEL = MarketModel(
    spread_fraction=Decimal("0.0006"),
    depth_fraction=Decimal("0.2"),
    levels=10,
    maker_fill_share_fraction=Decimal("0.1"),
)
GUARDS = (OrderType.STOP_LIMIT, OrderType.BRACKET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An order worth so many dollars; its prices lie so far behind the last trade, as shares of it."""

    name: str
    product: int
    order_type: OrderType
    side: Side
    value: float
    limit: float
    stop: float
    lives_seconds: int
    is_off_grid: bool
    is_sent_twice: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


Step = Place | Cancel | Wait


def script_of(seed: int) -> list[Step]:
    """Draw a script; the same seed gives the same one."""
    draw = random.Random(seed)  # noqa: S311 (a script, no secret)
    steps: list[Step] = []
    for number in range(STEPS):
        kind = draw.random()
        if kind < 0.55:
            steps.append(_place(f"order-{number}", draw))
        elif kind < 0.63:
            steps.append(Cancel(tuple(f"order-{number - back}" for back in draw.sample(range(1, 9), 3))))
        else:
            steps.append(Wait(draw.choice([4.0, 13.0, 45.5, 200.0])))
    return steps


def _place(name: str, draw: random.Random) -> Place:
    order_type = draw.choice(list(OrderType))
    return Place(
        name=name,
        product=draw.randrange(2),
        order_type=order_type,
        side=Side.SELL if order_type in GUARDS else draw.choice([Side.BUY, Side.BUY, Side.SELL]),
        value=draw.choice([1.0, 30.0, 60.0, 100.0, 170.0, 400.0, 1900.0]) * draw.uniform(0.9, 1.3),
        limit=draw.uniform(-0.0005, 0.0015 if order_type is OrderType.POST_ONLY else 0.005),
        stop=draw.uniform(-0.0005, 0.005),
        lives_seconds=draw.choice([0, 20, 90, 90, 600]),
        is_off_grid=draw.random() < 0.05,
        is_sent_twice=draw.random() < 0.1,
    )


# --- the markets that they are played on ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    stage: Stage
    product_ids: tuple[ProductId, ProductId]


def jumpy_scene(seed: int) -> Scene:
    """A scripted market whose prices jump each half minute, and whose books are thin."""
    clock = VirtualClock(NOON)
    market = scripted_market(clock)
    draw = random.Random(-seed)  # noqa: S311 (a market, no secret)
    for product_id in (BTC, ETH):
        market.set_book(product_id, level_size="0.7")
        for half_minute in range(120):
            market.move(product_id, draw.uniform(-0.8, 0.8), at_minute=half_minute / 2)
    return _scene(clock, market, (BTC, ETH))


def seeded_scene(seed: int) -> Scene:
    """The seeded market of the program: real grids, minimums and depths."""
    clock = VirtualClock(NOON)
    market = simulated_market(SimulationSection(seed=seed, products=7), MODEL, clock.now)
    return _scene(clock, market, (ProductId("SOL", "USD"), ProductId("DOGE", "USD")))


def _scene(clock: VirtualClock, market: ModelMarket, product_ids: tuple[ProductId, ProductId]) -> Scene:
    balances = {"USD": Decimal(3000), **{found.base: _worth(market, found, 1500) for found in product_ids}}
    return Scene(stage=Stage(clock=clock, market=market, balances=balances), product_ids=product_ids)


def _worth(market: ModelMarket, product_id: ProductId, dollars: int) -> Decimal:
    return round_even(dollars / _last(market, product_id))


def _last(market: ModelMarket, product_id: ProductId) -> Decimal:
    last = market.last_trade(product_id)
    assert last is not None
    return last


# --- playing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stand:
    """What a broker said to one step, and where its account stood then."""

    step: Step
    said: tuple[str | None, ...]
    balances: Mapping[str, tuple[Decimal, Decimal]]
    open_orders: Sequence[OrderReport]


@dataclass(frozen=True, slots=True)
class Story:
    """All that a broker said; `ends`: every order that was sent, looked up at the end."""

    stands: Sequence[Stand]
    ends: Mapping[str, OrderReport | None]
    fills: Sequence[Fill]


def play(script: Sequence[Step], scene: Scene, opens: Callable[[Stage], AbstractContextManager[Desk]]) -> Story:
    """Play a script to a broker opened on a fresh scene."""
    with opens(scene.stage) as desk:
        sent: dict[str, Order] = {}
        ids: dict[str, OrderId] = {}
        stands: list[Stand] = []
        for step in script:
            said: tuple[str | None, ...] = ()
            if isinstance(step, Place):
                order = sent[step.name] = _order_of(step, scene)
                said = _place_it(order, desk, ids, twice=step.is_sent_twice)
            elif isinstance(step, Cancel):
                desk.broker.cancel([ids[name] for name in step.names if name in ids])
            else:
                desk.wait(step.seconds)
            open_orders = sorted(desk.broker.open_orders(), key=lambda report: report.order_id)
            stands.append(Stand(step, said, desk.balances(), open_orders))
        ends = {name: desk.find(name, product_id=order.product_id) for name, order in sent.items()}
        return Story(stands, ends, desk.fills())


def _place_it(order: Order, desk: Desk, ids: dict[str, OrderId], *, twice: bool) -> tuple[str | None, ...]:
    """Ask, then send; the names of reasons without the preview's prefix (coinbase_api 2.9)."""
    foretold = desk.broker.preview(order)
    said = [desk.try_to_submit(order) for _ in range(1 + twice)]
    if foretold is None:
        ids[order.client_order_id] = OrderId(said[0])
    return (foretold and foretold.removeprefix("PREVIEW_"), *said)


def _order_of(place: Place, scene: Scene) -> Order:
    market, now = scene.stage.market, scene.stage.clock.now()
    product_id = scene.product_ids[place.product]
    product, last = _rules(market, product_id), _last(market, product_id)
    stop = _near(last, -place.stop, product)
    away = place.limit if place.side is Side.SELL else -place.limit
    if place.order_type is OrderType.IOC:
        limit = _near(last, -away, product)
    elif place.order_type is OrderType.STOP_LIMIT:
        limit = _near(stop, -place.limit, product)
    else:
        limit = _near(last, away, product)
    size = max(round_even(Decimal(repr(place.value)) / last, product.base_increment), product.base_increment)
    return Order(
        client_order_id=ClientOrderId(place.name),
        product_id=product_id,
        side=place.side,
        order_type=place.order_type,
        purpose=Purpose.ENTRY,
        lot_id=LotId(place.name),
        size=size + (product.base_increment / 2 if place.is_off_grid else ZERO),
        limit_price=limit,
        stop_price=stop if place.order_type in GUARDS else None,
        end_time=_end_of(place, now) if place.order_type is OrderType.POST_ONLY else None,
    )


def _rules(market: ModelMarket, product_id: ProductId) -> Product:
    product = market.product(product_id)
    assert product is not None
    return product


def _near(price: Decimal, share: float, product: Product) -> Decimal:
    return round_even(price * Decimal(repr(1 + share)), product.price_increment)


def _end_of(place: Place, now: datetime) -> datetime:
    return now + timedelta(seconds=place.lives_seconds)
