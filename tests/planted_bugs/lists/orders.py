"""Orders: at most once, unknown stays unknown, absence proven, nothing of others (L3, L4, L9)."""

# ruff: noqa: E501 (lines of the program, indented as there)

from tests.planted_bugs.bug import Bug
from tests.planted_bugs.commands import SIMULATION

UNKNOWN = "tests/scenarios/test_unknown_orders.py"
ROUTING = "tests/scenarios/test_order_routing.py"
RECONCILING = "tests/scenarios/test_reconciling.py"
PLAN = "tests/core/test_order_plan.py"

BUGS = (
    Bug(
        name="id-made-of-the-price",
        breaks="L3",
        file="core/order_plan.py",
        old="    name = client_order_id(account, approved.product_id, slot, ENTRY_LEG, attempt)\n",
        new='    name = client_order_id(account, approved.product_id, slot, f"{ENTRY_LEG}:{price}", attempt)\n',
        caught_by=(f"{PLAN}::test_an_order_id_does_not_depend_on_size_and_price",),
    ),
    Bug(
        name="id-made-of-the-size",
        breaks="L3",
        file="core/order_plan.py",
        old='        client_order_id=client_order_id(account, lot.product_id, slot, f"{EXIT_LEG}:{lot.lot_id}", attempt),\n',
        new='        client_order_id=client_order_id(account, lot.product_id, slot, f"{EXIT_LEG}:{size}", attempt),\n',
        caught_by=(f"{PLAN}::test_legs_and_attempts_and_lots_of_a_slot_have_ids_of_their_own",),
    ),
    Bug(
        name="id-random",
        breaks="L3",
        file="core/slot_key.py",
        old="    return ClientOrderId(str(uuid.UUID(bytes=bytes(digest))))\n",
        new="    return ClientOrderId(str(uuid.uuid4()))\n",
        caught_by=(f"{PLAN}::test_an_order_id_is_a_version_8_uuid_and_the_same_on_every_machine",),
    ),
    Bug(
        name="entry-quoted-anew-while-its-answer-is-lost",
        breaks="L3",
        file="runner/orders/entries.py",
        old="        state = self._book.ledger.closed_orders.get(wish.key)\n",
        new="        known = self._book.ledger\n"
        "        state = known.closed_orders.get(wish.key) or known.open_orders.get(wish.key)\n",
        caught_by=(f"{ROUTING}::test_a_quote_that_is_not_proven_over_has_no_successor",),
    ),
    Bug(
        name="order-request-sent-again-after-a-timeout",
        breaks="L3",
        file="runner/adapters/coinbase/api.py",
        old="        tries = 1 if kind is PostKind.ORDER else TRIES_MAX\n",
        new="        tries = TRIES_MAX\n",
        caught_by=(
            "tests/runner/adapters/coinbase/test_signed_client.py::test_an_order_is_on_the_wire_once_in_every_fault",
        ),
    ),
    Bug(
        name="order-sent-again-on-a-kept-connection-that-was-closed",
        breaks="L3",
        file="runner/adapters/coinbase/http_wire.py",
        old='                if request.method != "GET" or not unheard:\n',
        new="                if not unheard:\n",
        caught_by=(
            "tests/runner/adapters/coinbase/test_http_wire.py::TestAKeptConnection::test_that_closes_at_a_post_loses_the_answer",
        ),
    ),
    Bug(
        name="timeout-taken-for-a-rejection",
        breaks="L4",
        file="runner/orders/sending.py",
        old="            return self._note(order, Outcome.UNKNOWN, None, str(error))\n        if self._is_taken(order_id):\n",
        new="            return self._note(order, Outcome.REJECTED, None, str(error))\n        if self._is_taken(order_id):\n",
        caught_by=(f"{UNKNOWN}::test_an_order_that_was_accepted_is_found_and_its_fills_are_booked_once",),
    ),
    Bug(
        name="lost-answer-taken-for-not-sent",
        breaks="L4",
        file="runner/adapters/coinbase/api.py",
        old="            error = ApiOutcomeUnknown if ending.may_have_arrived else ApiNotSent\n",
        new="            error = ApiNotSent\n",
        caught_by=("tests/runner/adapters/coinbase/test_api.py::TestAnOrder::test_is_sent_once_in_every_fault",),
    ),
    Bug(
        name="server-error-taken-for-a-refusal",
        breaks="L4",
        file="runner/adapters/coinbase/api.py",
        old='        certain = status in (401, 403) or (status == 400 and code != "")\n',
        new="        certain = status >= 400\n",
        caught_by=("tests/runner/adapters/coinbase/test_api.py::TestAnOrder::test_is_sent_once_in_every_fault",),
    ),
    Bug(
        name="refusal-without-a-word-believed",
        breaks="L4",
        file="runner/adapters/coinbase/order_answers.py",
        old="    if not reasons and not details:\n",
        new="    if not reasons and not body:\n",
        caught_by=(
            "tests/runner/adapters/coinbase/test_submit.py::test_an_answer_that_says_nothing_certain_leaves_the_order_unknown",
        ),
    ),
    Bug(
        name="used-id-taken-for-a-refusal",
        breaks="L4",
        file="runner/adapters/coinbase/order_answers.py",
        old="    if reason.endswith(_DUPLICATE):\n",
        new="    if reason == _DUPLICATE.lower():\n",
        caught_by=(
            "tests/runner/adapters/coinbase/test_submit.py::test_a_used_id_is_no_refusal_an_order_with_it_exists",
        ),
    ),
    Bug(
        name="unknown-status-taken-for-cancelled",
        breaks="L4",
        file="runner/adapters/coinbase/order_rows.py",
        old='    status = _STATUSES.get(fields.text_or_none(row, "status") or "", OrderStatus.PENDING)\n',
        new='    status = _STATUSES.get(fields.text_or_none(row, "status") or "", OrderStatus.CANCELLED)\n',
        caught_by=(
            "tests/runner/adapters/coinbase/test_orders.py::test_a_status_that_is_not_known_to_be_the_end_is_not_the_end",
        ),
    ),
    Bug(
        name="absent-after-one-look",
        breaks="L4",
        file="runner/reconcile.py",
        old="LOOKUPS_FOR_ABSENCE = 3\n",
        new="LOOKUPS_FOR_ABSENCE = 1\n",
        caught_by=(UNKNOWN,),
    ),
    Bug(
        name="absent-before-its-token-has-expired",
        breaks="L4",
        file="runner/reconcile.py",
        old="        dead_after = max(order.end_time or state.intent_at, state.intent_at) + self._settle_span\n",
        new="        dead_after = state.intent_at\n",
        caught_by=(f"{UNKNOWN}::test_while_it_is_unknown_the_product_is_frozen_and_counts_as_filled",),
    ),
    Bug(
        name="found-order-not-compared-with-its-intent",
        breaks="L3",
        file="runner/reconcile.py",
        old="        differences = compare_with_intent(state.order, report)\n        self._noticed += differences\n",
        new="        differences: list[Difference] = []\n        self._noticed += differences\n",
        caught_by=(f"{RECONCILING}::test_an_unknown_order_that_is_found_to_be_another_one_stays_unknown_and_halts",),
    ),
    Bug(
        name="side-and-size-not-compared",
        breaks="L3",
        file="runner/differences.py",
        old='        ("order_side_differs", order.side.value, report.side.value),\n',
        new="",
        caught_by=(f"{RECONCILING}::test_what_the_exchange_says_of_our_order_is_held_against_the_intent",),
    ),
    Bug(
        name="unknown-order-not-frozen",
        breaks="L4",
        file="core/risk/product_gates.py",
        old="        if state.is_unknown:\n            return Breach(reason=Refusal.UNKNOWN_ORDER",
        new="        if state.lookups > 9:\n            return Breach(reason=Refusal.UNKNOWN_ORDER",
        caught_by=(f"{UNKNOWN}::test_while_it_is_unknown_the_product_is_frozen_and_counts_as_filled",),
    ),
    Bug(
        name="first-look-clears-an-unknown-order",
        breaks="L4",
        file="core/model/portfolio.py",
        old="        return self.outcome in (None, Outcome.UNKNOWN)\n",
        new="        return self.outcome in (None, Outcome.UNKNOWN) and not self.lookups\n",
        caught_by=(f"{UNKNOWN}::test_while_it_is_unknown_the_product_is_frozen_and_counts_as_filled",),
    ),
    Bug(
        name="foreign-order-cancelled",
        breaks="L9",
        file="runner/reconcile.py",
        old="        alive = [report for report in listed if report.client_order_id in closed]\n",
        new="        known = self._book.ledger.open_orders\n"
        "        alive = [report for report in listed if report.client_order_id not in known]\n",
        caught_by=(f"{RECONCILING}::test_what_others_ordered_and_traded_is_counted_and_left_alone",),
    ),
    Bug(
        name="contradicted-order-cancelled",
        breaks="L9",
        file="runner/orders/sending.py",
        old="            if order_id is not None and not self._reconciler.is_contradicted(key):\n",
        new="            if order_id is not None:\n",
        caught_by=(RECONCILING,),
    ),
    Bug(
        name="order-of-a-run-before-cancelled-without-a-look",
        breaks="L9",
        file="runner/orders/sending.py",
        old="            reconciler.look_at([key for key in keys if reconciler.is_inherited(key)] if is_urgent else keys)\n",
        new="            reconciler.look_at([] if is_urgent else keys)\n",
        caught_by=(RECONCILING,),
    ),
    Bug(
        name="order-cancelled-that-was-not-to-be-seen",
        breaks="L9",
        file="runner/orders/sending.py",
        old="        return keys if is_urgent else [key for key in keys if reconciler.is_seen(key)]\n",
        new="        return keys\n",
        caught_by=(RECONCILING,),
    ),
    Bug(
        name="order-that-lives-though-called-dead-left-alone",
        breaks="L4",
        file="runner/reconcile.py",
        old="        if alive:\n            self._broker.cancel(",
        new="        if len(alive) > 9:\n            self._broker.cancel(",
        caught_by=(
            f"{RECONCILING}::test_an_order_that_lives_although_the_ledger_holds_it_for_dead_is_cancelled_at_once",
        ),
    ),
    Bug(
        name="order-closed-before-its-fills-are-booked",
        breaks="L10",
        file="runner/reconcile.py",
        old="        if report.status.is_final and report.filled_size == state.filled_size:\n",
        new="        if report.status.is_final:\n",
        caught_by=SIMULATION,
    ),
    Bug(
        name="entry-that-outlived-its-end-not-cancelled",
        breaks="C17",
        file="runner/executor.py",
        old="        if overdue:\n            self._sender.cancel_and_look(overdue)\n",
        new="        if len(overdue) > 9:\n            self._sender.cancel_and_look(overdue)\n",
        caught_by=(f"{UNKNOWN}::test_an_entry_that_the_exchange_keeps_beyond_its_end_is_cancelled_again",),
    ),
    Bug(
        name="resting-entry-without-an-end",
        breaks="C17",
        file="runner/adapters/coinbase/order_bodies.py",
        old='        return {**fields, "end_time": rfc3339(order.end_time), "post_only": True}\n',
        new='        return {**fields, "end_time": rfc3339(order.end_time.replace(year=order.end_time.year + 1)),\n'
        '                "post_only": True}\n',
        caught_by=(
            "tests/runner/adapters/coinbase/test_order_bodies.py::test_an_order_is_said_in_documented_fields_only",
        ),
    ),
    Bug(
        name="maker-order-that-takes",
        breaks="C1",
        file="runner/adapters/coinbase/order_bodies.py",
        old='"post_only": True}\n',
        new='"post_only": False}\n',
        caught_by=(
            "tests/runner/adapters/coinbase/test_order_bodies.py::test_an_order_is_said_in_documented_fields_only",
        ),
    ),
    Bug(
        name="answer-that-names-another-order-of-ours-believed",
        breaks="L3",
        file="runner/orders/sending.py",
        old="        return any(state.order_id == order_id for states in known for state in states.values())\n",
        new="        return not known\n",
        caught_by=(RECONCILING,),
    ),
    Bug(
        name="two-live-orders-for-one-wish",
        breaks="L3",
        file="runner/orders/entries.py",
        old="            self._sender.cancel_and_look([wish.key for wish in resting])\n",
        new="            self._sender.settle([wish.key for wish in resting])\n",
        caught_by=(f"{ROUTING}::test_a_quote_that_does_not_fill_follows_the_bid_a_bounded_number_of_times",),
    ),
)
