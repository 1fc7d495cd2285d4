"""
The verdict on a run: the exchange's own books and orders against the bot's journal and audit, to the last digit.

Nothing here believes the program. Each finding is a code and a sentence; an empty list is what LIVE must leave behind.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

from core.model.money import plain
from runner.adapters.simulated_coinbase.order_rows import FILLS_NAMESPACE
from runner.matching.books import Name
from runner.matching.order_record import OrderRecord
from runner.matching.venue_order import Kind, TimeInForce
from tests.independent_checker import check
from tests.independent_checker.check import LineSchema
from tests.independent_checker.record_lines import segments_of
from tests.loopback.exchange_books import EXACT, OWNER, ZERO
from tests.loopback.live_desk import CAPITAL, LiveDesk
from tests.loopback.witness import Naked

UNAWARE_MINUTES_MAX = 8
"""A storm lasts five minutes at most; while nothing can be read, nothing can be known."""

KINDS = {
    "limit_post_only": (Kind.LIMIT, TimeInForce.GTD),
    "limit_ioc": (Kind.LIMIT, TimeInForce.IOC),
    "stop_limit": (Kind.STOP_LIMIT, TimeInForce.GTC),
    "bracket": (Kind.BRACKET, TimeInForce.GTC),
}


def violations(desk: LiveDesk, schema: LineSchema | None = None) -> list[str]:
    """
    Return everything that must not be, after an end before which the exchange has behaved for long enough.

    `schema` takes the place of the independent checker's own.
    """
    late = unsettled(desk)
    return [
        *([f"not_finished: {desk.gave_up}"] if desk.gave_up else []),
        *desk.witness.problems,
        *_ids(desk),
        *_orders_as_meant(desk),
        *_owner_untouched(desk),
        *(f"exchange_books: {fault}" for fault in desk.exchange.books.faults()),
        *_audit(desk, schema),
        *_resolutions_told(desk),
        *_silent_nakedness(desk),
        *lasting_nakedness(desk.witness.seen.naked, lines_of(desk)),
        *late,
    ]


def unsettled(desk: LiveDesk) -> list[str]:
    """Return what bot and exchange do not agree on at this moment."""
    desk.witness.finish()
    desk.witness.journal.read_on()
    return [*_fills(desk), *_cash_and_coins(desk), *_settled(desk)]


def lines_of(desk: LiveDesk) -> list[dict[str, Any]]:
    """Return the audit, line by line, through all its files; a torn end of one is left out."""
    files = [path for path in segments_of(desk.audit_file) if path.exists()]
    facts = [path.stat() for path in files]
    marks = tuple(number for one in facts for number in (one.st_ino, one.st_size, one.st_mtime_ns))
    if desk.lines_read[0] != marks:
        raw = (line for path in files for line in path.read_bytes().splitlines(keepends=True))
        desk.lines_read = marks, [json.loads(line) for line in raw if line.endswith(b"\n")]
    return desk.lines_read[1]


# --- orders -----------------------------------------------------------------------------------------------------------


def bots_orders(desk: LiveDesk) -> list[tuple[str, OrderRecord]]:
    """Return the bot's orders at the exchange, by their client_order_id; an id may come twice if something is wrong."""
    named = [(desk.exchange.client_order_id_of(record), record) for record in desk.exchange.orders()]
    return [(name, record) for name, record in named if not name.startswith(OWNER)]


def _ids(desk: LiveDesk) -> Iterator[str]:
    """At most one order per intent, and no order without one."""
    names = [name for name, _ in bots_orders(desk)]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"order_twice: {names.count(name)} orders with the id {name}"
        if name not in desk.witness.journal.intents:
            yield f"order_without_intent: {name}"
    yield from (f"fill_journaled_twice: {fill_id}" for fill_id in desk.witness.journal.fills_repeated)


def _orders_as_meant(desk: LiveDesk) -> Iterator[str]:
    """What the exchange took is what the intent says, field by field."""
    for name, record in bots_orders(desk):
        written = desk.witness.journal.intents.get(name)
        if written is None:
            continue
        order, sent = written.order, record.order
        pairs = {
            "product_id": (order["product_id"], str(sent.product_id)),
            "side": (order["side"], sent.side.value),
            "kind": (KINDS[order["order_type"]], (sent.kind, sent.time_in_force)),
            "post_only": (order["order_type"] == "limit_post_only", sent.post_only),
            "size": (Decimal(order["size"]), sent.base_size),
            "limit_price": (Decimal(order["limit_price"]), sent.limit_price),
            "stop_price": (None if order["stop_price"] is None else Decimal(order["stop_price"]), sent.stop_price),
        }
        for field, (meant, taken) in pairs.items():
            if meant != taken:
                yield f"order_differs: {field} of {name}: meant {meant}, the exchange has {taken}"
        if written.at > record.created_at:
            yield f"order_before_intent: {name} was created at {record.created_at}, intended at {written.at}"


