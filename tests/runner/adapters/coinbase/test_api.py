"""Calls in virtual time: what is asked again, what is sent once, and what every ending is called."""

import pytest

from runner.adapters.coinbase.api import TRIES_MAX, PostKind
from runner.adapters.coinbase.errors import ApiNotSent, ApiOutcomeUnknown, ApiRefused, ApiUnavailable
from runner.adapters.coinbase.rate_limit import Channel
from runner.wire import AnswerLost, NotSent
from tests.runner.adapters.coinbase.made_keys import make_credentials
from tests.runner.adapters.coinbase.scripted_wire import ApiDesk, Ending, reply

BASE = "/api/v3/brokerage"
PRODUCTS = f"{BASE}/market/products"
ACCOUNTS = f"{BASE}/accounts"
ORDERS = f"{BASE}/orders"
PREVIEW = f"{BASE}/orders/preview"
CANCEL = f"{BASE}/orders/batch_cancel"

HTML = b"<html><body>Too many requests</body></html>"
ERROR = b'{"error":"INVALID_ARGUMENT","error_details":"","message":"unknown field"}'
REFUSED_NOW = reply(429, b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}')

KEY = make_credentials()

FAULTS = [
    pytest.param(NotSent("refused"), id="no connection"),
    pytest.param(AnswerLost("reset"), id="lost"),
    pytest.param(REFUSED_NOW, id="429 as JSON"),
    pytest.param(reply(429, HTML), id="429 as HTML"),
    pytest.param(reply(500), id="500"),
    pytest.param(reply(502, HTML), id="502 as HTML"),
    pytest.param(reply(503, b""), id="503"),
]


def order(desk: ApiDesk) -> object:
    return desk.api.post(ORDERS, {"client_order_id": "x"}, kind=PostKind.ORDER)


def cancel(desk: ApiDesk) -> object:
    return desk.api.post(CANCEL, {"order_ids": ["1"]}, kind=PostKind.CANCEL)


def preview(desk: ApiDesk) -> object:
    return desk.api.post(PREVIEW, {"product_id": "BTC-USD"}, kind=PostKind.QUESTION)


