"""From parsed files to settings: every key arrives once, in its unit; and what the hashes do and do not see."""

import dataclasses
import types
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from core.settings_builder import build_settings, hash_documents
from runner.adapters.configuration.settings_files import load_documents
from tests.config_files import leaf_paths, shipped_documents

SHIPPED = shipped_documents()
LEAVES = leaf_paths(SHIPPED)
DECISION_LEAVES = [path for path in LEAVES if not path.startswith("app.")]
APP_LEAVES = [path for path in LEAVES if path.startswith("app.")]


def other(path: str) -> object:
    """Return a value of the same type that differs from the shipped one."""
    value: Any = SHIPPED
    for word in path.split("."):
        value = value[word]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, Decimal):
        return value + Decimal("0.1")
    return value[1:] if isinstance(value, list) else value + "x"


def hashes(changes: Mapping[str, object]) -> tuple[str, str]:
    documents = shipped_documents(changes)
    decision = {name: documents[name] for name in ("policy", "signals", "universe")}
    return hash_documents(decision), hash_documents({"app": documents["app"]})


@pytest.mark.parametrize("path", DECISION_LEAVES)
def test_any_changed_threshold_changes_the_config_hash_alone(path: str) -> None:
    config_before, app_before = hashes({})

    config_after, app_after = hashes({path: other(path)})

    assert config_after != config_before
    assert app_after == app_before


@pytest.mark.parametrize("path", APP_LEAVES)
def test_app_yaml_changes_the_app_hash_alone(path: str) -> None:
    config_before, app_before = hashes({})

    config_after, app_after = hashes({path: other(path)})

    assert config_after == config_before
    assert app_after != app_before


def test_the_hashes_of_the_settings_are_16_hex_digits_of_the_decision_files_and_of_app_yaml() -> None:
    settings = build_settings(SHIPPED)

    assert (settings.config_hash, settings.app_hash) == hashes({})
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in (settings.config_hash, settings.app_hash))


@pytest.mark.parametrize("same", [25, Decimal("25"), Decimal("25.0"), Decimal("25.00"), Decimal("2.5E1")])
def test_one_number_written_differently_hashes_alike(same: object) -> None:
    assert hash_documents({"policy": {"cap": same}}) == hash_documents({"policy": {"cap": 25}})


@pytest.mark.parametrize("different", ["25", True, [25], {"number": "25"}, Decimal("25.1")])
def test_a_value_of_another_type_hashes_differently(different: object) -> None:
    assert hash_documents({"policy": {"cap": different}}) != hash_documents({"policy": {"cap": 25}})


def test_comments_and_key_order_do_not_change_the_hash(tmp_path: Path) -> None:
    for folder, text in (("a", "cap: 1\nfloor: 2.50\n"), ("b", "# why\nfloor: 2.5  # because\n\ncap: 1\n")):
        (tmp_path / folder).mkdir()
        for name in ("app", "policy", "signals", "universe"):
            (tmp_path / folder / f"{name}.yaml").write_text(text)

    first, second = load_documents(tmp_path / "a"), load_documents(tmp_path / "b")

    assert hash_documents(first) == hash_documents(second)


def test_the_order_of_a_list_is_a_preference_and_changes_the_hash() -> None:
    before, _ = hashes({})

    after, _ = hashes({"universe.quote_currencies": ["USDC", "USD", "USDT"]})

    assert after != before


def test_percent_points_and_basis_points_become_fractions() -> None:
    settings = build_settings(SHIPPED)

    assert settings.policy.risk.max_total_at_risk_fraction == Decimal("0.25")
    assert settings.policy.risk.daily_stop_pnl_fraction == Decimal("-0.03")
    assert settings.policy.execution.maker_fee_fraction == Decimal("0.005")
    assert settings.policy.execution.max_slippage_fraction.tier_3 == Decimal("0.006")
    assert settings.signals.triggers.price_move_15m_fraction == 0.012
    assert settings.policy.risk.max_theme_fraction("MEME") == Decimal("0.05")
    assert settings.policy.risk.max_theme_fraction("NONE") is None


NAMED_LEAVES = [path for path in LEAVES if "max_per_theme_pct." not in path and "themes." not in path]


@pytest.mark.parametrize("path", NAMED_LEAVES)
def test_every_key_is_needed_and_its_name_is_in_the_message(path: str) -> None:
    with pytest.raises(ConfigError, match=r"is missing; set it, there is no default|is not one of") as caught:
        build_settings(shipped_documents({path: None}))

    stem = path.rpartition(".")[2].removesuffix("_pct").removesuffix("_bps")
    assert f"{path.partition('.')[0]}.yaml" in str(caught.value)
    assert stem in str(caught.value)


@pytest.mark.parametrize("section", ["policy", "policy.risk", "signals.triggers", "universe.hysteresis", "app.loop"])
def test_an_unknown_key_is_refused_by_name(section: str) -> None:
    with pytest.raises(ConfigError, match="unknown key 'typo'"):
        build_settings(shipped_documents({f"{section}.typo": 1}))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("policy.risk.max_open_positions", Decimal("5.0"), "a whole number"),
        ("policy.risk.max_open_positions", True, "a whole number"),
        ("policy.risk.max_drawdown_pct", "10", "a number"),
        ("policy.risk.max_drawdown_pct", False, "a number"),
        ("policy.risk.allow_pyramiding", "yes", "true or false"),
        ("policy.profile", 5, "text"),
        ("policy.risk", 5, "a section"),
        ("universe.exclusions.assets", "BTC", "a list"),
        ("universe.tiers", [], "a section"),
        ("app.app.mode", "REAL", "DRY_RUN, PAPER, LIVE"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_key_and_value(path: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_settings(shipped_documents({path: value}))

    message = str(caught.value)
    assert expected in message
    assert path.rpartition(".")[2] in message
    assert repr(value) in message


def test_settings_cannot_be_changed_after_they_were_built() -> None:
    settings = build_settings(SHIPPED)

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.policy.risk.max_open_positions = 50  # type: ignore[misc]
    assert isinstance(settings.policy.regime, types.MappingProxyType)
