"""The ports of a run with a recorder on them: each answer goes to the tape as the loop sees it."""

import dataclasses
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from core.model.guards import DiskRoom
from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import Balance, FeeRates, Fill, Order, OrderId, OrderKey, OrderReport
from core.ports import Broker, Clock, KillCommand, KillSwitch, MarketData
from runner.api_health import ApiUse
from runner.tape import text
from runner.tape.ports import ConfigDrift, Health, Lock, Ports
from runner.tape.recorder import Recorder, Steady

T = TypeVar("T")
NANOSECONDS = 1_000_000_000

_fills_text = text.list_text(text.fill_text)
_reports_text = text.list_text(text.report_text)


def recorded(ports: Ports, tape: Recorder) -> Ports:
    """Return the same ports, each of whose answers goes to the tape."""
    clock = RecordedClock(ports.clock, tape)
    return Ports(
        clock=clock,
        market=RecordedMarket(ports.market, tape),
        broker=RecordedBroker(ports.broker, tape),
        health=RecordedHealth(ports.health, tape),
        kill_switch=RecordedKillSwitch(ports.kill_switch, tape),
        lock=RecordedLock(ports.lock, tape),
        config_drift=RecordedDrift(ports.config_drift, tape),
        disk_room=_steady("disk", ports.disk_room, tape, room_text),
        clock_skew=_steady("skew", ports.clock_skew, tape, json.dumps),
        rss_mb=None if ports.rss_mb is None else _steady("rss", ports.rss_mb, tape, json.dumps),
        rate_limit_use=None
        if ports.rate_limit_use is None
        else _steady("limits", ports.rate_limit_use, tape, _mapping_text),
        stop_reason=_steady("stop", ports.stop_reason, tape, json.dumps),
    )


def _steady(name: str, read: Callable[[], T], tape: Recorder, write: Callable[[T], str]) -> Callable[[], T]:
    fact = Steady(tape, name, write)
    return lambda: fact.note(read())


def _mapping_text(values: Mapping[str, float]) -> str:
    return json.dumps(dict(values), separators=(",", ":"))


def room_text(room: DiskRoom) -> str:
    return json.dumps(dataclasses.astuple(room), separators=(",", ":"))


def use_text(use: ApiUse) -> str:
    return json.dumps(dataclasses.astuple(use), separators=(",", ":"))


class RecordedClock:
    """Port `Clock`. A time that was told before leaves no line."""

    def __init__(self, clock: Clock, tape: Recorder) -> None:
        self._clock = clock
        self._tape = tape
        self._now = _Now(tape)
        self._elapsed = _Elapsed(tape)

    def now(self) -> datetime:
        now, told = self._clock.now(), self._now
        if now == told.last:
            told.silent += 1
        else:
            told.moved(now)
        return now

    def monotonic(self) -> float:
        elapsed, told = self._clock.monotonic(), self._elapsed
        if elapsed == told.last:
            told.silent += 1
        else:
            told.moved(elapsed)
        return elapsed

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        tape = self._tape

        def ask() -> bool:
            tape.asked()
            return keep_waiting()

        tape.line("w")
        self._clock.wait_until(moment, ask)
        tape.line("e")


class _Now:
    """The wall clock's time as it was last told."""

    def __init__(self, tape: Recorder) -> None:
        self.silent = 0
        self.last = tape.now
        self._tape = tape
        tape.keep_counted(self)
        self.forget()

    def forget(self) -> None:
        self.last = self._tape.now  # the header has it
        self._tape.micros = text.micros_of(self.last)

    def moved(self, now: datetime) -> None:
        tape, micros = self._tape, text.micros_of(now)
        line = f"t{micros - tape.micros}"
        tape.line(f"{line} {self.silent}" if self.silent else line)
        self.silent, self.last = 0, now
        tape.now, tape.micros = now, micros


class _Elapsed:
    """The monotonic time as it was last told."""

    def __init__(self, tape: Recorder) -> None:
        self.silent = 0
        self.last: float | None = None
        self._nanoseconds = 0
        self._tape = tape
        tape.keep_counted(self)

    def forget(self) -> None:
        self.last, self._nanoseconds = None, 0

    def moved(self, elapsed: float) -> None:
        nanoseconds = round(elapsed * NANOSECONDS)
        # Clocks count nanoseconds: nearly every reading is that whole number, divided.
        is_exact = nanoseconds / NANOSECONDS == elapsed
        line = f"m{nanoseconds - self._nanoseconds}" if is_exact else f"m!{elapsed!r}"
        self._tape.line(f"{line} {self.silent}" if self.silent else line)
        self.silent, self.last, self._nanoseconds = 0, elapsed, nanoseconds


class _Names:
    """The products whose candles were asked for last."""

    def __init__(self, tape: Recorder) -> None:
        self.silent = 0
        self._last: list[ProductId] = []
        tape.keep_counted(self)

    def forget(self) -> None:
        self._last = []

    def of(self, product_ids: Sequence[ProductId]) -> str:
        if product_ids == self._last:
            return "="
        self._last = list(product_ids)
        return text.ids_text(product_ids)


