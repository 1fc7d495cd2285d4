"""
Verify a bot's records with nothing of the bot: `python verify_alone.py DIR...`, from anywhere, on any machine.

One file, standard library only. From journal and audit alone it recomputes hash chains, the life of every order, cash,
positions, fees and realised profit, and holds every audit line against them; no mistake can hide in both. DIR: data and
logs, or one with copies of their files. Ends with 0 (all holds), 1 (one line for each thing that does not) or 2.

A record is a line `{...,"seq":N,"prev":"<64 hex>","hash":"<64 hex>"}`: `hash` is the SHA-256 of all bytes before
`,"hash"`, `prev` the hash before it, 64 zeros for the first. The files of a chain are `stem.000001.jsonl`, ... and
`stem.jsonl`; where one ends inside a line that a crash tore, the first record of the next says so (`segment`).
"""

import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, setcontext
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Report = Callable[[str, str], None]

NO_HASH, SEAL_BYTES, LINE_BYTES_MAX = "0" * 64, 76, 1 << 20
SEAL = re.compile(rb',"seq":([0-9]+),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n\Z')
SEAL_INSIDE = re.compile(rb'","hash":"[0-9a-f]{64}"\}.', re.DOTALL)
ENDED = re.compile(r"\.[0-9]{6}\.jsonl$")
ZERO, STEP = Decimal(0), Decimal("0.00000001")
AFTER_A_LINE = ("slots", "orders", "fills")
ENDED_AS, NEVER_THERE = ("FILLED", "CANCELLED", "EXPIRED", "FAILED"), ("REJECTED", "ABSENT", "NOT_SENT")


def records(path: Path, report: Report) -> Iterator[tuple[str, Json, str]]:
    """Yield place, members and hash of every record of a chain, in order; damage is reported and read over."""
    seq, prev, bad, bad_hash, bad_end = 0, NO_HASH, 0, hashlib.sha256(), b""
    ended = sorted(path.parent.glob(f"{path.stem}.[0-9][0-9][0-9][0-9][0-9][0-9].jsonl"))
    for file in [*ended, path] if path.exists() else ended:
        with file.open("rb") as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(LINE_BYTES_MAX), b""), 1):
                place, seal = f"{file}:{number}", SEAL.search(raw)
                if seal is None or hashlib.sha256(raw[:-SEAL_BYTES]).hexdigest().encode() != seal[3]:
                    bad, bad_end = bad + len(raw), raw
                    bad_hash.update(raw)
                    continue
                body: Json = json.loads(raw)
                named = body.get("segment") or {}
                if number == 1 and "begun_afresh" in named:
                    seq, prev = 0, NO_HASH
                elif bad and not (number == 1 and named.get("torn_sha256") == bad_hash.hexdigest()):
                    report(place, f"{bad} bytes before it are no record, and it does not say so")
                bad, bad_hash = 0, hashlib.sha256()
                if (body["seq"], body["prev"]) != (seq + 1, prev):
                    report(place, f"seq {body['seq']} after {body['prev'][:16]}, expected {seq + 1} after {prev[:16]}")
                seq, prev = body["seq"], body["hash"]
                yield place, body, prev
    if bad and (bad > len(bad_end) or bad_end.endswith(b"\n") or SEAL_INSIDE.search(bad_end)):
        report(str(path), f"its last {bad} bytes are no record, nor the beginning of one")
    elif bad:
        print(f"{path}: open end, {bad} bytes of a record that is being written or was torn by a crash")


@dataclass(slots=True)
class Order:
    order: Json
    outcome: str = "UNKNOWN"
    order_id: str | None = None
    status: str = "PENDING"
    filled: Decimal = ZERO


@dataclass(slots=True)
class Lot:
    product: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO


