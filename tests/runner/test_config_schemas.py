"""The schemas know exactly the keys that the settings read, and their findings say what to write."""

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from core.config_checks.findings import Finding
from core.settings import AppSettings, PolicySettings, SignalSettings, TierFractions, UniverseSettings
from runner.adapters.configuration.schemas import SCHEMA_DIR, SHAPE_CODES, check_shapes
from tests.config_files import shipped_documents

ROOTS = {"app": AppSettings, "policy": PolicySettings, "signals": SignalSettings, "universe": UniverseSettings}
STRATEGIES = ("price_move", "momentum", "mean_reversion")


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMA_DIR / f"{name}.schema.json").read_text("utf-8"))
    return schema


def nodes(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every schema node below `path` with the path of its key."""
    yield path, schema
    for key, part in {**schema.get("properties", {}), **schema.get("patternProperties", {})}.items():
        yield from nodes(part, f"{path}.{key}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


ALL_NODES = [node for name in ROOTS for node in nodes(schema_of(name), name)]


def test_every_section_closes_its_keys_and_requires_each_of_them() -> None:
    for path, node in ALL_NODES:
        if node.get("type") == "object":
            assert node["additionalProperties"] is False, path
            assert list(node.get("properties", {})) == node.get("required", []), path


def test_every_key_says_in_one_line_what_it_is() -> None:
    for path, node in ALL_NODES:
        if "." in path:
            assert 5 < len(node["description"]) < 120, path


def test_every_number_has_two_bounds() -> None:
    for path, node in ALL_NODES:
        if node.get("type") in ("number", "integer"):
            assert "maximum" in node, path
            assert "minimum" in node or "exclusiveMinimum" in node, path


def test_the_schemas_use_only_keywords_that_have_a_finding() -> None:
    silent = {"$schema", "title", "description", "properties", "patternProperties", "items"}

    used = {keyword for _, node in ALL_NODES for keyword in node}

    assert used - silent <= set(SHAPE_CODES)


@pytest.mark.parametrize("name", ROOTS)
def test_a_schema_lists_exactly_the_keys_of_the_settings(name: str) -> None:
    assert _schema_keys(schema_of(name)) == _settings_keys(ROOTS[name])


def _schema_keys(schema: Mapping[str, Any]) -> object:
    """Return keys as a tree; a `_pct` or `_bps` key as the `_fraction` field that it feeds."""
    if "properties" not in schema:
        return None
    return {_field_of(key): _schema_keys(part) for key, part in schema["properties"].items()}


def _field_of(key: str) -> str:
    is_percent = key.endswith(("_pct", "_bps")) and key != "max_per_theme_pct"
    return f"{key[:-4]}_fraction" if is_percent else key


def _settings_keys(kind: Any) -> object:
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return {name: _settings_keys(part) for name, part in typing.get_type_hints(kind).items()}
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Mapping and dataclasses.is_dataclass(arguments[1]):
        names = STRATEGIES if arguments[0] is str else [member.value for member in arguments[0]]
        return {name: _settings_keys(arguments[1]) for name in names}
    return None


def test_tiers_in_the_settings_are_the_tiers_of_the_schema() -> None:
    assert list(typing.get_type_hints(TierFractions)) == ["tier_1", "tier_2", "tier_3"]


@pytest.mark.parametrize(
    ("changes", "code", "key", "value", "fix"),
    [
        ({"policy.risk.max_open_position": 5}, "UNKNOWN_KEY", "risk.max_open_position", "5", "to max_open_positions"),
        ({"policy.risk.zzz": True}, "UNKNOWN_KEY", "risk.zzz", "true", "remove it"),
        ({"policy.risk.max_per_theme_pct.meme": 5}, "UNKNOWN_KEY", "risk.max_per_theme_pct.meme", "5", "remove it"),
        ({"policy.risk.max_drawdown_pct": None}, "MISSING_KEY", "risk.max_drawdown_pct", "(missing)", "Fall from"),
        ({"policy.risk.max_open_positions": 0}, "OUT_OF_RANGE", "risk.max_open_positions", "0", "at least 1"),
        ({"policy.risk.max_open_positions": 101}, "OUT_OF_RANGE", "risk.max_open_positions", "101", "at most 100"),
        ({"policy.risk.min_capital_usd": 0}, "OUT_OF_RANGE", "risk.min_capital_usd", "0", "more than 0"),
        ({"policy.risk.max_drawdown_pct": 100.1}, "OUT_OF_RANGE", "risk.max_drawdown_pct", "100.1", "at most 100"),
        ({"policy.risk.max_open_positions": 5.0}, "WRONG_TYPE", "risk.max_open_positions", "5.0", "a whole number"),
        ({"policy.risk.max_open_positions": True}, "WRONG_TYPE", "risk.max_open_positions", "true", "a whole number"),
        ({"policy.risk.max_drawdown_pct": "10"}, "WRONG_TYPE", "risk.max_drawdown_pct", "10", "a number"),
        ({"policy.risk.allow_pyramiding": 0}, "WRONG_TYPE", "risk.allow_pyramiding", "0", "true or false"),
        ({"policy.profile": 5}, "WRONG_TYPE", "profile", "5", "text"),
        ({"policy.risk": 5}, "WRONG_TYPE", "risk", "5", "a section with keys"),
        ({"universe.exclusions.assets": "BTC"}, "WRONG_TYPE", "exclusions.assets", "BTC", "a list"),
        ({"app.app.mode": "REAL"}, "NOT_A_CHOICE", "app.mode", "REAL", "DRY_RUN, PAPER, LIVE"),
        ({"app.exchange.market": "replay:"}, "NOT_A_CHOICE", "exchange.market", "replay:", "replay:PATH"),
        ({"universe.quote_currencies": ["EUR"]}, "NOT_A_CHOICE", "quote_currencies[0]", "EUR", "USD, USDC, USDT"),
        ({"universe.quote_currencies": []}, "BAD_LIST", "quote_currencies", "[]", "at least 1"),
        ({"universe.exclusions.assets": ["A", "A"]}, "BAD_LIST", "exclusions.assets", "[A, A]", "keep each item once"),
        ({"universe.exclusions.assets": ["btc"]}, "NOT_A_CHOICE", "exclusions.assets[0]", "btc", "capitals"),
        ({"signals.strategies.grid": {}}, "UNKNOWN_KEY", "strategies.grid", "{}", "remove it"),
        ({"signals.strategies.momentum": None}, "MISSING_KEY", "strategies.momentum", "(missing)", "set it"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_found_with_key_value_and_fix(
    changes: Mapping[str, object], code: str, key: str, value: str, fix: str
) -> None:
    found = check_shapes(shipped_documents(changes))

    assert [(item.code, item.key, item.value) for item in found] == [(code, key, value)]
    assert fix in found[0].fix


def test_all_wrong_keys_are_reported_at_once() -> None:
    changes = {"policy.risk.max_drawdown_pct": None, "signals.triggers.typo": 1, "app.loop.interval_seconds": 1}

    found = check_shapes(shipped_documents(changes))

    assert sorted(item.code for item in found) == ["MISSING_KEY", "OUT_OF_RANGE", "UNKNOWN_KEY"]


def test_a_percentage_given_in_the_other_unit_is_not_read_at_a_hundredth() -> None:
    documents = shipped_documents({"policy.execution.maker_fee_bps": None, "policy.execution.maker_fee_pct": 0.5})

    found: tuple[Finding, ...] = check_shapes(documents)

    assert {item.code for item in found} == {"MISSING_KEY", "UNKNOWN_KEY"}


def test_decimals_are_compared_exactly_with_the_bounds() -> None:
    at_limit = shipped_documents({"policy.risk.max_drawdown_pct": Decimal("100.000000000000000000")})
    past = shipped_documents({"policy.risk.max_drawdown_pct": Decimal("100.000000000000000001")})

    assert check_shapes(at_limit) == ()
    assert [item.code for item in check_shapes(past)] == ["OUT_OF_RANGE"]
