"""Orders, previews and cancels: each answer that Coinbase gives, and what it means for us."""

from collections.abc import Callable, Sequence

import pytest

from core.errors import BrokerUnavailable, OrderNotSent, OrderOutcomeUnknown, OrderRejected
from core.model.orders import OrderId, OrderType
from runner.adapters.coinbase.api import PostKind
from runner.adapters.coinbase.errors import ApiError, ApiNotSent, ApiOutcomeUnknown, ApiRefused
from runner.adapters.coinbase.order_bodies import order_body, preview_body
from runner.adapters.coinbase.routes import CANCEL, ORDERS, PREVIEW
from tests.builders import make_order
from tests.fakes.scripted_account_api import Answer, ScriptedAccountApi
from tests.runner.adapters.coinbase.coinbase_answers import (
    ORDER_ID,
    OTHER_ID,
    make_broker,
    make_guard,
    make_live_reject,
    make_success,
)

ORDER = make_order()


def submit(answer: Answer) -> OrderId:
    return make_broker(ScriptedAccountApi({ORDERS: [answer]})).submit(ORDER)


# --- submit -----------------------------------------------------------------------------------------------------------


def test_an_order_is_sent_once_as_its_body() -> None:
    api = ScriptedAccountApi({ORDERS: [make_success(ORDER)]})

    order_id = make_broker(api).submit(ORDER)

    assert order_id == ORDER_ID
    assert [(call.path, call.body, call.kind) for call in api.calls] == [(ORDERS, order_body(ORDER), PostKind.ORDER)]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(make_success(ORDER), id="with the nil failure reason"),
        pytest.param({"success": True, "success_response": {"order_id": ORDER_ID}}, id="without an echo"),
        pytest.param({"success": True, "success_response": {"order_id": ORDER_ID, "side": None}}, id="null echo"),
        pytest.param({"success": True, "order_id": ORDER_ID}, id="id at the top, as it once was"),
        pytest.param({"success": True, "success_response": None, "order_id": ORDER_ID}, id="null beside the id"),
        pytest.param({**make_success(ORDER), "error_response": {"error": "UNKNOWN_FAILURE_REASON"}}, id="nil error"),
        pytest.param({**make_success(ORDER), "new_field": [{"a": None}]}, id="a field that nobody knows"),
    ],
)
def test_a_success_is_judged_by_success_alone(answer: object) -> None:
    assert submit(answer) == ORDER_ID


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(make_live_reject(), "INSUFFICIENT_FUND", id="as seen live"),
        pytest.param(
            make_live_reject(new_order_failure_reason="INVALID_LIMIT_PRICE_POST_ONLY"),
            "INVALID_LIMIT_PRICE_POST_ONLY",
            id="the order's reason comes first",
        ),
        pytest.param(
            make_live_reject(error="UNKNOWN_FAILURE_REASON"),
            "PREVIEW_INSUFFICIENT_FUND",
            id="only the preview's reason",
        ),
        pytest.param(
            {"success": False, "failure_reason": "INVALID_SIDE", "error_response": None}, "INVALID_SIDE", id="top level"
        ),
        pytest.param(
            {"success": False, "error_response": {"error": "SOMETHING_NEW_2027"}}, "SOMETHING_NEW_2027", id="new reason"
        ),
        pytest.param(
            {"success": False, "error_response": {"error": "UNKNOWN_FAILURE_REASON", "message": "no"}},
            "UNSPECIFIED",
            id="words, but no reason",
        ),
        pytest.param(
            {"success": False, "error_response": {"error": 7, "preview_failure_reason": ["x"], "message": ""}},
            "UNSPECIFIED",
            id="reasons that are no texts",
        ),
        pytest.param(
            {"success": False, "error_response": {"error": "two words\nand a line"}}, "two_words_and_a_line", id="prose"
        ),
    ],
)
def test_a_refusal_gives_its_first_real_reason(answer: object, reason: str) -> None:
    with pytest.raises(OrderRejected) as caught:
        submit(answer)

    assert caught.value.reason == reason


