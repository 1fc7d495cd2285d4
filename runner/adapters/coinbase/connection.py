"""Builds the API of one run: limiter, transport, client."""

import random
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from core.ports import Clock
from core.settings import ExchangeSection
from runner.adapters.coinbase.api import Client, CoinbaseApi
from runner.adapters.coinbase.credentials import Credentials
from runner.adapters.coinbase.cycle_time import CycleTime
from runner.adapters.coinbase.origin import origin_of
from runner.adapters.coinbase.plain_client import PlainClient
from runner.adapters.coinbase.rate_limit import Channel, RateLimiter
from runner.adapters.coinbase.redaction import Redactor
from runner.adapters.coinbase.transport import Observer, Transport
from runner.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The API, whose questions end with the cycle, and the limiter for the metric of its use."""

    api: CoinbaseApi
    cycle_time: CycleTime
    limiter: RateLimiter


def connect(
    settings: ExchangeSection,
    *,
    credentials: Credentials | None,
    wire: Wire,
    clock: Clock,
    orders_allowed: Callable[[], bool],
    observer: Observer,
    seed: int,
) -> Connection:
    """
    Return the API over a wire; nothing is sent by this.

    Without credentials nothing is signed, and only public paths can be asked. `orders_allowed` is asked before an
    order leaves (the kill switch). `seed` fixes the jitter of pauses.

    Raises:
        ConfigError: `exchange.api_url` is not one that this program talks to.
    """
    draw = random.Random(seed).random  # noqa: S311 (pauses, not secrets)
    rates = {
        Channel.PUBLIC: settings.public_requests_per_second,
        Channel.PRIVATE: settings.private_requests_per_second,
    }
    limiter = RateLimiter(rates, clock.monotonic, draw)
    transport = Transport(
        wire=wire,
        limiter=limiter,
        clock=clock,
        read_only=settings.read_only,
        orders_allowed=orders_allowed,
        observer=observer,
    )
    cycle_time = CycleTime(clock.monotonic)
    api = CoinbaseApi(
        client=_client(transport, origin_of(settings.api_url).authority, credentials),
        refusal=transport.refusal,
        unusable=transport.unusable,
        clock=clock,
        cycle_time=cycle_time,
        timeout_seconds=settings.request_timeout_seconds,
        draw=draw,
        redact=Redactor(() if credentials is None else credentials.to_hide()).redact,
    )
    return Connection(api=api, cycle_time=cycle_time, limiter=limiter)


def _client(transport: Transport, authority: str, credentials: Credentials | None) -> Client:
    if credentials is None:
        return PlainClient(transport, authority)
    # What guesses the encoding of a text is 3 MB of tables, and we read bytes. requests does without, and warns of it.
    sys.modules.setdefault("charset_normalizer", None)  # type: ignore[arg-type]  # None: it cannot be imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from runner.adapters.coinbase.signed_client import SignedClient  # noqa: PLC0415 - 15 MB for those with a key

    return SignedClient(transport, authority, credentials)
