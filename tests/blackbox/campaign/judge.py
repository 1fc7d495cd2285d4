"""
The verdict on an era: what the exchange's books say, held against journal, audit, logs and all that was printed.

Nothing here believes the program, or imports it. Each finding is a code and a sentence.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.blackbox.bot import Bot
from tests.blackbox.campaign.background import OWNER
from tests.blackbox.campaign.line import Passed
from tests.blackbox.campaign.market import CAPITAL, DEPOSITED, PRODUCT_SHARE, SETTLE_SECONDS, TOTAL_SHARE
from tests.independent_checker import check
from tests.independent_checker.record_lines import read

ON_ITS_WAY_SECONDS = 60.0
"""An order that was let go before the kill file appeared may need so long to the exchange on a busy machine."""

LOOKS_AFTER = 3
SETTLE_MARGIN_SECONDS = 20

CAPS = ("equity_unknown", "total_cap", "product_cap", "theme_cap", "cash_cap", "positions_cap")
SLACK = Decimal("1.02")
"""Of the capital: what it may have become in a few minutes."""

DEAD = ("REJECTED", "NOT_SENT", "ABSENT")
PIECE = 12
ZERO = Decimal(0)
Row = dict[str, Any]

KINDS = {
    "limit_post_only": ("LIMIT", "GOOD_UNTIL_DATE_TIME"),
    "limit_ioc": ("LIMIT", "IMMEDIATE_OR_CANCEL"),
    "stop_limit": ("STOP_LIMIT", "GOOD_UNTIL_CANCELLED"),
    "bracket": ("BRACKET", "GOOD_UNTIL_CANCELLED"),
}


@dataclass(slots=True)
class Story:
    """The journal, folded as far as a judge needs it."""

    intents: dict[str, Row] = field(default_factory=dict)
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    fills: dict[str, list[Row]] = field(default_factory=dict)
    sent_at: dict[str, float] = field(default_factory=dict)
    ticks: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def in_doubt(self, name: str) -> bool:
        told = self.outcomes.get(name, [])
        return name not in self.closed and (not told or told[-1] == "UNKNOWN")

    def was_in_doubt(self, name: str) -> bool:
        """Tell whether nobody knew for a while: an UNKNOWN outcome, or one that came from a later look only."""
        return "UNKNOWN" in self.outcomes.get(name, []) or not self.outcomes.get(name)


def read_story(journal: Iterable[Row]) -> Story:
    """Fold a journal, and find what no journal may hold."""
    story, fill_ids = Story(), Counter[str]()
    for record in journal:
        kind = record["kind"]
        if kind in ("INTENT", "SENT"):
            _note_order(story, record)
        elif kind == "OUTCOME":
            story.outcomes.setdefault(record["client_order_id"], []).append(record["outcome"])
        elif kind == "CLOSED":
            story.closed[record["client_order_id"]] = record["status"]
        elif kind == "TICK":
            story.ticks.append(record["slot"])
        elif kind == "FILL":
            fill = record["fill"]
            fill_ids[fill["fill_id"]] += 1
            story.fills.setdefault(fill["client_order_id"], []).append(fill)
    story.problems += [f"fill_twice: {name}" for name, times in fill_ids.items() if times > 1]
    return story


def _note_order(story: Story, record: Row) -> None:
    """Take in that an order is meant, or marked as sent: each happens once."""
    if record["kind"] == "SENT":
        name = str(record["client_order_id"])
        if name in story.sent_at:
            story.problems.append(f"sent_twice: {name}")
        story.sent_at[name] = _epoch(record["at"])
        return
    name = str(record["order"]["client_order_id"])
    if name in story.intents:
        story.problems.append(f"intent_twice: {name}")
    story.problems += _doubtful(story, record["order"])
    story.intents[name] = record


def _doubtful(story: Story, order: Row) -> Iterator[str]:
    """Find an entry that is meant while another order of its product is in doubt (L4)."""
    if order["purpose"] != "entry":
        return
    for name, record in story.intents.items():
        if record["order"]["product_id"] == order["product_id"] and story.in_doubt(name):
            yield f"bought_in_doubt: {order['client_order_id']} while {name} of {order['product_id']} is unknown"


# --- what every run must leave ----------------------------------------------------------------------------------------


def judge_records(bot: Bot, story: Story, capital: int) -> Iterator[str]:
    """Chains are whole, each started cycle has its one line, the independent checker has nothing to say."""
    yield from story.problems
    for path in (bot.data / "journal.jsonl", bot.audit_file):
        if path.exists():
            yield from (f"chain of {path.name}: {violation}" for violation in read(path)[1])
    slots = [line["slot"] for line in bot.lines()]
    if slots != story.ticks:
        yield f"lines: {_first_difference(slots, story.ticks)}"
    yield from judge_caps(bot.journal(), capital)
    if not bot.audit_file.exists():
        return
    by_number = {line.number: line.body for line in read(bot.audit_file)[0]}  # torn ones are counted, too
    for violation in check(bot.audit_file, bot.config_dir, fills_may_lag=True).violations:
        body = by_number.get(violation.line, {})
        is_of_other_slots = violation.code == "timestamp"  # its slots are minutes, ours seconds
        # A line that was cut off, or counts orders in doubt, does not tell which buys still rest: `judge_caps` knows.
        is_vague = body.get("no_trade_reason") == "interrupted" or (body.get("reconcile") or {}).get("unknown_orders")
        if not is_of_other_slots and not (is_vague and violation.code in CAPS):
            yield f"audit: {violation}"
    for line in by_number.values():
        if line["error"] is not None and line["error"]["type"] != "Interrupted":
            yield f"exception: {line['error']} in slot {line['slot']}"


def judge_caps(journal: Iterable[Row], capital: int) -> Iterator[str]:
    """At each BUY intent: what is held at cost, and all that may still be bought, is below the caps (L7)."""
    held: dict[str, Decimal] = {}
    open_buys: dict[str, tuple[str, Decimal]] = {}
    for record in journal:
        if record["kind"] == "INTENT" and record["order"]["side"] == "BUY":
            order = record["order"]
            worst = Decimal(order["size"]) * Decimal(order["limit_price"])
            open_buys[order["client_order_id"]] = (order["product_id"], worst)
            product = order["product_id"]
            own = held.get(product, ZERO) + sum((left for name, left in open_buys.values() if name == product), ZERO)
            every = sum(held.values(), ZERO) + sum((left for _, left in open_buys.values()), ZERO)
            for what, value, share in (("product", own, PRODUCT_SHARE), ("total", every, TOTAL_SHARE)):
                if value > capital * share * SLACK:
                    yield f"cap: {what}: {order['client_order_id']} makes it {value:.2f} of {capital * share} USD"
        elif record["kind"] == "CLOSED" or record.get("outcome") in DEAD:
            open_buys.pop(record["client_order_id"], None)
        elif record["kind"] == "FILL":
            _hold(record["fill"], held, open_buys)


def _hold(fill: Row, held: dict[str, Decimal], open_buys: dict[str, tuple[str, Decimal]]) -> None:
    product, value = fill["product_id"], Decimal(fill["size"]) * Decimal(fill["price"])
    if fill["side"] == "SELL":
        held[product] = max(held.get(product, ZERO) - value, ZERO)
        return
    held[product] = held.get(product, ZERO) + value
    if fill["client_order_id"] in open_buys:
        name, left = open_buys[fill["client_order_id"]]
        open_buys[fill["client_order_id"]] = (name, max(left - value, ZERO))


def _first_difference(slots: Sequence[int], ticks: Sequence[int]) -> str:
    place = next((at for at, pair in enumerate(zip(slots, ticks, strict=False)) if pair[0] != pair[1]), None)
    place = min(len(slots), len(ticks)) if place is None else place
    told, begun = [*slots[place : place + 2]], [*ticks[place : place + 2]]
    return f"{len(slots)} lines for {len(ticks)} started cycles; from {place} on, lines {told} and cycles {begun}"


def judge_words(bot: Bot, printed: Mapping[str, str], key: tuple[str, str]) -> Iterator[str]:
    """Nothing anywhere has a traceback, or a piece of the key or of a token."""
    texts = dict(printed)
    for folder in (bot.data, bot.audit_file.parent):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                texts[path.name] = path.read_bytes().decode("utf-8", "replace")
    pieces = _pieces(key)
    for name, text in texts.items():
        if "Traceback (most recent call last)" in text:
            at = text.index("Traceback (most recent call last)")
            yield f"traceback in {name}: {text[at : at + 800]!r}"
        if any(piece in text for piece in pieces) or re.search(r"eyJ[0-9A-Za-z_-]{6,}", text):
            yield f"secret in {name}"


def _pieces(key: tuple[str, str]) -> list[str]:
    told = " ".join(key).replace("organizations/", " ").replace("/apiKeys/", " ")
    words = re.findall(r"[0-9A-Za-z+/=-]+", re.sub(r"-----[A-Z ]+-----", " ", told))
    return sorted({word[at : at + PIECE] for word in words for at in range(0, len(word) - PIECE + 1, PIECE // 2)})


def judge_kills(story: Story, asked: Sequence[Passed], windows: Sequence[Sequence[float | None]]) -> Iterator[str]:
    """
    While the kill file is there, no order is marked as sent, and none comes along the line (L5).

    Orders are sent one at a time, each marked with a moment before its last look for the file. So one that was let go
    may still be on its way when the file appears, however slow the machine, and no other.
    """
    for touched, removed in windows:
        if touched is None:
            continue
        end = float("inf") if removed is None else removed
        for name, at in story.sent_at.items():
            if touched < at < end:
                yield f"order_under_kill: {name} was let go {at - touched:.3f} s after the kill file came"
        late = [one for one in asked if touched < one.at < end]
        for one in late[1:]:
            yield f"order_under_kill: {one.client_order_id} is not the first after the kill file came"
        for one in late[:1]:
            if one.at > touched + ON_ITS_WAY_SECONDS:
                yield f"order_under_kill: {one.client_order_id}, {one.at - touched:.2f} s after the kill file came"


# --- against the exchange ---------------------------------------------------------------------------------------------


def judge_orders(story: Story, state: Row, asked: Sequence[Passed]) -> Iterator[str]:
    """Each order there is meant, once, as it is; the owner's are as the owner left them."""
    ours = [order for order in state["orders"] if not order["client_order_id"].startswith(OWNER)]
    for name, times in Counter(order["client_order_id"] for order in ours).items():
        if times > 1:
            yield f"order_twice: {times} orders with the id {name}"
    for name, times in Counter(one.client_order_id for one in asked).items():
        if times > 1:
            yield f"posted_twice: {name}, {times} times"
    for order in ours:
        yield from _as_meant(order, story)
    for order in state["orders"]:
        if order["client_order_id"].startswith(OWNER) and order["status"] not in ("OPEN", "FILLED"):
            yield f"foreign_order_touched: {order['client_order_id']} is {order['status']}"
    yield from (f"exchange_books: {fault}" for fault in state["book_faults"])


