"""Buy a fall that has gone too far too fast, once it has stopped."""

from core.model.money import plain
from core.model.signals import Regime, TriggerKind
from core.settings import StrategySettings
from core.strategies.ideas import DIRECTION_NOT_TRADABLE, Idea, Pass, ProductView

READS = (TriggerKind.MEAN_REVERSION,)


def propose(view: ProductView, settings: StrategySettings) -> Idea | Pass | None:
    """
    Buy a negative overshoot that is not a crash and no longer a fall.

    Still falling means: the last close is below every low of the breakout lookback, or the last 15 minutes alone fell
    by the stop, so that the same again would close the position at a loss.
    """
    overshoot = view.strongest(READS, direction=-1)
    if overshoot is None:
        upwards = view.strongest(READS, direction=1)
        if upwards is None:
            return None
        return Pass(reason=DIRECTION_NOT_TRADABLE, observed=f"zscore {upwards.observed:.6f}", limit="a fall")
    if view.regime is Regime.CRASH:
        return Pass(reason="regime_blocks_strategy", observed=view.regime.value, limit="no crash")
    below_lows = view.features.breakout_fraction
    if below_lows < 0:
        return Pass(reason="at_new_low", observed=f"{below_lows:.6f}", limit="not below the lows of the lookback")
    move, stop = view.features.move_15m, settings.stop_fraction
    if -move >= stop:
        return Pass(reason="falling_fast", observed=f"{move:.6f}", limit=f"above -{plain(stop)} over 15 minutes")
    return Idea(lead=overshoot)
