"""The seam itself, below everything that could forget a rule: what may leave, and what is reported of it."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from runner.adapters.coinbase.rate_limit import Channel, RateLimiter
from runner.adapters.coinbase.routes import channel_of, endpoint_of, is_path
from runner.adapters.coinbase.transport import Attempt, CallFacts, Transport
from runner.adapters.virtual_clock import VirtualClock
from runner.wire import AnswerLost, HttpRequest, NotSent
from tests.runner.adapters.coinbase.scripted_wire import Ending, ScriptedWire, reply

BASE = "/api/v3/brokerage"
ATTEMPT = Attempt(deadline=10.0, is_retry=False)


class Seam:
    def __init__(
        self, ending: Ending, *, read_only: bool = False, orders_allowed: Callable[[], bool] = lambda: True
    ) -> None:
        self.clock = VirtualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
        self.wire = ScriptedWire(self.clock, ending, seconds=0.25)
        self.facts: list[CallFacts] = []
        rates = {Channel.PUBLIC: 5, Channel.PRIVATE: 10}
        self.transport = Transport(
            wire=self.wire,
            limiter=RateLimiter(rates, self.clock.monotonic, lambda: 1.0),
            clock=self.clock,
            read_only=read_only,
            orders_allowed=orders_allowed,
            observer=self.facts.append,
        )


def make_request(method: str, path: str) -> HttpRequest:
    return HttpRequest(
        method=method,
        host="api.coinbase.com",
        target=f"{BASE}{path}",
        headers={"A": "b"},
        body=b"" if method == "GET" else b"{}",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/orders"),
        ("POST", "/orders/batch_cancel"),
        ("POST", "/orders/edit"),
        ("POST", "/orders/close_position"),
        ("POST", "/orders/preview/"),
        ("POST", "/orders/Preview"),
        ("POST", "/portfolios/move_funds"),
        ("PUT", "/portfolios/1"),
        ("DELETE", "/portfolios/1"),
        ("get", "/orders"),
    ],
)
def test_read_only_blocks_everything_but_questions(method: str, path: str) -> None:
    seam = Seam(reply(), read_only=True)

    with pytest.raises(NotSent, match="read_only"):
        seam.transport.send(make_request(method, path), ATTEMPT)

    assert seam.wire.requests == []
    assert seam.facts == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/orders/historical/batch?limit=1"), ("POST", "/orders/preview")])
def test_read_only_lets_questions_through(method: str, path: str) -> None:
    seam = Seam(reply(), read_only=True)

    assert seam.transport.send(make_request(method, path), ATTEMPT).status == 200


@pytest.mark.parametrize("path", ["/orders", "/orders/edit", "/orders/close_position", "/portfolios/move_funds"])
def test_no_order_leaves_when_orders_are_stopped(path: str) -> None:
    seam = Seam(reply(), orders_allowed=lambda: False)

    with pytest.raises(NotSent, match="stopped"):
        seam.transport.send(make_request("POST", path), ATTEMPT)

    assert seam.wire.requests == []


@pytest.mark.parametrize(
    ("method", "path", "may_leave"),
    [
        ("POST", "/orders", False),
        ("POST", "/orders/edit", False),
        ("POST", "/orders/batch_cancel", True),
        ("POST", "/orders/preview", True),
        ("GET", "/orders/historical/batch", True),
    ],
)
def test_an_order_can_still_be_stopped_on_the_wire(method: str, path: str, may_leave: bool) -> None:
    answers = iter([True])
    seam = Seam(reply(), orders_allowed=lambda: next(answers, False))

    seam.transport.send(make_request(method, path), ATTEMPT)

    assert seam.wire.requests[0].may_leave() is may_leave


def test_the_wire_gets_what_is_left_of_the_time() -> None:
    seam = Seam(reply())
    seam.transport.send(make_request("GET", "/time"), ATTEMPT)
    seam.transport.send(make_request("GET", "/time"), ATTEMPT)

    assert seam.wire.timeouts == pytest.approx([10.0, 9.75])


def test_nothing_leaves_at_the_deadline() -> None:
    seam = Seam(reply())

    with pytest.raises(NotSent, match="deadline"):
        seam.transport.send(make_request("GET", "/time"), Attempt(deadline=0.0, is_retry=False))

    assert seam.wire.requests == []


def test_an_answer_is_reported() -> None:
    seam = Seam(reply(404, b"x" * 100, {"a": "b"}))

    seam.transport.send(make_request("POST", "/orders"), Attempt(deadline=10.0, is_retry=True))

    assert seam.facts == [
        CallFacts(
            channel=Channel.PRIVATE,
            endpoint="/orders",
            method="POST",
            status=404,
            error=None,
            seconds=0.25,
            bytes_sent=len(f"POST {BASE}/orders HTTP/1.1\r\nA: b\r\n\r\n{{}}"),
            bytes_received=106,
            is_retry=True,
        )
    ]


def test_a_packed_answer_counts_as_carried() -> None:
    seam = Seam(reply(200, b"x" * 100, {"content-length": "10"}))

    seam.transport.send(make_request("GET", "/time"), ATTEMPT)

    assert seam.facts[0].bytes_received == len("content-length: 10\r\n") + 10


@pytest.mark.parametrize(
    ("ending", "error", "has_left"),
    [(NotSent("refused"), "not_sent", False), (AnswerLost("reset"), "answer_lost", True)],
)
def test_a_fault_is_reported(ending: NotSent | AnswerLost, error: str, has_left: bool) -> None:
    seam = Seam(ending)

    with pytest.raises(type(ending)):
        seam.transport.send(make_request("GET", "/market/products/BTC-USD/candles?start=1"), ATTEMPT)

    facts = seam.facts[0]
    assert (facts.endpoint, facts.status, facts.error) == ("/market/products/{id}/candles", None, error)
    assert (facts.bytes_sent > 0) is has_left
    assert facts.seconds == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("path", "endpoint", "channel"),
    [
        ("/time", "/time", Channel.PUBLIC),
        ("/market/products", "/market/products", Channel.PUBLIC),
        ("/market/products/BTC-USD", "/market/products/{id}", Channel.PUBLIC),
        ("/market/products/BTC-USD/ticker", "/market/products/{id}/ticker", Channel.PUBLIC),
        ("/products/BTC-USD/candles", "/products/{id}/candles", Channel.PRIVATE),
        ("/orders/historical/batch", "/orders/historical/batch", Channel.PRIVATE),
        ("/orders/historical/fills", "/orders/historical/fills", Channel.PRIVATE),
        ("/orders/historical/0c1d", "/orders/historical/{id}", Channel.PRIVATE),
        ("/accounts/0c1d", "/accounts/{id}", Channel.PRIVATE),
    ],
)
def test_a_metric_names_the_endpoint_and_not_the_thing(path: str, endpoint: str, channel: Channel) -> None:
    assert endpoint_of(f"{BASE}{path}") == endpoint
    assert channel_of(f"{BASE}{path}") is channel


@pytest.mark.parametrize("path", ["", "/", "/a//b", "/a/", "/a/../b", "/a.b", "/a?b", "/a b", "/a%2Fb", "/ä", "/a\n"])
def test_what_is_no_path_of_the_api(path: str) -> None:
    assert not is_path(f"{BASE}{path}")


def test_a_retry_after_is_heard() -> None:
    seam = Seam(reply(429, b"", {"retry-after": "5"}))
    seam.transport.send(make_request("GET", "/time"), ATTEMPT)

    seam.transport.send(make_request("GET", "/time"), ATTEMPT)

    assert seam.wire.timeouts[1] == pytest.approx(10.0 - 0.25 - 5.0)
