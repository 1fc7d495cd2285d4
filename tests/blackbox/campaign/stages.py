"""What a process was doing at its end: read off its journal, its lines, and the last request that it made."""

from datetime import datetime
from typing import Any

from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.blackbox.bot import Bot
from tests.blackbox.campaign.line import ASKED, Line

STAGES = (
    "starting",
    "waiting for a slot",
    "beginning a cycle",
    "asking the account",
    "asking the market",
    "intent written, not sent",
    "order on its way",
    "order answered, not written",
    "following orders",
    "cancelling",
    "mark written, no line",
    "stopping",
)

_MARKET = (
    Endpoint.TIME,
    Endpoint.PRODUCTS,
    Endpoint.PRODUCT,
    Endpoint.BOOK,
    Endpoint.BEST_BID_ASK,
    Endpoint.CANDLES,
    Endpoint.TRADES,
)


def stage_of(bot: Bot, line: Line, records_before: int, *, is_stopping: bool, until: float) -> str:
    """
    Name the stage of a process that wrote all records after the first `records_before`; one of STAGES.

    `until`: when it was killed, in epoch seconds; what passed later does not count.
    """
    records = bot.journal()[records_before:]
    kinds = [str(record["kind"]) for record in records]
    if "RUN" not in kinds:
        return "starting"
    if is_stopping or kinds[-1] == "STOP":
        return "stopping"
    if "TICK" not in kinds:
        return "waiting for a slot"
    begun = len(kinds) - 1 - kinds[::-1].index("TICK")
    if _last_line_slot(bot) == records[begun]["slot"]:
        return "waiting for a slot"
    return _stage_in_cycle(records[begun:], line, until)


def _stage_in_cycle(records: list[dict[str, Any]], line: Line, until: float) -> str:
    if records[-1]["kind"] == "MARK":
        return "mark written, no line"
    tick_at = datetime.fromisoformat(records[0]["at"]).timestamp()
    last = line.last(tick_at, until)
    doubtful = _without_outcome(records)
    if doubtful:
        if last is None or last.client_order_id not in doubtful:
            return "intent written, not sent"
        return "order on its way" if last.phase == ASKED else "order answered, not written"
    if last is None:
        return "beginning a cycle"
    if last.endpoint is Endpoint.CANCEL:
        return "cancelling"
    if last.endpoint in _MARKET:
        return "asking the market"
    return "following orders" if any(record["kind"] == "INTENT" for record in records) else "asking the account"


def _without_outcome(records: list[dict[str, Any]]) -> list[str]:
    told = {record["client_order_id"] for record in records if record["kind"] == "OUTCOME"}
    meant = [str(record["order"]["client_order_id"]) for record in records if record["kind"] == "INTENT"]
    return [name for name in meant if name not in told]


def _last_line_slot(bot: Bot) -> int | None:
    lines = bot.lines()
    return int(lines[-1]["slot"]) if lines else None
