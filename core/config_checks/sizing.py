"""Checks of position sizes: tiers, regimes and pyramiding against the limits."""

from collections.abc import Iterator
from itertools import pairwise

from core.config_checks.findings import Check, ConfigView, FindingSeverity, Problem

ERROR = FindingSeverity.ERROR
RISK = "policy.risk."
TIERS = ("tier_1", "tier_2", "tier_3")
REGIMES = ("bull", "chop", "bear", "crash")


def _pyramiding_no_adds(view: ConfigView) -> Iterator[Problem]:
    if view.flag(RISK + "allow_pyramiding") and view.number(RISK + "max_adds_per_asset_per_day") == 0:
        yield Problem(
            path=RISK + "max_adds_per_asset_per_day",
            message="pyramiding is allowed (risk.allow_pyramiding = true) but no add is",
            fix="set it to 1 or more, or set risk.allow_pyramiding to false",
        )


def _pyramiding_no_room(view: ConfigView) -> Iterator[Problem]:
    cap = view.number(RISK + "max_position_size_pct")
    if view.flag(RISK + "allow_pyramiding") and all(view.number(_size(tier)) >= cap for tier in TIERS):
        yield Problem(
            path=RISK + "allow_pyramiding",
            message="pyramiding is allowed, but position_sizing fills risk.max_position_size_pct "
            f"({cap}) with the first entry in every tier",
            fix="lower a position_sizing value, or set allow_pyramiding to false",
        )


def _adds_without_pyramiding(view: ConfigView) -> Iterator[Problem]:
    if not view.flag(RISK + "allow_pyramiding") and view.number(RISK + "max_adds_per_asset_per_day") > 0:
        yield Problem(
            path=RISK + "max_adds_per_asset_per_day",
            message="adds are counted but pyramiding is off (risk.allow_pyramiding = false)",
            fix="set it to 0, or set risk.allow_pyramiding to true",
        )


def _tier_over_cap(view: ConfigView) -> Iterator[Problem]:
    cap = view.number(RISK + "max_position_size_pct")
    for tier in TIERS:
        if view.number(_size(tier)) > cap:
            yield Problem(
                path=_size(tier),
                message=f"over risk.max_position_size_pct = {cap}: the tier's size can never be had",
                fix=f"set it to {cap} or less",
            )


def _tier_below_min(view: ConfigView) -> Iterator[Problem]:
    least = view.number(RISK + "min_position_size_pct")
    for tier in TIERS:
        if view.number(_size(tier)) < least:
            yield Problem(
                path=_size(tier),
                message=f"below risk.min_position_size_pct = {least}: the tier would never trade",
                fix=f"set it to {least} or more",
            )


def _regime_multiplier_range(view: ConfigView) -> Iterator[Problem]:
    for regime in REGIMES:
        path = f"policy.regime.{regime}.size_multiplier"
        if not 0 <= view.number(path) <= 1:
            yield Problem(path=path, message="a regime may only make positions smaller", fix="set it between 0 and 1")


def _regime_order(view: ConfigView) -> Iterator[Problem]:
    for milder, harder in pairwise(REGIMES):
        for key in ("size_multiplier", "max_open_positions"):
            limit, path = f"policy.regime.{milder}.{key}", f"policy.regime.{harder}.{key}"
            if view.number(path) > view.number(limit):
                yield Problem(
                    path=path,
                    message=f"bolder in a worse market than regime.{milder}.{key} = {view.text(limit)}",
                    fix=f"set it to {view.text(limit)} or less",
                )


def _crash_trades(view: ConfigView) -> Iterator[Problem]:
    for key in ("size_multiplier", "max_open_positions"):
        path = f"policy.regime.crash.{key}"
        if view.number(path) != 0:
            yield Problem(path=path, message="nothing is bought in a crash", fix="set it to 0")


def _regime_positions(view: ConfigView) -> Iterator[Problem]:
    cap = view.number(RISK + "max_open_positions")
    for regime in REGIMES:
        path = f"policy.regime.{regime}.max_open_positions"
        if view.number(path) > cap:
            yield Problem(path=path, message=f"over risk.max_open_positions = {cap}", fix=f"set it to {cap} or less")


def _regime_dead_zone(view: ConfigView) -> Iterator[Problem]:
    least = view.number(RISK + "min_position_size_pct")
    largest = max(view.number(_size(tier)) for tier in TIERS)
    for regime in REGIMES:
        path = f"policy.regime.{regime}.size_multiplier"
        if view.number(f"policy.regime.{regime}.max_open_positions") > 0 and largest * view.number(path) < least:
            yield Problem(
                path=path,
                message=f"even the largest tier ({largest} %) is below risk.min_position_size_pct = {least}: "
                "nothing could be bought, though positions are allowed",
                fix="raise it, or set this regime's max_open_positions to 0",
            )


def _size(tier: str) -> str:
    return f"policy.position_sizing.{tier}_pct"


SIZING_CHECKS = (
    Check(
        "CONTRADICTION_PYRAMIDING_NO_ADDS", ERROR, "C1", "pyramiding allowed, but zero adds a day", _pyramiding_no_adds
    ),
    Check(
        "CONTRADICTION_PYRAMIDING_NO_ROOM",
        ERROR,
        "C2",
        "pyramiding allowed, but sizing leaves no room for an add",
        _pyramiding_no_room,
    ),
    Check(
        "CONTRADICTION_ADDS_WITHOUT_PYRAMIDING",
        ERROR,
        "C3",
        "adds allowed, but pyramiding is off",
        _adds_without_pyramiding,
    ),
    Check("TIER_SIZE_OVER_CAP", ERROR, "", "a tier's size over the position cap", _tier_over_cap),
    Check("TIER_SIZE_BELOW_MIN", ERROR, "", "a tier's size below the smallest position", _tier_below_min),
    Check("REGIME_MULTIPLIER_RANGE", ERROR, "", "a regime's multiplier outside 0..1", _regime_multiplier_range),
    Check("REGIME_ORDER", ERROR, "", "a worse regime bolder than a better one", _regime_order),
    Check("REGIME_CRASH_TRADES", ERROR, "", "entries in a crash", _crash_trades),
    Check("REGIME_POSITIONS_OVER_CAP", ERROR, "", "a regime's positions over the cap", _regime_positions),
    Check(
        "REGIME_SIZE_DEAD_ZONE",
        ERROR,
        "",
        "a regime that allows positions but makes all of them too small",
        _regime_dead_zone,
    ),
)
