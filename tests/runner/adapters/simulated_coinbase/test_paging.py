"""Checklist item 11: every list has its own way to be turned over."""

from decimal import Decimal

import pytest

from core.model.market import ProductId
from core.model.orders import Side
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.builders import BTC
from tests.runner.adapters.simulated_coinbase.venue_desk import VenueDesk, by_hand, make_venue

MANY = [ProductId(f"C{number:02}", "USD") for number in range(60)]


def entry_ids(rows: list[dict[str, str]]) -> list[str]:
    return [row["entry_id"] for row in rows]


def venue_with_fills(number: int) -> VenueDesk:
    venue = make_venue(usd="1000000")
    for index in range(number):
        venue.wait(1)
        venue.exchange.place_by_hand(by_hand(f"hand-{index}", size="0.1"))
    return venue


def test_11_accounts_come_49_at_a_time_with_has_next_and_a_cursor() -> None:
    venue = make_venue(products=MANY)

    first = venue.get("/accounts").json
    second = venue.get("/accounts", ("cursor", first["cursor"])).json

    assert (len(first["accounts"]), first["has_next"], first["size"]) == (49, True, 49)
    assert (len(second["accounts"]), second["has_next"], second["cursor"]) == (12, False, "")
    names = [row["currency"] for row in first["accounts"] + second["accounts"]]
    assert len(set(names)) == len(names) == 61
    whole = venue.get("/accounts", ("limit", "61")).json
    assert (len(whole["accounts"]), whole["has_next"], whole["cursor"]) == (61, False, "")


def test_11_an_account_can_be_asked_for_by_its_uuid() -> None:
    venue = make_venue()
    row = venue.get("/accounts").json["accounts"][0]

    assert venue.get(f"/accounts/{row['uuid']}").json["account"] == row
    assert venue.get("/accounts/nobody").status == 404


def test_11_fills_have_a_cursor_and_no_has_next_and_a_full_last_page_is_followed_by_an_empty_one() -> None:
    venue = venue_with_fills(4)

    first = venue.get("/orders/historical/fills", ("limit", "2")).json
    second = venue.get("/orders/historical/fills", ("limit", "2"), ("cursor", first["cursor"])).json
    third = venue.get("/orders/historical/fills", ("limit", "2"), ("cursor", second["cursor"])).json

    assert set(first) == {"fills", "cursor"}
    assert (len(first["fills"]), len(second["fills"])) == (2, 2)
    assert third == {"fills": [], "cursor": ""}


def test_11_orders_have_has_next_and_a_cursor_newest_first() -> None:
    venue = venue_with_fills(3)

    first = venue.get("/orders/historical/batch", ("limit", "2")).json
    second = venue.get("/orders/historical/batch", ("limit", "2"), ("cursor", first["cursor"])).json

    assert [row["client_order_id"] for row in first["orders"]] == ["hand-2", "hand-1"]
    assert (first["has_next"], second["has_next"], second["cursor"]) == (True, False, "")
    assert [row["client_order_id"] for row in second["orders"]] == ["hand-0"]
    assert venue.get("/orders/historical/batch", ("limit", "3")).json["has_next"] is False


def test_11_a_page_changes_when_something_new_comes_between_two_calls() -> None:
    venue = venue_with_fills(3)
    first = venue.get("/orders/historical/batch", ("limit", "2")).json
    venue.exchange.place_by_hand(by_hand("new", size="0.1"))

    second = venue.get("/orders/historical/batch", ("limit", "2"), ("cursor", first["cursor"])).json

    assert [row["client_order_id"] for row in second["orders"]] == ["hand-1", "hand-0"]  # hand-1 was on page 1, too


@pytest.mark.parametrize("path", ["/orders/historical/batch", "/orders/historical/fills", "/accounts"])
def test_11_a_cursor_may_repeat_itself_for_ever(path: str) -> None:
    venue = venue_with_fills(3)
    venue.exchange.faults.add(Fault.CURSOR_REPEATED, 1.0)

    first = venue.get(path, ("limit", "2")).json
    again = venue.get(path, ("limit", "2"), ("cursor", first["cursor"])).json

    assert first["cursor"] == again["cursor"] != ""


def test_11_orders_are_filtered_by_product_side_type_and_time() -> None:
    venue = make_venue(coins={"BTC": "1"})
    venue.rest("btc-buy")
    venue.wait(10)
    venue.exchange.place_by_hand(by_hand("btc-sell", side=Side.SELL, price="120"))
    venue.create("eth", product="ETH-USD")
    at = "2026-01-05T12:00:10Z"

    def names(*params: tuple[str, str]) -> list[str]:
        return [row["client_order_id"] for row in venue.listed(*params)]

    assert names(("product_ids", "ETH-USD")) == ["eth"]
    assert names(("order_side", "SELL")) == ["btc-sell"]
    assert names(("start_date", at)) == ["eth", "btc-sell"]
    assert names(("end_date", at)) == ["btc-buy"]
    assert names(("time_in_forces", "GOOD_UNTIL_CANCELLED")) == ["btc-sell"]
    assert names(("order_types", "BRACKET")) == []
    assert venue.get("/orders/historical/batch", ("start_date", "yesterday")).status == 400


def test_11_fills_are_filtered_by_order_product_and_time() -> None:
    venue = venue_with_fills(3)
    newest, middle, oldest = venue.fills()

    assert venue.fills(("order_ids", oldest["order_id"])) == [oldest]
    assert venue.fills(("start_sequence_timestamp", middle["sequence_timestamp"])) == [newest, middle]
    assert venue.fills(("end_sequence_timestamp", middle["sequence_timestamp"])) == [middle, oldest]
    assert venue.fills(("product_ids", "ETH-USD")) == []
    assert venue.fills(("trade_ids", newest["trade_id"])) == [newest]


def test_11_fills_may_be_repeated_shuffled_or_left_out_and_are_right_the_next_time() -> None:
    venue = venue_with_fills(3)
    right = venue.fills()
    for fault in (Fault.FILLS_REPEATED, Fault.FILLS_SHUFFLED, Fault.FILLS_MISSING):
        venue.exchange.faults.script(fault, Endpoint.FILLS)

    repeated, shuffled, missing = venue.fills(), venue.fills(), venue.fills()

    assert entry_ids(repeated) == [entry for entry in entry_ids(right) for _ in range(2)]
    assert entry_ids(shuffled) != entry_ids(right)
    assert sorted(entry_ids(shuffled)) == sorted(entry_ids(right))
    assert missing == right[1:]
    assert venue.fills() == right


def test_11_an_order_may_be_missing_from_a_list_or_look_like_another() -> None:
    venue = make_venue()
    order_id = venue.rest()
    venue.exchange.faults.script(Fault.ORDER_MISSING, times=2)
    venue.exchange.faults.script(Fault.ORDER_ALTERED, times=2)

    assert venue.listed() == []
    assert venue.get(f"/orders/historical/{order_id}").status == 404
    assert venue.order(order_id)["side"] == "SELL"
    assert venue.listed()[0]["order_configuration"]["limit_limit_gtd"]["base_size"] == "10"
    assert venue.order(order_id)["side"] == "BUY"


def test_the_owners_coins_show_in_the_accounts() -> None:
    venue = make_venue()
    venue.exchange.deposit("BTC", Decimal("0.5"))

    assert venue.balance("BTC") == ("0.5", "0")
    assert venue.market.product(BTC) is not None
