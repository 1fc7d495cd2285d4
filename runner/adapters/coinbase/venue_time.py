"""The exchange's clock against ours (coinbase_api 2.1, 3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.ports import Clock
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.errors import ApiUnavailable
from runner.adapters.coinbase.fields import BadField
from runner.adapters.coinbase.market_questions import GetApi
from runner.adapters.coinbase.routes import TIME

MEASURED_EVERY_SECONDS = 60.0
USABLE_FOR_SECONDS = 300.0
"""When it cannot be measured anew, the last measurement still stands for so long."""

ROUND_TRIP_MAX_SECONDS = 2.0
"""An answer that took longer says too little: the error is up to half of it."""

CLOCKS_AGREE_SECONDS = 0.25
"""Should our wall clock and our monotonic clock drift apart by more, ours was set, or slept: measure anew."""

UNKNOWN_SKEW = timedelta(seconds=5)
"""While the skew is not known, the exchange is taken to be so far behind: nothing is thought closed too early."""

_EARLIEST_MS = 1_500_000_000_000
_LATEST_MS = 10_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measurement:
    skew_seconds: float
    wall: datetime
    monotonic: float


class VenueTime:
    """Measures the skew at most once a minute, when somebody asks for it."""

    def __init__(self, api: GetApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._last: _Measurement | None = None
        self._asked_at: float | None = None
        self.problem = ""

    def skew_seconds(self) -> float | None:
        """Return our clock minus the exchange's; None when it could not be read for too long."""
        if self._is_due():
            self._measure()
        return None if self._last is None else self._last.skew_seconds

    def now(self) -> datetime:
        """Return the exchange's present time, and one that is rather too early when it is not known."""
        skew = self.skew_seconds()
        return self._clock.now() - (UNKNOWN_SKEW if skew is None else timedelta(seconds=skew))

    def answers(self) -> bool:
        """Ask once, now, and tell whether the exchange answered with its time; `problem` says what came instead."""
        return self._measure()

    def _is_due(self) -> bool:
        last, monotonic = self._last, self._clock.monotonic()
        if last is not None:
            elapsed = monotonic - last.monotonic
            if abs((self._clock.now() - last.wall).total_seconds() - elapsed) > CLOCKS_AGREE_SECONDS:
                self._last = None
                return True
            if elapsed >= USABLE_FOR_SECONDS:
                self._last = None
        return self._asked_at is None or monotonic - self._asked_at >= MEASURED_EVERY_SECONDS

    def _measure(self) -> bool:
        """Ask once; return whether the answer was usable. One that was not leaves the last measurement as it is."""
        began = self._clock.monotonic()
        self._asked_at = began
        try:
            answer = fields.row_of(self._api.get(TIME), "answer of /time")
            milliseconds = fields.whole(answer, "epochMillis")
        except (ApiUnavailable, BadField) as problem:
            self.problem = str(problem)
            return False
        wall, ended = self._clock.now(), self._clock.monotonic()
        took = ended - began
        if took > ROUND_TRIP_MAX_SECONDS or not _EARLIEST_MS < milliseconds < _LATEST_MS:
            self.problem = f"{milliseconds} ms after {took:.1f} s"
            return False
        self._asked_at = ended
        self._last = _Measurement(
            skew_seconds=wall.timestamp() - (milliseconds / 1000 + took / 2), wall=wall, monotonic=ended
        )
        return True
