"""The exchange's answers: nothing dropped, nothing believed that cannot be read, polite, and no secret told."""

from tests.planted_bugs.bug import Bug

ORDERS = "tests/runner/adapters/coinbase/test_orders.py"
API = "tests/runner/adapters/coinbase/test_api.py"
TRANSPORT = "tests/runner/adapters/coinbase/test_transport.py"
WIRE = "tests/runner/adapters/coinbase/test_http_wire.py"
STRICT = "tests/runner/adapters/coinbase/test_strict_json.py"
ACCOUNT = "tests/runner/adapters/coinbase/test_account.py"

BUGS = (
    Bug(
        name="open-orders-asked-with-the-open-filter-only",
        breaks="L8",
        file="runner/adapters/coinbase/coinbase_broker.py",
        old='            for statuses in (_BETWEEN_STATES, (("order_status", "OPEN"),)):\n',
        new='            for statuses in ((("order_status", "OPEN"),),):\n',
        caught_by=(f"{ORDERS}::test_open_orders_are_ours_and_foreign_ones_in_every_state_before_the_end",),
    ),
    Bug(
        name="order-not-looked-for-among-those-pending",
        breaks="L4",
        file="runner/adapters/coinbase/coinbase_broker.py",
        old="            return self._listed(key, ()) or self._listed(key, _NOT_YET_OPEN)\n",
        new="            return self._listed(key, ())\n",
        caught_by=(f"{ORDERS}::test_an_order_that_the_whole_list_does_not_hold_may_wait_for_the_book",),
    ),
    Bug(
        name="duplicate-keys-in-json-accepted",
        breaks="L8",
        file="runner/adapters/coinbase/strict_json.py",
        old="    if len(found) != len(pairs):\n",
        new="    if len(found) > len(pairs):\n",
        caught_by=(f"{STRICT}::test_is_refused",),
    ),
    Bug(
        name="nan-in-json-accepted",
        breaks="L8",
        file="runner/adapters/coinbase/strict_json.py",
        old='    raise StrictJsonError(f"{name} is not a number")\n',
        new="    return Decimal(name)\n",
        caught_by=(f"{STRICT}::test_is_refused",),
    ),
    Bug(
        name="redirect-taken-for-an-answer",
        breaks="L8",
        file="runner/adapters/coinbase/api.py",
        old="        if not 200 <= response.status < 300:\n",
        new="        if not 200 <= response.status < 400:\n",
        caught_by=(API,),
    ),
    Bug(
        name="429-without-a-pause",
        breaks="L16",
        file="runner/adapters/coinbase/rate_limit.py",
        old="        bucket.paused_until = max(bucket.paused_until, self._monotonic() + pause)\n",
        new="        bucket.paused_until = max(bucket.paused_until, pause)\n",
        caught_by=(
            "tests/runner/adapters/coinbase/test_rate_limit.py::TestAfterA429::test_the_rest_doubles_with_each_in_a_row_up_to_a_limit",
        ),
    ),
    Bug(
        name="no-reserve-for-cancels",
        breaks="C5",
        file="runner/adapters/coinbase/rate_limit.py",
        old="        kept = 0.0 if is_cancel else bucket.reserve\n",
        new="        kept = 0.0\n",
        caught_by=("tests/runner/adapters/coinbase/test_rate_limit.py::test_channels_do_not_share",),
    ),
    Bug(
        name="answer-without-an-end-waited-for",
        breaks="L16",
        file="runner/adapters/coinbase/http_wire.py",
        old="        connection.begin(deadline, HEAD_BYTES_MAX)\n",
        new="        connection.begin(deadline + 3600, HEAD_BYTES_MAX)\n",
        caught_by=(f"{WIRE}::test_nothing_outlives_the_deadline",),
    ),
    Bug(
        name="endless-body-read",
        breaks="L16",
        file="runner/adapters/coinbase/http_wire.py",
        old="    if len(carried) > BODY_BYTES_MAX:\n        raise ValueError",
        new="    if len(carried) > 100 * BODY_BYTES_MAX:\n        raise ValueError",
        caught_by=(f"{WIRE}::test_a_chunked_body_of_one_byte_more_is_not",),
    ),
    Bug(
        name="request-to-another-host",
        breaks="L15",
        file="runner/adapters/coinbase/http_wire.py",
        old="        if request.host != self._authority:\n",
        new="        if not request.host:\n",
        caught_by=(f"{WIRE}::TestNothingLeaves::test_to_another_host",),
    ),
    Bug(
        name="secret-in-the-text-of-an-error",
        breaks="L15",
        file="runner/adapters/coinbase/api.py",
        old="        clean = self._redact(text)\n",
        new="        clean = text\n",
        caught_by=(
            "tests/blackbox/test_no_secret.py::test_a_key_that_is_refused_with_its_own_token_is_reported_without_it",
        ),
    ),
    Bug(
        name="secret-in-the-log",
        breaks="L15",
        file="runner/adapters/coinbase/redaction.py",
        old="        text = _SHAPES.sub(HIDDEN, text)\n"
        "        return _WORD.sub(self._hidden_or_same, text) if self._pieces else text\n",
        new="        return text\n",
        caught_by=("tests/runner/adapters/coinbase/test_redaction.py",),
    ),
    Bug(
        name="read-only-lets-orders-out",
        breaks="C12",
        file="runner/adapters/coinbase/transport.py",
        old="        if self._read_only:\n",
        new="        if self._read_only and path == routes.CANCEL:\n",
        caught_by=(f"{TRANSPORT}::test_read_only_blocks_everything_but_questions",),
    ),
    Bug(
        name="key-that-may-withdraw-taken",
        breaks="C25",
        file="runner/adapters/coinbase/account_checks.py",
        old="    if may_transfer:\n",
        new="    if may_transfer and not to_trade:\n",
        caught_by=("tests/blackbox/test_live_refused.py::test_an_account_or_a_clock_that_is_not_right",),
    ),
    Bug(
        name="vault-counted-as-cash",
        breaks="C13",
        file="runner/adapters/coinbase/account_rows.py",
        old='        and fields.text(row, "type") in _SPENDABLE_TYPES\n',
        new="",
        caught_by=(f"{ACCOUNT}::test_what_no_order_can_spend_is_not_counted",),
    ),
    Bug(
        name="filled-order-called-over-before-its-size-is-there",
        breaks="L10",
        file="runner/adapters/coinbase/order_rows.py",
        old="    if status.is_final and _is_premature(row, status, filled, terms.size):\n",
        new="    if status.is_final and not row:\n",
        caught_by=(f"{ORDERS}::test_an_order_is_not_over_before_its_filled_size_says_so",),
    ),
    Bug(
        name="lookup-by-id-believes-another-order",
        breaks="L3",
        file="runner/adapters/coinbase/coinbase_broker.py",
        old="        if report.order_id != order_id:\n",
        new="        if not report.order_id:\n",
        caught_by=(f"{ORDERS}::test_an_unusable_answer_to_an_id_is_not_an_absence",),
    ),
    Bug(
        name="cancel-that-failed-taken-for-done",
        breaks="L5",
        file="runner/adapters/coinbase/order_answers.py",
        old="        if reason and reason not in _HARMLESS_CANCEL_REASONS:\n",
        new="        if reason and not answered:\n",
        caught_by=("tests/runner/adapters/coinbase/test_submit.py::test_a_cancel_is_not_confirmed_when",),
    ),
    Bug(
        name="candle-of-the-running-minute-used",
        breaks="L12",
        file="runner/adapters/coinbase/coinbase_market.py",
        old="        return int(settled.replace(second=0, microsecond=0).timestamp())\n",
        new="        return int(settled.replace(second=0, microsecond=0).timestamp()) + 60\n",
        caught_by=("tests/runner/adapters/coinbase/test_candles.py::test_the_open_minute_and_the_future_are_dropped",),
    ),
)
