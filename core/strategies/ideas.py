"""What a strategy is shown, and what it answers."""

from dataclasses import dataclass

from core.model.market import ProductId
from core.model.money import plain
from core.model.signals import Features, Regime, Tier, Trigger, TriggerKind
from core.settings import StrategySettings

DIRECTION_NOT_TRADABLE = "direction_not_tradable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductView:
    """One triggered product. `triggers` are all of its triggers, the highest score first."""

    product_id: ProductId
    tier: Tier
    features: Features
    triggers: tuple[Trigger, ...]
    regime: Regime

    def strongest(self, kinds: tuple[TriggerKind, ...], direction: int) -> Trigger | None:
        """Return the trigger of these kinds and this direction with the highest score."""
        return next((one for one in self.triggers if one.kind in kinds and one.direction == direction), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """A reason to buy: the trigger that leads. Conviction and size are the rules' business."""

    lead: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Why a strategy that reads one of the product's triggers leaves it alone."""

    reason: str
    observed: str
    limit: str


def falling(trigger: Trigger) -> Pass:
    """Return the answer of a strategy that only buys rises: we never sell what we do not own."""
    return Pass(reason=DIRECTION_NOT_TRADABLE, observed=f"{trigger.kind.value} {trigger.observed:.6f}", limit="a rise")


def already_gained(view: ProductView, settings: StrategySettings) -> Pass | None:
    """Return an answer when the last hour alone rose by the target: the gain we would hope for has just been had."""
    move, target = view.features.move_60m, settings.target_fraction
    if move < target:
        return None
    return Pass(reason="already_gained", observed=f"{move:.6f}", limit=f"below {plain(target)}")
