"""Looking orders up at Coinbase: reports, look-ups by id and in lists, open orders, and lists that lie."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.errors import BrokerUnavailable
from core.model.market import ProductId
from core.model.orders import Order, OrderId, OrderReport, OrderStatus, OrderType, Side
from runner.adapters.coinbase.coinbase_broker import ORDER, ORDER_LIST
from runner.adapters.coinbase.errors import ApiUnavailable
from runner.adapters.coinbase.fields import BadField
from runner.adapters.coinbase.order_bodies import preview_body
from runner.adapters.coinbase.order_rows import order_report
from runner.adapters.coinbase.pages import PAGES_MAX
from tests.builders import make_order
from tests.fakes.scripted_account_api import Answer, ScriptedAccountApi
from tests.runner.adapters.coinbase.coinbase_answers import (
    KEY,
    KEY_WITH_ID,
    ORDER_ID,
    OTHER_ID,
    make_broker,
    make_guard,
    make_order_page,
    make_order_row,
)

BY_ID = f"{ORDER}/{ORDER_ID}"
NOT_FOUND = ApiUnavailable("404 NOT_FOUND", status=404, body_text="order with this orderID was not found")
EMPTY = make_order_page()


# --- one order --------------------------------------------------------------------------------------------------------


def test_an_order_is_read_with_all_that_our_intent_is_compared_with() -> None:
    row = make_order_row(status="FILLED", filled_size="1.000", number_of_fills="2", cancel_message="stray words")

    assert order_report(row) == OrderReport(
        order_id=OrderId(ORDER_ID),
        client_order_id=make_order().client_order_id,
        product_id=ProductId("BTC", "USD"),
        side=Side.BUY,
        size=Decimal(1),
        limit_price=Decimal(100),
        status=OrderStatus.FILLED,
        filled_size=Decimal(1),
        created_at=datetime(2026, 1, 5, 12, 0, 1, 123456, tzinfo=UTC),
        order_type=OrderType.POST_ONLY,
        stop_price=None,
    )


@pytest.mark.parametrize(
    "order",
    [
        make_order(),
        make_order(order_type=OrderType.IOC),
        make_guard(OrderType.STOP_LIMIT),
        make_guard(OrderType.BRACKET, price="110"),
    ],
    ids=lambda order: order.order_type.value,
)
def test_each_kind_that_we_send_is_known_again(order: Order) -> None:
    body = preview_body(order)
    sent = body["order_configuration"]
    assert isinstance(sent, dict)
    ((name, terms),) = sent.items()

    report = order_report(make_order_row(side=body["side"], configuration={name: {**terms, "reduce_only": False}}))

    assert (report.order_type, report.side) == (order.order_type, order.side)
    assert (report.size, report.limit_price, report.stop_price) == (order.size, order.limit_price, order.stop_price)


@pytest.mark.parametrize(
    ("status", "read"),
    [
        ("PENDING", OrderStatus.PENDING),
        ("QUEUED", OrderStatus.PENDING),
        ("UNKNOWN_ORDER_STATUS", OrderStatus.PENDING),
        ("A_STATUS_OF_2028", OrderStatus.PENDING),
        ("", OrderStatus.PENDING),
        (None, OrderStatus.PENDING),
        ("OPEN", OrderStatus.OPEN),
        ("CANCEL_QUEUED", OrderStatus.OPEN),
        ("EDIT_QUEUED", OrderStatus.OPEN),
        ("CANCELLED", OrderStatus.CANCELLED),
        ("EXPIRED", OrderStatus.EXPIRED),
        ("FAILED", OrderStatus.FAILED),
    ],
)
def test_a_status_that_is_not_known_to_be_the_end_is_not_the_end(status: str | None, read: OrderStatus) -> None:
    report = order_report(make_order_row(status=status, filled_size="0.25", number_of_fills="1"))

    assert (report.status, report.filled_size) == (read, Decimal("0.25"))


@pytest.mark.parametrize(
    ("status", "filled", "count", "read"),
    [
        pytest.param("FILLED", "0", "1", OrderStatus.OPEN, id="filled with nothing"),
        pytest.param("FILLED", "0.99", "1", OrderStatus.OPEN, id="filled in part"),
        pytest.param("FILLED", "1", "1", OrderStatus.FILLED, id="filled in whole"),
        pytest.param("CANCELLED", "0", "1", OrderStatus.OPEN, id="a fill without a size"),
        pytest.param("CANCELLED", "0", "0", OrderStatus.CANCELLED, id="no fill"),
        pytest.param("CANCELLED", "0", "", OrderStatus.CANCELLED, id="no word of fills"),
        pytest.param("CANCELLED", "0.5", "1", OrderStatus.CANCELLED, id="cancelled after a part"),
    ],
)
def test_an_order_is_not_over_before_its_filled_size_says_so(
    status: str, filled: str, count: str, read: OrderStatus
) -> None:
    assert order_report(make_order_row(status=status, filled_size=filled, number_of_fills=count)).status is read


@pytest.mark.parametrize(
    ("configuration", "side", "size"),
    [
        pytest.param({"market_market_ioc": {"quote_size": "10"}}, "BUY", "0.2", id="market, in money"),
        pytest.param({"market_market_ioc": {"base_size": "3"}}, "SELL", "3", id="market, in coins"),
        pytest.param({"sor_limit_ioc": {"quote_size": "10", "limit_price": "9"}}, "BUY", "0.2", id="ioc, in money"),
        pytest.param(
            {"limit_limit_gtc": {"base_size": "3", "limit_price": "9", "post_only": True}}, "BUY", "3", id="gtc"
        ),
        pytest.param(
            {"limit_limit_gtd": {"base_size": "3", "limit_price": "9", "post_only": False}}, "BUY", "3", id="may take"
        ),
        pytest.param(
            {
                "stop_limit_stop_limit_gtc": {
                    "base_size": "3",
                    "limit_price": "9",
                    "stop_price": "8",
                    "stop_direction": "STOP_DIRECTION_STOP_UP",
                }
            },
            "SELL",
            "3",
            id="stop above",
        ),
        pytest.param(
            {"trigger_bracket_gtc": {"base_size": "3", "limit_price": "9", "stop_trigger_price": "8"}},
            "BUY",
            "3",
            id="bracket that buys",
        ),
        pytest.param({"twap_limit_gtd": {"base_size": "3", "limit_price": "9"}}, "BUY", "3", id="twap"),
        pytest.param({"of_2028": {}}, "BUY", "0.2", id="a kind that nobody knows"),
    ],
)
def test_a_kind_that_we_never_send_has_no_type_and_the_size_that_is_known(
    configuration: Mapping[str, object], side: str, size: str
) -> None:
    report = order_report(make_order_row(side=side, configuration=configuration, filled_size="0.2"))

    assert (report.order_type, report.size) == (None, Decimal(size))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(make_order_row(order_id="a/b"), id="an id that is a path"),
        pytest.param(make_order_row(side="UNKNOWN_ORDER_SIDE"), id="no side"),
        pytest.param(make_order_row(product_id="btc_usd"), id="no product"),
        pytest.param(make_order_row(product_id=None), id="null product"),
        pytest.param(make_order_row(order_configuration=None), id="null terms"),
        pytest.param(make_order_row(order_configuration={}), id="no terms"),
        pytest.param(make_order_row(order_configuration={"a": {}, "b": {}}), id="two kinds at once"),
        pytest.param(make_order_row(configuration={"sor_limit_ioc": None}), id="null in the terms"),
        pytest.param(make_order_row(configuration={"sor_limit_ioc": {"limit_price": "1"}}), id="no size"),
        pytest.param(make_order_row(configuration={"sor_limit_ioc": {"base_size": "1"}}), id="no price"),
        pytest.param(make_order_row(filled_size="-1"), id="negative filled size"),
        pytest.param(make_order_row(filled_size="NaN"), id="no number"),
        pytest.param(make_order_row(status="CANCELLED", filled_size=None), id="over, filled size unknown"),
        pytest.param(make_order_row(created_time=None), id="no birthday"),
        pytest.param(make_order_row(created_time="yesterday"), id="an odd birthday"),
    ],
)
def test_an_order_that_cannot_be_read_is_not_guessed(row: dict[str, object]) -> None:
    with pytest.raises(BadField):
        order_report(row)


def test_a_new_order_may_not_have_a_filled_size_yet() -> None:
    assert order_report(make_order_row(status="PENDING", drop=["filled_size", "number_of_fills"])).filled_size == 0


# --- find by the exchange's id ----------------------------------------------------------------------------------------


def test_an_order_with_an_id_is_asked_for_by_it() -> None:
    api = ScriptedAccountApi({BY_ID: [{"order": make_order_row()}]})

    report = make_broker(api).find(KEY_WITH_ID)

    assert report is not None
    assert report.order_id == ORDER_ID
    assert [call.path for call in api.calls] == [BY_ID]


@pytest.mark.parametrize(
    "answer", [NOT_FOUND, {"order": None}, {"order": {}}, {}], ids=["404", "null", "empty order", "empty answer"]
)
def test_an_order_that_its_id_does_not_show_yet_is_looked_for_in_the_list(answer: Answer) -> None:
    api = ScriptedAccountApi({BY_ID: [answer], ORDER_LIST: [make_order_page(make_order_row())]})

    report = make_broker(api).find(KEY_WITH_ID)

    assert report is not None
    assert report.order_id == ORDER_ID


def test_an_order_that_nothing_shows_is_not_found() -> None:
    assert make_broker(ScriptedAccountApi({BY_ID: [NOT_FOUND], ORDER_LIST: [EMPTY]})).find(KEY_WITH_ID) is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ApiUnavailable("timeout"), id="no answer"),
        pytest.param(ApiUnavailable("500", status=500, body_text="404"), id="server error that mentions 404"),
        pytest.param({"order": [1]}, id="a list for an order"),
        pytest.param({"order": "gone"}, id="a text for an order"),
        pytest.param([], id="list"),
        pytest.param(None, id="null"),
        pytest.param({"order": make_order_row(OTHER_ID)}, id="another order"),
        pytest.param({"order": make_order_row(side=None)}, id="null field"),
    ],
)
def test_an_unusable_answer_to_an_id_is_not_an_absence(answer: Answer) -> None:
    api = ScriptedAccountApi({BY_ID: [answer], ORDER_LIST: [EMPTY]})

    with pytest.raises(BrokerUnavailable):
        make_broker(api).find(KEY_WITH_ID)


def test_what_contradicts_our_intent_is_handed_on_for_the_reconciler_to_see() -> None:
    api = ScriptedAccountApi({BY_ID: [{"order": make_order_row(client_order_id="not-ours", side="SELL")}]})

    report = make_broker(api).find(KEY_WITH_ID)

    assert report is not None
    assert (report.client_order_id, report.side) == ("not-ours", Side.SELL)


def test_an_id_that_is_none_of_the_exchange_s_is_not_put_into_a_path() -> None:
    api = ScriptedAccountApi({ORDER_LIST: [EMPTY]})

    assert make_broker(api).find(replace(KEY, order_id=OrderId("../accounts"))) is None
    assert {call.path for call in api.calls} == {ORDER_LIST}


# --- find in the list -------------------------------------------------------------------------------------------------


def test_an_order_without_an_id_is_looked_for_since_shortly_before_it_was_sent() -> None:
    foreign = make_order_row(OTHER_ID, client_order_id="somebody-else", order_configuration=None)
    api = ScriptedAccountApi({ORDER_LIST: [make_order_page(foreign, make_order_row())]})

    report = make_broker(api).find(KEY)

    assert report is not None
    assert report.order_id == ORDER_ID
    (call,) = api.calls
    assert call.values("product_ids") == ["BTC-USD"]
    assert call.values("start_date") == ["2026-01-05T11:59:00Z"]
    assert call.values("order_status") == []


def test_an_order_that_the_whole_list_does_not_hold_may_wait_for_the_book() -> None:
    api = ScriptedAccountApi({ORDER_LIST: [EMPTY, make_order_page(make_order_row(status="QUEUED"))]})

    report = make_broker(api).find(KEY)

    assert report is not None
    assert report.status is OrderStatus.PENDING
    assert api.calls[1].values("order_status") == ["PENDING", "QUEUED"]


def test_all_pages_are_read_and_a_row_on_two_of_them_is_one_order() -> None:
    api = ScriptedAccountApi(
        {
            ORDER_LIST: [
                make_order_page(
                    make_order_row(OTHER_ID, client_order_id="x"), make_order_row(), cursor="c1", has_next=True
                ),
                make_order_page(
                    make_order_row(status="FILLED", filled_size="1"),
                    make_order_row("third", client_order_id=""),
                    cursor="c2",
                    has_next=False,
                ),
            ]
        }
    )

    report = make_broker(api).find(KEY)

    assert report is not None
    assert report.status is OrderStatus.FILLED  # as it was read last
    assert [call.values("cursor") for call in api.calls] == [[], ["c1"]]


def test_two_orders_with_our_id_are_a_contradiction_and_none_of_them_is_taken() -> None:
    page = make_order_page(make_order_row(), make_order_row(OTHER_ID))

    with pytest.raises(BrokerUnavailable, match="CONTRADICTION"):
        make_broker(ScriptedAccountApi({ORDER_LIST: [page]})).find(KEY)


def test_another_order_with_our_id_than_the_one_we_were_told_is_a_contradiction() -> None:
    api = ScriptedAccountApi({BY_ID: [NOT_FOUND], ORDER_LIST: [make_order_page(make_order_row(OTHER_ID))]})

    with pytest.raises(BrokerUnavailable, match="CONTRADICTION"):
        make_broker(api).find(KEY_WITH_ID)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param({}, id="no list"),
        pytest.param({"orders": None, "has_next": False}, id="null for the list"),
        pytest.param({"orders": {}, "has_next": False}, id="an object for the list"),
        pytest.param([], id="a bare list"),
        pytest.param(make_order_page(None), id="null for an order"),
        pytest.param(make_order_page(make_order_row(client_order_id=None)), id="an order that could be ours"),
        pytest.param(make_order_page({**make_order_row(), "order_id": None}), id="an order without an id"),
        pytest.param(make_order_page(make_order_row(side=None)), id="our order, unreadable"),
        pytest.param(make_order_page(has_next=True, cursor="c"), id="an empty page with more behind it"),
        pytest.param(
            make_order_page(make_order_row("a", client_order_id="x"), has_next=True), id="more, but no cursor"
        ),
        pytest.param({"orders": [], "has_next": "false"}, id="has_next as a text"),
        pytest.param({"orders": [], "cursor": 7}, id="a cursor that is a number"),
        pytest.param({"orders": [], "cursor": "c" * 2001}, id="an endless cursor"),
        pytest.param(
            make_order_page(make_order_row("a", client_order_id="x"), cursor="c", has_next=True),
            id="the same page again",
        ),
        pytest.param(ApiUnavailable("429", status=429), id="no answer"),
        pytest.param(ApiUnavailable("404", status=404), id="no such list"),
    ],
)
def test_a_list_that_cannot_be_read_whole_is_not_an_absence(page: Answer) -> None:
    api = ScriptedAccountApi({ORDER_LIST: [page]})

    with pytest.raises(BrokerUnavailable):
        make_broker(api).find(KEY)


def test_a_list_without_an_end_is_given_up() -> None:
    pages = [
        make_order_page(make_order_row(f"id-{number}", client_order_id="x"), cursor=f"c{number}", has_next=True)
        for number in range(PAGES_MAX + 5)
    ]
    api = ScriptedAccountApi({ORDER_LIST: pages})

    with pytest.raises(BrokerUnavailable, match="pages"):
        make_broker(api).find(KEY)
    assert len(api.calls) == PAGES_MAX


def test_a_list_that_does_not_say_whether_there_is_more_ends_where_no_cursor_is() -> None:
    first = make_order_page(make_order_row(OTHER_ID, client_order_id="x"), cursor="c", has_next=None)
    api = ScriptedAccountApi({ORDER_LIST: [first, {"orders": [make_order_row()]}]})

    assert make_broker(api).find(KEY) is not None
    assert [call.values("cursor") for call in api.calls] == [[], ["c"]]


@pytest.mark.parametrize("cursors", [["c", "c"], ["c", "d"]], ids=["the same cursor", "another cursor"])
def test_a_page_that_leads_back_is_noticed_at_once(cursors: list[str]) -> None:
    row = make_order_row("a", client_order_id="x")
    api = ScriptedAccountApi({ORDER_LIST: [make_order_page(row, cursor=cursor, has_next=True) for cursor in cursors]})

    with pytest.raises(BrokerUnavailable, match="cursor"):
        make_broker(api).find(KEY)
    assert len(api.calls) == 2


def test_a_cursor_that_repeats_behind_new_rows_is_not_followed_again() -> None:
    rows = [make_order_row(name, client_order_id="x") for name in ("a", "b")]
    api = ScriptedAccountApi({ORDER_LIST: [make_order_page(row, cursor="c", has_next=True) for row in rows]})

    with pytest.raises(BrokerUnavailable, match="cursor"):
        make_broker(api).find(KEY)
    assert len(api.calls) == 2


# --- open orders ------------------------------------------------------------------------------------------------------


def test_open_orders_are_ours_and_foreign_ones_in_every_state_before_the_end() -> None:
    between = make_order_page(
        make_order_row("pending", status="PENDING"), make_order_row("leaves", status="CANCEL_QUEUED")
    )
    market = make_order_row(
        "foreign", client_order_id="", configuration={"market_market_ioc": {"quote_size": "10"}}, filled_size="0"
    )
    api = ScriptedAccountApi({ORDER_LIST: [between, make_order_page(make_order_row("rests"), market)]})

    reports = make_broker(api).open_orders()

    assert [(report.order_id, report.status.value) for report in reports] == [
        ("pending", "PENDING"),
        ("leaves", "OPEN"),
        ("rests", "OPEN"),
        ("foreign", "OPEN"),
    ]
    assert reports[3].size == 0  # sized in money, and nothing filled
    assert [call.values("order_status") for call in api.calls] == [
        ["PENDING", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED"],
        ["OPEN"],
    ]


def test_an_order_that_reaches_the_book_between_the_questions_is_one_order() -> None:
    api = ScriptedAccountApi(
        {
            ORDER_LIST: [
                make_order_page(make_order_row(status="PENDING")),
                make_order_page(make_order_row(status="OPEN")),
            ]
        }
    )

    (report,) = make_broker(api).open_orders()

    assert report.status is OrderStatus.OPEN


def test_an_order_that_ends_between_the_questions_is_not_open() -> None:
    over = make_order_row(status="FILLED", filled_size="1")
    api = ScriptedAccountApi({ORDER_LIST: [make_order_page(make_order_row(status="PENDING")), make_order_page(over)]})

    assert make_broker(api).open_orders() == ()


def test_an_order_that_is_over_in_the_list_of_open_ones_is_not_open() -> None:
    over = make_order_row(status="FILLED", filled_size="1")

    assert make_broker(ScriptedAccountApi({ORDER_LIST: [EMPTY, make_order_page(over)]})).open_orders() == ()


def test_a_derivative_is_left_out_of_open_orders() -> None:
    future = make_order_row(product_id="BIT-28NOV26-CDE")

    assert make_broker(ScriptedAccountApi({ORDER_LIST: [EMPTY, make_order_page(future)]})).open_orders() == ()


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "page", [ApiUnavailable("timeout"), {"orders": None}, make_order_page(make_order_row(product_id="odd_one"))]
)
def test_open_orders_that_cannot_be_read_are_not_none(number: int, page: Answer) -> None:
    answers: list[Answer] = [EMPTY, EMPTY]
    answers[number] = page

    with pytest.raises(BrokerUnavailable):
        make_broker(ScriptedAccountApi({ORDER_LIST: answers})).open_orders()