class TestAQuestion:
    def test_is_answered_with_exact_numbers(self) -> None:
        desk = ApiDesk(reply(200, b'{"price":0.1,"n":[1,null,true]}'))

        assert str(desk.api.get(PRODUCTS)) == "{'price': Decimal('0.1'), 'n': [1, None, True]}"

    def test_keeps_the_order_and_the_repetition_of_its_parameters(self) -> None:
        desk = ApiDesk(reply())

        desk.api.get(PRODUCTS, [("product_ids", "A-USD"), ("product_ids", "B USD"), ("limit", "2")])

        assert desk.wire.requests[0].target == f"{PRODUCTS}?product_ids=A-USD&product_ids=B+USD&limit=2"
        assert desk.wire.requests[0].body == b""

    @pytest.mark.parametrize("fault", FAULTS)
    def test_is_asked_again_after_a_fault(self, fault: Ending) -> None:
        desk = ApiDesk(fault, reply(200, b'{"n":1}'))

        assert desk.api.get(PRODUCTS) == {"n": 1}
        assert [facts.is_retry for facts in desk.facts] == [False, True]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_is_given_up_after_the_last_try(self, fault: Ending) -> None:
        desk = ApiDesk(fault)

        with pytest.raises(ApiUnavailable):
            desk.api.get(PRODUCTS)

        assert desk.sent == len(desk.facts) == TRIES_MAX

    @pytest.mark.parametrize("status", [204, 301, 302, 400, 401, 403, 404, 418])
    def test_is_not_asked_again_after_a_definite_answer(self, status: int) -> None:
        desk = ApiDesk(reply(status, b"no\x1b[31m\nnews"), reply())

        with pytest.raises(ApiUnavailable) as caught:
            desk.api.get(PRODUCTS)

        assert desk.sent == 1
        assert (caught.value.status, caught.value.body_text) == (status, "no [31m news")

    @pytest.mark.parametrize("status", [301, 302, 307, 308, 404])
    def test_is_not_answered_by_the_body_of_another_status(self, status: int) -> None:
        desk = ApiDesk(reply(status, b'{"orders":[],"has_next":false}'))

        with pytest.raises(ApiUnavailable):
            desk.api.get(PRODUCTS)

    @pytest.mark.parametrize("body", [b"", HTML, b'{"a":1,"a":2}', b"[NaN]", b"\xff", b"[" * 5000, b'{"a":'])
    def test_is_not_answered_by_what_is_not_strict_json(self, body: bytes) -> None:
        desk = ApiDesk(reply(200, body))

        with pytest.raises(ApiUnavailable) as caught:
            desk.api.get(PRODUCTS)

        assert caught.value.status == 200

    def test_ends_inside_its_deadline_whatever_its_tries_take(self) -> None:
        desk = ApiDesk(AnswerLost("slow"), seconds=6.0)

        with pytest.raises(ApiUnavailable):
            desk.api.get(PRODUCTS)

        assert desk.sent == 2
        assert desk.wire.timeouts[0] == 10.0
        assert desk.wire.timeouts[1] == pytest.approx(10.0 - 6.0 - 0.25, abs=0.13)

    def test_does_not_outlive_the_cycle_in_which_it_began_and_after_its_end_has_its_whole_time(self) -> None:
        desk = ApiDesk(AnswerLost("slow"), seconds=4.0)
        desk.cycle_time.end_at(desk.clock.monotonic() + 6.5)

        for _ in range(2):
            with pytest.raises(ApiUnavailable):
                desk.api.get(PRODUCTS)

        assert desk.wire.timeouts[:3] == pytest.approx([6.5, 6.5 - 4.0 - 0.25, 10.0], abs=0.13)

    def test_waits_for_its_turn_inside_its_deadline(self) -> None:
        desk = ApiDesk(reply(), public_requests_per_second=1)

        for _ in range(3):
            desk.api.get(PRODUCTS)

        assert desk.clock.monotonic() == pytest.approx(2.0)
        assert desk.wire.timeouts == pytest.approx([10.0, 9.0, 9.0])

    def test_whose_turn_would_come_too_late_is_not_asked(self) -> None:
        desk = ApiDesk(reply(), public_requests_per_second=1, request_timeout_seconds=1)
        desk.api.get(PRODUCTS)

        with pytest.raises(ApiUnavailable, match="no token"):
            desk.api.get(PRODUCTS)

        assert desk.sent == 1
        assert desk.facts[-1].error == "no_token"
        assert desk.facts[-1].bytes_sent == 0

    def test_in_a_storm_of_429_is_asked_ever_more_rarely(self) -> None:
        desk = ApiDesk(REFUSED_NOW)

        for _ in range(20):
            with pytest.raises(ApiUnavailable):
                desk.api.get(PRODUCTS)

        assert desk.sent <= 7  # not 60: pauses of 1, 2, 4, 8 seconds are waited for, longer ones are not
        assert desk.limiter.utilization()[Channel.PUBLIC] == 1.0

    def test_of_a_path_that_is_none_is_not_asked(self) -> None:
        desk = ApiDesk(reply())

        for path in (f"{PRODUCTS}/../orders", f"{PRODUCTS}/A?b=c", "/v2/user", f"{PRODUCTS}/A B", f"{PRODUCTS}/\n"):
            with pytest.raises(ApiUnavailable, match="not a path"):
                desk.api.get(path)

        assert desk.sent == 0

    def test_about_the_account_needs_a_key(self) -> None:
        desk = ApiDesk(reply())

        assert not desk.api.is_signed
        with pytest.raises(ApiUnavailable, match="needs an API key"):
            desk.api.get(ACCOUNTS)
        assert desk.sent == 0

    def test_with_a_key_is_signed(self) -> None:
        desk = ApiDesk(reply(), credentials=KEY)

        desk.api.get(ACCOUNTS, [("limit", "250"), ("x", "1"), ("x", "2")])

        assert desk.api.is_signed
        assert desk.wire.requests[0].target == f"{ACCOUNTS}?limit=250&x=1&x=2"
        assert desk.wire.requests[0].host == "api.coinbase.com"
        assert desk.wire.requests[0].headers["Authorization"].startswith("Bearer eyJ")
        assert desk.wire.requests[0].body == b""


