"""One audit line against the schema, the line before it, and what the journal says of its cycle."""

from collections.abc import Sequence
from typing import Any

from core.model.ledger import Ledger
from core.model.money import plain
from core.model.records import CashFlow, Event
from runner.audit_line import has_traded
from runner.audit_orders import execution_section
from tools.audit.findings import At
from tools.audit.history import History
from tools.audit.line_schema import compile_check, explain, load_schema

Json = dict[str, Any]

RUN_FIELDS = ("run_id", "mode", "venue", "config_hash", "code_hash")


class LineCheck:
    """Check the lines of an audit one after the other. `history` None: there is no journal to hold them against."""

    def __init__(self, history: History | None) -> None:
        self._history = history
        self._schema = load_schema()
        self._is_valid = compile_check(self._schema)
        self._slot: int | None = None
        self._run = ""
        self._runs: set[str] = set()
        self._journal_seq = 0

    def check(self, body: Json | None, at: At) -> None:
        """Report what is wrong with a line whose bytes are right."""
        if body is None or not self._is_valid(body):
            found = "no JSON object" if body is None else explain(self._schema, body)
            at.report("schema", found, "what config/schemas/audit.schema.json says")
            return
        is_afresh = "begun_afresh" in (body["segment"] or {})
        if self._slot is not None and body["slot"] <= self._slot:
            at.report("slot", f"slot {body['slot']} after {self._slot}", "slots that rise: each is used once")
        self._slot = body["slot"]
        self._check_writer(body["run_id"], at)
        if self._history is not None:
            self._check_story(body, self._history, at, is_afresh=is_afresh)

    def _check_writer(self, run: str, at: At) -> None:
        """One process writes at a time (L14): the lines of a run are not mixed with those of another."""
        if run == self._run:
            return
        if run in self._runs:
            at.report("writer", f"run {run} goes on after run {self._run}", "one writer at a time")
        self._run = run
        self._runs.add(run)

    def _check_story(self, body: Json, history: History, at: At, *, is_afresh: bool) -> None:
        seq = body["journal_seq"]
        if seq is None or (seq <= self._journal_seq and not is_afresh):
            at.report("journal_seq", f"{seq} after {self._journal_seq}", "a later record of the journal")
            return
        self._journal_seq = seq
        is_reached = history.advance_to(seq, keep=not is_afresh)
        slots, events = history.take()
        if not history.is_whole:
            return
        if not is_reached:
            at.report("journal_seq", f"seq {seq}, the journal ends at {history.seq}", "a record that is there")
            return
        if body["journal_hash"] != history.hash[:16]:
            at.report("journal_hash", str(body["journal_hash"]), f"{history.hash[:16]}, of the journal's seq {seq}")
        written, expected = _run_and_money(body, history.ledger)
        if not is_afresh:  # else lines that are no longer there have told of some of it
            more_written, more_expected = _events(body, slots, events, history.ledger)
            written, expected = written | more_written, expected | more_expected
        for name, value in written.items():
            if value != expected[name]:
                at.report(name, str(value)[:300], f"{str(expected[name])[:300]} by the journal")


def _run_and_money(body: Json, ledger: Ledger) -> tuple[Json, Json]:
    written: Json = {name: body[name] for name in RUN_FIELDS}
    expected: Json = {name: getattr(ledger, name) for name in RUN_FIELDS}
    portfolio, pnl = body["portfolio"], body["pnl"]
    if portfolio is not None:
        written["cash"] = portfolio["cash"]
        written["positions"] = portfolio["positions"]
        written["oversold"] = portfolio.get("oversold", [])
        expected["cash"] = {currency: plain(amount) for currency, amount in ledger.cash.items()}
        expected["positions"] = [
            {
                "cost": plain(lot.cost),
                "lot": lot.lot_id,
                "product": str(lot.product_id),
                "quantity": plain(lot.quantity),
            }
            for lot in ledger.lots.values()
        ]
        expected["oversold"] = [
            {"product": str(product), "quantity": plain(missing.quantity)}
            for product, missing in ledger.oversold.items()
        ]
    if pnl is not None:
        written |= {"realised": pnl["realised"], "fees": pnl["fees"]}
        expected |= {"realised": plain(ledger.realised), "fees": plain(ledger.fees)}
    return written, expected


def _events(body: Json, slots: list[int], events: Sequence[Event], ledger: Ledger) -> tuple[Json, Json]:
    execution = body["execution"] or {}
    written: Json = {"slots": [body["slot"]], "status": body["status"]}
    written |= {name: execution.get(name, []) for name in ("orders", "fills")}
    traded = "EXECUTED" if has_traded(events) else "NO_TRADE"
    expected: Json = {"slots": slots, "status": traded if body["error"] is None else "ERROR"}
    section = execution_section(events, (), ledger)
    expected |= {"orders": section["orders"], "fills": section["fills"]}
    if body["portfolio"] is not None:
        written["cash_flows"] = body["portfolio"]["cash_flows"]
        expected["cash_flows"] = [
            {"amount": plain(event.amount), "currency": event.currency, "reason": event.reason}
            for event in events
            if isinstance(event, CashFlow)
        ]
    return written, expected
