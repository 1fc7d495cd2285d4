"""The official SDK on our transport, over a real connection; and a canary that nothing may sing."""

import base64
import json
import logging
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from runner.adapters.coinbase.api import CoinbaseApi, PostKind
from runner.adapters.coinbase.connection import connect
from runner.adapters.coinbase.credentials import Credentials
from runner.adapters.coinbase.errors import ApiError
from runner.adapters.coinbase.http_wire import HttpWire
from runner.adapters.coinbase.transport import CallFacts
from runner.adapters.system_clock import SystemClock
from tests.architecture.source import ROOT
from tests.runner.adapters.coinbase.made_keys import KEY_NAME, make_credentials
from tests.runner.adapters.coinbase.scripted_server import (
    Act,
    ScriptedServer,
    answer,
    says,
    says_and_closes,
    says_and_resets,
    says_and_stalls,
    serving,
)
from tests.runner.adapters.coinbase.scripted_wire import EXCHANGE

BASE = "/api/v3/brokerage"


def api_to(server: ScriptedServer, credentials: Credentials, facts: list[CallFacts], read_only: bool) -> CoinbaseApi:
    settings = replace(EXCHANGE, api_url=server.url, read_only=read_only, request_timeout_seconds=1)
    return connect(
        settings,
        credentials=credentials,
        wire=HttpWire(api_url=server.url, monotonic=time.monotonic),
        clock=SystemClock(),
        orders_allowed=lambda: True,
        observer=facts.append,
        seed=1,
    ).api


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def part_of(token: str, number: int) -> dict[str, object]:
    part = token.split(".")[number]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_a_request_carries_a_fresh_token_for_this_very_host_and_path() -> None:
    with serving(says(answer()), says(answer())) as server:
        api = api_to(server, make_credentials(), [], read_only=False)
        api.get(f"{BASE}/orders/historical/batch", [("order_status", "OPEN"), ("limit", "100")])
        api.post(f"{BASE}/orders", {"a": "1"}, kind=PostKind.ORDER)

    assert server.requests[0].startswith(f"GET {BASE}/orders/historical/batch?order_status=OPEN&limit=100 ".encode())
    assert server.requests[0].endswith(b"\r\n\r\n")  # the SDK alone would send a body of "{}"
    assert server.requests[1].endswith(b'\r\n\r\n{"a":"1"}')
    tokens = [headers_of(request)["authorization"].removeprefix("Bearer ") for request in server.requests]
    assert [part_of(token, 1)["uri"] for token in tokens] == [
        f"GET {server.authority}{BASE}/orders/historical/batch",
        f"POST {server.authority}{BASE}/orders",
    ]
    assert part_of(tokens[0], 0)["kid"] == KEY_NAME
    assert part_of(tokens[0], 0)["nonce"] != part_of(tokens[1], 0)["nonce"]
    assert server.connections == 1


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(says(answer())) as proxy, serving(says(answer())) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        api_to(server, make_credentials(), [], read_only=False).get(f"{BASE}/accounts")

    assert proxy.connections == 0
    assert headers_of(server.requests[0])["authorization"].startswith("Bearer ")


def test_a_redirect_takes_the_token_nowhere() -> None:
    with serving(says(answer())) as other:
        moved = answer(status="307 Temporary Redirect", headers=[f"Location: {other.url}/"])
        with serving(says(moved)) as server, pytest.raises(ApiError):
            api_to(server, make_credentials(), [], read_only=False).post(f"{BASE}/orders", {}, kind=PostKind.ORDER)

    assert other.connections == 0


@pytest.mark.parametrize("location", ["http://[", "//", "\x01", "https://\u2603.test:99999/", ""])
def test_no_location_can_confuse_it(location: str) -> None:
    moved = answer(status="302 Found").replace(b"\r\n\r\n", f"\r\nLocation: {location}\r\n\r\n".encode())
    with serving(says(moved)) as server, pytest.raises(ApiError) as caught:
        api_to(server, make_credentials(), [], read_only=False).post(f"{BASE}/orders", {}, kind=PostKind.ORDER)

    assert caught.value.status == 302


