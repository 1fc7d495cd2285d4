"""The simulated exchange as its own process, and configurations that lead a bot to it; driven from outside, too."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.model.market import Candle
from tests.blackbox.bot import PATIENCE_SECONDS, clean_environment
from tests.config_files import SHIPPED, shipped_documents, write_config
from tests.fakes.candle_data import FIRST_DAY, write_candles
from tests.profiles import BUSY

NOWHERE = "http://127.0.0.1:9"
"""An exchange that refuses every connection: the tests are offline, and `auto` finds the embedded one at once."""

EXCHANGE = (sys.executable, "-P", "-m", "tools.sim_exchange", "--port", "0", "--control")

EAGER: Mapping[str, object] = {
    **BUSY,
    "app.exchange.request_timeout_seconds": 2,
    "app.exchange.public_requests_per_second": 10,
    "app.exchange.private_requests_per_second": 30,
    "app.alerts.dedupe_seconds": 1,
    "policy.risk.allow_pyramiding": False,
    "policy.risk.max_adds_per_asset_per_day": 0,
    "policy.risk.max_new_positions_per_cycle": 1,
    "policy.risk.min_seconds_between_trades": 0,
    "policy.execution.maker_ttl_seconds": 1,
    "policy.execution.poll_interval_seconds": 1,
    "policy.execution.max_requotes": 0,
    "policy.circuit_breakers.api_recovery_seconds": 1,
}
"""
In a market of `rising_market`: the first cycle buys one coin and the second the other, and then no more.

An entry rests for a second in which nobody sells to it, and then crosses.
"""

CONTROL_SECONDS = 60
"""For a word with it past its protocol, on a busy machine."""

DATA_MINUTES = 30 * 60
RISE_A_MINUTE = 1.0001


@dataclass(slots=True)
class Exchange:
    """One exchange, which keeps nothing when it ends, and what its process prints."""

    folder: Path
    arguments: Sequence[str]
    process: "subprocess.Popen[str]"
    words: dict[str, str] = field(default_factory=dict)
    url: str = ""

    @property
    def key_file(self) -> Path:
        return self.folder / "key.json"

    def key(self) -> tuple[str, str]:
        """Return name and secret of its key."""
        content = json.loads(self.key_file.read_text())
        return content["name"], content["privateKey"]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=CONTROL_SECONDS) as answer:  # noqa: S310
            return json.load(answer)

    def post(self, path: str, body: object) -> None:
        request = urllib.request.Request(f"{self.url}{path}", data=json.dumps(body).encode())  # noqa: S310
        urllib.request.urlopen(request, timeout=CONTROL_SECONDS).close()  # noqa: S310

    def state(self) -> dict[str, Any]:
        """Return what really happened there."""
        state: dict[str, Any] = self.get("/sim/state")
        return state

    def orders(self, side: str = "", status: str = "") -> list[dict[str, Any]]:
        """Return orders as they stand, oldest first."""
        found: list[dict[str, Any]] = self.state()["orders"]
        return [order for order in found if side in ("", order["side"]) and status in ("", order["status"])]

    def config(self, folder: Path, changes: Mapping[str, object] | None = None) -> Path:
        """Write a configuration that leads LIVE here; the thresholds are those of EAGER."""
        ours = {
            "app.exchange.market": "coinbase",
            "app.exchange.read_only": False,
            "app.exchange.api_url": self.url,
            "app.exchange.key_file": str(self.key_file),
            "app.live.capital_usd": 2000,
        }
        return write_config(folder, shipped_documents({**EAGER, **ours, **(changes or {})}))

    def hang(self) -> None:
        """Take connections and answer none, until `wake`."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> tuple[int, str]:
        """End it as its user does, and return its exit code and its last words."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, output

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def start_exchange(folder: Path, *arguments: str) -> Exchange:
    """Start an exchange with the fees of EAGER, and wait until it has said where it is."""
    config = write_config(folder / "config", shipped_documents(EAGER))
    shutil.copy(SHIPPED / "app.yaml", config)  # the exchange changes lines of it
    arguments = ("--config-dir", str(config), *arguments)
    exchange = Exchange(folder, arguments, _started([*EXCHANGE, "--dir", str(folder), *arguments]))
    _listen(exchange)
    return exchange


def start_again(exchange: Exchange) -> None:
    """Start a new one on the port of one that has ended: the same keys, another account."""
    port = exchange.url.rpartition(":")[2]
    exchange.process = _started([*EXCHANGE, "--dir", str(exchange.folder), *exchange.arguments, "--port", port])
    _listen(exchange)


def rising_market(folder: Path) -> Path:
    """Write candles in which ETH and SOL only rise, evenly, and BTC goes nowhere; the first day warms up."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, price, factor in (("BTC", 50_000.0, 1.0), ("ETH", 2_000.0, RISE_A_MINUTE), ("SOL", 100.0, RISE_A_MINUTE)):
        candles, close = [], price
        for minute in range(DATA_MINUTES):
            opened, close = close, price * factor ** (minute + 1) + (minute % 2) * price * 1e-5
            low, high = min(opened, close), max(opened, close)
            volume = round(200_000.0 / price + 0.123, 3)
            candles.append(
                Candle(
                    FIRST_DAY + 60 * minute, round(opened, 2), round(high, 2), round(low, 2), round(close, 2), volume
                )
            )
        write_candles(folder / f"{name}-USD_1m.csv", candles)
    return folder


def _started(command: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        cwd=os.sep,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def _listen(exchange: Exchange) -> None:
    assert exchange.process.stdout is not None
    began, lines = time.monotonic(), []
    for line in exchange.process.stdout:
        lines.append(line.rstrip())
        assert time.monotonic() - began < PATIENCE_SECONDS, lines
        if line.startswith("Stop it"):
            break
    assert lines, "the exchange did not start"
    exchange.words = {line[:9].strip(): line[9:] for line in lines}
    exchange.url = next(word.rstrip(":") for word in lines[0].split() if word.startswith("http"))
