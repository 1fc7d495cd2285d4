"""One function decides every size: cut to the smallest cap, never raised, or a reason that names what bound."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.verdicts import Refusal
from core.risk.sizing import Cap, LegalSize, TooSmall, legal_size_usd

AMOUNTS = st.decimals(min_value=-1000, max_value=10_000, places=4)
CODES = (Refusal.TOTAL_CAP, Refusal.PRODUCT_CAP, Refusal.CASH)


def cap(room: str, code: Refusal = Refusal.TOTAL_CAP) -> Cap:
    return Cap(code=code, room_usd=Decimal(room))


def size(wanted: str, caps: list[Cap], minimum: str = "10") -> LegalSize | TooSmall:
    return legal_size_usd(Decimal(wanted), caps, Decimal(minimum))


def test_a_wish_inside_every_cap_is_granted() -> None:
    assert size("50", [cap("50")]) == LegalSize(notional_usd=Decimal(50), bound_by=Refusal.WANTED_SIZE)


def test_the_smallest_cap_binds() -> None:
    caps = [cap("40"), cap("30", Refusal.CASH), cap("35", Refusal.BOOK_DEPTH)]

    assert size("50", caps) == LegalSize(notional_usd=Decimal(30), bound_by=Refusal.CASH)


def test_room_of_exactly_the_minimum_is_enough_and_one_step_less_names_the_cap() -> None:
    assert size("50", [cap("10")]) == LegalSize(notional_usd=Decimal(10), bound_by=Refusal.TOTAL_CAP)
    assert size("50", [cap("9.99999999")]) == TooSmall(
        code=Refusal.TOTAL_CAP, observed=Decimal("9.99999999"), limit=Decimal(10)
    )


def test_a_small_wish_is_refused_and_not_raised() -> None:
    assert size("9", [cap("100")]) == TooSmall(code=Refusal.WANTED_SIZE, observed=Decimal(9), limit=Decimal(10))


def test_a_cap_that_is_overrun_leaves_nothing_rather_than_less_than_nothing() -> None:
    assert size("50", [cap("-5")], "0") == TooSmall(code=Refusal.TOTAL_CAP, observed=Decimal(0), limit=Decimal(0))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_a_number_that_is_not_finite_leaves_no_room(number: str) -> None:
    assert isinstance(size(number, []), TooSmall)
    assert isinstance(size("50", [cap(number)]), TooSmall)
    assert isinstance(size("50", [], number), TooSmall)


@given(wanted=AMOUNTS, rooms=st.lists(AMOUNTS, min_size=3, max_size=3), minimum=AMOUNTS)
def test_a_size_is_legal_or_the_binding_cap_leaves_too_little(
    wanted: Decimal, rooms: list[Decimal], minimum: Decimal
) -> None:
    caps = [Cap(code=code, room_usd=room) for code, room in zip(CODES, rooms, strict=True)]

    result = legal_size_usd(wanted, caps, minimum)

    tightest = min(wanted, *rooms)
    if isinstance(result, LegalSize):
        assert max(minimum, Decimal(0)) <= result.notional_usd <= tightest
    else:
        assert tightest < minimum or tightest <= 0


@given(wanted=AMOUNTS, rooms=st.lists(AMOUNTS, min_size=3, max_size=3), cut=st.decimals(0, 100, places=4))
def test_a_smaller_cap_never_gives_a_larger_size(wanted: Decimal, rooms: list[Decimal], cut: Decimal) -> None:
    def notional(total_room: Decimal) -> Decimal:
        caps = [Cap(code=code, room_usd=room) for code, room in zip(CODES, (total_room, *rooms[1:]), strict=True)]
        result = legal_size_usd(wanted, caps, Decimal(10))
        return result.notional_usd if isinstance(result, LegalSize) else Decimal(0)

    assert notional(rooms[0] - cut) <= notional(rooms[0])