def _as_meant(order: Row, story: Story) -> Iterator[str]:
    name = order["client_order_id"]
    record = story.intents.get(name)
    if record is None:
        yield f"order_without_intent: {name} {order['side']} {order['size']} {order['product_id']}"
        return
    meant = record["order"]
    pairs = {
        "product": (meant["product_id"], order["product_id"]),
        "side": (meant["side"], order["side"]),
        "kind": (KINDS[meant["order_type"]], (order["kind"], order["time_in_force"])),
        "size": (Decimal(meant["size"]), Decimal(order["size"])),
        "limit_price": (Decimal(meant["limit_price"]), Decimal(order["limit_price"])),
        "stop_price": (meant["stop_price"] and Decimal(meant["stop_price"]), _amount(order["stop_price"])),
    }
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield f"order_differs: {what} of {name}: meant {ours}, the exchange has {theirs}"
    if _epoch(record["at"]) > _epoch(order["created_at"]) + 0.001:
        yield f"order_before_intent: {name}"
    buys = story.outcomes.get(name, [])
    if buys and buys[-1] in DEAD:
        yield f"order_denied: {name} is {buys[-1]} in the journal, and {order['status']} at the exchange"


def judge_fills(story: Story, state: Row) -> Iterator[str]:
    """Every fill of ours is booked once, as it was."""
    there = {order["client_order_id"]: order for order in state["orders"]}
    for name in story.fills:
        if name not in there or name.startswith(OWNER):
            yield f"fill_invented: {name}"
    for name, order in there.items():
        if name.startswith(OWNER):
            continue
        booked = story.fills.get(name, [])
        ours = (
            len(booked),
            sum((Decimal(fill["size"]) for fill in booked), ZERO),
            sum((Decimal(fill["size"]) * Decimal(fill["price"]) for fill in booked), ZERO),
            sum((Decimal(fill["fee"]) for fill in booked), ZERO),
        )
        theirs = (
            order["fill_count"],
            Decimal(order["filled_size"]),
            Decimal(order["filled_value"]),
            Decimal(order["fees"]),
        )
        if ours != theirs:
            yield f"fills_differ: {name}: booked {ours}, the exchange has {theirs}"


