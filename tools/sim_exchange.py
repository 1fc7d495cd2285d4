"""
Run a simulated Coinbase on this machine: `python -m tools.sim_exchange [--seed N] [--fault lost_after=0.05] ...`

It listens on 127.0.0.1 only, with a self-made key and made-up (or recorded) prices, and prints commands that run the
bot against it. Ends with 0 on Ctrl+C, 2 on wrong usage, 69 when the port is taken, 73 when a file cannot be written.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import ConfigError, ExitCode
from core.model.money import plain
from core.model.orders import FeeRates
from core.settings import Settings
from runner.adapters.configuration.settings_files import load_documents, settings_of
from runner.adapters.markets.replay_market import open_replay
from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.markets.simulated_roster import ROSTER
from runner.adapters.simulated_coinbase.account_keys import AccountKey, make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour, Lags
from runner.adapters.simulated_coinbase.control import ControlledExchange
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.adapters.simulated_coinbase.faults import Fault, FaultPlan
from runner.adapters.simulated_coinbase.listed_market import ModelMarket
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.adapters.simulated_coinbase.server import LoopbackServer
from runner.adapters.simulated_coinbase.shifted_market import ShiftedMarket
from runner.adapters.system_clock import SystemClock
from runner.terminal import complain, say

ROOT = Path(__file__).resolve().parent.parent
EXIT_CANNOT_WRITE = 73
WARM_UP = timedelta(hours=25)
"""A replay starts this far into its data: the bot decides nothing about a coin without a day of its history."""

LAGS = ("order", "fills", "balances", "pending", "cancel")
SECONDS_MAX = 86_400.0
FILLERS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The folder of one exchange: its key file, and a configuration of the bot that points to it."""

    folder: Path
    key_file: Path

    @property
    def config_dir(self) -> Path:
        return self.folder / "exchange-config"


def main(arguments: Sequence[str]) -> int:
    """Run the exchange until it is stopped and return the exit code."""
    options = _parser().parse_args(arguments)
    ended = _ended_by_signals()
    if options.list_faults:
        for fault in Fault:
            say(f"{fault.value:24} {fault.phase.value}")
        return int(ExitCode.OK)
    try:
        settings = settings_of(load_documents(options.config_dir))
        exchange, key = _open(settings, options)
    except ConfigError as error:
        complain(f"❌ {error}")
        return int(error.exit_code)
    try:
        server = LoopbackServer(ControlledExchange(exchange) if options.control else exchange, port=options.port)
    except OSError as error:
        complain(f"❌ 127.0.0.1:{options.port} cannot be had: {error.strerror}. Choose another --port, or 0 for any")
        return int(ExitCode.VENUE_UNAVAILABLE)
    with server:
        try:
            place = _write_place(options, key, server.url)
        except shutil.Error as error:
            (source, _, reason), *_ = error.args[0]
            complain(f"❌ {source} cannot be copied: {reason}. Choose another --config-dir")
            return EXIT_CANNOT_WRITE
        except OSError as error:
            complain(f"❌ {error.filename} cannot be written: {error.strerror}. Choose another --dir or --key-file")
            return EXIT_CANNOT_WRITE
        except ConfigError as error:
            complain(f"❌ {error}")
            return int(error.exit_code)
        _announce(options, server.url, key, place, exchange)
        while not ended.wait(0.5):
            continue
    _sum_up(exchange)
    return int(ExitCode.OK)


# --- the exchange -----------------------------------------------------------------------------------------------------


def _open(settings: Settings, options: argparse.Namespace) -> tuple[SimulatedCoinbase, AccountKey]:
    clock = SystemClock()
    key = make_key(
        f"exchange {options.seed}",
        can_trade=not options.view_only,
        can_transfer=options.can_transfer,
        portfolio_id=f"00000000-0000-4000-8000-{options.seed % 10**12:012}",  # another seed is another account
    )
    faults = FaultPlan(options.seed)
    for fault, probability in options.fault:
        faults.add(fault, probability)
    lags: dict[str, Any] = {name: timedelta(seconds=seconds) for name, seconds in options.lag}
    execution = settings.policy.execution
    market = _market(settings, options, clock)
    exchange = open_exchange(
        market=market,
        now=clock.now,
        balances={_currency(settings, market): options.cash},
        fee_rates=FeeRates(maker_fraction=execution.maker_fee_fraction, taker_fraction=execution.taker_fee_fraction),
        maker_fill_share=settings.app.market_model.maker_fill_share_fraction,
        keys=[key.api_key],
        faults=faults,
        behaviour=Behaviour(
            lags=Lags(**lags),
            clock_skew=timedelta(seconds=options.clock_skew),
            filler_products=options.filler_products,
            quotes_tokens=options.quote_tokens,
        ),
    )
    return exchange, key


