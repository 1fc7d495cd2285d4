"""A paper broker on a scripted market at noon: what the tests of matching and of the broker start from."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from core.model.orders import ClientOrderId, FeeRates, Fill, OrderReport
from core.model.portfolio import ExitPlan
from runner.adapters.paper.paper_broker import PaperBroker
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.account import Account
from runner.matching.engine import MatchingEngine
from tests.builders import BTC, NOON, make_key
from tests.fakes.scripted_market import ScriptedMarket

FEES = FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=Decimal("0.009"))
SHARE = Decimal("0.1")
PLAN = ExitPlan(
    strategy="price_move",
    stop_fraction=Decimal("0.02"),
    target_fraction=Decimal("0.04"),
    max_hold_seconds=3600,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperDesk:
    clock: VirtualClock
    market: ScriptedMarket
    broker: PaperBroker

    def wait(self, seconds: float) -> None:
        self.clock.jump(timedelta(seconds=seconds))

    def report(self, name: str = "order-1") -> OrderReport:
        found = self.broker.find(make_key(ClientOrderId(name)))
        assert found is not None
        return found

    def fills(self) -> list[Fill]:
        return list(self.broker.fills(NOON - timedelta(days=1)))

    def balance(self, currency: str) -> tuple[Decimal, Decimal]:
        balance = self.broker.balances()[currency]
        return balance.available, balance.hold


def make_desk(
    *, usd: str = "10000", btc: str = "0", level_size: str = "1000", minute_volume: float = 600.0
) -> PaperDesk:
    """BTC-USD at 100, quoted 99.95 / 100.05, ten levels 0.05 apart; 10 BTC trade each second."""
    clock = VirtualClock(NOON)
    market = ScriptedMarket(clock.now)
    market.add(BTC, level_size=level_size, minute_volume=minute_volume)
    engine = MatchingEngine(
        market=market,
        account=Account({"USD": Decimal(usd), "BTC": Decimal(btc)}),
        fee_rates=FEES,
        maker_fill_share=SHARE,
        now=clock.now,
    )
    return PaperDesk(clock=clock, market=market, broker=PaperBroker(engine))