def test_a_refusal_keeps_the_exchange_s_words_short_and_on_one_line() -> None:
    with pytest.raises(OrderRejected) as caught:
        submit(make_live_reject(message="first\nsecond" + "x" * 1000))

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(make_live_reject(new_order_failure_reason="DUPLICATE_CLIENT_ORDER_ID"), id="duplicate"),
        pytest.param(make_live_reject(preview_failure_reason="PREVIEW_DUPLICATE_CLIENT_ORDER_ID"), id="second reason"),
        pytest.param(ApiRefused(400, "DUPLICATE_CLIENT_ORDER_ID", "used"), id="duplicate as an HTTP 400"),
    ],
)
def test_a_used_id_is_no_refusal_an_order_with_it_exists(answer: Answer) -> None:
    with pytest.raises(OrderOutcomeUnknown):
        submit(answer)


def test_a_used_id_that_is_answered_by_the_first_order_gives_that_order() -> None:
    api = ScriptedAccountApi({ORDERS: [make_success(ORDER)]})
    broker = make_broker(api)

    assert broker.submit(ORDER) == broker.submit(ORDER)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(make_success(ORDER, client_order_id="order-2"), id="another order's id"),
        pytest.param(make_success(ORDER, product_id="ETH-USD"), id="another product"),
        pytest.param(make_success(ORDER, side="SELL"), id="another side"),
        pytest.param(make_success(ORDER, order_id=""), id="no order id"),
        pytest.param(make_success(ORDER, order_id="../accounts"), id="an order id that is a path"),
        pytest.param(make_success(ORDER, order_id=17), id="an order id that is a number"),
        pytest.param({**make_success(ORDER), "success_response": []}, id="a list for an object"),
        pytest.param({**make_success(ORDER), "success": "true"}, id="success as a text"),
        pytest.param({**make_success(ORDER), "success": None}, id="success null"),
        pytest.param({**make_success(ORDER), "success": False}, id="refused, with an order"),
        pytest.param({**make_live_reject(), "order_id": ORDER_ID}, id="refused, with an order id at the top"),
        pytest.param({"success": True}, id="a bare yes"),
        pytest.param({"success": False}, id="a bare no"),
        pytest.param({"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON"}, id="a no with the nil reason"),
        pytest.param({"success": False, "error_response": "INSUFFICIENT_FUND"}, id="a no with an odd shape"),
        pytest.param({}, id="empty object"),
        pytest.param([], id="list"),
        pytest.param(None, id="null"),
        pytest.param("ok", id="text"),
        pytest.param(ApiOutcomeUnknown("timeout"), id="no answer"),
        pytest.param(ApiOutcomeUnknown("503", status=503, body_text="<html>"), id="server error"),
    ],
)
def test_an_answer_that_says_nothing_certain_leaves_the_order_unknown(answer: Answer) -> None:
    with pytest.raises(OrderOutcomeUnknown):
        submit(answer)


def test_what_did_not_leave_was_not_sent() -> None:
    with pytest.raises(OrderNotSent, match="read_only"):
        submit(ApiNotSent("read_only"))


def test_an_order_that_cannot_be_said_is_not_sent() -> None:
    api = ScriptedAccountApi()

    with pytest.raises(OrderNotSent):
        make_broker(api).submit(make_order(size="0"))

    assert api.calls == []


def test_a_request_that_the_exchange_does_not_take_is_a_refusal() -> None:
    with pytest.raises(OrderRejected) as caught:
        submit(ApiRefused(400, "INVALID_ARGUMENT", "unknown field"))

    assert caught.value.reason == "INVALID_ARGUMENT"


# --- preview ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param({"errs": [], "warning": ["BIG_ORDER"]}, None, id="warnings only"),
        pytest.param({"errs": ["PREVIEW_INVALID_STOP_PRICE", "B"]}, "PREVIEW_INVALID_STOP_PRICE", id="the first"),
        pytest.param({"errs": ["UNKNOWN_PREVIEW_FAILURE_REASON", "B"]}, "B", id="the first that is named"),
        pytest.param({"errs": ["UNKNOWN_PREVIEW_FAILURE_REASON"]}, "UNSPECIFIED", id="refused, unnamed"),
        pytest.param({"errs": [{"odd": 1}]}, "UNSPECIFIED", id="refused, oddly"),
    ],
)
def test_a_preview_gives_the_venue_s_reason(answer: object, reason: str | None) -> None:
    guard = make_guard(OrderType.BRACKET)
    api = ScriptedAccountApi({PREVIEW: [answer]})

    assert make_broker(api).preview(guard) == reason
    assert [(call.body, call.kind) for call in api.calls] == [(preview_body(guard), PostKind.QUESTION)]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="no list of errors"),
        pytest.param({"errs": None}, id="null for the list"),
        pytest.param([], id="list"),
        pytest.param(ApiOutcomeUnknown("timeout"), id="no answer"),
        pytest.param(ApiNotSent("no token"), id="not asked"),
        pytest.param(ApiRefused(403, "HTTP_403", "scopes"), id="not allowed"),
    ],
)
def test_no_answer_to_a_preview_is_no_yes(answer: Answer) -> None:
    with pytest.raises(BrokerUnavailable):
        make_broker(ScriptedAccountApi({PREVIEW: [answer]})).preview(ORDER)


