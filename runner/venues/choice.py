"""Which outside a run gets, by what was asked on the command line and in app.yaml."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.errors import ConfigError, MarketDataUnavailable
from core.settings import Mode, Settings
from runner.options import RunOptions
from runner.venues.outside import Outside
from runner.venues.paper import open_recorded, open_simulation


def open_outside(
    settings: Settings, options: RunOptions, mode: Mode, environ: Mapping[str, str] = os.environ
) -> Outside:
    """
    Build market, account and clock as asked. What a run does not use is not even imported.

    Raises:
        ConfigError: The market cannot be used; the message says what to write instead.
        StartRefused: LIVE, or a key, is not fit to start with.
        MarketDataUnavailable, BrokerUnavailable: The exchange that was asked for does not answer.
    """
    if mode is Mode.LIVE:
        from runner.venues.coinbase import open_live  # noqa: PLC0415

        return open_live(settings, options, environ)
    asked = options.market or settings.app.exchange.market
    kind, _, path = asked.partition(":")
    if kind == "replay" and path:
        return open_recorded(settings, options, Path(path))
    if asked == "simulated":
        return _simulated(settings, options)
    if asked == "coinbase":
        return _coinbase(settings, options, environ)
    if asked == "auto":
        return _auto(settings, options, environ)
    raise ConfigError(
        f"market {asked!r} is not known; use auto, coinbase, simulated or replay:PATH (--market, app.yaml: exchange)"
    )


def _simulated(settings: Settings, options: RunOptions) -> Outside:
    """Plug the market in at the port in virtual time; in real time it is a whole exchange, behind its protocol."""
    if options.speed == "max":
        return open_simulation(settings, options)
    from runner.venues.embedded import open_embedded  # noqa: PLC0415

    return open_embedded(settings, options)


def _coinbase(settings: Settings, options: RunOptions, environ: Mapping[str, str]) -> Outside:
    if options.speed == "max":
        raise ConfigError("market coinbase has no virtual time; leave --speed max out, or use --market simulated")
    from runner.venues.coinbase import open_public  # noqa: PLC0415

    return open_public(settings, options, environ)


def _auto(settings: Settings, options: RunOptions, environ: Mapping[str, str]) -> Outside:
    """Use Coinbase when it answers now, else the simulation, and say which; a run never changes it (design 7)."""
    if options.speed == "max" or options.seed is not None:
        return _simulated(settings, options)
    try:
        return _coinbase(settings, options, environ)
    except MarketDataUnavailable as error:
        from runner.venues.coinbase import WAY_OUT  # noqa: PLC0415

        outside = _simulated(settings, options)
        return replace(outside, note=f"auto: {str(error).removesuffix(WAY_OUT)}; {outside.note}")
