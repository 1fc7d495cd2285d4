"""The ports of a run with a recorder on them: each answer goes to the tape as the loop sees it."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import Balance, FeeRates, Fill, Order, OrderId, OrderKey, OrderReport
from core.ports import Broker, Clock, KillCommand, KillSwitch, MarketData
from runner.api_health import ApiUse
from runner.tape import text
from runner.tape.ports import ConfigDrift, Health, Lock, Ports
from runner.tape.recorder import Recorder, Steady

T = TypeVar("T")
NANOSECONDS = 1_000_000_000


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
        free_disk_mb=_steady("disk", ports.free_disk_mb, tape, json.dumps),
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


def use_text(use: ApiUse) -> str:
    return json.dumps(dataclasses.astuple(use), separators=(",", ":"))


class RecordedClock:
    """Port `Clock`. A time that was told before leaves no line."""

    def __init__(self, clock: Clock, tape: Recorder) -> None:
        self._clock = clock
        self._tape = tape
        self._now = tape.now
        self._now_serial = self._elapsed_serial = -1
        self._now_silent = self._elapsed_silent = 0
        self._elapsed: float | None = None
        self._elapsed_ns = 0
        self._forget()
        tape.to_forget(self._forget)

    def _forget(self) -> None:
        """Count from the header's time again."""
        self._tape.micros = text.micros_of(self._tape.now)
        self._elapsed, self._elapsed_ns = None, 0

    def now(self) -> datetime:
        now, tape = self._clock.now(), self._tape
        if now == self._now:
            if self._now_serial == tape.serial:
                self._now_silent += 1
            else:
                self._now_serial, self._now_silent = tape.serial, 1
            return now
        silent = self._now_silent if self._now_serial == tape.serial else 0
        micros = text.micros_of(now)
        moved = micros - tape.micros
        self._now = tape.now = now
        tape.micros = micros
        tape.line(f"t{moved} {silent}" if silent else f"t{moved}")
        return now

    def monotonic(self) -> float:
        elapsed, tape = self._clock.monotonic(), self._tape
        if elapsed == self._elapsed:
            if self._elapsed_serial == tape.serial:
                self._elapsed_silent += 1
            else:
                self._elapsed_serial, self._elapsed_silent = tape.serial, 1
            return elapsed
        silent = self._elapsed_silent if self._elapsed_serial == tape.serial else 0
        self._elapsed = elapsed
        nanoseconds = round(elapsed * NANOSECONDS)
        # Clocks count nanoseconds: nearly every reading is that whole number, divided.
        moved = str(nanoseconds - self._elapsed_ns) if nanoseconds / NANOSECONDS == elapsed else f"!{elapsed!r}"
        self._elapsed_ns = nanoseconds
        tape.line(f"m{moved} {silent}" if silent else f"m{moved}")
        return elapsed

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        tape = self._tape

        def ask() -> bool:
            tape.asked()
            return keep_waiting()

        tape.line("w")
        self._clock.wait_until(moment, ask)
        tape.line("e")


class RecordedMarket:
    """Port `MarketData`."""

    def __init__(self, market: MarketData, tape: Recorder) -> None:
        self._market = market
        self._tape = tape
        self._asked: list[ProductId] = []
        tape.to_forget(self._asked.clear)

    @property
    def venue(self) -> str:
        return self._market.venue

    def products(self) -> Sequence[Product]:
        return self._tape.told("p", "", self._market.products, text.products_text)

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        names = "="
        if product_ids != self._asked:
            names = text.ids_text(product_ids)
            self._asked[:] = product_ids
        return self._tape.told(
            "c",
            f"{since} {names}",
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
        return self._tape.told("l", "", self._broker.open_orders, text.list_text(text.report_text))

    def fills(self, since: datetime) -> Sequence[Fill]:
        question = str(text.micros_of(since))
        return self._tape.told("i", question, lambda: self._broker.fills(since), text.list_text(text.fill_text))

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
