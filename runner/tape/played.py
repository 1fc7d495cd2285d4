"""The ports of a run that is decided again: each answers what the tape has."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.model.guards import DiskRoom
from core.model.market import Book, Candle, Product, ProductId, Quote
from core.model.orders import Balance, FeeRates, Fill, Order, OrderId, OrderKey, OrderReport
from core.ports import KillCommand
from runner.api_health import ApiUse
from runner.tape import text
from runner.tape.player import Player
from runner.tape.ports import Ports

_fills_of = text.list_of(text.fill_of)
_reports_of = text.list_of(text.report_of)


def played(player: Player, *, venue: str, measures_memory: bool, measures_limits: bool) -> Ports:
    """Return ports that answer from the tape; the flags say which optional ones the recorded run had."""

    def fact(name: str) -> Callable[[], Any]:
        return lambda: player.fact(name)

    return Ports(
        clock=PlayedClock(player),
        market=PlayedMarket(player, venue),
        broker=PlayedBroker(player),
        health=PlayedHealth(player),
        kill_switch=PlayedKillSwitch(player),
        lock=PlayedLock(player),
        config_drift=PlayedDrift(player),
        disk_room=lambda: DiskRoom(*player.fact("disk")),
        clock_skew=fact("skew"),
        rss_mb=fact("rss") if measures_memory else None,
        rate_limit_use=fact("limits") if measures_limits else None,
        stop_reason=fact("stop"),
    )


class PlayedClock:
    """Port `Clock`."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def now(self) -> datetime:
        return self._player.read_now()

    def monotonic(self) -> float:
        return self._player.read_elapsed()

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:  # noqa: ARG002 - then was then
        self._player.wait(keep_waiting)


class PlayedMarket:
    """Port `MarketData`."""

    def __init__(self, player: Player, venue: str) -> None:
        self._player = player
        self._venue = venue

    @property
    def venue(self) -> str:
        return self._venue

    def products(self) -> Sequence[Product]:
        return text.products_of(self._player.answer("p", ""))

    def candles(self, product_ids: Sequence[ProductId], since: int) -> Mapping[ProductId, Sequence[Candle]]:
        names = text.ids_text(product_ids)
        row = self._player.answer("c", f"{since} {names}")
        return text.candles_of(product_ids, since, row)

    def quotes(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Quote]:
        row = self._player.answer("q", text.ids_text(product_ids))
        return text.quotes_of(product_ids, self._player.micros, row)

    def books(self, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Book]:
        row = self._player.answer("k", text.ids_text(product_ids))
        return text.books_of(product_ids, self._player.micros, row)


class PlayedBroker:
    """Port `Broker`."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def submit(self, order: Order) -> OrderId:
        return OrderId(json.loads(self._player.answer("o", order.client_order_id)))

    def cancel(self, order_ids: Sequence[OrderId]) -> None:
        self._player.answer("x", json.dumps(list(order_ids)))

    def preview(self, order: Order) -> str | None:
        refusal: str | None = json.loads(self._player.answer("v", order.client_order_id))
        return refusal

    def find(self, key: OrderKey) -> OrderReport | None:
        return text.report_of(json.loads(self._player.answer("n", json.dumps([key.client_order_id, key.order_id]))))

    def open_orders(self) -> Sequence[OrderReport]:
        return [report for report in _reports_of(self._player.answer("l", "")) if report is not None]

    def fills(self, since: datetime) -> Sequence[Fill]:
        return _fills_of(self._player.answer("i", str(text.micros_of(since))))

    def balances(self) -> Mapping[str, Balance]:
        return text.balances_of(self._player.answer("b", ""))

    def fee_rates(self) -> FeeRates:
        return text.fee_rates_of(self._player.answer("r", ""))


class PlayedHealth:
    """How the outside answered then."""

    def __init__(self, player: Player) -> None:
        self._player = player

    @property
    def consecutive_errors(self) -> int:
        return int(self._player.fact("errors_in_a_row"))

    @property
    def last_error_at(self) -> datetime | None:
        micros = self._player.fact("last_error")
        return None if micros is None else text.moment_of(micros)

    @property
    def errors_total(self) -> Mapping[str, int]:
        totals: Mapping[str, int] = self._player.fact("errors_total")
        return totals

    def errors_in_window(self) -> int:
        return int(self._player.fact("errors_in_window"))

    def take_use(self) -> ApiUse:
        return ApiUse(*self._player.fact("use"))


class PlayedKillSwitch:
    """Port `KillSwitch`."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def read(self) -> KillCommand | None:
        command = self._player.fact("kill")
        return None if command is None else KillCommand(command)


class PlayedLock:
    def __init__(self, player: Player) -> None:
        self._player = player

    def is_ours(self) -> bool:
        return bool(self._player.fact("lock"))


class PlayedDrift:
    def __init__(self, player: Player) -> None:
        self._player = player

    def changed(self) -> str | None:
        found: str | None = self._player.fact("drift")
        return found
