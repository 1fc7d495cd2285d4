"""What is at risk, counted at the worst: held, open and unknown."""

from decimal import Decimal

import pytest

from core.exposure import Exposure, asked_exits, exposure, free_cash, is_dust, lot_exposure
from core.ledger.fold import Ledger
from core.model.orders import LotId, OrderStatus, OrderType, Outcome, Side
from tests.builders import BTC, ETH, make_ledger, make_lot, make_order, make_order_state, make_quote

THEMES = {"LAYER1": ("BTC", "ETH"), "MAJORS": ("BTC",)}
FEE = Decimal("0.01")


def at_risk(ledger: Ledger) -> Exposure:
    quotes = {BTC: make_quote(BTC, bid="100", ask="100.02")}
    return exposure(ledger, quotes, THEMES, fee_fraction=FEE, dust_usd=Decimal(1))


@pytest.mark.parametrize(
    ("bid", "worth"),
    [
        pytest.param("99", "101", id="a loss counts at cost"),
        pytest.param("101", "101", id="equal"),
        pytest.param("103", "103", id="a gain counts at value"),
    ],
)
def test_a_lot_counts_at_the_higher_of_cost_and_value(bid: str, worth: str) -> None:
    lot = make_lot(BTC, quantity="1", cost="101")

    assert lot_exposure(lot, make_quote(BTC, bid=bid, ask="110")) == Decimal(worth)


def test_a_lot_without_a_quote_counts_at_its_cost() -> None:
    assert lot_exposure(make_lot(BTC, cost="101"), None) == 101


@pytest.mark.parametrize("outcome", [None, Outcome.UNKNOWN, Outcome.ACCEPTED])
def test_an_entry_counts_as_if_its_rest_were_filled_with_the_fee(outcome: Outcome | None) -> None:
    order = make_order_state(make_order(ETH, size="3", price="100"), outcome=outcome, filled="1")

    assert at_risk(make_ledger(orders=[order])).total == Decimal("202")


def test_lot_and_rest_of_its_entry_add_up() -> None:
    order = make_order_state(make_order(BTC, size="3", price="100"), filled="1")
    found = at_risk(make_ledger(lots=[make_lot(BTC, quantity="1", cost="101")], orders=[order]))

    assert found.by_product == {BTC: Decimal(303)}
    assert found.by_theme == {"LAYER1": Decimal(303), "MAJORS": Decimal(303)}
    assert found.positions == (BTC,)


def test_a_finished_entry_and_an_exit_add_nothing() -> None:
    finished = make_order_state(make_order(ETH, name="done"), status=OrderStatus.CANCELLED)
    selling = make_order_state(make_order(ETH, name="exit", side=Side.SELL, order_type=OrderType.IOC))

    found = at_risk(make_ledger(orders=[finished, selling]))

    assert (found.total, found.positions) == (Decimal(0), ())


def test_an_exit_that_is_under_way_frees_nothing_yet() -> None:
    lot = make_lot(BTC, quantity="1", cost="100")
    selling = make_order_state(make_order(BTC, name="x", lot=lot.lot_id, side=Side.SELL), outcome=Outcome.UNKNOWN)

    assert at_risk(make_ledger(lots=[lot], orders=[selling])).total == 100


def test_dust_is_at_risk_but_no_position() -> None:
    found = at_risk(make_ledger(lots=[make_lot(BTC, quantity="0.0099")]))

    assert (found.total, found.positions) == (Decimal("0.99"), ())


def test_dust_is_judged_at_the_bid_and_at_cost_without_a_quote() -> None:
    lot = make_lot(BTC, quantity="0.01", cost="0.99")

    assert not is_dust(lot, make_quote(BTC, bid="100"), Decimal(1))
    assert is_dust(lot, make_quote(BTC, bid="99.99"), Decimal(1))
    assert is_dust(lot, None, Decimal(1))
    assert not is_dust(lot, None, Decimal("0.99"))


def test_one_more_entry_is_added_to_total_product_themes_and_positions() -> None:
    found = at_risk(make_ledger(lots=[make_lot(ETH, cost="100")])).plus(BTC, Decimal(50), THEMES)

    assert found.total == 150
    assert found.by_product == {ETH: Decimal(100), BTC: Decimal(50)}
    assert found.by_theme == {"LAYER1": Decimal(150), "MAJORS": Decimal(50)}
    assert found.positions == (ETH, BTC)


def test_free_cash_keeps_back_what_open_entries_may_spend_with_the_fee() -> None:
    ledger = make_ledger(cash="1000", orders=[make_order_state(make_order(BTC, size="3"), filled="1")])

    assert free_cash(ledger, "USD", FEE) == 798


def test_a_currency_that_we_do_not_have_is_no_cash() -> None:
    assert free_cash(make_ledger(), "USDC", FEE) == 0


def test_only_the_rest_of_open_exits_of_that_lot_is_asked_for() -> None:
    orders = [
        make_order_state(make_order(name="a", lot="lot", side=Side.SELL, size="5"), filled="2"),
        make_order_state(make_order(name="b", lot="lot", side=Side.SELL, size="1"), outcome=Outcome.UNKNOWN),
        make_order_state(make_order(name="c", lot="other", side=Side.SELL, size="7")),
        make_order_state(make_order(name="d", lot="lot", size="9")),
    ]

    assert asked_exits(make_ledger(orders=orders), LotId("lot")) == 4
