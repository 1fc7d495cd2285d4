"""
One LIVE account on one exchange, played on as often as a test likes.

The program is the real one, from `TradingLoop` down to the official SDK's signatures, on real files and, over sockets,
on the real wire. Only time is virtual: bot and exchange share one clock, which moves in waits alone.
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from core.errors import TraderError
from core.model.orders import FeeRates
from core.ports import Clock
from core.settings import Mode, Settings
from runner.adapters.coinbase.http_wire import HttpWire
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.simulated_coinbase.account_keys import AccountKey, make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.adapters.simulated_coinbase.faults import FaultPlan
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.adapters.simulated_coinbase.server import LoopbackServer
from runner.adapters.system_clock import SystemClock
from runner.desk import Desk
from runner.main_loop import OpenDesk, TradingLoop
from runner.options import RunOptions
from runner.venues.coinbase import open_live
from runner.wire import Wire
from runner.wiring import Configuration, load_configuration, open_desk
from tests.config_files import shipped_documents, write_config
from tests.fakes.scripted_clock import ScriptedClock
from tests.loopback.owner import CASH, COINS, Owner
from tests.loopback.stamped_tokens import tokens_stamped_by
from tests.loopback.wires import BreakableWire, PowerCut
from tests.loopback.witness import Limits, Witness
from tests.profiles import BUSY

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
CAPITAL = Decimal(10_000)
DUST_MARGIN = Decimal("1.1")
"""The bot measures dust at a bid that it saw, the witness at a minute's end."""

NOWHERE = "http://127.0.0.1:9"
"""The address of an exchange in this process: nothing listens there."""


@dataclass(slots=True, kw_only=True)
class LiveDesk:
    """
    Everything of one account: its folder, the exchange with its witness, the owner, the clock.

    `clock` is the true time, and the exchange's. `bot_clock`: what the bot takes for it, where that may be another one.
    `is_durable`: the bot syncs its files, as in real time. `environ`: where it finds its key.
    `open`: who opens the program's desk in the place of `open_desk`.
    """

    folder: Path
    clock: ScriptedClock
    exchange: SimulatedCoinbase
    witness: Witness
    owner: Owner
    wire: BreakableWire
    quietly: Callable[[Callable[[], None]], None]
    draw: random.Random
    is_durable: bool = False
    """Sync as in real time, for tests that look at the disk (tests/fakes/disk.py)."""
    begin: datetime = MONDAY
    bot_clock: Clock | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    open: OpenDesk | None = None
    loop: TradingLoop | None = None
    """The program that runs, or ran last."""
    starts: int = 0
    crashes: int = 0
    lines_read: tuple[tuple[int, ...], list[dict[str, Any]]] = ((), [])
    refused_starts: list[str] = field(default_factory=list)
    gave_up: str = ""

    @property
    def audit_file(self) -> Path:
        return self.folder / "logs" / "247trader-v2_audit.jsonl"

    @property
    def kill_file(self) -> Path:
        return self.folder / "data" / "KILL_SWITCH"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def at(self, minute: float, action: Callable[[], None]) -> None:
        """Do something at the exchange's side so many minutes after the beginning, while no request is answered."""
        self.clock.at(minute, lambda: self.quietly(action))

    def minutes(self) -> float:
        """Return how many minutes have passed since the beginning."""
        return (self.clock.now() - self.begin).total_seconds() / 60

    def keep_owner_busy(self, minutes: int, *, every: float = 6.0) -> None:
        """Let the owner do something now and then."""
        moment = 2.0
        while moment < minutes:
            self.at(moment, self.owner.act)
            moment += self.draw.uniform(0.3, 1.7) * every

    def play(self, cycles: int) -> None:
        """
        Start the program and let it do so many cycles; it must end well.

        Raises:
            TraderError: It refused to start, or ended itself.
        """
        self.starts += 1
        options = RunOptions(
            mode=Mode.LIVE,
            cycles=cycles,
            config_dir=self.config,
            data_dir=self.folder / "data",
            logs_dir=self.folder / "logs",
        )
        with contextlib.redirect_stdout(None):
            self.loop = TradingLoop(options=options, open_desk=self.open or self.open_desk)
            self.loop.run()

    def play_through(self, until_minute: float, *, tries_max: int = 60) -> None:
        """
        Play until a minute, starting again after every crash, and a minute later after a start that was refused.

        `gave_up` says in words that it could not be reached.
        """
        for _ in range(tries_max):
            left = int(until_minute - self.minutes())
            if left < 1:
                return
            try:
                self.play(left)
            except PowerCut:
                self.crashes += 1
                self.wire.restore_power()
            except TraderError as error:
                self.refused_starts.append(f"{type(error).__name__}: {error}")
                self.clock.wait_until(self.clock.now() + timedelta(minutes=1), lambda: True)
        self.gave_up = f"not at minute {until_minute} after {tries_max} starts: {self.refused_starts[-1:]}"

    def open_desk(
        self, configuration: Configuration, options: RunOptions, stop_reason: Callable[[], str | None]
    ) -> AbstractContextManager[Desk]:
        """Open the program's desk as LIVE does, in virtual time."""
        clock = self.bot_clock or self.clock
        outside = open_live(configuration.settings, options, self.environ, clock=clock, wire=self.wire)
        outside = replace(outside, is_virtual=True, is_durable=self.is_durable)
        return open_desk(configuration, options, stop_reason, outside)


