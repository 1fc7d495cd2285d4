"""Exits and guards: what is held is guarded, and sold once (L6, L9)."""

from tests.planted_bugs.bug import Bug

GUARDS = "tests/scenarios/test_guards.py"
PROTECTION = "tests/core/test_protection.py"
RESTORING = "tests/core/test_last_hop_restoring.py"

BUGS = (
    Bug(
        name="guard-not-placed",
        breaks="L6",
        file="runner/orders/protector.py",
        old="            if not self._is_due(lot) and not self._sender.is_killed():\n",
        new="            if self._is_due(lot) and not self._sender.is_killed():\n",
        caught_by=(f"{GUARDS}::test_a_guard_comes_with_the_entry_and_equals_it",),
    ),
    Bug(
        name="fill-guarded-only-when-its-order-is-over",
        breaks="L6",
        file="runner/orders/entries.py",
        old="            self._sender.settle(keys)\n            self._protector.protect(planning, cycle)\n",
        new="            self._sender.settle(keys)\n",
        caught_by=(f"{GUARDS}::test_what_is_filled_is_guarded_while_the_rest_still_rests",),
    ),
    Bug(
        name="exit-sent-before-its-guard-is-gone",
        breaks="L9",
        file="runner/orders/exits.py",
        old="            if left:\n",
        new="            if len(left) > 9:\n",
        caught_by=(f"{GUARDS}::test_a_guard_that_is_not_proven_over_blocks_the_exit",),
    ),
    Bug(
        name="guards-not-counted-as-sells",
        breaks="L9",
        file="core/exposure.py",
        old="    return _still_sold(ledger, lot_id, (Purpose.EXIT, Purpose.PROTECTION))\n",
        new="    return _still_sold(ledger, lot_id, (Purpose.EXIT,))\n",
        caught_by=(f"{RESTORING}::test_a_guard_or_cover_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="oversell",
        breaks="L9",
        file="core/risk/restoring_hop.py",
        old="    if order.size > left:\n        return Breach(reason=Refusal.OVERSELL",
        new="    if order.size > left + lot.bought_quantity:\n        return Breach(reason=Refusal.OVERSELL",
        caught_by=(f"{RESTORING}::test_a_guard_or_cover_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="lot-of-another-product-sold",
        breaks="L9",
        file="core/risk/restoring_hop.py",
        old="    if lot is None or lot.product_id != order.product_id:\n",
        new="    if lot is None:\n",
        caught_by=("tests/core/test_last_hop.py",),
    ),
    Bug(
        name="exit-planned-again-while-one-is-open",
        breaks="L9",
        file="core/order_plan.py",
        old="    left = lot.quantity - asked\n",
        new="    left = lot.quantity\n",
        caught_by=("tests/core/test_order_plan.py",),
    ),
    Bug(
        name="guard-bigger-than-the-lot",
        breaks="L9",
        file="core/protection.py",
        old="    rest = round_down(lot.quantity - asked - guarded, product.base_increment)\n",
        new="    rest = round_down(lot.quantity - asked, product.base_increment)\n",
        caught_by=(f"{PROTECTION}::test_guards_in_line_with_the_lot_are_left_alone",),
    ),
    Bug(
        name="guard-without-a-stop-below-the-lot",
        breaks="L6",
        file="core/model/portfolio.py",
        old="        return self.average_price * (1 - self.plan.stop_fraction)\n",
        new="        return self.average_price * (1 - 2 * self.plan.stop_fraction)\n",
        caught_by=("tests/scenarios/test_guards.py::test_a_guard_comes_with_the_entry_and_equals_it",),
    ),
    Bug(
        name="second-guard-while-the-first-is-unknown",
        breaks="L4",
        file="core/protection.py",
        old="    if any(state.is_unknown for state in guards):\n        return ()\n",
        new="    guards = [state for state in guards if not state.is_unknown]\n",
        caught_by=(f"{PROTECTION}::test_while_the_fate_of_a_guard_is_unknown_nothing_is_placed_or_cancelled",),
    ),
    Bug(
        name="breaker-stops-exits",
        breaks="L6",
        file="core/risk/restoring_hop.py",
        old="MAY_SEND = (TradingState.ARMED, TradingState.REDUCE_ONLY)\n",
        new="MAY_SEND = (TradingState.ARMED,)\n",
        caught_by=("tests/scenarios/test_breakers.py::test_an_exit_is_executed_while_a_breaker_blocks_entries",),
    ),
    Bug(
        name="stop-loss-not-judged",
        breaks="L6",
        file="core/exits.py",
        old="    if bid <= lot.stop_price:\n",
        new="    if bid <= lot.stop_price * 0:\n",
        caught_by=("tests/core/test_exits.py::test_a_lot_is_due_at_its_price_and_not_one_tick_before",),
    ),
    Bug(
        name="max-hold-forgotten",
        breaks="L6",
        file="core/exits.py",
        old="    return now >= lot.opened_at + timedelta(seconds=lot.plan.max_hold_seconds)\n",
        new="    return now >= lot.opened_at + timedelta(days=lot.plan.max_hold_seconds)\n",
        caught_by=("tests/scenarios/test_trading.py::test_a_position_that_goes_nowhere_is_sold_when_its_time_is_over",),
    ),
    Bug(
        name="exits-after-new-ideas",
        breaks="L6",
        file="runner/main_loop.py",
        old="""\
    ("exits", exits_and_upkeep),
    ("universe", universe),
    ("triggers", triggers),
    ("breakers", breakers),
)
""",
        new="""\
    ("universe", universe),
    ("triggers", triggers),
    ("breakers", breakers),
)
""",
        caught_by=("tests/scenarios/test_trading.py::test_a_peak_that_is_given_back_sells_by_the_trailing_stop",),
    ),
    Bug(
        name="exit-sold-into-a-hole-in-the-book",
        breaks="C1",
        file="core/order_plan.py",
        old="    lowest = lowest_exit_price(product, last_close, policy.exits.exit_slippage_limit_fraction)\n",
        new="    lowest = None\n",
        caught_by=("tests/core/test_order_plan.py::test_an_exit_is_not_sold_into_a_hole_in_the_book",),
    ),
    Bug(
        name="rest-of-a-lot-being-sold-left-unguarded",
        breaks="L6",
        file="runner/orders/protector.py",
        old="        for lot in tuple(self._book.ledger.lots.values()):\n",
        new="        for lot in [lot for lot in self._book.ledger.lots.values() if lot.lot_id not in being_sold]:\n",
        caught_by=(
            f"{GUARDS}::test_what_an_exit_left_is_guarded_until_the_next_cycle_also_when_the_run_ends_before_it",
        ),
    ),
    Bug(
        name="oversold-coins-not-bought-back",
        breaks="L9",
        file="runner/executor.py",
        old="        self._exits.buy_back(planning, cycle)\n",
        new="",
        caught_by=("tests/scenarios/test_reconciling.py::test_coins_that_were_sold_twice_are_bought_back",),
    ),
)
