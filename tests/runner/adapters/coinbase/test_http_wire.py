"""The wire against servers that stall, drip, lie and break off: one deadline, one host, one honest outcome."""

import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from runner.adapters.coinbase.http_wire import BODY_BYTES_MAX, HEAD_BYTES_MAX, IDLE_SECONDS_MAX, HttpWire
from runner.adapters.coinbase.origin import origin_of
from runner.wire import AnswerLost, HttpRequest, HttpResponse, NotSent
from tests.runner.adapters.coinbase.scripted_server import (
    Act,
    ScriptedServer,
    answer,
    drips,
    pours,
    says,
    says_and_closes,
    says_and_resets,
    says_and_stalls,
    serving,
)

DEADLINE = 0.25
GRACE = 0.25
"""For a busy machine; a drip of the tests would go on for ever."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def get(server: ScriptedServer, target: str = "/x", host: str | None = None) -> HttpRequest:
    return HttpRequest(method="GET", host=host or server.authority, target=target, headers={}, body=b"")


def post(server: ScriptedServer) -> HttpRequest:
    return HttpRequest(method="POST", host=server.authority, target="/x", headers={"X-A": "1"}, body=b'{"a":1}')


def wire_to(server: ScriptedServer) -> HttpWire:
    return HttpWire(api_url=server.url, monotonic=time.monotonic)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_an_answer_comes_back_whole() -> None:
    with serving(says(answer(b'{"a":1}', status="404 Not Found", headers=["X-Two: a", "X-TWO: b"]))) as server:
        response = wire_to(server).send(get(server, "/x?q=1"), 2.0)

    assert (response.status, response.body) == (404, b'{"a":1}')
    assert response.headers["x-two"] == "a, b"
    assert server.requests == [f"GET /x?q=1 HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode()]


def test_a_body_goes_out_with_its_length_and_its_headers() -> None:
    with serving(says(answer())) as server:
        wire_to(server).send(post(server), 2.0)

    expected = f'POST /x HTTP/1.1\r\nHost: {server.authority}\r\nX-A: 1\r\nContent-Length: 7\r\n\r\n{{"a":1}}'
    assert server.requests == [expected.encode()]


def test_a_chunked_answer_is_put_together() -> None:
    data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n"
    with serving(says(data)) as server:
        assert wire_to(server).send(get(server), 2.0).body == b"{} "


def test_one_connection_serves_request_after_request() -> None:
    with serving(says(answer(b"1")), says(answer(b"2")), says(answer(b"3"))) as server:
        wire = wire_to(server)
        bodies = [wire.send(request, 2.0).body for request in (get(server), post(server), get(server))]

    assert bodies == [b"1", b"2", b"3"]
    assert server.connections == 1


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(says_and_stalls(), id="no answer"),
        pytest.param(drips(HEAD, b"X"), id="a header that drips"),
        pytest.param(drips(HEAD, b"X-A: 1\r\n"), id="headers that drip"),
        pytest.param(drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="to be continued, for ever"),
        pytest.param(drips(HEAD + b"Content-Length: 9999\r\n\r\n", b"x"), id="a body that drips"),
        pytest.param(drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), id="chunks that drip"),
        pytest.param(drips(HEAD + b"\r\n", b"x"), id="a body without a length that drips"),
    ],
)
def test_nothing_outlives_the_deadline(act: Act) -> None:
    with serving(act) as server, at_most(DEADLINE + GRACE), pytest.raises(AnswerLost):
        wire_to(server).send(post(server), DEADLINE)

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(pours(HEAD + b"\r\n", b"x" * 65536), id="a body without an end"),
        pytest.param(
            pours(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
            id="chunks without an end",
        ),
        pytest.param(pours(HEAD, b"X-A: 1\r\n" * 1000), id="headers without an end"),
        pytest.param(pours(HEAD + b"X-A: ", b"x" * 65536), id="a header without an end"),
        pytest.param(says_and_stalls(HEAD + b"Content-Length: 1000000000\r\n\r\nx"), id="a gigabyte, announced"),
        pytest.param(
            says_and_stalls(HEAD + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1)), id="a byte too much"
        ),
        pytest.param(says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n"), id="a chunk of a negative length"),
        pytest.param(says(answer(headers=["Content-Length: 3"])), id="two lengths"),
        pytest.param(says(answer(headers=["Transfer-Encoding: gzip"])), id="an unknown transfer encoding"),
        pytest.param(says(answer(headers=["Content-Encoding: br"])), id="an encoding nobody asked for"),
        pytest.param(says(b"HTTP/1.1 103 Early Hints\r\n\r\n"), id="an interim answer"),
        pytest.param(says_and_closes(b"I am no web server\r\n\r\n"), id="not HTTP"),
    ],
)
def test_an_answer_out_of_bounds_is_lost_at_once(act: Act) -> None:
    with serving(act) as server, at_most(3.0), pytest.raises(AnswerLost):
        wire_to(server).send(get(server), 10.0)


def test_the_longest_body_that_is_taken() -> None:
    body = b" " * BODY_BYTES_MAX
    with serving(says(answer(body))) as server:
        assert len(wire_to(server).send(get(server), 5.0).body) == BODY_BYTES_MAX


def test_a_chunked_body_of_one_byte_more_is_not() -> None:
    data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (BODY_BYTES_MAX + 1)
    act = says_and_closes(data + b" " * (BODY_BYTES_MAX + 1) + b"\r\n0\r\n\r\n")
    with serving(act) as server, pytest.raises(AnswerLost, match="more than"):
        wire_to(server).send(get(server), 5.0)


def test_a_head_of_almost_the_limit_is_taken() -> None:
    headers = [f"X-{number}: {'x' * 600}" for number in range(90)]
    assert HEAD_BYTES_MAX * 0.8 < sum(map(len, headers)) < HEAD_BYTES_MAX
    with serving(says(answer(headers=headers))) as server:
        assert wire_to(server).send(get(server), 2.0).status == 200


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(says_and_closes(HEAD + b"Content-Length: 100\r\n\r\n{}"), id="shorter than announced"),
        pytest.param(says_and_closes(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), id="no last chunk"),
        pytest.param(says_and_closes(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), id="no chunk"),
        pytest.param(says_and_closes(b"HTTP/1.1 20"), id="half a status line"),
        pytest.param(says_and_closes(HEAD), id="half a head"),
        pytest.param(says_and_resets(HEAD + b"Content-Length: 100\r\n\r\n{}"), id="reset in the body"),
        pytest.param(says_and_resets(HEAD), id="reset in the head"),
        pytest.param(says_and_resets(b""), id="reset"),
        pytest.param(says_and_closes(), id="closed without a word"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_broken_answer_is_lost_and_nothing_is_sent_again(act: Act, method: str) -> None:
    with serving(act, says(answer())) as server:
        request = get(server) if method == "GET" else post(server)
        with pytest.raises(AnswerLost):
            wire_to(server).send(request, 2.0)

    assert len(server.requests) == 1


class TestAKeptConnection:
    def test_that_closes_at_a_get_is_replaced(self) -> None:
        with serving(says(answer(b"1")), says_and_closes(), says(answer(b"2"))) as server:
            wire = wire_to(server)
            wire.send(get(server), 2.0)

            assert wire.send(get(server), 2.0).body == b"2"

        assert (len(server.requests), server.connections) == (3, 2)

    def test_that_closes_at_a_post_loses_the_answer(self) -> None:
        with serving(says(answer(b"1")), says_and_closes(), says(answer(b"2"))) as server:
            wire = wire_to(server)
            wire.send(get(server), 2.0)

            with pytest.raises(AnswerLost):
                wire.send(post(server), 2.0)

        assert len(server.requests) == 2

    def test_that_breaks_off_in_the_answer_is_not_asked_again(self) -> None:
        with serving(says(answer(b"1")), says_and_closes(HEAD), says(answer(b"2"))) as server:
            wire = wire_to(server)
            wire.send(get(server), 2.0)

            with pytest.raises(AnswerLost):
                wire.send(get(server), 2.0)

        assert len(server.requests) == 2

    @pytest.mark.parametrize(
        "act",
        [
            pytest.param(says_and_closes(answer(b"1")), id="closed it"),
            pytest.param(says(answer(b"1") + answer(b"not asked for")), id="answered once too often"),
            pytest.param(says_and_closes(answer(b"1", headers=["Connection: close"])), id="said that it will close"),
        ],
    )
    def test_is_not_used_when_the_server(self, act: Act) -> None:
        with serving(act, says(answer(b"2"))) as server:
            wire = wire_to(server)
            wire.send(get(server), 2.0)
            time.sleep(0.05)  # until the FIN is here

            assert wire.send(post(server), 2.0).body == b"2"

        assert server.connections == 2

    @pytest.mark.parametrize(("age", "connections"), [(IDLE_SECONDS_MAX - 1, 1), (IDLE_SECONDS_MAX, 2)])
    def test_is_used_while_it_is_young(self, age: float, connections: int) -> None:
        later = 0.0
        with serving(says(answer(b"1")), says(answer(b"2"))) as server:
            wire = HttpWire(api_url=server.url, monotonic=lambda: time.monotonic() + later)
            wire.send(get(server), 2.0)
            later = age
            wire.send(get(server), 2.0)

        assert server.connections == connections

    def test_is_closed_with_the_wire(self) -> None:
        with serving(says(answer(b"1")), says(answer(b"2"))) as server:
            wire = wire_to(server)
            wire.send(get(server), 2.0)
            wire.close()
            wire.send(get(server), 2.0)

        assert server.connections == 2


def test_an_order_that_was_stopped_while_its_connection_was_made_does_not_leave() -> None:
    """A handshake takes seconds, and so long the kill switch may have been on (L5)."""
    with serving(says(answer())) as server:
        wire = wire_to(server)
        order = replace(post(server), may_leave=lambda: False)
        with pytest.raises(NotSent, match="stopped while the connection was made"):
            wire.send(order, 2.0)
        answered = wire.send(post(server), 2.0)

    assert answered.status == 200
    assert len(server.requests) == 1


def test_a_redirect_is_an_answer() -> None:
    with serving(says(answer())) as other:
        moved = answer(status="302 Found", headers=[f"Location: {other.url}/y"])
        with serving(says(moved)) as server:
            response = wire_to(server).send(get(server), 2.0)

    assert response.status == 302
    assert other.requests == []


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says(answer())) as proxy, serving(says(answer(b"direct"))) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert wire_to(server).send(get(server), 2.0).body == b"direct"

    assert proxy.requests == []


class TestAPackedBody:
    def test_is_unpacked_and_its_length_is_that_on_the_wire(self) -> None:
        packed = gzip.compress(b"[" + b" " * 10_000 + b"]")
        with serving(says(answer(packed, headers=["Content-Encoding: gzip"]))) as server:
            response = wire_to(server).send(get(server), 2.0)

        assert len(response.body) == 10_002
        assert response.headers["content-length"] == str(len(packed))

    @pytest.mark.parametrize(
        "packed",
        [
            pytest.param(gzip.compress(b" " * (BODY_BYTES_MAX + 1)), id="is a bomb"),
            pytest.param(gzip.compress(b"{}" * 100)[:-10], id="is cut off"),
            pytest.param(gzip.compress(b"{}") + b"more", id="has something after its end"),
            pytest.param(zlib.compress(b"{}"), id="is of another kind"),
        ],
    )
    def test_is_lost_when_it(self, packed: bytes) -> None:
        act = says(answer(packed, headers=["Content-Encoding: gzip"]))
        with serving(act) as server, pytest.raises(AnswerLost):
            wire_to(server).send(get(server), 2.0)


class TestNothingLeaves:
    def test_when_nobody_listens(self) -> None:
        with serving() as server:
            pass
        with pytest.raises(NotSent, match="refused"):
            wire_to(server).send(post(server), 2.0)

    def test_to_another_host(self) -> None:
        with serving(says(answer())) as server, pytest.raises(NotSent, match="not the configured host"):
            wire_to(server).send(get(server, host="example.com"), 2.0)

        assert server.connections == 0

    @pytest.mark.parametrize(
        ("target", "headers"),
        [
            pytest.param("/x\r\nX-Evil: 1", {}, id="a line break in the target"),
            pytest.param("/x y", {}, id="a space in the target"),
            pytest.param("x", {}, id="no path"),
            pytest.param("/x", {"A": "1\r\nX-Evil: 1"}, id="a line break in a header"),
            pytest.param("/x", {"A\r\nB": "1"}, id="a line break in a name"),
            pytest.param("/x", {"A": "é"}, id="a letter that is not ASCII"),
        ],
    )
    def test_that_is_not_http(self, target: str, headers: dict[str, str]) -> None:
        with serving(says(answer())) as server:
            request = HttpRequest(method="GET", host=server.authority, target=target, headers=headers, body=b"")
            with pytest.raises(NotSent):
                wire_to(server).send(request, 2.0)

        assert server.connections == 0

    def test_after_the_deadline(self) -> None:
        with serving(says(answer())) as server, pytest.raises(NotSent):
            wire_to(server).send(post(server), 0.0)

        assert server.requests == []


class TestTheName:
    REQUEST = HttpRequest(method="POST", host="exchange.test", target="/x", headers={}, body=b"")

    def test_that_does_not_exist_sends_nothing(self) -> None:
        def lookup(_host: str, _port: int) -> list[tuple[str, int]]:
            raise socket.gaierror(-2, "Name or service not known")

        wire = HttpWire(api_url="https://exchange.test", monotonic=time.monotonic, lookup=lookup)
        with pytest.raises(NotSent, match="not known"):
            wire.send(self.REQUEST, 2.0)

    def test_that_nobody_answers_for_is_given_up_in_time_and_asked_once(self) -> None:
        asked = []

        def lookup(host: str, port: int) -> list[tuple[str, int]]:
            asked.append(f"{host}:{port}")
            time.sleep(3 * DEADLINE)
            return []

        wire = HttpWire(api_url="https://exchange.test", monotonic=time.monotonic, lookup=lookup)
        for _ in range(2):
            with at_most(DEADLINE + GRACE), pytest.raises(NotSent, match="looked up"):
                wire.send(self.REQUEST, DEADLINE)

        assert asked == ["exchange.test:443"]

    def test_whose_first_address_is_dead_is_reached_at_its_second(self) -> None:
        with serving(says_and_closes()) as server, serving() as gone:
            gone.close()
            addresses = [("127.0.0.1", gone.port), ("127.0.0.1", server.port)]
            wire = HttpWire(
                api_url="https://exchange.test", monotonic=time.monotonic, lookup=lambda _host, _port: addresses
            )
            with pytest.raises(NotSent):  # this server speaks no TLS
                wire.send(self.REQUEST, DEADLINE)

        assert server.connections == 1


@pytest.mark.parametrize(
    ("api_url", "authority", "port"),
    [
        ("https://api.coinbase.com", "api.coinbase.com", 443),
        ("https://localhost:8443", "localhost:8443", 8443),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", 8000),
    ],
)
def test_an_address_that_is_talked_to(api_url: str, authority: str, port: int) -> None:
    origin = origin_of(api_url)

    assert (origin.authority, origin.port, origin.is_tls) == (authority, port, api_url.startswith("https"))


@pytest.mark.parametrize(
    "api_url",
    [
        pytest.param("http://api.coinbase.com", id="plain http on the net"),
        pytest.param("http://127.0.0.1", id="no port"),
        pytest.param("http://localhost:8000", id="a name for this machine"),
        pytest.param("https://api.coinbase.com/v3", id="a path"),
        pytest.param("https://key:secret@api.coinbase.com", id="a password"),
        pytest.param("https://api.coinbase.com:port", id="no number"),
        pytest.param("ftp://127.0.0.1:21", id="another scheme"),
        pytest.param("api.coinbase.com", id="no scheme"),
        pytest.param("", id="nothing"),
    ],
)
def test_an_address_that_is_not(api_url: str) -> None:
    with pytest.raises(ConfigError, match=r"exchange\.api_url"):
        origin_of(api_url)


PIECES = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 ", b"\r\n", b"\n", b"hello", b"100 Continue"),
        *(b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Connection: close\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"Content-Encoding: gzip\r\n"),
        *(b"A: \xff\r\n", b" folded\r\n", b":\r\n"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=12).map(b"".join))
def test_whatever_a_server_says_is_an_answer_or_lost(data: bytes) -> None:
    with serving(says_and_closes(data)) as server:
        try:
            response: HttpResponse | None = wire_to(server).send(get(server), 2.0)
        except AnswerLost:
            response = None

    assert response is None or 200 <= response.status <= 999
