"""Views and policies for the tests of risk: each names the one fact that a case is about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from core.ledger.fold import EntryMark, Ledger
from core.model.market import ProductId
from core.model.orders import LotId
from core.model.portfolio import LastClose, Period
from core.model.signals import Proposal
from core.model.verdicts import Approved, Assessment, Refusal
from core.risk.assess import assess
from core.risk.view import RiskView
from core.settings import PolicySettings
from tests.builders import (
    BTC,
    ETH,
    NOON,
    make_ledger,
    make_policy,
    make_product,
    make_proposal,
    make_quote,
    make_risk_view,
)

NAN = Decimal("NaN")
ADA = ProductId("ADA", "USD")


class Case(NamedTuple):
    """What risk is asked: one proposal for BTC-USD unless said otherwise."""

    view: RiskView
    policy: PolicySettings = make_policy()
    proposal: Proposal = make_proposal()


def reason_of(case: Case) -> Refusal | None:
    assessment = assess([case.proposal], case.view, case.policy)
    assert len(assessment.approved) + len(assessment.refused) == 1
    return assessment.refused[0].reason if assessment.refused else None


def approved(case: Case) -> tuple[Approved, ...]:
    return assess([case.proposal], case.view, case.policy).approved


def codes(assessment: Assessment) -> list[Refusal]:
    return [refused.reason for refused in assessment.refused]


def seen(**facts: object) -> RiskView:
    return replace(make_risk_view(), **facts)  # type: ignore[arg-type]


def knowing(**memory: object) -> RiskView:
    return make_risk_view(ledger=replace(make_ledger(), **memory))  # type: ignore[arg-type]


def limited(**limits: object) -> PolicySettings:
    return replace(make_policy(), risk=replace(make_policy().risk, **limits))  # type: ignore[arg-type]


def with_equity(equity: str, **marks: str) -> RiskView:
    """Say what equity is now, and what it was when the day, the week and the peak were marked (10,000 unless named)."""
    at = {name: Decimal(marks.get(name, "10000")) for name in ("day", "week", "peak")}
    ledger = replace(
        make_ledger(),
        day=Period(key="2026-01-05", equity_open=at["day"]),
        week=Period(key="2026-01-05", equity_open=at["week"]),
        high_water_mark=at["peak"],
    )
    return make_risk_view(ledger=ledger, equity=equity)


def entries(*seconds_ago: float, product_id: ProductId = ETH, is_add: bool = False) -> tuple[EntryMark, ...]:
    return tuple(
        EntryMark(
            at=NOON - timedelta(seconds=ago), product_id=product_id, lot_id=LotId(f"earlier-{ago}"), is_add=is_add
        )
        for ago in seconds_ago
    )


def closed(minutes_ago: float, *, was_loss: bool, reason: str) -> RiskView:
    close = LastClose(at=NOON - timedelta(minutes=minutes_ago), was_loss=was_loss, reason=reason)
    return knowing(last_closes={BTC: close})


def holding(ledger: Ledger) -> RiskView:
    return make_risk_view(ledger=ledger)


def quoted(bid: str = "100", ask: str = "100.02", size: str = "1000", age_seconds: float = 0) -> RiskView:
    return make_risk_view(quotes=[make_quote(BTC, bid=bid, ask=ask, size=size, age_seconds=age_seconds)])


def traded_as(**rules: object) -> RiskView:
    return make_risk_view(products=[replace(make_product(BTC), **rules)])  # type: ignore[arg-type]


def names(rows: Sequence[tuple[Refusal, Case, Case]]) -> list[str]:
    return [f"{row[0].value}-{index}" for index, row in enumerate(rows)]
