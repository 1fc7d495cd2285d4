"""A Coinbase market on a scripted API and a virtual clock."""

from datetime import timedelta

from runner.adapters.coinbase.coinbase_market import CoinbaseMarket
from runner.adapters.coinbase.cycle_time import CycleTime
from runner.adapters.coinbase.venue_time import VenueTime
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import NOON
from tests.fakes.scripted_api import ScriptedApi, time_answer


class Stage:
    """The clock shows half a minute past noon. `ahead_seconds`: of the exchange's clock, so much is ours."""

    def __init__(
        self,
        *,
        is_signed: bool = False,
        settle_seconds: float = 0,
        ahead_seconds: float | None = 0,
    ) -> None:
        self.clock = VirtualClock(NOON + timedelta(seconds=30))
        self.api = ScriptedApi(is_signed=is_signed)
        self.notes: list[str] = []
        if ahead_seconds is not None:
            ahead = timedelta(seconds=ahead_seconds)
            self.api.say("/time", lambda _: time_answer(self.clock.now() - ahead))
        self.cycle_time = CycleTime(self.clock.monotonic)
        self.market = CoinbaseMarket(
            self.api,
            self.clock,
            VenueTime(self.api, self.clock),
            venue="coinbase",
            cycle_time=self.cycle_time,
            settle_seconds=settle_seconds,
            note=self.notes.append,
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.wait_until(self.clock.now() + timedelta(seconds=seconds), lambda: True)
