"""A recording played as if it were now: prices and volumes of then, times of now, and an exchange that trades on it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.model.orders import Side
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.adapters.simulated_coinbase.shifted_market import ShiftedMarket
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import BTC, NOON
from tests.fakes.scripted_market import ScriptedMarket
from tests.runner.adapters.simulated_coinbase.venue_desk import FEES, KEY, VenueDesk

SPAN = timedelta(days=300, minutes=7)
NOW = NOON + SPAN


def test_everything_that_has_a_time_is_later_by_the_span_and_nothing_else_changes() -> None:
    then = VirtualClock(NOON)
    recorded = ScriptedMarket(then.now)
    recorded.add(BTC)
    shifted = ShiftedMarket(recorded, SPAN)
    then.jump(timedelta(seconds=30))
    seconds = int(NOW.timestamp())

    candle = shifted.candles([BTC], seconds - 60)[BTC][0]
    quote = shifted.quotes([BTC])[BTC]

    assert candle == recorded.candles([BTC], int(NOON.timestamp()) - 60)[BTC][0]._replace(start=seconds - 60)
    assert (quote.at, quote.bid) == (NOW + timedelta(seconds=30), Decimal("99.95"))
    assert shifted.books([BTC])[BTC] == shifted.book(BTC)
    assert shifted.volume_through(BTC, Side.BUY, Decimal(101), NOW, NOW + timedelta(seconds=30)) == 300
    assert shifted.traded_range(BTC, NOW, NOW + timedelta(seconds=30)) is not None
    assert shifted.last_trade(BTC) == recorded.last_trade(BTC)


def test_an_exchange_on_a_shifted_market_trades_at_the_present_time() -> None:
    then, now = VirtualClock(NOON), VirtualClock(NOW)
    recorded = ScriptedMarket(then.now)
    recorded.add(BTC)
    exchange = open_exchange(
        market=ShiftedMarket(recorded, SPAN),
        now=now.now,
        balances={"USD": Decimal(1000)},
        fee_rates=FEES,
        maker_fill_share=Decimal("0.1"),
        keys=[KEY.api_key],
    )
    venue = VenueDesk(clock=now, market=recorded, exchange=exchange)

    order_id = venue.take()

    assert venue.order(order_id)["status"] == "FILLED"
    assert venue.order(order_id)["created_time"].startswith("2026-11-01T12:07:00")


def test_a_span_of_broken_minutes_is_refused() -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        ShiftedMarket(ScriptedMarket(VirtualClock(NOON).now), timedelta(seconds=61))
