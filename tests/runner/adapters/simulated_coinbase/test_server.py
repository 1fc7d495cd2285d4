"""The exchange on a real loopback socket: keep-alive, bodies of GETs, many connections, and faults byte by byte."""

import contextlib
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.control import ControlledExchange
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from runner.adapters.simulated_coinbase.server import BODY_BYTES_MAX, HEADERS_MAX, LoopbackServer
from tests.runner.adapters.simulated_coinbase.venue_desk import BASE, VenueDesk, make_venue

TIME = f"GET {BASE}/time HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()


@pytest.fixture
def venue() -> VenueDesk:
    return make_venue(behaviour=Behaviour(drips_every=timedelta(milliseconds=20), public_cache=timedelta(0)))


@pytest.fixture
def server(venue: VenueDesk) -> Iterator[LoopbackServer]:
    with LoopbackServer(ControlledExchange(venue.exchange)) as opened:
        yield opened


def connect(server: LoopbackServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one whole answer by its content-length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    lengths = [int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length")]
    while len(body) < lengths[0]:
        body += connection.recv(4096)
    return int(lines[0].split()[1]), body


def drain(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def test_a_connection_is_kept_and_the_bodies_of_gets_are_read(server: LoopbackServer) -> None:
    with connect(server) as connection:
        for _ in range(3):
            connection.sendall(TIME)
            status, body = read_answer(connection)
            assert status == 200
            assert json.loads(body)["iso"] == "2026-01-05T12:00:00Z"


def test_requests_that_come_at_once_are_answered_one_after_the_other(server: LoopbackServer) -> None:
    with connect(server) as connection:
        connection.sendall(TIME * 3)
        text = b""
        while text.count(b"epochMillis") < 3:
            text += connection.recv(65536)

    assert text.count(b"HTTP/1.1 200 OK") == 3


def test_connection_close_is_honoured(server: LoopbackServer) -> None:
    with connect(server) as connection:
        connection.sendall(TIME.replace(b"Host: x", b"Host: x\r\nConnection: close"))

        assert drain(connection).startswith(b"HTTP/1.1 200 OK")


def test_many_connections_are_served_at_once(venue: VenueDesk, server: LoopbackServer) -> None:
    def ask(_: int) -> int:
        with connect(server) as connection:
            connection.sendall(TIME)
            return read_answer(connection)[0]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(64))) == [200] * 64
    assert venue.exchange.traffic.requests[Endpoint.TIME] == 64


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (HEADERS_MAX + 1) + b"\r\n",
    ],
)
def test_what_is_no_request_ends_the_connection_and_nothing_else(server: LoopbackServer, data: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(data)
        with contextlib.suppress(ConnectionResetError):  # closed with bytes of ours unread
            assert drain(connection) == b""

    with connect(server) as connection:
        connection.sendall(TIME)
        assert read_answer(connection)[0] == 200


def test_a_peer_that_leaves_in_the_middle_of_a_body_has_sent_nothing(venue: VenueDesk, server: LoopbackServer) -> None:
    with connect(server) as connection:
        connection.sendall(f"POST {BASE}/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{{".encode())
        connection.shutdown(socket.SHUT_WR)
        assert drain(connection) == b""

    assert sum(venue.exchange.traffic.requests.values()) == 0


def test_a_closed_connection_gives_no_byte(venue: VenueDesk, server: LoopbackServer) -> None:
    venue.exchange.faults.script(Fault.LOST_AFTER)
    with connect(server) as connection:
        connection.sendall(TIME)

        assert drain(connection) == b""


def test_a_reset_is_a_reset(venue: VenueDesk, server: LoopbackServer) -> None:
    venue.exchange.faults.script(Fault.RESET_AFTER)
    with connect(server) as connection:
        connection.sendall(TIME)

        with pytest.raises(ConnectionResetError):
            drain(connection)


def test_a_truncated_body_is_shorter_than_announced(venue: VenueDesk, server: LoopbackServer) -> None:
    venue.exchange.faults.script(Fault.TRUNCATED_BODY)
    with connect(server) as connection:
        connection.sendall(TIME)
        head, _, body = drain(connection).partition(b"\r\n\r\n")

    assert b"content-length: 88" in head
    assert len(body) == 44


@pytest.mark.parametrize("fault", [Fault.DRIPPED_BODY, Fault.DRIPPED_HEADERS])
def test_a_dripping_answer_comes_byte_by_byte(venue: VenueDesk, server: LoopbackServer, fault: Fault) -> None:
    venue.exchange.faults.script(fault)
    with connect(server) as connection:
        connection.sendall(TIME)
        sizes = [len(connection.recv(4096)) for _ in range(8)]

    assert sizes[1:] == [1] * 7


def test_an_endless_body_goes_on_past_any_sane_size(venue: VenueDesk, server: LoopbackServer) -> None:
    venue.exchange.faults.script(Fault.ENDLESS_BODY)
    received = 0
    with connect(server) as connection:
        connection.sendall(TIME)
        while received < 10_000_000:
            received += len(connection.recv(1 << 20))

    assert received >= 10_000_000


def test_closing_ends_a_drip_and_open_connections(venue: VenueDesk) -> None:
    venue.exchange.faults.script(Fault.LATE_ANSWER, skip=2)
    server = LoopbackServer(venue.exchange)
    with connect(server) as idle, connect(server) as waiting:
        for connection in (idle, waiting):
            connection.sendall(TIME)
            read_answer(connection)
        waiting.sendall(TIME)
        server.close()

        assert drain(idle) == b""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)


