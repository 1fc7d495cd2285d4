"""Small builders of journal events, and of the history that a trade leaves."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from core.ledger.fold import Ledger, fold
from core.model.market import ProductId
from core.model.orders import ClientOrderId, Fill, Liquidity, LotId, Order, OrderId, OrderStatus, Outcome, Purpose, Side
from core.model.portfolio import ExitPlan
from core.model.records import (
    CashFlow,
    CycleStarted,
    Event,
    FillBooked,
    Intent,
    Marked,
    OrderClosed,
    OutcomeKnown,
    RunStarted,
)
from tests.builders import BTC, NOON, make_order

PLAN = ExitPlan(
    strategy="price_move", stop_fraction=Decimal("0.02"), target_fraction=Decimal("0.04"), max_hold_seconds=3600
)


def make_traded(*events: Event) -> Ledger:
    """Fold events onto a new paper account of 10,000 USD."""
    return fold(Ledger(), [make_run(), make_cash_flow("10000"), *events])


def make_run(
    *, run_id: str = "run-1", mode: str = "PAPER", account: str = "paper", venue: str = "simulated"
) -> RunStarted:
    return RunStarted(
        at=NOON,
        run_id=run_id,
        mode=mode,
        account=account,
        venue=venue,
        config_hash="c" * 16,
        app_hash="a" * 16,
        code_hash="d" * 16,
    )


def make_tick(slot: int, *, at: datetime = NOON) -> CycleStarted:
    return CycleStarted(at=at, slot=slot)


def make_mark(
    equity: str | None, *, at: datetime = NOON, slot: int = 1, peaks: Mapping[LotId, Decimal] | None = None
) -> Marked:
    return Marked(at=at, slot=slot, equity=None if equity is None else Decimal(equity), peaks=peaks or {})


def make_cash_flow(amount: str = "10000", *, at: datetime = NOON, currency: str = "USD") -> CashFlow:
    return CashFlow(at=at, currency=currency, amount=Decimal(amount), reason="deposit")


def make_intent(
    order: Order | None = None, *, at: datetime = NOON, slot: int = 1, reason: str = "price_move"
) -> Intent:
    order = order or make_order()
    plan = PLAN if order.purpose is Purpose.ENTRY else None
    return Intent(at=at, slot=slot, order=order, plan=plan, reason=reason)


def make_outcome(
    order: str = "order-1", outcome: Outcome = Outcome.ACCEPTED, *, order_id: str | None = None, at: datetime = NOON
) -> OutcomeKnown:
    """An accepted order is `exchange-<its name>` at the exchange unless told otherwise."""
    known = order_id or (f"exchange-{order}" if outcome is Outcome.ACCEPTED else None)
    return OutcomeKnown(
        at=at,
        client_order_id=ClientOrderId(order),
        outcome=outcome,
        order_id=None if known is None else OrderId(known),
        reason="",
    )


def make_fill(
    fill_id: str = "fill-1",
    *,
    order: str = "order-1",
    product_id: ProductId = BTC,
    side: Side = Side.BUY,
    price: str = "100",
    size: str = "1",
    fee: str = "0.5",
    at: datetime = NOON,
    booked_at: datetime | None = None,
) -> FillBooked:
    fill = Fill(
        fill_id=fill_id,
        order_id=OrderId(f"exchange-{order}"),
        client_order_id=ClientOrderId(order),
        product_id=product_id,
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal(fee),
        liquidity=Liquidity.MAKER,
        at=at,
    )
    return FillBooked(at=booked_at or at, fill=fill)


def make_closed(
    order: str = "order-1", status: OrderStatus = OrderStatus.FILLED, *, at: datetime = NOON
) -> OrderClosed:
    return OrderClosed(at=at, client_order_id=ClientOrderId(order), status=status)


def make_bought(
    name: str = "order-1", *, size: str = "1", price: str = "100", fee: str = "0.5", at: datetime = NOON, slot: int = 1
) -> list[Event]:
    """Return the whole life of an entry that was filled at once."""
    return [
        make_intent(make_order(name=name, size=size, price=price), at=at, slot=slot),
        make_outcome(name, at=at),
        make_fill(f"{name}-fill", order=name, size=size, price=price, fee=fee, at=at),
        make_closed(name, at=at),
    ]


def make_sold(
    name: str = "exit-1",
    *,
    lot: str = "order-1",
    size: str = "1",
    price: str = "110",
    fee: str = "0.5",
    at: datetime = NOON,
    reason: str = "take_profit",
) -> list[Event]:
    """Return the whole life of an exit that was filled at once."""
    order = make_order(name=name, lot=lot, side=Side.SELL, size=size, price=price)
    return [
        make_intent(order, at=at, slot=2, reason=reason),
        make_outcome(name, at=at),
        make_fill(f"{name}-fill", order=name, side=Side.SELL, size=size, price=price, fee=fee, at=at),
        make_closed(name, at=at),
    ]
