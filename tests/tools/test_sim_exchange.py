"""The simulated exchange as its user meets it: started from the command line, asked over loopback, stopped."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.configuration.settings_files import load_documents, settings_of
from runner.adapters.simulated_coinbase.faults import Fault
from tests.config_files import ROOT, shipped_documents, write_config
from tests.fakes.candle_data import random_candles, write_candles
from tools.sim_exchange import main

START_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    process: "subprocess.Popen[str]"
    words: dict[str, str]
    url: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:  # noqa: S310
            return json.load(answer)

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """End it and return its exit code and its last words."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=START_SECONDS_MAX)
        return self.process.returncode, output


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "tools.sim_exchange", "--dir", str(folder), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.rstrip())
                if line.startswith("Stop it"):
                    break
            words = {line[:9].strip(): line[9:] for line in lines}
            url = next(word.rstrip(":") for word in lines[0].split() if word.startswith("http"))
            yield Running(process=process, words=words, url=url)
        finally:
            process.kill()


def test_it_serves_until_ctrl_c_and_then_says_what_was(tmp_path: Path) -> None:
    with running(tmp_path, "--seed", "3", "--products", "5", "--cash", "250.5", "--control") as exchange:
        rows = exchange.get("/api/v3/brokerage/market/products")["products"]
        state = exchange.get("/sim/state")

        code, last_words = exchange.stop()

    assert [row["product_id"] for row in rows] == ["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "BNB-USD"]
    assert state["balances"]["USD"] == {"available": "250.5", "hold": "0"}
    assert exchange.url.startswith("http://127.0.0.1:")
    assert code == 0
    assert "requests 1, orders 0, faults struck: none" in last_words
    assert last_words.endswith("books    balance\n")


def test_ctrl_c_before_it_has_said_all_of_its_first_words_ends_it_as_well(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.sim_exchange", "--dir", str(tmp_path)]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, bytes(4096)):
            continue  # full, and nobody reads: its first words have to wait
    os.set_blocking(writer, True)
    with subprocess.Popen(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        os.close(writer)
        deadline = time.monotonic() + 20
        while not (tmp_path / "key.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        with os.fdopen(reader, encoding="utf-8") as words:
            said = words.read()
        _, complaints = process.communicate(timeout=20)

    assert (process.returncode, complaints) == (0, "")
    assert said.endswith("books    balance\n")


def test_after_orders_it_says_that_its_account_is_gone(tmp_path: Path) -> None:
    order = {"client_order_id": "1", "product_id": "BTC-USD", "side": "BUY", "base_size": "0.001"}
    with running(tmp_path, "--products", "2", "--control") as exchange:
        request = urllib.request.Request(f"{exchange.url}/sim/order", data=json.dumps(order).encode())  # noqa: S310
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
        _, last_words = exchange.stop()

    assert "requests 0, orders 1" in last_words
    assert "account  ended with this exchange" in last_words


def test_a_replay_is_played_as_if_it_were_now(tmp_path: Path) -> None:
    (tmp_path / "tape").mkdir()
    write_candles(tmp_path / "tape" / "SOL-USD_1m.csv", random_candles(2000))

    with running(tmp_path / "sim", "--market", f"replay:{tmp_path / 'tape'}") as exchange:
        now = datetime.now(UTC)
        begin, end = int((now - timedelta(hours=2)).timestamp()), int(now.timestamp())
        path = f"/api/v3/brokerage/market/products/SOL-USD/candles?start={begin}&end={end}&granularity=ONE_MINUTE"
        candles = exchange.get(path)["candles"]
        code, _ = exchange.stop(signal.SIGTERM)

    assert code == 0
    assert len(candles) >= 100
    assert end - int(candles[0]["start"]) < 180


def test_the_account_has_the_money_that_a_recording_is_traded_with(tmp_path: Path) -> None:
    (tmp_path / "tape").mkdir()
    write_candles(tmp_path / "tape" / "SOL-USDT_1m.csv", random_candles(2000))

    with running(tmp_path / "sim", "--market", f"replay:{tmp_path / 'tape'}", "--control") as exchange:
        state = exchange.get("/sim/state")

    assert state["balances"] == {"USDT": {"available": "10000", "hold": "0"}}


def test_it_writes_a_key_for_its_owner_alone_and_a_configuration_that_points_to_it(tmp_path: Path) -> None:
    with running(tmp_path) as exchange:
        key = json.loads((tmp_path / "key.json").read_text())
        settings = settings_of(load_documents(tmp_path / "exchange-config"))

    assert os.stat(tmp_path / "key.json").st_mode & 0o777 == 0o600
    assert key["name"] == exchange.words["key"]
    assert "BEGIN EC PRIVATE KEY" in key["privateKey"]
    assert settings.app.exchange.api_url == exchange.url
    assert settings.app.exchange.key_file == str(tmp_path / "key.json")
    assert (settings.app.exchange.market, settings.app.exchange.read_only) == ("coinbase", False)
    assert exchange.words["LIVE"].startswith("./app_run_live.sh --loop --live --config-dir ")
    assert "PRIVATE" not in str(exchange.words)


def test_the_same_seed_writes_the_same_key_and_another_file_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path):
        first = (tmp_path / "key.json").read_text()
    with running(tmp_path):
        assert (tmp_path / "key.json").read_text() == first

    code = main(["--dir", str(tmp_path), "--seed", "8"])

    assert code == 73
    assert "key.json cannot be written: File exists" in capsys.readouterr().err
    assert (tmp_path / "key.json").read_text() == first


def test_a_port_that_is_taken_ends_with_69_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code = main(["--dir", str(tmp_path), "--port", str(port), "--products", "2"])

    error = capsys.readouterr().err
    assert code == 69
    assert error.count("\n") == 1
    assert f"127.0.0.1:{port}" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fault", "lost_after"],
        ["--fault", "lost_after=2"],
        ["--fault", "no_such_fault=0.1"],
        ["--lag", "orders=1"],
        ["--lag", "order=soon"],
        ["--lag", "order=86401"],
        ["--lag", "order=999999999999999"],
        ["--clock-skew", "nan"],
        ["--clock-skew", "inf"],
        ["--clock-skew=-86401"],
        ["--products", "0"],
        ["--products", "67"],
        ["--filler-products", "-1"],
        ["--filler-products", "10001"],
        ["--market", "mars"],
        ["--cash", "-1"],
        ["--port", "65536"],
        ["--unknown"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2


def test_help_ends_with_0() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0


def test_every_fault_is_listed_with_the_moment_at_which_it_strikes(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--list-faults"])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert lines == [[fault.value, fault.phase.value] for fault in Fault]


def test_a_market_that_cannot_be_had_ends_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--market", "replay:nowhere"]) == 78
    assert "no candle file" in capsys.readouterr().err


def test_a_configuration_that_cannot_be_led_here_is_refused_and_not_left_leading_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path / "on one line", shipped_documents())

    code = main(["--dir", str(tmp_path / "sim"), "--config-dir", str(config), "--products", "2"])

    error = capsys.readouterr().err
    assert code == 78
    assert "exchange.market cannot be set" in error
    assert error.count("\n") == 1


def test_a_configuration_of_the_last_time_can_be_used_again_with_what_was_changed_in_it(tmp_path: Path) -> None:
    with running(tmp_path):
        app = tmp_path / "exchange-config" / "app.yaml"
    app.write_text(app.read_text("utf-8").replace("capital_usd: 500", "capital_usd: 900"), "utf-8")

    with running(tmp_path, "--config-dir", str(tmp_path / "exchange-config")) as exchange:
        settings = settings_of(load_documents(tmp_path / "exchange-config"))

    assert settings.app.live.capital_usd == 900
    assert settings.app.exchange.api_url == exchange.url


def test_a_configuration_that_cannot_be_copied_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = shutil.copytree(ROOT / "config", tmp_path / "config")
    (config / "notes").symlink_to(tmp_path / "nowhere")

    code = main(["--dir", str(tmp_path / "sim"), "--config-dir", str(config), "--products", "2"])

    error = capsys.readouterr().err
    assert code == 73
    assert error.startswith(f"❌ {config / 'notes'} cannot be copied")
    assert error.count("\n") == 1


def test_a_recording_of_a_day_is_too_short_to_warm_up_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_candles(tmp_path / "SOL-USD_1m.csv", random_candles(25 * 60))

    code = main(["--dir", str(tmp_path / "sim"), "--market", f"replay:{tmp_path}"])

    assert code == 78
    assert "span no more than 25 hours" in capsys.readouterr().err


def test_what_was_asked_with_a_key_is_counted_apart(tmp_path: Path) -> None:
    with running(tmp_path, "--products", "2", "--control") as exchange:
        exchange.get("/api/v3/brokerage/time")
        request = urllib.request.Request(  # noqa: S310
            f"{exchange.url}/api/v3/brokerage/market/products", headers={"Authorization": "Bearer of.no.use"}
        )
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310

        state = exchange.get("/sim/state")

    assert (sum(state["requests"].values()), state["signed_requests"]) == (2, 1)
