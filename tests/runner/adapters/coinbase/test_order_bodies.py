"""What an order looks like on the wire: every kind, to the character."""

import json
from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.orders import ClientOrderId, Order, OrderType, Side
from runner.adapters.coinbase.order_bodies import order_body, preview_body, rfc3339
from tests.builders import NOON, make_order
from tests.runner.adapters.coinbase.coinbase_answers import make_guard


@pytest.mark.parametrize(
    ("order", "configuration"),
    [
        pytest.param(
            make_order(size="0.00000100", price="1E+2"),
            {
                "limit_limit_gtd": {
                    "base_size": "0.000001",
                    "limit_price": "100",
                    "end_time": "2026-01-05T12:00:30Z",
                    "post_only": True,
                }
            },
            id="resting",
        ),
        pytest.param(
            make_order(order_type=OrderType.IOC, size="2", price="99.50"),
            {"sor_limit_ioc": {"base_size": "2", "limit_price": "99.5"}},
            id="crossing",
        ),
        pytest.param(
            make_guard(OrderType.STOP_LIMIT, price="95", stop="98"),
            {
                "stop_limit_stop_limit_gtc": {
                    "base_size": "0.5",
                    "limit_price": "95",
                    "stop_price": "98",
                    "stop_direction": "STOP_DIRECTION_STOP_DOWN",
                }
            },
            id="stop-limit",
        ),
        pytest.param(
            make_guard(OrderType.BRACKET, price="110", stop="98"),
            {"trigger_bracket_gtc": {"base_size": "0.5", "limit_price": "110", "stop_trigger_price": "98"}},
            id="bracket",
        ),
    ],
)
def test_an_order_is_said_in_documented_fields_only(order: Order, configuration: object) -> None:
    said = {"product_id": "BTC-USD", "side": order.side.value, "order_configuration": configuration}

    assert preview_body(order) == said
    assert order_body(order) == {"client_order_id": "order-1", **said}


def test_an_end_is_printed_in_utc_and_with_its_fraction_if_it_has_one() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=2)))

    assert rfc3339(elsewhere) == "2026-01-05T12:00:00Z"
    assert rfc3339(NOON + timedelta(milliseconds=1)) == "2026-01-05T12:00:00.001000Z"


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(replace(make_order(), end_time=None), id="resting without an end"),
        pytest.param(replace(make_order(), end_time=NOON.replace(tzinfo=None)), id="an end in no time zone"),
        pytest.param(make_order(size="0"), id="no size"),
        pytest.param(make_order(size="-1"), id="negative size"),
        pytest.param(make_order(price="NaN"), id="no price"),
        pytest.param(make_order(price="Infinity"), id="endless price"),
        pytest.param(replace(make_guard(OrderType.BRACKET), stop_price=None), id="guard without a stop"),
        pytest.param(replace(make_guard(OrderType.STOP_LIMIT), stop_price=Decimal(0)), id="guard with a stop at 0"),
        pytest.param(replace(make_guard(OrderType.BRACKET), side=Side.BUY), id="guard that buys"),
        pytest.param(replace(make_order(), stop_price=Decimal(98)), id="a stop for a resting order"),
        pytest.param(replace(make_order(order_type=OrderType.IOC), stop_price=Decimal(98)), id="a stop for an IOC"),
        pytest.param(replace(make_order(order_type=OrderType.IOC), end_time=NOON), id="an end for an IOC"),
        pytest.param(replace(make_guard(OrderType.BRACKET), end_time=NOON), id="an end for a guard"),
        pytest.param(make_order(name=""), id="no id"),
        pytest.param(make_order(name="i" * 129), id="id one too long"),
    ],
)
def test_what_cannot_be_said_is_not_sent(order: Order) -> None:
    with pytest.raises(ValueError, match=r"."):
        order_body(order)


def test_the_longest_id_is_sent() -> None:
    assert order_body(make_order(name="i" * 128))["client_order_id"] == "i" * 128


@given(
    size=st.decimals(min_value="1e-18", max_value="1e12", allow_nan=False, allow_infinity=False),
    price=st.decimals(min_value="1e-12", max_value="1e9", allow_nan=False, allow_infinity=False),
    order_type=st.sampled_from([OrderType.POST_ONLY, OrderType.IOC]),
)
def test_amounts_arrive_exactly_and_equal_orders_are_equal_bytes(
    size: Decimal, price: Decimal, order_type: OrderType
) -> None:
    order = replace(make_order(order_type=order_type), size=size, limit_price=price)
    again = replace(order, client_order_id=ClientOrderId(str(order.client_order_id)), size=Decimal(str(size)))

    text = json.dumps(order_body(order))

    ((_, sent),) = json.loads(text)["order_configuration"].items()
    assert (Decimal(sent["base_size"]), Decimal(sent["limit_price"])) == (size, price)
    assert "e" not in (sent["base_size"] + sent["limit_price"]).lower()
    assert text == json.dumps(order_body(again))
