"""What a campaign must have reached: each fault, each crash, each state; a zero is a place where it is blind."""

from collections import Counter
from typing import Any

from core.model.guards import TradingState
from core.model.orders import OrderStatus
from runner.adapters.simulated_coinbase.faults import Fault
from tests.loopback.oracle import bots_orders, lines_of
from tests.loopback.storms import LOSING
from tests.loopback.troubles import KILL_TEXTS, PRODUCT_CHANGES
from tests.simulation.damage import EDITS
from tests.simulation.files_that_fail import KINDS
from tests.simulation.world import World

STATES = (TradingState.ARMED, TradingState.REDUCE_ONLY, TradingState.HALTED)
"""Those that anything brings about: nothing sets CANCEL_ONLY by itself."""

MUST_REACH: tuple[str, ...] = (
    *(f"fault: {fault.value}" for fault in Fault),
    *(f"product: {name}" for name in PRODUCT_CHANGES),
    *(f"disk: {name}" for name in KINDS),
    *(f"config: {name}" for name in EDITS),
    *(f"kill file: {text or 'empty'}" for text in KILL_TEXTS),
    *(f"state: {state.name}" for state in STATES),
    *(f"{one.name} to {other.name}" for one in STATES for other in STATES if one is not other),
    "crash at a request, process",
    "crash at a request, power",
    "crash at write, process",
    "crash at write, power",
    "crash at fsync, process",
    "crash at fsync, power",
    "crash at replace, process",
    "crash at replace, power",
    "crash at open, power",
    "crash at lstat, process",
    "crash in a start or a recovery",
    "double crash in a start or a recovery",
    "crash during UNKNOWN",
    "power loss that lost something",
    "torn tail recovered",
    "orderly stop",
    "stop during UNKNOWN",
    "kill during UNKNOWN",
    "second instance refused",
    "lock file removed",
    "ended by AlreadyRunning",
    "ended by RecordNotDurable",
    "damage refused",
    "damage survived",
    "frozen",
    "wall clock set forward",
    "wall clock set back",
    "exchange's clock is off",
    "UNKNOWN found",
    "UNKNOWN absent",
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
)


def count(world: World) -> Counter[str]:
    """Return what one run has reached."""
    lines = lines_of(world.desk)
    reached = Counter(world.reached)
    reached.update({f"fault: {fault.value}": n for fault, n in world.faults.counts.items()})
    reached["answers to orders and cancels lost or late"] += _lost(world)
    reached.update(_of_lines(lines))
    reached.update(_of_orders(world))
    reached["torn tail recovered"] += sum(1 for line in lines if (line["segment"] or {}).get("torn_bytes"))
    reached["torn tail recovered"] += world.desk.witness.journal.kinds["SEGMENT"]
    reached["owner traded"] += world.desk.owner.did["trades"]
    reached["starts"] += world.desk.starts
    reached["crashes"] += world.desk.crashes
    reached["requests"] += world.desk.witness.requests
    quiet = all(item.kind == "owner" for item in world.plan.disturbances)
    reached["clean day with trades"] += int(quiet and len(world.desk.witness.books.executed) > 0)
    reached.update({f"end: {words}": n for words, n in world.ends.items()})
    return reached


def _lost(world: World) -> int:
    losing = {
        *LOSING,
        Fault.LATE_ANSWER,
        Fault.DRIPPED_BODY,
        Fault.DRIPPED_HEADERS,
        Fault.ENDLESS_BODY,
        Fault.RESET_BEFORE,
    }
    losing |= {Fault.TRUNCATED_BODY, Fault.EMPTY_BODY, Fault.NO_CONTENT, Fault.HTML_BODY, Fault.BROKEN_JSON}
    return sum(1 for _, endpoint, fault in world.faults.history if endpoint.value in _POSTS and fault in losing) + sum(
        n for words, n in world.reached.items() if words.startswith("crash at a request")
    )


_POSTS = ("orders", "orders/batch_cancel")


def _of_lines(lines: list[dict[str, Any]]) -> Counter[str]:
    reached: Counter[str] = Counter()
    before: dict[str, Any] | None = None
    for line in lines:
        state = line["trading_state"]
        reached[f"state: {state}"] += 1
        if before is not None and before["trading_state"] != state:
            reached[f"{before['trading_state']} to {state}"] += 1
        if before is not None and line["timestamp"][:10] != before["timestamp"][:10]:
            held = set(before["breakers"]) & {"daily_stop", "weekly_stop", "drawdown"}
            reached["new day with a loss limit active"] += bool(held)
        if line["no_trade_reason"] == "interrupted":
            reached["interrupted cycle closed"] += 1
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
        if "UNKNOWN" in written.outcomes or len(written.outcomes) != 1:
            last = written.outcomes[-1] if written.outcomes else "none"
            reached["UNKNOWN found"] += last == "ACCEPTED"
            reached["UNKNOWN absent"] += last == "ABSENT"
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
