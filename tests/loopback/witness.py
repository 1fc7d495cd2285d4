"""
The witness stands between the wire and the exchange, sees every request, and judges it on the spot.

It knows what the exchange did with each request (its own books), what the bot had on disk at that moment (its journal),
and whether the kill file was there. What it finds is a sentence each, with the number of the request.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from core.model.market import ProductId
from core.model.orders import OrderStatus, Side
from runner.adapters.simulated_coinbase.answers import Answer
from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.adapters.simulated_coinbase.routes import Endpoint, route
from runner.matching.order_record import OrderRecord
from runner.wire import HttpRequest
from tests.loopback.exchange_books import EXACT, OWNER, ZERO, ExchangeBooks
from tests.loopback.journal_tail import JournalTail

SLACK = Decimal("1.002")
"""As in tests/independent_checker/caps.py: equity is measured at another moment than the program's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naked:
    """
    Coins of the bot that no order of its guarded or sold at the end of a minute.

    `why`: `commanded` when a kill file of that minute said cancel-all; `unseen` when the bot had no way to know of them
    yet; `believed guarded` when it had been told of a guard that is gone since; `failed at once` when it was told so in
    this very minute of each such guard, and the exchange has failed it (the next minute counts anew); else `known`.
    """

    slot: int
    base: str
    quantity: Decimal
    value: Decimal
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the witness holds the bot's true exposure against; fractions of its equity, and money."""

    at_risk_fraction: Decimal
    product_fraction: Decimal
    capital: Decimal
    dust: Decimal


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was counted."""

    posts_by_client_id: Counter[str] = field(default_factory=Counter)
    orders_by_purpose: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    cancels: int = 0
    minutes: int = 0
    naked: list[Naked] = field(default_factory=list)
    creates_under_kill: int = 0


class Witness:
    """Answers requests by passing them on; `after_request` lets a test do something at an exact point of a cycle."""

    def __init__(
        self,
        exchange: SimulatedCoinbase,
        *,
        now: Callable[[], datetime],
        journal: Path,
        kill_file: Path,
        limits: Limits,
    ) -> None:
        self.exchange = exchange
        self.books = ExchangeBooks(exchange)
        self.journal = JournalTail(journal)
        self.seen = Seen()
        self.problems: list[str] = []
        self.requests = 0
        self.before_request: Callable[[int, Endpoint], None] = lambda _number, _endpoint: None
        self.after_request: Callable[[int, Endpoint], None] = lambda _number, _endpoint: None
        self.carry: Callable[[HttpRequest], Answer] = exchange.answer
        """Who brings a request to the exchange."""
        self._now = now
        self._kill_file = kill_file
        self._limits = limits
        self._minute: datetime | None = None
        self._bared_in: datetime | None = None
        self._kill_seen_in: datetime | None = None
        self._faults_so_far = 0
        self._known_orders = 0
        self._open: list[OrderRecord] = []
        """The bot's orders that were not over when they were last looked at."""

    def answer(self, request: HttpRequest) -> Answer:
        self.requests += 1
        self._close_minute()
        if self._kill_file.exists() and self._kill_file.read_text("utf-8") == "cancel-all":
            self._bared_in = self._minute
        asked = route(request.method, request.target)
        self.before_request(self.requests, asked.endpoint)
        if asked.endpoint is Endpoint.CREATE:
            self._judge_create(json.loads(request.body))
        elif asked.endpoint is Endpoint.CANCEL:
            self._judge_cancel(json.loads(request.body))
        answer = self.carry(request)
        if asked.endpoint is Endpoint.CREATE:
            self._note_rejection(answer)
            self._judge_orders()
        self.after_request(self.requests, asked.endpoint)
        return answer

    def finish(self) -> None:
        """Look once more, after the last request."""
        self._judge_orders()
        self.problems += self.books.problems
        self.books.problems = []

    # --- before the exchange acts -------------------------------------------------------------------------------------

    def _judge_create(self, body: Mapping[str, Any]) -> None:
        name = str(body["client_order_id"])
        self.seen.posts_by_client_id[name] += 1
        self.journal.read_on()
        if self.seen.posts_by_client_id[name] > 1:
            self._find("sent_twice", f"order {name} is sent for the {self.seen.posts_by_client_id[name]}. time")
        if self._kill_file.exists():
            self.seen.creates_under_kill += 1
            self._find("order_under_kill", f"order {name} was sent although the kill file was there")
        written = self.journal.intents.get(name)
        if written is None:
            self._find("not_written_ahead", f"order {name} is sent, and no INTENT of it is on disk")
            return
        self.seen.orders_by_purpose[written.order["purpose"]] += 1
        doubts = [
            other.client_order_id
            for other in self.journal.alive.values()
            if other is not written and other.is_unresolved and other.order["product_id"] == written.order["product_id"]
        ]
        if written.order["purpose"] != "entry":
            return
        if doubts:
            self._find("bought_in_doubt", f"entry {name} is sent while {doubts} of its product are unknown")
        if self.journal.tripped:
            self._find("bought_while_stopped", f"entry {name} is sent while {list(self.journal.tripped)} is tripped")

    def _judge_cancel(self, body: Mapping[str, Any]) -> None:
        self.seen.cancels += 1
        for order_id in body["order_ids"]:
            record = next((item for item in self.exchange.orders() if item.order_id == order_id), None)
            if record is not None and self.exchange.client_order_id_of(record).startswith(OWNER):
                self._find("foreign_order_touched", f"a cancel names order {order_id}, which is the owner's")

    # --- after it acted -----------------------------------------------------------------------------------------------

    def _note_rejection(self, answer: Answer) -> None:
        try:
            body = json.loads(answer.response.body)
            if body.get("success") is False:
                self.seen.rejections[body["error_response"]["error"]] += 1
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # a fault's answer

    def _judge_orders(self) -> None:
        """Look at the orders that are new, and what they may do at the worst beside those that are there."""
        records = self.exchange.orders()  # brings the exchange up to now, so before its books are read
        self.books.read_on()
        new = [record for record in records[self._known_orders :] if self._is_bots(record)]
        self._known_orders = len(records)
        self._open = [record for record in (*self._open, *new) if not record.status.is_final]
        for record in new:
            if record.status.is_final:
                continue
            if record.order.side is Side.SELL:
                self._judge_sells(record)
            else:
                self._judge_exposure(record)

    def _judge_sells(self, new: OrderRecord) -> None:
        base = new.order.product_id.base
        offered = self._offered(base)
        held = self.books.bot.of(base)
        if offered > held:
            self._find("sells_more_than_held", f"{offered} {base} are offered by the bot's orders, it holds {held}")

    def _judge_exposure(self, new: OrderRecord) -> None:
        """Hold the worst case (what is held at cost, what may still be bought at its limit) against the caps."""
        equity = self._equity()
        if equity is None:
            return
        worst: dict[str, Decimal] = {base: cost for base, cost in self.books.cost.items() if cost > 0}
        with localcontext(prec=EXACT):
            for record in self._open:
                order = record.order
                if order.side is Side.BUY and not record.status.is_final:
                    base = order.product_id.base
                    price = record.limit_price or ZERO
                    worst[base] = worst.get(base, ZERO) + record.remaining * price
        total, most = sum(worst.values(), ZERO), equity * self._limits.at_risk_fraction * SLACK
        base = new.order.product_id.base
        if total > most:
            self._find("total_cap", f"{total:.2f} at risk at the worst with {new.order_id}, the cap is {most:.2f}")
        most = equity * self._limits.product_fraction * SLACK
        if worst.get(base, ZERO) > most:
            self._find("product_cap", f"{worst[base]:.2f} in {base} at the worst, the cap is {most:.2f}")

    def _equity(self) -> Decimal | None:
        """Return what the bot owns: its cash, and its coins at the mid or their cost, whichever is more."""
        total = self._limits.capital + self.books.bot.of("USD")
        for base, cost in self.books.cost.items():
            quantity = self.books.bot.of(base)
            if quantity > 0:
                total += max(cost, quantity * self._price(base))
        return total

    def _price(self, base: str) -> Decimal:
        quote = self.exchange.market.quotes([ProductId(base, "USD")]).get(ProductId(base, "USD"))
        return ZERO if quote is None else (quote.bid + quote.ask) / 2

    # --- at the end of each minute ------------------------------------------------------------------------------------

    def _close_minute(self) -> None:
        """Before the first request of a new minute: was everything guarded at the end of the last one?"""
        minute = self._now().replace(second=0, microsecond=0)
        before, self._minute = self._minute, minute
        if before is None or minute <= before:
            return
        self._judge_orders()
        self.journal.read_on()
        self.seen.minutes += 1
        slot = int((minute - timedelta(minutes=1)).timestamp()) // 60
        is_bared = self._bared_in == before
        for base, held in list(self.books.bot.flows.items()):
            if base != "USD" and held > 0:
                self._judge_cover(base, held, slot, None if is_bared else before)
        if self._kill_seen_in is not None and self._kill_seen_in < before and self._is_calm():
            self._judge_kill()
        self._kill_seen_in = (self._kill_seen_in or minute) if self._kill_file.exists() else None
        self._faults_so_far = self.exchange.faults.counts.total()

    def _judge_cover(self, base: str, held: Decimal, slot: int, since: datetime | None) -> None:
        """Judge a coin for the minute that began at `since`; None: in it a kill file bared everything."""
        offered = self._offered(base)
        price = self._price(base) or self.books.cost[base] / held
        naked = held - offered - self.journal.dust(base, self._limits.dust / price)  # no order for dust is ever taken
        if naked * price <= self._limits.dust:
            return
        unbooked = held - self.journal.coins.get(base, ZERO)
        believed = sum((item.may_sell for item in self.journal.alive.values() if item.base == base), ZERO) - offered
        if since is None:
            why = "commanded"
        elif (naked - unbooked) * price <= self._limits.dust:
            why = "unseen"
        elif (naked - unbooked - believed) * price > self._limits.dust:
            why = "known"
        else:
            is_new = (believed - self._failed(base, since)) * price <= self._limits.dust
            why = "failed at once" if is_new else "believed guarded"
        self.seen.naked.append(Naked(slot=slot, base=base, quantity=naked, value=naked * price, why=why))

    def _failed(self, base: str, since: datetime) -> Decimal:
        """Return how much the bot believes to be offered by orders that came after `since`, and which have failed."""
        failed = {
            self.exchange.client_order_id_of(record)
            for record in self.exchange.orders()
            if record.status is OrderStatus.FAILED and record.created_at >= since
        }
        alive = self.journal.alive
        return sum((item.may_sell for name, item in alive.items() if item.base == base and name in failed), ZERO)

    def _is_calm(self) -> bool:
        return self.exchange.faults.counts.total() == self._faults_so_far

    def _judge_kill(self) -> None:
        """A whole minute after the kill file appeared, with an exchange that answers, no buy is open (L5)."""
        for record in self._open:
            if record.order.side is Side.BUY and not record.status.is_final:
                self._find("buy_open_under_kill", f"{record.order_id} is open a minute after the kill file appeared")

    def _offered(self, base: str) -> Decimal:
        return sum(
            (
                record.remaining
                for record in self._open
                if record.order.side is Side.SELL
                and record.order.product_id.base == base
                and not record.status.is_final
            ),
            ZERO,
        )

    def _is_bots(self, record: OrderRecord) -> bool:
        return not self.exchange.client_order_id_of(record).startswith(OWNER)

    def _find(self, code: str, text: str) -> None:
        self.problems.append(f"{code}: {text} (request {self.requests}, {self._now():%H:%M:%S})")
