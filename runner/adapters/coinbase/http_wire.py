"""
Requests to Coinbase over a socket, on nothing but the standard library.

One host, TLS checked, no proxy, no redirect, no cookie, no environment. A connection is kept for a moment, for the
next request of the same cycle.
"""

import http.client
import re
import zlib
from collections.abc import Callable, Mapping

from runner.adapters.coinbase.deadline_socket import DeadlineSocket
from runner.adapters.coinbase.dialer import Dialer, Lookup, look_up, tls_context
from runner.adapters.coinbase.origin import origin_of
from runner.wire import AnswerLost, HttpRequest, HttpResponse, NotSent

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 8 * 1024 * 1024
CHUNK_HEADS_BYTES = 64 * 1024
IDLE_SECONDS_MAX = 15.0
"""Below the idle times of servers and balancers: a POST on a connection that they close just then is an unknown."""

OWN_HEADERS = ("host", "content-length", "connection", "transfer-encoding")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")


class HttpWire:
    """Port `Wire` over HTTP/1.1, for one thread."""

    def __init__(
        self,
        *,
        api_url: str,
        monotonic: Callable[[], float],
        ca_file: str | None = None,
        lookup: Lookup = look_up,
    ) -> None:
        """
        `monotonic` counts real seconds, whatever clock the run has. `ca_file` None: the authorities of certifi.

        Raises:
            ConfigError: `api_url` is not one that this program talks to.
        """
        origin = origin_of(api_url)
        context = tls_context(ca_file or _authorities()) if origin.is_tls else None
        self._authority = origin.authority
        self._monotonic = monotonic
        self._dialer = Dialer(origin, context, monotonic, lookup)
        self._idle: DeadlineSocket | None = None
        self._idle_since = 0.0

    def send(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        """
        Make one exchange within a total time.

        A GET whose kept connection turns out to be closed is sent again on a new one; a POST is not.

        Raises:
            NotSent
            AnswerLost
        """
        deadline = self._monotonic() + timeout_seconds
        if request.host != self._authority:
            raise NotSent(f"{request.host!r} is not the configured host")
        data = _bytes_of(request)
        kept = self._take_kept()
        if kept is not None:
            try:
                return self._exchange(kept, request.method, data, deadline)
            except AnswerLost:
                unheard = kept.was_closed_by_peer and kept.bytes_received == 0
                if request.method != "GET" or not unheard:
                    raise
        try:
            fresh = self._dialer.dial(deadline)
        except OSError as error:
            ending = NotSent if kept is None else AnswerLost
            raise ending(f"cannot connect to {self._authority}: {error}") from error
        if not request.may_leave():
            fresh.shut()
            raise NotSent("stopped while the connection was made")
        return self._exchange(fresh, request.method, data, deadline)

    def close(self) -> None:
        """Close the kept connection."""
        if self._idle is not None:
            self._idle.shut()
            self._idle = None

    def _exchange(self, connection: DeadlineSocket, method: str, data: bytes, deadline: float) -> HttpResponse:
        connection.begin(deadline, HEAD_BYTES_MAX)
        try:
            connection.send_all(data)
            answer = http.client.HTTPResponse(connection, method=method)  # type: ignore[arg-type]  # reads makefile()
            answer.begin()
            connection.allow(BODY_BYTES_MAX + CHUNK_HEADS_BYTES)
            response = _whole(answer)
        except (OSError, ValueError, http.client.HTTPException, zlib.error) as error:
            connection.shut()
            ending = AnswerLost if connection.has_sent else NotSent
            raise ending(f"{type(error).__name__}: {error}") from error
        if answer.will_close:
            connection.shut()
        else:
            self.close()
            self._idle, self._idle_since = connection, self._monotonic()
        return response

    def _take_kept(self) -> DeadlineSocket | None:
        """Return the kept connection if it is young and the server has said nothing on it since."""
        kept, self._idle = self._idle, None
        if kept is None:
            return None
        if self._monotonic() - self._idle_since < IDLE_SECONDS_MAX and kept.is_quiet():
            return kept
        kept.shut()
        return None


def _authorities() -> str:
    import certifi  # noqa: PLC0415 - plain http on this machine does not need it

    return certifi.where()


def _bytes_of(request: HttpRequest) -> bytes:
    """Return the request as sent, in one piece. `Host` and the length are the wire's own business."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in OWN_HEADERS}
    usable = all(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers.items())
    if not (usable and _TOKEN.fullmatch(request.method) and _TARGET.fullmatch(request.target)):
        raise NotSent("a header or the target has a character that HTTP does not allow")
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {request.host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if request.body or request.method != "GET":
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + request.body


def _whole(answer: http.client.HTTPResponse) -> HttpResponse:
    """
    Read the rest of an answer whose head was read; refuse one whose length can be understood in two ways.

    `content-length` of the result is the body's length as carried.

    Raises:
        OSError, ValueError, HTTPException, zlib.error
    """
    if answer.status < 200:
        raise ValueError(f"an interim answer {answer.status}")
    lengths = answer.headers.get_all("content-length") or []
    if any(not (length.isascii() and length.isdigit()) or length != lengths[0] for length in lengths):
        raise ValueError("lengths that contradict each other")
    if answer.headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise ValueError("an unknown transfer encoding")
    if (answer.length or 0) > BODY_BYTES_MAX:
        raise ValueError(f"a body of {answer.length} bytes")
    carried = answer.read()
    if len(carried) > BODY_BYTES_MAX:
        raise ValueError(f"a body of more than {BODY_BYTES_MAX} bytes")
    headers = _lower_case(answer)
    body = _unpacked(carried, headers.get("content-encoding", "identity").lower())
    return HttpResponse(status=answer.status, headers={**headers, "content-length": str(len(carried))}, body=body)


def _lower_case(answer: http.client.HTTPResponse) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in answer.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _unpacked(carried: bytes, encoding: str) -> bytes:
    if encoding == "identity" or not carried:
        return carried
    if encoding != "gzip":
        raise ValueError("an encoding that was not asked for")
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    body = stream.decompress(carried, BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"a body of more than {BODY_BYTES_MAX} bytes, unpacked")
    if not stream.eof or stream.unused_data:
        raise ValueError("a packed body that does not end where it should")
    return body
