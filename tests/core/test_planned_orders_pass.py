"""What is planned to guard a lot or to restore coins passes the last look at unchanged facts: nothing is stuck."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.model.guards import TradingState
from core.model.market import Product, Quote
from core.model.orders import Order
from core.model.portfolio import ExitPlan, Lot, Oversold
from core.order_plan import plan_cover
from core.protection import Place, plan_protection
from core.risk.last_hop import last_hop
from core.settings import ProtectionKind
from tests.builders import BTC, make_ledger, make_lot, make_policy, make_product, make_quote, make_risk_view

STATES = st.sampled_from([TradingState.ARMED, TradingState.REDUCE_ONLY])
POLICY = make_policy()


@st.composite
def products(draw: st.DrawFn) -> Product:
    return replace(
        make_product(BTC),
        base_increment=Decimal(draw(st.sampled_from(["0.00000001", "0.001", "0.1", "1"]))),
        price_increment=Decimal(draw(st.sampled_from(["0.0001", "0.01", "0.05", "1"]))),
        base_min_size=Decimal(draw(st.sampled_from(["0.00000001", "0.1", "3"]))),
        base_max_size=Decimal(draw(st.sampled_from(["5", "10000"]))),
        quote_max_size=Decimal(draw(st.sampled_from(["100", "10000000"]))),
    )


@st.composite
def lots(draw: st.DrawFn) -> Lot:
    lot = make_lot(
        BTC,
        quantity=str(draw(st.decimals(min_value="0.001", max_value=50, places=3))),
        price=str(draw(st.decimals(min_value="0.5", max_value=500, places=4))),
    )
    plan = ExitPlan(
        strategy="price_move",
        stop_fraction=Decimal(draw(st.integers(1, 200))) / 1000,
        target_fraction=Decimal(draw(st.integers(1, 500))) / 1000,
        max_hold_seconds=3600,
    )
    return replace(lot, plan=plan)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    bid = draw(st.decimals(min_value="0.5", max_value=500, places=2))
    return make_quote(BTC, bid=str(bid), ask=str(bid + draw(st.decimals(min_value="0.01", max_value=2, places=2))))


@given(
    lot=lots(),
    product=products(),
    kind=st.sampled_from([ProtectionKind.BRACKET, ProtectionKind.STOP_LIMIT]),
    state=STATES,
)
def test_a_planned_guard_passes(lot: Lot, product: Product, kind: ProtectionKind, state: TradingState) -> None:
    found = plan_protection(
        lot,
        (),
        product,
        quote=None,
        kind=kind,
        account="paper",
        slot=1,
        attempt=0,
        asked=Decimal(0),
        policy=POLICY,
    )
    view = make_risk_view(ledger=make_ledger(lots=[lot]), products=[product], trading_state=state)

    for step in found if isinstance(found, tuple) else ():
        assert isinstance(step, Place)
        assert last_hop(step.order, view, POLICY) is None


@given(
    product=products(),
    quote=quotes(),
    quantity=st.decimals(min_value="0.001", max_value=50, places=3),
    moved=st.sampled_from([None, "0.94", "0.96", "1", "1.06"]),
    attempt=st.integers(0, 20),
    state=STATES,
)
def test_a_planned_cover_passes(
    product: Product, quote: Quote, quantity: Decimal, *, moved: str | None, attempt: int, state: TradingState
) -> None:
    close = None if moved is None else float(quote.ask * Decimal(moved))
    order = plan_cover(
        product,
        quote,
        last_close=close,
        oversold=quantity,
        asked=Decimal(0),
        account="paper",
        slot=1,
        policy=POLICY,
        attempt=attempt,
    )
    ledger = replace(
        make_ledger(cash="100000"), oversold={BTC: Oversold(quantity=quantity, proceeds=quantity * quote.bid)}
    )
    view = make_risk_view(
        ledger=ledger,
        quotes=[quote],
        products=[product],
        closes={} if close is None else {BTC: close},
        trading_state=state,
    )

    if isinstance(order, Order):
        assert last_hop(order, view, POLICY) is None
        assert order.size <= quantity