@contextmanager
def open_live_desk(
    folder: Path,
    *,
    seed: int,
    over_sockets: bool,
    products: int = 7,
    behaviour: Behaviour | None = None,
    changes: Mapping[str, object] | None = None,
    begin: datetime = MONDAY,
    key: AccountKey | None = None,
    is_durable: bool = False,
) -> Iterator[LiveDesk]:
    """
    Open an exchange and an account with the bot's capital in it, beside the owner's money; nothing runs yet.

    `key` None: one is made, and the bot finds it in a file; else it has to be told by `environ`.
    The official SDK stamps its tokens by the exchange's clock, so that a machine that is paused spoils none.
    """
    clock = ScriptedClock(begin)
    key_file = folder / "coinbase_key.json"
    if key is None:
        key = make_key(f"loopback {seed}")
        key_file.write_text(key.key_file(), "utf-8")
        key_file.chmod(0o600)
    url = NOWHERE
    quietly: Callable[[Callable[[], None]], None] = _at_once
    with ExitStack() as stack:
        market_documents = shipped_documents({**BUSY, "app.simulation.products": products, **(changes or {})})
        write_config(folder / "config", market_documents)
        settings = load_configuration(folder / "config").settings
        exchange = _exchange(settings, clock, key, seed=seed, behaviour=behaviour)
        witness = _witness(folder, settings, clock, exchange)
        if over_sockets:
            server = stack.enter_context(LoopbackServer(witness))
            url, quietly = server.url, server.while_quiet
            real_wire = HttpWire(api_url=url, monotonic=SystemClock().monotonic)
            stack.callback(real_wire.close)
            wire: Wire = real_wire
        else:
            wire = InProcessWire(cast(SimulatedCoinbase, witness), clock)
        live = _live_settings(url, key_file)
        documents = shipped_documents({**BUSY, "app.simulation.products": products, **live, **(changes or {})})
        write_config(folder / "config", documents)
        stack.enter_context(tokens_stamped_by(clock.now))
        yield LiveDesk(
            folder=folder,
            clock=clock,
            exchange=exchange,
            witness=witness,
            owner=Owner(exchange, witness.books, seed),
            wire=BreakableWire(wire, clock, is_real=over_sockets),
            quietly=quietly,
            draw=random.Random(seed),  # noqa: S311 - a simulation
            is_durable=is_durable,
            begin=begin,
        )


def _live_settings(url: str, key_file: Path) -> dict[str, object]:
    return {
        "app.exchange.read_only": False,
        "app.exchange.api_url": url,
        "app.exchange.key_file": str(key_file) if key_file.exists() else "",
        "app.live.capital_usd": int(CAPITAL),
    }


def _exchange(
    settings: Settings,
    clock: ScriptedClock,
    key: AccountKey,
    *,
    seed: int,
    behaviour: Behaviour | None,
) -> SimulatedCoinbase:
    """Open the exchange with the account: the bot's capital, and the owner's money and coins beside it."""
    section = replace(settings.app.simulation, seed=seed)
    execution = settings.policy.execution
    return open_exchange(
        market=simulated_market(section, settings.app.market_model, clock.now),
        now=clock.now,
        balances={"USD": CASH + CAPITAL, **COINS},
        fee_rates=FeeRates(maker_fraction=execution.maker_fee_fraction, taker_fraction=execution.taker_fee_fraction),
        maker_fill_share=settings.app.market_model.maker_fill_share_fraction,
        keys=[key.api_key],
        faults=FaultPlan(seed),
        behaviour=behaviour,
    )


def _witness(folder: Path, settings: Settings, clock: ScriptedClock, exchange: SimulatedCoinbase) -> Witness:
    """Stand between bot and exchange, with the limits that no order may pass."""
    risk = settings.policy.risk
    return Witness(
        exchange,
        now=clock.now,
        journal=folder / "data" / "journal.jsonl",
        kill_file=folder / "data" / "KILL_SWITCH",
        limits=Limits(
            at_risk_fraction=risk.max_total_at_risk_fraction,
            product_fraction=risk.max_position_size_fraction,
            capital=CAPITAL,
            dust=risk.dust_threshold_usd * DUST_MARGIN,
        ),
    )


def _at_once(action: Callable[[], None]) -> None:
    action()
