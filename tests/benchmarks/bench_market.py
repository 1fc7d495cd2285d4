"""
What the markets and the paper broker cost. Run by hand: `python -m tests.benchmarks.bench_market [FOLDER]`.

FOLDER holds candle files for the replay; without it two weeks of 20 made-up products are written and played.
Prints CPU time, and the process's peak memory (what ran before is in it, so the simulated market goes first).
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from core.model.orders import FeeRates
from core.settings import MarketModel, SimulationSection
from runner.adapters.markets.modelled_market import ModelledMarket
from runner.adapters.markets.replay_market import open_replay
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.paper.paper_broker import PaperBroker
from runner.adapters.virtual_clock import VirtualClock
from runner.matching.account import Account
from runner.matching.engine import MatchingEngine
from tests.fakes.candle_data import random_candles, write_candles

MODEL = MarketModel(
    spread_fraction=Decimal("0.0006"),
    depth_fraction=Decimal("0.2"),
    levels=10,
    maker_fill_share_fraction=Decimal("0.1"),
)
FEES = FeeRates(maker_fraction=Decimal("0.005"), taker_fraction=Decimal("0.009"))


def main(folder: Path | None) -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    bench(
        "simulated, 60 products",
        lambda: simulated_market(SimulationSection(seed=7, products=60), MODEL, clock.now),
        clock,
    )
    with tempfile.TemporaryDirectory() as made_up:
        source = folder or write_folder(Path(made_up))
        began = time.process_time()
        replay = open_replay(source, MODEL, clock.now)
        print(f"replay, check of all files: {time.process_time() - began:.2f} s")
        clock.jump(replay.first_start + timedelta(days=1) - clock.now())
        bench(replay.market.venue, lambda: replay.market, clock)


def bench(name: str, build: Callable[[], ModelledMarket], clock: VirtualClock) -> None:
    began = time.process_time()
    market = build()
    product_ids = [product.product_id for product in market.products()]
    for product_id in product_ids:
        market.candles([product_id], int(clock.now().timestamp()) - 86400)
    print(f"{name}: start with a day of candles {time.process_time() - began:.2f} s")

    minutes = 5 * 1440
    began = time.process_time()
    for _ in range(minutes):
        since = int(clock.now().timestamp())
        clock.jump(timedelta(minutes=1))
        market.candles(product_ids, since)
    spent = time.process_time() - began
    print(f"  candles: {spent / minutes / len(product_ids) * 1e6:.2f} us a product-minute (new days included)")

    report("quotes, 5 products", 1000, lambda: market.quotes(product_ids[:5]), clock)
    report("books, 5 products", 200, lambda: market.books(product_ids[:5]), clock)
    engine = MatchingEngine(
        market=market,
        account=Account({"USD": Decimal(10000)}),
        fee_rates=FEES,
        maker_fill_share=Decimal("0.1"),
        now=clock.now,
    )
    broker = PaperBroker(engine)
    report("quiet broker", 5000, lambda: ask_quietly(broker, clock), clock)
    print(f"  peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MB")


def ask_quietly(broker: PaperBroker, clock: VirtualClock) -> None:
    broker.open_orders()
    broker.fills(clock.now() - timedelta(hours=1))
    broker.balances()
    broker.fee_rates()


def report(name: str, times: int, call: Callable[[], object], clock: VirtualClock) -> None:
    began = time.process_time()
    for _ in range(times):
        clock.jump(timedelta(milliseconds=100))
        call()
    print(f"  {name}: {(time.process_time() - began) / times * 1e6:.1f} us")


def write_folder(folder: Path) -> Path:
    for number in range(20):
        write_candles(folder / f"C{number}-USD_1m.csv.gz", random_candles(14 * 1440, seed=number))
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
