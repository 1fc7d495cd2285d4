"""Settings of how orders are priced, guarded and refused, each changed alone, seen in the audit line."""

from decimal import Decimal
from pathlib import Path

import pytest

from core.model.orders import OrderType
from tests.scenarios.stage import ETH, Line, orders, set_stage, with_faults

HOLD_SHORTLY = {"signals.strategies.price_move.max_hold_minutes": 5}


def _guards(lines: list[Line]) -> list[Line]:
    return [order for order in orders(lines) if order["purpose"] == "protection"]


def _refusals(lines: list[Line]) -> list[Line]:
    return [refused for line in lines if line["risk"] is not None for refused in line["risk"]["refused"]]


# --- guards -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "previews"), [("auto", 1), ("bracket", 0), ("stop_limit", 0)])
def test_the_kind_of_guard_is_the_settings_and_the_venue_is_asked_only_when_it_may_choose(
    tmp_path: Path, kind: str, previews: int
) -> None:
    stage = set_stage(tmp_path, {"policy.protection.kind": kind})
    made = with_faults(stage)
    stage.buy_one(ETH)

    lines = stage.play(3)

    assert [guard["order_type"] for guard in _guards(lines)] == ["stop_limit" if kind == "stop_limit" else "bracket"]
    assert len(made[0].previewed) == previews


def test_a_bracket_that_was_insisted_on_is_never_replaced_by_another_kind(tmp_path: Path) -> None:
    stage = set_stage(tmp_path, {"policy.protection.kind": "bracket"})
    made = with_faults(stage)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: made[0].rejects.update({OrderType.BRACKET: "BRACKET_ORDER_NOT_SUPPORTED"}))

    lines = stage.play(5)

    assert {(guard["order_type"], guard["outcome"]) for guard in _guards(lines)} == {("bracket", "REJECTED")}
    assert "BRACKET_ORDER_NOT_SUPPORTED" in stage.alerts("unprotected")[0]


@pytest.mark.parametrize("offset_bps", [250, 500])
def test_a_stop_limit_sells_down_to_the_settings_distance_below_its_stop(tmp_path: Path, offset_bps: int) -> None:
    changes = {"policy.protection.kind": "stop_limit", "policy.protection.stop_limit_offset_bps": offset_bps}
    stage = set_stage(tmp_path, changes)
    stage.buy_one(ETH)

    (guard,) = _guards(stage.play(3))

    limit = Decimal(guard["stop_price"]) * (1 - Decimal(offset_bps) / 10_000)
    assert Decimal(guard["limit_price"]) == pytest.approx(limit, abs=Decimal("0.01"))


# --- exits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "prices"),
    [
        pytest.param({}, ["2028.08", "2012.64", "1997.20"], id="as shipped: 150, 225, 300 bps"),
        pytest.param({"exit_slippage_step_bps": 100}, ["2028.08", "2007.49", "1986.90"], id="a wider step"),
        pytest.param({"exit_slippage_limit_bps": 250}, ["2028.08", "2012.64", "2008.50"], id="a bound, off the close"),
        pytest.param({"exit_attempts_per_cycle": 1}, ["2028.08"], id="one attempt a cycle"),
        pytest.param({"max_exit_slippage_bps": 50}, ["2048.67", "2033.23", "2017.79"], id="a nearer first one"),
    ],
)
def test_an_exit_that_finds_no_buyers_goes_as_far_down_as_the_settings_say(
    tmp_path: Path, changes: dict[str, object], prices: list[str]
) -> None:
    """The bid is 2058.97, the last close 2060.00."""
    stage = set_stage(tmp_path, {**HOLD_SHORTLY, **{f"policy.exits.{name}": value for name, value in changes.items()}})
    stage.buy_one(ETH)
    stage.clock.at(7.4, lambda: stage.market.set_book(ETH, level_size="0.002"))

    lines = stage.play(9)

    exits = [Decimal(order["limit_price"]) for order in orders(lines[8:]) if order["purpose"] == "exit"]
    assert exits == [Decimal(price) for price in prices]


# --- entries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("least_bps", "is_bought"), [(190, True), (191, False)])
def test_an_entry_whose_target_does_not_pay_its_costs_is_refused(
    tmp_path: Path, least_bps: int, is_bought: bool
) -> None:
    """A target of 400 bps less two fees of 90, a spread of 10 and a slippage budget of 20."""
    alone = {f"signals.strategies.{name}.enabled": False for name in ("momentum", "mean_reversion")}
    stage = set_stage(tmp_path, {**alone, "policy.execution.min_net_edge_bps": least_bps})
    stage.buy_one(ETH)

    lines = stage.play(4)

    assert bool(orders(lines)) is is_bought
    too_thin = [item for item in _refusals(lines) if item["reason"] == "edge_below_costs"]
    assert {item["limit"] for item in too_thin} == (set() if is_bought else {"at least 0.0191"})


def test_an_entry_that_the_quote_and_the_last_candle_price_differently_is_refused(tmp_path: Path) -> None:
    """
    The collar of tier 1 is 100 bps, and the price jumps after the candle.

    By 0.9 % its bid is still inside, so the resting order is sent; the limit at which the rest would cross is not.
    """
    found = {}
    for percent in (0.5, 0.9, 1.2):
        stage = set_stage(tmp_path / str(percent))
        stage.buy_one(ETH)
        stage.market.move(ETH, percent, at_minute=2.0)
        lines = stage.play(3)
        found[percent] = (lines[-1]["no_trade_reason"], [item["reason"] for item in _refusals(lines)])

    assert found == {
        0.5: (None, []),
        0.9: (None, ["sources_disagree"]),
        1.2: ("all_proposals_refused", ["sources_disagree"]),
    }
