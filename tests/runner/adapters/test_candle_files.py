import gzip
from pathlib import Path

import pytest

from core.errors import ConfigError
from runner.adapters.markets.candle_files import HEADER, CandleFile, decimals_of
from tests.fakes.candle_data import random_candles, write_candles

GOOD = ["60,1.5,2,1,1.25,10", "120,1.25,1.3,1.2,1.3,0"]


def rows_of(path: Path) -> list[float]:
    return [value for chunk in CandleFile(path).chunks() for value in chunk]


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows, ""]), "utf-8")
    return path


def test_rows_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "BTC-USD_1m.csv", GOOD)

    assert rows_of(path) == [60, 1.5, 2, 1, 1.25, 10, 120, 1.25, 1.3, 1.2, 1.3, 0]


@pytest.mark.parametrize("name", ["BTC-USD_1m.csv", "BTC-USD_1m.csv.gz"])
def test_a_long_file_comes_in_pieces_and_whole(tmp_path: Path, name: str) -> None:
    candles = random_candles(5000, missing=range(300, 400))
    path = write_candles(tmp_path / name, candles)

    chunks = list(CandleFile(path).chunks())

    assert len(chunks) > 2
    assert [value for chunk in chunks for value in chunk] == [value for candle in candles for value in candle]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        pytest.param("180,1,2,1", "expected 6 fields, found 4", id="too few fields"),
        pytest.param("180,1,2,1,1,1,1", "expected 6 fields, found 7", id="too many fields"),
        pytest.param("180,1,x,1,1,1", "high is not a number", id="a word"),
        pytest.param("180,1,,1,1,1", "high is not a number", id="an empty field"),
        pytest.param("180,1,nan,1,1,1", "high is not a finite plain number", id="not a number"),
        pytest.param("180,1,inf,1,1,1", "high is not a finite plain number", id="infinite"),
        pytest.param("180,1,1e999,1,1,1", "a number is not finite", id="overflows to infinity"),
        pytest.param("180,1,2_0,1,1,1", "high is not a finite plain number", id="an underscore"),
        pytest.param("180,1,2,0,1,1", "a price is zero or negative", id="zero price"),
        pytest.param("180,1,2,-1,1,1", "a price is zero or negative", id="negative price"),
        pytest.param("180,1,1,2,1,1", "high 1.0 is below low 2.0", id="high below low"),
        pytest.param("180,3,2,1,1,1", "open or close lies outside", id="open above high"),
        pytest.param("180,1,2,1,0.5,1", "open or close lies outside", id="close below low"),
        pytest.param("180,1,2,1,1,-1", "the volume is negative", id="negative volume"),
        pytest.param("120,1,2,1,1,1", "start 120 is there twice", id="duplicate"),
        pytest.param("60,1,2,1,1,1", "rows must ascend", id="unsorted"),
        pytest.param("181,1,2,1,1,1", "not the beginning of a minute", id="off the minute"),
        pytest.param("", "expected 6 fields, found 1", id="an empty line"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: str, says: str) -> None:
    path = write(tmp_path / "BTC-USD_1m.csv", [*GOOD, row, "240,1,2,1,1,1"])

    with pytest.raises(ConfigError, match=says) as caught:
        rows_of(path)

    assert str(caught.value).startswith(f"{path}: line 4: ")


def test_the_line_is_right_in_a_later_piece_too_and_order_is_checked_across_pieces(tmp_path: Path) -> None:
    candles = random_candles(4000)
    pieces = list(CandleFile(write_candles(tmp_path / "BTC-USD_1m.csv", candles)).chunks())
    seam = len(pieces[0]) // 6
    candles[seam] = candles[seam]._replace(start=candles[seam - 1].start)
    path = write_candles(tmp_path / "ETH-USD_1m.csv", candles)

    with pytest.raises(ConfigError, match=f"line {seam + 2}: start .* is there twice"):
        rows_of(path)


def test_line_ends_of_another_system_and_a_missing_last_one_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "BTC-USD_1m.csv"
    path.write_bytes("\r\n".join([HEADER, *GOOD]).encode())

    assert rows_of(path)[-6:] == [120, 1.25, 1.3, 1.2, 1.3, 0]


def test_a_line_without_end_is_an_error_and_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "BTC-USD_1m.csv"
    path.write_bytes(f"{HEADER}\n{GOOD[0]}\n".encode() + b"1" * 300_000)

    with pytest.raises(ConfigError, match="line 3: expected 6 fields, found 1"):
        rows_of(path)


def test_two_rows_that_share_out_their_fields_wrongly_are_not_taken_for_good(tmp_path: Path) -> None:
    path = write(tmp_path / "BTC-USD_1m.csv", ["60,1,2,1,1", "1,120,1,2,1,1,1"])

    with pytest.raises(ConfigError, match="line 2: expected 6 fields, found 5"):
        rows_of(path)


@pytest.mark.parametrize("header", ["", "time,open,high,low,close,volume", HEADER + ",x", "60,1,2,1,1,1"])
def test_a_wrong_header_is_refused(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "BTC-USD_1m.csv", GOOD, header)

    with pytest.raises(ConfigError, match="line 1: the header must be"):
        CandleFile(path)


def test_what_is_not_gzip_or_is_cut_off_is_an_error_and_not_an_end(tmp_path: Path) -> None:
    not_gzip = tmp_path / "BTC-USD_1m.csv.gz"
    not_gzip.write_text(HEADER, "utf-8")
    whole = write_candles(tmp_path / "ETH-USD_1m.csv.gz", random_candles(3000))
    cut = tmp_path / "SOL-USD_1m.csv.gz"
    cut.write_bytes(whole.read_bytes()[:-5000])

    with pytest.raises(ConfigError, match="cannot be read"):
        CandleFile(not_gzip)
    with pytest.raises(ConfigError, match="cannot be read on from here"):
        rows_of(cut)
    with pytest.raises(ConfigError, match="cannot be read"):
        CandleFile(tmp_path / "nothing.csv")


def test_damage_inside_compressed_data_is_an_error(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "ETH-USD_1m.csv.gz", random_candles(3000))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))

    with pytest.raises(ConfigError, match=str(path)):
        rows_of(path)


def test_decimals_are_those_of_the_first_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "BTC-USD_1m.csv.gz"
    rows = ["60,1.50,2.125,1,1.25,10.5", "120,1.25,1.3,1.2,1.3,6.4e-05", "180,1.12345,2,1,1,1.123456789"]
    path.write_bytes(gzip.compress("\n".join([HEADER, *rows]).encode()))

    assert decimals_of(path, 2) == (3, 6)
    assert decimals_of(path, 3) == (5, 9)