def _owner_untouched(desk: LiveDesk) -> Iterator[str]:
    """The owner's orders end by the owner's hand, by filling, or not at all."""
    for record in desk.exchange.orders():
        if (
            record.order_id in desk.owner.orders
            and record.cancel_requested
            and record.order_id not in desk.owner.cancelled
        ):
            yield f"foreign_order_touched: {record.order_id} of the owner was cancelled, and not by the owner"


# --- money ------------------------------------------------------------------------------------------------------------


def _fills(desk: LiveDesk) -> Iterator[str]:
    """Every execution of the bot is booked once, as it was, and nothing else is booked."""
    booked = dict(desk.witness.journal.fills)
    for executed in desk.witness.books.executed.values():
        fill = booked.pop(str(uuid.uuid5(FILLS_NAMESPACE, executed.fill_id)), None)
        if fill is None:
            yield f"fill_missing: {executed.fill_id} of {executed.client_order_id} was never booked"
            continue
        with localcontext(prec=EXACT):
            sign = 1 if fill["side"] == "BUY" else -1
            price, size, fee = (Decimal(fill[key]) for key in ("price", "size", "fee"))
            ours = (sign * size, -sign * price * size - fee, fee, fill["client_order_id"])
        theirs = (executed.coins, executed.cash, executed.fee, executed.client_order_id)
        if ours != theirs:
            yield f"fill_differs: {executed.fill_id}: booked {ours}, the exchange has {theirs}"
    yield from (f"fill_invented: {name} is booked, and the exchange has none like it" for name in booked)


def _cash_and_coins(desk: LiveDesk) -> Iterator[str]:
    """The bot's last line, the bot's flows at the exchange, and the account itself agree on every digit."""
    lines = [line for line in lines_of(desk) if line["portfolio"] is not None]
    if not lines:
        yield "no_portfolio: no line has one"
        return
    portfolio, books = lines[-1]["portfolio"], desk.witness.books
    with localcontext(prec=EXACT):
        cash = CAPITAL + books.bot.of("USD")
        owners = books.owner.of("USD") - CAPITAL
        if Decimal(portfolio["cash"]["USD"]) != cash:
            yield f"cash_differs: the audit has {portfolio['cash']['USD']}, the exchange's entries {plain(cash)}"
        totals = desk.exchange.books.account.totals()
        for currency in dict.fromkeys((*books.bot.flows, *books.owner.flows)):
            there = sum((totals.get((name, currency), ZERO) for name in (Name.AVAILABLE, Name.HOLD)), ZERO)
            ours = cash if currency == "USD" else books.bot.of(currency)
            theirs = owners if currency == "USD" else books.owner.of(currency)
            if there != ours + theirs:
                yield f"account_differs: {there} {currency}, bot {ours} and owner {theirs}"
        held: dict[str, Decimal] = {}
        for item in portfolio["positions"]:
            base = item["product"].partition("-")[0]
            held[base] = held.get(base, ZERO) + Decimal(item["quantity"])
        for base in dict.fromkeys((*held, *(name for name in books.bot.flows if name != "USD"))):
            if held.get(base, ZERO) != books.bot.of(base):
                yield f"coins_differ: the audit has {held.get(base, ZERO)} {base}, the exchange {books.bot.of(base)}"


def _settled(desk: LiveDesk) -> Iterator[str]:
    """After calm nothing is in doubt: what the bot takes for open is open, and the other way round."""
    open_there = {name for name, record in bots_orders(desk) if not record.status.is_final}
    for written in desk.witness.journal.intents.values():
        name = written.client_order_id
        if written.is_unresolved and written.closed_as is None:
            yield f"still_unknown: {name}, intended at {written.at}"
        elif written.is_open and name not in open_there:
            yield f"open_here_only: {name} is open in the journal and over at the exchange"
        elif not written.is_open and name in open_there:
            yield f"open_there_only: {name} is open at the exchange and {written.closed_as or written.outcomes} here"
    if desk.witness.seen.naked and (last := desk.witness.seen.naked[-1]).slot >= lines_of(desk)[-1]["slot"] - 1:
        yield f"still_naked: {last}"


# --- records ----------------------------------------------------------------------------------------------------------


