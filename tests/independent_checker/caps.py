"""
The caps and the pace at each BUY order, in the worst case that the lines can tell (L7).

Worst case of an order: its whole size at its limit price, plus the taker fee. What is held counts at its cost, after
every sale and after the fills of the orders before it in its line. The line shows equity at the cycle's end, not the
one by which the program measured, so the cap is taken of the higher of the line's (plus the fees it paid) and the one
before, and EQUITY_SLACK more. A price that rises later exceeds no cap: nothing was ordered then.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.independent_checker.books import ZERO, Books, Close, Lot
from tests.independent_checker.limits import Limits
from tests.independent_checker.orders import DEAD, Ordered, Problem

EQUITY_SLACK = Decimal("0.002")
CYCLE = timedelta(seconds=60)
"""An order is sent, and a close is booked, up to this much after the start of its cycle."""


@dataclass(slots=True)
class Entry:
    at: datetime
    product: str
    lot: str


@dataclass(slots=True)
class Moment:
    """
    One line as the caps see it: its start, regime and equity, the lots before any buy of it, its BUY orders.

    `until` is its end: one that began between two minutes sent its orders no earlier on the minute than the next.
    `resting`: the orders before the line that may still have filled, once for each way to read it.
    """

    at: datetime
    until: datetime
    regime: str | None
    equity: Decimal | None
    lots: dict[str, Lot]
    cash: dict[str, Decimal]
    buys: list[Ordered]
    resting: Sequence[Sequence[Ordered]]


@dataclass(slots=True)
class Caps:
    limits: Limits
    entries: list[Entry] = field(default_factory=list)

    def problems(self, now: Moment, known: Sequence[Sequence[Close]]) -> list[Problem]:
        """
        Return what is wrong with the BUY orders of a line; notes its entries.

        `known`: the closes, oldest first, that may have been known when it bought; wrong is what is so with all.
        """
        found: list[Problem] = []
        opened: list[str] = []
        for place, ordered in enumerate(now.buys):
            order = ordered.order
            found += self._size_problems(ordered, now, place)
            if any(entry.lot == order["lot"] and entry.at == now.at for entry in self.entries):
                continue  # the second leg of an entry counts once
            found += self._pace_problems(order["product"], now, known)
            self.entries.append(Entry(now.at, order["product"], order["lot"]))
            if order["lot"] not in now.lots:
                opened.append(order["lot"])
        if len(opened) > self.limits.risk["max_new_positions_per_cycle"]:
            found.append(("new_positions", f"{len(opened)} lots opened in one cycle"))
        return found

    # --- size -----------------------------------------------------------------------------------------------------

    def _size_problems(self, ordered: Ordered, now: Moment, place: int) -> list[Problem]:
        order, limits = ordered.order, self.limits
        product, notional = order["product"], Decimal(order["limit_price"]) * ordered.size
        found: list[Problem] = []
        if notional < limits.amount("min_trade_notional_usd"):
            found.append(("min_notional", f"{product}: {notional}"))
        if notional > limits.amount("max_order_notional_usd"):
            found.append(("order_notional", f"{product}: {notional}"))
        if now.equity is None:
            return [*found, ("equity_unknown", f"{product} was bought without a known equity")]
        readings = [
            self._worst_case_problems(ordered, now, now.equity, [*resting, *now.buys[:place]])
            for resting in now.resting
        ]
        return found + [item for item in readings[0] if all(item[0] in dict(other) for other in readings)]

    def _worst_case_problems(
        self, ordered: Ordered, now: Moment, equity: Decimal, others: Sequence[Ordered]
    ) -> list[Problem]:
        fee, limits, product = self.limits.fee("TAKER"), self.limits, ordered.order["product"]
        found: list[Problem] = []
        committed = [(item.order["product"], _committed(item, ordered, fee)) for item in others]
        own = ordered.worst_cost(fee)
        held = [(lot.product, lot.cost) for lot in now.lots.values()]
        caps = [
            ("total_cap", None, limits.fraction("max_total_at_risk_pct")),
            ("product_cap", [product], limits.fraction("max_position_size_pct")),
            *(
                ("theme_cap", [name for name, _ in [*held, *committed] if name.partition("-")[0] in assets], cap)
                for _, assets, cap in limits.theme_caps(product)
            ),
        ]
        for code, names, cap in caps:
            worst = own + sum((cost for name, cost in [*held, *committed] if names is None or name in names), ZERO)
            room = equity * cap * (1 + EQUITY_SLACK)
            if worst > room:
                found.append((code, f"{product}: {worst:.4f} at the worst, the cap is {room:.4f}"))
        found += _cash_problem(product, own + sum((cost for _, cost in committed), ZERO), now)
        return found + self._count_problem(product, now, held, committed)

    def _count_problem(
        self, product: str, now: Moment, held: list[tuple[str, Decimal]], committed: list[tuple[str, Decimal]]
    ) -> list[Problem]:
        dust = self.limits.amount("dust_threshold_usd")
        positions = {name for name, cost in held if cost >= dust} | {name for name, cost in committed if cost > 0}
        most = self.limits.positions_max(now.regime)
        if product in positions or len(positions) < most:
            return []
        return [("positions_cap", f"{product} would be position {len(positions) + 1} of {most} in regime {now.regime}")]

    # --- pace -----------------------------------------------------------------------------------------------------

    def _pace_problems(self, product: str, now: Moment, known: Sequence[Sequence[Close]]) -> list[Problem]:
        limits, found, at = self.limits, [], now.at
        for code, key, span in (("per_hour", "max_trades_per_hour", 1), ("per_day", "max_trades_per_day", 24)):
            made = sum(1 for entry in self.entries if entry.at > at - timedelta(hours=span))
            if made >= limits.risk[key]:
                found.append((code, f"{product} is entry {made + 1} of {limits.risk[key]}"))
        own = [entry for entry in self.entries if entry.product == product]
        for code, earlier, key in (
            ("spacing", self.entries, "min_seconds_between_trades"),
            ("product_spacing", own, "per_symbol_trade_spacing_seconds"),
        ):
            if earlier and now.until - earlier[-1].at < timedelta(seconds=limits.seconds(key)):
                found.append((code, f"{product}: {at - earlier[-1].at} after the last, {key} is {limits.risk[key]}"))
        cooldowns = [dict(self._cooldown_problems(product, at, closes)) for closes in known]
        return found + [item for item in cooldowns[0].items() if all(item[0] in other for other in cooldowns)]

    def _cooldown_problems(self, product: str, at: datetime, closes: Sequence[Close]) -> list[Problem]:
        limits, found = self.limits, []
        last = next((close for close in reversed(closes) if close.product == product), None)
        if last is not None:
            keys = ["per_symbol_cooldown_minutes"]
            keys += ["per_symbol_cooldown_after_loss_minutes"] if last.was_loss else []
            keys += ["per_symbol_cooldown_after_stop_minutes"] if last.reason == "stop_loss" else []
            pause = timedelta(seconds=max(limits.seconds(key) for key in keys))
            if at + CYCLE < last.at + pause:
                found.append(("cooldown", f"{product}: {at - last.at} after its close ({last.reason}), of {pause}"))
        streak = closes[-int(limits.risk["cooldown_after_loss_trades"]) :]
        pause = timedelta(seconds=limits.seconds("cooldown_minutes"))
        is_streak = len(streak) == limits.risk["cooldown_after_loss_trades"] and all(c.was_loss for c in streak)
        if is_streak and at + CYCLE < streak[-1].at + pause:
            found.append(("loss_pause", f"{product}: {at - streak[-1].at} after {len(streak)} losses, of {pause}"))
        return found


def _committed(earlier: Ordered, ordered: Ordered, fee: Decimal) -> Decimal:
    """
    Return what an earlier order counts for while a later one is sent.

    Resting entries of a cycle are placed together, and so are the crossing ones: then all of it may still fill. The
    first leg of an entry is over before its second is sent, and all resting ones before any crosses: only fills count.
    """
    if earlier.outcome in DEAD:
        return ZERO
    is_over = earlier.order["lot"] == ordered.order["lot"] or (
        earlier.order["order_type"] == "limit_post_only" and ordered.order["order_type"] == "limit_ioc"
    )
    return earlier.spent if is_over else earlier.worst_cost(fee)


def _cash_problem(product: str, needed: Decimal, now: Moment) -> list[Problem]:
    there = now.cash.get(product.partition("-")[2], ZERO)
    return [] if needed <= there else [("cash_cap", f"{product} may cost {needed:.4f} in all, there is {there:.4f}")]


def before_buys(
    books: Books, flows: Iterable[dict[str, Any]], fills: Iterable[dict[str, Any]], own: Collection[str]
) -> tuple[dict[str, Lot], dict[str, Decimal]]:
    """
    Return lots and cash after a line's cash flows and sales but before its purchases (exits come first, L6).

    `own` are the ids of the line's own orders: what an earlier one bought was booked before, and may be sold here.
    """
    apart = Books(
        cash=dict(books.cash),
        lots={
            key: Lot(lot.product, lot.opened_at, lot.reason, lot.quantity, lot.cost, lot.realised)
            for key, lot in books.lots.items()
        },
    )
    for flow in flows:
        apart.flow(flow["currency"], Decimal(flow["amount"]))
    for fill in fills:
        if fill["side"] == "SELL" or fill["client_order_id"] not in own:
            apart.book(fill, "")
    return apart.lots, apart.cash
