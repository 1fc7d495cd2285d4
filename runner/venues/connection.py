"""One connection to Coinbase, or to what speaks its protocol, whose every request the API breaker counts."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.ports import Clock
from core.settings import ExchangeSection, Settings
from runner.adapters.coinbase import connection as coinbase
from runner.adapters.coinbase.api import CoinbaseApi
from runner.adapters.coinbase.credentials import Credentials
from runner.adapters.coinbase.cycle_time import CycleTime
from runner.adapters.coinbase.redaction import Redactor
from runner.adapters.coinbase.routes import is_about_account
from runner.adapters.coinbase.transport import UNUSABLE, CallFacts
from runner.api_health import ApiHealth, Channel
from runner.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """`redact` takes the key of this run out of a text; None without a key."""

    api: CoinbaseApi
    cycle_time: CycleTime
    health: ApiHealth
    rate_limit_use: Callable[[], Mapping[str, float]]
    redact: Callable[[str], str] | None


def connect(
    settings: Settings,
    clock: Clock,
    wire: Wire,
    *,
    credentials: Credentials | None,
    read_only: bool,
    orders_allowed: Callable[[], bool],
    requests_per_second: int | None = None,
) -> Connection:
    """
    Put transport and API on a wire. Nothing is sent by this.

    `read_only`: no order and no cancel can leave, whatever is asked. `requests_per_second` None: as configured.

    Raises:
        ConfigError: `exchange.api_url` is not one that this program talks to.
    """
    exchange = dataclasses.replace(settings.app.exchange, read_only=read_only)
    if requests_per_second is not None:
        exchange = _at_pace(exchange, requests_per_second)
    health = ApiHealth(clock, settings.policy.circuit_breakers.api_error_window_seconds)
    connection = coinbase.connect(
        exchange,
        credentials=credentials,
        wire=wire,
        clock=clock,
        orders_allowed=orders_allowed,
        observer=lambda facts: _count(facts, health),
        seed=settings.app.simulation.seed,
    )
    return Connection(
        api=connection.api,
        cycle_time=connection.cycle_time,
        health=health,
        rate_limit_use=lambda: {
            channel.value: round(share, 3) for channel, share in connection.limiter.utilization().items()
        },
        redact=None if credentials is None else Redactor(credentials.to_hide()).redact,
    )


def _at_pace(exchange: ExchangeSection, requests_per_second: int) -> ExchangeSection:
    return dataclasses.replace(
        exchange, public_requests_per_second=requests_per_second, private_requests_per_second=requests_per_second
    )


def _count(facts: CallFacts, health: ApiHealth) -> None:
    """Tell the API breaker how one request ended. A definite no (a 404, a rejected order) is an answer."""
    channel = Channel.BROKER if is_about_account(facts.endpoint) else Channel.MARKET
    if facts.error == UNUSABLE:
        health.unusable(channel)
        return
    status = facts.status
    problem = facts.error or (f"http_{status}" if status is not None and is_trouble(status) else None)
    if problem is None:
        health.answered(channel)
    else:
        health.failed(channel, problem)
    health.requested(
        seconds=facts.seconds,
        bytes_sent=facts.bytes_sent,
        bytes_received=facts.bytes_received,
        failed=problem is not None,
    )


def is_trouble(status: int) -> bool:
    """Tell whether a status says that the exchange or our access to it is not well."""
    return status in (401, 403, 429) or status >= 500 or 300 <= status < 400
