"""One connection to Coinbase, or to what speaks its protocol: transport, API, and who counts what passes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.ports import Clock
from core.settings import Settings
from runner.adapters.coinbase.api import Client, CoinbaseApi
from runner.adapters.coinbase.credentials import Credentials
from runner.adapters.coinbase.origin import origin_of
from runner.adapters.coinbase.plain_client import PlainClient
from runner.adapters.coinbase.rate_limit import Channel as Bucket
from runner.adapters.coinbase.rate_limit import RateLimiter
from runner.adapters.coinbase.redaction import Redactor
from runner.adapters.coinbase.transport import CallFacts, Transport
from runner.api_health import ApiHealth, Channel
from runner.wire import Wire

ACCOUNT_ENDPOINTS = ("/orders", "/accounts", "/transaction_summary", "/key_permissions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """`redactor` knows the key of this run; None without one."""

    api: CoinbaseApi
    health: ApiHealth
    limiter: RateLimiter
    redactor: Redactor | None

    def rate_limit_use(self) -> Mapping[str, float]:
        """Return the share of each channel's limit that was in use at its busiest since the last call."""
        return {bucket.value: round(share, 3) for bucket, share in self.limiter.utilization().items()}


def connect(
    settings: Settings,
    clock: Clock,
    wire: Wire,
    *,
    credentials: Credentials | None,
    read_only: bool,
    orders_allowed: Callable[[], bool],
    requests_per_second: Mapping[Bucket, int] | None = None,
) -> Connection:
    """
    Put transport and API on a wire. Nothing is sent yet.

    `read_only`: no order and no cancel can leave, whatever is asked. `requests_per_second` None: as configured.
    """
    exchange = settings.app.exchange
    health = ApiHealth(clock, settings.policy.circuit_breakers.api_error_window_seconds)
    draw = random.Random(settings.app.simulation.seed).random  # noqa: S311 - jitter, no secret
    rates = requests_per_second or {
        Bucket.PUBLIC: exchange.public_requests_per_second,
        Bucket.PRIVATE: exchange.private_requests_per_second,
    }
    limiter = RateLimiter(rates, clock.monotonic, draw)
    transport = Transport(
        wire=wire,
        limiter=limiter,
        clock=clock,
        read_only=read_only,
        orders_allowed=orders_allowed,
        observer=lambda facts: _count(facts, health),
    )
    authority = origin_of(exchange.api_url).authority
    redactor = None if credentials is None else Redactor(credentials.to_hide())
    if credentials is None:
        client: Client = PlainClient(transport, authority)
    else:
        from runner.adapters.coinbase.signed_client import SignedClient  # noqa: PLC0415 - 18 MB, for who has a key

        client = SignedClient(transport, authority, credentials)
    api = CoinbaseApi(
        client=client,
        refusal=transport.refusal,
        clock=clock,
        timeout_seconds=exchange.request_timeout_seconds,
        draw=draw,
        redact=Redactor(()).redact if redactor is None else redactor.redact,
    )
    return Connection(api=api, health=health, limiter=limiter, redactor=redactor)


def _count(facts: CallFacts, health: ApiHealth) -> None:
    """Tell the API breaker how one request ended. A definite no (a 404, a rejected order) is an answer."""
    channel = Channel.BROKER if facts.endpoint.startswith(ACCOUNT_ENDPOINTS) else Channel.MARKET
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
