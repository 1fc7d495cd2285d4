"""
Every damage to a 1,000-line log is detected: a seeded sample of the bits, every deletion and swap of neighbours.

All bits, by hand: `python -m tests.benchmarks.bench_damage`.
"""

import random

import pytest

from runner.records.chain import START, Place, follow, seal
from tests.record_damage import SPACING, anchor_of, findings_in, flips, is_detected, make_log

RECORDS = 1000
PASSES = 80


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return make_log(RECORDS)


def test_an_undamaged_log_is_right(lines: list[bytes]) -> None:
    assert not is_detected(lines)


def test_flipped_bits_are_detected(lines: list[bytes]) -> None:
    rng = random.Random(7)  # noqa: S311
    length = max(map(len, lines))
    passes = [(rng.randrange(length), rng.randrange(8), rng.randrange(SPACING)) for _ in range(PASSES)]
    passes += [(place, bit, 0) for place in (0, length - 77, length - 2, length - 1) for bit in range(8)]

    tried = detected = 0
    for offset, bit, first in passes:
        made, seen = flips(lines, offset, bit, first)
        tried, detected = tried + made, detected + seen

    print(f"{detected} of {tried} flipped bits detected")
    assert detected == tried > 20_000


@pytest.mark.parametrize("place", [0, 1, 500, RECORDS - 2])
def test_a_single_flip_is_reported_where_it_is(lines: list[bytes], place: int) -> None:
    damaged = list(lines)
    damaged[place] = damaged[place].replace(b'{"n":', b'{"m":')

    found = findings_in(damaged)

    assert [(finding.line, finding.seq, finding.code) for finding in found.shown] == [(place + 1, place + 1, "hash")]


def test_every_bit_of_the_last_line_is_detected() -> None:
    """Its newline, too: what is being written is never longer than the beginning of a record."""
    first, last = make_log(2)
    for place in range(len(last)):
        for bit in range(8):
            damaged = last[:place] + bytes([last[place] ^ 1 << bit]) + last[place + 1 :]
            assert is_detected([first, damaged]), (place, bit)


def test_every_deleted_line_is_detected(lines: list[bytes]) -> None:
    """But the last: a cut end is what anchors are for."""
    detected = sum(is_detected(lines[:place] + lines[place + 1 :]) for place in range(0, RECORDS - 1, 9))

    assert detected == len(range(0, RECORDS - 1, 9))


def test_swapped_lines_are_detected(lines: list[bytes]) -> None:
    rng = random.Random(8)  # noqa: S311
    pairs = [(place, place + 1) for place in (0, 1, 500, RECORDS - 2)]
    pairs += [tuple(sorted(rng.sample(range(RECORDS), 2))) for _ in range(60)]  # type: ignore[misc]

    for one, other in pairs:
        swapped = list(lines)
        swapped[one], swapped[other] = swapped[other], swapped[one]
        assert is_detected(swapped), (one, other)


def test_inserted_lines_are_detected(lines: list[bytes]) -> None:
    """A line twice, one from elsewhere, an empty one, and one that is forged to fit what is before it."""
    rng = random.Random(9)  # noqa: S311
    for place in [1, 2, RECORDS - 1, *(rng.randrange(1, RECORDS) for _ in range(30))]:
        forged, _ = seal({"n": "forged"}, after(lines[:place]))
        for inserted in (lines[place - 1], lines[place], lines[-1], lines[0], b"\n", b"{}\n", forged):
            assert is_detected([*lines[:place], inserted, *lines[place:]]), (place, inserted)


def test_a_cut_end_is_detected_back_to_the_last_anchor(lines: list[bytes]) -> None:
    kept = [anchor_of(lines[:size]) for size in (300, 600, 900)]

    for size in (0, 1, 299, 300, 301, 599, 600, 899):
        found = findings_in(lines[:size], kept)
        assert found.count == sum(1 for item in kept if item.anchor.size > size), size
    assert findings_in(lines[:900], kept).count == 0  # nobody kept anything of what came after


def test_a_log_that_is_sealed_anew_from_some_line_on_is_detected_by_an_anchor(lines: list[bytes]) -> None:
    kept = [anchor_of(lines[:600])]
    for place in (1, 300, 599):
        rest = make_other_end(lines, place)
        assert not is_detected([*lines[:place], *rest])
        assert is_detected([*lines[:place], *rest], kept)


def make_other_end(lines: list[bytes], place: int) -> list[bytes]:
    at, rest = after(lines[:place]), []
    for number in range(place, RECORDS):
        line, at = seal({"n": -number}, at)
        rest.append(line)
    return rest


def after(lines: list[bytes]) -> Place:
    place = START
    for line in lines:
        found = follow(line, place)
        assert found is not None
        place = found
    return place
