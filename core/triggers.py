"""
Stage 2: what just happened to a product, read from closed candles only.

A trigger is signed by what was seen: a fall is -1, whatever a strategy may make of it. Its strength is 0.5 at the
threshold and 1 at twice the threshold. Its confidence is 0.25 when nothing else speaks for it and 1 when everything
named below does:

- price moves: half, the other horizon went the same way; half, volume reached `volume_spike_ratio`
- volume spike (with a move): the move reached `price_move_15m`
- breakout: volume reached `volume_spike_ratio`
- momentum: the share of candles that closed its way exceeds one half by 0.1 (with 240 candles, three standard errors)
- mean reversion: half, the overshoot goes against the day's move; half, volume reached `volume_spike_ratio`

What is reached in part counts in part.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from core.model.market import ProductId
from core.model.signals import Features, Trigger, TriggerKind
from core.settings import TriggerSettings

_LEAST_CONFIDENCE = 0.25
_FULL_SHARE_EXCESS = 0.1

_KIND_ORDER = {kind: place for place, kind in enumerate(TriggerKind)}


def scan(features: Mapping[ProductId, Features], settings: TriggerSettings) -> tuple[Trigger, ...]:
    """
    Return all triggers of the `max_per_cycle` products with the highest scores, the highest score first.

    Triggers below `min_score` are dropped. Ties go by product id, then by kind in the order of its definition.
    """
    found: list[Trigger] = []
    for product_id in _stirring(features, settings):
        one = features[product_id]
        found.extend(trigger for trigger in _detect(product_id, one, settings) if trigger.score >= settings.min_score)
    if not found:
        return ()
    found.sort(key=_rank)
    kept = list(dict.fromkeys(trigger.product_id for trigger in found))[: settings.max_per_cycle]
    return tuple(trigger for trigger in found if trigger.product_id in kept)


def _rank(trigger: Trigger) -> tuple[float, str, int]:
    return -trigger.score, str(trigger.product_id), _KIND_ORDER[trigger.kind]


def _stirring(features: Mapping[ProductId, Features], settings: TriggerSettings) -> list[ProductId]:
    """
    Return the products in which something may fire: a few in almost every minute, out of all.

    A plain loop over local numbers, because it runs for every product and minute. It may name a product in which
    nothing fires, never leave out another: a volume spike needs a move, so it cannot fire while all moves are small.
    """
    limit_15m = min(settings.price_move_15m_fraction, settings.volume_spike_min_move_fraction)
    limit_60m = settings.price_move_60m_fraction
    limit_breakout = settings.breakout_min_fraction
    limit_momentum = settings.momentum_min_move_fraction
    limit_zscore = settings.mean_reversion_min_zscore
    stirring = []
    for product_id, (_, _, move_15m, move_60m, _, _, breakout, momentum, _, zscore) in features.items():
        if not (
            -limit_15m < move_15m < limit_15m
            and -limit_60m < move_60m < limit_60m
            and -limit_breakout < breakout < limit_breakout
            and -limit_momentum < momentum < limit_momentum
            and -limit_zscore < zscore < limit_zscore
        ):
            stirring.append(product_id)
    return stirring


class Reading(NamedTuple):
    """
    One trigger's value against its threshold.

    `also` is a second value and what it must reach, None where nothing else must hold; `support` is how much of what
    could speak for the trigger does, 0..1.
    """

    kind: TriggerKind
    observed: float
    threshold: float
    fires: bool
    direction: int
    support: float
    also: tuple[float, float] | None = None


def readings(one: Features, settings: TriggerSettings) -> tuple[Reading, ...]:
    """Return every trigger's value against its threshold; at the threshold a trigger fires."""
    volume = min(1.0, one.volume_ratio / settings.volume_spike_ratio)
    same_way = 1.0 if one.move_15m * one.move_60m > 0 else 0.0
    against_the_day = 1.0 if one.zscore * one.move_24h < 0 else 0.0
    kinds = TriggerKind
    return (
        _signed(kinds.PRICE_MOVE_15M, one.move_15m, settings.price_move_15m_fraction, (same_way + volume) / 2),
        _signed(kinds.PRICE_MOVE_60M, one.move_60m, settings.price_move_60m_fraction, (same_way + volume) / 2),
        _signed(kinds.BREAKOUT, one.breakout_fraction, settings.breakout_min_fraction, volume),
        _signed(kinds.MEAN_REVERSION, one.zscore, settings.mean_reversion_min_zscore, (against_the_day + volume) / 2),
        _volume_spike(one, settings),
        _momentum(one, settings),
    )


def _signed(kind: TriggerKind, observed: float, threshold: float, support: float) -> Reading:
    return Reading(kind, observed, threshold, abs(observed) >= threshold, _sign(observed), support)


def _volume_spike(one: Features, settings: TriggerSettings) -> Reading:
    move, least = one.move_15m, settings.volume_spike_min_move_fraction
    return Reading(
        TriggerKind.VOLUME_SPIKE,
        one.volume_ratio,
        settings.volume_spike_ratio,
        one.volume_ratio >= settings.volume_spike_ratio and abs(move) >= least,
        _sign(move),
        min(1.0, abs(move) / settings.price_move_15m_fraction),
        also=(abs(move), least),
    )


def _momentum(one: Features, settings: TriggerSettings) -> Reading:
    move, least = one.momentum, settings.momentum_min_up_share_fraction
    share = one.up_share if move > 0 else 1.0 - one.up_share
    return Reading(
        TriggerKind.MOMENTUM,
        move,
        settings.momentum_min_move_fraction,
        abs(move) >= settings.momentum_min_move_fraction and share >= least,
        _sign(move),
        min(1.0, max(0.0, (share - 0.5) / _FULL_SHARE_EXCESS)),
        also=(share, least),
    )


def _detect(product_id: ProductId, one: Features, settings: TriggerSettings) -> Iterator[Trigger]:
    """Yield what fires, whatever its score."""
    return (_trigger(product_id, reading) for reading in readings(one, settings) if reading.fires)


def _trigger(product_id: ProductId, reading: Reading) -> Trigger:
    """Grade what fired."""
    return Trigger(
        product_id=product_id,
        kind=reading.kind,
        direction=reading.direction,
        strength=min(1.0, abs(reading.observed) / (2 * reading.threshold)),
        confidence=_LEAST_CONFIDENCE + (1 - _LEAST_CONFIDENCE) * reading.support,
        observed=reading.observed,
        threshold=reading.threshold,
    )


def _sign(number: float) -> int:
    return 1 if number > 0 else -1
