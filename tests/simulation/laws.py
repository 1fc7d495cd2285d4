"""
The verdict on a run: the oracle of tests/loopback, and what only a run with crashes, clocks and damage can break.

Each finding is `law: words`. What the witness, the disturbances and the oracle found comes first.
"""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from core.model.orders import Side
from runner.adapters.simulated_coinbase.faults import Fault
from tests.independent_checker.record_lines import segments_of
from tests.loopback.oracle import bots_orders, lines_of, violations
from tests.simulation.plan import CALM_MINUTES
from tests.simulation.shapes import ShapeSchema
from tests.simulation.verifying import unproven
from tests.simulation.world import PlantedDefect, World

LATCHES = ("daily_stop", "weekly_stop", "drawdown", "volatility_crash")
"""Breakers that no calm ends: losses, and a market that fell."""

DAMNED = ("reconcile_mismatch",)
"""Only a person ends it; after lies of the exchange it is right, else nothing but a defect brings it about."""

CYCLE_SECONDS_MAX = 75.0
"""The deadline of 45 s, and what sees orders through after it: every such step has its own end (L16)."""

QUIET_MINUTES = 20
FAILED = ("exception", "interrupted", "data_unavailable", "broker_unavailable")

_BY_THE_CLOCK = (
    "order_before_intent: ",
    "silently_naked: ",
    "unaware: ",
    "buy_open_under_kill: ",
)
_BY_ITS_CODE = (": fill_before_order: ", ": overdue: ", ": timestamp: ", ": cap_", ": spacing", ": cooldown", ": pace")

_AFTER_LIES = (
    "fill_missing",
    "cash_differs",
    "coins_differ",
    "open_here_only",
    "open_there_only",
    "still_unknown",
    "still_naked",
    "unaware",
    "silently_naked",
)
"""What cannot be settled when the exchange says that somebody else's order is ours (tests/loopback/test_live.py)."""

_THE_LIE_ITSELF = (": order_id_repeated: ", "is not the exchange's id of")
"""Both verifiers tell of an order that was given the id of one so long over that the bot no longer remembers it."""

_schema = ShapeSchema()


def judge(world: World) -> list[str]:
    """Return every law that this run broke, after its calm."""
    found = [*world.problems, *violations(world.desk, _schema)]
    lines = lines_of(world.desk)
    found += [*_lines_and_ticks(world, lines), *_bounded(world, lines), *_left_behind(world)]
    found += [*_alive(world, lines), *_killed(world), *unproven(world)]
    return [text for text in dict.fromkeys(found) if not _is_excused(text, world)]


def audit_root(world: World) -> str:
    """Return 16 hex digits over every byte of journal and audit: a seed repeats exactly, or this differs."""
    digest = hashlib.sha256()
    for path in (world.desk.audit_file, world.desk.folder / "data" / "journal.jsonl"):
        for file in segments_of(path):
            digest.update(file.read_bytes() if file.exists() else b"-")
    return digest.hexdigest()[:16]


def _is_excused(text: str, world: World) -> bool:
    kinds = {item.kind for item in world.plan.disturbances}
    if text.startswith("exception: ") and PlantedDefect.__name__ in text:
        return "defect" in kinds
    is_by_the_clock = text.startswith("audit: ") and any(code in text for code in _BY_ITS_CODE)
    if "jump" in kinds and (is_by_the_clock or text.startswith(_BY_THE_CLOCK)):
        return True
    if world.plan.ending == "cancel-all" and text.startswith("still_naked"):
        return True
    lied = any(world.faults.counts[fault] for fault in (Fault.OTHER_ORDER, Fault.ORDER_ALTERED))
    return lied and (text.startswith(_AFTER_LIES) or any(words in text for words in _THE_LIE_ITSELF))


# --- records ----------------------------------------------------------------------------------------------------------


def _lines_and_ticks(world: World, lines: list[dict[str, Any]]) -> Iterator[str]:
    """L1: every slot that the journal has begun has one line, and no line is without."""
    ticks = world.desk.witness.journal.slots
    told = {line["slot"]: None for line in lines}
    yield from (f"cycle_without_line: slot {slot}" for slot in ticks if slot not in told)
    yield from (f"line_without_cycle: slot {slot}" for slot in told if slot not in ticks)


def _bounded(world: World, lines: list[dict[str, Any]]) -> Iterator[str]:
    """L16: a cycle ends. One in which the process was frozen, or its clock was set, is not the program's."""
    if any(item.kind in ("frozen", "jump") for item in world.plan.disturbances):
        return
    for line in lines:
        seconds = (line["stage_latencies"] or {}).get("total_cycle")
        if seconds is not None and seconds > CYCLE_SECONDS_MAX:
            yield f"endless_cycle: slot {line['slot']} took {seconds} s"


def _left_behind(world: World) -> Iterator[str]:
    """L15 and L16: no secret in any file, no temporary file, no descriptor."""
    secret = [part.encode() for part in (world.key.secret.strip().splitlines()[1], world.key.name)]
    for folder in ("data", "logs"):
        for path in sorted((world.desk.folder / folder).rglob("*")):
            if path.is_file() and any(part in path.read_bytes() for part in secret):
                yield f"secret: in {folder}/{path.name}"
            if path.name.endswith((".tmp", ".new")):
                yield f"left_behind: {folder}/{path.name}"
    if world.open_before is not None and len(os.listdir("/proc/self/fd")) > world.open_before:
        yield f"descriptors: {len(os.listdir('/proc/self/fd'))} are open, {world.open_before} were before"


# --- liveness ---------------------------------------------------------------------------------------------------------


def _alive(world: World, lines: list[dict[str, Any]]) -> Iterator[str]:
    """After the calm it is armed, or latched with an alert, and its minutes are whole."""
    if not lines:
        yield "no_lines: the audit is empty"
        return
    last, lied = (
        lines[-1],
        any(item.args.get("fault") in ("other_order", "order_altered") for item in world.plan.disturbances),
    )
    allowed = LATCHES + (DAMNED if lied else ())
    alerted = {code for line in lines for code in line["alerts"]}
    if world.plan.ending == "":
        for name in last["breakers"]:
            if name not in allowed:
                yield f"not_armed: {name} is tripped after {CALM_MINUTES} minutes of calm ({last['trading_state']})"
            elif name not in alerted:
                yield f"silent_latch: {name} is tripped, and no line tells of an alert"
    quiet = [line for line in lines if line["slot"] > last["slot"] - QUIET_MINUTES]
    failed = [line for line in quiet if line["status"] == "ERROR" or line["no_trade_reason"] in FAILED]
    if failed:
        yield f"not_whole: {len(failed)} of the last {len(quiet)} cycles failed: {failed[0]['no_trade_reason']}"
    if len(quiet) < QUIET_MINUTES - 2 and not any(item.kind == "jump" for item in world.plan.disturbances):
        yield f"not_whole: {len(quiet)} lines in the last {QUIET_MINUTES} minutes"


def _killed(world: World) -> Iterator[str]:
    """A run that ends under a kill file has no own order open that buys; after cancel-all, none at all."""
    if not world.plan.ending:
        return
    for name, record in bots_orders(world.desk):
        if not record.status.is_final and (record.order.side is Side.BUY or world.plan.ending == "cancel-all"):
            yield f"open_under_kill: {name} of {record.order.product_id}"
