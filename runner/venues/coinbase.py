"""Venues that speak Coinbase's protocol over the network: its public market for paper, and the account for LIVE."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from core.errors import BrokerUnavailable, MarketDataUnavailable, StartRefused
from core.model.orders import FeeRates
from core.ports import Clock
from core.settings import Settings
from runner.adapters.coinbase.account_checks import opening_cash, portfolio_of_safe_key
from runner.adapters.coinbase.coinbase_broker import CoinbaseBroker
from runner.adapters.coinbase.coinbase_market import CoinbaseMarket
from runner.adapters.coinbase.credentials import Credentials, load_credentials
from runner.adapters.coinbase.http_wire import HttpWire
from runner.adapters.coinbase.redaction import Redactor
from runner.adapters.coinbase.venue_time import VenueTime
from runner.adapters.kill_switch import FileKillSwitch
from runner.adapters.log_files import logger_of
from runner.adapters.process_secrecy import censored_errors, keep_secret
from runner.adapters.system_clock import SystemClock
from runner.api_health import ApiHealth
from runner.options import RunOptions
from runner.venues.connection import Connection, connect
from runner.venues.live_gate import is_loopback, refuse_live_unless_ready
from runner.venues.outside import Opening, Outside
from runner.venues.paper import account_name, paper_account, paper_opening
from runner.wire import Wire

WAY_OUT = "; check the connection, or use --paper --market simulated"

CANDLE_SETTLE_SECONDS = 2.0
"""A minute's candle is asked for this long after its end: its last trades may still be arriving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Venue:
    """A connection with the market seen through it, and who closes what lies below."""

    connection: Connection
    market: CoinbaseMarket
    time: VenueTime
    close: Callable[[], None]

    def skew_seconds(self) -> float:
        """Return our clock minus the exchange's, NaN when it could not be read."""
        skew = self.time.skew_seconds()
        return float("nan") if skew is None else skew


def open_public(
    settings: Settings,
    options: RunOptions,
    environ: Mapping[str, str] = os.environ,
    *,
    clock: Clock | None = None,
    wire: Wire | None = None,
) -> Outside:
    """
    Open Coinbase's market for a paper account. Without a key only public data are asked for; no order can leave.

    Raises:
        MarketDataUnavailable: The exchange does not answer.
        StartRefused: There is a key, but an unsafe or unusable one, or one that may withdraw.
    """
    clock = clock or SystemClock()
    credentials = _credentials(settings, environ)
    venue = _venue(settings, options, clock, wire, credentials, read_only=True)
    with censored_errors(venue.connection.redact):
        _must_answer(venue, settings)
        rates = None if credentials is None else _account_rates(venue, clock)
    fees = "fees of the configuration" if rates is None else "fees of the account's tier"
    return Outside(
        clock=clock,
        market=venue.market,
        open_broker=paper_account(settings, venue.market, clock, rates),
        opening=paper_opening(settings, venue.market),
        account=account_name("paper", settings),
        is_virtual=False,
        ends_at=None,
        note=f"{_place(settings)}, {'public data without a key' if credentials is None else 'read with a key'}; {fees}",
        **_watched(venue),
    )


def open_live(
    settings: Settings,
    options: RunOptions,
    environ: Mapping[str, str] = os.environ,
    *,
    clock: Clock | None = None,
    wire: Wire | None = None,
) -> Outside:
    """
    Open the real account, after every check that can be made before the first order.

    Raises:
        StartRefused: Something that LIVE needs is missing, the key may do too little or too much, our clock is wrong.
        MarketDataUnavailable, BrokerUnavailable: The exchange does not answer.
    """
    clock = clock or SystemClock()
    credentials = _credentials(settings, environ)
    refuse_live_unless_ready(settings, options, has_key=credentials is not None)
    venue = _venue(settings, options, clock, wire, credentials, read_only=settings.app.exchange.read_only)
    with censored_errors(venue.connection.redact):
        _must_answer(venue, settings)
        _check_clock(venue, settings)
        portfolio = portfolio_of_safe_key(venue.connection.api)
    broker = CoinbaseBroker(venue.connection.api, clock)
    return Outside(
        clock=clock,
        market=venue.market,
        open_broker=lambda _ledger: broker,
        opening=lambda: _live_opening(broker, settings),
        account=account_name(f"coinbase-{portfolio}", settings),
        is_virtual=False,
        ends_at=None,
        note=f"{_place(settings)}, REAL ORDERS" if not is_loopback(settings.app.exchange.api_url) else _place(settings),
        owner_shares_account=True,
        **_watched(venue),
    )


