"""What the API breaker learns of each request: that an answer came says nothing when nobody can read it."""

from datetime import UTC, datetime

import pytest

from core.settings_builder import build_settings
from runner.adapters.coinbase.api import PostKind
from runner.adapters.coinbase.errors import ApiError
from runner.adapters.coinbase.routes import BASE, CANCEL
from runner.adapters.virtual_clock import VirtualClock
from runner.venues.connection import Connection, connect
from runner.wire import AnswerLost
from tests.config_files import shipped_documents
from tests.runner.adapters.coinbase.made_keys import make_credentials
from tests.runner.adapters.coinbase.scripted_wire import Ending, ScriptedWire, reply

UNREADABLE = [
    pytest.param(b"<html>Just a moment...</html>", id="a page of a gateway"),
    pytest.param(b"", id="nothing"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'{"products": [', id="half of it"),
]


def connected(*endings: Ending) -> Connection:
    clock = VirtualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
    return connect(
        build_settings(shipped_documents()),
        clock,
        ScriptedWire(clock, *endings),
        credentials=make_credentials(),
        read_only=False,
        orders_allowed=lambda: True,
    )


def ask(connection: Connection, path: str = "/accounts") -> None:
    try:
        connection.api.get(f"{BASE}{path}")
    except ApiError:
        return


@pytest.mark.parametrize("body", UNREADABLE)
def test_answers_that_cannot_be_read_are_errors_in_a_row(body: bytes) -> None:
    connection = connected(reply(200, body))

    for _ in range(3):
        ask(connection)

    assert connection.health.consecutive_errors == connection.health.errors_in_window() == 3
    assert connection.health.errors_total == {"unusable": 3}
    used = connection.health.take_use()
    assert (used.requests, used.errors) == (3, 3)


def test_an_answer_to_an_order_or_a_cancel_counts_likewise() -> None:
    connection = connected(reply(200, b"<html>"))

    for path, kind in ((f"{BASE}/orders", PostKind.ORDER), (CANCEL, PostKind.CANCEL)):
        with pytest.raises(ApiError):
            connection.api.post(path, {}, kind=kind)

    assert connection.health.consecutive_errors == 2


def test_they_go_on_where_other_errors_were_and_a_good_answer_ends_the_row() -> None:
    connection = connected(AnswerLost("reset"), AnswerLost("reset"), reply(200, b"<html>"), reply(), reply(200, b"x"))

    ask(connection)  # two tries are lost, the third is answered
    assert connection.health.consecutive_errors == 3
    ask(connection)
    assert connection.health.consecutive_errors == 0
    ask(connection)
    assert connection.health.consecutive_errors == 1
    assert connection.health.errors_total == {"answer_lost": 2, "unusable": 2}


def test_the_market_and_the_account_are_counted_apart() -> None:
    connection = connected(reply(200, b"x"), reply(200, b"x"), reply())

    ask(connection)
    ask(connection)
    ask(connection, "/best_bid_ask")

    assert connection.health.consecutive_errors == 2


@pytest.mark.parametrize("status", [404, 400])
def test_a_definite_no_is_an_answer_whatever_it_looks_like(status: int) -> None:
    connection = connected(reply(status, b"<html>"))

    ask(connection)

    assert connection.health.errors_total == {}
