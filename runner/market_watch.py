"""The market as the loop watches it: one rolling window per product, fed with closed candles only."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import MarketDataUnavailable
from core.indicators import ProductWindow
from core.model.market import MINUTE_SECONDS, Candle, ProductId
from core.model.signals import Features
from core.ports import MarketData
from core.settings import TriggerSettings

HISTORY_MINUTES = 1495
"""
A newcomer is asked for nearly an hour more than a day: quiet minutes at the far end have no candle.

That is five pages of Coinbase's candles; another minute would be a sixth.
"""

RECENT_MINUTES = 60
"""A product whose last candle is older is asked for by itself, when there is time: its answer may be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What one look at the candles gave.

    `features` of every product that is warm and fresh; `stale` products have no candle younger than the limit;
    `warming` ones have less than a day of history, or were not asked for yet.
    """

    features: Mapping[ProductId, Features]
    stale: tuple[ProductId, ...]
    warming: tuple[ProductId, ...]


Question = tuple[list[ProductId], int]
"""Products, and since when (epoch seconds) their candles are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Who was read, who failed, and how the last failure was; who was not asked for is in neither list."""

    read: list[ProductId]
    failed: list[ProductId]
    failure: MarketDataUnavailable | None


class MarketWatch:
    """Keep a window per watched product and say what each one shows."""

    def __init__(self, market: MarketData, settings: TriggerSettings, max_candle_age_seconds: int) -> None:
        self._market = market
        self._settings = settings
        self._max_age_seconds = max_candle_age_seconds
        self._windows: dict[ProductId, ProductWindow] = {}
        self._put_off: frozenset[ProductId] = frozenset()

    def look(self, product_ids: Sequence[ProductId], now: datetime, has_time: Callable[[], bool]) -> Seen:
        """
        Fetch what is new for these products and describe them; the windows of all others are dropped.

        Products that are known come first. After that, one history after the other is asked for while `has_time`; what
        was not asked for waits for the next look. A history that cannot be read costs its product only.

        A candle is taken as it is first seen. One that comes late is still taken as long as no later one was: until
        then its minute is asked for again. After that its minute counts as quiet, and a correction is not seen.

        Raises:
            MarketDataUnavailable: Of what is known, or of all that was asked for, nothing could be read.
        """
        epoch = int(now.timestamp())
        together, alone = self._questions(product_ids, epoch)
        known = self._ask(together, lambda: True)
        if known.failure is not None and not known.read:
            raise known.failure
        others = self._ask(alone, has_time)
        self._put_off = self._put_off.union(others.failed).difference(others.read).intersection(product_ids)
        if others.failure is not None and not (known.read or others.read):
            raise others.failure
        windows = self._windows
        self._windows = {product_id: windows[product_id] for product_id in product_ids if product_id in windows}
        return self._describe(product_ids, epoch)

    def _questions(self, product_ids: Iterable[ProductId], epoch: int) -> tuple[list[Question], list[Question]]:
        """
        Say what to ask: known products together, by the minute that they wait for; all others one by one.

        A day of sixty products at once would be the largest thing in memory. Who failed and was not read since comes
        last: a few that never answer must not use up the time of all others.
        """
        oldest = epoch - HISTORY_MINUTES * MINUTE_SECONDS
        recent = epoch - RECENT_MINUTES * MINUTE_SECONDS
        together: dict[int, list[ProductId]] = {}
        alone: list[Question] = []
        for product_id in product_ids:
            window = self._windows.get(product_id)
            last_start = None if window is None else window.last_start
            if last_start is None:
                alone.append(([product_id], oldest))
            elif last_start < recent:
                alone.append(([product_id], max(oldest, last_start + MINUTE_SECONDS)))
            else:
                together.setdefault(last_start + MINUTE_SECONDS, []).append(product_id)
        alone.sort(key=lambda question: question[0][0] in self._put_off)
        return [(asked, since) for since, asked in together.items()], alone

    def _ask(self, questions: Iterable[Question], has_time: Callable[[], bool]) -> _Asked:
        read: list[ProductId] = []
        failed: list[ProductId] = []
        failure = None
        for asked, since in questions:
            if not has_time():
                break
            try:
                answer = self._market.candles(asked, since)
            except MarketDataUnavailable as error:
                failed += asked
                failure = error
                continue
            read += asked
            for product_id in asked:
                self._push(product_id, answer.get(product_id, ()))
        return _Asked(read=read, failed=failed, failure=failure)

    def _push(self, product_id: ProductId, candles: Sequence[Candle]) -> None:
        window = self._windows.get(product_id)
        if window is None:
            window = self._windows[product_id] = ProductWindow(self._settings)
        for candle in candles:
            window.push(candle)

    def _describe(self, product_ids: Sequence[ProductId], epoch: int) -> Seen:
        features: dict[ProductId, Features] = {}
        stale, warming = [], []
        youngest_allowed = epoch - self._max_age_seconds - MINUTE_SECONDS
        for product_id in product_ids:
            window = self._windows.get(product_id)
            if window is None:
                warming.append(product_id)
                continue
            if window.last_start is None or window.last_start < youngest_allowed:
                stale.append(product_id)
                continue
            described = window.features()
            if described is None:
                warming.append(product_id)
            else:
                features[product_id] = described
        return Seen(features=features, stale=tuple(stale), warming=tuple(warming))
