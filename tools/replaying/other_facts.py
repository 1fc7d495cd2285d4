"""The facts of a recorded cycle as other settings would have looked at them: another universe, other windows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from core import universe as core_universe
from core.decision import CandleFacts, Facts
from core.errors import MarketDataUnavailable
from core.model.market import Book, Candle, Product, ProductId, Quote
from core.settings import Settings
from core.universe import Universe
from runner.desk import Desk
from runner.market_watch import MarketWatch
from tools.replaying.capture import Asked


class KnownCandles:
    """Port `MarketData` that has the candles which were read in one cycle, and nothing else."""

    def __init__(self) -> None:
        self.asked = Asked()

    @property
    def venue(self) -> str:
        return "tape"

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        """
        Return what is known of these products since then.

        Raises:
            MarketDataUnavailable: They could not be read then either.
        """
        failed = [self.asked.unread[product_id] for product_id in product_ids if product_id in self.asked.unread]
        if len(failed) == len(product_ids):
            raise MarketDataUnavailable(failed[0])
        return {
            product_id: [candle for candle in self.asked.candles[product_id] if candle.start >= since]
            for product_id in product_ids
            if product_id in self.asked.candles
        }

    def products(self) -> Sequence[Product]:
        raise MarketDataUnavailable("only candles are asked for here")

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:  # noqa: ARG002
        raise MarketDataUnavailable("only candles are asked for here")

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:  # noqa: ARG002
        raise MarketDataUnavailable("only candles are asked for here")


class OtherFacts:
    """
    What one run would have known under other settings, cycle by cycle.

    `unknown` names, by product, what the tape does not have of it.
    """

    def __init__(self, settings: Settings, desk: Desk) -> None:
        """Begin where a run, or a file of its tape, begins."""
        self.universe = desk.memory.universe
        self._settings = settings
        self._bookless: dict[ProductId, None] = {}
        self._known = KnownCandles()
        self._watch = _own_watch(settings, desk.settings, self._known)

    def of(self, facts: Facts, asked: Asked, *, started_at: datetime, refreshed: bool) -> Facts:
        """Return the facts of the next cycle."""
        if refreshed and asked.products is not None:
            self._refresh(asked, asked.products, started_at)
        if self.universe is None or facts.universe is None:
            return facts
        return replace(facts, universe=self.universe, candles=self._candles(self.universe, facts, asked, started_at))

    def unknown(self, product_id: ProductId, facts: Facts, asked: Asked) -> str | None:
        """Name what the tape does not have of a product in this cycle; None when it has all."""
        if product_id in self._bookless:
            return "its book was not read"
        recorded = () if facts.universe is None else facts.universe.eligible
        if product_id not in recorded:
            return "its candles were not read"
        if product_id not in asked.quotes:
            return "its quote was not read"
        return None

    def _refresh(self, asked: Asked, products: Sequence[Product], at: datetime) -> None:
        settings = self._settings.universe
        wanted = core_universe.screen(products, settings)
        self._bookless = {one.product_id: None for one in wanted if one.product_id not in asked.books}
        books = {product_id: book for product_id, book in asked.books.items() if book is not None}
        self.universe = core_universe.refresh(self.universe, products, books, settings, at)

    def _candles(self, universe: Universe, facts: Facts, asked: Asked, at: datetime) -> CandleFacts | None:
        seen, recorded = facts.candles, facts.universe
        if seen is None or recorded is None:
            return None
        if self._watch is not None:
            self._known.asked = asked
            found = self._watch.look(list(universe.eligible), at, lambda: True)
            return CandleFacts(found.features, found.stale, found.warming)
        eligible = universe.eligible
        if eligible.keys() == recorded.eligible.keys():
            return seen
        return CandleFacts(
            {product_id: one for product_id, one in seen.features.items() if product_id in eligible},
            tuple(product_id for product_id in seen.stale if product_id in eligible),
            tuple(one for one in eligible if one in seen.warming or one not in recorded.eligible),
        )


def _own_watch(settings: Settings, recorded: Settings, market: KnownCandles) -> MarketWatch | None:
    """Return a watch of its own where windows or ages are other than the recorded ones; else None."""
    own, then = settings.signals.triggers, recorded.signals.triggers
    windows = ("breakout_lookback_minutes", "momentum_minutes", "mean_reversion_minutes")
    max_age = settings.policy.circuit_breakers.max_candle_age_seconds
    is_same = all(getattr(own, name) == getattr(then, name) for name in windows)
    if is_same and max_age == recorded.policy.circuit_breakers.max_candle_age_seconds:
        return None
    return MarketWatch(market, own, max_age)
