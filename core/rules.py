"""
Stage 3: what we would like to buy, and why the other triggered products not.

Conviction = strength x `strength_weight` + confidence x `confidence_weight` of the leading trigger, plus
`agreement_bonus` for each further trigger of the product in the same direction, plus `tier_1_bonus`; at most 1.

Wanted size = the tier's share x the regime's multiplier x (1 + conviction) / 2: all of it at full conviction, half of
it at none. It is raised to `min_position_size`, below which a position is not worth its costs, and never exceeds the
tier's share; so every size proposed is one that the later stages can accept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from core.model.market import ProductId
from core.model.money import plain, round_down
from core.model.signals import Features, NotProposed, Proposal, Regime, Tier, Trigger
from core.settings import ConvictionSettings, PolicySettings, SignalSettings, StrategySettings
from core.strategies import mean_reversion, momentum, price_move
from core.strategies.ideas import Idea, Pass, ProductView

SIZE_STEP = Decimal("0.000001")

_CONVICTION_DIGITS = 6
_TIER_ORDER = {tier: place for place, tier in enumerate(Tier)}


Strategy = Callable[[ProductView, StrategySettings], Idea | Pass | None]
"""Answers None when none of the triggers that it reads is there."""

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "price_move": price_move.propose,
        "momentum": momentum.propose,
        "mean_reversion": mean_reversion.propose,
    }
)
"""By the name in signals.yaml; in order of preference when convictions are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesResult:
    """
    Each triggered product is in at least one of the two, and in `proposals` at most once.

    `proposals` are ordered by conviction (highest first), then tier, then product id.
    """

    proposals: tuple[Proposal, ...]
    not_proposed: tuple[NotProposed, ...]


NOTHING = RulesResult(proposals=(), not_proposed=())


def propose(
    triggers: Sequence[Trigger],
    features: Mapping[ProductId, Features],
    tiers: Mapping[ProductId, Tier],
    regime: Regime | None,
    *,
    policy: PolicySettings,
    settings: SignalSettings,
) -> RulesResult:
    """
    Ask every enabled strategy about every triggered product and keep each product's most convincing idea.

    `tiers` holds the eligible products. Without a regime, or in one whose size multiplier is 0, nothing is proposed.
    """
    if not triggers:
        return NOTHING
    by_product: dict[ProductId, list[Trigger]] = {}
    for trigger in triggers:
        by_product.setdefault(trigger.product_id, []).append(trigger)
    proposals: list[Proposal] = []
    not_proposed: list[NotProposed] = []
    for product_id, own in by_product.items():
        tier, seen = tiers.get(product_id), features.get(product_id)
        if tier is None or seen is None:
            not_proposed.append(_refuse(product_id, "not_eligible", "no tier or no features", "both"))
        elif regime is None or regime not in policy.regime:
            not_proposed.append(_refuse(product_id, "regime_unknown", "none", "a regime"))
        elif policy.regime[regime].size_multiplier <= 0:
            not_proposed.append(_refuse(product_id, "regime_blocks_entries", regime.value, "size_multiplier above 0"))
        else:
            view = ProductView(product_id=product_id, tier=tier, features=seen, triggers=tuple(own), regime=regime)
            proposal, others = _judge(view, policy, settings)
            proposals.extend(() if proposal is None else (proposal,))
            not_proposed.extend(others)
    proposals.sort(key=lambda one: (-one.conviction, _TIER_ORDER[one.tier], str(one.product_id)))
    return RulesResult(proposals=tuple(proposals), not_proposed=tuple(not_proposed))


def _refuse(product_id: ProductId, reason: str, observed: str, limit: str, strategy: str = "") -> NotProposed:
    return NotProposed(product_id=product_id, strategy=strategy, reason=reason, observed=observed, limit=limit)


def _judge(
    view: ProductView, policy: PolicySettings, settings: SignalSettings
) -> tuple[Proposal | None, list[NotProposed]]:
    """Return the product's best proposal, if any, and why each other strategy that had something to say lost."""
    product_id = view.product_id
    ideas, refused = _ask(view, settings)
    if not ideas:
        return None, refused or [_refuse(product_id, "no_strategy", "no answer", "a strategy that reads the trigger")]
    best = max(ideas, key=lambda one: one.conviction)
    for one in ideas:
        if one is not best:
            lower, higher = str(one.conviction), str(best.conviction)
            refused.append(_refuse(product_id, "another_strategy_preferred", lower, higher, one.strategy))
    size = _size_fraction(view, best.conviction, policy)
    if size is None:
        smallest, share = policy.risk.min_position_size_fraction, policy.position_sizing.of(view.tier)
        refused.append(_refuse(product_id, "no_legal_size", plain(share), plain(smallest), best.strategy))
        return None, refused
    own = settings.strategies[best.strategy]
    proposal = Proposal(
        product_id=product_id,
        strategy=best.strategy,
        tier=view.tier,
        conviction=best.conviction,
        size_fraction=size,
        stop_fraction=own.stop_fraction,
        target_fraction=own.target_fraction,
        max_hold_seconds=own.max_hold_minutes * 60,
        triggers=(best.lead.kind, *(one.kind for one in _agreeing(view, best.lead))),
    )
    return proposal, refused


class _Convinced(NamedTuple):
    """An idea that is convincing enough."""

    conviction: float
    strategy: str
    lead: Trigger


def _ask(view: ProductView, settings: SignalSettings) -> tuple[list[_Convinced], list[NotProposed]]:
    """Ask each configured strategy; leave out those that read none of the product's triggers."""
    least = settings.conviction.min_conviction
    ideas: list[_Convinced] = []
    refused: list[NotProposed] = []
    for name, ask in STRATEGIES.items():
        own = settings.strategies.get(name)
        answer = None if own is None else ask(view, own)
        if own is None or answer is None:
            continue
        if not own.enabled:
            refused.append(_refuse(view.product_id, "strategy_disabled", "enabled: false", "enabled: true", name))
        elif isinstance(answer, Pass):
            refused.append(_refuse(view.product_id, answer.reason, answer.observed, answer.limit, name))
        elif (conviction := _conviction(view, answer.lead, settings.conviction)) < least:
            refused.append(_refuse(view.product_id, "conviction_too_low", str(conviction), str(least), name))
        else:
            ideas.append(_Convinced(conviction=conviction, strategy=name, lead=answer.lead))
    return ideas, refused


def _agreeing(view: ProductView, lead: Trigger) -> list[Trigger]:
    return [one for one in view.triggers if one.kind is not lead.kind and one.direction == lead.direction]


def _conviction(view: ProductView, lead: Trigger, settings: ConvictionSettings) -> float:
    """Return the conviction of the module's formula, 0..1, rounded to what a record shows."""
    total = lead.strength * settings.strength_weight + lead.confidence * settings.confidence_weight
    total += settings.agreement_bonus * len(_agreeing(view, lead))
    total += settings.tier_1_bonus if view.tier is Tier.TIER_1 else 0.0
    return round(min(1.0, total), _CONVICTION_DIGITS)


def _size_fraction(view: ProductView, conviction: float, policy: PolicySettings) -> Decimal | None:
    """Return the wanted share of equity of the module's formula; None when the configuration leaves no legal size."""
    share, smallest = policy.position_sizing.of(view.tier), policy.risk.min_position_size_fraction
    if not 0 < smallest <= share:
        return None
    wanted = share * policy.regime[view.regime].size_multiplier * (1 + Decimal(str(conviction))) / 2
    return min(share, max(smallest, round_down(wanted, SIZE_STEP)))
