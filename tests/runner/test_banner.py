"""The lines that an operator copies."""

import shlex
from dataclasses import replace
from pathlib import Path

from runner.audit_line import RunFacts
from runner.banner import BannerFacts, banner

RUN = RunFacts(run_id="run", mode="PAPER", venue="simulated", config_hash="0" * 16, code_hash="1" * 16)
FACTS = BannerFacts(
    run_mode="loop, real time",
    interval_seconds=60,
    market_note="invented prices",
    account_note="paper: 10000 USD",
    profile="conservative",
    config_dir=Path("config"),
    audit_file=Path("logs/audit.jsonl"),
    log_file=Path("logs/live.log"),
    state_file=Path("data/.state.json"),
    kill_file=Path("data/KILL_SWITCH"),
    notes=(),
)


def test_the_command_that_stops_all_trading_names_one_file_also_in_a_folder_with_a_space() -> None:
    kill_file = Path("/my data/it's/KILL_SWITCH")

    text = banner(RUN, replace(FACTS, kill_file=kill_file))

    command = text.partition("or: ")[2].partition(" (stops")[0]
    assert shlex.split(command) == ["touch", str(kill_file)]


def test_a_plain_path_is_given_as_it_is() -> None:
    assert "or: touch data/KILL_SWITCH (stops" in banner(RUN, FACTS)
