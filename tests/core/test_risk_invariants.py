"""What holds for every portfolio, market and wish: no cap is passed, no size is illegal, no sell is stopped."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.exposure import Exposure, exposure, free_cash
from core.ledger.fold import apply
from core.model.guards import TradingState
from core.model.market import Product, ProductId, Quote
from core.model.orders import Order, OrderStatus, OrderType, Outcome, Side
from core.model.portfolio import Lot
from core.model.records import Intent
from core.model.signals import Proposal, Regime, Tier
from core.model.verdicts import Assessment, Refusal
from core.order_plan import plan_entry, plan_exit, plan_taker
from core.risk.assess import assess
from core.risk.last_hop import last_hop
from core.risk.view import RiskView
from core.settings import PolicySettings
from tests.builders import (
    NOON,
    make_ledger,
    make_lot,
    make_order,
    make_order_state,
    make_policy,
    make_product,
    make_proposal,
    make_quote,
    make_risk_view,
)
from tests.core.risk_cases import limited
from tests.core.test_last_hop import ENTRY_LIMITS, EXIT_LIMITS
from tests.core.test_last_hop_restoring import COVER_LIMITS, GUARD_LIMITS
from tests.core.test_risk_cycle_gates import CYCLE_LIMITS
from tests.core.test_risk_product_gates import PRODUCT_LIMITS
from tests.core.test_risk_sizes import SIZE_LIMITS

FEE = Decimal("0.009")
ROUNDING = Decimal("1e-18")
"""The 28 digits of the context leave this much in sums of money of this size."""

COINS = tuple(ProductId(base, "USD") for base in ("BTC", "ETH", "DOGE", "SHIB", "XRP"))
products_of = st.sampled_from(COINS)
fractions = st.decimals(min_value="0.02", max_value="0.2", places=4)
sizes = st.decimals(min_value="0.001", max_value=5, places=3)


@st.composite
def quotes(draw: st.DrawFn, coin: ProductId) -> Quote:
    bid = draw(st.decimals(min_value="0.5", max_value=200, places=2))
    ask = bid + draw(st.decimals(min_value="0.01", max_value="0.05", places=2))
    return make_quote(coin, bid=str(bid), ask=str(ask), size=str(draw(st.integers(1, 5000))))


@st.composite
def products(draw: st.DrawFn, coin: ProductId) -> Product:
    return replace(
        make_product(coin),
        base_increment=Decimal(draw(st.sampled_from(["0.00000001", "0.001", "0.1", "1"]))),
        price_increment=Decimal(draw(st.sampled_from(["0.01", "0.05", "0.0001"]))),
        base_min_size=Decimal(draw(st.sampled_from(["0.00000001", "0.1", "1", "3"]))),
        quote_min_size=Decimal(draw(st.sampled_from(["0.01", "1", "5"]))),
    )


@st.composite
def views(draw: st.DrawFn) -> RiskView:
    equity = str(draw(st.decimals(min_value=1000, max_value=100_000, places=2)))
    lots = [
        make_lot(coin, quantity=str(draw(sizes)), price=str(draw(st.integers(1, 150))))
        for coin in draw(st.lists(products_of, max_size=2, unique=True))
    ]
    orders = [
        make_order_state(
            make_order(coin, name=f"open-{coin}", size=str(draw(sizes))),
            outcome=draw(st.sampled_from([None, Outcome.UNKNOWN, Outcome.ACCEPTED])),
        )
        for coin in draw(st.lists(products_of, max_size=1))
    ]
    cash = str(draw(st.decimals(min_value=100, max_value=100_000, places=2)))
    view = make_risk_view(
        ledger=make_ledger(cash=cash, lots=lots, orders=orders, equity=equity),
        equity=equity,
        quotes=[draw(quotes(coin)) for coin in COINS],
        products=[draw(products(coin)) for coin in COINS],
        tiers=dict.fromkeys(COINS, Tier.TIER_3),
        regime=draw(st.sampled_from([Regime.BULL, Regime.CHOP, Regime.BEAR])),
    )
    closes = {coin: float(view.quotes[coin].mid) for coin in COINS}
    return replace(view, max_spread_fraction={Tier.TIER_3: Decimal("0.2")}, candle_closes=closes)


@st.composite
def policies(draw: st.DrawFn) -> PolicySettings:
    policy = limited(
        max_total_at_risk_fraction=draw(fractions) * 5,
        max_position_size_fraction=draw(fractions),
        min_position_size_fraction=draw(st.sampled_from([Decimal(0), Decimal("0.01")])),
        max_per_theme_pct={"LAYER1": draw(fractions) * 100, "MEME": draw(fractions) * 100},
        max_open_positions=draw(st.integers(1, 6)),
        max_new_positions_per_cycle=draw(st.integers(1, 5)),
        max_order_notional_usd=draw(st.decimals(min_value=5, max_value=5000, places=2)),
        min_seconds_between_trades=0,
        max_trades_per_hour=draw(st.integers(1, 6)),
        allow_pyramiding=draw(st.booleans()),
        max_adds_per_asset_per_day=3,
    )
    collar = replace(policy.execution.price_collar_fraction, tier_3=Decimal("0.2"))
    slippage = replace(policy.execution.max_slippage_fraction, tier_3=Decimal("0.05"))
    sizing = replace(policy.position_sizing, tier_3_fraction=Decimal("0.2"))
    execution = replace(policy.execution, price_collar_fraction=collar, max_slippage_fraction=slippage)
    return replace(policy, execution=execution, position_sizing=sizing)


@st.composite
def wishes(draw: st.DrawFn) -> list[Proposal]:
    return [
        # A target that pays for the widest spread and slippage drawn here: what is tested is size.
        make_proposal(coin, tier=Tier.TIER_3, size=str(draw(fractions)), conviction=draw(st.floats(0, 1)), target="0.5")
        for coin in draw(st.lists(products_of, min_size=1, max_size=6))
    ]


def worst_case(view: RiskView, policy: PolicySettings, assessment: Assessment) -> Exposure:
    """Count what is approved as if it were filled, on top of what is held, open and unknown."""
    at_risk = exposure(view.ledger, view.quotes, view.themes, fee_fraction=FEE, dust_usd=policy.risk.dust_threshold_usd)
    for approved in assessment.approved:
        at_risk = at_risk.plus(approved.product_id, approved.notional * (1 + FEE), view.themes)
    return at_risk


@given(view=views(), policy=policies(), proposals=wishes())
def test_what_is_approved_passes_no_cap_even_if_all_of_it_and_all_unknown_orders_fill(
    view: RiskView, policy: PolicySettings, proposals: list[Proposal]
) -> None:
    assessment = assess(proposals, view, policy)

    if not assessment.approved:
        return
    at_risk, limits, equity = worst_case(view, policy, assessment), policy.risk, view.equity
    assert equity is not None
    assert at_risk.total <= equity * limits.max_total_at_risk_fraction + ROUNDING
    for approved in assessment.approved:
        cap = equity * limits.max_position_size_fraction
        assert at_risk.by_product[approved.product_id] <= cap + ROUNDING
        assert approved.notional <= limits.max_order_notional_usd
        for theme, assets in view.themes.items():
            if approved.product_id.base in assets:
                share = limits.max_theme_fraction(theme)
                assert share is not None
                assert at_risk.by_theme[theme] <= equity * share + ROUNDING
    spent = sum(approved.notional * (1 + FEE) for approved in assessment.approved)
    assert spent <= free_cash(view.ledger, "USD", FEE) + ROUNDING
    opened = [approved for approved in assessment.approved if approved.adds_to is None]
    assert len(opened) <= limits.max_new_positions_per_cycle
    assert not opened or len(at_risk.positions) <= limits.max_open_positions
    assert len(assessment.approved) <= limits.max_trades_per_hour


@given(view=views(), policy=policies(), proposals=wishes())
def test_every_proposal_is_answered_once_and_the_same_way_each_time(
    view: RiskView, policy: PolicySettings, proposals: list[Proposal]
) -> None:
    assessment = assess(proposals, view, policy)

    answered = [each.proposal for each in assessment.approved] + [each.proposal for each in assessment.refused]
    assert sorted(map(id, answered)) == sorted(map(id, proposals))
    assert assess(proposals, view, policy) == assessment


CAPS = (
    "max_total_at_risk_fraction",
    "max_position_size_fraction",
    "max_order_notional_usd",
    "max_order_depth_fraction",
    "max_open_positions",
    "max_new_positions_per_cycle",
    "max_trades_per_hour",
)


@given(view=views(), policy=policies(), proposal=wishes(), name=st.sampled_from(CAPS), percent=st.integers(0, 100))
def test_a_smaller_cap_never_approves_more_of_a_proposal(
    view: RiskView, policy: PolicySettings, proposal: list[Proposal], name: str, percent: int
) -> None:
    limit = getattr(policy.risk, name)
    smaller = limit * percent // 100 if isinstance(limit, int) else limit * percent / 100
    tighter = replace(policy, risk=replace(policy.risk, **{name: smaller}))  # type: ignore[arg-type]

    assert _granted(proposal[:1], view, tighter) <= _granted(proposal[:1], view, policy)


@given(view=views(), policy=policies(), proposals=wishes(), percent=st.integers(0, 100))
def test_a_smaller_total_cap_never_puts_more_at_risk(
    view: RiskView, policy: PolicySettings, proposals: list[Proposal], percent: int
) -> None:
    # With one least size for all: a proposal with a smaller one may rightly use what a refused one leaves.
    policy = replace(policy, risk=replace(policy.risk, max_new_positions_per_cycle=9, max_open_positions=9))
    alike = {coin: make_product(coin) for coin in COINS}
    calm = {coin: make_quote(coin) for coin in COINS}
    view = replace(view, products=alike, quotes=calm, regime=Regime.BULL)
    limit = policy.risk.max_total_at_risk_fraction
    tighter = replace(policy, risk=replace(policy.risk, max_total_at_risk_fraction=limit * percent / 100))

    assert _granted(proposals, view, tighter) <= _granted(proposals, view, policy) + ROUNDING


def _granted(proposals: list[Proposal], view: RiskView, policy: PolicySettings) -> Decimal:
    return sum((approved.notional for approved in assess(proposals, view, policy).approved), Decimal(0))


@given(view=views(), policy=policies(), proposals=wishes())
def test_what_is_approved_can_be_planned_and_passes_the_last_hop_at_an_unchanged_quote(
    view: RiskView, policy: PolicySettings, proposals: list[Proposal]
) -> None:
    assessment = assess(proposals, view, policy)

    for slot, approved in enumerate(assessment.approved):
        coin = approved.product_id
        order = plan_entry(
            approved,
            view.products[coin],
            view.quotes[coin],
            account="paper",
            slot=slot,
            now=NOON,
            policy=policy,
        )
        assert isinstance(order, Order), order
        refused = last_hop(order, view, policy, plan=approved.exit_plan)
        assert refused is None, (refused.reason, refused.observed, refused.limit)
        intent = Intent(at=NOON, slot=slot, order=order, plan=approved.exit_plan, reason="price_move")
        view = replace(view, ledger=apply(view.ledger, intent))


@given(view=views(), policy=policies(), proposals=wishes(), share=st.integers(0, 100))
def test_the_second_leg_passes_the_last_hop_too(
    view: RiskView, policy: PolicySettings, proposals: list[Proposal], share: int
) -> None:
    for approved in assess(proposals, view, policy).approved[:1]:
        coin = approved.product_id
        product, quote = view.products[coin], view.quotes[coin]
        first = plan_entry(approved, product, quote, account="paper", slot=1, now=NOON, policy=policy)
        assert isinstance(first, Order)
        ended = replace(make_order_state(first, status=OrderStatus.CANCELLED), outcome=Outcome.ACCEPTED)
        order = plan_taker(ended, product, quote, account="paper", tier=Tier.TIER_3, policy=policy)
        if isinstance(order, Order):
            assert order.notional <= first.notional
            assert last_hop(order, view, policy, plan=approved.exit_plan) is None


@given(
    view=views(),
    policy=policies(),
    coin=products_of,
    quantity=sizes,
    age=st.integers(0, 10**6),
    equity=st.sampled_from([None, Decimal("NaN"), Decimal(0), Decimal(-5)]),
    state=st.sampled_from([TradingState.ARMED, TradingState.REDUCE_ONLY]),
    attempts=st.integers(0, 50),
    moved=st.sampled_from([None, "0.94", "0.95", "0.97", "1", "1.03", "1.05", "1.06"]),
)
def test_no_limit_on_entries_stops_the_planned_sell_of_a_lot(
    view: RiskView,
    policy: PolicySettings,
    coin: ProductId,
    quantity: Decimal,
    *,
    age: int,
    equity: Decimal | None,
    state: TradingState,
    attempts: int,
    moved: str | None,
) -> None:
    lot: Lot = replace(make_lot(coin, name="mine", quantity=str(quantity)), exit_attempts=attempts)
    close = None if moved is None else float(view.quotes[coin].bid * Decimal(moved))
    ruined = replace(view.ledger, lots={lot.lot_id: lot}, loss_streak=99, cash={}, day=None, week=None)
    blind = replace(
        view,
        now=NOON + timedelta(seconds=age),
        ledger=ruined,
        equity=equity,
        trading_state=state,
        regime=Regime.CRASH,
        tiers={},
        fees=None,
        stale=COINS,
        candle_closes={} if close is None else {coin: close},
    )
    order = plan_exit(
        lot,
        view.products[coin],
        view.quotes[coin],
        last_close=close,
        asked=Decimal(0),
        account="paper",
        slot=1,
        policy=policy,
    )

    if isinstance(order, Order):
        assert last_hop(order, blind, policy) is None
        assert order.size <= lot.quantity


@given(quantity=sizes, asked=sizes, size=sizes)
def test_sells_of_a_lot_together_never_exceed_it(quantity: Decimal, asked: Decimal, size: Decimal) -> None:
    lot = make_lot(COINS[0], name="mine", quantity=str(quantity))
    other = make_order(
        COINS[0], name="first", lot="mine", side=Side.SELL, order_type=OrderType.IOC, size=str(asked), price="98.5"
    )
    order = replace(other, client_order_id=make_order(name="second").client_order_id, size=size)
    ledger = make_ledger(lots=[lot], orders=[make_order_state(other, outcome=Outcome.UNKNOWN)])

    refused = last_hop(order, make_risk_view(ledger=ledger), make_policy())

    if asked + size > quantity:
        assert refused is not None
        assert refused.reason is Refusal.OVERSELL


def test_every_refusal_is_reached_at_its_limit_by_one_of_the_tables() -> None:
    tables = (CYCLE_LIMITS, PRODUCT_LIMITS, SIZE_LIMITS, ENTRY_LIMITS, EXIT_LIMITS, GUARD_LIMITS, COVER_LIMITS)
    reached = {row[0] for table in tables for row in table} | {Refusal.INVALID_ORDER}

    assert [refusal for refusal in Refusal if refusal not in reached] == []
