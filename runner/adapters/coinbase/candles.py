"""
One-minute candles (coinbase_api 2.4).

The venue sends them as texts, newest first, without the minutes in which nothing traded, and with the open minute at
the end; nothing marks it as open. Only minutes that had ended by the venue's own time are kept.

A page asks from its first bucket to 299 buckets later. Should the venue count both ends, that is 300; should it leave
out the last, the next page begins with it. So nothing is lost between pages, and 300 is never exceeded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.indicators import PRICE_MAX, PRICE_MIN, VOLUME_MAX
from core.model.market import MINUTE_SECONDS, Candle, ProductId
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField, Row
from runner.adapters.coinbase.market_questions import MarketQuestions

PAGE_BUCKETS = 299
PAGES_MAX = 10


class Bucket(NamedTuple):
    """A length of candles: in the API's word, and in seconds."""

    word: str
    seconds: int


MINUTE = Bucket("ONE_MINUTE", MINUTE_SECONDS)
HOUR = Bucket("ONE_HOUR", 60 * MINUTE_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandlePage:
    """The usable candles by their start, and what was wrong with the first row that was not usable (or "")."""

    by_start: dict[int, Candle]
    skipped: int
    first_reason: str


def read_candles(
    questions: MarketQuestions, product_id: ProductId, bucket: Bucket, first: int, end: int
) -> tuple[Sequence[Candle], str]:
    """
    Read the candles with `first <= start < end` (epoch seconds, on the bucket's grid), oldest first.

    The text says what was left out, "" when nothing was. One page is asked even if `end` is not after `first`: only
    the answer says whether there is such a product.

    Raises:
        ApiUnavailable: Also when there is no such product (`status` 404).
        BadField: A page is not readable, or the span is too long.
    """
    page_seconds = PAGE_BUCKETS * bucket.seconds
    pages = max(1, -(-(end - first) // page_seconds))
    if pages > PAGES_MAX:
        raise BadField("start", f"at most {PAGES_MAX * PAGE_BUCKETS} candles", first)
    by_start: dict[int, Candle] = {}
    skipped, reason = 0, ""
    for start in range(first, first + pages * page_seconds, page_seconds):
        stop = max(min(start + page_seconds, end), start + bucket.seconds)
        params = [("start", str(start)), ("end", str(stop)), ("granularity", bucket.word)]
        page = candles_of(questions.ask(f"/products/{product_id}/candles", params), first, end)
        by_start.update(page.by_start)
        skipped += page.skipped
        reason = reason or page.first_reason
    ordered = [by_start[start] for start in sorted(by_start)]
    return ordered, f"{skipped} candles left out: {reason}" if skipped else ""


def bucket_for(seconds: int) -> Bucket:
    """Return the shortest bucket in which a span of so many seconds can be read."""
    return MINUTE if seconds <= (PAGES_MAX - 1) * PAGE_BUCKETS * MINUTE.seconds else HOUR


def candles_of(answer: Row, first: int, end: int) -> CandlePage:
    """
    Read one page; rows outside `[first, end)` are ignored, unusable ones skipped.

    Of two rows for one minute the one with more volume stays: a minute only grows.

    Raises:
        BadField: There is no list, or there are rows and not one of them is a candle.
    """
    by_start: dict[int, Candle] = {}
    skipped, readable, reason = 0, 0, ""
    for item in fields.items(answer, "candles"):
        try:
            candle = candle_of(fields.row_of(item, "candle"))
        except BadField as bad:
            skipped += 1
            reason = reason or str(bad)
            continue
        readable += 1
        before = by_start.get(candle.start)
        if first <= candle.start < end and (before is None or candle.volume > before.volume):
            by_start[candle.start] = candle
    if skipped and not readable:
        raise BadField("candles", "a usable row", reason)
    return CandlePage(by_start=by_start, skipped=skipped, first_reason=reason)


def candle_of(item: Row) -> Candle:
    """
    Read one row.

    Raises:
        BadField: A field is missing or no number, off the minute, or the prices contradict each other.
    """
    start = fields.whole(item, "start")
    if start < 0 or start % MINUTE_SECONDS:
        raise BadField("start", "a whole minute", start)
    low, high = float(fields.decimal(item, "low")), float(fields.decimal(item, "high"))
    opened, close = float(fields.decimal(item, "open")), float(fields.decimal(item, "close"))
    volume = float(fields.decimal(item, "volume"))
    if not PRICE_MIN <= low <= high <= PRICE_MAX:
        raise BadField("low", "a price not above `high`", f"{low} / {high}")
    if not (low <= opened <= high and low <= close <= high):
        raise BadField("open", "open and close between low and high", f"{opened} / {close} in {low} / {high}")
    if not 0.0 <= volume <= VOLUME_MAX:
        raise BadField("volume", "a volume", volume)
    return Candle(start, opened, high, low, close, volume)
