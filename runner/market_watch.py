"""The market as the loop watches it: one rolling window per product, fed with closed candles only."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.indicators import ProductWindow
from core.model.market import MINUTE_SECONDS, Candle, ProductId
from core.model.signals import Features
from core.ports import MarketData
from core.settings import TriggerSettings

HISTORY_MINUTES = 1500
"""A newcomer is asked for a day and an hour: quiet minutes at the far end have no candle."""

OVERLAP_MINUTES = 60
"""A quiet product is asked again for this much, so that a late candle is not lost."""

_CANDLE = struct.Struct("<q5d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What one look at the candles gave.

    `features` of every product that is warm and fresh; `stale` products have no candle younger than the limit;
    `warming` ones have less than a day of history. `digest` is the SHA-256 state of the candles that were new.
    """

    features: Mapping[ProductId, Features]
    stale: tuple[ProductId, ...]
    warming: tuple[ProductId, ...]
    digest: bytes


class MarketWatch:
    """Keep a window per watched product and say what each one shows."""

    def __init__(self, market: MarketData, settings: TriggerSettings, max_candle_age_seconds: int) -> None:
        self._market = market
        self._settings = settings
        self._max_age_seconds = max_candle_age_seconds
        self._windows: dict[ProductId, ProductWindow] = {}

    def look(self, product_ids: Sequence[ProductId], now: datetime) -> Seen:
        """
        Fetch what is new for these products and describe them; the windows of all others are dropped.

        Raises:
            MarketDataUnavailable: The candles could not be read.
        """
        epoch = int(now.timestamp())
        digest = hashlib.sha256()
        for asked, since in self._questions(product_ids, epoch):
            answer = self._market.candles(asked, since)
            for product_id in asked:
                self._push(product_id, answer.get(product_id, ()), digest.update)
        self._windows = {product_id: self._windows[product_id] for product_id in product_ids}
        return self._describe(epoch, digest.digest())

    def _questions(self, product_ids: Iterable[ProductId], epoch: int) -> list[tuple[list[ProductId], int]]:
        """
        Say what to ask: each newcomer for all of its history, the others together for what is new.

        One newcomer at a time: a day of sixty products at once would be the largest thing in memory.
        """
        oldest = epoch - HISTORY_MINUTES * MINUTE_SECONDS
        recent = epoch - OVERLAP_MINUTES * MINUTE_SECONDS
        questions: list[tuple[list[ProductId], int]] = []
        known, since = [], epoch
        for product_id in product_ids:
            window = self._windows.get(product_id)
            last_start = None if window is None else window.last_start
            if last_start is None or last_start < recent:
                questions.append(([product_id], oldest))
            else:
                known.append(product_id)
                since = min(since, last_start + MINUTE_SECONDS)
        return [*questions, (known, since)] if known else questions

    def _push(self, product_id: ProductId, candles: Sequence[Candle], note: Callable[[bytes], None]) -> None:
        window = self._windows.get(product_id)
        if window is None:
            window = self._windows[product_id] = ProductWindow(self._settings)
        for candle in candles:
            if window.push(candle):
                note(_CANDLE.pack(*candle))

    def _describe(self, epoch: int, digest: bytes) -> Seen:
        features: dict[ProductId, Features] = {}
        stale, warming = [], []
        youngest_allowed = epoch - self._max_age_seconds - MINUTE_SECONDS
        for product_id, window in self._windows.items():
            if window.last_start is None or window.last_start < youngest_allowed:
                stale.append(product_id)
                continue
            described = window.features()
            if described is None:
                warming.append(product_id)
            else:
                features[product_id] = described
        return Seen(features=features, stale=tuple(stale), warming=tuple(warming), digest=digest)
