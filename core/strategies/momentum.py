"""Go with a steady rise, or with a breakout on volume."""

from core.model.signals import TriggerKind
from core.settings import StrategySettings
from core.strategies.ideas import Idea, Pass, ProductView, already_gained, falling

READS = (TriggerKind.MOMENTUM, TriggerKind.BREAKOUT, TriggerKind.VOLUME_SPIKE)


def propose(view: ProductView, settings: StrategySettings) -> Idea | Pass | None:
    """
    Buy when momentum fired upwards, or an upward breakout together with a volume spike.

    A fall among the triggers forbids it, and so does a last hour that did not rise (the steady rise is over) or that
    has run away already. A breakout or a volume spike alone is not enough.
    """
    fall = view.strongest(READS, direction=-1)
    if fall is not None:
        return falling(fall)
    rise = view.strongest((TriggerKind.MOMENTUM,), direction=1)
    breakout = view.strongest((TriggerKind.BREAKOUT,), direction=1)
    spike = view.strongest((TriggerKind.VOLUME_SPIKE,), direction=1)
    lead = rise or (breakout if spike is not None else None)
    if lead is None:
        alone = breakout or spike
        if alone is None:
            return None
        return Pass(reason="unconfirmed", observed=alone.kind.value, limit="momentum, or breakout and volume_spike")
    if view.features.move_60m <= 0:
        return Pass(reason="rise_is_over", observed=f"{view.features.move_60m:.6f}", limit="above 0 over 60 minutes")
    return already_gained(view, settings) or Idea(lead=lead)
