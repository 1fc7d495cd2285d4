"""Whatever Coinbase answers, the broker gives its port's values or its port's errors, and nothing else."""

import copy
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BrokerUnavailable, OrderOutcomeUnknown, OrderRejected, StartRefused
from core.model.orders import Balance, FeeRates, Fill, OrderId, OrderReport
from core.ports import Broker
from runner.adapters.coinbase import coinbase_broker as paths
from runner.adapters.coinbase import routes
from runner.adapters.coinbase.account_checks import KEY_PERMISSIONS, portfolio_of_safe_key
from tests.builders import NOON, make_order
from tests.fakes.scripted_account_api import ScriptedAccountApi
from tests.runner.adapters.coinbase.coinbase_answers import (
    KEY,
    KEY_WITH_ID,
    ORDER_ID,
    make_account,
    make_account_page,
    make_broker,
    make_fill_page,
    make_fill_row,
    make_live_reject,
    make_order_page,
    make_order_row,
    make_success,
)

ORDER = make_order()

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "0", "1", "-1", "1e5", "NaN", "USD", "BTC-USD", "BUY", "FILLED", "OPEN", "c", ORDER_ID])
    | st.sampled_from(["2026-01-05T12:00:00Z", "DUPLICATE_CLIENT_ORDER_ID", "UNKNOWN_FAILURE_REASON", "9" * 30])
)
JSON = st.recursive(
    LEAVES,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)

GOOD: dict[str, object] = {
    routes.ORDERS: make_success(ORDER),
    routes.PREVIEW: {"errs": ["PREVIEW_INSUFFICIENT_FUND"]},
    routes.CANCEL: {"results": [{"success": False, "failure_reason": "X", "order_id": ORDER_ID}]},
    f"{paths.ORDER}/{ORDER_ID}": {"order": make_order_row()},
    paths.ORDER_LIST: make_order_page(make_order_row(), make_order_row("b", client_order_id="x")),
    paths.FILLS: make_fill_page(make_fill_row(), make_fill_row("b", size_in_quote=True), cursor="c"),
    paths.ACCOUNTS: make_account_page(make_account(), make_account("BTC", "1", "0.5")),
    paths.FEES: {"fee_tier": {"taker_fee_rate": "0.012", "maker_fee_rate": Decimal("0.006")}},
    KEY_PERMISSIONS: {"can_view": True, "can_trade": True, "can_transfer": False, "portfolio_uuid": "p-1"},
}


