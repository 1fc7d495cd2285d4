"""A cycle looks at its orders until they are over, but never so long that the kill switch or the next minute waits."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from tests.builders import make_product
from tests.fakes.faulty_broker import FaultyBroker
from tests.scenarios.stage import ETH, Stage, set_stage, with_faults

SLOW_LOOKS = {"policy.execution.post_trade_reconcile_wait_seconds": 4}


def _stage(folder: Path, changes: Mapping[str, object] | None = None) -> tuple[Stage, list[FaultyBroker]]:
    stage = set_stage(folder, changes)
    return stage, with_faults(stage)


def test_the_kill_switch_is_noticed_within_a_second_while_a_guard_is_looked_at_and_an_entry_rests(
    tmp_path: Path,
) -> None:
    stage, made = _stage(tmp_path, SLOW_LOOKS)
    stage.market.set_product(replace(make_product(ETH), quote_min_size=Decimal(100)))  # small fills: guards are joined
    stage.buy_one(ETH)
    stage.market.move(ETH, -0.3, at_minute=2.02)
    stage.clock.at(2.02, lambda: stage.market.set_volume(ETH, 12.0))

    stage.clock.at(1.6, lambda: setattr(made[0], "ignores_cancels", True))
    stage.clock.at(2.11, stage.kill_file.touch)  # 0.6 s after a guard was asked to make way for a larger one

    stage.play(3)

    journal = stage.journal()
    purposes = {e["order"]["client_order_id"]: e["order"]["purpose"] for e in journal if e["kind"] == "INTENT"}
    assert [(purposes[e["client_order_id"]], e["at"]) for e in journal if e["kind"] == "CANCEL"] == [
        ("protection", "2026-01-05T10:02:06Z"),
        ("entry", "2026-01-05T10:02:06.600000Z"),
    ]


def test_an_exchange_that_falls_silent_in_the_middle_of_a_cycle_does_not_take_the_next_minute(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path)
    stage.buy_one(ETH)

    def fall_silent() -> None:
        made[0].unavailable = True
        made[0].hang_seconds = 10  # app.yaml, exchange.request_timeout_seconds

    stage.clock.at(2.1, fall_silent)  # the entry rests
    stage.clock.at(6.5, lambda: setattr(made[0], "unavailable", False))

    lines = stage.play(8)

    assert lines[2]["execution"]["orders"]
    assert lines[2]["stage_latencies"]["total_cycle"] < 60
    assert [line["missed_slots"] for line in lines] == [0] * 8


def test_fills_that_do_not_come_are_not_waited_for_longer_than_a_cycle_has(tmp_path: Path) -> None:
    stage, made = _stage(tmp_path, SLOW_LOOKS)
    stage.buy_one(ETH)
    stage.clock.at(1.6, lambda: setattr(made[0], "fills_late_seconds", 100))

    lines = stage.play(6)

    assert lines[2]["stage_latencies"]["total_cycle"] < 60
    assert [line["missed_slots"] for line in lines] == [0] * 6
    assert lines[-1]["protection"][0]["guarded"] == lines[-1]["portfolio"]["positions"][0]["quantity"]
