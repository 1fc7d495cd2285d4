"""A market that takes no order of ours while we hold its coins: what we know of it must not be older than a minute."""

from pathlib import Path

import pytest

from tests.builders import make_product
from tests.scenarios.stage import ETH, Stage, exit_reasons, fills, set_stage

REOPENED = "21"
HOLD_SHORTLY = {"signals.strategies.price_move.max_hold_minutes": 5}


@pytest.mark.parametrize("flag", ["cancel_only", "trading_disabled", "view_only"])
def test_a_lot_is_sold_in_the_minute_after_its_market_opens_again(tmp_path: Path, flag: str) -> None:
    """The universe learns of it an hour later."""
    stage = set_stage(tmp_path, HOLD_SHORTLY)
    stage.buy_one(ETH)
    _close_market(stage, flag, from_minute=5.5, to_minute=20.5)

    lines = stage.play(24)  # in one run: a restart would learn the rules anew

    assert [line["timestamp"][14:16] for line in lines if fills([line], "SELL")] == [REOPENED]
    assert set(exit_reasons(lines)) == {"max_hold"}
    assert lines[-1]["portfolio"]["positions"] == []


def _close_market(stage: Stage, flag: str, *, from_minute: float, to_minute: float) -> None:
    shut, open_again = make_product(ETH, blocked_by=flag), make_product(ETH)
    stage.clock.at(from_minute, lambda: stage.market.set_product(shut))
    stage.clock.at(to_minute, lambda: stage.market.set_product(open_again))
