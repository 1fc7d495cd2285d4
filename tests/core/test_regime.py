"""The market's weather, at each limit and one step past it."""

import math

import pytest

from core.model.signals import Features, Regime
from core.regime import regime_of
from tests.builders import make_features, make_regime_settings


@pytest.mark.parametrize(
    ("benchmark", "regime"),
    [
        pytest.param(make_features(), Regime.CHOP, id="quiet"),
        pytest.param(make_features(move_24h=0.03), Regime.BULL, id="at the bull limit"),
        pytest.param(make_features(move_24h=0.0299), Regime.CHOP, id="below the bull limit"),
        pytest.param(make_features(move_24h=-0.03), Regime.BEAR, id="at the bear limit"),
        pytest.param(make_features(move_24h=-0.0299), Regime.CHOP, id="above the bear limit"),
        pytest.param(make_features(move_24h=-0.12), Regime.CRASH, id="at the day's crash limit"),
        pytest.param(make_features(move_24h=-0.1199), Regime.BEAR, id="above the day's crash limit"),
        pytest.param(make_features(move_60m=-0.05), Regime.CRASH, id="at the hour's crash limit"),
        pytest.param(make_features(move_60m=-0.0499), Regime.CHOP, id="above the hour's crash limit"),
        pytest.param(make_features(move_24h=0.05, move_60m=-0.05), Regime.CRASH, id="a crash after a good day"),
        pytest.param(None, None, id="no benchmark"),
        pytest.param(make_features(move_24h=math.nan), None, id="day unreadable"),
        pytest.param(make_features(move_60m=math.nan), None, id="hour unreadable"),
    ],
)
def test_the_regime_is(benchmark: Features | None, regime: Regime | None) -> None:
    assert regime_of(benchmark, make_regime_settings()) is regime