class TestAnOrder:
    def test_is_sent_as_it_was_written(self) -> None:
        desk = ApiDesk(reply(200, b'{"success":true}'), credentials=KEY)

        answer = desk.api.post(ORDERS, {"b": "0.10", "a": {"c": None, "d": True}}, kind=PostKind.ORDER)

        assert answer == {"success": True}
        assert desk.wire.requests[0].body == b'{"b":"0.10","a":{"c":null,"d":true}}'

    def test_is_told_what_was_answered_without_the_token_that_the_answer_repeats(self) -> None:
        told = b'{"success":false,"error_response":{"error":"BAD_eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"}}'
        desk = ApiDesk(reply(200, told), credentials=KEY)

        assert order(desk) == {"success": False, "error_response": {"error": "BAD_[secret]"}}

    @pytest.mark.parametrize("fault", FAULTS)
    def test_is_sent_once_in_every_fault(self, fault: Ending) -> None:
        desk = ApiDesk(fault, reply(), credentials=KEY)

        with pytest.raises(ApiNotSent if isinstance(fault, NotSent) else ApiOutcomeUnknown):
            order(desk)

        assert desk.sent == 1

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(reply(200, b""), id="nothing"),
            pytest.param(reply(200, HTML), id="HTML"),
            pytest.param(reply(200, b"null"), id="null"),
            pytest.param(reply(200, b"[]"), id="a list"),
            pytest.param(reply(200, b'{"success":true,"success":false}'), id="yes and no"),
            pytest.param(reply(200, b'{"success":tr'), id="half an answer"),
            pytest.param(reply(204, b""), id="204"),
            pytest.param(reply(302, b"", {"location": "https://elsewhere.test/"}), id="a redirect"),
            pytest.param(reply(400, HTML), id="400 as HTML"),
            pytest.param(reply(400, b"{}"), id="400 without an error"),
            pytest.param(reply(400, b'{"error":"X","success":true}'), id="400 that claims success"),
            pytest.param(reply(401, b'{"success_response":{"order_id":"1"}}'), id="401 with an order"),
            pytest.param(reply(404, ERROR), id="404"),
            pytest.param(reply(408, ERROR), id="408"),
            pytest.param(reply(409, ERROR), id="409"),
            pytest.param(reply(429, ERROR), id="429 with an error"),
            pytest.param(reply(500, ERROR), id="500 with an error"),
        ],
    )
    def test_is_unknown_after(self, answer: Ending) -> None:
        desk = ApiDesk(answer, credentials=KEY)

        with pytest.raises(ApiOutcomeUnknown):
            order(desk)

        assert desk.sent == 1

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            pytest.param(reply(400, ERROR), "INVALID_ARGUMENT", id="400 that says why"),
            pytest.param(reply(401, b"Unauthorized\n"), "HTTP_401", id="401 as text"),
            pytest.param(reply(403, b'{"error":"PERMISSION_DENIED"}'), "PERMISSION_DENIED", id="403"),
            pytest.param(reply(403, HTML), "HTTP_403", id="403 as HTML"),
        ],
    )
    def test_is_refused_for_certain_by(self, answer: Ending, code: str) -> None:
        desk = ApiDesk(answer, credentials=KEY)

        with pytest.raises(ApiRefused) as caught:
            order(desk)

        assert caught.value.code == code
        assert desk.sent == 1

    def test_does_not_leave_without_a_key(self) -> None:
        desk = ApiDesk(reply())

        with pytest.raises(ApiNotSent, match="needs an API key"):
            order(desk)
        assert desk.sent == 0

    def test_whose_turn_would_come_too_late_does_not_leave(self) -> None:
        desk = ApiDesk(REFUSED_NOW, credentials=KEY, request_timeout_seconds=1)
        for _ in range(3):
            with pytest.raises(ApiUnavailable):
                desk.api.get(ACCOUNTS)
        before = desk.sent

        with pytest.raises(ApiNotSent, match="no token"):
            order(desk)
        assert desk.sent == before

    def test_is_not_to_be_called_a_question(self) -> None:
        desk = ApiDesk(reply(), credentials=KEY)

        for kind in (PostKind.QUESTION, PostKind.CANCEL):
            with pytest.raises(ValueError, match="kind"):
                desk.api.post(ORDERS, {}, kind=kind)
        assert desk.sent == 0


