"""An exchange's account on a scripted market at noon: what the tests of the order kinds start from."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from core.model.market import ProductId
from core.model.orders import ClientOrderId, Fill, Side
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.account import Account
from runner.matching.books import Entry
from runner.matching.engine import MatchingEngine
from runner.matching.order_record import OrderRecord
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from tests.builders import BTC, NOON
from tests.fakes.scripted_market import ScriptedMarket
from tests.runner.matching.paper_desk import FEES, SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueDesk:
    clock: VirtualClock
    market: ScriptedMarket
    account: Account
    engine: MatchingEngine
    journal: list[Entry] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.clock.jump(timedelta(seconds=seconds))

    def submit(self, order: VenueOrder) -> OrderRecord:
        return self.engine.submit(order)

    def record(self, name: str = "order-1") -> OrderRecord:
        found = self.engine.by_client_id(ClientOrderId(name))
        assert found is not None
        return found

    def fills(self) -> list[tuple[Decimal, Decimal]]:
        """Return price and size of all fills."""
        return [(fill.price, fill.size) for fill in self.all_fills()]

    def all_fills(self) -> list[Fill]:
        return list(self.engine.fills(NOON - timedelta(days=1)))

    def balance(self, currency: str) -> tuple[Decimal, Decimal]:
        balance = self.engine.balances()[currency]
        return balance.available, balance.hold


def make_venue(
    *, usd: str = "10000", btc: str = "0", level_size: str = "1000", minute_volume: float = 600.0
) -> VenueDesk:
    """BTC-USD at 100, quoted 99.95 / 100.05, ten levels 0.05 apart; 10 BTC trade each second."""
    clock = VirtualClock(NOON)
    market = ScriptedMarket(clock.now)
    market.add(BTC, level_size=level_size, minute_volume=minute_volume)
    journal: list[Entry] = []
    account = Account({"USD": Decimal(usd), "BTC": Decimal(btc)}, journal=journal.append)
    engine = MatchingEngine(market=market, account=account, fee_rates=FEES, maker_fill_share=SHARE, now=clock.now)
    return VenueDesk(clock=clock, market=market, account=account, engine=engine, journal=journal)


def make_venue_order(
    kind: Kind = Kind.LIMIT,
    time_in_force: TimeInForce = TimeInForce.GTC,
    *,
    name: str = "order-1",
    product_id: ProductId = BTC,
    side: Side = Side.BUY,
    size: str | None = "1",
    money: str | None = None,
    price: str | None = None,
    stop: str | None = None,
    post_only: bool = False,
    end_seconds: float | None = None,
) -> VenueOrder:
    """Build an order; `money` in place of `size` is a quote size, `end_seconds` counts from noon."""
    return VenueOrder(
        client_order_id=ClientOrderId(name),
        product_id=product_id,
        side=side,
        kind=kind,
        time_in_force=time_in_force,
        base_size=None if size is None or money is not None else Decimal(size),
        quote_size=None if money is None else Decimal(money),
        limit_price=None if price is None else Decimal(price),
        stop_price=None if stop is None else Decimal(stop),
        post_only=post_only,
        end_time=None if end_seconds is None else NOON + timedelta(seconds=end_seconds),
    )


def make_stop(
    *, name: str = "order-1", size: str = "1", stop: str = "98", price: str = "95", end_seconds: float | None = None
) -> VenueOrder:
    """Build a sell stop below the market."""
    time_in_force = TimeInForce.GTC if end_seconds is None else TimeInForce.GTD
    return make_venue_order(
        Kind.STOP_LIMIT,
        time_in_force,
        name=name,
        side=Side.SELL,
        size=size,
        stop=stop,
        price=price,
        end_seconds=end_seconds,
    )


def make_bracket(
    *, name: str = "order-1", size: str = "1", stop: str = "98", price: str = "104", end_seconds: float | None = None
) -> VenueOrder:
    """Build a bracket around the market."""
    time_in_force = TimeInForce.GTC if end_seconds is None else TimeInForce.GTD
    return make_venue_order(
        Kind.BRACKET,
        time_in_force,
        name=name,
        side=Side.SELL,
        size=size,
        stop=stop,
        price=price,
        end_seconds=end_seconds,
    )
