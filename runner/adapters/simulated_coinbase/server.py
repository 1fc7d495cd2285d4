"""
The simulated exchange on a loopback socket: plain HTTP/1.1 with keep-alive, and answers spoilt byte by byte.

Its own few lines of HTTP and not the library's handler, because the faults are below what that lets one do. Bodies of
GET requests are read too: the official SDK sends them, and one left unread would be taken for the next request.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import BinaryIO, Protocol

from runner.adapters.simulated_coinbase.answers import Answer, Manner
from runner.wire import HttpRequest

HOST = "127.0.0.1"
LINE_BYTES_MAX = 16384
HEADERS_MAX = 100
BODY_BYTES_MAX = 1 << 20
ENDLESS_BYTES_MAX = 1 << 28
IDLE_SECONDS_MAX = 75.0
ACCEPT_SECONDS = 0.05
"""So often the server looks whether it is to close."""
_BLOCK = b" " * 65536


class _Bad(Exception):
    """What came in is not a request that this server can read; the connection ends."""


class Answerer(Protocol):
    """Who answers requests, one at a time."""

    def answer(self, request: HttpRequest) -> Answer: ...


class LoopbackServer:
    """Serve one exchange on 127.0.0.1 until closed. All requests go through one lock."""

    def __init__(self, exchange: Answerer, *, port: int = 0) -> None:
        """
        Listen; port 0 takes any that is free.

        Raises:
            OSError: The port cannot be had.
        """
        self._exchange = exchange
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._connections: dict[int, socket.socket] = {}
        self._listener = socket.create_server((HOST, port), backlog=128)
        self._listener.settimeout(ACCEPT_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def while_quiet(self, act: Callable[[], None]) -> None:
        """Do something with the exchange while no request is being answered."""
        with self._lock:
            act()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._closing.set()
        with contextlib.suppress(OSError):  # a last caller, so that nobody has to wait until the server looks again
            socket.create_connection((HOST, self.port), timeout=ACCEPT_SECONDS).close()
        self._thread.join()
        self._listener.close()
        for connection in list(self._connections.values()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "LoopbackServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- one connection, in its own thread ----------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        number = connection.fileno()
        self._connections[number] = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(IDLE_SECONDS_MAX)
        try:
            with connection, connection.makefile("rb") as stream:
                while not self._closing.is_set() and self._exchange_one(connection, stream):
                    continue
        except (OSError, _Bad):
            return  # the peer went away, or does not speak HTTP
        finally:
            self._connections.pop(number, None)

    def _exchange_one(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """Answer the next request of a connection; False when the connection is over."""
        request = _read_request(stream)
        if request is None:
            return False
        with self._lock:
            answer = self._exchange.answer(request)
        self._closing.wait(answer.delay.total_seconds())
        wants_close = any(
            name.lower() == "connection" and value.lower() == "close" for name, value in request.headers.items()
        )
        return self._send(connection, answer) and not wants_close

    def _send(self, connection: socket.socket, answer: Answer) -> bool:
        """Let an answer out in its manner; True when the connection can go on."""
        head, body = _head(answer), answer.response.body
        pause = answer.drip.total_seconds()
        if answer.manner is Manner.WHOLE:
            connection.sendall(head + body)
            return True
        if answer.manner in (Manner.RESET, Manner.REFUSED):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif answer.manner is Manner.TRUNCATED:
            connection.sendall(head + body[: len(body) // 2])
        elif answer.manner is Manner.DRIPPED_BODY:
            connection.sendall(head)
            self._drip(connection, body, pause)
        elif answer.manner is Manner.DRIPPED_HEADERS:
            self._drip(connection, head + body, pause)
        elif answer.manner is Manner.ENDLESS:
            connection.sendall(head)
            for _ in range(ENDLESS_BYTES_MAX // len(_BLOCK)):
                connection.sendall(_BLOCK)
        return False

    def _drip(self, connection: socket.socket, content: bytes, pause: float) -> None:
        for at in range(len(content)):
            connection.sendall(content[at : at + 1])
            if self._closing.wait(pause):
                return


def _head(answer: Answer) -> bytes:
    response = answer.response
    status = response.status or 200
    reason = HTTPStatus(status).phrase
    length = ENDLESS_BYTES_MAX * 4 if answer.manner is Manner.ENDLESS else len(response.body)
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in response.headers.items())]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _read_request(stream: BinaryIO) -> HttpRequest | None:
    """Read one request; None when the peer has closed the connection."""
    first = _line(stream)
    if not first:
        return None
    parts = first.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise _Bad
    headers: dict[str, str] = {}
    for _ in range(HEADERS_MAX):
        line = _line(stream).strip()
        if not line:
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip()] = value.strip()
    else:
        raise _Bad
    lower = {name.lower(): value for name, value in headers.items()}
    length = lower.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length) > BODY_BYTES_MAX or "transfer-encoding" in lower:
        raise _Bad
    body = stream.read(int(length))
    if len(body) < int(length):
        return None
    return HttpRequest(method=parts[0], host=lower.get("host", ""), target=parts[1], headers=headers, body=body)


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(LINE_BYTES_MAX + 1)
    if len(line) > LINE_BYTES_MAX:
        raise _Bad
    return line
