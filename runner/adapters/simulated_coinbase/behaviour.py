"""How this exchange behaves where nobody knows what the real one does, or where it varies (coinbase_api 9)."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum


class DuplicateAnswer(Enum):
    """What a client_order_id that is known already is answered with (2.9); nothing new is created either way."""

    FIRST_ORDER = "first order"
    REJECT = "DUPLICATE_CLIENT_ORDER_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """
    How late the exchange shows what it already knows.

    `order`, `fills`, `balances`: until an order can be found, a fill is listed, a balance has changed. `pending`: an
    accepted order is shown as PENDING. `cancel`: until a requested cancel is done; fills before that still count.
    `fills_vary`: each fill has its own share of that lag, so that a later one may be listed before an earlier one.
    """

    order: timedelta = timedelta(0)
    fills: timedelta = timedelta(0)
    balances: timedelta = timedelta(0)
    pending: timedelta = timedelta(0)
    cancel: timedelta = timedelta(0)
    fills_vary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """
    The switches of the simulated exchange; the defaults are what Coinbase documents, without any lag.

    `clock_skew`: what the exchange's clock (time, token checks, Date header) is ahead of the injected one.
    `public_cache`: so long the public twins repeat an answer (3). `public_rate`, `private_rate`: requests a second
    above which 429 is answered; None: never. `open_stands_alone`: order_status=OPEN with another is refused (2.13).
    `id_memory`: so long a client_order_id is remembered; None: for ever. `orders_kept`: so many orders that are over
    are known, the latest; None: all, for whoever asks in the end what really happened. `filler_products`: rows of
    other quote currencies that make the product list as long as the real one. `quotes_tokens`: every "no" repeats, in
    each of its texts, the token and the key's name that came with the request. `answers_late_by`, `acts_late_by`,
    `drips_every`: what the faults `late_answer`, `accepted_late` and the drips mean.
    """

    lags: Lags = field(default_factory=Lags)
    duplicates: DuplicateAnswer = DuplicateAnswer.FIRST_ORDER
    id_memory: timedelta | None = None
    orders_kept: int | None = None
    clock_skew: timedelta = timedelta(0)
    public_cache: timedelta = timedelta(seconds=1)
    public_rate: int | None = None
    private_rate: int | None = None
    open_stands_alone: bool = True
    filler_products: int = 0
    quotes_tokens: bool = False
    accounts_page: int = 49
    orders_page_max: int = 250
    answers_late_by: timedelta = timedelta(seconds=30)
    acts_late_by: timedelta = timedelta(seconds=5)
    drips_every: timedelta = timedelta(seconds=1)
