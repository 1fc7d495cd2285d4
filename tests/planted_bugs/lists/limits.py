"""Limits in the worst case, at the last hop, with no way round (L7, L8, L17; C1 to C15)."""

# ruff: noqa: E501 (lines of the program, indented as there)

from tests.planted_bugs.bug import Bug

SIZES = "tests/core/test_risk_sizes.py"
CYCLE_GATES = "tests/core/test_risk_cycle_gates.py"
PRODUCT_GATES = "tests/core/test_risk_product_gates.py"
LAST_HOP = "tests/core/test_last_hop.py"
EXPOSURE = "tests/core/test_exposure.py"

BUGS = (
    Bug(
        name="unknown-order-not-counted-in-the-exposure",
        breaks="L7",
        file="core/model/portfolio.py",
        old="        if self.order.side is not Side.BUY:\n",
        new="        if self.order.side is not Side.BUY or self.is_unknown:\n",
        caught_by=(f"{EXPOSURE}::test_an_entry_counts_as_if_its_rest_were_filled_with_the_fee",),
    ),
    Bug(
        name="order-counted-only-once-it-is-acknowledged",
        breaks="C19",
        file="core/model/portfolio.py",
        old="        if self.order.side is not Side.BUY:\n",
        new="        if self.order.side is not Side.BUY or self.order_id is None:\n",
        caught_by=(
            "tests/scenarios/test_unknown_orders.py::test_while_it_is_unknown_the_product_is_frozen_and_counts_as_filled",
        ),
    ),
    Bug(
        name="open-order-not-counted-in-the-exposure",
        breaks="L7",
        file="core/exposure.py",
        old="        cost = state.worst_case_cost * (1 + fee_fraction)\n        if cost > 0:\n",
        new="        cost = state.filled_value * (1 + fee_fraction)\n        if cost > 0:\n",
        caught_by=(f"{EXPOSURE}::test_an_entry_counts_as_if_its_rest_were_filled_with_the_fee",),
    ),
    Bug(
        name="fee-left-out-of-the-caps",
        breaks="L7",
        file="core/risk/caps.py",
        old="    spends = 1 + fee_fraction\n",
        new="    spends = 1 + 0 * fee_fraction\n",
        caught_by=(f"{SIZES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="fee-left-out-of-the-reserved-cash",
        breaks="C13",
        file="core/exposure.py",
        old="            state.worst_case_cost * (1 + fee_fraction)\n            for state in ledger.open_orders.values()\n",
        new="            state.worst_case_cost\n            for state in ledger.open_orders.values()\n",
        caught_by=(f"{EXPOSURE}::test_free_cash_keeps_back_what_open_entries_may_spend_with_the_fee",),
    ),
    Bug(
        name="loss-frees-room-for-new-risk",
        breaks="L7",
        file="core/exposure.py",
        old="    return lot.cost if quote is None else max(lot.cost, lot.quantity * quote.bid)\n",
        new="    return lot.cost if quote is None else lot.quantity * quote.bid\n",
        caught_by=(f"{EXPOSURE}::test_a_lot_counts_at_the_higher_of_cost_and_value",),
    ),
    Bug(
        name="approvals-of-one-cycle-not-added-up",
        breaks="L7",
        file="core/risk/assess.py",
        old="            running = running.with_approved(verdict, view)\n",
        new="            both = (*running.approved, verdict)\n"
        "            running = _Running(\n"
        "                equity=running.equity, fee_fraction=running.fee_fraction, at_risk=running.at_risk, approved=both\n"
        "            )\n",
        caught_by=(f"{SIZES}::test_the_best_conviction_is_served_first_and_counts_against_the_rest",),
    ),
    Bug(
        name="last-hop-lets-everything-through",
        breaks="L7",
        file="core/risk/last_hop.py",
        old="    if breach is None:\n        return None\n",
        new="    if breach is None or order:\n        return None\n",
        caught_by=(f"{LAST_HOP}::test_a_buy_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="last-hop-swallows-what-it-cannot-compute",
        breaks="L8",
        file="runner/stages/views.py",
        old="    return last_hop(order, view, desk.settings.policy, plan=plan)\n",
        new="    try:\n        return last_hop(order, view, desk.settings.policy, plan=plan)\n"
        "    except Exception:\n        return None\n",
        caught_by=("tests/architecture/test_purity.py::test_everything_is_caught_in_one_place_only",),
    ),
    Bug(
        name="caps-not-checked-on-the-finished-order",
        breaks="L7",
        file="core/risk/entry_hop.py",
        old="        if not cap.room_usd.is_finite() or order.notional > cap.room_usd:\n",
        new="        if not cap.room_usd.is_finite() or order.notional > 100 * cap.room_usd:\n",
        caught_by=(f"{LAST_HOP}::test_a_buy_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="size-raised-to-the-venues-minimum",
        breaks="C3",
        file="core/order_plan.py",
        old="    least = smallest_size(product, price, policy.risk.min_trade_notional_usd)\n    if size < least:\n"
        "        return _not(Unplannable.BELOW_MINIMUM, plain(size), plain(least))\n",
        new="    least = smallest_size(product, price, policy.risk.min_trade_notional_usd)\n    if size < least:\n"
        "        return least\n",
        caught_by=("tests/core/test_order_plan.py::test_an_entry_that_rounds_below_the_minimum_is_not_raised_to_it",),
    ),
    Bug(
        name="size-rounded-up",
        breaks="C3",
        file="core/order_plan.py",
        old="    size = round_down(min(notional, largest_notional(product, price)) / price, product.base_increment)\n",
        new="    size = round_down(min(notional, largest_notional(product, price)) / price, product.base_increment)\n"
        "    size += product.base_increment\n",
        caught_by=("tests/core/test_order_plan.py::test_an_entry_rests_at_the_bid_until_shortly_after_its_time",),
    ),
    Bug(
        name="nan-passes-for-room",
        breaks="L8",
        file="core/risk/sizing.py",
        old="    return amount if amount.is_finite() else ZERO\n",
        new='    return amount if amount.is_finite() else Decimal("1e9")\n',
        caught_by=("tests/core/test_sizing.py::test_a_number_that_is_not_finite_leaves_no_room",),
    ),
    Bug(
        name="clock-skew-that-is-not-known-passes",
        breaks="L17",
        file="runner/venues/coinbase.py",
        old="    if not abs(skew) <= most:  # true for NaN, too\n",
        new="    if abs(skew) > most:\n",
        caught_by=(
            "tests/loopback/test_exchange_settings.py::test_live_does_not_start_when_it_cannot_be_told_how_far_the_clock_is_off",
        ),
    ),
    Bug(
        name="stale-quote-used",
        breaks="C15",
        file="core/valuation.py",
        old="    return {product_id: quote for product_id, quote in quotes.items() if abs(now - quote.at) <= max_age}\n",
        new="    return {product_id: quote for product_id, quote in quotes.items() if max_age}\n",
        caught_by=(
            "tests/scenarios/test_trading.py::test_without_a_fresh_quote_a_position_cannot_be_judged_and_equity_is_unknown",
        ),
    ),
    Bug(
        name="collar-of-a-stale-price",
        breaks="C1",
        file="core/risk/product_gates.py",
        old="    if abs(age) > timedelta(seconds=max_age_seconds):\n",
        new="    if abs(age) > timedelta(minutes=max_age_seconds):\n",
        caught_by=(f"{PRODUCT_GATES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="collar-off",
        breaks="C1",
        file="core/risk/product_gates.py",
        old="    distance = abs(price - quote.mid) / quote.mid\n    if distance > collar:\n",
        new="    distance = abs(price - quote.mid) / quote.mid\n    if distance > 100 * collar:\n",
        caught_by=(f"{PRODUCT_GATES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="second-source-of-the-price-not-asked",
        breaks="C1",
        file="core/risk/product_gates.py",
        old="    if close is None:\n        return Breach(reason=Refusal.SOURCES_DISAGREE",
        new="    if close is None:\n        return None\n    if not close:\n"
        "        return Breach(reason=Refusal.SOURCES_DISAGREE",
        caught_by=(f"{LAST_HOP}::test_a_buy_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="spread-without-a-ceiling-passes",
        breaks="L17",
        file="core/risk/product_gates.py",
        old="    if ceiling is None or not ceiling.is_finite() or quote.spread_fraction > ceiling:\n",
        new="    if ceiling is not None and ceiling.is_finite() and quote.spread_fraction > ceiling:\n",
        caught_by=(f"{PRODUCT_GATES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="order-rate-not-limited-by-the-hour",
        breaks="C5",
        file="core/risk/cycle_gates.py",
        old="        if made >= most:\n            return Breach(reason=reason",
        new="        if made > most + 1:\n            return Breach(reason=reason",
        caught_by=(f"{CYCLE_GATES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="daily-stop-compared-the-wrong-way",
        breaks="C11",
        file="core/risk/cycle_gates.py",
        old="    if day <= limits.daily_stop_pnl_fraction:\n",
        new="    if day >= -limits.daily_stop_pnl_fraction:\n",
        caught_by=(f"{CYCLE_GATES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="unknown-equity-lets-trade",
        breaks="L8",
        file="core/valuation.py",
        old="""\
        quote = quotes.get(lot.product_id)
        if quote is None:
            return None
        total += lot.quantity * quote.bid
""",
        new="""\
        quote = quotes.get(lot.product_id)
        if quote is None:
            total += lot.cost
            continue
        total += lot.quantity * quote.bid
""",
        caught_by=(
            "tests/scenarios/test_trading.py::test_without_a_fresh_quote_a_position_cannot_be_judged_and_equity_is_unknown",
        ),
    ),
    Bug(
        name="fees-that-cannot-be-read-count-as-none",
        breaks="L8",
        file="runner/stages/views.py",
        old='        desk.log.warning("fee rates could not be read: %s", error)\n        return None\n',
        new='        desk.log.warning("fee rates could not be read: %s", error)\n'
        "        return FeeRates(maker_fraction=Decimal(0), taker_fraction=Decimal(0))\n",
        caught_by=("tests/scenarios/test_breakers.py::test_fees_that_cannot_be_read_are_not_taken_for_none",),
    ),
    Bug(
        name="regime-unknown-lets-trade",
        breaks="L17",
        file="core/risk/cycle_gates.py",
        old="    if view.regime is None or view.regime not in policy.regime:\n",
        new="    if view.regime is not None and view.regime not in policy.regime:\n",
        caught_by=(f"{CYCLE_GATES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="look-up-that-failed-counts-as-nothing-found",
        breaks="L8",
        file="runner/reconcile.py",
        old="        order = state.order\n        report = self._broker.find(state.key)\n",
        new="        order = state.order\n"
        "        try:\n"
        "            report = self._broker.find(state.key)\n"
        "        except Exception:\n"
        "            report = None\n",
        caught_by=("tests/scenarios/test_unknown_orders.py",),
    ),
    Bug(
        name="closed-market-bought",
        breaks="C14",
        file="core/risk/product_gates.py",
        old="    if product.blocked_by is not None:\n        return Breach(reason=Refusal.MARKET_CLOSED",
        new='    if product.blocked_by == "":\n        return Breach(reason=Refusal.MARKET_CLOSED',
        caught_by=(f"{PRODUCT_GATES}::test_a_value_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="own-guard-crossed",
        breaks="C16",
        file="core/risk/product_gates.py",
        old="        if order.order_type is not OrderType.STOP_LIMIT and price >= order.limit_price:\n",
        new="        if order.order_type is OrderType.STOP_LIMIT and price >= order.limit_price:\n",
        caught_by=(f"{LAST_HOP}::test_a_buy_at_the_limit_passes_and_one_past_it_is_refused",),
    ),
    Bug(
        name="invariant-by-assert",
        breaks="L11",
        file="core/ledger/orders.py",
        old="""\
    if order.client_order_id in ledger.open_orders or order.client_order_id in ledger.closed_orders:
        raise StateUnusable(f"order {order.client_order_id} was intended before: an id is used once")
""",
        new="""\
    assert order.client_order_id not in {**ledger.open_orders, **ledger.closed_orders}, "an id is used once"
""",
        caught_by=("tests/architecture/test_repeatable.py::test_no_check_is_an_assert",),
    ),
)
