"""Checklist items 6, 8 and 9: how orders end, what they hold, what they cost, and how all of it is printed."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.model.orders import Side
from runner.adapters.simulated_coinbase.access import Access
from runner.adapters.simulated_coinbase.behaviour import Behaviour, Lags
from runner.adapters.simulated_coinbase.exchange import Books, SimulatedCoinbase
from runner.adapters.simulated_coinbase.listed_market import ListedMarket
from runner.adapters.simulated_coinbase.venue_time import VenueTime
from runner.matching.account import Account
from runner.matching.engine import MatchingEngine
from runner.matching.order_record import new_record
from tests.builders import BTC
from tests.runner.adapters.simulated_coinbase.venue_desk import (
    FEES,
    KEY,
    VenueDesk,
    by_hand,
    ioc,
    limit_gtd,
    make_venue,
)

# --- item 6 -----------------------------------------------------------------------------------------------------------


def test_6_a_partly_filled_order_is_open_with_a_filled_size() -> None:
    venue = make_venue()
    order_id = venue.rest(size="2", price="99.90")
    venue.market.move(BTC, -2)
    venue.wait(1)

    order = venue.order(order_id)

    assert (order["status"], order["filled_size"], order["number_of_fills"]) == ("OPEN", "1", "1")
    assert (order["completion_percentage"], order["average_filled_price"]) == ("50", "99.9")
    assert (order["filled_value"], order["total_fees"]) == ("99.9", "0.4995")
    assert order["total_value_after_fees"] == "100.3995"


def test_6_the_rest_of_an_ioc_is_cancelled_with_its_filled_size() -> None:
    venue = make_venue(level_size="0.5")

    order_id = venue.take(size="2", price="100.10")

    order = venue.order(order_id)
    assert (order["status"], order["filled_size"], order["number_of_fills"]) == ("CANCELLED", "1", "2")
    assert order["outstanding_hold_amount"] == "0"
    assert order["settled"] is True


def test_6_a_gtd_order_expires_at_its_end() -> None:
    venue = make_venue()
    reply = venue.create(configuration=limit_gtd(end="2026-01-05T12:00:30Z"))
    order_id = reply.json["success_response"]["order_id"]
    venue.wait(29.999)
    before = venue.order(order_id)["status"]
    venue.wait(0.001)

    assert (before, venue.order(order_id)["status"]) == ("OPEN", "EXPIRED")


def test_6_a_stop_waits_then_triggers_and_sells() -> None:
    venue = make_venue(coins={"BTC": "2"})
    stop = {
        "base_size": "1",
        "limit_price": "95",
        "stop_price": "98",
        "stop_direction": "STOP_DIRECTION_STOP_DOWN",
    }
    reply = venue.create(side="SELL", configuration={"stop_limit_stop_limit_gtc": stop})
    order_id = reply.json["success_response"]["order_id"]
    waiting = venue.order(order_id)
    venue.market.move(BTC, -3)
    venue.wait(30)

    order = venue.order(order_id)

    assert (waiting["status"], waiting["trigger_status"], waiting["order_type"]) == (
        "OPEN",
        "STOP_PENDING",
        "STOP_LIMIT",
    )
    assert (order["status"], order["trigger_status"]) == ("FILLED", "STOP_TRIGGERED")


def test_6_a_bracket_rests_at_its_target_and_holds_its_coins_once() -> None:
    venue = make_venue(coins={"BTC": "1"})
    bracket = {"base_size": "1", "limit_price": "104", "stop_trigger_price": "98"}

    reply = venue.create(side="SELL", configuration={"trigger_bracket_gtc": bracket})

    order = venue.order(reply.json["success_response"]["order_id"])
    assert (order["order_type"], order["time_in_force"]) == ("BRACKET", "GOOD_UNTIL_CANCELLED")
    assert order["order_configuration"]["trigger_bracket_gtc"]["stop_trigger_price"] == "98"
    assert venue.balance("BTC") == ("0", "1")


def test_6_a_stop_without_its_natural_direction_is_refused() -> None:
    venue = make_venue(coins={"BTC": "1"})
    stop = {"base_size": "1", "limit_price": "95", "stop_price": "98"}

    reply = venue.create(side="SELL", configuration={"stop_limit_stop_limit_gtc": stop})

    assert venue.reject_of(reply) == "PREVIEW_INVALID_STOP_PRICE"


def test_6_an_order_row_has_the_fields_of_the_real_one() -> None:
    venue = make_venue()
    order_id = venue.rest()

    order = venue.order(order_id)

    assert order["client_order_id"] == "order-1"
    assert order["order_configuration"]["limit_limit_gtd"] == {
        "base_size": "1",
        "limit_price": "99.90",
        "end_time": "2026-01-05T12:10:00Z",
        "post_only": True,
        "rfq_disabled": False,
        "reduce_only": False,
    }
    assert order["time_in_force"] == "GOOD_UNTIL_DATE_TIME"
    assert order["trigger_status"] == "INVALID_ORDER_TYPE"
    assert order["reject_reason"] == "REJECT_REASON_UNSPECIFIED"
    assert order["created_time"] == "2026-01-05T12:00:00Z"
    assert order["number_of_fills"] == "0"
    assert order["average_filled_price"] == "0"
    assert order["last_fill_time"] is None


# --- item 8 -----------------------------------------------------------------------------------------------------------


def test_8_a_buy_holds_its_value_and_the_fee_of_a_maker_and_a_cancel_frees_it() -> None:
    venue = make_venue()
    order_id = venue.rest(size="1", price="99.90")

    assert venue.balance("USD") == ("9899.6005", "100.3995")
    venue.post("/orders/batch_cancel", {"order_ids": [order_id]})
    assert venue.balance("USD") == ("10000", "0")


def test_8_a_sell_holds_its_size() -> None:
    venue = make_venue(coins={"BTC": "3"})

    venue.rest(side="SELL", price="100.20", size="2")

    assert venue.balance("BTC") == ("1", "2")


@pytest.mark.parametrize(("usd", "is_taken"), [("100.3995", True), ("100.39949999", False)])
def test_8_the_hold_is_covered_to_the_last_digit(usd: str, is_taken: bool) -> None:
    assert make_venue(usd=usd).create().json["success"] is is_taken


# --- item 9 -----------------------------------------------------------------------------------------------------------


def test_9_who_rests_pays_the_makers_fee_and_who_takes_the_takers() -> None:
    venue = make_venue()
    venue.take("taker", size="1")
    venue.rest("maker", size="1", price="99.90")
    venue.market.move(BTC, -2)
    venue.wait(1)

    fills = {row["liquidity_indicator"]: row for row in venue.fills()}

    assert fills["TAKER"]["commission"] == "0.90045"  # 0.9 % of 100.05
    assert fills["MAKER"]["commission"] == "0.4995"  # 0.5 % of 99.90


def test_9_a_market_buy_for_money_includes_the_fee_and_prints_its_fills_in_money() -> None:
    venue = make_venue()

    reply = venue.create(configuration={"market_market_ioc": {"quote_size": "100"}})

    order = venue.order(reply.json["success_response"]["order_id"])
    (fill,) = venue.fills()
    assert (order["size_in_quote"], order["size_inclusive_of_fees"]) == (True, True)
    assert fill["size_in_quote"] is True
    assert fill["size"] == order["filled_value"]
    spent = Decimal(fill["size"]) + Decimal(fill["commission"])
    assert Decimal("99.99") < spent <= 100
    assert venue.balance("USD")[0] == format(10000 - spent, "f").rstrip("0")


def test_9_every_other_fill_is_printed_in_coins() -> None:
    venue = make_venue()
    venue.take(size="2")

    (fill,) = venue.fills()

    assert (fill["size_in_quote"], fill["size"], fill["price"]) == (False, "2", "100.05")
    assert fill["trade_type"] == "FILL"
    assert fill["side"] == "BUY"
    assert fill["entry_id"] != fill["trade_id"]


# --- the owner, and the oracle ----------------------------------------------------------------------------------------


def test_an_order_that_the_owner_places_by_hand_is_in_the_lists_like_ours() -> None:
    venue = make_venue(coins={"BTC": "1"})

    venue.exchange.place_by_hand(by_hand("resting", side=Side.SELL, price="120"))
    venue.exchange.place_by_hand(by_hand("market", size="0.5"))

    assert [(row["client_order_id"], row["status"]) for row in venue.listed()] == [
        ("market", "FILLED"),
        ("resting", "OPEN"),
    ]
    assert venue.listed()[1]["order_configuration"] == {"limit_limit_gtc": {"base_size": "1", "limit_price": "120"}}


def test_the_owner_cancels_an_order_of_ours() -> None:
    venue = make_venue()
    order_id = venue.rest()

    venue.exchange.cancel_by_hand(order_id)

    assert venue.order(order_id)["status"] == "CANCELLED"


def test_deposits_and_withdrawals_change_the_balances_and_the_books_stay_sound() -> None:
    venue = make_venue(usd="100")

    venue.exchange.deposit("USD", Decimal(50))

    assert venue.exchange.withdraw("USD", Decimal(151)) is False
    assert venue.exchange.withdraw("USD", Decimal(150)) is True
    assert venue.balance("USD") == ("0", "0")
    assert venue.exchange.books.faults() == []


def test_a_deposit_finds_the_account_as_a_cancel_that_came_due_before_it_left_it() -> None:
    venue = make_venue(behaviour=Behaviour(lags=Lags(cancel=timedelta(seconds=5))))
    order_id = venue.rest(price="99.90")
    venue.post("/orders/batch_cancel", {"order_ids": [order_id]})
    venue.market.move(BTC, -1, at_minute=0.5)
    venue.wait(60)

    venue.exchange.deposit("USD", Decimal(1))

    assert venue.order(order_id)["filled_size"] == "0"
    assert venue.balance("USD") == ("10001", "0")


def test_after_trading_the_books_balance_in_every_currency() -> None:
    venue = make_venue(coins={"BTC": "5"})
    venue.take("a", size="1.23456789")
    venue.rest("b", price="99.90", size="3")
    venue.rest("c", side="SELL", price="100.20", size="2")
    venue.create("d", configuration={"market_market_ioc": {"quote_size": "77.77"}})
    venue.create("e", side="SELL", configuration=ioc(size="0.5", price="90"))
    venue.market.move(BTC, -1)
    venue.wait(7)
    venue.exchange.deposit("USD", Decimal("0.01"))

    venue.exchange.orders()

    assert venue.exchange.books.faults() == []
    assert len(venue.exchange.books.entries) > 8


def test_the_oracle_knows_every_order_with_the_id_of_its_sender() -> None:
    venue = make_venue()
    venue.rest("a")
    venue.take("b")

    orders = venue.exchange.orders()

    assert [venue.exchange.client_order_id_of(record) for record in orders] == ["a", "b"]
    assert [record.status.value for record in orders] == ["OPEN", "FILLED"]


def test_of_orders_that_are_over_the_latest_are_kept_where_a_number_is_set_and_no_open_one_is_forgotten() -> None:
    venue = make_venue(behaviour=Behaviour(orders_kept=2))
    resting = venue.rest("resting")
    taken = [venue.take(f"taken-{number}", size="0.1") for number in range(4)]

    assert [row["client_order_id"] for row in venue.listed()] == ["taken-3", "taken-2", "resting"]
    assert venue.get(f"/orders/historical/{taken[1]}").status == 404
    assert venue.order(resting)["status"] == "OPEN"
    assert {row["order_id"] for row in venue.fills()} == {taken[2], taken[3]}
    assert venue.take("taken-3") == taken[3]


def test_orders_that_the_engine_had_before_are_shown_cancelled_and_known_as_duplicates() -> None:
    before = make_venue()
    record = before.exchange.place_by_hand(by_hand("old", price="99"))
    engine = MatchingEngine(
        market=before.market,
        account=Account({"USD": Decimal(1000)}),
        fee_rates=FEES,
        maker_fill_share=Decimal("0.1"),
        now=before.clock.now,
    )
    engine.restore(new_record(record.order, size=record.size, at=record.created_at))
    exchange = SimulatedCoinbase(
        market=ListedMarket(before.market),
        engine=engine,
        time=VenueTime(before.clock.now),
        access=Access(KEY.api_key),
        books=Books(Account({}), ()),
    )
    venue = VenueDesk(clock=before.clock, market=before.market, exchange=exchange)

    assert [row["client_order_id"] for row in venue.listed(("order_status", "OPEN"))] == ["old"]
    assert venue.create("old").json["success_response"]["order_id"] == record.order_id
    venue.post("/orders/batch_cancel", {"order_ids": [record.order_id]})
    assert venue.order(record.order_id)["status"] == "CANCELLED"
