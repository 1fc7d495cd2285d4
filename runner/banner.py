"""What the operator reads first: what runs, on what, with which configuration, and how to stop it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from runner.audit_line import RunFacts

_RULE = "═" * 63


@dataclass(frozen=True, slots=True, kw_only=True)
class BannerFacts:
    """What the banner says beyond the facts of the run. `notes` are lines about the start itself."""

    run_mode: str
    interval_seconds: int
    market_note: str
    account_note: str
    profile: str
    config_dir: Path
    audit_file: Path
    log_file: Path
    state_file: Path
    kill_file: Path
    notes: tuple[str, ...]


def banner(run: RunFacts, facts: BannerFacts) -> str:
    """Return the banner's lines; the mode is the one in force, not the one in a file."""
    lines = [
        _RULE,
        "247trader-v2 Production Launcher",
        _RULE,
        f"Mode: {run.mode}",
        f"Run mode: {facts.run_mode}",
        f"Interval: {facts.interval_seconds} s",
        f"Venue: {run.venue} ({facts.market_note})",
        f"Account: {facts.account_note}",
        f"Config: {facts.config_dir} (profile {facts.profile}, hash {run.config_hash}, code {run.code_hash})",
        f"Run: {run.run_id}",
        f"Audit: {facts.audit_file}",
        f"Log: {facts.log_file}",
        f"State: {facts.state_file}",
        *(f"Note: {note}" for note in facts.notes),
        f"Stop: Ctrl+C, or: touch {shlex.quote(str(facts.kill_file))} (stops all trading until it is removed)",
        _RULE,
        "✅ System started (Press Ctrl+C to stop)",
    ]
    return "\n".join(lines)
