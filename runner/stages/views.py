"""What a stage looks at, put together from the cycle and the desk: for risk, for the last hop, for the breakers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from core.breakers import Observation
from core.errors import BrokerUnavailable
from core.exposure import Exposure, exposure
from core.model.market import MINUTE_SECONDS, ProductId
from core.model.orders import ClientOrderId, FeeRates, Order
from core.model.portfolio import ExitPlan
from core.model.signals import Features
from core.model.verdicts import OrderRefused
from core.performance import daily_fraction, drawdown_fraction, weekly_fraction
from core.risk.last_hop import last_hop
from core.risk.view import RiskView
from core.valuation import equity, unrealised
from runner.cycle import Cycle, Standing
from runner.desk import Desk


def risk_view(cycle: Cycle, desk: Desk) -> RiskView:
    """Return what risk may look at, as of this moment."""
    ledger, settings = desk.book.ledger, desk.settings
    eligible = {} if cycle.universe is None else cycle.universe.eligible
    return RiskView(
        now=desk.clock.now(),
        trading_state=desk.state(),
        kill_switch_on=desk.kill_switch.read() is not None,
        regime=cycle.regime,
        ledger=ledger,
        equity=equity(ledger, cycle.quotes, settings.universe.quote_currencies),
        quotes=cycle.quotes,
        products=desk.memory.catalogue,
        tiers={product_id: item.tier for product_id, item in eligible.items()},
        max_spread_fraction={tier: floors.max_spread_fraction for tier, floors in settings.universe.tiers.items()},
        themes=settings.universe.themes,
        fees=_fees(desk),
        stale=cycle.stale,
        candle_closes=candle_closes(desk),
    )


def candle_closes(desk: Desk) -> Mapping[ProductId, float]:
    """Return the close of each product's last candle that is fresh: the second source beside the quotes."""
    max_age_seconds = desk.settings.policy.circuit_breakers.max_candle_age_seconds
    return fresh_closes(desk.memory.features, desk.clock.now(), max_age_seconds)


def fresh_closes(
    features: Mapping[ProductId, Features], now: datetime, max_age_seconds: int
) -> Mapping[ProductId, float]:
    """Return the closes of the last candles that are not too old."""
    oldest = now.timestamp() - max_age_seconds
    return {
        product_id: seen.last_close
        for product_id, seen in features.items()
        if seen.last_start + MINUTE_SECONDS >= oldest
    }


def last_look(
    order: Order, plan: ExitPlan | None, cycle: Cycle, desk: Desk, without: Sequence[ClientOrderId] = ()
) -> OrderRefused | None:
    """Ask risk once more, about the finished order, right before its INTENT (L7); `without` are taken for over."""
    view = risk_view(cycle, desk)
    if without:
        kept = {key: state for key, state in view.ledger.open_orders.items() if key not in without}
        view = replace(view, ledger=replace(view.ledger, open_orders=kept))
    return last_hop(order, view, desk.settings.policy, plan=plan)


def _fees(desk: Desk) -> FeeRates | None:
    """Return the account's fee rates, None when they cannot be read: then nothing is bought (L8)."""
    try:
        return desk.broker.fee_rates()
    except BrokerUnavailable as error:
        desk.log.warning("fee rates could not be read: %s", error)
        return None


def at_risk(cycle: Cycle, desk: Desk) -> Exposure:
    """Return the worst-case exposure by the one formula, fees at the configured taker rate."""
    policy = desk.settings.policy
    return exposure(
        desk.book.ledger,
        cycle.quotes,
        desk.settings.universe.themes,
        fee_fraction=policy.execution.taker_fee_fraction,
        dust_usd=policy.risk.dust_threshold_usd,
    )


def standing(cycle: Cycle, desk: Desk) -> Standing:
    """Return where the account stands now, with None where a price is missing."""
    ledger = desk.book.ledger
    return Standing(
        ledger=ledger,
        equity=equity(ledger, cycle.quotes, desk.settings.universe.quote_currencies),
        unrealised=unrealised(ledger.lots.values(), cycle.quotes),
        exposure=at_risk(cycle, desk),
    )


def observation(cycle: Cycle, desk: Desk) -> Observation:
    """Return what the breakers are judged on; None where this cycle could not tell."""
    ledger, memory, health, now = desk.book.ledger, desk.memory, desk.health, desk.clock.now()
    room = desk.disk_room()
    worth = equity(ledger, cycle.quotes, desk.settings.universe.quote_currencies)
    return Observation(
        api_errors_in_a_row=health.consecutive_errors,
        api_errors_in_window=health.errors_in_window(),
        last_api_error_at=health.last_error_at,
        exception_times=desk.recent_exceptions(),
        stale_share_fraction=None if cycle.triggers is None else cycle.stale_share,
        eligible_products=None if cycle.universe is None else len(cycle.universe.eligible),
        regime=cycle.regime,
        daily_fraction=daily_fraction(ledger, worth, now),
        weekly_fraction=weekly_fraction(ledger, worth, now),
        drawdown_fraction=drawdown_fraction(ledger, worth),
        mismatch_cycles=None if cycle.reconciled is None else memory.mismatch_cycles,
        is_first_cycle_of_run=memory.cycles_done == 0,
        clock_jump_seconds=memory.clock_jump_seconds,
        free_disk_mb=room.free_mb,
        free_inodes=room.free_inodes,
        clock_skew_seconds=desk.clock_skew(),
    )