def test_an_order_that_cannot_be_said_cannot_be_previewed() -> None:
    with pytest.raises(BrokerUnavailable):
        make_broker(ScriptedAccountApi({PREVIEW: [{"errs": []}]})).preview(make_order(size="0"))


# --- cancel -----------------------------------------------------------------------------------------------------------


def make_result(
    order_id: str = ORDER_ID, *, success: object = True, reason: str = "UNKNOWN_CANCEL_FAILURE_REASON"
) -> object:
    return {"success": success, "failure_reason": reason, "order_id": order_id}


def cancel(*results: object) -> None:
    make_broker(ScriptedAccountApi({CANCEL: [{"results": list(results)}]})).cancel([OrderId(ORDER_ID)])


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(make_result(), id="asked"),
        pytest.param(make_result(success=False, reason="UNKNOWN_CANCEL_ORDER"), id="unknown or over"),
        pytest.param(make_result(success=False, reason="ORDER_IS_FULLY_FILLED"), id="filled"),
        pytest.param(make_result(success=False, reason="DUPLICATE_CANCEL_REQUEST"), id="asked before"),
    ],
)
def test_a_cancel_is_asked_for_when(result: object) -> None:
    cancel(result)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        pytest.param(
            [make_result(success=False, reason="COMMANDER_REJECTED_CANCEL_ORDER")], "COMMANDER", id="rejected"
        ),
        pytest.param([make_result(success=False, reason="NOT_ALLOWED_TO_CANCEL")], "NOT_ALLOWED", id="not allowed"),
        pytest.param([make_result(success=False)], "UNKNOWN_CANCEL_FAILURE_REASON", id="failed for no reason"),
        pytest.param([make_result(success=False, reason="")], "failure_reason", id="failed without a word"),
        pytest.param([make_result(success=None)], "success", id="neither yes nor no"),
        pytest.param([make_result(OTHER_ID)], "no result", id="another order's result"),
        pytest.param([], "no result", id="no results"),
        pytest.param([None], "results", id="null for a result"),
    ],
)
def test_a_cancel_is_not_confirmed_when(results: Sequence[object], words: str) -> None:
    with pytest.raises(BrokerUnavailable, match=words):
        cancel(*results)


@pytest.mark.parametrize("error", [ApiNotSent, ApiOutcomeUnknown], ids=lambda error: error.__name__)
def test_a_cancel_without_an_answer_may_be_asked_again(error: Callable[[str], ApiError]) -> None:
    with pytest.raises(BrokerUnavailable):
        make_broker(ScriptedAccountApi({CANCEL: [error("timeout")]})).cancel([OrderId(ORDER_ID)])


def test_cancels_go_in_hundreds_and_a_failed_hundred_does_not_keep_back_the_next() -> None:
    ids = [OrderId(f"id-{number}") for number in range(101)]
    api = ScriptedAccountApi({CANCEL: [ApiOutcomeUnknown("timeout"), {"results": [make_result("id-100")]}]})

    with pytest.raises(BrokerUnavailable, match="timeout"):
        make_broker(api).cancel([*ids, ids[0]])

    assert [call.body for call in api.calls] == [{"order_ids": ids[:100]}, {"order_ids": ids[100:]}]
    assert {call.kind for call in api.calls} == {PostKind.CANCEL}


def test_no_cancels_ask_nothing() -> None:
    api = ScriptedAccountApi()

    make_broker(api).cancel([])

    assert api.calls == []
