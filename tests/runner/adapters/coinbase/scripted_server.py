"""A server on this machine that answers each request with the next act of a script, however badly."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

Act = Callable[["Talk"], bool]
"""What the server does once it has read a request. True: it goes on to read another on the same connection."""


class Talk:
    """One connection, seen from the server."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        self._connection = connection
        self._over = over

    def say(self, data: bytes) -> None:
        self._connection.sendall(data)

    def pause(self, seconds: float) -> bool:
        """Wait; False when the test is over."""
        return not self._over.wait(seconds)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()


class ScriptedServer:
    """Plays its script over all connections; remembers what it read. After the last act it closes connections."""

    def __init__(self, acts: Sequence[Act], tls: ssl.SSLContext | None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._acts = list(acts)
        self._tls = tls
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.authority = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.authority}"

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)  # or `accept` would go on
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                while self._read_one(connection) and self._acts:
                    if not self._acts.pop(0)(Talk(connection, self._over)):
                        return

    def _read_one(self, connection: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return False
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return True


@contextlib.contextmanager
def serving(*acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    server = ScriptedServer(acts, tls)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: Sequence[str] = ()) -> bytes:
    """Return a well-formed answer as bytes."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(data: bytes) -> Act:
    """Send, and keep the connection for the next request."""

    def act(talk: Talk) -> bool:
        talk.say(data)
        return True

    return act


def says_and_closes(data: bytes = b"") -> Act:
    def act(talk: Talk) -> bool:
        talk.say(data)
        return False

    return act


def says_and_resets(data: bytes) -> Act:
    def act(talk: Talk) -> bool:
        talk.say(data)
        talk.pause(0.05)
        talk.reset()
        return False

    return act


def says_and_stalls(data: bytes = b"") -> Act:
    def act(talk: Talk) -> bool:
        talk.say(data)
        talk.pause(30)
        return False

    return act


def drips(first: bytes, drop: bytes) -> Act:
    """Send, and then a drop each 20 ms, for many times what a test of a deadline waits."""

    def act(talk: Talk) -> bool:
        talk.say(first)
        for _ in range(150):
            talk.pause(0.02)
            talk.say(drop)
        return False

    return act


def pours(first: bytes, more: bytes) -> Act:
    """Send far more than anybody should take, as fast as it goes."""

    def act(talk: Talk) -> bool:
        talk.say(first)
        for _ in range(10_000):
            talk.say(more)
        return False

    return act
