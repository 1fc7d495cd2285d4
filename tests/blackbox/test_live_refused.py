"""What LIVE does not start with: each is refused with its exit code and one line that says what to do."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from core.errors import ExitCode
from runner.adapters.simulated_coinbase.account_keys import make_ed25519_key, make_key
from tests.blackbox.bot import Bot, Ended
from tests.blackbox.conftest import Opened
from tests.blackbox.exchange import EAGER, Exchange
from tests.config_files import shipped_documents, write_config

LIVE = ("--live", "--interval", "1")


def _readable(key: Path) -> None:
    key.chmod(0o644)


def _linked(key: Path) -> None:
    key.rename(key.with_name("elsewhere.json"))
    key.symlink_to("elsewhere.json")


def _a_folder(key: Path) -> None:
    key.unlink()
    key.mkdir(mode=0o700)


def _written(text: str) -> Callable[[Path], None]:
    def write(key: Path) -> None:
        key.write_text(text)

    return write


def _pem_of(secret: str) -> str:
    return json.dumps({"name": "organizations/a/apiKeys/b", "privateKey": secret})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(_readable, ["others have access (mode 0644)", "run: chmod 600"], id="readable by others"),
        pytest.param(_linked, ["not a link"], id="a link"),
        pytest.param(_a_folder, ["not a regular file"], id="a folder"),
        pytest.param(Path.unlink, ["No such file", "exchange.key_file"], id="missing"),
        pytest.param(_written(""), ["download the key's JSON file again"], id="empty"),
        pytest.param(_written("organizations/x\nnot json"), ["download the key's JSON file again"], id="not JSON"),
        pytest.param(_written("[]"), ["not a JSON object"], id="a list"),
        pytest.param(_written('{"name": "x"}'), ['needs "name" and "privateKey"'], id="half of it"),
        pytest.param(_written(_pem_of("c2hvcnQ=")), ["the private key cannot be read"], id="too short a key"),
        pytest.param(
            _written(_pem_of("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n")),
            ["the private key cannot be read", "ECDSA or Ed25519"],
            id="a key cut off",
        ),
    ],
)
def test_a_key_file_that_is_not_safe_or_not_sound(
    bot: Bot, shared_exchange: Exchange, spoil: Callable[[Path], None], words: Sequence[str]
) -> None:
    key = _own_copy(bot, shared_exchange)
    before = shared_exchange.state()["requests"]
    spoil(key)

    done = bot.run(LIVE)

    _is_refused(done, ExitCode.REFUSED, [str(key), *words])
    assert not bot.data.exists()
    assert shared_exchange.state()["requests"] == before  # nobody was asked anything


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        pytest.param({"app.exchange.read_only": True}, LIVE, ["exchange.read_only: false"], id="read only"),
        pytest.param(
            {"app.app.mode": "LIVE"},
            ["--interval", "1"],
            ["the flag --live", "LIVE in app.yaml alone does not send orders"],
            id="LIVE in app.yaml alone",
        ),
        pytest.param(
            {"app.exchange.api_url": "https://api.coinbase.com"},
            LIVE,
            ["a rehearsal certificate", "the real host is closed to LIVE"],
            id="the real host",
        ),
        pytest.param({}, [*LIVE, "--market", "simulated"], ["a real market"], id="simulated"),
        pytest.param({}, [*LIVE, "--market", "replay:tape"], ["a real market"], id="replay"),
        pytest.param({}, [*LIVE, "--speed", "max"], ["real time"], id="virtual time"),
        pytest.param({"app.exchange.key_file": ""}, LIVE, ["an API key"], id="no key"),
        pytest.param(
            {"app.exchange.api_url": "https://api.coinbase.com", "app.exchange.read_only": True},
            [*LIVE, "--speed", "max"],
            ["read_only", "real time", "a rehearsal certificate", "Use --paper or --dry-run until then"],
            id="all that is missing at once",
        ),
    ],
)
def test_what_live_needs_and_has_not(
    bot: Bot,
    shared_exchange: Exchange,
    changes: Mapping[str, object],
    flags: Sequence[str],
    words: Sequence[str],
) -> None:
    bot.config_dir = shared_exchange.config(bot.folder / "config", changes)
    before = shared_exchange.state()["requests"]

    done = bot.run(flags)

    _is_refused(done, ExitCode.REFUSED, words)
    assert not bot.data.exists()
    assert shared_exchange.state()["requests"] == before


@pytest.mark.parametrize("api_url", ["http://localhost:8080", "http://api.coinbase.com", "https://127.0.0.1:8080"])
def test_an_address_that_is_neither_coinbase_nor_this_machine(
    bot: Bot, shared_exchange: Exchange, api_url: str
) -> None:
    bot.config_dir = shared_exchange.config(bot.folder / "config", {"app.exchange.api_url": api_url})

    _is_refused(bot.run(LIVE), ExitCode.CONFIG, ["exchange.api_url", api_url])


@pytest.mark.parametrize(
    ("name", "secret", "words"),
    [
        pytest.param("organizations/a/apiKeys/b", "", "one of them is missing or blank", id="no secret"),
        pytest.param("", "c2VjcmV0", "one of them is missing or blank", id="no name"),
        pytest.param("organizations/a/apiKeys/b", "c2VjcmV0", "the private key cannot be read", id="no key"),
    ],
)
def test_a_key_in_the_environment_that_is_not_sound(
    bot: Bot, shared_exchange: Exchange, name: str, secret: str, words: str
) -> None:
    bot.config_dir = shared_exchange.config(bot.folder / "config", {"app.exchange.key_file": ""})

    done = bot.run(LIVE, environment={"COINBASE_API_KEY": name, "COINBASE_API_SECRET": secret})

    _is_refused(done, ExitCode.REFUSED, ["COINBASE_API_KEY, COINBASE_API_SECRET", words])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--can-transfer"], ["may move money out", "View and Trade"], id="may transfer"),
        pytest.param(["--view-only"], ["may not trade", "View and Trade"], id="may not trade"),
        pytest.param(["--clock-skew", "75"], ["clock is -7", "max_clock_skew_seconds", "NTP"], id="clock behind"),
        pytest.param(["--clock-skew=-75"], ["clock is +7", "more than 30 s"], id="clock ahead"),
    ],
)
def test_an_account_or_a_clock_that_is_not_right(
    bot: Bot, open_exchange: Opened, arguments: Sequence[str], words: Sequence[str]
) -> None:
    exchange = open_exchange(*arguments)
    bot.config_dir = exchange.config(bot.folder / "config")

    done = bot.run(LIVE)

    _is_refused(done, ExitCode.REFUSED, words)
    assert not bot.data.exists()
    assert exchange.orders() == []


@pytest.mark.parametrize("kind", ["ES256", "EdDSA"])
def test_a_key_that_the_exchange_does_not_know(bot: Bot, shared_exchange: Exchange, kind: str) -> None:
    stranger = make_key("stranger") if kind == "ES256" else make_ed25519_key("stranger")
    _own_copy(bot, shared_exchange).write_text(stranger.key_file())

    done = bot.run(LIVE)

    _is_refused(done, ExitCode.REFUSED, ["does not take the API key", "401"])
    assert not bot.data.exists()


def test_a_right_name_with_another_keys_secret(bot: Bot, shared_exchange: Exchange) -> None:
    body = {"name": shared_exchange.key()[0], "privateKey": make_key("stranger").secret}
    _own_copy(bot, shared_exchange).write_text(json.dumps(body))

    done = bot.run(LIVE)

    _is_refused(done, ExitCode.REFUSED, ["does not take the API key", "401"])


def test_an_account_without_money_and_its_refusal_claims_no_directory(bot: Bot, open_exchange: Opened) -> None:
    bot.config_dir = open_exchange("--cash", "0").config(bot.folder / "config")

    refused = bot.run(LIVE)
    paper = bot.run(["--paper", "--interval", "1"])

    assert refused.code == ExitCode.REFUSED
    assert "the account holds none of USD, USDC, USDT" in refused.errors
    assert paper.code == 0, paper.text


def test_the_state_of_a_paper_account_is_no_state_for_live(bot: Bot, shared_exchange: Exchange) -> None:
    bot.config_dir = shared_exchange.config(bot.folder / "config")
    bot.kill_file.parent.mkdir()
    bot.kill_file.touch()
    assert bot.run(["--paper", "--interval", "1"]).code == 0
    before = _contents(bot.data)

    done = bot.run(LIVE)

    _is_refused(done, ExitCode.REFUSED, ["mode PAPER, account paper-every-1s, venue loopback", "mode LIVE, account"])
    assert _contents(bot.data) == before
    assert bot.count_lines() == 1


def test_the_state_of_one_account_is_no_state_for_another(
    bot: Bot, shared_exchange: Exchange, open_exchange: Opened
) -> None:
    bot.config_dir = shared_exchange.config(bot.folder / "config")
    bot.kill_file.parent.mkdir()
    bot.kill_file.touch()  # so that the shared exchange stays as it is
    assert bot.run(LIVE).code == 0
    other = open_exchange("--seed", "8")
    other.config(bot.config_dir)

    done = bot.run(LIVE)

    ours, theirs = "coinbase-00000000-0000-4000-8000-000000000007", "coinbase-00000000-0000-4000-8000-000000000008"
    _is_refused(done, ExitCode.REFUSED, [f"account {ours}", f"account {theirs}", "--data-dir"])
    assert bot.count_lines() == 1
    assert other.state()["requests"].get("orders", 0) == 0


def test_the_shipped_configuration_does_not_trade_live_with_the_flag_alone(bot: Bot) -> None:
    write_config(bot.folder / "config", shipped_documents(EAGER))
    bot.config_dir = bot.folder / "config"

    done = bot.run(LIVE)

    _is_refused(done, ExitCode.REFUSED, ["read_only", "an API key", "a rehearsal certificate"])


def _own_copy(bot: Bot, exchange: Exchange) -> Path:
    """Give a bot its own copy of the exchange's key file, to spoil."""
    key = bot.folder / "own_key.json"
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(exchange.key_file.read_text())
    bot.config_dir = exchange.config(bot.folder / "config", {"app.exchange.key_file": str(key)})
    return key


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _is_refused(done: Ended, code: ExitCode, words: Sequence[str]) -> None:
    assert done.code == code, done.text
    assert done.errors.startswith("❌ "), done.text
    assert done.errors.count("\n") == 1, done.errors
    for word in words:
        assert word in done.errors
