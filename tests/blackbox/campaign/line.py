"""
The line between bot and exchange, in this process: it can be cut and frozen, and shows each request as it passes.

The exchange keeps its books whatever happens to the line: so a lost network needs no exchange that forgets.
"""

import contextlib
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from runner.adapters.simulated_coinbase.routes import Endpoint, route

HOST = "127.0.0.1"
ASKED, ANSWERED = "asked", "answered"
LOOK_SECONDS = 0.05
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 20.0
SLOW_SECONDS = 1.0
"""An answer that takes so long is late by half of what the bot waits for it: the machine is busy."""

_RESET = struct.pack("ii", 1, 0)
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A request as it came from the bot, or the beginning of its answer; `at` in epoch seconds."""

    at: float
    endpoint: Endpoint
    phase: str
    client_order_id: str


@dataclass(slots=True, kw_only=True)
class Trap:
    """Do something when the n-th request of an endpoint (None: of any) is asked or answered; it may be lost then."""

    endpoint: Endpoint | None
    phase: str
    left: int
    loses: bool
    act: Callable[[], None]


class _Lost(Exception):
    """The connection is over."""


class Line:
    """Passes connections on to a port of this machine until closed; its own port stays the same, also while cut."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}
        self._traps: dict[str, Trap] = {}
        self._is_frozen = False
        self._is_closing = False
        self._takes_calls = threading.Event()
        self._slow_at = 0.0
        self.passed: list[Passed] = []
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._take_calls()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def cut(self) -> None:
        """Refuse new connections and reset the present ones."""
        self._stop_taking_calls()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((HOST, self.port))  # not listening: the port stays ours, and refuses
        self._reset_all()

    def restore(self) -> None:
        """Take connections again, and let pass what waits."""
        self._is_frozen = False
        if not self._takes_calls.is_set():
            self._listener.listen(128)
            self._take_calls()

    def freeze(self) -> None:
        """Let nothing pass any more, either way, and say nothing of it; `restore` lets it pass."""
        self._is_frozen = True

    def arm(self, name: str, trap: Trap) -> None:
        """Set a trap, in the place of the one of that name."""
        with self._lock:
            self._traps[name] = trap

    def disarm(self, name: str) -> None:
        with self._lock:
            self._traps.pop(name, None)

    def last(self, since: float, until: float) -> Passed | None:
        """Return what passed last between two moments, in epoch seconds."""
        with self._lock:
            return next((one for one in reversed(self.passed) if since <= one.at <= until), None)

    def was_slow(self, since: float) -> bool:
        """Tell whether an answer was late, or did not come, since a moment, in epoch seconds."""
        with self._lock:
            return self._slow_at >= since

    def orders_asked(self) -> list[Passed]:
        """Return each request for an order so far."""
        with self._lock:
            return [one for one in self.passed if one.endpoint is Endpoint.CREATE and one.phase == ASKED]

    def close(self) -> None:
        self._is_closing = True
        self._stop_taking_calls()
        self._reset_all()

    # --- threads ------------------------------------------------------------------------------------------------------

    def _take_calls(self) -> None:
        self._takes_calls.set()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _stop_taking_calls(self) -> None:
        self._takes_calls.clear()
        self._acceptor.join()
        self._listener.close()

    def _accept(self) -> None:
        self._listener.settimeout(LOOK_SECONDS)
        while self._takes_calls.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(client)
            self._register(client)
            stack.callback(self._forget, client)
            try:
                exchange = socket.create_connection((HOST, self._target), timeout=CONNECT_SECONDS)
                stack.enter_context(exchange)
                self._register(exchange)
                stack.callback(self._forget, exchange)
                self._relay(client, exchange)
            except (OSError, ValueError, _Lost):
                with contextlib.suppress(OSError):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _relay(self, client: socket.socket, exchange: socket.socket) -> None:
        asked: tuple[Endpoint, str] | None = None
        asked_at = 0.0
        while not self._is_closing:
            ready, _, _ = select.select([client, exchange], [], [], LOOK_SECONDS)
            while self._is_frozen and not self._is_closing:
                time.sleep(LOOK_SECONDS)
            if asked is not None and (client in ready or time.monotonic() - asked_at > SLOW_SECONDS):
                self._slow_at = time.time()  # who asks again, or hangs up, has not waited for the answer
            if client in ready:
                head, raw = _request(client)
                asked, asked_at = _name(head, raw), time.monotonic()
                self._note(*asked, ASKED)
                exchange.sendall(raw)
            if exchange in ready:
                chunk = exchange.recv(_CHUNK)
                if not chunk:
                    raise _Lost
                if asked is not None:
                    self._note(*asked, ANSWERED)
                    asked = None
                client.sendall(chunk)

    def _note(self, endpoint: Endpoint, client_order_id: str, phase: str) -> None:
        """Write down what passes, and spring the trap if it is the one."""
        with self._lock:
            self.passed.append(Passed(at=time.time(), endpoint=endpoint, phase=phase, client_order_id=client_order_id))
            sprung = [name for name, trap in self._traps.items() if _springs(trap, endpoint, phase)]
            traps = [self._traps.pop(name) for name in sprung]
        for trap in traps:
            trap.act()
        if any(trap.loses for trap in traps):
            raise _Lost

    def _register(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets[one.fileno()] = one

    def _forget(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.pop(one.fileno(), None)

    def _reset_all(self) -> None:
        with self._lock:
            open_now = list(self._sockets.values())
        for one in open_now:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RDWR)


def _springs(trap: Trap, endpoint: Endpoint, phase: str) -> bool:
    """Count a request that a trap waits for; tell whether it was the last of them."""
    if trap.phase != phase or trap.endpoint not in (None, endpoint):
        return False
    trap.left -= 1
    return trap.left <= 0


def _request(client: socket.socket) -> tuple[str, bytes]:
    """Read one whole request; return its first line and all its bytes."""
    client.settimeout(REQUEST_SECONDS)
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _received(client)
    head = raw.partition(b"\r\n\r\n")[0].decode("latin-1")
    length = 0
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            length = int(value)
    while len(raw) < len(head) + 4 + length:
        raw += _received(client)
    return head.partition("\r\n")[0], raw


def _received(client: socket.socket) -> bytes:
    chunk = client.recv(_CHUNK)
    if not chunk:
        raise _Lost
    return chunk


def _name(first_line: str, raw: bytes) -> tuple[Endpoint, str]:
    """Return what a request is for, and the client_order_id of an order."""
    method, target, _ = first_line.split(" ", 2)
    endpoint = route(method, target).endpoint
    if endpoint is not Endpoint.CREATE:
        return endpoint, ""
    return endpoint, str(json.loads(raw.partition(b"\r\n\r\n")[2]).get("client_order_id"))
