"""
Every single bit, deletion, swap of neighbours and insertion in a 1,000-line log, by hand:
`python -m tests.benchmarks.bench_damage [RECORDS]`. Prints n of n, and ends with 1 if anything was not detected.
"""

import sys
from collections.abc import Callable

from tests.record_damage import SPACING, anchor_of, flips, is_detected, make_log


def main() -> int:
    lines = make_log(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    count, length = len(lines), max(map(len, lines))
    tried = detected = 0
    for offset in range(length):
        for bit in range(8):
            for first in range(SPACING):
                made, seen = flips(lines, offset, bit, first)
                tried, detected = tried + made, detected + seen
    whole = sum(map(len, lines)) * 8
    print(f"flipped bits: {detected} of {tried} detected ({whole} bits in the log)")
    results = [tried == whole == detected]
    kept = [anchor_of(lines)]
    edits: dict[str, tuple[range, Callable[[int], list[bytes]]]] = {
        "deleted lines": (range(count - 1), lambda n: lines[:n] + lines[n + 1 :]),
        "swapped neighbours": (range(count - 1), lambda n: [*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]]),
        "lines inserted twice": (range(count), lambda n: [*lines[: n + 1], *lines[n:]]),
        "first line inserted": (range(1, count), lambda n: [*lines[:n], lines[0], *lines[n:]]),
    }
    for name, (places, edit) in edits.items():
        seen = sum(is_detected(edit(place)) for place in places)
        print(f"{name}: {seen} of {len(places)} detected")
        results.append(seen == len(places))
    seen = sum(is_detected(lines[:size], kept) for size in range(count))
    print(f"cut ends: {seen} of {count} detected by an anchor over all {count}")
    results.append(seen == count)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
