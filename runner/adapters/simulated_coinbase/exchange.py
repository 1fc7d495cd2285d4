"""
The simulated Coinbase: one request in, one answer out, in the exchange's own protocol.

It stands on a market and a matching engine and is written from the venue's side: nothing here is shared with the code
that makes our requests or reads these answers. What it does not do, it says (501): edits, portfolios, futures.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

from runner.adapters.simulated_coinbase.access import Access, ApiKey, is_signed, said_of_itself
from runner.adapters.simulated_coinbase.account_answers import AccountAnswers
from runner.adapters.simulated_coinbase.answers import (
    Answer,
    Refusal,
    error,
    json_answer,
    missing_scopes,
    rate_limited,
    unauthorized,
)
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault, FaultPlan, Phase
from runner.adapters.simulated_coinbase.listed_market import ListedMarket
from runner.adapters.simulated_coinbase.market_answers import MarketAnswers
from runner.adapters.simulated_coinbase.order_answers import OrderAnswers
from runner.adapters.simulated_coinbase.order_book import OrderBook
from runner.adapters.simulated_coinbase.order_rows import rfc3339
from runner.adapters.simulated_coinbase.routes import Endpoint, Route, route
from runner.adapters.simulated_coinbase.spoilt_answers import quoting, spoilt, without_effect
from runner.adapters.simulated_coinbase.venue_time import VenueTime
from runner.matching.account import Account
from runner.matching.books import Entry
from runner.matching.engine import MatchingEngine
from runner.matching.order_record import OrderRecord
from runner.matching.venue_order import VenueOrder
from runner.wire import HttpRequest, HttpResponse

_MARKET = (
    Endpoint.PRODUCTS,
    Endpoint.PRODUCT,
    Endpoint.BOOK,
    Endpoint.BEST_BID_ASK,
    Endpoint.CANDLES,
    Endpoint.TRADES,
)
_ACCOUNT = (Endpoint.ACCOUNTS, Endpoint.ACCOUNT, Endpoint.KEY_PERMISSIONS, Endpoint.TRANSACTION_SUMMARY)
_TRADING = (Endpoint.CREATE, Endpoint.CANCEL)


@dataclass(slots=True)
class Traffic:
    """What was asked so far: requests by endpoint, how many carried a token, and bytes of the bodies."""

    requests: Counter[Endpoint]
    signed: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """The account's double-entry books: every entry since the account was opened."""

    account: Account
    entries: Sequence[Entry]

    def faults(self) -> list[str]:
        """Return in words what does not add up; nothing when the books are sound."""
        return self.account.faults(self.entries)


