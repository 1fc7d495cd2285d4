"""A key's name, its secret and its tokens are written nowhere, whatever an exchange or a defect says of them (L15)."""

import base64
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.errors import ExitCode
from runner.adapters.simulated_coinbase.account_keys import make_key
from tests.blackbox.bot import LOOP, Bot, stopped, wait_until
from tests.blackbox.conftest import Opened
from tests.blackbox.exchange import Exchange

LIVE = ("--live", "--interval", "1")
PIECE = 12
"""So many characters of a secret in a row are a piece of it."""

LEAST_FILES = 7
CENSORED = "with [secret] and '[secret]'"
LOUD = {"app.logging.level": "DEBUG"}
NO_FILE = {**LOUD, "app.exchange.key_file": ""}

RAISING = """
import importlib, os, runpy, sys
module, name = sys.argv.pop(1), sys.argv.pop(1)
def fail(*_, **__):
    raise RuntimeError(f"with {os.environ['CANARY_NAME']} and {os.environ['CANARY_SECRET'].strip()!r}")
setattr(importlib.import_module(module), name, fail)
runpy.run_module("runner.main_loop", run_name="__main__", alter_sys=True)
"""
"""A defect of ours: one function raises, and its message has the key in it."""

MISCHIEF = {
    "post_only_reject": 0.5,
    "cancel_refused": 0.3,
    "unauthorized": 0.1,
    "forbidden": 0.1,
    "server_error": 0.1,
    "rate_limited": 0.1,
}


@pytest.fixture
def talkative(open_exchange: Opened) -> Exchange:
    """An exchange whose every refusal repeats the token that was sent."""
    return open_exchange("--quote-tokens")


@pytest.mark.parametrize("place", ["file", "environment"])
def test_an_exchange_that_repeats_what_it_was_sent_betrays_nothing(bot: Bot, talkative: Exchange, place: str) -> None:
    in_file = place == "file"
    bot.config_dir = talkative.config(bot.folder / "config", LOUD if in_file else NO_FILE)
    environment = {} if in_file else _in_environment("COINBASE_API_KEY", "COINBASE_API_SECRET", talkative)
    talkative.post("/sim/faults", {"post_only_reject": 1.0})
    process = bot.start([*LIVE, "--loop"], environment=environment)
    wait_until(lambda: "post_only" in str(bot.journal()).lower(), process)
    command_line = Path(f"/proc/{process.pid}/cmdline").read_text("utf-8")
    talkative.post("/sim/faults", MISCHIEF)
    seen = bot.count_lines()
    wait_until(lambda: bot.count_lines() >= seen + 3, process)
    killed = stopped(process, signal.SIGKILL)
    talkative.post("/sim/faults", {"server_error": 0.2})
    again = stopped(bot.start_and_wait([*LIVE, "--loop"], environment=environment))
    talkative.post("/sim/faults", {"unauthorized": 1.0})
    refused = bot.run([*LIVE, "--once"], environment=environment)

    assert (killed.code, again.code, refused.code) == (-signal.SIGKILL, 0, ExitCode.VENUE_UNAVAILABLE)
    _betrays_nothing(bot, talkative, command_line, killed.text, again.text, refused.text)
    assert "[secret]" in bot.log()  # it was repeated, and taken out


def test_a_key_that_is_refused_with_its_own_token_is_reported_without_it(bot: Bot, talkative: Exchange) -> None:
    stranger = make_key("stranger")
    key_file = bot.folder / "strangers_key.json"
    key_file.write_text(stranger.key_file())
    key_file.chmod(0o600)
    bot.config_dir = talkative.config(bot.folder / "config", {**LOUD, "app.exchange.key_file": str(key_file)})

    done = bot.run([*LIVE, "--once"])

    assert done.code == ExitCode.REFUSED
    assert "401 Unauthorized Bearer [secret] of [secret]" in done.errors
    assert _found_in(done.text, [stranger.name, stranger.secret]) == []