def _currency(settings: Settings, market: ModelMarket) -> str:
    """Return the money that the bot would trade this market with: with any other it could buy nothing."""
    traded = [product.product_id.quote for product in market.products()]
    return next((currency for currency in settings.universe.quote_currencies if currency in traded), "USD")


def _market(settings: Settings, options: argparse.Namespace, clock: SystemClock) -> ModelMarket:
    """
    Build the market.

    Raises:
        ConfigError: It cannot be had.
    """
    app = settings.app
    kind, _, path = options.market.partition(":")
    if kind == "simulated":
        section = replace(app.simulation, seed=options.seed, products=options.products)
        return simulated_market(section, app.market_model, clock.now)
    recorded = SystemClock()
    replay = open_replay(Path(path), app.market_model, recorded.now)
    now = clock.now()
    if replay.first_start + WARM_UP >= replay.end:
        raise ConfigError(
            f"{path}: its candles span no more than {WARM_UP // timedelta(hours=1)} hours; use longer files"
        )
    span = (now - replay.first_start - WARM_UP) // timedelta(minutes=1) * timedelta(minutes=1)
    recorded.start_at(now - span)
    return ShiftedMarket(replay.market, span)


# --- what the bot needs to find it ------------------------------------------------------------------------------------


def _write_place(options: argparse.Namespace, key: AccountKey, url: str) -> _Place:
    """
    Write the key and a configuration that uses it.

    Raises:
        OSError: Something cannot be written, or a file of another kind is in the way of the key.
    """
    folder: Path = options.dir or Path(tempfile.mkdtemp(prefix="247trader-sim-"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = _Place(folder=folder.resolve(), key_file=(options.key_file or folder / "key.json").resolve())
    _write_key(place.key_file, key.key_file())
    if options.config_dir.resolve() != place.config_dir:  # it may be the one of the last time, with changes of its user
        shutil.copytree(options.config_dir, place.config_dir, dirs_exist_ok=True)
    _lead_here(place.config_dir, url, place.key_file)
    return place


def _lead_here(config_dir: Path, url: str, key_file: Path) -> None:
    """
    Let a configuration point to this exchange, and nothing else of it change, its comments neither.

    Raises:
        ConfigError: Its app.yaml is not laid out like the shipped one; a bot would go elsewhere, with real orders.
    """
    wanted = {"market": "coinbase", "read_only": False, "api_url": url, "key_file": str(key_file)}
    path = config_dir / "app.yaml"
    text = path.read_text("utf-8")
    for name, value in wanted.items():
        line = f"  {name}: {json.dumps(value)}".replace("\\", r"\\")
        text = re.sub(rf"^  {name}:.*$", line, text, count=1, flags=re.M)
    path.write_text(text, "utf-8")
    found = settings_of(load_documents(config_dir)).app.exchange
    wrong = [name for name, value in wanted.items() if getattr(found, name) != value]
    if wrong:
        raise ConfigError(
            f"{path}: exchange.{wrong[0]} cannot be set, because the file is not laid out like config/app.yaml (a line "
            "for each key); use another --config-dir"
        )


def _write_key(path: Path, text: str) -> None:
    """
    Write a new key file for its owner's eyes only; one with the very same key is left as it is.

    Raises:
        OSError: It cannot be written; FileExistsError when another file is there.
    """
    if path.is_file() and path.read_text("utf-8", "replace") == text:
        path.chmod(0o600)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _announce(
    options: argparse.Namespace, url: str, key: AccountKey, place: _Place, exchange: SimulatedCoinbase
) -> None:
    cash = ", ".join(f"{plain(held.available)} {name}" for name, held in exchange.books.account.balances().items())
    faults = ", ".join(f"{fault.value} {probability:g}" for fault, probability in options.fault) or "none"
    words = (
        f"./app_run_live.sh --loop {{mode}} --config-dir {shlex.quote(str(place.config_dir))} "
        f"--data-dir {shlex.quote(str(place.folder))}/{{name}}-data "
        f"--logs-dir {shlex.quote(str(place.folder))}/{{name}}-logs"
    )
    say(f"simulated Coinbase on {url}: market {options.market}, seed {options.seed}, {cash}; no real money")
    say(f"key      {key.name}")
    say(f"key file {place.key_file} (self-made: it opens nothing but this exchange)")
    say(f"faults   {faults}")
    say(f"PAPER    {words.format(mode='--paper', name='paper')}")
    say(f"LIVE     {words.format(mode='--live', name='live')}")
    if options.control:
        say(f"control  curl {url}/sim/state; curl -d '{{\"lost_after\": 0.1}}' {url}/sim/faults")
    say("Stop it with Ctrl+C.")


# --- the end ----------------------------------------------------------------------------------------------------------


def _ended_by_signals() -> threading.Event:
    """Return what Ctrl+C or a SIGTERM sets, also one that comes before the exchange has been announced."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def _sum_up(exchange: SimulatedCoinbase) -> None:
    orders = exchange.orders()
    struck = ", ".join(f"{fault.value} {number}" for fault, number in exchange.faults.counts.items()) or "none"
    books = exchange.books.faults()
    say(f"requests {sum(exchange.traffic.requests.values())}, orders {len(orders)}, faults struck: {struck}")
    say(f"books    {'balance' if not books else '; '.join(books)}")
    if orders:
        say("account  ended with this exchange: a bot that holds something here would halt on the next; begin afresh")


# --- the command line -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.sim_exchange",
        allow_abbrev=False,
        description="Run a simulated Coinbase on 127.0.0.1, with a self-made key and no real money.",
    )
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="0, the default: any that is free")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of prices, faults, key and account (7)")
    parser.add_argument("--market", type=_market_name, default="simulated", metavar="simulated|replay:PATH")
    parser.add_argument("--products", type=_products, default=60, metavar="N", help="of the simulated market (60)")
    parser.add_argument("--filler-products", type=_fillers, default=0, metavar="N", help="rows that nobody trades (0)")
    parser.add_argument("--cash", type=_amount, default=Decimal(10000), metavar="AMOUNT", help="of the account (10000)")
    parser.add_argument(
        "--fault", type=_fault, action="append", default=[], metavar="NAME=PROBABILITY", help="may be repeated"
    )
    parser.add_argument("--list-faults", action="store_true", help="print the names, and when each strikes")
    parser.add_argument(
        "--lag", type=_lag, action="append", default=[], metavar="NAME=SECONDS", help=f"of {', '.join(LAGS)}"
    )
    parser.add_argument("--clock-skew", type=_skew, default=0.0, metavar="S", help="the exchange's clock is ahead by")
    parser.add_argument("--view-only", action="store_true", help="give the key no right to trade")
    parser.add_argument("--can-transfer", action="store_true", help="give the key the right to withdraw")
    parser.add_argument("--quote-tokens", action="store_true", help='let every "no" repeat the token of the request')
    parser.add_argument("--control", action="store_true", help="serve /sim/state, /sim/faults, ... on the same port")
    parser.add_argument(
        "--dir", type=Path, metavar="D", help="for key, configuration (written anew), data and logs (a new one)"
    )
    parser.add_argument("--key-file", type=Path, metavar="F", help="where to write the key (D/key.json)")
    parser.add_argument("--config-dir", type=Path, default=ROOT / "config", metavar="D", help="to copy (config)")
    return parser


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 .. 65535)")
    return int(text)


def _fault(text: str) -> tuple[Fault, float]:
    name, _, probability = text.partition("=")
    try:
        found = (Fault(name), float(probability))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PROBABILITY; see --list-faults") from None
    if not 0 <= found[1] <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a probability is between 0 and 1")
    return found


def _lag(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    if name not in LAGS or not re.fullmatch(r"[0-9]*\.?[0-9]+", seconds) or float(seconds) > SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SECONDS, a day at most; names are {', '.join(LAGS)}")
    return name, float(seconds)


def _skew(text: str) -> float:
    if not re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+", text) or abs(float(text)) > SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, a day at most")
    return float(text)


def _products(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= len(ROSTER):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of products (1 .. {len(ROSTER)})")
    return int(text)


def _fillers(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > FILLERS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of products (0 .. {FILLERS_MAX})")
    return int(text)


def _amount(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,8})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount")
    return Decimal(text)


def _market_name(text: str) -> str:
    kind, _, path = text.partition(":")
    if text != "simulated" and not (kind == "replay" and path):
        raise argparse.ArgumentTypeError(f"{text!r} is neither simulated nor replay:PATH")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
