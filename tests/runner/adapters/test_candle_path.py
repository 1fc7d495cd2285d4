import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import Candle
from runner.adapters.markets.candle_path import extremes, price_at, seconds_above, seconds_below

UP = Candle(0, 100.0, 106.0, 97.0, 103.0, 60.0)
DOWN = Candle(0, 103.0, 106.0, 97.0, 100.0, 60.0)


@st.composite
def candles(draw: st.DrawFn) -> Candle:
    low, opened, close, high = sorted(draw(st.lists(st.integers(1, 50), min_size=4, max_size=4)))
    opened, close = draw(st.permutations([opened, close]))
    return Candle(0, float(opened), float(high), float(low), float(close), 1.0)


@pytest.mark.parametrize(
    ("candle", "second", "price"),
    [
        pytest.param(UP, 0, 100.0, id="a minute begins at its open"),
        pytest.param(UP, 20, 97.0, id="an up candle dips first"),
        pytest.param(UP, 40, 106.0, id="then makes its high"),
        pytest.param(UP, 60, 103.0, id="and ends at its close"),
        pytest.param(UP, 10, 98.5, id="in a straight line"),
        pytest.param(DOWN, 20, 106.0, id="a down candle rises first"),
        pytest.param(DOWN, 40, 97.0, id="then makes its low"),
    ],
)
def test_the_path_of_a_minute(candle: Candle, second: float, price: float) -> None:
    assert price_at(candle, second) == pytest.approx(price)


def test_a_price_that_is_touched_is_not_traded_through() -> None:
    flat = Candle(0, 100.0, 100.0, 100.0, 100.0, 60.0)

    assert seconds_below(flat, 100.0, 0, 60) == 0
    assert seconds_above(flat, 100.0, 0, 60) == 0
    assert seconds_below(flat, 100.01, 0, 60) == 60
    assert seconds_above(flat, 99.99, 0, 60) == 60


@given(
    candle=candles(),
    price=st.integers(0, 51).map(lambda number: number + 0.5),
    begin=st.integers(0, 59),
    length=st.integers(1, 60),
)
def test_the_seconds_beyond_a_price_are_those_that_the_path_spends_there(
    candle: Candle, price: float, begin: int, length: int
) -> None:
    end = min(begin + length, 60)
    steps = 400 * (end - begin)
    samples = [price_at(candle, begin + (i + 0.5) / 400) for i in range(steps)]

    below = seconds_below(candle, price, begin, end)
    above = seconds_above(candle, price, begin, end)

    assert below == pytest.approx(sum(sample < price for sample in samples) / 400, abs=0.02)
    assert above == pytest.approx(sum(sample > price for sample in samples) / 400, abs=0.02)


@given(candle=candles(), second=st.floats(0, 60))
def test_the_path_stays_between_low_and_high(candle: Candle, second: float) -> None:
    assert candle.low - 1e-9 <= price_at(candle, second) <= candle.high + 1e-9


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        pytest.param(0, 60, (97.0, 106.0), id="the whole minute: low and high"),
        pytest.param(0, 10, (98.5, 100.0), id="on the way to the low"),
        pytest.param(10, 30, (97.0, 101.5), id="around the low"),
        pytest.param(20, 40, (97.0, 106.0), id="from turn to turn"),
        pytest.param(41, 60, (103.0, 105.85), id="after the high"),
        pytest.param(30, 30, (101.5, 101.5), id="a moment"),
    ],
)
def test_the_extremes_of_a_part_of_the_minute(begin: float, end: float, expected: tuple[float, float]) -> None:
    assert extremes(UP, begin, end) == pytest.approx(expected)


@given(candle=candles(), begin=st.floats(0, 60), length=st.floats(0, 60), share=st.floats(0, 1))
def test_the_path_stays_between_the_extremes_of_its_part(
    candle: Candle, begin: float, length: float, share: float
) -> None:
    end = min(begin + length, 60)

    low, high = extremes(candle, begin, end)

    assert low - 1e-9 <= price_at(candle, begin + (end - begin) * share) <= high + 1e-9
