"""The audit schema and the program say the same: closed lists, fields, and the 16 metrics by their names."""

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import pytest

from core.exits import BlockedBy
from core.model.guards import TradingState
from core.model.orders import Liquidity, OrderType, Outcome, Purpose, Side
from core.model.signals import Regime, Tier
from core.model.verdicts import ExitReason
from core.settings import Mode
from runner.cycle import Reason, Status
from tests.architecture.source import ROOT
from tests.program_runs import Line, Run

Schema = dict[str, Any]

SCHEMA: Schema = json.loads((ROOT / "config" / "schemas" / "audit.schema.json").read_text("utf-8"))

ENUMS: Mapping[str, list[object]] = {
    "mode": [mode.value for mode in Mode],
    "status": [status.value for status in Status],
    "no_trade_reason": [*(reason.value for reason in Reason), None],
    "regime": [*(regime.value for regime in Regime), None],
    "trading_state": [*(state.name for state in TradingState), None],
    "triggers.top[].direction": [1, -1],
    "execution.orders[].side": [side.value for side in Side],
    "execution.orders[].order_type": [kind.value for kind in OrderType],
    "execution.orders[].purpose": [purpose.value for purpose in Purpose],
    "execution.orders[].outcome": [*(outcome.value for outcome in Outcome), None],
    "execution.fills[].side": [side.value for side in Side],
    "execution.fills[].purpose": [*(purpose.value for purpose in Purpose), None],
    "execution.fills[].liquidity": [liquidity.value for liquidity in Liquidity],
    "exits[].reason": [*(reason.value for reason in ExitReason), None],
    "exits[].blocked_by": [*(reason.value for reason in BlockedBy), None],
}
"""Every closed list of the schema, by the path of its field, with the program's own values in their order."""

METRICS = [
    "trader_cycle_duration_seconds",
    "trader_cycle_total",
    "trader_cycle_stage_count",
    "trader_stage_duration_seconds",
    "exchange_rate_limit_utilization",
    "trader_exposure_pct",
    "trader_open_positions",
    "trader_pending_orders",
    "trader_fill_ratio",
    "trader_fills_total",
    "trader_order_rejections_total",
    "trader_circuit_breaker_state",
    "trader_circuit_breaker_trips_total",
    "exchange_api_errors_total",
    "exchange_api_consecutive_errors",
    "trader_no_trade_total",
]
"""The 16 that the documents of the original count, by name."""

OUR_METRICS = ["trader_unprotected_seconds_total"]

NOT_IN_A_QUIET_DAY = {
    "metrics.process_rss_mb",  # left out in virtual time
    *(f"api.{name}" for name in ("requests", "errors", "bytes_sent", "bytes_received", "seconds", "slowest_seconds")),
    "error.type",
    "error.message",
    "execution.not_sent[]",
    "protection[].flattening",
    "reconcile.foreign_fills",
    "reconcile.foreign_orders",
    "portfolio.oversold",
    "reconcile.resolved",
    "reconcile.differences",
    "metrics.trader_exposure_pct.pending",  # in virtual time no order rests past its cycle's end
}
"""Fields that a clean day of a simulated market leaves out or empty; tests of faults look at them."""


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield path and schema of every field, items of lists as `[]`."""
    for name, item in schema.get("properties", {}).items():
        way = f"{path}.{name}" if path else name
        yield way, item
        yield from fields(item, way)
        if "items" in item:
            yield from fields(item["items"], f"{way}[]")


def paths(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of everything in a line, in the words of `fields`."""
    if isinstance(value, dict):
        for name, item in value.items():
            way = f"{path}.{name}" if path else name
            yield way
            yield from paths(item, way)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[]")


@pytest.fixture(scope="module")
def lines(day: Run) -> list[Line]:
    return day.lines()


def test_every_closed_list_is_the_programs_own() -> None:
    found = {path: item["enum"] for path, item in fields(SCHEMA) if "enum" in item}

    assert found == ENUMS


def test_every_closed_list_is_closed() -> None:
    for path in ("no_trade_reason", "status", "mode"):
        assert set(SCHEMA["properties"][path]) <= {"enum", "description"}, path


def test_the_order_type_of_a_line_is_made_of_the_order_types(lines: list[Line]) -> None:
    values = {kind.value for kind in OrderType}

    for line in lines:
        kinds = line["execution"]["order_type"]
        assert kinds is None or set(kinds.split("+")) <= values


def test_tiers_are_counted_by_their_names() -> None:
    counted = SCHEMA["properties"]["universe"]["properties"]

    assert [name for name in counted if name.startswith("tier_")] == [tier.value for tier in Tier]


def test_every_object_with_named_fields_refuses_others() -> None:
    for path, item in [("", SCHEMA), *fields(SCHEMA)]:
        for part in (item, item.get("items", {})):
            if "properties" in part:
                assert part.get("additionalProperties") is False, path


def test_all_fields_are_always_there() -> None:
    assert sorted(SCHEMA["required"]) == sorted(SCHEMA["properties"])


def test_every_field_of_the_schema_is_in_the_lines_of_a_run(lines: list[Line]) -> None:
    seen = {path for line in lines for path in paths(line)}
    left_out = tuple(NOT_IN_A_QUIET_DAY)

    missing = [path for path, _ in fields(SCHEMA) if path not in seen and not path.startswith(left_out)]
    assert missing == []


def test_the_exceptions_are_fields_of_the_schema() -> None:
    known = {path for path, _ in fields(SCHEMA)}

    assert {path.removesuffix("[]") for path in NOT_IN_A_QUIET_DAY} <= known


def test_the_16_metrics_and_our_own_are_there_by_name_in_every_line(lines: list[Line]) -> None:
    section = SCHEMA["properties"]["metrics"]

    assert sorted(section["required"]) == sorted([*METRICS, *OUR_METRICS])
    assert set(section["properties"]) == {*METRICS, *OUR_METRICS, "process_rss_mb"}
    for line in lines:
        assert {*METRICS, *OUR_METRICS} <= set(line["metrics"])


@pytest.mark.parametrize("enum", [Reason, Status, ExitReason, BlockedBy, Outcome, Regime])
def test_no_two_members_of_a_closed_list_share_a_word(enum: type[Enum]) -> None:
    words = [member.value for member in enum.__members__.values()]

    assert len(words) == len(set(words))