@dataclass(slots=True)
class Books:
    """Cash by currency, lots, coins sold beyond them, fees and realised profit: from fills alone, to the last digit."""

    cash: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    lots: dict[str, Lot] = field(default_factory=dict)
    beyond: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    fees: Decimal = ZERO
    realised: Decimal = ZERO

    def book(self, fill: Json, lot_id: str, purpose: str) -> None:
        price, size, fee = (Decimal(fill[name]) for name in ("price", "size", "fee"))
        product, is_buy = fill["product_id"], fill["side"] == "BUY"
        self.cash[product.partition("-")[2]] += -(price * size + fee) if is_buy else price * size - fee
        self.fees += fee
        if is_buy and purpose != "cover":
            self._buy(lot_id, product, size, price * size + fee)
            return
        lot = self.lots.get(lot_id)
        owed, got = self.beyond.get(product, (ZERO, ZERO))
        there = owed if is_buy else (ZERO if lot is None else lot.quantity)
        part = min(size, there)  # of a sale what the lot has, of a cover what is missing; the rest is booked apart
        part_fee = fee if part == size else min(fee, rounded(fee * part / size))
        if is_buy:
            if part:
                share = got if part == owed else rounded(got * part / owed)
                self.realised += share - price * part - part_fee
                self.beyond[product] = (owed - part, got - share)
            if size > part:
                self._buy(lot_id, product, size - part, price * (size - part) + fee - part_fee)
        else:
            if lot is not None and part:
                share = lot.cost if part == lot.quantity else rounded(lot.cost * part / lot.quantity)
                self.realised += price * part - part_fee - share
                lot.quantity, lot.cost = lot.quantity - part, lot.cost - share
            if size > part:
                self.beyond[product] = (owed + size - part, got + price * (size - part) - (fee - part_fee))
        if lot is not None and not lot.quantity:
            del self.lots[lot_id]
        if not self.beyond.get(product, (ZERO,))[0]:
            self.beyond.pop(product, None)

    def _buy(self, lot_id: str, product: str, size: Decimal, spent: Decimal) -> None:
        lot = self.lots.setdefault(lot_id, Lot(product))
        lot.quantity, lot.cost = lot.quantity + size, lot.cost + spent

    def as_line(self) -> Json:
        return {
            "cash": {name: plain(amount) for name, amount in self.cash.items()},
            "positions": {k: [lot.product, plain(lot.quantity), plain(lot.cost)] for k, lot in self.lots.items()},
            "oversold": {name: plain(quantity) for name, (quantity, _) in self.beyond.items()},
            "realised": plain(self.realised),
            "fees": plain(self.fees),
        }


@dataclass(slots=True)
class Journal:
    """The events so far: runs, slots, orders, books; and since the last audit line, what that line must tell."""

    report: Report
    books: Books = field(default_factory=Books)
    orders: dict[str, Order] = field(default_factory=dict)
    order_ids: dict[str, str] = field(default_factory=dict)
    fill_ids: set[str] = field(default_factory=set)
    run: Json = field(default_factory=dict)
    slot: int | None = None
    new: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def note(self, place: str, body: Json) -> None:
        name, kind = body.get("client_order_id", ""), body["kind"]
        if kind == "RUN":
            self.run = body
        elif kind == "TICK":
            if self.slot is not None and body["slot"] <= self.slot:
                self.report(place, f"slot {body['slot']} after {self.slot}: a slot is used once, and they rise")
            self.slot = body["slot"]
            self.new["slots"].append(body["slot"])
        elif kind == "CASH":
            self.books.cash[body["currency"]] += Decimal(body["amount"])
        elif kind == "INTENT":
            self._intend(place, body)
        elif kind == "FILL":
            self._fill(place, body["fill"])
        elif name and name not in self.orders:
            self.report(place, f"{kind} of {name}, which was never intended")
        elif kind in ("OUTCOME", "CLOSED"):
            self._end(place, body, self.orders[name])

    def _intend(self, place: str, body: Json) -> None:
        order = body["order"]
        name, wanted = order["client_order_id"], "BUY" if order["purpose"] in ("entry", "cover") else "SELL"
        if name in self.orders:
            self.report(place, f"order {name} was intended before: an id is used once")
        if order["side"] != wanted or min(Decimal(order["size"]), Decimal(order["limit_price"])) <= 0:
            self.report(place, f"order {name}: a {order['purpose']} cannot {order['side']} {order['size']}")
        if wanted == "SELL" and order["lot_id"] not in self.books.lots:
            self.report(place, f"order {name} sells lot {order['lot_id']}, which is not ours")
        self.orders[name] = Order(order)
        self.new["orders"].append(name)

    def _end(self, place: str, body: Json, order: Order) -> None:
        name, outcome = body["client_order_id"], body.get("outcome")
        if order.status in ENDED_AS:
            self.report(place, f"order {name} was {order.status} before: an end is final")
        if outcome is None:
            order.status = body["status"]
            if order.status not in ENDED_AS:
                self.report(place, f"order {name} cannot end as {order.status}")
            return
        if order.outcome == "ACCEPTED" != outcome or (outcome in NEVER_THERE and order.filled):
            self.report(place, f"order {name} was {order.outcome}, {order.filled} filled: it cannot become {outcome}")
        order.outcome, order.status = outcome, "FAILED" if outcome in NEVER_THERE else order.status
        self._bind(place, name, order, body["order_id"])

    def _bind(self, place: str, name: str, order: Order, order_id: str | None) -> None:
        if order_id is not None:
            if order.order_id not in (None, order_id) or self.order_ids.get(order_id, name) != name:
                self.report(place, f"{order_id} is not the exchange's id of {name}: one order of ours, one there")
            order.order_id, self.order_ids[order_id] = order_id, name

    def _fill(self, place: str, fill: Json) -> None:
        name, order, key = fill["client_order_id"], self.orders.get(fill["client_order_id"]), fill["fill_id"]
        self.new["fills"].append(key)
        if order is None:
            self.report(place, f"fill {key} of {name}, which was never intended")
        elif key not in self.fill_ids:  # one that is told twice counts once
            self.fill_ids.add(key)
            order.filled += Decimal(fill["size"])
            is_sane = Decimal(fill["price"]) > 0 < Decimal(fill["size"]) and Decimal(fill["fee"]) >= 0
            if not is_sane or any(fill[part] != order.order[part] for part in ("product_id", "side")):
                self.report(place, f"fill {key} does not match its order {name}")
            if order.filled > Decimal(order.order["size"]):
                self.report(place, f"order {name} is for {order.order['size']}, {order.filled} filled")
            self._bind(place, name, order, fill["order_id"])
            self.books.book(fill, order.order["lot_id"], order.order["purpose"])