class SimulatedCoinbase:
    """
    One account on one exchange. It does nothing between two requests: what is due is done at the next one.

    `time` is the engine's clock, too. `token_now`: the clock by which tokens are judged, where it is another one: the
    official SDK stamps them in real time, also for a bot in virtual time. Not safe for threads: whoever has several
    puts a lock around it.
    """

    def __init__(
        self,
        *,
        market: ListedMarket,
        engine: MatchingEngine,
        time: VenueTime,
        access: Access,
        books: Books,
        faults: FaultPlan | None = None,
        behaviour: Behaviour | None = None,
        token_now: Callable[[], datetime] | None = None,
    ) -> None:
        self.market = market
        self.access = access
        self.faults = FaultPlan() if faults is None else faults
        self.behaviour = Behaviour() if behaviour is None else behaviour
        self.traffic = Traffic(Counter())
        self.books = books
        self._engine = engine
        self._time = time
        self._token_now = token_now or time.now
        self._book = OrderBook(engine, time, self.behaviour)
        self._markets = MarketAnswers(market, self.behaviour)
        self._orders = OrderAnswers(self._book, market, engine.fee_rates, self.behaviour)
        self._accounts = AccountAnswers(engine, market, self.behaviour, time.now())
        self._late: list[tuple[datetime, HttpRequest]] = []
        self._cache: dict[str, tuple[datetime, HttpResponse]] = {}
        self._buckets: dict[bool, tuple[float, datetime]] = {}

    def answer(self, request: HttpRequest) -> Answer:
        """Act on one request and say what comes back of it, and how."""
        now = self._time.now()
        self._settle(now)
        asked = route(request.method, request.target)
        fault = self.faults.draw(asked.endpoint)
        if fault is None:
            answer = Answer(response=self._respond(request, asked, now, None))
        elif fault.phase is Phase.BEFORE:
            answer = without_effect(fault)
        elif fault.phase is Phase.LATER:
            self._late.append((now + self.behaviour.acts_late_by, request))
            answer = without_effect(fault)
        else:
            response = self._respond(request, asked, now, fault)
            answer = spoilt(response, fault if fault.phase is Phase.AFTER else None, self.behaviour)
        if self.behaviour.quotes_tokens:
            answer = replace(answer, response=quoting(answer.response, said_of_itself(request)))
        self._accounts.note(now)
        self._count(asked.endpoint, request, answer)
        return answer.with_header("date", format_datetime(now + self.behaviour.clock_skew, usegmt=True))

    # --- the owner, who trades by hand, too ---------------------------------------------------------------------------

    def place_by_hand(self, order: VenueOrder) -> OrderRecord:
        """
        Place an order as the account's owner does in the app.

        Raises:
            Reject: The exchange refuses it.
        """
        now = self._time.now()
        self._settle(now)
        record = self._book.place(order)
        self._accounts.note(now)
        return record

    def cancel_by_hand(self, order_id: str) -> None:
        """Cancel an order, ours or the owner's, as the owner does in the app; no effect on one that is over."""
        now = self._time.now()
        self._settle(now)
        self._book.cancel(order_id, now)
        self._accounts.note(now)

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Pay money or coins into the account."""
        now = self._time.now()
        self._settle(now)
        self._engine.deposit(currency, amount, "by hand")
        self._accounts.note(now)

    def withdraw(self, currency: str, amount: Decimal) -> bool:
        """Take money or coins out of the account; False when that much is not available."""
        now = self._time.now()
        self._settle(now)
        is_done = self._engine.withdraw(currency, amount, "by hand")
        self._accounts.note(now)
        return is_done

    # --- the oracle: what really happened, for tests ------------------------------------------------------------------

    def orders(self) -> Sequence[OrderRecord]:
        """Return every order ever accepted (`Behaviour.orders_kept`), oldest first, as it stands now."""
        self._settle(self._time.now())
        return self._book.accepted()

    def client_order_id_of(self, record: OrderRecord) -> str:
        """Return the id that the sender of an order gave it."""
        return self._book.sent(record.order_id).client_order_id

    # --- inside -------------------------------------------------------------------------------------------------------

    def _settle(self, now: datetime) -> None:
        """Do what has become due since the last request, each thing at its moment; the book is the present one."""
        while self._late and self._late[0][0] <= now:
            due, request = self._late.pop(0)
            self._book.settle(due)
            with self._time.held_at(due):
                self._respond(request, route(request.method, request.target), due, None)
        self._book.settle(now)

    def _respond(self, request: HttpRequest, asked: Route, now: datetime, fault: Fault | None) -> HttpResponse:
        if asked.endpoint is Endpoint.UNKNOWN:
            return error(404, "unknown", "Not Found")
        if self._is_over_rate(asked, now):
            return rate_limited()
        key = None
        if not asked.is_public:
            key = self.access.signer(request, self._token_now() + self.behaviour.clock_skew)
            if key is None:
                return unauthorized()
        try:
            if asked.is_public and fault is None:
                return self._from_cache(request, asked, now)
            return self._act(asked, request.body, key, now, fault)
        except Refusal as refusal:
            return refusal.response

    def _from_cache(self, request: HttpRequest, asked: Route, now: datetime) -> HttpResponse:
        """Repeat a public answer for as long as it is cached, unless the request says not to (3)."""
        wants_fresh = any(
            name.lower() == "cache-control" and value == "no-cache" for name, value in request.headers.items()
        )
        if not self.behaviour.public_cache or wants_fresh:
            return self._act(asked, request.body, None, now, None)
        while self._cache:
            oldest, (at, _) = next(iter(self._cache.items()))
            if timedelta(0) <= now - at < self.behaviour.public_cache:
                break
            del self._cache[oldest]
        known = self._cache.get(request.target)
        if known is not None:
            return known[1]
        response = self._act(asked, request.body, None, now, None)
        self._cache[request.target] = (now, response)
        return response

    def _act(self, asked: Route, body: bytes, key: ApiKey | None, now: datetime, fault: Fault | None) -> HttpResponse:
        endpoint = asked.endpoint
        if endpoint is Endpoint.TIME:
            return json_answer(_time_row(now + self.behaviour.clock_skew))
        if endpoint in _MARKET:
            return self._markets.answer(asked, now, fault)
        if endpoint is Endpoint.NOT_BUILT:
            return error(501, "UNIMPLEMENTED", "this exchange is simulated and does not do that")
        if key is None or not (key.can_trade if endpoint in _TRADING else key.can_view):
            return missing_scopes()
        if endpoint in _ACCOUNT:
            return self._accounts.answer(asked, key, now, fault)
        return self._orders.answer(asked, body, now, fault)

    def _is_over_rate(self, asked: Route, now: datetime) -> bool:
        """Take one token of the channel's bucket, which holds a second's worth."""
        rate = self.behaviour.public_rate if asked.is_public else self.behaviour.private_rate
        if rate is None:
            return False
        tokens, before = self._buckets.get(asked.is_public, (float(rate), now))
        tokens = min(float(rate), tokens + (now - before).total_seconds() * rate)
        is_over = tokens < 1
        self._buckets[asked.is_public] = (tokens if is_over else tokens - 1, now)
        return is_over

    def _count(self, endpoint: Endpoint, request: HttpRequest, answer: Answer) -> None:
        self.traffic.requests[endpoint] += 1
        self.traffic.signed += is_signed(request)
        self.traffic.bytes_in += len(request.body)
        self.traffic.bytes_out += len(answer.response.body)


def _time_row(now: datetime) -> Mapping[str, str]:
    seconds = now.timestamp()
    return {"iso": rfc3339(now), "epochSeconds": str(int(seconds)), "epochMillis": str(int(seconds * 1000))}
