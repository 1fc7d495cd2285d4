"""
The same market and seed, plugged in at the port and behind Coinbase's protocol: the same decisions and fills.

It is what lets replays and long rehearsals leave the bytes out (design 7).
"""

from pathlib import Path

import pytest

from tests.loopback.three_ways import Play, Played, Way, decisions, fills, money, orders, play

CYCLES = 140
SEED = 9
"""Entries in pieces, guards that fill, exits: all within these cycles."""


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> dict[Way, Played]:
    """PAPER at the port and LIVE on the protocol; no moment differs between them."""
    folder = tmp_path_factory.mktemp("agree")
    plan = Play(seed=SEED, cycles=CYCLES, products=6, is_timeless=True)
    return {way: play(way, plan, folder / way.name) for way in (Way.PORT, Way.LIVE)}


def test_the_run_that_is_compared_trades_in_every_way(traded: dict[Way, Played]) -> None:
    purposes = [purpose for _, _, purpose in fills(traded[Way.PORT])]

    assert purposes.count("entry") >= 5
    assert "protection" in purposes
    assert "exit" in purposes
    assert any(filled.pieces > 1 for filled in fills(traded[Way.PORT]).values())


def test_live_on_the_protocol_decides_as_paper_at_the_port(traded: dict[Way, Played]) -> None:
    port, live = (decisions(traded[way]) for way in (Way.PORT, Way.LIVE))

    assert len(port) == CYCLES
    assert live == port


def test_live_on_the_protocol_sends_and_fills_as_paper_at_the_port(traded: dict[Way, Played]) -> None:
    port, live = traded[Way.PORT], traded[Way.LIVE]

    assert orders(live) == orders(port)
    assert fills(live) == fills(port)
    assert money(live) == money(port)


def test_paper_on_the_public_protocol_differs_in_nothing_but_its_view_of_single_trades(tmp_path: Path) -> None:
    """Resting orders fill from trades, which the public sees in pieces; without such fills nothing is left."""
    plan = Play(
        seed=SEED,
        cycles=CYCLES,
        products=6,
        is_timeless=True,
        changes={"app.market_model.maker_fill_share_pct": 0},
    )

    port, public = (play(way, plan, tmp_path / way.name) for way in (Way.PORT, Way.PUBLIC))

    assert len(fills(port)) >= 10
    assert decisions(public) == decisions(port)
    assert (orders(public), fills(public), money(public)) == (orders(port), fills(port), money(port))


def test_at_the_shipped_limits_each_cycle_still_sees_the_candle_that_has_just_closed(tmp_path: Path) -> None:
    """Waiting for a token and for a candle moves quotes, and nothing that is decided on candles."""
    plan = Play(seed=7, cycles=45, products=7, is_timeless=False)

    port, public = (decisions(play(way, plan, tmp_path / way.name)) for way in (Way.PORT, Way.PUBLIC))

    assert [seen["triggers"] for seen in public.values()] == [seen["triggers"] for seen in port.values()]
