"""What a campaign must have reached: each fault, each crash, each state; a zero is a place where it is blind."""

from collections import Counter
from typing import Any

from core.exits import BlockedBy
from core.model.guards import Breaker, TradingState
from core.model.orders import OrderStatus, OrderType, Outcome, Purpose
from core.model.verdicts import ExitReason, Reason
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.loopback.oracle import bots_orders, lines_of
from tests.loopback.storms import LOSING
from tests.loopback.troubles import KILL_TEXTS, PRODUCT_CHANGES
from tests.simulation.damage import EDITS
from tests.simulation.files_that_fail import KINDS, ROOMS
from tests.simulation.world import World

STATES = (TradingState.ARMED, TradingState.REDUCE_ONLY, TradingState.HALTED)
"""Those that anything brings about: nothing sets CANCEL_ONLY by itself."""

ENDS = ("DATA", "VENUE_UNAVAILABLE", "DISK", "IO", "ALREADY_RUNNING", "REFUSED", "CONFIG")
"""How a start is refused, or a run ends itself: every exit code but those of wrong use and of a crash of Python."""

SELDOM = (Reason.DRY_RUN, Reason.WARMING_UP, Reason.NOT_PLANNABLE, Reason.DEADLINE, Reason.STOPPING)
"""
Counted only: not in LIVE; not for products with a history; for an order that fits its caps and not the venue; and when
the time is up, or a stop comes, right between the quotes and the first entry.
"""

_CALLS = ("open", "read", "write", "fsync", "fstat", "lstat", "close", "replace", "unlink")
_HOW = ("process", "power")
_SHOWN = ("PENDING", "OPEN", "CANCEL_QUEUED", "FILLED", "CANCELLED", "EXPIRED", "FAILED")
_REQUESTS = ("orders", "orders/batch_cancel", "another request")

MUST_REACH: tuple[str, ...] = (
    *(f"fault: {fault.value}" for fault in Fault),
    *(f"fault on an answer to an order: {fault.value}" for fault in LOSING),
    *(f"product: {name}" for name in PRODUCT_CHANGES),
    *(f"disk: {name}" for name in KINDS),
    *(f"room: {name}" for name in ROOMS),
    *(f"config: {name}" for name in EDITS),
    *(f"kill file: {text or 'empty'}" for text in KILL_TEXTS),
    *(f"kill file in {where}" for where in ("wait", "any", "orders", "orders/batch_cancel")),
    *(f"state: {state.name}" for state in STATES),
    *(f"{one.name} to {other.name}" for one in STATES for other in STATES if one is not other),
    *(f"breaker: {breaker.value}" for breaker in Breaker),
    *(f"no trade: {reason.value}" for reason in Reason if reason not in SELDOM),
    *(f"exit: {reason.value}" for reason in ExitReason),
    f"exit blocked: {BlockedBy.QUOTE_MISSING.value}",
    *(f"order: {purpose.value}" for purpose in Purpose if purpose is not Purpose.COVER),
    *(f"order type: {kind.value}" for kind in OrderType),
    *(f"order shown as {status}" for status in _SHOWN),
    *(f"outcome: {outcome.value}" for outcome in Outcome),
    *(f"closed as {status.value}" for status in OrderStatus if status.is_final),
    *(f"crash at {call}, {how}" for call in _CALLS for how in _HOW),
    *(f"crash at a request, {how}" for how in _HOW),
    *(f"crash {when} {request}" for when in ("before", "after") for request in _REQUESTS),
    *(f"crash in {file}" for file in ("journal", "audit", "tape", "state.json", "KILL_SWITCH", "lock")),
    *(f"defect {when} {request}" for when in ("before", "after") for request in _REQUESTS),
    *(f"ended with {end}" for end in ENDS),
    "crash in a start or a recovery",
    "double crash in a start or a recovery",
    "crash during UNKNOWN",
    "power loss that lost something",
    "torn tail recovered",
    "file that was full ended",
    "orderly stop",
    "stop during UNKNOWN",
    "kill during UNKNOWN",
    "second instance refused",
    "lock file removed",
    "damage refused",
    "damage survived",
    "frozen",
    "wall clock set forward",
    "wall clock set back",
    "exchange's clock is off",
    "in doubt, then found",
    "in doubt, then proven absent",
    "filled in part, then cancelled",
    "filled although a cancel was on its way",
    "both of two orders of one wish filled",
    "an id came twice, answered with: first order",
    "an id came twice, answered with: reject",
    "observed exactly at its limit",
    "new day with a loss limit active",
    "clean day with trades",
    "interrupted cycle closed",
    "owner traded",
    "owner left an order",
    "owner cancelled",
    "owner paid in",
    "owner took out",
)

LOST = "answers to orders lost or late"
LOST_CANCELS = "answers to cancels lost or late"


def count(world: World) -> Counter[str]:
    """Return what one run has reached."""
    lines = lines_of(world.desk)
    reached = Counter(world.reached)
    reached.update({f"fault: {fault.value}": n for fault, n in world.faults.counts.items()})
    reached.update(_lost(world))
    reached.update(_of_lines(lines))
    reached.update(_of_orders(world))
    reached["torn tail recovered"] += sum(1 for line in lines if (line["segment"] or {}).get("torn_bytes"))
    reached["torn tail recovered"] += world.desk.witness.journal.kinds["SEGMENT"]
    for words, deed in _DEEDS.items():
        reached[words] += world.desk.owner.did[deed]
    reached["starts"] += world.desk.starts
    reached["crashes"] += world.desk.crashes
    reached["requests"] += world.desk.witness.requests
    quiet = all(item.kind == "owner" for item in world.plan.disturbances)
    reached["clean day with trades"] += int(quiet and len(world.desk.witness.books.executed) > 0)
    reached.update({f"end: {words}": n for words, n in world.ends.items()})
    return reached


