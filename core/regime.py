"""The market's weather, read from the benchmark's closed candles."""

import math

from core.model.signals import Features, Regime
from core.settings import RegimeSettings


def regime_of(benchmark: Features | None, settings: RegimeSettings) -> Regime | None:
    """
    Name the regime; None when the benchmark is missing or unreadable: the caller then takes no new risk (L8).

    A crash is a fast fall (60 minutes) or a deep one (24 hours); else the 24-hour move decides. A limit that is reached
    counts.
    """
    if benchmark is None or not math.isfinite(benchmark.move_24h + benchmark.move_60m):
        return None
    day = benchmark.move_24h
    if day <= settings.crash_24h_fraction or benchmark.move_60m <= settings.crash_60m_fraction:
        return Regime.CRASH
    if day <= settings.bear_24h_fraction:
        return Regime.BEAR
    return Regime.BULL if day >= settings.bull_24h_fraction else Regime.CHOP
