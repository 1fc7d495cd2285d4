"""Answers that come late, or never, cost a cycle its content and not its deadline: the next begins on time (L16)."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from tests.loopback.live_desk import open_live_desk

DEADLINE_SECONDS = 45
"""As shipped: app.yaml, loop.cycle_deadline_seconds."""

TIMEOUT_SECONDS = 10
"""As shipped: app.yaml, exchange.request_timeout_seconds."""

SLOW_AT_MINUTE = 20.5
AWAKE_AT_MINUTE = 26.5


def _play(folder: Path, *, late_by: float, share: float, products: int) -> list[dict[str, Any]]:
    """Run 30 cycles of LIVE; for six minutes a share of the answers is late. Return their lines."""
    behaviour = Behaviour(answers_late_by=timedelta(seconds=late_by))
    with open_live_desk(folder, seed=7, over_sockets=False, products=products, behaviour=behaviour) as desk:
        desk.at(SLOW_AT_MINUTE, lambda: desk.exchange.faults.add(Fault.LATE_ANSWER, share))
        desk.at(AWAKE_AT_MINUTE, desk.exchange.faults.clear)
        desk.play(30)
    return [json.loads(text) for text in desk.audit_file.read_text().splitlines()]


def test_while_no_answer_comes_each_cycle_ends_inside_its_deadline_and_no_slot_is_missed(tmp_path: Path) -> None:
    lines = _play(tmp_path, late_by=120, share=1.0, products=7)

    hung = lines[21:27]
    assert {line["no_trade_reason"] for line in hung} <= {"broker_unavailable", "circuit_breaker_tripped"}
    assert all(line["portfolio"]["positions"] for line in hung), "with nothing held, less is asked"
    assert max(line["stage_latencies"]["total_cycle"] for line in hung) <= DEADLINE_SECONDS
    assert [line["missed_slots"] for line in lines] == [0] * 30
    assert lines[-1]["no_trade_reason"] not in ("broker_unavailable", "circuit_breaker_tripped")


def test_while_every_second_answer_does_not_come_it_is_the_same(tmp_path: Path) -> None:
    lines = _play(tmp_path, late_by=120, share=0.5, products=30)

    assert max(line["stage_latencies"]["total_cycle"] for line in lines[21:27]) <= DEADLINE_SECONDS
    assert [line["missed_slots"] for line in lines] == [0] * 30


@pytest.mark.parametrize("late_by", [3, 9])
def test_while_every_answer_is_slow_the_market_is_asked_until_the_deadline_only(tmp_path: Path, late_by: int) -> None:
    """Thirty products would take minutes; what was begun before the end, an order above all, is seen through."""
    lines = _play(tmp_path, late_by=late_by, share=1.0, products=30)

    slow = [line["stage_latencies"] for line in lines[21:27]]
    assert max(stages.get("triggers", 0) + stages.get("reconcile", 0) for stages in slow) <= DEADLINE_SECONDS
    assert (
        max(stages["total_cycle"] - stages.get("execution", 0) for stages in slow) <= DEADLINE_SECONDS + TIMEOUT_SECONDS
    )
    assert [line["missed_slots"] for line in lines] == [0] * 30
