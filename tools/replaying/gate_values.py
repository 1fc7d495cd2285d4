"""
What each gate of risk saw when it let a proposal pass.

A gate tells its value only when it is shut. So it is asked once more, with a limit that nothing meets: what it then
says it observed is what it saw, by its own code.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from core.model.signals import Proposal
from core.model.verdicts import Refusal
from core.risk.assess import assess
from core.risk.view import RiskView, shown
from core.settings import PolicySettings, TierFractions

NEVER = Decimal(10) ** 12
LONG_SECONDS = 10**9

Shut = Callable[[RiskView, PolicySettings], tuple[RiskView, PolicySettings]]


class Probe(NamedTuple):
    """How to shut one gate, and its real limit in words."""

    shut: Shut
    limit: Callable[[RiskView, PolicySettings, Proposal], str]


def _risk(name: str, impossible: Any, unit: str = "") -> Probe:
    return Probe(
        lambda view, policy: (view, replace(policy, risk=replace(policy.risk, **{name: impossible}))),
        lambda _view, policy, _proposal: _words(getattr(policy.risk, name), unit),
    )


def _execution(name: str, impossible: Any, unit: str = "") -> Probe:
    return Probe(
        lambda view, policy: (view, replace(policy, execution=replace(policy.execution, **{name: impossible}))),
        lambda _view, policy, _proposal: _words(getattr(policy.execution, name), unit),
    )


def _words(value: object, unit: str) -> str:
    text = shown(value) if isinstance(value, Decimal) else str(value)
    return f"{text}{unit}"


def _most_positions(view: RiskView, policy: PolicySettings) -> int:
    rule = None if view.regime is None else policy.regime.get(view.regime)
    return 0 if rule is None else min(policy.risk.max_open_positions, rule.max_open_positions)


_NO_COLLAR = TierFractions(tier_1=Decimal(-1), tier_2=Decimal(-1), tier_3=Decimal(-1))

PROBES: dict[Refusal, Probe] = {
    Refusal.BELOW_MIN_CAPITAL: _risk("min_capital_usd", NEVER),
    Refusal.DAILY_STOP: _risk("daily_stop_pnl_fraction", NEVER),
    Refusal.WEEKLY_STOP: _risk("weekly_stop_pnl_fraction", NEVER),
    Refusal.DRAWDOWN: _risk("max_drawdown_fraction", -NEVER),
    Refusal.TRADE_SPACING: _risk("min_seconds_between_trades", LONG_SECONDS, " s"),
    Refusal.TRADES_PER_HOUR: _risk("max_trades_per_hour", 0),
    Refusal.TRADES_PER_DAY: _risk("max_trades_per_day", 0),
    Refusal.QUOTE_STALE: _execution("max_quote_age_seconds", -1, " s"),
    Refusal.SPREAD: Probe(
        lambda view, policy: (
            replace(view, max_spread_fraction=dict.fromkeys(view.max_spread_fraction, -NEVER)),
            policy,
        ),
        lambda view, _policy, proposal: shown(view.max_spread_fraction[proposal.tier]),
    ),
    Refusal.PRICE_COLLAR: Probe(
        lambda view, policy: (
            view,
            replace(policy, execution=replace(policy.execution, price_collar_fraction=_NO_COLLAR)),
        ),
        lambda _view, policy, proposal: shown(policy.execution.price_collar_fraction.of(proposal.tier)),
    ),
    Refusal.EDGE_BELOW_COSTS: _execution("min_net_edge_fraction", NEVER),
    Refusal.SYMBOL_COOLDOWN: _risk("per_symbol_cooldown_minutes", LONG_SECONDS, " min"),
    Refusal.SYMBOL_SPACING: _risk("per_symbol_trade_spacing_seconds", LONG_SECONDS, " s"),
    Refusal.NEW_POSITIONS_PER_CYCLE: _risk("max_new_positions_per_cycle", 0),
    Refusal.MAX_POSITIONS: Probe(
        _risk("max_open_positions", 0).shut,
        lambda view, policy, _proposal: str(_most_positions(view, policy)),
    ),
}


def passed_with(
    proposal: Proposal, view: RiskView, policy: PolicySettings, gates: tuple[Refusal, ...]
) -> Iterator[tuple[Refusal, str, str]]:
    """Yield of each of these gates, all of them open, what it saw and its limit; "" where it has no number."""
    for gate in gates:
        probe = PROBES.get(gate)
        seen = None if probe is None else _observed(proposal, probe.shut(view, policy), gate)
        if probe is None or seen is None:
            yield gate, "", ""
        else:
            yield gate, seen, probe.limit(view, policy, proposal)


def _observed(proposal: Proposal, shut: tuple[RiskView, PolicySettings], gate: Refusal) -> str | None:
    """Return what a gate that is now shut says it saw; None when even so it has nothing to say (no trade before)."""
    view, policy = shut
    refused = assess([proposal], view, policy).refused
    return next((one.observed for one in refused if one.reason is gate), None)
