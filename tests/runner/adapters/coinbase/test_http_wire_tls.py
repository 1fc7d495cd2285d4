"""TLS on the wire: the right certificate for the right name, or nothing leaves."""

import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest

from runner.adapters.coinbase.dialer import tls_context
from runner.adapters.coinbase.http_wire import HttpWire
from runner.wire import AnswerLost, HttpRequest, NotSent
from tests.runner.adapters.coinbase.certificates import Authority, make_authority, server_context
from tests.runner.adapters.coinbase.scripted_server import (
    ScriptedServer,
    answer,
    drips,
    says,
    says_and_closes,
    says_and_stalls,
    serving,
)

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Authority:
    return make_authority(folder)


@pytest.fixture(scope="module")
def good(folder: Path, ours: Authority) -> ssl.SSLContext:
    return server_context(folder, ours, HOST)


def post(server: ScriptedServer) -> HttpRequest:
    return HttpRequest(method="POST", host=server.authority, target="/x", headers={}, body=b"{}")


def wire_to(server: ScriptedServer, ca_file: Path | None) -> HttpWire:
    return HttpWire(api_url=server.url, monotonic=time.monotonic, ca_file=None if ca_file is None else str(ca_file))


def test_a_certificate_of_an_authority_that_was_given_is_trusted(ours: Authority, good: ssl.SSLContext) -> None:
    with serving(says(answer(b"1")), says(answer(b"2")), tls=good) as server:
        wire = wire_to(server, ours.file)
        bodies = [wire.send(post(server), 2.0).body for _ in range(2)]

    assert bodies == [b"1", b"2"]
    assert server.connections == 1  # what TLS itself sends in between is no unasked answer


def test_a_certificate_of_an_unknown_authority_is_not(good: ssl.SSLContext) -> None:
    with serving(says(answer()), tls=good) as server, pytest.raises(NotSent, match="certificate"):
        wire_to(server, None).send(post(server), 2.0)

    assert server.requests == []


def test_nor_one_of_another_authority_of_the_same_name(tmp_path: Path, good: ssl.SSLContext) -> None:
    other = make_authority(tmp_path)
    with serving(says(answer()), tls=good) as server, pytest.raises(NotSent, match="certificate"):
        wire_to(server, other.file).send(post(server), 2.0)

    assert server.requests == []


@pytest.mark.parametrize(
    ("host", "valid_for"),
    [
        pytest.param("127.0.0.2", timedelta(days=1), id="for another host"),
        pytest.param("localhost", timedelta(days=1), id="for another name of the host"),
        pytest.param(HOST, timedelta(hours=-1), id="that has expired"),
    ],
)
def test_nor_one(tmp_path: Path, ours: Authority, host: str, valid_for: timedelta) -> None:
    context = server_context(tmp_path, ours, host, valid_for)
    with serving(says(answer()), tls=context) as server, pytest.raises(NotSent, match="certificate"):
        wire_to(server, ours.file).send(post(server), 2.0)

    assert server.requests == []


def test_the_environment_cannot_bring_an_authority(
    monkeypatch: pytest.MonkeyPatch, ours: Authority, good: ssl.SSLContext
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(ours.file))
    with serving(says(answer()), tls=good) as server, pytest.raises(NotSent, match="certificate"):
        wire_to(server, None).send(post(server), 2.0)


def test_nor_have_the_keys_of_the_session_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: Authority, good: ssl.SSLContext
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with serving(says(answer()), tls=good) as server:
        wire_to(server, ours.file).send(post(server), 2.0)

    assert not (tmp_path / "keys").exists()


def test_old_versions_are_not_spoken(ours: Authority) -> None:
    context = tls_context(str(ours.file))

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_handshake_that_stalls_ends_with_the_deadline(ours: Authority) -> None:
    with serving() as server:  # it speaks no TLS: it waits for more of what it takes for a request
        wire = HttpWire(api_url=f"https://{server.authority}", monotonic=time.monotonic, ca_file=str(ours.file))
        began = time.monotonic()
        with pytest.raises(NotSent):
            wire.send(post(server), 0.25)

    assert time.monotonic() - began < 0.5


def test_a_drip_inside_tls_ends_with_the_deadline(ours: Authority, good: ssl.SSLContext) -> None:
    with serving(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"x"), tls=good) as server:
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            wire_to(server, ours.file).send(post(server), 0.25)

    assert time.monotonic() - began < 0.5


def test_a_stall_inside_tls_ends_with_the_deadline(ours: Authority, good: ssl.SSLContext) -> None:
    with serving(says_and_stalls(), tls=good) as server, pytest.raises(AnswerLost):
        wire_to(server, ours.file).send(post(server), 0.25)


def test_a_body_cut_off_inside_tls_is_lost(ours: Authority, good: ssl.SSLContext) -> None:
    act = says_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}")
    with serving(act, tls=good) as server, pytest.raises(AnswerLost):
        wire_to(server, ours.file).send(post(server), 2.0)
