"""An exchange that lets every question wait in vain is not asked on and on; orders and cancels are not held back."""

from datetime import timedelta

import pytest

from runner.adapters.coinbase.api import PostKind
from runner.adapters.coinbase.errors import ApiError, ApiNotSent, ApiOutcomeUnknown, ApiUnavailable
from runner.adapters.coinbase.silence import IN_VAIN_SECONDS_MAX, PAUSE_SECONDS
from runner.wire import AnswerLost, NotSent
from tests.runner.adapters.coinbase.made_keys import make_credentials
from tests.runner.adapters.coinbase.scripted_wire import ApiDesk, Ending, reply

BASE = "/api/v3/brokerage"
TIMEOUT = 10.0
LOST = AnswerLost("no whole answer in time")


def fallen_silent(*endings: Ending, seconds: float = TIMEOUT) -> ApiDesk:
    """Return a desk that waited in vain for two whole timeouts; `endings`: what comes after them."""
    desk = ApiDesk(LOST, LOST, *endings, seconds=seconds, credentials=make_credentials())
    for _ in range(2):
        with pytest.raises(ApiUnavailable):
            desk.api.get(f"{BASE}/accounts")
    return desk


def pass_time(desk: ApiDesk, seconds: float) -> None:
    desk.clock.wait_until(desk.clock.now() + timedelta(seconds=seconds), lambda: True)


def test_after_so_long_in_vain_no_question_leaves_and_none_takes_time() -> None:
    desk = fallen_silent(reply())
    before = desk.clock.monotonic()

    with pytest.raises(ApiUnavailable, match="does not answer"):
        desk.api.get(f"{BASE}/accounts")
    with pytest.raises(ApiNotSent, match="does not answer"):
        desk.api.post(f"{BASE}/orders/preview", {}, kind=PostKind.QUESTION)

    assert before == 2 * TIMEOUT == IN_VAIN_SECONDS_MAX
    assert desk.clock.monotonic() == before
    assert desk.sent == 2


def test_what_was_put_off_counts_as_an_error_once_and_as_no_byte() -> None:
    desk = fallen_silent(reply())
    desk.facts.clear()

    with pytest.raises(ApiUnavailable):
        desk.api.get(f"{BASE}/accounts")

    assert [(facts.error, facts.status, facts.bytes_sent) for facts in desk.facts] == [("silence", None, 0)]


def test_a_little_less_in_vain_stops_nobody() -> None:
    desk = fallen_silent(reply(), seconds=TIMEOUT - 0.1)

    assert desk.api.get(f"{BASE}/accounts") == {}


@pytest.mark.parametrize(("seconds", "sent"), [(PAUSE_SECONDS - 0.01, 2), (PAUSE_SECONDS, 3)])
def test_it_is_asked_again_after_a_pause(seconds: float, sent: int) -> None:
    desk = fallen_silent(LOST)
    pass_time(desk, seconds)

    for _ in range(2):
        with pytest.raises(ApiUnavailable):
            desk.api.get(f"{BASE}/accounts")

    assert desk.sent == sent, "one question at most, and then there is a pause again"


def test_any_answer_ends_it() -> None:
    desk = fallen_silent(reply(404), LOST, reply())
    pass_time(desk, PAUSE_SECONDS)
    for _ in range(2):
        with pytest.raises(ApiUnavailable):
            desk.api.get(f"{BASE}/accounts")

    assert desk.api.get(f"{BASE}/accounts") == {}


@pytest.mark.parametrize(("path", "kind"), [("/orders", PostKind.ORDER), ("/orders/batch_cancel", PostKind.CANCEL)])
def test_orders_and_cancels_are_sent_all_the_same(path: str, kind: PostKind) -> None:
    desk = fallen_silent(reply())

    assert desk.api.post(f"{BASE}{path}", {}, kind=kind) == {}


def test_connections_that_are_refused_cost_no_time_and_never_count() -> None:
    desk = ApiDesk(NotSent("connection refused"))

    for _ in range(50):
        with pytest.raises(ApiError):
            desk.api.get(f"{BASE}/time")

    assert "silence" not in {facts.error for facts in desk.facts}


def test_an_order_whose_answer_was_lost_is_still_unknown_while_it_lasts() -> None:
    desk = fallen_silent(LOST)

    with pytest.raises(ApiOutcomeUnknown):
        desk.api.post(f"{BASE}/orders", {}, kind=PostKind.ORDER)
