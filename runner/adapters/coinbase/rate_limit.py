"""How often we may ask: a token bucket per channel, a reserve that is for cancels, and a pause after a 429."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

RESERVE_SHARE = 0.2
PAUSE_SECONDS = 1.0
PAUSE_SECONDS_MAX = 30.0
ROUNDING = 1e-6
"""Of a token: waits are whole microseconds, and a millionth of a token is no reason for another."""


class Channel(Enum):
    """What Coinbase counts separately: public calls by address, private ones by user."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(slots=True, kw_only=True)
class _Bucket:
    """`tokens` may grow to one second's worth on top of the reserve; `lowest` since the last reading of the metric."""

    per_second: int
    reserve: float
    tokens: float
    lowest: float
    filled_at: float
    paused_until: float
    refusals_in_a_row: int

    @property
    def capacity(self) -> float:
        return self.per_second + self.reserve


class RateLimiter:
    """
    Says how long a call has to wait for its turn; the caller waits.

    Over any span of t seconds a channel lets through at most (t + 1) x its rate, plus its reserve.
    """

    def __init__(
        self, per_second: Mapping[Channel, int], monotonic: Callable[[], float], draw: Callable[[], float]
    ) -> None:
        """`draw` gives numbers in [0, 1) for the jitter of pauses; seeded, it makes them repeatable."""
        self._monotonic = monotonic
        self._draw = draw
        self._buckets = {channel: _full(rate, channel, monotonic()) for channel, rate in per_second.items()}

    def seconds_to_wait(self, channel: Channel, *, is_cancel: bool) -> float:
        """Return 0.0 when a token may be taken now. A cancel passes by a pause and may use the reserve."""
        bucket = self._filled(channel)
        kept = 0.0 if is_cancel else bucket.reserve
        missing = 1.0 + kept - bucket.tokens
        for_token = missing / bucket.per_second if missing > ROUNDING else 0.0
        return for_token if is_cancel else max(for_token, bucket.paused_until - self._monotonic())

    def take(self, channel: Channel) -> None:
        """Use the token that `seconds_to_wait` said is there."""
        bucket = self._filled(channel)
        bucket.tokens = max(0.0, bucket.tokens - 1.0)
        bucket.lowest = min(bucket.lowest, bucket.tokens)

    def answered(self, channel: Channel, status: int, retry_after_seconds: float = 0.0) -> None:
        """Learn from an answer: a 429 pauses the channel, longer each time in a row; any other ends the row."""
        bucket = self._filled(channel)
        if status != 429:
            bucket.refusals_in_a_row = 0
            return
        doubled = PAUSE_SECONDS * 2.0 ** min(bucket.refusals_in_a_row, 10)
        jittered = min(doubled, PAUSE_SECONDS_MAX) * (0.5 + 0.5 * self._draw())
        pause = max(jittered, min(retry_after_seconds, PAUSE_SECONDS_MAX))
        bucket.refusals_in_a_row += 1
        bucket.paused_until = max(bucket.paused_until, self._monotonic() + pause)
        bucket.lowest = min(bucket.lowest, bucket.reserve)

    def utilization(self) -> Mapping[Channel, float]:
        """Return the share (0 to 1) of each channel's burst that was in use at its busiest since the last reading."""
        shares = {}
        for channel, bucket in self._buckets.items():
            self._filled(channel)
            paused = bucket.paused_until > self._monotonic()
            shares[channel] = 1.0 if paused else min(1.0, (bucket.capacity - bucket.lowest) / bucket.per_second)
            bucket.lowest = bucket.tokens
        return shares

    def _filled(self, channel: Channel) -> _Bucket:
        bucket = self._buckets[channel]
        now = self._monotonic()
        bucket.tokens = min(bucket.capacity, bucket.tokens + (now - bucket.filled_at) * bucket.per_second)
        bucket.filled_at = now
        return bucket


def _full(rate: int, channel: Channel, now: float) -> _Bucket:
    reserve = float(max(1, round(rate * RESERVE_SHARE))) if channel is Channel.PRIVATE else 0.0
    return _Bucket(
        per_second=rate,
        reserve=reserve,
        tokens=rate + reserve,
        lowest=rate + reserve,
        filled_at=now,
        paused_until=now,
        refusals_in_a_row=0,
    )
