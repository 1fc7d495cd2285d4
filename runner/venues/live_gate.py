"""What must hold before a real order may be sent (design section 8): all is asked, and all that is missing is said."""

from collections.abc import Iterator

from core.errors import StartRefused
from core.settings import Mode, Settings
from runner.options import RunOptions


def is_loopback(api_url: str) -> bool:
    """Tell whether an api_url is an exchange on this machine; the schema allows no other plain address."""
    return api_url.startswith("http://127.0.0.1:")


def refuse_live_unless_ready(settings: Settings, options: RunOptions, *, has_key: bool) -> None:
    """
    Check what can be checked without asking the exchange.

    Raises:
        StartRefused: Naming everything that is missing, each with what to do.
    """
    missing = list(_missing(settings, options, has_key=has_key))
    if missing:
        raise StartRefused(f"LIVE does not start. Missing: {'; '.join(missing)}. Use --paper or --dry-run until then")


def _missing(settings: Settings, options: RunOptions, *, has_key: bool) -> Iterator[str]:
    exchange = settings.app.exchange
    market = options.market or exchange.market
    if options.mode is not Mode.LIVE:
        yield "the flag --live (LIVE in app.yaml alone does not send orders)"
    if exchange.read_only:
        yield "`exchange.read_only: false` in app.yaml"
    if market not in ("auto", "coinbase"):
        yield f"a real market (not {market}: leave --market out, or use --market coinbase)"
    if options.speed == "max":
        yield "real time (leave --speed max out)"
    if not has_key:
        yield "an API key (app.yaml: exchange.key_file, or COINBASE_API_KEY and COINBASE_API_SECRET)"
    if not is_loopback(exchange.api_url):
        yield (
            "a rehearsal certificate (a GO computed from a 24-hour rehearsal on the real market, under this "
            "configuration and this code): this version cannot make one yet, so the real host is closed to LIVE"
        )