class _Echo(BaseHTTPRequestHandler):
    """An exchange that says what it was sent where it should say something else; only its time is right."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "")
        told = {"epochMillis": str(int(time.time() * 1000)), "portfolio_uuid": "p-1"}
        flags = {"can_view": True, "can_trade": True, "can_transfer": False}
        head = json.loads(base64.urlsafe_b64decode(token.split()[1].split(".")[0] + "==")) if token else {}
        body = json.dumps({**told, **flags, "fee_tier": token, "accounts": head.get("kid")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.mark.parametrize(
    ("flag", "code", "words"),
    [
        pytest.param("--live", ExitCode.VENUE_UNAVAILABLE, "accounts: expected a list, found '[secret]", id="key name"),
        pytest.param("--paper", ExitCode.REFUSED, "fee_tier: expected an object, found 'Bearer [secret]", id="token"),
    ],
)
def test_an_answer_that_has_the_key_in_a_field_is_told_without_it(
    bot: Bot, shared_exchange: Exchange, flag: str, code: ExitCode, words: str
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    bot.config_dir = shared_exchange.config(bot.folder / "config", {**LOUD, "app.exchange.api_url": here})

    done = bot.run([flag, "--once"])
    server.shutdown()
    server.server_close()

    assert done.code == code, done.text
    assert words in done.errors
    assert _found_in(done.text, shared_exchange.key()) == []
    assert _found_in(bot.log() if (bot.folder / "logs").exists() else "", shared_exchange.key()) == []


def test_an_exception_with_the_key_in_it_is_told_without_the_key(bot: Bot, exchange: Exchange) -> None:
    """In a cycle: line, log and terminal tell of it, and the run goes on."""
    bot.config_dir = exchange.config(bot.folder / "config", LOUD)

    done = bot.run(
        [*LIVE, "--cycles", "2"],
        command=_raising("core.decision", "assess"),
        environment=_in_environment("CANARY_NAME", "CANARY_SECRET", exchange),
    )

    assert done.code == 0, done.text
    assert [line["error"]["type"] for line in bot.lines()] == ["RuntimeError"] * 2
    assert bot.lines()[0]["error"]["message"] == CENSORED
    assert f"RuntimeError: {CENSORED}" in bot.log()
    assert f"RuntimeError: {CENSORED}" in done.output
    _betrays_nothing(bot, exchange, done.text)


@pytest.mark.parametrize("flag", ["--live", "--paper"])
def test_a_traceback_that_ends_the_program_is_printed_without_the_key(bot: Bot, exchange: Exchange, flag: str) -> None:
    bot.config_dir = exchange.config(bot.folder / "config", LOUD)

    done = bot.run(
        [flag, "--interval", "1"],
        command=_raising("runner.stages.closing", "store_and_audit"),
        environment=_in_environment("CANARY_NAME", "CANARY_SECRET", exchange),
    )

    assert done.code == 1
    assert "Traceback (most recent call last):" in done.errors
    assert done.errors.endswith(f"RuntimeError: {CENSORED}\n")
    _betrays_nothing(bot, exchange, done.text)


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads /proc")
def test_a_process_with_a_key_leaves_no_core_file(bot: Bot, exchange: Exchange) -> None:
    bot.config_dir = exchange.config(bot.folder / "config")
    allowing = ["sh", "-c", 'ulimit -S -c "$(ulimit -H -c)" && exec "$@"', "sh", *LOOP]
    process = bot.start([*LIVE, "--loop"], command=allowing)
    wait_until(lambda: bot.count_lines() >= 1, process)

    limits = Path(f"/proc/{process.pid}/limits").read_text("utf-8")
    stopped(process)

    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4] == "0"


def _raising(module: str, name: str) -> list[str]:
    return [sys.executable, "-P", "-c", RAISING, module, name]


def _in_environment(name_variable: str, secret_variable: str, exchange: Exchange) -> dict[str, str]:
    name, secret = exchange.key()
    return {name_variable: name, secret_variable: secret}


def _betrays_nothing(bot: Bot, exchange: Exchange, *texts: str) -> None:
    """Look through all that was printed and every file of the bot: not a piece of key or token is there."""
    files = [path for name in ("data", "logs", "config") for path in (bot.folder / name).rglob("*") if path.is_file()]
    assert len(files) >= LEAST_FILES
    found = {str(path): _found_in(path.read_bytes().decode("utf-8", "replace"), exchange.key()) for path in files}
    found |= {f"text {number}": _found_in(text, exchange.key()) for number, text in enumerate(texts)}
    assert {place: pieces for place, pieces in found.items() if pieces} == {}


def _found_in(text: str, secrets: Iterable[str]) -> list[str]:
    """Return the pieces of these secrets, and the beginnings of tokens, that a text has."""
    told = " ".join(secrets).replace("organizations/", " ").replace("/apiKeys/", " ")
    words = re.findall(r"[0-9A-Za-z+/=-]+", re.sub(r"-----[A-Z ]+-----", " ", told))
    pieces = {word[at : at + PIECE] for word in words for at in range(len(word) - PIECE + 1)}
    tokens = re.findall(r"eyJ[0-9A-Za-z_-]{6,}", text)
    return [*sorted(piece for piece in pieces if piece in text), *tokens]


def test_the_search_finds_what_it_looks_for() -> None:
    key = make_key("canary")
    middle = key.secret.splitlines()[1][20:32]

    assert _found_in(f"... {middle} ...", [key.name, key.secret]) == [middle]
    assert _found_in(f"... {middle[:-1]} ...", [key.name, key.secret]) == []
    assert _found_in(f"... {key.name[-12:]} ...", [key.name, key.secret]) == [key.name[-12:]]
    assert _found_in("Bearer eyJhbGciOiJFUzI1NiI", [key.name, key.secret]) == ["eyJhbGciOiJFUzI1NiI"]
