"""PAPER on Coinbase's public market: answers that never come cost a cycle its content, not its deadline (L16)."""

import contextlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from runner.adapters.markets.simulated_market import simulated_market
from runner.adapters.simulated_coinbase.faults import Fault, FaultPlan
from runner.adapters.simulated_coinbase.in_process_wire import InProcessWire
from runner.adapters.simulated_coinbase.opening import open_exchange
from runner.desk import Desk
from runner.main_loop import TradingLoop
from runner.options import RunOptions
from runner.venues.coinbase import open_public
from runner.venues.paper import policy_fees
from runner.wiring import Configuration, open_desk
from tests.config_files import shipped_documents, write_config
from tests.fakes.scripted_clock import ScriptedClock
from tests.profiles import BUSY

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"
DEADLINE_SECONDS = 45
"""As shipped: app.yaml, loop.cycle_deadline_seconds."""

HANGS_AT_MINUTE = 20.5
AWAKE_AT_MINUTE = 26.5


def test_each_cycle_ends_inside_its_deadline_and_no_slot_is_missed(tmp_path: Path) -> None:
    lines = _play(tmp_path)

    hung = lines[21:27]
    assert all(line["portfolio"]["positions"] for line in hung), "with nothing held, less is asked"
    assert {line["no_trade_reason"] for line in hung} <= {"data_unavailable", "broker_unavailable"}
    assert max(line["stage_latencies"]["total_cycle"] for line in hung) <= DEADLINE_SECONDS
    assert [line["missed_slots"] for line in lines] == [0] * 30
    assert any("api_errors" in line["breakers"] for line in hung)
    assert lines[-1]["breakers"] == []


def _play(folder: Path) -> list[dict[str, Any]]:
    """Run 30 cycles on a simulated exchange in this process that does not answer for six minutes."""
    clock, faults = ScriptedClock(MONDAY), FaultPlan(7)
    clock.at(HANGS_AT_MINUTE, lambda: faults.add(Fault.LATE_ANSWER, 1.0))
    clock.at(AWAKE_AT_MINUTE, faults.clear)

    def open_one(
        configuration: Configuration, options: RunOptions, stop_reason: Callable[[], str | None]
    ) -> AbstractContextManager[Desk]:
        app = configuration.settings.app
        exchange = open_exchange(
            market=simulated_market(app.simulation, app.market_model, clock.now),
            now=clock.now,
            balances={"USD": Decimal(0)},
            fee_rates=policy_fees(configuration.settings),
            maker_fill_share=app.market_model.maker_fill_share_fraction,
            keys=[],
            faults=faults,
        )
        wire = InProcessWire(exchange, clock)
        outside = open_public(configuration.settings, options, {}, clock=clock, wire=wire)
        return open_desk(configuration, options, stop_reason, replace(outside, is_virtual=True))

    changes = {**BUSY, "app.simulation.products": 7, "app.exchange.api_url": NOWHERE}
    options = RunOptions(
        cycles=30,
        config_dir=write_config(folder / "config", shipped_documents(changes)),
        data_dir=folder / "data",
        logs_dir=folder / "logs",
    )
    with contextlib.redirect_stdout(None):
        TradingLoop(options=options, open_desk=open_one).run()
    return [json.loads(text) for text in (options.logs_dir / "247trader-v2_audit.jsonl").read_text().splitlines()]