class TestACancel:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_is_asked_for_again(self, fault: Ending) -> None:
        desk = ApiDesk(fault, reply(200, b'{"results":[]}'), credentials=KEY)

        assert cancel(desk) == {"results": []}
        assert desk.sent == 2

    def test_is_unknown_when_one_try_may_have_arrived(self) -> None:
        desk = ApiDesk(AnswerLost("reset"), NotSent("refused"), credentials=KEY)

        with pytest.raises(ApiOutcomeUnknown):
            cancel(desk)
        assert desk.sent == TRIES_MAX

    def test_has_its_whole_time_whatever_the_cycle_has_left(self) -> None:
        desk = ApiDesk(AnswerLost("reset"), credentials=KEY)
        desk.cycle_time.end_at(desk.clock.monotonic() + 1)

        with pytest.raises(ApiOutcomeUnknown):
            desk.api.post(CANCEL, {"order_ids": ["1"]}, kind=PostKind.CANCEL)

        assert desk.wire.timeouts[0] == 10.0

    def test_did_not_leave_when_no_try_did(self) -> None:
        desk = ApiDesk(NotSent("refused"), credentials=KEY)

        with pytest.raises(ApiNotSent):
            cancel(desk)

    def test_goes_out_while_everything_else_waits(self) -> None:
        desk = ApiDesk(REFUSED_NOW, credentials=KEY)
        for _ in range(3):
            with pytest.raises(ApiUnavailable):
                desk.api.get(ACCOUNTS)
        with pytest.raises(ApiUnavailable, match="no token"):
            desk.api.get(ACCOUNTS)
        before = desk.clock.monotonic()

        with pytest.raises(ApiOutcomeUnknown):
            cancel(desk)

        assert desk.facts[-1].endpoint == "/orders/batch_cancel"
        assert desk.facts[-1].status == 429
        assert desk.clock.monotonic() - before < 1.0  # its own two pauses


class TestAPreview:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_is_asked_again(self, fault: Ending) -> None:
        desk = ApiDesk(fault, reply(200, b'{"errs":[]}'), credentials=KEY)

        assert preview(desk) == {"errs": []}
        assert desk.sent == 2


class TestReadOnly:
    def test_lets_questions_through(self) -> None:
        desk = ApiDesk(reply(), credentials=KEY, read_only=True)

        desk.api.get(ACCOUNTS)
        preview(desk)

        assert desk.sent == 2

    def test_stops_orders_and_cancels_at_once(self) -> None:
        desk = ApiDesk(reply(), credentials=KEY, read_only=True)

        for send in (order, cancel):
            with pytest.raises(ApiNotSent, match="read_only"):
                send(desk)
        with pytest.raises(ApiNotSent, match="read_only"):
            desk.api.post(f"{ORDERS}/edit", {}, kind=PostKind.ORDER)

        assert desk.sent == 0
        assert desk.clock.monotonic() == 0.0


class TestStopped:
    def test_orders_stay_and_cancels_go(self) -> None:
        desk = ApiDesk(reply(), credentials=KEY, orders_allowed=lambda: False)

        with pytest.raises(ApiNotSent, match="stopped"):
            order(desk)
        assert desk.sent == 0

        cancel(desk)
        preview(desk)
        desk.api.get(ACCOUNTS)
        assert desk.sent == 3

    def test_while_an_order_waits_for_its_turn_it_stays(self) -> None:
        """Asked when it comes (by the API, by the transport), at the begin of its wait, and at the end."""
        answers = iter([True, True, True])
        desk = ApiDesk(
            reply(), credentials=KEY, private_requests_per_second=1, orders_allowed=lambda: next(answers, False)
        )
        desk.api.get(ACCOUNTS)

        with pytest.raises(ApiNotSent, match="stopped"):
            order(desk)
        assert desk.sent == 1
        assert desk.clock.monotonic() == pytest.approx(1.0)


def test_the_jitter_of_a_seed_is_always_the_same() -> None:
    ends = set()
    for _ in range(2):
        desk = ApiDesk(REFUSED_NOW, reply(503), reply())
        desk.api.get(PRODUCTS)
        ends.add(desk.clock.monotonic())

    assert len(ends) == 1
    assert ends.pop() > 0.5
