"""Answers that never come in time cost a cycle its content, not its deadline: the next minute begins on time (L16)."""

import json
from pathlib import Path

from runner.adapters.simulated_coinbase.faults import Fault
from tests.loopback.live_desk import open_live_desk

DEADLINE_SECONDS = 45
"""As shipped: app.yaml, loop.cycle_deadline_seconds."""

HANGS_AT_MINUTE = 20.5
AWAKE_AT_MINUTE = 26.5


def test_while_every_answer_is_late_each_cycle_ends_inside_its_deadline_and_no_slot_is_missed(tmp_path: Path) -> None:
    with open_live_desk(tmp_path, seed=7, over_sockets=False) as desk:
        desk.at(HANGS_AT_MINUTE, lambda: desk.exchange.faults.add(Fault.LATE_ANSWER, 1.0))
        desk.at(AWAKE_AT_MINUTE, desk.exchange.faults.clear)
        desk.play(30)

    lines = [json.loads(text) for text in desk.audit_file.read_text().splitlines()]
    hung = lines[21:27]
    assert {line["no_trade_reason"] for line in hung} <= {"broker_unavailable", "circuit_breaker_tripped"}
    assert all(line["portfolio"]["positions"] for line in hung), "with nothing held, less is asked"
    assert max(line["stage_latencies"]["total_cycle"] for line in hung) <= DEADLINE_SECONDS
    assert [line["missed_slots"] for line in lines] == [0] * 30
    assert lines[-1]["no_trade_reason"] != "broker_unavailable"
