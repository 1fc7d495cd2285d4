"""What each line says about itself and about the line before it: slots, runs, status, counters, schema."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.independent_checker.books import moment
from tests.independent_checker.orders import Problem
from tests.independent_checker.record_lines import listed

SCHEMA_FILE = Path(__file__).resolve().parent.parent.parent / "config" / "schemas" / "audit.schema.json"
RUN_FIELDS = ("mode", "venue", "config_hash", "code_hash")


class Schema:
    """The audit schema, which belongs to the program's version and not to a configuration; counts what it looked at."""

    def __init__(self, sample: int) -> None:
        """Look at every line that traded, failed or had something to sell, and at each `sample`-th of the others."""
        self._validator = Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
        self._sample = sample
        self.checked = 0

    def problems(self, number: int, body: dict[str, Any]) -> list[Problem]:
        traded = listed(body, "execution", "orders") or listed(body, "execution", "fills")
        busy = traded or body.get("exits") or body.get("error")
        if not (busy or number % self._sample == 0):
            return []
        self.checked += 1
        if self._validator.is_valid(body):
            return []
        error = next(self._validator.iter_errors(body))
        return [("schema", f"{error.json_path}: {error.message[:200]}")]


@dataclass(slots=True)
class Story:
    """The lines so far, as far as the next one depends on them."""

    interval_seconds: int
    last: dict[str, Any] | None = None
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    totals: dict[str, Counter[str]] = field(default_factory=dict)

    def problems(self, body: dict[str, Any]) -> list[Problem]:
        found = self._time_problems(body) + self._run_problems(body) + _status_problems(body)
        if body["metrics"] is not None:
            found += self._metric_problems(body, body["metrics"])
        self.last = body
        return found

    def _time_problems(self, body: dict[str, Any]) -> list[Problem]:
        found = []
        if int(moment(body["timestamp"]).timestamp()) // self.interval_seconds != body["slot"]:
            found.append(("timestamp", f"{body['timestamp']} is not in slot {body['slot']}"))
        if self.last is None:
            return found
        before, slot = self.last["slot"], body["slot"]
        if slot <= before:
            found.append(("slot", f"{slot} after {before}: a slot is used once, and they rise"))
        elif body["no_trade_reason"] != "interrupted" and slot - before - 1 != body["missed_slots"]:
            found.append(("missed_slots", f"{slot} after {before}, and missed_slots is {body['missed_slots']}"))
        return found

    def _run_problems(self, body: dict[str, Any]) -> list[Problem]:
        found = []
        facts = {name: body[name] for name in RUN_FIELDS}
        for name in ("config_hash", "code_hash"):
            if not re.fullmatch("[0-9a-f]{16}", str(body[name])):
                found.append((name, f"{body[name]!r} is no hash"))
        known = self.runs.setdefault(body["run_id"], facts)
        found += [
            (name, f"{facts[name]} inside a run of {known[name]}") for name in RUN_FIELDS if facts[name] != known[name]
        ]
        is_new = self.last is not None and self.last["run_id"] != body["run_id"]
        if is_new:
            self.totals.clear()  # counters count since the run began
            if known is not facts:
                found.append(("run_id", f"{body['run_id']} goes on after another run"))
        return found

    def _metric_problems(self, body: dict[str, Any], metrics: dict[str, Any]) -> list[Problem]:
        pending = (body["reconcile"] or {}).get("open_orders")
        moved = {
            "trader_cycle_total": [body["status"]],
            "trader_no_trade_total": [body["no_trade_reason"]] if body["no_trade_reason"] is not None else [],
            "trader_fills_total": [fill["side"] for fill in listed(body, "execution", "fills")],
        }
        found = []
        for name, labels in moved.items():
            totals = self.totals.setdefault(name, Counter())
            totals.update(labels)
            expected = {label: totals[label] for label in sorted(set(labels))}
            if metrics[name] != expected:
                found.append(("metrics", f"{name} {metrics[name]}, the lines give {expected}"))
        gauges = {
            "trader_open_positions": len(body["portfolio"]["positions"]),
            "trader_pending_orders": metrics["trader_pending_orders"] if pending is None else pending,
        }
        found += [
            ("metrics", f"{name} {metrics[name]}, the line gives {value}")
            for name, value in gauges.items()
            if metrics[name] != value
        ]
        return found + _exposure_problem(body, metrics)


def _exposure_problem(body: dict[str, Any], metrics: dict[str, Any]) -> list[Problem]:
    """The exposure in percent is the line's at_risk over its equity, and at_risk is at least what the lots cost."""
    portfolio, exposure = body["portfolio"], metrics["trader_exposure_pct"]
    if None in (portfolio["at_risk"], portfolio["equity"]) or exposure is None:
        return []
    at_risk, equity = Decimal(portfolio["at_risk"]), Decimal(portfolio["equity"])
    found = []
    if equity > 0 and abs(at_risk / equity * 100 - exposure.get("at_risk", 0)) > Decimal("0.001"):
        found.append(("metrics", f"trader_exposure_pct {exposure}, the line gives {at_risk / equity * 100:.3f}"))
    if at_risk < sum(Decimal(item["cost"]) for item in portfolio["positions"]):
        found.append(("at_risk", f"{at_risk} is less than what the positions cost"))
    return found


def _status_problems(body: dict[str, Any]) -> list[Problem]:
    orders, order_type = listed(body, "execution", "orders"), (body["execution"] or {}).get("order_type")
    found = []
    accepted = any(order["outcome"] == "ACCEPTED" for order in orders)
    expected = "ERROR" if body["error"] is not None else "EXECUTED" if accepted else "NO_TRADE"
    if body["status"] != expected:
        found.append(("status", f"{body['status']}, the line's content says {expected}"))
    if (body["no_trade_reason"] is None) is not (body["status"] == "EXECUTED"):
        found.append(("no_trade_reason", f"{body['no_trade_reason']} with status {body['status']}"))
    types = "+".join(_once(order["order_type"] for order in orders)) or None
    if order_type != types:
        found.append(("order_type", f"{order_type}, its orders are {types}"))
    if body["circuit_breaker_tripped"] is not bool(body["breakers"]):
        found.append(("breakers", f"{body['circuit_breaker_tripped']} with {body['breakers']}"))
    bought = [order["client_order_id"] for order in orders if order["side"] == "BUY"]
    if bought and (body["breakers"] or body["trading_state"] in ("REDUCE_ONLY", "CANCEL_ONLY")):
        found.append(("bought_while_stopped", f"{bought} with {body['breakers']}, {body['trading_state']}"))
    return found


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
