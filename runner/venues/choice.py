"""Which outside a run gets, by what was asked on the command line and in app.yaml."""

from pathlib import Path

from core.errors import ConfigError, StartRefused
from core.settings import Settings
from runner.options import RunOptions
from runner.venues.outside import Outside
from runner.venues.paper import open_recorded, open_simulation


def open_outside(settings: Settings, options: RunOptions) -> Outside:
    """
    Build market, account and clock as asked.

    Raises:
        ConfigError: The market cannot be used; the message says what to write instead.
        StartRefused: The market is not available in this version.
    """
    asked = options.market or settings.app.exchange.market
    kind, _, path = asked.partition(":")
    if kind == "replay" and path:
        return open_recorded(settings, options, Path(path))
    if asked in ("auto", "simulated"):
        return open_simulation(settings, options)
    if asked == "coinbase":
        raise StartRefused("market coinbase: this version has no Coinbase adapter yet; use simulated or replay:PATH")
    raise ConfigError(
        f"market {asked!r} is not known; use auto, coinbase, simulated or replay:PATH (--market, app.yaml: exchange)"
    )
