"""The account's books: every movement balances, and nothing of the owner's falls below zero."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.model.orders import Side
from runner.matching.account import Account
from runner.matching.books import Entry, Movement, Name, Posting, fold, imbalances
from tests.builders import BTC
from tests.runner.matching.venue_desk import make_bracket, make_venue, make_venue_order

USD = "USD"


def open_account(usd: str = "100") -> tuple[Account, list[Entry]]:
    entries: list[Entry] = []
    return Account({USD: Decimal(usd)}, journal=entries.append), entries


def test_the_owners_movements_come_from_outside_and_go_there() -> None:
    account, entries = open_account("100")

    account.deposit("BTC", Decimal("0.5"), "a gift")
    assert account.withdraw(USD, Decimal(40), "rent")

    assert account.balances()[USD].available == 60
    assert account.balances()["BTC"].total == Decimal("0.5")
    assert account.totals()[Name.OUTSIDE, USD] == -60
    assert [entry.movement for entry in entries] == [Movement.DEPOSIT, Movement.DEPOSIT, Movement.WITHDRAWAL]
    assert [entry.reference for entry in entries] == ["opening balance", "a gift", "rent"]
    assert account.faults(entries) == []


@pytest.mark.parametrize(("amount", "is_paid"), [("60", True), ("60.00000001", False)])
def test_only_what_is_available_can_be_withdrawn(amount: str, is_paid: bool) -> None:
    account, entries = open_account("100")
    account.change_hold(USD, Decimal(0), Decimal(40), "an order")
    written = len(entries)

    assert account.withdraw(USD, Decimal(amount), "all of it") is is_paid
    assert account.balances()[USD].available == (0 if is_paid else 60)
    assert len(entries) == written + is_paid


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity"])
def test_what_is_no_amount_of_money_is_refused(amount: str) -> None:
    account, _ = open_account()

    for move in (account.deposit, account.withdraw):
        with pytest.raises(ValueError, match="not an amount"):
            move(USD, Decimal(amount), "odd")
    with pytest.raises(ValueError, match="not an opening balance"):
        Account({USD: Decimal(amount)})


def test_a_hold_that_is_not_covered_changes_nothing() -> None:
    account, entries = open_account("100")

    assert not account.change_hold(USD, Decimal(0), Decimal("100.01"), "too much")
    assert account.change_hold(USD, Decimal(0), Decimal(100), "all")
    assert not account.settle(
        pay=(USD, Decimal(100)),
        receive=("BTC", Decimal(1)),
        fee=(USD, Decimal("0.01")),
        release=Decimal(100),
        reference="a fill that costs a cent too much",
    )

    assert (account.balances()[USD].available, account.balances()[USD].hold) == (Decimal(0), Decimal(100))
    assert "BTC" not in account.balances()
    assert account.faults(entries) == []


def test_a_fill_is_one_entry_over_both_currencies_with_its_fee() -> None:
    account, entries = open_account("200")
    account.change_hold(USD, Decimal(0), Decimal(150), "order")

    assert account.settle(
        pay=(USD, Decimal(90)),
        receive=("BTC", Decimal(1)),
        fee=(USD, Decimal("0.9")),
        release=Decimal(100),
        reference="fill",
    )

    assert account.balances()[USD].available == Decimal("59.1")
    assert account.balances()[USD].hold == 50
    assert account.totals()[Name.FEES, USD] == Decimal("0.9")
    assert (account.totals()[Name.MARKET, USD], account.totals()[Name.MARKET, "BTC"]) == (Decimal(90), Decimal(-1))
    assert imbalances(fold(entries[-1:])) == []
    assert account.faults(entries) == []


def test_faults_are_found() -> None:
    account, entries = open_account("100")
    account.withdraw(USD, Decimal(1), "a dollar")
    first, second = entries

    assert account.faults([first]) == ["1 entries of 2", "the entries add up to other balances"]
    assert "entry 1 is numbered 2" in account.faults([second, first])
    crooked = replace(second, postings=(*second.postings, Posting(Name.FEES, USD, Decimal("0.01"))))
    assert account.faults([first, crooked]) == ["entry 2: USD is off by 0.01", "the entries add up to other balances"]


def test_balances_once_given_out_do_not_change() -> None:
    account, _ = open_account("100")
    before = account.balances()

    account.deposit(USD, Decimal(1), "more")

    assert (before[USD].available, account.balances()[USD].available) == (Decimal(100), Decimal(101))


def test_the_books_of_a_trading_account_name_every_order_and_fill() -> None:
    desk = make_venue(btc="2", level_size="1")
    bought = desk.submit(make_venue_order(size="2", price="100.10"))
    guard = desk.submit(make_bracket(name="guard", size="3"))
    desk.market.move(BTC, -3)
    desk.wait(1)
    desk.engine.deposit("USD", Decimal(5), "gift")
    assert not desk.engine.withdraw("BTC", Decimal("1.00000001"), "held by nobody, but that much is not there")
    desk.submit(make_venue_order(name="sale", side=Side.SELL, size="0.5", price="200"))

    references = [entry.reference for entry in desk.journal if entry.movement is Movement.FILL]
    assert references == [fill.fill_id for fill in desk.all_fills()]
    assert {bought.order_id, guard.order_id} <= {entry.reference for entry in desk.journal}
    assert desk.account.faults(desk.journal) == []
    assert desk.account.totals()[Name.FEES, "USD"] == bought.fees + guard.fees