def test_read_only_lets_no_byte_of_an_order_out() -> None:
    facts: list[CallFacts] = []
    with serving(says(answer())) as server:
        api = api_to(server, make_credentials(), facts, read_only=True)
        for path, kind in ((f"{BASE}/orders", PostKind.ORDER), (f"{BASE}/orders/batch_cancel", PostKind.CANCEL)):
            with pytest.raises(ApiError, match="read_only"):
                api.post(path, {}, kind=kind)

    assert server.connections == 0
    assert facts == []


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(says_and_closes(), id="closed"),
        pytest.param(says_and_resets(b"HTTP/1.1 200 OK\r\n"), id="reset"),
        pytest.param(says_and_stalls(), id="stalled"),
        pytest.param(says(answer(status="503 Down")), id="503"),
        pytest.param(says(answer(status="429 Slow", headers=["Retry-After: 0"])), id="429"),
        pytest.param(says(answer(b"<html>")), id="HTML"),
    ],
)
def test_an_order_is_on_the_wire_once_in_every_fault(act: Act) -> None:
    facts: list[CallFacts] = []
    with serving(says(answer(b"{}")), act, says(answer()), says(answer())) as server:
        api = api_to(server, make_credentials(), facts, read_only=False)
        api.get(f"{BASE}/accounts")  # so that the order goes over a connection that is kept
        with pytest.raises(ApiError):
            api.post(f"{BASE}/orders", {"client_order_id": "x"}, kind=PostKind.ORDER)

    assert sum(request.startswith(b"POST") for request in server.requests) == 1
    assert [call.method for call in facts if call.error != "unusable"] == ["GET", "POST"]


class TestTheCanary:
    """A server that says back what it was sent, token and all; and whoever listens."""

    CREDENTIALS = make_credentials()

    def sings(self, text: str) -> bool:
        lines = self.CREDENTIALS.secret.reveal().splitlines()[1:-1]
        return "eyJ" in text or KEY_NAME in text or any(line[5:25] in text for line in lines)

    @pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 Unauthorized", "500 Oops"])
    def test_is_not_heard(
        self, status: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        texts: list[str] = []
        secret = self.CREDENTIALS.secret.reveal()

        def echoes(talk: object) -> bool:
            request = server.requests[-1].decode()
            says(answer(f"{request} {secret!r}".encode(), status=status))(talk)  # type: ignore[arg-type]
            return True

        with serving(*[echoes] * 8) as server:
            api = api_to(server, self.CREDENTIALS, [], read_only=False)
            for kind, path in (
                (PostKind.ORDER, "/orders"),
                (PostKind.QUESTION, "/orders/preview"),
                (None, "/accounts"),
            ):
                try:
                    api.post(BASE + path, {}, kind=kind) if kind else api.get(BASE + path)
                except ApiError as error:
                    texts += ["".join(traceback.format_exception(error)), repr(vars(error)), error.body_text]

        assert len(texts) == 9
        assert server.requests
        assert all("HTTP/1.1" in text for text in texts[2::3])  # it was quoted, as far as it may be
        texts += [caplog.text, *capfd.readouterr(), repr(api), repr(vars(api))]
        assert not any(self.sings(text) for text in texts)


def test_the_sdks_own_log_is_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server:
        api_to(server, make_credentials(), [], read_only=False)

    logging.getLogger("coinbase.RESTClient").error("a whole body")

    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


PROBE = """
import sys
import runner.adapters.coinbase.api, runner.adapters.coinbase.connection, runner.adapters.coinbase.http_wire
from runner.adapters.coinbase.credentials import load_credentials
assert load_credentials("", {}) is None
print([name for name in ("coinbase.rest", "requests", "cryptography", "jwt", "certifi") if name in sys.modules])
"""


def test_a_run_without_a_key_does_not_load_the_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