def _audit(desk: LiveDesk, schema: LineSchema | None) -> Iterator[str]:
    if not desk.audit_file.exists():
        return
    # With any fault the answer to an exit may be lost, and its fill told later than what was bought in its line.
    lag = bool(desk.exchange.behaviour.lags.fills) or desk.exchange.faults.counts.total() > 0
    report = check(desk.audit_file, desk.config, fills_may_lag=lag, schema=schema)
    yield from (f"audit: {violation}" for violation in report.violations)
    for line in lines_of(desk):
        if line["error"] is not None and line["error"]["type"] != "Interrupted":
            yield f"exception: {line['error']} in slot {line['slot']}"


def _resolutions_told(desk: LiveDesk) -> Iterator[str]:
    """What became of each order in the end stands in some line of the audit."""
    told: set[tuple[str, str | None]] = set()
    for line in lines_of(desk):
        orders, resolved = (line["execution"] or {}).get("orders", []), (line["reconcile"] or {}).get("resolved", [])
        told |= {(item["client_order_id"], item["outcome"]) for item in (*orders, *resolved)}
    for name, written in desk.witness.journal.intents.items():
        if written.outcomes and (name, written.outcomes[-1]) not in told:
            yield f"outcome_not_told: {name} is {written.outcomes[-1]} in the journal, and no line says so"


def _silent_nakedness(desk: LiveDesk) -> Iterator[str]:
    """
    Coins that the bot knew of and nothing guarded at a minute's end: its line must say so, or that it sells them.

    So may the next line, for what happened in the wait between the two. A bot that was down says nothing.
    """
    told = lines_of(desk)
    by_slot: Mapping[int, dict[str, Any]] = {line["slot"]: line for line in told}
    starts = {line["slot"] for before, line in pairwise(told) if line["run_id"] != before["run_id"]}
    for naked in desk.witness.seen.naked:
        lines = [line for slot in (naked.slot, naked.slot + 1) if (line := by_slot.get(slot)) is not None]
        was_down = naked.slot not in by_slot and naked.slot + 1 in starts
        was_cut_off = any(line["no_trade_reason"] == "interrupted" for line in lines)
        if naked.why != "known" or not lines or was_down or was_cut_off:
            continue
        if not any(_owns_up(line, naked.base) for line in lines):
            yield f"silently_naked: {naked} and its line says nothing of it"


def lasting_nakedness(found: Sequence[Naked], lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """
    What the bot could not know, it must have found out a few minutes later; those in which it saw nothing do not count.

    Coins that it is selling meanwhile, and says so, are no such thing: each attempt is a minute's news, and so is what
    becomes of the guard that bridges the wait for the next one. It can do no more where that guard is accepted and
    failed at once in each minute.
    """
    by_slot = {line["slot"]: line for line in lines}
    seen = {
        (naked.slot, naked.base)
        for naked in found
        if (naked.why in ("unseen", "believed guarded") and not _is_being_sold(by_slot.get(naked.slot), naked))
        or (naked.why == "failed at once" and not _is_leaving(by_slot.get(naked.slot), naked.base))
    }
    spans: dict[str, tuple[int, int, int]] = {}
    for slot, base in sorted(seen):
        first, last, minutes = spans.get(base, (slot, slot, 0))
        first, minutes = (first, minutes) if last >= slot - 1 else (slot, 0)
        line = by_slot.get(slot)
        minutes += line is not None and line["no_trade_reason"] != "broker_unavailable"
        spans[base] = first, slot, minutes
        if minutes == UNAWARE_MINUTES_MAX + 1:
            yield f"unaware: {base} is unguarded since slot {first}, {slot - first} minutes later nobody knows"


def _is_being_sold(line: Mapping[str, Any] | None, naked: Naked) -> bool:
    """Tell whether a line has a sale tried for as much as nothing guards; that one is due would not do."""
    if line is None or line["portfolio"] is None:
        return False
    tried = {item["lot"] for item in (line["execution"] or {}).get("orders", []) if item["purpose"] == "exit"}
    lots = (item for item in line["portfolio"]["positions"] if item["product"].partition("-")[0] == naked.base)
    return sum((Decimal(item["quantity"]) for item in lots if item["lot"] in tried), ZERO) >= naked.quantity


def _owns_up(line: Mapping[str, Any], base: str) -> bool:
    return _is_leaving(line, base) or line["unprotected_seconds"] > 0 or "unprotected" in line["alerts"]


def _is_leaving(line: Mapping[str, Any] | None, base: str) -> bool:
    """Tell whether a line says that a lot of a coin is being sold."""
    if line is None:
        return False
    lots = {item["lot"] for item in line["portfolio"]["positions"] if item["product"].partition("-")[0] == base}
    return any(item["lot"] in lots for item in line["exits"] or [])
