"""Fills booked once and exactly, days and weeks kept (L10, L12, L13)."""

# ruff: noqa: E501 (lines of the program, indented as there)

from tests.planted_bugs.bug import Bug

FILLS = "tests/core/test_ledger_fills.py"
LEDGER = "tests/core/test_ledger.py"
PROPERTIES = "tests/core/test_ledger_properties.py"
ACCOUNT = "tests/runner/adapters/coinbase/test_account.py"

BUGS = (
    Bug(
        name="fill-booked-twice",
        breaks="L10",
        file="core/ledger/fills.py",
        old="            fill_ids=ledger.fill_ids | {fill.fill_id},\n",
        new="            fill_ids=frozenset({fill.fill_id}),\n",
        caught_by=(f"{FILLS}::test_a_fill_that_is_told_again_after_others_changes_nothing",),
    ),
    Bug(
        name="fills-remembered-in-memory-only",
        breaks="L10",
        file="core/ledger/fold.py",
        old="        code_hash=event.code_hash,\n",
        new="        code_hash=event.code_hash,\n        fill_ids=frozenset(),\n",
        caught_by=(LEDGER,),
    ),
    Bug(
        name="fills-asked-for-without-overlap",
        breaks="L10",
        file="runner/fill_booking.py",
        old="FILLS_OVERLAP = timedelta(minutes=10)\n",
        new="FILLS_OVERLAP = timedelta(minutes=-1)\n",
        caught_by=(
            "tests/scenarios/test_unknown_orders.py::test_the_first_order_of_all_is_not_forgotten_by_a_restart_when_its_fill_comes_very_late",
        ),
    ),
    Bug(
        name="second-page-of-fills-dropped",
        breaks="L10",
        file="runner/adapters/coinbase/pages.py",
        old="        if not count or not following:\n            return rows\n",
        new="        if count or not following:\n            return rows\n",
        caught_by=(
            "tests/contracts/test_broker_account.py::test_every_fill_of_more_than_one_page_comes_once_and_oldest_first",
        ),
    ),
    Bug(
        name="second-page-of-orders-dropped",
        breaks="L8",
        file="runner/adapters/coinbase/pages.py",
        old="        if has_next is False or (has_next is None and not following):\n            return rows\n",
        new="        if has_next is not None or not following:\n            return rows\n",
        caught_by=(
            "tests/contracts/test_broker_account.py::test_more_orders_than_one_page_can_be_seen_and_cancelled_at_once",
        ),
    ),
    Bug(
        name="fill-in-quote-size-misbooked",
        breaks="L10",
        file="runner/adapters/coinbase/account_rows.py",
        old='        size=size / price if fields.flag_or_none(row, "size_in_quote") else size,\n',
        new="        size=size,\n",
        caught_by=(f"{ACCOUNT}::test_a_size_in_money_is_divided_by_the_price",),
    ),
    Bug(
        name="fee-of-a-sale-left-out",
        breaks="L10",
        file="core/ledger/fills.py",
        old="        flow = -(value + fill.fee) if fill.side is Side.BUY else value - fill.fee\n",
        new="        flow = -(value + fill.fee) if fill.side is Side.BUY else value\n",
        caught_by=(f"{FILLS}::test_a_full_sale_realises_the_exact_profit_and_forgets_the_lot",),
    ),
    Bug(
        name="money-through-a-float",
        breaks="L10",
        file="core/ledger/fills.py",
        old="        value = fill.price * fill.size\n        flow",
        new="        value = type(fill.price)(float(fill.price) * float(fill.size))\n        flow",
        caught_by=(PROPERTIES,),
    ),
    Bug(
        name="cost-of-the-last-sale-rounded",
        breaks="L10",
        file="core/ledger/lots.py",
        old="    cost_share = lot.cost if is_last else round_even(lot.cost * fill.size / lot.quantity)\n",
        new="    cost_share = round_even(lot.cost * fill.size / lot.quantity, fill.price.__class__('0.01'))\n",
        caught_by=(PROPERTIES,),
    ),
    Bug(
        name="fill-booked-at-the-orders-price",
        breaks="L10",
        file="runner/fill_booking.py",
        old="        self._book.record(FillBooked(at=self._clock.now(), fill=fill), durable=True)\n",
        new="        booked = fill if state is None else replace(fill, price=state.order.limit_price)\n"
        "        self._book.record(FillBooked(at=self._clock.now(), fill=booked), durable=True)\n",
        caught_by=(
            "tests/scenarios/test_trading.py::test_a_position_is_sold_at_the_exchange_when_the_price_goes_there",
        ),
    ),
    Bug(
        name="foreign-fill-booked-as-ours",
        breaks="L9",
        file="runner/fill_booking.py",
        old="        if report is None or state is None:\n            self._note_foreign(fill)\n            return NO_CLIENT_ID\n",
        new="        if report is None or state is None:\n"
        "            ours = [*self._book.ledger.open_orders.values()]\n"
        "            ours = [other for other in ours if other.order.product_id == fill.product_id]\n"
        "            return ours[0].order.client_order_id if ours else NO_CLIENT_ID\n",
        caught_by=(
            "tests/scenarios/test_reconciling.py::test_what_others_ordered_and_traded_is_counted_and_left_alone",
        ),
    ),
    Bug(
        name="fill-of-an-order-called-absent-dropped",
        breaks="L10",
        file="runner/fill_booking.py",
        old="            self._notice(said)\n",
        new="            self._notice(said)\n            return\n",
        caught_by=(
            "tests/scenarios/test_reconciling.py::test_a_fill_of_an_order_that_was_called_absent_is_adopted_and_reported",
        ),
    ),
    Bug(
        name="balances-not-compared",
        breaks="C20",
        file="runner/differences.py",
        old="        if total < amount or (total != amount and not owner_shares_account):\n",
        new="        if total < amount - 1000 or (total > amount + 1000 and not owner_shares_account):\n",
        caught_by=("tests/scenarios/test_breakers.py::test_an_account_that_disagrees_reduces_then_halts",),
    ),
    Bug(
        name="day-by-the-local-clock",
        breaks="L13",
        file="core/ledger/periods.py",
        old="    return at.date().isoformat()\n",
        new="    return at.astimezone().date().isoformat()\n",
        caught_by=("tests/determinism",),
    ),
    Bug(
        name="day-opened-anew-when-the-clock-goes-back",
        breaks="L13",
        file="core/ledger/periods.py",
        old="    if last_equity is None or (period is not None and key <= period.key):\n",
        new="    if last_equity is None or (period is not None and key == period.key):\n",
        caught_by=(f"{LEDGER}::test_a_clock_that_jumps_back_does_not_reset_the_days_loss",),
    ),
    Bug(
        name="high-water-mark-falls",
        breaks="L13",
        file="core/ledger/fold.py",
        old="        high_water_mark=equity if mark is None or equity > mark else mark,\n",
        new="        high_water_mark=equity,\n",
        caught_by=(f"{LEDGER}::test_the_high_water_mark_only_rises_with_marks",),
    ),
    Bug(
        name="decision-by-the-order-of-a-set",
        breaks="L12",
        file="core/triggers.py",
        old="    kept = list(dict.fromkeys(trigger.product_id for trigger in found))[: settings.max_per_cycle]\n",
        new="    kept = list({trigger.product_id for trigger in found})[: settings.max_per_cycle]\n",
        caught_by=("tests/determinism",),
    ),
)