class RecordedMarket:
    """Port `MarketData`."""

    def __init__(self, market: MarketData, tape: Recorder) -> None:
        self._market = market
        self._tape = tape
        self._names = _Names(tape)

    @property
    def venue(self) -> str:
        return self._market.venue

    def products(self) -> Sequence[Product]:
        return self._tape.told("p", "", self._market.products, text.products_text)

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        return self._tape.told(
            "c",
            f"{since} {self._names.of(product_ids)}",
            lambda: self._market.candles(product_ids, since),
            lambda answer: text.candles_text(product_ids, since, answer),
        )

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        tape = self._tape
        return tape.told(
            "q",
            text.ids_text(product_ids),
            lambda: self._market.quotes(product_ids),
            lambda answer: text.quotes_text(product_ids, tape.micros, answer),
        )

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        tape = self._tape
        return tape.told(
            "k",
            text.ids_text(product_ids),
            lambda: self._market.books(product_ids),
            lambda answer: text.books_text(product_ids, tape.micros, answer),
        )


class RecordedBroker:
    """Port `Broker`. What was told so far is on the tape before an order leaves."""

    def __init__(self, broker: Broker, tape: Recorder) -> None:
        self._broker = broker
        self._tape = tape
        self._fills: Sequence[Fill] = ()

    def submit(self, order: Order) -> OrderId:
        self._tape.flush()
        order_id: OrderId = self._tape.told("o", order.client_order_id, lambda: self._broker.submit(order), json.dumps)
        return order_id

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        self._tape.told("x", json.dumps(list(order_ids)), lambda: self._broker.cancel(order_ids), lambda _: "")

    def preview(self, order: Order) -> str | None:
        refusal: str | None = self._tape.told(
            "v", order.client_order_id, lambda: self._broker.preview(order), json.dumps
        )
        return refusal

    def find(self, key: OrderKey) -> OrderReport | None:
        question = json.dumps([key.client_order_id, key.order_id])
        return self._tape.told("n", question, lambda: self._broker.find(key), text.report_text)

    def open_orders(self) -> Sequence[OrderReport]:
        return self._tape.told("l", "", self._broker.open_orders, _reports_text)

    def fills(self, since: datetime) -> Sequence[Fill]:
        return self._tape.told("i", str(text.micros_of(since)), lambda: self._fills_since(since), _fills_text)

    def _fills_since(self, since: datetime) -> Sequence[Fill]:
        """Return the very list of before when it has the very same fills: they are told anew for ten minutes."""
        fills, before = self._broker.fills(since), self._fills
        if len(fills) == len(before) and all(map(operator.is_, fills, before)):
            return before
        self._fills = tuple(fills)
        return self._fills

    def balances(self) -> Mapping[str, Balance]:
        return self._tape.told("b", "", self._broker.balances, text.balances_text)

    def fee_rates(self) -> FeeRates:
        return self._tape.told("r", "", self._broker.fee_rates, text.fee_rates_text)


class RecordedHealth:
    """What is known of how the outside answers."""

    def __init__(self, health: Health, tape: Recorder) -> None:
        self._health = health
        self._in_a_row = Steady[int](tape, "errors_in_a_row", str)
        self._in_window = Steady[int](tape, "errors_in_window", str)
        self._last_at = Steady[datetime | None](tape, "last_error", lambda at: json.dumps(at and text.micros_of(at)))
        self._totals = Steady[Mapping[str, int]](tape, "errors_total", json.dumps)
        self._use = Steady[ApiUse](tape, "use", use_text)

    @property
    def consecutive_errors(self) -> int:
        return self._in_a_row.note(self._health.consecutive_errors)

    @property
    def last_error_at(self) -> datetime | None:
        return self._last_at.note(self._health.last_error_at)

    @property
    def errors_total(self) -> Mapping[str, int]:
        return self._totals.note(dict(self._health.errors_total))  # theirs goes on counting

    def errors_in_window(self) -> int:
        return self._in_window.note(self._health.errors_in_window())

    def take_use(self) -> ApiUse:
        return self._use.note(self._health.take_use())


class RecordedKillSwitch:
    """Port `KillSwitch`."""

    def __init__(self, kill_switch: KillSwitch, tape: Recorder) -> None:
        self._kill_switch = kill_switch
        self._command = Steady[KillCommand | None](tape, "kill", lambda command: json.dumps(command and command.value))

    def read(self) -> KillCommand | None:
        return self._command.note(self._kill_switch.read())


class RecordedLock:
    """Whether the instance lock is still ours."""

    def __init__(self, lock: Lock, tape: Recorder) -> None:
        self._lock = lock
        self._is_ours = Steady[bool](tape, "lock", json.dumps)

    def is_ours(self) -> bool:
        return self._is_ours.note(self._lock.is_ours())


class RecordedDrift:
    """Whether the configuration on disk is still the one in force."""

    def __init__(self, drift: ConfigDrift, tape: Recorder) -> None:
        self._drift = drift
        self._found = Steady[str | None](tape, "drift", json.dumps)

    def changed(self) -> str | None:
        return self._found.note(self._drift.changed())