def test_a_port_that_is_taken_cannot_be_had(server: LoopbackServer, venue: VenueDesk) -> None:
    with pytest.raises(OSError, match="in use"):
        LoopbackServer(venue.exchange, port=server.port)


# --- the paths beside the protocol ------------------------------------------------------------------------------------


def control(server: LoopbackServer, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    data = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(head.encode() + data)
        status, text = read_answer(connection)
    return status, json.loads(text)


def test_the_state_tells_what_really_happened(venue: VenueDesk, server: LoopbackServer) -> None:
    venue.take("a")

    status, state = control(server, "/sim/state")

    assert status == 200
    assert isinstance(state["orders"], list)
    assert (state["orders"][0]["client_order_id"], state["orders"][0]["status"]) == ("a", "FILLED")
    assert state["book_faults"] == []
    assert state["requests"] == {"orders": 1}


def test_faults_products_and_the_owners_orders_are_set_from_outside(venue: VenueDesk, server: LoopbackServer) -> None:
    by_owner = {"client_order_id": "o", "product_id": "BTC-USD", "side": "BUY", "base_size": "1", "limit_price": "99"}

    assert control(server, "/sim/faults", {"server_error": 1.0})[0] == 200
    assert venue.get("/time", signed=False).status == 500
    assert control(server, "/sim/faults", {})[0] == 200
    assert control(server, "/sim/product", {"product_id": "BTC-USD", "action": "cancel_only"})[0] == 200
    assert control(server, "/sim/order", by_owner)[0] == 409
    assert control(server, "/sim/product", {"product_id": "BTC-USD", "action": "restore"})[0] == 200
    assert control(server, "/sim/order", by_owner)[0] == 200
    assert control(server, "/sim/deposit", {"currency": "USD", "amount": "5"})[0] == 200
    assert venue.balance("USD") == ("9905.505", "99.495")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sim/faults", {"no_such_fault": 1}, 400),
        ("/sim/faults", {"server_error": 2}, 400),
        ("/sim/product", {"product_id": "BTC-USD", "action": "online"}, 400),
        ("/sim/product", {"product_id": "XXX-USD", "action": "cancel_only"}, 400),
        ("/sim/deposit", {"currency": "USD", "amount": "much"}, 400),
        ("/sim/deposit", {"currency": "USD"}, 400),
        ("/sim/nothing", {}, 404),
    ],
)
def test_what_cannot_be_set_says_so(server: LoopbackServer, path: str, body: object, status: int) -> None:
    assert control(server, path, body)[0] == status


def test_without_control_these_paths_do_not_exist(venue: VenueDesk) -> None:
    with LoopbackServer(venue.exchange) as server:
        assert control(server, "/sim/state")[0] == 404
