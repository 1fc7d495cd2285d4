"""
A connection on which nothing lasts beyond one moment: not a stalled peer, and not one that sends a byte a second.

`http.client` reads its answers from here. The time that is left shrinks before every single operation of the socket,
so head and body share one deadline; no thread watches over it.
"""

import socket
import ssl
from collections.abc import Callable

CHUNK_BYTES = 65536


class DeadlineSocket:
    """
    A connected socket with one deadline per exchange, and the reading side of a file.

    Every operation may raise OSError; TimeoutError is one.
    """

    def __init__(self, connection: socket.socket, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._monotonic = monotonic
        self._deadline = 0.0
        self._bytes_max = 0
        self._unread = bytearray()
        self.bytes_received = 0
        self.has_sent = False
        self.was_closed_by_peer = False

    def begin(self, deadline: float, bytes_max: int) -> None:
        """Begin an exchange: from now on this deadline holds, and an answer of so many bytes at most."""
        self._deadline = deadline
        self._bytes_max = bytes_max
        self.bytes_received = 0
        self.has_sent = False

    def allow(self, bytes_more: int) -> None:
        """Let the answer be longer by so many bytes."""
        self._bytes_max += bytes_more

    def send_all(self, data: bytes) -> None:
        """Send everything; `has_sent` is true as soon as a byte of it may have left."""
        rest = memoryview(data)
        while rest:
            self._connection.settimeout(self._seconds_left())
            self.has_sent = True
            try:
                rest = rest[self._connection.send(rest) :]
            except ConnectionError:
                self.was_closed_by_peer = True
                raise

    def makefile(self, _mode: str) -> "DeadlineSocket":
        """Be the file that `http.client` reads an answer from."""
        return self

    def readline(self, limit: int) -> bytes:
        """Return bytes up to and with the next newline, `limit` at most. No line of an answer may be its end."""
        seen = 0
        while (at := self._unread.find(b"\n", seen, limit)) < 0 and len(self._unread) < limit:
            seen = len(self._unread)
            if not self._receive():
                # http.client would take a head that was cut off for a whole one.
                raise OSError("the answer breaks off" if self.bytes_received else "closed without an answer")
        return self._cut(limit if at < 0 else at + 1)

    def read(self, size: int | None = None) -> bytes:
        """Return `size` bytes, fewer at the end of the stream; None: everything up to there."""
        if size is not None and size < 0:
            raise OSError("a negative length in the answer")
        while (size is None or len(self._unread) < size) and self._receive():
            pass
        return self._cut(len(self._unread) if size is None else size)

    def flush(self) -> None:
        """Do nothing: only answers are read through this file."""

    def close(self) -> None:
        """Do nothing: the end of an answer is not the end of the connection (`shut` is)."""

    def shut(self) -> None:
        """Close the connection."""
        self._unread.clear()
        self._connection.close()

    def is_quiet(self) -> bool:
        """Tell whether the peer has neither closed the connection nor sent anything that nobody asked for."""
        if self._unread:
            return False
        self._connection.settimeout(0.0)
        try:
            self._connection.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def _seconds_left(self) -> float:
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        return left

    def _cut(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def _receive(self) -> bool:
        """Take what the socket has next; False at the end of the stream."""
        self._connection.settimeout(self._seconds_left())
        try:
            part = self._connection.recv(CHUNK_BYTES)
        except ConnectionError:
            self.was_closed_by_peer = True
            raise
        self.bytes_received += len(part)
        if self.bytes_received > self._bytes_max:
            raise OSError(f"an answer of more than {self._bytes_max} bytes")
        if not part:
            self.was_closed_by_peer = True
            return False
        self._unread += part
        return True
