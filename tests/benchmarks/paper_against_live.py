"""
How far PAPER is from LIVE, by hand: `python -m tests.benchmarks.paper_against_live [--cycles 1440]`. A few minutes.

The same market and seed in three ways (tests/loopback/three_ways.py), in virtual time, with the busy profile; then what
differs in decisions, fills, prices, fees and PnL. Three times: without anything that takes time; so and without fills
of resting orders; and as shipped, where requests wait for their turn and candles for their last trades.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.loopback.three_ways import Fills, Key, Line, Play, Played, Way, decisions, fills, gist, money, orders, play

NO_MAKER_FILLS: Mapping[str, object] = {"app.market_model.maker_fill_share_pct": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One comparison, and what explains its differences."""

    title: str
    is_timeless: bool
    changes: Mapping[str, object]
    explains: str


CHAPTERS = (
    Chapter(
        title="nothing takes time",
        is_timeless=True,
        changes={},
        explains="PUBLIC sees what traded as single trades, here two for five seconds and only once they are over: its "
        "resting entries are filled by less, so more of them cross. Cash, sizes and cooldowns of later slots follow.",
    ),
    Chapter(
        title="nothing takes time, and resting orders are never filled",
        is_timeless=True,
        changes=NO_MAKER_FILLS,
        explains="What the chapter before shows for PUBLIC comes from fills of resting orders alone, if this is empty.",
    ),
    Chapter(
        title="as shipped",
        is_timeless=False,
        changes={},
        explains="On the protocol a cycle waits 2 s for the candle's last trades, and for its turn (5 requests a "
        "second, 10 when signed): its quotes are those of later seconds. The rest follows from other prices.",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.paper_against_live")
    parser.add_argument("--cycles", type=int, default=1440)
    parser.add_argument("--products", type=int, default=7)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    print(f"{options.cycles} cycles, {options.products} products, seed {options.seed}, busy profile")
    with tempfile.TemporaryDirectory() as name:
        for number, chapter in enumerate(CHAPTERS):
            folder = Path(name) / str(number)
            folder.mkdir()
            plan = Play(
                seed=options.seed,
                cycles=options.cycles,
                products=options.products,
                is_timeless=chapter.is_timeless,
                changes=chapter.changes,
            )
            print(f"\n== {chapter.title}")
            _report(chapter, {way: _played(way, plan, folder / way.name) for way in Way})


def _played(way: Way, plan: Play, folder: Path) -> Played:
    began = time.process_time()
    played = play(way, plan, folder)
    worth, filled = money(played), fills(played)
    print(
        f"{way.name:6} {way.value}: {sum(map(len, orders(played).values()))} orders, {len(filled)} of them or of their "
        f"legs filled, equity {worth['equity']:.4f}, realised {worth['realised']:.4f}, fees {worth['fees']:.4f}, "
        f"{time.process_time() - began:.1f} s of CPU"
    )
    return played


def _report(chapter: Chapter, found: Mapping[Way, Played]) -> None:
    differ = False
    for way in (Way.LIVE, Way.PUBLIC):
        differ |= _compare(found[Way.PORT], found[way])
    print(chapter.explains if differ else "No difference in anything.")


def _compare(port: Played, other: Played) -> bool:
    """Print what differs between two ways; tell whether anything does."""
    print(f"  PORT against {other.way.name}")
    differ = [
        _compare_decisions(decisions(port), decisions(other)),
        _compare_orders(orders(port), orders(other)),
        _compare_fills(fills(port), fills(other)),
        _compare_money(money(port), money(other)),
    ]
    return any(differ)


def _compare_decisions(port: Mapping[int, Line], other: Mapping[int, Line]) -> bool:
    slots = sorted({*port, *other})
    by_field: Counter[str] = Counter()
    amounts_only = 0
    for slot in slots:
        one, two = port.get(slot), other.get(slot)
        if one is None or two is None:
            by_field["slot missing"] += 1
        elif one != two:
            fields = [name for name, value in gist(one).items() if gist(two)[name] != value]
            by_field[fields[0] if fields else "amounts only"] += 1
            amounts_only += not fields
    other_gist = by_field.total() - amounts_only
    names = ", ".join(f"{name} {count}" for name, count in by_field.most_common() if name != "amounts only")
    print(
        f"    decisions: {len(slots)} slots, {other_gist} differ in what was done or why"
        f"{f' (first in: {names})' if names else ''}, {amounts_only} in amounts only"
    )
    return bool(by_field)


def _compare_orders(port: Mapping[int, Sequence[Line]], other: Mapping[int, Sequence[Line]]) -> bool:
    slots = sorted({*port, *other})
    same = sum(port.get(slot) == other.get(slot) for slot in slots)
    print(f"    orders: {len(slots)} slots with any, {same} with the very same ones")
    return same < len(slots)


def _compare_fills(port: Mapping[Key, Fills], other: Mapping[Key, Fills]) -> bool:
    """Match fills by slot, product and purpose."""
    both = [key for key in port if key in other]
    same = sum(port[key] == other[key] for key in both)
    alone = {"PORT": [key for key in port if key not in other], "it": [key for key in other if key not in port]}
    print(
        f"    fills: {len(both)} matched by slot, product and purpose, {same} of them equal to the last digit; "
        + ", ".join(f"{len(keys)} only in {name}" for name, keys in alone.items())
    )
    changed = [(port[key], other[key], key[2]) for key in both if port[key] != other[key]]
    if changed:
        bps = [abs(float(two.price / one.price - 1)) * 1e4 for one, two, _ in changed]
        signed = [float(two.price / one.price - 1) * (1 if kind == "entry" else -1) * 1e4 for one, two, kind in changed]
        print(
            f"    prices of the {len(changed)} that differ: median {statistics.median(bps):.2f} bps apart, at most "
            f"{max(bps):.2f}; on average {statistics.mean(signed):+.2f} bps worse for it; sizes "
            f"{statistics.median(abs(float(two.size / one.size - 1)) * 100 for one, two, _ in changed):.3f} % apart; "
            f"fees {sum((two.fees - one.fees for one, two, _ in changed), Decimal(0)):+.4f}"
        )
    return same < len(both) or any(alone.values())


def _compare_money(port: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> bool:
    gaps = {name: other[name] - amount for name, amount in port.items()}
    text = ", ".join(f"{name} {gap:+.4f}" for name, gap in gaps.items() if gap) or "equal to the last digit"
    print(f"    money at the end, it less PORT: {text}")
    return any(gaps.values())


if __name__ == "__main__":
    main()
