"""Go with a fast rise. A fall, however fast, is never a reason to buy here."""

from core.model.signals import TriggerKind
from core.settings import StrategySettings
from core.strategies.ideas import Idea, Pass, ProductView, already_gained, falling

READS = (TriggerKind.PRICE_MOVE_15M, TriggerKind.PRICE_MOVE_60M)


def propose(view: ProductView, settings: StrategySettings) -> Idea | Pass | None:
    """Buy when a rise fired, no fall over the other horizon did, and the last hour has not run away already."""
    fall = view.strongest(READS, direction=-1)
    if fall is not None:
        return falling(fall)
    rise = view.strongest(READS, direction=1)
    if rise is None:
        return None
    return already_gained(view, settings) or Idea(lead=rise)
