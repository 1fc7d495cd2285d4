"""What the oracle takes for coins that nobody knows to be without a guard, and what it does not."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.loopback.oracle import UNAWARE_MINUTES_MAX, lasting_nakedness
from tests.loopback.witness import Naked

LONG = UNAWARE_MINUTES_MAX + 1
SALE = {"lot": "a", "purpose": "exit"}


def _naked(minutes: int, *, quantity: str = "2") -> list[Naked]:
    coins = Decimal(quantity)
    return [
        Naked(slot=slot, base="ETH", quantity=coins, value=coins, why="believed guarded") for slot in range(minutes)
    ]


def _line(slot: int, *, reason: str | None = None, sent: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    positions = [
        {"lot": "a", "product": "ETH-USD", "quantity": "2"},
        {"lot": "b", "product": "ETH-USD", "quantity": "1"},
    ]
    return {
        "slot": slot,
        "no_trade_reason": reason,
        "exits": [{"lot": "a"}],
        "execution": {"orders": list(sent)},
        "portfolio": {"positions": positions},
    }


@pytest.mark.parametrize(("minutes", "findings"), [(LONG - 1, 0), (LONG, 1), (LONG + 5, 1)])
def test_coins_that_are_unguarded_for_long_and_nobody_knows_are_found_once(minutes: int, findings: int) -> None:
    found = list(lasting_nakedness(_naked(minutes), [_line(slot) for slot in range(minutes)]))

    assert len(found) == findings


def test_minutes_in_which_the_exchange_told_nothing_do_not_count() -> None:
    blind = [_line(slot, reason="broker_unavailable") for slot in range(5)]
    lines = [*blind, *(_line(slot) for slot in range(5, 5 + LONG))]

    assert list(lasting_nakedness(_naked(5 + LONG - 1), lines)) == []
    assert len(list(lasting_nakedness(_naked(5 + LONG), lines))) == 1


def test_coins_whose_sale_is_tried_are_known_of() -> None:
    lines = [_line(slot, sent=[SALE]) for slot in range(LONG)]

    assert list(lasting_nakedness(_naked(LONG), lines)) == []


@pytest.mark.parametrize(
    ("quantity", "sent"),
    [
        pytest.param("2", [], id="due, but no sale is tried"),
        pytest.param("2", [{"lot": "b", "purpose": "exit"}], id="another lot is sold, and it is smaller"),
        pytest.param("3", [SALE], id="more is unguarded than what is sold"),
        pytest.param("2", [{"lot": "a", "purpose": "protection"}], id="a guard is no sale"),
    ],
)
def test_a_sale_excuses_no_more_than_what_it_sells(quantity: str, sent: Sequence[dict[str, str]]) -> None:
    lines = [_line(slot, sent=sent) for slot in range(LONG)]

    assert len(list(lasting_nakedness(_naked(LONG, quantity=quantity), lines))) == 1