def judge_money(every_line: Sequence[Row], journal: Iterable[Row], state: Row, deposited: int) -> Iterator[str]:
    """
    The bot's last line, the owner's share, and the account agree on each cent and coin.

    What is booked while the bot waits under a kill file, and then ends, comes into no line before the next start: these
    fills are added from the journal.
    """
    lines = [line for line in every_line if line["portfolio"] is not None]
    if not lines:
        yield "no_portfolio: no line has one"
        return
    portfolio = lines[-1]["portfolio"]
    owner: dict[str, Decimal] = {"USD": Decimal(DEPOSITED - CAPITAL + deposited)}
    for order in state["orders"]:
        if order["client_order_id"].startswith(OWNER):
            sign = 1 if order["side"] == "BUY" else -1
            base = order["product_id"].partition("-")[0]
            owner[base] = owner.get(base, ZERO) + sign * Decimal(order["filled_size"])
            owner["USD"] -= sign * Decimal(order["filled_value"]) + Decimal(order["fees"])
    ours: dict[str, Decimal] = {"USD": Decimal(portfolio["cash"]["USD"])}
    for row in portfolio["positions"]:
        base = row["product"].partition("-")[0]
        ours[base] = ours.get(base, ZERO) + Decimal(row["quantity"])
    for record in journal:
        if record["kind"] == "FILL" and record["seq"] > (lines[-1]["journal_seq"] or 0):
            _add(record["fill"], ours)
    there = {name: Decimal(row["available"]) + Decimal(row["hold"]) for name, row in state["balances"].items()}
    for name in dict.fromkeys((*there, *ours, *owner)):
        sums = ours.get(name, ZERO) + owner.get(name, ZERO)
        if there.get(name, ZERO) != sums:
            shares = f"bot {ours.get(name, ZERO)}, owner {owner.get(name, ZERO)}"
            yield f"account_differs: {there.get(name, ZERO)} {name} there; {shares}"


