"""The codes with which the exchange refuses an order (coinbase_api 2.9), and the order one step inside each limit."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.errors import OrderRejected
from core.model.market import ProductId
from core.model.orders import Side
from runner.matching.checks import quote_increment, refusal_by_last_trade
from runner.matching.venue_order import Kind, TimeInForce, VenueOrder
from tests.builders import BTC, make_product
from tests.runner.matching.venue_desk import make_bracket, make_stop, make_venue, make_venue_order

GTC, GTD, IOC, FOK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK


def buy_stop(stop: str, price: str) -> VenueOrder:
    return make_venue_order(Kind.STOP_LIMIT, stop=stop, price=price)


def market(**fields: object) -> VenueOrder:
    return replace(make_venue_order(Kind.MARKET, IOC), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "code"),
    [
        # prices of stops, relative to the last trade at 100 and to each other
        pytest.param(make_stop(stop="100"), "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE", id="sell stop at the market"),
        pytest.param(buy_stop("100", "101"), "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE", id="buy stop at the market"),
        pytest.param(make_stop(stop="98", price="98.01"), "PREVIEW_STOP_PRICE_BELOW_LIMIT_PRICE", id="limit over stop"),
        pytest.param(buy_stop("101", "100.99"), "PREVIEW_STOP_PRICE_ABOVE_LIMIT_PRICE", id="limit under buy stop"),
        pytest.param(make_bracket(stop="98", price="98"), "INVALID_BRACKET_PRICES", id="target at the stop"),
        pytest.param(make_bracket(stop="100"), "INVALID_BRACKET_STOP_TRIGGER_PRICE", id="bracket stop at the market"),
        pytest.param(make_bracket(price="100"), "INVALID_BRACKET_LIMIT_PRICE", id="bracket target at the market"),
        pytest.param(make_stop(stop="97.995"), "INVALID_PRICE_PRECISION", id="half an increment of stop"),
        pytest.param(make_stop(stop="0"), "PREVIEW_INVALID_STOP_PRICE", id="stop at nothing"),
        pytest.param(make_stop(stop="NaN"), "PREVIEW_INVALID_STOP_PRICE", id="stop is no number"),
        pytest.param(replace(make_stop(), stop_price=None), "PREVIEW_INVALID_STOP_PRICE", id="no stop"),
        pytest.param(replace(make_stop(), limit_price=None), "INVALID_LIMIT_PRICE", id="no limit"),
        # sizes of every kind
        pytest.param(make_stop(size="0.0105"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", id="99.75 cents"),
        pytest.param(make_bracket(size="0.000000005"), "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", id="less than the least"),
        pytest.param(market(base_size=Decimal("0.0099")), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", id="99 cents"),
        pytest.param(
            market(base_size=None, quote_size=Decimal("0.99")), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", id="0.99 USD"
        ),
        pytest.param(
            market(base_size=None, quote_size=Decimal("10000000.01")),
            "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE",
            id="too much money",
        ),
        pytest.param(
            market(base_size=None, quote_size=Decimal("5.001")),
            "PREVIEW_INVALID_QUOTE_SIZE_PRECISION",
            id="a tenth of a cent",
        ),
        pytest.param(
            market(base_size=None, quote_size=Decimal("NaN")), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", id="money is NaN"
        ),
        # combinations that are no order
        pytest.param(market(quote_size=Decimal(5)), "PREVIEW_INVALID_ORDER_CONFIG", id="two sizes"),
        pytest.param(market(base_size=None), "PREVIEW_INVALID_ORDER_CONFIG", id="no size"),
        pytest.param(market(limit_price=Decimal(100)), "PRICE_NOT_ALLOWED_FOR_MARKET_ORDERS", id="market with a limit"),
        pytest.param(market(time_in_force=FOK), "UNSUPPORTED_ORDER_CONFIGURATION", id="market fill-or-kill"),
        pytest.param(market(time_in_force=GTC), "UNSUPPORTED_ORDER_CONFIGURATION", id="market that rests"),
        pytest.param(market(stop_price=Decimal(98)), "UNSUPPORTED_ORDER_CONFIGURATION", id="stop-market"),
        pytest.param(
            market(side=Side.SELL, base_size=None, quote_size=Decimal(5)),
            "UNSUPPORTED_ORDER_CONFIGURATION",
            id="sell for money",
        ),
        pytest.param(
            make_venue_order(time_in_force=FOK, price="99", post_only=True),
            "POST_ONLY_NOT_ALLOWED_WITH_FOK",
            id="post-only fill-or-kill",
        ),
        pytest.param(
            make_venue_order(time_in_force=IOC, price="99", post_only=True),
            "UNSUPPORTED_ORDER_CONFIGURATION",
            id="post-only immediate-or-cancel",
        ),
        pytest.param(
            make_venue_order(money="5", price="99"), "UNSUPPORTED_ORDER_CONFIGURATION", id="limit sized in money"
        ),
        pytest.param(
            make_venue_order(price="99", stop="98"), "UNSUPPORTED_ORDER_CONFIGURATION", id="limit with a stop"
        ),
        pytest.param(
            replace(make_stop(), time_in_force=IOC), "UNSUPPORTED_ORDER_CONFIGURATION", id="immediate-or-cancel stop"
        ),
        pytest.param(replace(make_stop(), post_only=True), "UNSUPPORTED_ORDER_CONFIGURATION", id="post-only stop"),
        pytest.param(replace(make_bracket(), side=Side.BUY), "BRACKET_ORDER_NOT_SUPPORTED", id="buy bracket"),
        pytest.param(
            replace(make_bracket(), base_size=None, quote_size=Decimal(5)),
            "QUOTE_SIZE_NOT_ALLOWED_FOR_BRACKET",
            id="bracket sized in money",
        ),
        # ends
        pytest.param(make_stop(end_seconds=0), "END_TIME_IS_IN_THE_PAST", id="stop that ends now"),
        pytest.param(
            replace(make_bracket(), time_in_force=GTD), "GTD_ORDERS_MUST_HAVE_END_TIME", id="good-till-date without one"
        ),
        pytest.param(
            replace(make_bracket(end_seconds=60), time_in_force=GTC), "PREVIEW_INVALID_ORDER_CONFIG", id="end of a GTC"
        ),
        # coins
        pytest.param(make_stop(size="2.00000001"), "INSUFFICIENT_FUND", id="stop over more than we have"),
        pytest.param(make_bracket(size="2.00000001"), "INSUFFICIENT_FUND", id="bracket over more than we have"),
    ],
)
def test_an_order_is_refused_in_preview_and_in_earnest_and_leaves_no_trace(order: VenueOrder, code: str) -> None:
    desk = make_venue(btc="2")

    foretold = desk.engine.preview(order)
    with pytest.raises(OrderRejected) as caught:
        desk.submit(order)

    assert caught.value.reason == code
    assert foretold == code
    assert list(desk.engine.records()) == []
    assert desk.balance("BTC") == (Decimal(2), Decimal(0))
    assert desk.balance("USD") == (Decimal(10000), Decimal(0))


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(make_stop(stop="99.99"), id="sell stop a cent below the market"),
        pytest.param(buy_stop("100.01", "100.01"), id="buy stop a cent above the market, limit at the stop"),
        pytest.param(make_stop(stop="98", price="98"), id="limit at the stop"),
        pytest.param(make_bracket(stop="99.99", price="100.01"), id="the closest bracket"),
        pytest.param(make_stop(size="0.01052632", price="95"), id="a stop of one USD"),
        pytest.param(make_bracket(size="2"), id="all coins"),
        pytest.param(market(base_size=None, quote_size=Decimal("1.00")), id="one USD"),
        pytest.param(make_stop(end_seconds=0.001), id="ends in a millisecond"),
    ],
)
def test_an_order_one_step_inside_is_taken(order: VenueOrder) -> None:
    desk = make_venue(btc="2")

    assert desk.engine.preview(order) is None
    assert desk.submit(order).order is order


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("offline", "PRODUCT_TRADING_HALTED"),
        ("trading_disabled", "TRADING_DISABLED"),
        ("is_disabled", "UNTRADABLE_PRODUCT"),
        ("cancel_only", "ORDER_ENTRY_DISABLED"),
        ("auction_mode", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"),
        ("view_only", "INELIGIBLE_PAIR"),
    ],
)
@pytest.mark.parametrize("order", [make_stop(), make_bracket(), market()], ids=["stop", "bracket", "market"])
def test_a_closed_market_takes_no_kind_of_order_but_lets_go_of_old_ones(
    order: VenueOrder, flag: str, code: str
) -> None:
    desk = make_venue(btc="2")
    old = desk.submit(make_venue_order(name="old", price="90"))
    desk.market.set_product(make_product(BTC, blocked_by=flag))

    assert desk.engine.preview(order) == code
    assert desk.engine.cancel(old.order_id).value == "done"


def test_a_limit_only_market_takes_limits_and_stops_and_no_market_orders() -> None:
    desk = make_venue(btc="2")
    desk.market.set_product(make_product(BTC, blocked_by="limit_only"))

    assert desk.engine.preview(market()) == "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
    for order in (make_venue_order(time_in_force=IOC, price="101"), make_stop(), make_bracket()):
        assert desk.engine.preview(order) is None


def test_a_post_only_market_takes_no_order_that_may_take() -> None:
    desk = make_venue(btc="2")
    desk.market.set_product(make_product(BTC, post_only=True))

    assert desk.engine.preview(make_venue_order(price="99", post_only=True)) is None
    for order in (make_venue_order(price="99"), market(), make_stop(), make_bracket()):
        assert desk.engine.preview(order) == "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"


def test_a_stop_without_a_known_last_trade_is_refused() -> None:
    assert refusal_by_last_trade(make_stop(), None) == "MISSING_MARKET_TRADE_DATA"


def test_money_has_cents_and_a_coin_as_money_its_smallest_unit() -> None:
    assert quote_increment(BTC) == Decimal("0.01")
    assert quote_increment(ProductId("ETH", "BTC")) == Decimal("0.00000001")