_DEEDS = {
    "owner traded": "trades",
    "owner left an order": "orders",
    "owner cancelled": "cancels",
    "owner paid in": "deposits",
    "owner took out": "withdrawals",
}

LOSES = {
    *LOSING,
    Fault.LATE_ANSWER,
    Fault.DRIPPED_BODY,
    Fault.DRIPPED_HEADERS,
    Fault.ENDLESS_BODY,
    Fault.RESET_BEFORE,
    Fault.TRUNCATED_BODY,
    Fault.EMPTY_BODY,
    Fault.NO_CONTENT,
    Fault.HTML_BODY,
    Fault.BROKEN_JSON,
}
"""After these the bot cannot know what became of its request: no answer came, none in time, or none of use."""


def _lost(world: World) -> Counter[str]:
    """Count the orders and cancels that were sent, and whose answer the bot never had."""
    lost: Counter[str] = Counter()
    for _, endpoint, fault in world.faults.history:
        if endpoint in _POSTS and fault in LOSES:
            lost[_POSTS[endpoint]] += 1
        if endpoint is Endpoint.CREATE:
            lost[f"fault on an answer to an order: {fault.value}"] += 1
    for endpoint, words in _POSTS.items():
        lost[words] += sum(world.reached[f"crash {when} {endpoint.value}"] for when in ("before", "after"))
    return lost


_POSTS = {Endpoint.CREATE: LOST, Endpoint.CANCEL: LOST_CANCELS}


def _of_lines(lines: list[dict[str, Any]]) -> Counter[str]:
    reached: Counter[str] = Counter()
    before: dict[str, Any] | None = None
    for line in lines:
        state = line["trading_state"]
        reached[f"state: {state}"] += 1
        reached[f"no trade: {line['no_trade_reason']}"] += line["no_trade_reason"] is not None
        if before is not None and before["trading_state"] != state:
            reached[f"{before['trading_state']} to {state}"] += 1
        if before is not None and line["timestamp"][:10] != before["timestamp"][:10]:
            held = set(before["breakers"]) & {"daily_stop", "weekly_stop", "drawdown"}
            reached["new day with a loss limit active"] += bool(held)
        reached["interrupted cycle closed"] += line["no_trade_reason"] == "interrupted"
        for item in line["exits"] or []:
            words = f"exit: {item['reason']}" if item["blocked_by"] is None else f"exit blocked: {item['blocked_by']}"
            reached[words] += 1
        if line["segment"] is not None and not line["segment"].get("torn_bytes"):
            reached["file that was full ended"] += 1
        reached.update(f"breaker: {name}" for name in line["breakers"])
        refused = (line["risk"] or {}).get("refused") or []
        reached["observed exactly at its limit"] += sum(1 for item in refused if item["observed"] == item["limit"])
        before = line
    return reached


def _of_orders(world: World) -> Counter[str]:
    reached: Counter[str] = Counter()
    journal = world.desk.witness.journal
    wishes: Counter[tuple[str, str, str]] = Counter()
    for name, record in bots_orders(world.desk):
        is_part = 0 < record.filled_size < record.size
        if record.cancel_requested and is_part and record.status is OrderStatus.CANCELLED:
            reached["filled in part, then cancelled"] += 1
        if record.status is OrderStatus.FILLED and name in journal.cancels:
            reached["filled although a cancel was on its way"] += 1
        written = journal.intents.get(name)
        if written is not None and record.filled_size:
            wishes[str(written.slot), record.order.product_id.base, written.order["purpose"]] += 1
    reached["both of two orders of one wish filled"] += sum(1 for n in wishes.values() if n > 1)
    for written in journal.intents.values():
        reached[f"order: {written.order['purpose']}"] += 1
        reached[f"order type: {written.order['order_type']}"] += 1
        reached.update(f"outcome: {outcome}" for outcome in written.outcomes)
        if written.closed_as is not None:
            reached[f"closed as {written.closed_as}"] += 1
        if written.outcomes[:1] == ["UNKNOWN"] or not written.outcomes:
            last = written.outcomes[-1] if written.outcomes else "none"
            reached["orders in doubt"] += 1
            reached["in doubt, then found"] += last == "ACCEPTED"
            reached["in doubt, then proven absent"] += last == "ABSENT"
            reached["in doubt, then refused"] += last == "REJECTED"
    reached["fills"] += len(world.desk.witness.books.executed)
    return reached


def table(reached: Counter[str], *, must: bool) -> str:
    """Return the counters, those that must not be zero first."""
    rows = [f"  {'' if reached[name] else '!! '}{name}: {reached[name]}" for name in MUST_REACH] if must else []
    rows += [f"  {name}: {n}" for name, n in sorted(reached.items()) if name not in MUST_REACH]
    return "\n".join(rows)


def zeros(reached: Counter[str]) -> list[str]:
    """Return what must be reached in a campaign and was not."""
    return [name for name in MUST_REACH if not reached[name]]