def rounded(amount: Decimal) -> Decimal:
    return (amount / STEP).to_integral_value(ROUND_HALF_EVEN) * STEP


def plain(amount: Decimal) -> str:
    return format((amount + 0).normalize(), "f")


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.exists() else 0


def verify(journal_path: Path | None, audit_path: Path | None, report: Report) -> Json:
    """Hold every line of the audit against the journal up to the place that it names; return the figures."""
    journal, size, told, last_hash, lines, events, kind = Journal(report), _size(journal_path), 0, "", 0, 0, ""
    source = iter(()) if journal_path is None else records(journal_path, report)
    for place, line, _ in () if audit_path is None else records(audit_path, report):
        lines, seq, is_afresh = lines + 1, line["journal_seq"] or 0, "begun_afresh" in (line["segment"] or {})
        if seq <= told and not is_afresh:
            report(place, f"journal_seq {seq} after {told}")
        while told < seq and (found := next(source, None)):
            told, last_hash, events = found[1]["seq"], found[2], events + 1
            journal.note(found[0], found[1])
        if journal_path is not None:
            _compare(place, line, journal, report, last_hash if told == seq else "", is_afresh=is_afresh)
    for place, body, _ in source:
        events, kind = events + 1, body["kind"]
        journal.note(place, body)
    silent = journal.new["slots"] if kind == "STOP" else journal.new["slots"][:-1]  # the last may be under way
    if audit_path and silent and size == _size(journal_path):  # else the bot is writing, and has gone on
        report(str(audit_path), f"no line for the slots {silent[:10]}, which the journal knows")
    figures = {"lines": lines, "events": events, "orders": len(journal.orders), "fills": len(journal.fill_ids)}
    return figures | journal.books.as_line()


def _compare(place: str, line: Json, journal: Journal, report: Report, last_hash: str, *, is_afresh: bool) -> None:
    facts = ("run_id", "mode", "venue", "config_hash", "code_hash")
    written = {"journal_hash": line["journal_hash"], "slots": [line["slot"]]} | {name: line[name] for name in facts}
    expected = {name: journal.run.get(name) for name in facts}
    expected["journal_hash"] = last_hash[:16]
    execution, portfolio, pnl = line["execution"] or {}, line["portfolio"], line["pnl"]
    written["orders"] = [item["client_order_id"] for item in execution.get("orders", [])]
    written["fills"] = [item["fill_id"] for item in execution.get("fills", [])]
    expected |= {name: journal.new[name] for name in AFTER_A_LINE}
    journal.new.clear()
    if portfolio is not None and pnl is not None:
        written["positions"] = {i["lot"]: [i["product"], i["quantity"], i["cost"]] for i in portfolio["positions"]}
        written["oversold"] = {item["product"]: item["quantity"] for item in portfolio.get("oversold", [])}
        written |= {"cash": portfolio["cash"], "realised": pnl["realised"], "fees": pnl["fees"]}
        expected |= journal.books.as_line()
    for name, value in written.items():
        if value != expected[name] and not (is_afresh and name in AFTER_A_LINE):  # told by lines that are gone
            report(place, f"{name} is {value}, the journal says {expected[name]}")


def main(arguments: list[str]) -> int:
    """Verify what is in some directories and return the exit code."""
    setcontext(Context(prec=100))
    files = [path for name in arguments for path in sorted(Path(name).glob("*.jsonl"))]
    chains = sorted({path.with_name(ENDED.sub(".jsonl", path.name)) for path in files})
    journals, audits = ([p for p in chains if p.name.endswith(end)] for end in ("journal.jsonl", "_audit.jsonl"))
    if max(len(journals), len(audits)) != 1:
        print(f"usage: verify_alone.py DIR...; found {len(journals)} journal.jsonl and {len(audits)} *_audit.jsonl")
        return 2
    count = [0]

    def report(place: str, what: str) -> None:
        count[0] += 1
        print(f"{place}: {what}")

    try:
        figures = verify(next(iter(journals), None), next(iter(audits), None), report)
    except (OSError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        print(f"cannot go on: {type(error).__name__}: {error}")
        return 2
    print(", ".join(f"{name} {value}" for name, value in figures.items()))
    print(f"{count[0]} findings" if count[0] else "everything holds")
    return 1 if count[0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
