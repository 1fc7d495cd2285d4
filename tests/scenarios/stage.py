"""The stage: shipped configuration with named changes, scripted market and clock, real entry point, real files."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import yaml

from core.errors import TraderError
from core.model.ledger import Ledger
from core.model.market import ProductId
from core.ports import Broker, Clock
from core.settings import Mode
from runner.desk import Desk
from runner.main_loop import TradingLoop
from runner.options import RunOptions
from runner.venues.outside import Outside
from runner.venues.paper import paper_account, paper_opening
from runner.wiring import Configuration, open_desk
from tests.builders import make_product
from tests.config_files import SHIPPED
from tests.fakes.faulty_broker import FaultyBroker
from tests.fakes.scripted_clock import ScriptedClock
from tests.fakes.scripted_market import ScriptedMarket

MONDAY = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
BTC, ETH, SOL, XRP = (ProductId(base, "USD") for base in ("BTC", "ETH", "SOL", "XRP"))

Line = dict[str, Any]
WrapBroker = Callable[[Broker, Clock], Broker]


@dataclass(slots=True)
class Stage:
    """
    One data directory, played on as often as a test likes.

    `broker` may put something between bot and account; `clock_skew` is what the venue's clock shows ours to be ahead,
    None where the venue has none. `is_durable`: records are synced and read back, as in real time.
    """

    folder: Path
    clock: ScriptedClock
    market: ScriptedMarket
    broker: WrapBroker | None = None
    clock_skew: float | None = None
    is_durable: bool = False

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def kill_file(self) -> Path:
        return self.data / "KILL_SWITCH"

    @property
    def audit_file(self) -> Path:
        return self.folder / "logs" / "247trader-v2_audit.jsonl"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def play(self, cycles: int, mode: Mode | None = None) -> list[Line]:
        """Run so many cycles and return their lines."""
        before = len(self.lines())
        self.loop(cycles, mode).run()
        return self.lines()[before:]

    def loop(self, cycles: int, mode: Mode | None = None) -> TradingLoop:
        options = RunOptions(
            mode=mode,
            cycles=cycles,
            config_dir=self.config,
            data_dir=self.data,
            logs_dir=self.folder / "logs",
        )
        return TradingLoop(options=options, open_desk=self._open)

    def refused(self, cycles: int = 1, mode: Mode | None = None) -> TraderError:
        """Try to run and return the error that ended it."""
        try:
            self.loop(cycles, mode).run()
        except TraderError as error:
            return error
        raise AssertionError("the run was not refused")

    def lines(self) -> list[Line]:
        if not self.audit_file.exists():
            return []
        return [json.loads(line) for line in self.audit_file.read_text().splitlines()]

    def journal(self) -> list[Line]:
        return [json.loads(line) for line in (self.data / "journal.jsonl").read_text().splitlines()]

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted((self.folder / "logs").glob("live_*.log")))

    def alerts(self, code: str) -> list[str]:
        return [line for line in self.log().splitlines() if f"ALERT type={code} " in line]

    def buy_one(self, product_id: ProductId = ETH, *, at_minute: float = 1.5) -> None:
        """Script a rise that the price_move strategy buys in the next minute."""
        self.market.move(product_id, 3.0, at_minute=at_minute)

    def _open(
        self, configuration: Configuration, options: RunOptions, stop_reason: Callable[[], str | None]
    ) -> AbstractContextManager[Desk]:
        open_paper = paper_account(configuration.settings, self.market, self.clock)

        def open_broker(ledger: Ledger) -> Broker:
            broker = open_paper(ledger)
            return broker if self.broker is None else self.broker(broker, self.clock)

        outside = Outside(
            clock=self.clock,
            market=self.market,
            open_broker=open_broker,
            opening=paper_opening(configuration.settings, self.market),
            account="paper-scripted",
            is_virtual=True,
            is_durable=self.is_durable,
            ends_at=None,
            note="scripted by a test",
            clock_skew=None if self.clock_skew is None else lambda: cast(float, self.clock_skew),
        )
        return open_desk(configuration, options, stop_reason, outside)


def with_faults(stage: Stage) -> list[FaultyBroker]:
    """Put a broker with faults between bot and account; each run of the stage adds its own to the list."""
    made: list[FaultyBroker] = []

    def wrap(broker: Broker, clock: Clock) -> Broker:
        made.append(FaultyBroker(broker, clock))
        return made[-1]

    stage.broker = wrap
    return made


def set_stage(folder: Path, changes: Mapping[str, object] | None = None, *, products: int = 4) -> Stage:
    """
    Write the configuration and list the first `products` of BTC, ETH, SOL and XRP at a flat price.

    `changes` are values by path, e.g. `{"policy.risk.max_open_positions": 1}`.
    """
    write_config(folder / "config", changes)
    clock = ScriptedClock(MONDAY)
    market = ScriptedMarket(clock.now)
    for product_id, price in ((BTC, 50_000.0), (ETH, 2_000.0), (SOL, 150.0), (XRP, 200.0))[:products]:
        market.add(product_id, price=price, product=make_product(product_id))
    return Stage(folder, clock, market)


def write_config(folder: Path, changes: Mapping[str, object] | None = None) -> None:
    """Write the shipped configuration with single values changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("app", "policy", "signals", "universe"):
        document = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
        for path, value in (changes or {}).items():
            file, *way, last = path.split(".")
            if file == name:
                section = document
                for word in way:
                    section = section[word]
                section[last] = value
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))


def reasons(lines: list[Line]) -> list[str | None]:
    return [line["no_trade_reason"] for line in lines]


def fills(lines: list[Line], side: str | None = None) -> list[Line]:
    found = [fill for line in lines for fill in line["execution"]["fills"]]
    return [fill for fill in found if side in (None, fill["side"])]


def orders(lines: list[Line]) -> list[Line]:
    return [order for line in lines for order in line["execution"]["orders"]]


def closings(lines: list[Line]) -> list[tuple[str, str]]:
    """Return of each lot that ended by which kind of order, and why."""
    return [(fill["purpose"], fill["closes"]) for fill in fills(lines) if "closes" in fill]


def exit_reasons(lines: list[Line]) -> list[str]:
    return [item["reason"] for line in lines for item in line["exits"]]
