"""The facts of each cycle, caught while the recorded run is played: exactly what its decisions were made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.decision import CandleFacts, Facts
from core.errors import MarketDataUnavailable
from core.model.guards import Breaker, BreakerState, TradingState
from core.model.ledger import Ledger
from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import FeeRates
from core.model.verdicts import Reason
from core.ports import MarketData
from core.risk.view import RiskView
from core.valuation import equity
from runner.cycle import Cycle
from runner.desk import Desk
from runner.stages.views import fresh_closes
from runner.tape.player import Player
from runner.tape.ports import Ports


@dataclass(slots=True)
class Asked:
    """What was asked of the market in one cycle, and answered; `unread` are those whose candles failed."""

    products: Sequence[Product] | None = None
    books: dict[ProductId, Book | None] = field(default_factory=dict)
    quotes: dict[ProductId, Quote | None] = field(default_factory=dict)
    candles: dict[ProductId, Sequence[Candle]] = field(default_factory=dict)
    unread: dict[ProductId, str] = field(default_factory=dict)


class WitnessedMarket:
    """Port `MarketData` that keeps what it is asked in a cycle, and what it answers."""

    def __init__(self, market: MarketData) -> None:
        self.asked = Asked()
        self._market = market

    @property
    def venue(self) -> str:
        return self._market.venue

    def products(self) -> Sequence[Product]:
        self.asked.products = found = self._market.products()
        return found

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        try:
            found = self._market.candles(product_ids, since)
        except MarketDataUnavailable as error:
            self.asked.unread.update(dict.fromkeys(product_ids, str(error)))
            raise
        for product_id in product_ids:
            self.asked.candles[product_id] = found.get(product_id, ())
        return found

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        found = self._market.quotes(product_ids)
        self.asked.quotes.update({product_id: found.get(product_id) for product_id in product_ids})
        return found

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        found = self._market.books(product_ids)
        self.asked.books.update({product_id: found.get(product_id) for product_id in product_ids})
        return found


class Capture:
    """A `Watcher`'s eyes: catches the facts of the cycle that is being played."""

    def __init__(self) -> None:
        self.cycle: Cycle | None = None
        self.facts: Facts | None = None
        self.asked = Asked()
        self.desk: Desk | None = None
        self._player: Player | None = None
        self._market: WitnessedMarket | None = None
        self._fees: FeeRates | None = None
        self._early_reason: Reason | None = None
        self._breakers: Mapping[Breaker, BreakerState] = {}

    def ports(self, ports: Ports) -> Ports:
        self._market = WitnessedMarket(ports.market)
        return replace(ports, market=self._market)

    def opened(self, desk: Desk, player: Player) -> None:
        self.desk, self._player, self._fees = desk, player, None

    def stage(self, name: str, cycle: Cycle) -> None:
        """Look at the cycle where one of its stages begins."""
        desk, player = self.desk, self._player
        if desk is None or player is None:
            return
        if name == "guard":
            self.cycle, self.facts, self._early_reason = cycle, None, None
            self.asked = Asked()
            if self._market is not None:
                self._market.asked = self.asked
        elif name == "universe":
            self._early_reason = cycle.reason
        elif name == "breakers":
            self._breakers = desk.book.ledger.breakers
        elif name in ("execution", "end") and self.facts is None and cycle.error is None:
            self.facts = self._facts(cycle, desk, player)

    def _facts(self, cycle: Cycle, desk: Desk, player: Player) -> Facts | None:
        if cycle.observed is None:
            return None  # it did not come so far
        if cycle.view is not None:
            self._fees = cycle.view.fees
        universe = desk.memory.universe
        was_risk_reached = bool(cycle.rules and cycle.rules.proposals)
        return Facts(
            reason=self._early_reason,
            lots=cycle.lot_facts,
            universe=universe,
            universe_failed=cycle.universe is None,
            candles=None
            if cycle.triggers is None
            else CandleFacts(cycle.features, tuple(cycle.stale), tuple(cycle.warming)),
            observed=cycle.observed,
            breakers=self._breakers,
            kill_on=player.fact_now("kill") is not None,
            quotes_failed=was_risk_reached and cycle.assessment is None,
            view=_view(cycle, desk, player.now, self._fees),
            account=desk.book.ledger.account,
            slot=cycle.tick.slot,
        )


def _view(cycle: Cycle, desk: Desk, now: datetime, fees: FeeRates | None) -> RiskView:
    """Return what risk looked at; where it did not come to that, what it would have seen at this moment."""
    if cycle.view is not None:
        return replace(cycle.view, quotes=dict(cycle.view.quotes))  # those of the cycle go on changing
    ledger: Ledger = desk.book.ledger
    return RiskView(
        now=now,
        trading_state=TradingState.ARMED,
        kill_switch_on=False,
        regime=cycle.regime,
        ledger=ledger,
        equity=equity(ledger, cycle.quotes, desk.settings.universe.quote_currencies),
        quotes=dict(cycle.quotes),
        products=desk.memory.catalogue,
        tiers={},
        max_spread_fraction={},
        themes={},
        fees=fees,
        stale=(),
        candle_closes=fresh_closes(
            desk.memory.features, now, desk.settings.policy.circuit_breakers.max_candle_age_seconds
        ),
    )