def judge_settled(story: Story, state: Row, *, looks: Sequence[float]) -> Iterator[str]:
    """
    What the bot takes for open is open, and the other way round.

    An order that is not there may be in doubt until the bot has looked some times after it could still appear
    (`looks`: when it looked, in epoch seconds).
    """
    open_there = {order["client_order_id"] for order in state["orders"] if order["status"] in ("OPEN", "PENDING")}
    known = {order["client_order_id"] for order in state["orders"]}
    for name, record in story.intents.items():
        told = story.outcomes.get(name, [])
        is_open_here = name not in story.closed and bool(told) and told[-1] == "ACCEPTED"
        if story.in_doubt(name):
            over = _epoch(record["at"]) + SETTLE_SECONDS + SETTLE_MARGIN_SECONDS
            if name in known or sum(at > over for at in looks) >= LOOKS_AFTER:
                yield f"still_unknown: {name}, meant at {record['at']}, {'there' if name in known else 'not there'}"
        elif is_open_here and name not in open_there:
            yield f"open_here_only: {name}"
        elif not is_open_here and name in open_there:
            yield f"open_there_only: {name} is {story.closed.get(name) or told} here"


def _add(fill: Row, sums: dict[str, Decimal]) -> None:
    """Add what a fill has moved to cash and coins."""
    sign = 1 if fill["side"] == "BUY" else -1
    base, size = fill["product_id"].partition("-")[0], Decimal(fill["size"])
    sums[base] = sums.get(base, ZERO) + sign * size
    sums["USD"] -= sign * size * Decimal(fill["price"]) + Decimal(fill["fee"])


def looks_of(every_line: Iterable[Row]) -> list[float]:
    """Return when each cycle began that could read the account."""
    could = [line for line in every_line if line["reconcile"] is not None and line["error"] is None]
    return [_epoch(line["timestamp"]) for line in could]


def judge_guards(bot: Bot, state: Row) -> Iterator[str]:
    """Every coin of every lot rests in an order that sells it."""
    guards: dict[str, Decimal] = {}
    for order in state["orders"]:
        is_ours = not order["client_order_id"].startswith(OWNER)
        if is_ours and order["side"] == "SELL" and order["status"] == "OPEN":
            left = Decimal(order["size"]) - Decimal(order["filled_size"])
            guards[order["product_id"]] = guards.get(order["product_id"], ZERO) + left
    held: dict[str, Decimal] = {}
    for row in (bot.lines()[-1]["portfolio"] or {"positions": []})["positions"]:
        held[row["product"]] = held.get(row["product"], ZERO) + Decimal(row["quantity"])
    for product in dict.fromkeys((*guards, *held)):
        if guards.get(product, ZERO) != held.get(product, ZERO):
            yield f"guards: {held.get(product, ZERO)} {product} held, {guards.get(product, ZERO)} guarded"


def printed_texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8", "replace") for path in sorted(folder.glob("printed.*.txt"))}


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