def _credentials(settings: Settings, environ: Mapping[str, str]) -> Credentials | None:
    """Return the key, with which the process becomes one that keeps a secret; None without one."""
    credentials = load_credentials(settings.app.exchange.key_file, environ)
    if credentials is not None:
        keep_secret(Redactor(credentials.to_hide()).redact)
    return credentials


def _venue(
    settings: Settings,
    options: RunOptions,
    clock: Clock,
    wire: Wire | None,
    credentials: Credentials | None,
    *,
    read_only: bool,
) -> _Venue:
    api_url = settings.app.exchange.api_url
    close: Callable[[], None] = lambda: None  # noqa: E731
    if wire is None:
        wire = HttpWire(api_url=api_url, monotonic=SystemClock().monotonic)
        close = wire.close
    kill_switch = FileKillSwitch(options.data_dir)
    connection = connect(
        settings,
        clock,
        wire,
        credentials=credentials,
        read_only=read_only,
        orders_allowed=lambda: kill_switch.read() is None,
    )
    time = VenueTime(connection.api, clock)
    market = CoinbaseMarket(
        connection.api,
        clock,
        time,
        venue="loopback" if is_loopback(api_url) else "coinbase",
        cycle_time=connection.cycle_time,
        settle_seconds=CANDLE_SETTLE_SECONDS,
        note=logger_of(options.logs_dir).warning,
    )
    return _Venue(connection=connection, market=market, time=time, close=close)


def _watched(venue: _Venue) -> "_Watched":
    return {
        "health": venue.connection.health,
        "watch_until": venue.connection.cycle_time.end_at,
        "clock_skew": venue.skew_seconds,
        "rate_limit_use": venue.connection.rate_limit_use,
        "redact": venue.connection.redact,
        "close": venue.close,
    }


class _Watched(TypedDict):
    """What the transport of a run measures and closes, as fields of its Outside."""

    health: ApiHealth
    watch_until: Callable[[float], None]
    clock_skew: Callable[[], float]
    rate_limit_use: Callable[[], Mapping[str, float]]
    redact: Callable[[str], str] | None
    close: Callable[[], None]


def _place(settings: Settings) -> str:
    api_url = settings.app.exchange.api_url
    return f"an exchange on this machine, {api_url}" if is_loopback(api_url) else "Coinbase Advanced Trade"


def _must_answer(venue: _Venue, settings: Settings) -> None:
    if not venue.time.answers():
        raise MarketDataUnavailable(
            f"{settings.app.exchange.api_url} does not answer with its time ({venue.time.problem}){WAY_OUT}"
        )


def _check_clock(venue: _Venue, settings: Settings) -> None:
    """Refuse a clock with which tokens fail and quotes look fresh that are not."""
    skew, most = venue.skew_seconds(), settings.app.exchange.max_clock_skew_seconds
    if not abs(skew) <= most:  # true for NaN, too
        raise StartRefused(
            f"this machine's clock is {skew:+.1f} s off the exchange's, more than {most} s (app.yaml: "
            "exchange.max_clock_skew_seconds); set it, e.g. with NTP"
        )


def _account_rates(venue: _Venue, clock: Clock) -> FeeRates:
    """
    Return the fee rates of the key's account, once the key may not withdraw.

    Raises:
        StartRefused: The key is unsafe, or they cannot be read: paper at other fees than asked for would flatter.
    """
    try:
        portfolio_of_safe_key(venue.connection.api, to_trade=False)
        return CoinbaseBroker(venue.connection.api, clock).fee_rates()
    except BrokerUnavailable as error:
        raise StartRefused(
            f"the fees of the key's account cannot be read ({error}); unset the key for public data"
        ) from error


def _live_opening(broker: CoinbaseBroker, settings: Settings) -> Opening:
    currency, amount = opening_cash(
        broker.balances(), settings.universe.quote_currencies, settings.app.live.capital_usd
    )
    return Opening(
        currency=currency, amount=amount, reason="the bot's share of the account (app.yaml: live.capital_usd)"
    )
