"""One pass over the lines: chain, story, orders and fills, books, caps, exits that are overdue."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from tests.independent_checker.books import Books, moment
from tests.independent_checker.caps import CYCLE, Caps, Moment, before_buys
from tests.independent_checker.limits import Limits, read_limits
from tests.independent_checker.orders import DEAD, OrderBook, Ordered, Problem
from tests.independent_checker.record_lines import Line, Violation, listed, read
from tests.independent_checker.story import Schema, Story

SCHEMA_LINES_MAX = 2000
SCHEMA_SAMPLE = 25
STOPPED = ("kill_switch", "halted", "interrupted")
EQUITY_KEPT_LINES = 60
"""A line whose last look at the quotes failed has none: the one of so few lines before is near enough for the caps."""

LATE_FILLS = timedelta(minutes=10)
GRACE = timedelta(minutes=2)
"""A lot that is past its longest hold is sold in the next cycle, or that cycle says why not."""

DUST_MARGIN = Decimal("1.5")
"""A lot is dust by its value at the bid, of which a line tells nothing: one that cost hardly more may be dust."""


class LineSchema(Protocol):
    """Who holds a line against the audit schema, and counts at how many it looked."""

    @property
    def checked(self) -> int: ...

    def problems(self, number: int, body: dict[str, Any]) -> list[Problem]: ...


@dataclass(slots=True)
class Report:
    """What was found, and the figures of the file."""

    violations: list[Violation]
    lines: int
    size: int
    longest_quiet: int
    checked_by_schema: int
    runs: list[str]
    config_hashes: list[str]
    statuses: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    fills: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    fees: str = "0"
    realised: str = "0"

    @property
    def codes(self) -> list[str]:
        return sorted({violation.code for violation in self.violations})


class _Pass:
    def __init__(self, limits: Limits, schema: LineSchema, *, is_paper: bool, fills_may_lag: bool) -> None:
        fees = {name: limits.fee(name) for name in ("MAKER", "TAKER")}
        self.books, self.caps = Books(), Caps(limits)
        self.orders = OrderBook(fees if is_paper else None)
        self.story = Story(limits.interval_seconds)
        self.schema, self.limits = schema, limits
        self.fills_may_lag = fills_may_lag
        self.resting: list[Ordered] = []
        self.equity: Decimal | None = None
        self.lines_without_equity = 0
        self.is_first = True
        self.state_before: str | None = None

    def problems(self, line: Line) -> list[Problem]:
        body = line.body
        found = self.schema.problems(line.number, body)
        if found:
            return found  # nothing more can be read off a line of another shape
        found += self.story.problems(body)
        at = moment(body["timestamp"])
        for order in listed(body, "execution", "orders"):
            found += self.orders.note_order(order, at)
        for item in listed(body, "reconcile", "resolved"):
            found += self.orders.note_outcome(item["client_order_id"], item["outcome"])
        flows, fills = listed(body, "portfolio", "cash_flows"), listed(body, "execution", "fills")
        own = [order["client_order_id"] for order in listed(body, "execution", "orders")]
        lots, cash = before_buys(self.books, flows, fills, own)
        closes = list(self.books.closes)
        found += self._book(body)
        known = [self.books.closes, closes] if self.fills_may_lag else [self.books.closes]
        buys = self._buys(body)
        before = self.resting
        readings = self._follow_resting(body, buys)
        # The line does not say when an entry from before it ended: one that does not outlive it was reconciled first.
        # The line that closes a cut-off cycle does not even say what outlives it.
        readings = [[]] if body["reconcile"] is None else readings
        resting = [[item for item in before if item in kept] for kept in readings]
        took = (body["stage_latencies"] or {}).get("total_cycle")
        until = at + (CYCLE if took is None else timedelta(seconds=float(took)))
        now = Moment(at, until, body["regime"], self._equity(body), lots, cash, buys, resting)
        found += self.caps.problems(now, known)
        found += self._overdue(body)
        return found

    def _book(self, body: dict[str, Any]) -> list[Problem]:
        found: list[Problem] = []
        portfolio, pnl = body["portfolio"], body["pnl"]
        flows = listed(body, "portfolio", "cash_flows")
        if self.is_first and portfolio is not None and not flows:
            self.books.take_over(portfolio, pnl, moment(body["timestamp"]))
            for fill in listed(body, "execution", "fills"):
                self.orders.note_fill(fill)
            self.is_first = False
            return found
        self.is_first = False
        for flow in flows:
            self.books.flow(flow["currency"], Decimal(flow["amount"]))
        for fill in listed(body, "execution", "fills"):
            problems = self.orders.note_fill(fill)
            found += problems
            if any(code in ("fill_repeated", "fill_without_order") for code, _ in problems):
                continue
            reason = self.orders.by_id[fill["client_order_id"]].reason_at(Decimal(fill["price"]))
            impossible = self.books.book(fill, reason)
            found += [] if impossible is None else [("oversold", impossible)]
        if portfolio is not None:
            found += self.books.differences(portfolio, pnl)
        found += [("cash_negative", f"{amount} {name}") for name, amount in self.books.cash.items() if amount < 0]
        return found

    def _equity(self, body: dict[str, Any]) -> Decimal | None:
        """Return the highest equity by which this cycle can have measured (see caps)."""
        portfolio = body["portfolio"]
        flows = listed(body, "portfolio", "cash_flows")
        if self.equity is None and flows:  # what a new account has before its first order
            self.equity = sum((Decimal(flow["amount"]) for flow in flows), Decimal(0))
        after = None if portfolio is None or portfolio["equity"] is None else Decimal(portfolio["equity"])
        before = self.equity if self.lines_without_equity < EQUITY_KEPT_LINES else None
        if after is None:
            self.lines_without_equity += 1
            # Whether quotes came back in a cycle that was cut off, its line cannot tell: the caps hold by the last one.
            return self.equity if body["no_trade_reason"] == "interrupted" else before
        self.equity, self.lines_without_equity = after, 0
        after += sum(Decimal(fill["fee"]) for fill in listed(body, "execution", "fills"))
        return after if before is None else max(before, after)

    def _buys(self, body: dict[str, Any]) -> list[Ordered]:
        names = [order["client_order_id"] for order in listed(body, "execution", "orders") if order["side"] == "BUY"]
        return [self.orders.by_id[name] for name in names]

    def _follow_resting(self, body: dict[str, Any], buys: list[Ordered]) -> list[list[Ordered]]:
        """
        Return the entries that may still fill, as many as the line counts beside sells, in each way to choose them.

        Those in doubt are open for certain; of the others it is rather the latest, and those with the least left. Where
        fills may lag it may as well be those that cross: they are over at once, and open until their fills come. So is
        one of this line that has filled whole, until it is seen to be over.
        """
        reconcile = body["reconcile"]
        alive = [item for item in [*self.resting, *buys] if item.outcome not in DEAD and item.filled < item.size]
        alive.sort(key=lambda item: (item.size - item.filled) * Decimal(item.order["limit_price"]))
        alive.sort(key=lambda item: item.at, reverse=True)
        readings = [alive]
        if self.fills_may_lag:
            readings.append(sorted(alive, key=lambda item: item.order["order_type"] != "limit_ioc"))
            whole = [item for item in buys if item.outcome not in DEAD and item.filled == item.size]
            readings += [[*whole, *reading] for reading in readings if whole]
        if (reconcile or {}).get("unknown_orders"):
            for reading in readings:
                reading.sort(key=lambda item: item.outcome not in (None, "UNKNOWN"))
        if reconcile is not None:
            sells = sum(item["guards"] for item in body["protection"] or ()) + self._open_exits(body)
            in_doubt = sum(item.outcome == "UNKNOWN" for item in alive)
            most = max(reconcile.get("open_orders", 0) - sells, in_doubt)
            readings = [reading[:most] for reading in readings]
        elif (body["metrics"] or {}).get("trader_pending_orders") == 0:
            readings = [[]]  # seen to be over although the account could not be read as a whole
        # else the line of a cut-off cycle, which does not tell
        self.resting = [item for item in alive if any(item in reading for reading in readings)]
        return readings

    def _open_exits(self, body: dict[str, Any]) -> int:
        """
        Return how many exits may be open at a line's end: those in doubt, and its own that are not filled.

        Where fills may lag, so may those of the minutes before: an exit that is over stays open until its fills come,
        and one that has filled until it is seen to be over. So does one that is shown otherwise than meant.
        """
        named = {item["subject"] for item in listed(body, "reconcile", "differences")}
        own = {order["client_order_id"] for order in listed(body, "execution", "orders")}
        if self.fills_may_lag:
            named |= own
            since = moment(body["timestamp"]) - LATE_FILLS
            own |= {name for name, item in self.orders.by_id.items() if item.at >= since}
        return sum(
            1
            for name, item in self.orders.by_id.items()
            if item.order["purpose"] == "exit"
            and (name in named or item.filled < item.size)
            and (item.outcome == "UNKNOWN" or (name in own | named and item.outcome not in DEAD))
        )

    def _overdue(self, body: dict[str, Any]) -> list[Problem]:
        # Exits come before the breakers are judged: in the cycle that ends a halt they still stand still.
        before = self.state_before
        self.state_before = body["trading_state"] or before  # the line of a cut-off cycle has none
        if body["no_trade_reason"] in STOPPED or {before, body["trading_state"]} & {"HALTED", "CANCEL_ONLY"}:
            return []
        if body["no_trade_reason"] == "exception" and body["reconcile"] is None:
            return []  # it ended before any lot was looked at
        at, found = moment(body["timestamp"]), []
        spoken = {item["lot"] for item in body["exits"] or []}
        spoken |= {order["lot"] for order in listed(body, "execution", "orders") if order["purpose"] == "exit"}
        for name, lot in self.books.lots.items():
            hold = self.limits.hold_minutes.get(lot.reason)
            if lot.cost < self.limits.amount("dust_threshold_usd") * DUST_MARGIN:
                continue  # cannot be sold
            if hold is not None and name not in spoken and at > lot.opened_at + timedelta(minutes=hold) + GRACE:
                found.append(("overdue", f"lot {name} of {lot.product}, {lot.reason}, held since {lot.opened_at}"))
        return found


def check(
    path: Path,
    config_dir: Path,
    schema_sample: int | None = None,
    *,
    fills_may_lag: bool = False,
    schema: LineSchema | None = None,
) -> Report:
    """
    Check an audit file and the segments before it; `config_dir` holds the limits that were in force.

    The schema takes about a millisecond a line: of a file longer than SCHEMA_LINES_MAX only each SCHEMA_SAMPLE-th of
    the lines in which nothing happened is held against it. `schema_sample` sets another share. `fills_may_lag`: the
    venue tells of fills late, so a close that its line tells of may have been unknown when that line bought.
    `schema` takes the place of the shipped one.
    """
    lines, violations = read(path)
    schema = schema or Schema(schema_sample or (1 if len(lines) <= SCHEMA_LINES_MAX else SCHEMA_SAMPLE))
    is_paper = bool(lines) and lines[0].body.get("mode") == "PAPER"
    state = _Pass(read_limits(config_dir), schema, is_paper=is_paper, fills_may_lag=fills_may_lag)
    report = Report(
        violations=violations,
        lines=len(lines),
        size=sum(line.size for line in lines),
        longest_quiet=0,
        checked_by_schema=0,
        runs=[],
        config_hashes=[],
    )
    for line in lines:
        violations += [Violation(line.number, code, text) for code, text in state.problems(line)]
        _count(report, line)
    violations.sort(key=lambda violation: violation.line)
    report.checked_by_schema = schema.checked
    report.runs = list(state.story.runs)
    report.config_hashes = list(dict.fromkeys(str(line.body.get("config_hash")) for line in lines))
    report.fees, report.realised = str(state.books.fees), str(state.books.realised)
    return report


def _count(report: Report, line: Line) -> None:
    orders, fills = listed(line.body, "execution", "orders"), listed(line.body, "execution", "fills")
    report.statuses[str(line.body.get("status"))] += 1
    report.orders.update(order["order_type"] for order in orders)
    report.fills.update(fill["side"] for fill in fills)
    report.exits.update(fill["closes"] for fill in fills if "closes" in fill)
    if _is_quiet(line.body):
        report.longest_quiet = max(report.longest_quiet, line.size)


def _is_quiet(body: dict[str, Any]) -> bool:
    """Nothing triggered, nothing to sell, and the universe (with its list of exclusions) was not refreshed."""
    nothing = body.get("no_trade_reason") == "no_candidates_from_triggers" and not body.get("exits")
    return nothing and "exclusions" not in (body.get("universe") or {})
