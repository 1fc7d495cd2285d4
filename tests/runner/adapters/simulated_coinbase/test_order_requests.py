"""Checklist items 1 to 3 and 7: what of an order request is a 400, what a reject, and what a second one gives."""

import json
from datetime import timedelta

import pytest

from runner.adapters.simulated_coinbase.behaviour import Behaviour, DuplicateAnswer
from tests.builders import BTC, make_product
from tests.runner.adapters.simulated_coinbase.venue_desk import create_body, ioc, limit_gtd, make_venue

# --- item 1 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({**create_body(), "self_trade_prevention_id": "x"}, id="unknown field"),
        pytest.param(create_body(configuration={"limit_limit_gtc": {"size": "1"}}), id="unknown field within"),
        pytest.param(create_body(configuration={"market_market": {}}), id="unknown configuration"),
        pytest.param({**create_body(), "product_id": 7}, id="number for a string"),
        pytest.param(create_body(configuration={"sor_limit_ioc": {"base_size": 0.1, "limit_price": "1"}}), id="float"),
        pytest.param(
            create_body(configuration={"limit_limit_gtc": {"base_size": "1", "limit_price": "1", "post_only": "yes"}}),
            id="string for a bool",
        ),
        pytest.param({**create_body(), "side": "buy"}, id="unknown enum value"),
        pytest.param(create_body(configuration={**ioc(), **limit_gtd()}), id="two configurations"),
        pytest.param(create_body(configuration={}), id="no configuration"),
        pytest.param(create_body(configuration=limit_gtd(end="tomorrow")), id="end is no time"),
        pytest.param(create_body(configuration=limit_gtd(end="9999-12-31T23:59:59-01:00")), id="end after all time"),
        pytest.param(create_body(name="\ud800"), id="half a surrogate pair"),
        pytest.param({**create_body(), "\ud800": "1"}, id="half a surrogate pair for a name"),
        pytest.param(create_body(name=""), id="no client_order_id"),
        pytest.param(create_body(name="x" * 129), id="client_order_id one character too long"),
        pytest.param(json.dumps(create_body()).replace("{", '{"side": "BUY", ', 1).encode(), id="duplicate field"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="a list"),
    ],
)
def test_1_a_malformed_order_is_a_400_with_the_documented_body_and_creates_nothing(body: object) -> None:
    venue = make_venue()

    reply = venue.post("/orders", body)

    assert reply.status == 400
    assert set(reply.json) == {"error", "error_details", "message"}
    assert venue.exchange.orders() == []


def test_1_the_400_names_the_unknown_field_as_the_exchange_does() -> None:
    reply = make_venue().post("/orders", {**create_body(), "stop_loss": "1"})

    assert 'unknown field "stop_loss"' in reply.json["error_details"]
    assert reply.json["error_details"].startswith("proto:")


def test_1_a_client_order_id_of_128_characters_is_taken() -> None:
    assert make_venue().create("x" * 128).json["success"] is True


def test_1_null_is_a_field_left_out() -> None:
    assert make_venue().post("/orders", {**create_body(), "preview_id": None}).json["success"] is True


def test_1_cancel_and_preview_bodies_are_strict_too() -> None:
    venue = make_venue()

    assert venue.post("/orders/batch_cancel", {"order_id": "x"}).status == 400
    assert venue.post("/orders/batch_cancel", {"order_ids": ["\ud800"]}).status == 400
    assert venue.post("/orders/batch_cancel", {"order_ids": ["x"] * 101}).status == 400
    assert venue.post("/orders/batch_cancel", {"order_ids": ["x"] * 100}).status == 200
    assert venue.post("/orders/preview", create_body()).status == 400  # it has no client_order_id there


# --- item 2 -----------------------------------------------------------------------------------------------------------


