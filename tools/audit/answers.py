"""
The answers, computed in one pass each. Memory grows with what is counted (codes, distinct latencies, days), not with
lines; fills are yielded as they come.
"""

import math
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from decimal import Decimal
from typing import Any

from core.model.money import plain
from tools.audit.members import LineReader, Members

Row = dict[str, Any]

DAY_LENGTH = len("2026-01-05")
RUN_FACTS = ("run_id", "mode", "venue", "config_hash", "code_hash")
PERCENTILES = (50, 90, 99)


def totals(lines: LineReader) -> Row:
    status: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    alerts: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    runs: dict[str, None] = {}
    cycles = missed = 0
    first = last = None
    for line in lines:
        cycles += 1
        last = line.time()
        first = first or last
        status[str(line.word("status"))] += 1
        reason = line.word("no_trade_reason")
        if reason is not None:
            reasons[reason] += 1
        runs[str(line.word("run_id"))] = None
        missed += line.missed_slots()
        alerts.update(line.alerts())
        error = line.part("error")
        if error:
            errors[error["type"]] += 1
    return {
        "cycles": cycles,
        "from": first,
        "to": last,
        "runs": len(runs),
        "missed_slots": missed,
        "status": _most_first(status),
        "no_trade_reason": _most_first(reasons),
        "alerts": _most_first(alerts),
        "errors": _most_first(errors),
    }


def count_reasons(lines: LineReader) -> Row:
    names = ("cycles", "refused_by_risk", "ideas_not_made", "products_excluded", "orders_not_sent", "order_outcomes")
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    for line in lines:
        counts["cycles"][line.word("no_trade_reason") or "none: it traded"] += 1
        for item in line.part("risk").get("refused", ()):
            counts["refused_by_risk"][item["reason"]] += 1
        for item in line.part("proposals").get("not_made", ()):
            counts["ideas_not_made"][item["reason"]] += 1
        counts["products_excluded"].update(line.part("universe").get("excluded_reasons", {}))
        execution = line.part("execution")
        for item in execution.get("not_sent", ()):
            counts["orders_not_sent"][item["reason"]] += 1
        for item in execution.get("orders", ()):
            counts["order_outcomes"][" ".join(filter(None, (item["outcome"], item["outcome_reason"])))] += 1
    return {name: _most_first(counter) for name, counter in counts.items()}


def latencies(lines: LineReader) -> Iterator[Row]:
    """Yield a row for each stage, exact: lines have seconds to four digits, so there are few distinct values."""
    stages: dict[str, Counter[float]] = {}
    for line in lines:
        for stage, seconds in line.part("stage_latencies").items():
            stages.setdefault(stage, Counter())[seconds] += 1
    for stage, counter in sorted(stages.items(), key=lambda item: -sum(s * n for s, n in item[1].items())):
        ordered, count = sorted(counter.items()), counter.total()
        yield {
            "stage": stage,
            "cycles": count,
            "mean": round(sum(seconds * n for seconds, n in ordered) / count, 4),
            **{f"p{percent}": _percentile(ordered, count, percent) for percent in PERCENTILES},
            "max": ordered[-1][0],
        }


def _percentile(ordered: list[tuple[float, int]], count: int, percent: int) -> float:
    """Return the nearest-rank percentile."""
    rank, passed = math.ceil(count * percent / 100), 0
    for value, times in ordered:
        passed += times
        if passed >= rank:
            return value
    return ordered[-1][0]


def hash_changes(lines: LineReader) -> Iterator[Row]:
    """Yield a row for each stretch of lines under the same run, mode, venue, configuration and code."""
    row: Row = {}
    facts: tuple[str | None, ...] = ()
    for line in lines:
        found = tuple(line.word(name) for name in RUN_FACTS)
        if found != facts:
            if row:
                yield row
            facts, row = found, {"from": line.time(), "cycles": 0, **dict(zip(RUN_FACTS, found, strict=True))}
        row["cycles"] += 1
    if row:
        yield row


def fills(lines: LineReader) -> Iterator[Row]:
    for line in lines:
        if '"fills":[{' not in line.text:
            continue
        for fill in line.part("execution").get("fills", ()):
            yield {
                "at": fill["at"],
                "product": fill["product"],
                "side": fill["side"],
                "purpose": fill["purpose"],
                "size": fill["size"],
                "price": fill["price"],
                "value": plain(Decimal(fill["size"]) * Decimal(fill["price"])),
                "fee": fill["fee"],
                "liquidity": fill["liquidity"],
                "closes": fill.get("closes"),
                "lot": fill["lot"],
                "client_order_id": fill["client_order_id"],
                "fill_id": fill["fill_id"],
            }


def by_day(lines: LineReader) -> Iterator[Row]:
    """Yield a row for each UTC day: what was realised and paid in fees, and where the account stood at its end."""
    day, row, last, before = "", _new_day(""), None, _Standing()
    for line in lines:
        if line.time()[:DAY_LENGTH] != day:
            if last is not None:
                before = yield from _finished(row, last, before)
            elif lines.before is not None:
                before = _Standing.of(lines.before)
            day = line.time()[:DAY_LENGTH]
            row = _new_day(day)
        row["cycles"] += 1
        if '"fills":[{' in line.text:
            row["fills"] += len(line.part("execution").get("fills", ()))
        last = line
    if last is not None:
        yield from _finished(row, last, before)


class _Standing:
    """Realised profit and fees so far, and equity, as a line says."""

    def __init__(self, realised: str = "0", fees: str = "0", equity: str | None = None) -> None:
        self.realised = Decimal(realised)
        self.fees = Decimal(fees)
        self.equity = equity

    @classmethod
    def of(cls, line: Members) -> "_Standing":
        pnl, portfolio = line.part("pnl"), line.part("portfolio")
        return cls(pnl.get("realised", "0"), pnl.get("fees", "0"), portfolio.get("equity"))


def _new_day(day: str) -> Row:
    return {"day": day, "cycles": 0, "fills": 0}


def _finished(row: Row, last: Members, before: _Standing) -> Generator[Row, None, _Standing]:
    now = _Standing.of(last)
    yield {
        **row,
        "realised": plain(round(now.realised - before.realised, 8)),
        "fees": plain(round(now.fees - before.fees, 8)),
        "realised_in_all": plain(round(now.realised, 8)),
        "equity": now.equity,
    }
    return now


def _most_first(counter: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
