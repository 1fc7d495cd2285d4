"""How a connection to the one configured host is made: name, address, TLS, all before one deadline."""

import socket
import ssl
import threading
from collections.abc import Callable, Sequence

from runner.adapters.coinbase.deadline_socket import DeadlineSocket
from runner.adapters.coinbase.origin import LOOPBACK, Origin

ADDRESSES_MAX = 4

Lookup = Callable[[str, int], Sequence[tuple[str, int]]]
"""Host and port to addresses, best first; raises OSError."""


def tls_context(ca_file: str) -> ssl.SSLContext:
    """
    Return a context that trusts the authorities of one file, checks names, and reads nothing from the environment.

    (`ssl.create_default_context` would write session keys to the file that SSLKEYLOGFILE names.)
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def look_up(host: str, port: int) -> Sequence[tuple[str, int]]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(entry[4][0]), port) for entry in found]


class Dialer:
    """Makes connections to one origin."""

    def __init__(
        self,
        origin: Origin,
        context: ssl.SSLContext | None,
        monotonic: Callable[[], float],
        lookup: Lookup = look_up,
    ) -> None:
        """`context` is None for plain http only."""
        self._origin = origin
        self._context = context
        self._monotonic = monotonic
        self._lookup = lookup
        self._asking: _Question | None = None

    def dial(self, deadline: float) -> DeadlineSocket:
        """
        Connect to the first address that answers, each with its share of the time.

        Raises:
            OSError: No name, no route, refused, a certificate that is not trusted, too late.
        """
        addresses = self._addresses(deadline)[:ADDRESSES_MAX]
        problem = OSError("the name has no address")
        for index, address in enumerate(addresses):
            seconds = self._left(deadline) / (len(addresses) - index)
            try:
                connection = socket.create_connection(address, timeout=seconds)
            except OSError as error:
                problem = error
            else:
                return DeadlineSocket(self._secured(connection, deadline), self._monotonic)
        raise problem

    def _addresses(self, deadline: float) -> Sequence[tuple[str, int]]:
        """The system's resolver knows no deadline, so a thread asks it; one that hangs is not joined by others."""
        if self._origin.host == LOOPBACK:
            return [(LOOPBACK, self._origin.port)]
        if self._asking is None:
            self._asking = _Question(self._lookup, self._origin)
        question = self._asking
        answered = question.wait(self._left(deadline))
        if not answered:
            raise TimeoutError("the name could not be looked up in time")
        self._asking = None
        return question.addresses()

    def _secured(self, connection: socket.socket, deadline: float) -> socket.socket:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return connection
            connection.settimeout(self._left(deadline))  # for the whole handshake
            return self._context.wrap_socket(connection, server_hostname=self._origin.host)
        except OSError:
            connection.close()
            raise

    def _left(self, deadline: float) -> float:
        left = deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("no connection in time")
        return left


class _Question:
    """One look-up in its own thread."""

    def __init__(self, lookup: Lookup, origin: Origin) -> None:
        self._lookup = lookup
        self._origin = origin
        self._found: Sequence[tuple[str, int]] = ()
        self._problem: OSError | None = None
        self._thread = threading.Thread(target=self._ask, name="look-up", daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._found = self._lookup(self._origin.host, self._origin.port)
        except OSError as error:
            self._problem = error

    def wait(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def addresses(self) -> Sequence[tuple[str, int]]:
        if self._problem is not None:
            raise self._problem
        return self._found