def test_2_a_business_reject_is_a_200_that_says_success_false_in_the_live_shape() -> None:
    reply = make_venue(usd="10").create()

    assert reply.status == 200
    assert reply.json["success"] is False
    assert reply.json["error_response"] == {
        "error": "INSUFFICIENT_FUND",
        "message": "Insufficient balance in source account",
        "error_details": "",
        "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND",
        "new_order_failure_reason": "UNKNOWN_FAILURE_REASON",
    }
    assert "success_response" not in reply.json


def test_2_a_size_that_is_too_small_shows_in_the_preview_reason_alone() -> None:
    reply = make_venue().create(configuration=ioc(size="0.000000001"))

    error = reply.json["error_response"]
    assert error["error"] == "UNKNOWN_FAILURE_REASON"
    assert error["preview_failure_reason"] == "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"


def test_2_a_success_names_the_nil_failure_reason() -> None:
    reply = make_venue().create()

    assert reply.json["success"] is True
    assert reply.json["failure_reason"] == "UNKNOWN_FAILURE_REASON"
    assert reply.json["success_response"]["client_order_id"] == "order-1"
    assert reply.json["order_configuration"]["limit_limit_gtd"]["base_size"] == "1"


# --- item 3 -----------------------------------------------------------------------------------------------------------


def test_3_a_known_client_order_id_gives_the_first_answer_and_nothing_new() -> None:
    venue = make_venue()
    first = venue.create()

    second = venue.create()
    other_body = venue.create(configuration=limit_gtd(size="2"))

    assert second.json == first.json
    assert other_body.json["success_response"] == first.json["success_response"]
    assert len(venue.exchange.orders()) == 1


def test_3_a_known_client_order_id_may_be_rejected_instead() -> None:
    venue = make_venue(behaviour=Behaviour(duplicates=DuplicateAnswer.REJECT))
    venue.create()

    second = venue.create()

    assert venue.reject_of(second) == "DUPLICATE_CLIENT_ORDER_ID"
    assert len(venue.exchange.orders()) == 1


def test_3_a_rejected_order_does_not_use_its_id_up() -> None:
    venue = make_venue()
    assert venue.reject_of(venue.create(configuration=limit_gtd(size="1000"))) == "INSUFFICIENT_FUND"

    assert venue.create().json["success"] is True


@pytest.mark.parametrize(("seconds", "orders"), [(60, 1), (61, 2)])
def test_3_an_id_is_forgotten_when_the_memory_is_shorter_than_assumed(seconds: int, orders: int) -> None:
    venue = make_venue(behaviour=Behaviour(id_memory=timedelta(seconds=60)))
    venue.take()
    venue.wait(seconds)

    venue.take()

    assert [row["client_order_id"] for row in venue.listed()] == ["order-1"] * orders