def places(value: object, here: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Return the way to each value inside a JSON value, itself included."""
    inner: list[tuple[object, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [here, *(place for key, item in inner for place in places(item, (*here, key)))]


def damaged(value: object, place: tuple[object, ...], by: object) -> object:
    """Return the value with another one put in a place."""
    if not place:
        return by
    result = copy.deepcopy(value)
    parent = result
    for key in place[:-1]:
        parent = parent[key]  # type: ignore[index]  # the way was taken from this very value
    parent[place[-1]] = by  # type: ignore[index]
    return result


@st.composite
def damages(draw: st.DrawFn, path: str) -> object:
    """Draw a good answer with one to three places replaced by anything."""
    answer = draw(st.sampled_from([GOOD[path], make_live_reject()])) if path == routes.ORDERS else GOOD[path]
    for _ in range(draw(st.integers(1, 3))):
        answer = damaged(answer, draw(st.sampled_from(places(answer))), draw(JSON))
    return answer


def answers(path: str) -> st.SearchStrategy[object]:
    return JSON | damages(path)


def asked(path: str, answer: object, question: Callable[[Broker], object]) -> object | None:
    """Return what a question gives; None when the port's error for questions came instead."""
    try:
        return question(make_broker(ScriptedAccountApi({path: [answer]})))
    except BrokerUnavailable:
        return None


@settings(max_examples=150)
@given(answers(routes.ORDERS))
def test_any_answer_to_an_order_is_taken_refused_or_unknown(answer: object) -> None:
    try:
        order_id = make_broker(ScriptedAccountApi({routes.ORDERS: [answer]})).submit(ORDER)
    except OrderRejected:
        assert isinstance(answer, dict)
        assert answer["success"] is False
    except OrderOutcomeUnknown:
        pass
    else:
        assert isinstance(answer, dict)
        assert answer["success"] is True
        assert order_id


@settings(max_examples=80)
@given(answers(routes.PREVIEW))
def test_any_answer_to_a_preview_is_a_reason_a_yes_or_no_answer(answer: object) -> None:
    try:
        reason = make_broker(ScriptedAccountApi({routes.PREVIEW: [answer]})).preview(ORDER)
    except BrokerUnavailable:
        return
    assert isinstance(answer, dict)
    assert (reason is None) == (answer["errs"] == [])


@settings(max_examples=80)
@given(answers(routes.CANCEL))
def test_any_answer_to_a_cancel_confirms_it_or_does_not(answer: object) -> None:
    asked(routes.CANCEL, answer, lambda broker: broker.cancel([OrderId(ORDER_ID)]))


@settings(max_examples=150)
@given(answers(f"{paths.ORDER}/{ORDER_ID}"))
def test_any_answer_to_an_order_id_is_that_order_or_no_answer(answer: object) -> None:
    api = ScriptedAccountApi({f"{paths.ORDER}/{ORDER_ID}": [answer], paths.ORDER_LIST: [make_order_page()]})
    try:
        report = make_broker(api).find(KEY_WITH_ID)
    except BrokerUnavailable:
        return
    assert report is None or (is_sound(report) and report.order_id == ORDER_ID)


@settings(max_examples=150)
@given(answers(paths.ORDER_LIST))
def test_any_list_of_orders_holds_ours_or_not_or_is_no_answer(answer: object) -> None:
    found = asked(paths.ORDER_LIST, answer, lambda broker: broker.find(KEY))
    assert found is None or (isinstance(found, OrderReport) and found.client_order_id == KEY.client_order_id)

    reports = asked(paths.ORDER_LIST, answer, lambda broker: broker.open_orders())
    assert reports is None or (isinstance(reports, tuple) and all(is_sound(report) for report in reports))


@settings(max_examples=150)
@given(answers(paths.FILLS))
def test_any_list_of_fills_is_whole_or_no_answer(answer: object) -> None:
    fills = asked(paths.FILLS, answer, lambda broker: broker.fills(NOON))

    if fills is not None:
        assert isinstance(fills, list)
        for fill in fills:
            assert isinstance(fill, Fill)
            assert fill.price > 0
            assert fill.size > 0
            assert fill.fee >= 0
            assert fill.at.utcoffset() == timedelta(0)
        assert len({fill.fill_id for fill in fills}) == len(fills)


@settings(max_examples=100)
@given(answers(paths.ACCOUNTS))
def test_any_list_of_accounts_is_whole_or_no_answer(answer: object) -> None:
    balances = asked(paths.ACCOUNTS, answer, lambda broker: broker.balances())

    if balances is not None:
        assert isinstance(balances, dict)
        assert all(isinstance(one, Balance) and one.available >= 0 and one.hold >= 0 for one in balances.values())


@settings(max_examples=60)
@given(answers(paths.FEES))
def test_any_fee_tier_is_two_fractions_or_no_answer(answer: object) -> None:
    rates = asked(paths.FEES, answer, lambda broker: broker.fee_rates())

    if rates is not None:
        assert isinstance(rates, FeeRates)
        assert 0 <= rates.maker_fraction < 1
        assert 0 <= rates.taker_fraction < 1


@settings(max_examples=60)
@given(answers(KEY_PERMISSIONS))
def test_no_key_starts_that_is_not_certainly_unable_to_withdraw(answer: object) -> None:
    try:
        portfolio_of_safe_key(ScriptedAccountApi({KEY_PERMISSIONS: [answer]}))
    except (BrokerUnavailable, StartRefused):
        return
    assert isinstance(answer, dict)
    assert answer["can_transfer"] is False


def is_sound(report: object) -> bool:
    return isinstance(report, OrderReport) and report.size >= 0 and report.filled_size >= 0 and report.limit_price >= 0