# --- item 7 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        (limit_gtd(price="100.05"), "INVALID_LIMIT_PRICE_POST_ONLY"),
        (limit_gtd(price="99.905"), "INVALID_PRICE_PRECISION"),
        (limit_gtd(size="0.999999999"), "INVALID_SIZE_PRECISION"),
        (limit_gtd(size="1.000000000000000000000000000001"), "INVALID_SIZE_PRECISION"),
        (limit_gtd(price="99.900000000000000000000000000001"), "INVALID_PRICE_PRECISION"),
        (limit_gtd(size="0.01", price="99.99"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        (ioc(size="10000.00000001"), "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
        (limit_gtd(end="2026-01-05T12:00:00Z"), "END_TIME_IS_IN_THE_PAST"),
        (ioc(size="abc"), "PREVIEW_NON_NUMERIC_ORDER_SIZE"),
        (ioc(size="1e-2"), "PREVIEW_NON_NUMERIC_ORDER_SIZE"),
        (ioc(price="NaN"), "INVALID_LIMIT_PRICE"),
        ({"market_market_fok": {"quote_size": "10"}}, "UNSUPPORTED_ORDER_CONFIGURATION"),
        ({"market_market_ioc": {"quote_size": "10.001"}}, "PREVIEW_INVALID_QUOTE_SIZE_PRECISION"),
        ({"market_market_ioc": {"quote_size": f"10.{1:030}"}}, "PREVIEW_INVALID_QUOTE_SIZE_PRECISION"),
        ({"sor_limit_ioc": {"limit_price": "1"}}, "INVALID_ORDER_CONFIG"),
    ],
)
def test_7_a_rule_that_is_broken_is_answered_with_its_reason(configuration: dict[str, object], reason: str) -> None:
    venue = make_venue(usd="100000000")

    found = venue.reject_of(venue.create(configuration=configuration))

    assert found.removeprefix("PREVIEW_") == reason.removeprefix("PREVIEW_")


def test_7_a_post_only_order_one_increment_off_the_other_side_rests() -> None:
    venue = make_venue()

    order_id = venue.rest(price="100.04")

    assert venue.order(order_id)["status"] == "OPEN"


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("cancel_only", "ORDER_ENTRY_DISABLED"),
        ("auction_mode", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"),
        ("trading_disabled", "TRADING_DISABLED"),
        ("view_only", "INELIGIBLE_PAIR"),
        ("is_disabled", "UNTRADABLE_PRODUCT"),
    ],
)
def test_7_flags_that_change_while_running_refuse_orders_and_still_let_cancels_through(flag: str, reason: str) -> None:
    venue = make_venue()
    order_id = venue.rest("before")
    venue.exchange.market.change(make_product(BTC, blocked_by=flag))

    assert venue.reject_of(venue.create("after")) == reason
    assert venue.post("/orders/batch_cancel", {"order_ids": [order_id]}).json["results"][0]["success"] is True
    assert venue.order(order_id)["status"] == "CANCELLED"


def test_7_limit_only_refuses_market_orders_and_post_only_whatever_takes() -> None:
    venue = make_venue()
    market_order = {"market_market_ioc": {"quote_size": "10"}}

    venue.exchange.market.change(make_product(BTC, blocked_by="limit_only"))
    assert venue.reject_of(venue.create(configuration=market_order)) == "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
    venue.exchange.market.change(make_product(BTC, post_only=True))
    assert venue.reject_of(venue.create(configuration=ioc())) == "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
    assert venue.create().json["success"] is True


def test_7_a_delisted_product_is_not_known_any_more() -> None:
    venue = make_venue()
    venue.exchange.market.delist(BTC)

    assert venue.reject_of(venue.create()) == "INVALID_PRODUCT_ID"
    assert venue.get("/products/BTC-USD").status == 404
    assert [row["product_id"] for row in venue.get("/products").json["products"]] == ["ETH-USD"]


def test_7_preview_says_what_create_would_and_changes_nothing() -> None:
    venue = make_venue()
    good = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": limit_gtd()}
    crossing = {**good, "order_configuration": limit_gtd(price="100.05")}
    too_big = {**good, "order_configuration": limit_gtd(size="1000")}

    assert venue.post("/orders/preview", good).json["errs"] == []
    assert venue.post("/orders/preview", crossing).json["errs"] == ["PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"]
    assert venue.post("/orders/preview", too_big).json["errs"] == ["PREVIEW_INSUFFICIENT_FUND"]
    assert venue.balance("USD") == ("10000", "0")
    assert venue.exchange.orders() == []


def test_7_preview_tells_what_the_order_would_cost() -> None:
    body = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": ioc(size="2", price="100.10")}

    answer = make_venue().post("/orders/preview", body).json

    assert answer["commission_total"] == "1.8018"
    assert answer["order_total"] == "202.0018"
    assert (answer["best_bid"], answer["best_ask"]) == ("99.95", "100.05")


def test_what_is_not_simulated_says_so() -> None:
    venue = make_venue()

    assert venue.post("/orders/edit", {"order_id": "x", "price": "1", "size": "1"}).status == 501
    assert venue.get("/portfolios").status == 501
    assert venue.get("/no/such/thing").json == {
        "error": "unknown",
        "error_details": "Not Found",
        "message": "Not Found",
    }
